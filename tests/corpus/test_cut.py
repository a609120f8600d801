"""Recordings cut into utterances by their annotations."""

import json
from pathlib import Path

import numpy as np
import pympi
import pytest
from support.calling import slr

from slrcli.corpus import open_corpus
from slrcli.features.layout import load_layout
from slrcli.features.readers import read_recording
from slrcli.features.recording import Recording
from slrcli.features.writers import write_recording

FPS = 25.0


def eaf(path, tiers, media=()):
    """An ELAN file by pympi: tier -> (start, end, text) in milliseconds."""
    file = pympi.Elan.Eaf(author="test")
    file.remove_tier("default")
    for name, rows in tiers.items():
        file.add_tier(name)
        for row in rows:
            file.add_annotation(name, *row)
    for name, origin in media:
        file.add_linked_file(f"file:///somewhere/else/{name}", f"./{name}", "video/mp4", time_origin=origin)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.to_file(path)
    return path


def counting(frames=250, first=0.0):
    """A clip of 60 columns whose frames tell their numbers."""
    return np.repeat(first + np.arange(1, frames + 1, dtype=np.float32)[:, None], 60, axis=1)


def recording(path, values=None, fps=FPS):
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = load_layout("kinect-20")
    write_recording(path, Recording(counting() if values is None else values, layout, fps))
    return path


RIGHT = [(1000, 1400, "HELLO"), (1500, 1900, "TO GO"), (4000, 4400, "NAME"), (4400, 4800, "")]
LEFT = [(1010, 1390, "HELLO"), (1600, 1700, "BOOK")]
SENTENCES = [(900, 2000, "Hello ..."), (3900, 5000, "The name."), (7000, 8000, "Nobody signs.")]


def cut(tmp_path, *options, files=None):
    return slr("corpus", *(files or [tmp_path / "rec.eaf"]), *options, "--out", tmp_path / "out")


def rows(tmp_path):
    return [(item.id, item.signer, item.glosses) for item in open_corpus(tmp_path / "out").splits["train"]]


def frames_of(tmp_path, id):
    found = read_recording(tmp_path / "out" / "features" / f"{id}.npz")
    return found.values[:, 0].astype(int).tolist()


BOTH = ("--tier", "GLOSS-R", "--tier", "GLOSS-L")


def test_signs_of_two_hands_become_utterances_between_pauses(tmp_path):
    eaf(tmp_path / "rec.eaf", {"GLOSS-R": RIGHT, "GLOSS-L": LEFT})
    recording(tmp_path / "features" / "rec.npz")
    result = cut(tmp_path, *BOTH, "--pause", 1)
    assert result.exit_code == 0, result.output
    assert rows(tmp_path) == [("rec-0001", "", ("HELLO", "TO-GO", "BOOK")), ("rec-0002", "", ("NAME",))]
    assert frames_of(tmp_path, "rec-0001") == list(range(26, 49))  # 1.0 to 1.9 s at 25 frames/s, counted from 1
    assert frames_of(tmp_path, "rec-0002") == list(range(101, 111))
    assert all(text in result.stderr for text in ("1 empty", "1 signs are annotated for both", "1 glosses have spaces"))
    about = (tmp_path / "out" / "corpus.toml").read_text()
    assert "fps = 25.0" in about
    assert read_recording(tmp_path / "out" / "features" / "rec-0001.npz").layout.name == "kinect-20"


def test_a_tier_of_sentences_gives_the_utterances(tmp_path):
    eaf(tmp_path / "rec.eaf", {"GLOSS-R": RIGHT, "GLOSS-L": LEFT, "Translation": SENTENCES})
    recording(tmp_path / "rec.npz")
    result = cut(tmp_path, *BOTH, "--sentences", "Translation", "--json")
    assert result.exit_code == 0, result.output
    assert [glosses for _, _, glosses in rows(tmp_path)] == [("HELLO", "TO-GO", "BOOK"), ("NAME",)]
    assert frames_of(tmp_path, "rec-0001") == list(range(23, 51))  # 0.9 to 2.0 s; frame 23 is shown at 0.88 s
    told = json.loads(result.stdout)
    assert (told["utterances"], told["glosses"], told["left_out_or_changed"]["bare"]) == (2, 4, 1)


def dgs(tmp_path, media=(("rec_1a1.mp4", None), ("rec_1b1.mp4", None))):
    return eaf(
        tmp_path / "rec.eaf",
        {
            "Lexem_Gebärde_r_A": [(1000, 1400, "ICH1")],
            "Lexem_Gebärde_l_A": [(1000, 1400, "ICH1")],
            "Lexem_Gebärde_r_B": [(2000, 2400, "DU1*")],
            "Deutsche_Übersetzung_A": [(900, 1500, "Ich.")],
            "Deutsche_Übersetzung_B": [(1900, 2500, "Du.")],
        },
        media,
    )


LEXEMES = ("Lexem_Gebärde_r_A", "Lexem_Gebärde_l_A", "Lexem_Gebärde_r_B")
ALL = tuple(word for name in LEXEMES for word in ("--tier", name))


TRANSLATIONS = ("--sentences", "Deutsche_Übersetzung_A", "--sentences", "Deutsche_Übersetzung_B")


@pytest.mark.parametrize("sentences", [(), TRANSLATIONS])
@pytest.mark.parametrize("names", [("rec_1a1", "rec_1b1"), ("rec_A", "rec_B"), ("rec-A", "rec-B")])
def test_each_signer_of_a_file_has_a_recording_of_their_own(tmp_path, names, sentences):
    dgs(tmp_path)
    for number, name in enumerate(names):
        recording(tmp_path / "features" / f"{name}.npz", counting(first=1000.0 * number))
    result = cut(tmp_path, *ALL, *sentences)
    assert result.exit_code == 0, result.output
    assert rows(tmp_path) == [("rec-A-0001", "rec-A", ("ICH1",)), ("rec-B-0001", "rec-B", ("DU1*",))]
    assert frames_of(tmp_path, "rec-A-0001")[0] < 1000 < frames_of(tmp_path, "rec-B-0001")[0]


def test_one_signer_of_a_file_of_two_has_the_right_recording(tmp_path):
    dgs(tmp_path)
    for number, name in enumerate(("rec_1a1", "rec_1b1")):
        recording(tmp_path / "features" / f"{name}.npz", counting(first=1000.0 * number))
    assert cut(tmp_path, "--tier", LEXEMES[2]).exit_code == 0
    assert frames_of(tmp_path, "rec-0001")[0] > 1000


def test_a_recording_of_two_signers_is_not_taken_for_one(tmp_path):
    dgs(tmp_path, [("rec.mp4", None)])
    recording(tmp_path / "features" / "rec.npz")
    result = cut(tmp_path, *ALL)
    assert result.exit_code == 1 and "signer A's alone" in result.stderr and not (tmp_path / "out").exists()


def test_times_of_annotations_begin_where_the_file_says_in_the_video(tmp_path):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A")]}, [("video.mp4", 2000)])
    recording(tmp_path / "features" / "video.npz")
    assert cut(tmp_path, "--tier", "G").exit_code == 0
    assert frames_of(tmp_path, "rec-0001") == list(range(76, 86))


def test_the_times_of_extracted_frames_go_before_their_rate(tmp_path):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A")]})
    times = np.concatenate([np.arange(100) / 100, 1 + np.arange(150) / 10])
    (tmp_path / "features").mkdir()
    np.savez(tmp_path / "features" / "rec.npz", features=counting(), timestamps=times, fps=25.0, layout="kinect-20")
    assert cut(tmp_path, "--tier", "G").exit_code == 0
    assert frames_of(tmp_path, "rec-0001") == [101, 102, 103, 104]


@pytest.mark.parametrize(
    "times", [np.array(["x"] * 250), np.arange(250) % 2 > 0, np.append(np.arange(249.0), np.inf), {}]
)
def test_times_that_are_none_are_refused_or_the_rate_is_taken(tmp_path, times):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A")]})
    np.savez(tmp_path / "rec.npz", features=counting(), timestamps=times, fps=25.0, layout="kinect-20")
    result = cut(tmp_path, "--tier", "G")
    if result.exit_code:
        assert result.exit_code == 1 and "rec.npz" in result.stderr and not (tmp_path / "out").exists()
    else:
        assert frames_of(tmp_path, "rec-0001") == list(range(26, 36))


def test_a_damaged_array_of_times_is_named(tmp_path):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A")]})
    np.savez(tmp_path / "rec.npz", features=counting(), timestamps=np.arange(250.0), fps=25.0, layout="kinect-20")
    data = bytearray((tmp_path / "rec.npz").read_bytes())
    data[data.index(np.arange(250.0).tobytes()[:800]) + 100] ^= 1
    (tmp_path / "rec.npz").write_bytes(data)
    result = cut(tmp_path, "--tier", "G")
    assert result.exit_code == 1 and "damaged" in result.stderr and "rec.npz" in result.stderr


def test_a_video_with_an_endless_name_is_not_there(tmp_path):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A")]}, [(f"{'x' * 5000}.mp4", None)])
    result = cut(tmp_path, "--tier", "G")
    assert result.exit_code == 1 and "Neither a feature file nor a video" in result.stderr


@pytest.mark.parametrize("kind", ["npy", "csv", "pkl"])
def test_every_readable_file_is_cut(tmp_path, kind):
    import pickle

    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A")]})
    if kind == "npy":
        np.save(tmp_path / "rec.npy", counting())
    elif kind == "csv":
        recording(tmp_path / "rec.csv")
    else:
        (tmp_path / "rec.pkl").write_bytes(pickle.dumps(counting()))
    without = cut(tmp_path, "--tier", "G")
    assert without.exit_code == 1 and "--fps" in without.stderr and not (tmp_path / "out").exists()
    assert cut(tmp_path, "--tier", "G", "--fps", 25).exit_code == 0
    assert frames_of(tmp_path, "rec-0001") == list(range(26, 36))


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_cues_of_subtitles_are_utterances(tmp_path, suffix):
    start = "WEBVTT\n\n" if suffix == "vtt" else ""
    cues = [("01.000", "01.400", "HELLO YOU"), ("04.000", "04.400", "NAME"), ("04.500", "05.000", "")]
    text = start + "".join(f"{n}\n00:00:{a} --> 00:00:{b}\n{words}\n\n" for n, (a, b, words) in enumerate(cues, 1))
    (tmp_path / f"rec.{suffix}").write_text(text)
    recording(tmp_path / "features" / "rec.npz")
    result = cut(tmp_path, files=[tmp_path / f"rec.{suffix}"])
    assert result.exit_code == 0 and "1 empty" in result.stderr, result.output
    assert [glosses for _, _, glosses in rows(tmp_path)] == [("HELLO", "YOU"), ("NAME",)]
    assert frames_of(tmp_path, "rec-0001") == list(range(26, 36))


def test_what_decode_writes_is_cut_at_the_frames_that_it_names(tmp_path):
    from slrcli.decoding.hypothesis import Hypothesis
    from slrcli.transcripts import FORMATS, TimedClip

    spans = ((10, 14), (14, 19), (20, 30))
    clip = TimedClip("rec", 250, Hypothesis((1, 2, 2), ("A", "B", "B"), spans, (0.5, 0.6, 0.7), -1.0), FPS)
    recording(tmp_path / "features" / "rec.npz")
    for format, options in (("eaf", ("--tier", "glosses")), ("srt", ("--pause", 1)), ("vtt", ("--pause", 1))):
        file = tmp_path / f"rec.{format}"
        file.write_text(FORMATS[format].write([clip]), encoding="utf-8")
        out = tmp_path / format
        result = slr("corpus", file, *options, "--out", out)
        assert result.exit_code == 0, result.output
        (item,) = open_corpus(out).splits["train"]
        assert item.glosses == ("A", "B", "B")
        assert read_recording(item.features).values[:, 0].astype(int).tolist() == list(range(11, 31))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "No tier of glosses is named"),
        (("--tier", "GLOSS"), "no tier 'GLOSS'"),
        (("--tier", "GLOSS-R", "--sentences", "X"), "no tier 'X'"),
        (("--tier", "GLOSS-R", "--sentences", "GLOSS-L", "--pause", 1), "Either sentences or pauses"),
        (("--tier", "GLOSS-R", "--split-by", "signer"), "--split-by"),
        (("--tier", "GLOSS-R", "--features", "nowhere"), "slr extract rec.mp4"),
    ],
)
def test_what_cannot_be_cut_is_said_and_nothing_is_written(tmp_path, options, message):
    eaf(tmp_path / "rec.eaf", {"GLOSS-R": RIGHT, "GLOSS-L": LEFT}, [("rec.mp4", None)])
    recording(tmp_path / "features" / "rec.npz")
    result = cut(tmp_path, *options)
    assert result.exit_code in (1, 2) and message in result.stderr, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features", "rec.eaf"]


def test_utterances_beyond_the_end_of_a_recording_are_left_out(tmp_path):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A"), (9800, 10_100, "B"), (11_500, 12_000, "C")]})
    recording(tmp_path / "rec.npz")
    result = cut(tmp_path, "--tier", "G")
    assert result.exit_code == 0 and "1 utterances lie beyond" in result.stderr
    assert [glosses for _, _, glosses in rows(tmp_path)] == [("A",), ("B",)]
    recording(tmp_path / "rec.npz", counting(10))
    again = slr("corpus", tmp_path / "rec.eaf", "--tier", "G", "--out", tmp_path / "other")
    assert again.exit_code == 1 and "beyond the end" in again.stderr and not (tmp_path / "other").exists()


def test_a_gloss_that_no_table_can_hold_is_an_error(tmp_path):
    eaf(tmp_path / "rec.eaf", {"G": [(1000, 1400, "A|B")]})
    recording(tmp_path / "rec.npz")
    result = cut(tmp_path, "--tier", "G")
    assert result.exit_code == 1 and "A|B" in result.stderr and not (tmp_path / "out").exists()


def test_a_recogniser_learns_from_what_was_cut(tmp_path):
    signs = [(400 * n, 400 * n + 390, "AB"[n % 2]) for n in range(24)]
    sentences = [(1200 * n, 1200 * n + 1190, "x") for n in range(8)]
    eaf(tmp_path / "rec.eaf", {"G": signs, "S": sentences})
    recording(tmp_path / "rec.npz", np.random.default_rng(0).normal(size=(250, 60)).astype(np.float32))
    assert cut(tmp_path, "--tier", "G", "--sentences", "S").exit_code == 0
    result = slr(
        "train", "--data-dir", tmp_path / "out", "--output-dir", tmp_path / "run", "--epochs", 1, "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    assert Path(tmp_path / "run").is_dir()
