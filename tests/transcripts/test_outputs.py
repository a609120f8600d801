"""Files of recognised and aligned glosses, each opened by a program that reads its format; and the two commands."""

import csv
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from slrcli.checkpoints.meta import Meta
from slrcli.cli import app
from slrcli.config import Config
from slrcli.console import LETTERS
from slrcli.decoding.alignment import align
from slrcli.decoding.calibration import Calibration
from slrcli.decoding.greedy import greedy
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError, DependencyError, UsageError
from slrcli.features.layout import generic_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.base import Output
from slrcli.recognition.decode import Decoded
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.timing import clip_ids
from slrcli.transcripts import FORMATS, TimedClip, plan_outputs, read_segments, read_transcripts

GLOSSES = ("R&B", "<unk>", "WIE-AUSSEHEN", "你好", "-->")
SCLITE = shutil.which("sclite") or "/usr/lib/sctk/bin/sclite"


def hypothesis(glosses=GLOSSES, length=5, **more) -> Hypothesis:
    """Glosses of `length` frames each, one right after the other from frame 3 on."""
    spans = [(3 + length * place, 3 + length * (place + 1)) for place in range(len(glosses))]
    peaks = tuple(start + 2 for start, _ in spans)
    sure = tuple(0.5 + place / 16 for place in range(len(glosses)))
    return Hypothesis(tuple(range(1, len(glosses) + 1)), tuple(glosses), tuple(spans), sure, -1.5, peaks, **more)


def clip(id="a", glosses=GLOSSES, fps=25.0, **more) -> TimedClip:
    return TimedClip(id, 100, hypothesis(glosses), fps, **more)


def written(name: str, *clips: TimedClip) -> str:
    return FORMATS[name].write(clips)


# Times.


def test_seconds_are_frames_by_the_frame_rate():
    row = clip().rows[1]
    assert (row.start_frame, row.end_frame, row.peak_frame) == (8, 13, 10)
    assert (row.start, row.end, row.peak) == pytest.approx((0.32, 0.52, 0.4))


def test_known_times_of_frames_go_before_the_frame_rate():
    times = tuple(0.1 + 0.05 * frame + (0.5 if frame > 9 else 0) for frame in range(13))
    first, second = TimedClip("a", 13, hypothesis(["A", "B"]), 20, times).rows
    assert (first.start, first.end) == pytest.approx((0.25, 0.5)) and second.peak == pytest.approx(1.1)
    assert second.end == pytest.approx(times[-1] + 0.05)  # the frame after the last


def test_peaks_of_best_paths_are_the_likeliest_frames():
    table = np.full((6, 3), 0.05)
    for frame, (label, value) in enumerate([(0, 0.9), (1, 0.6), (1, 0.9), (1, 0.7), (0, 0.9), (2, 0.9)]):
        table[frame, label] = value
    vocabulary = Vocabulary(("<blank>", "A", "B"), (0, 1, 1))
    found = greedy(np.log(table), 4.0, vocabulary, 22)
    assert found.peaks == (10, 21)  # the middle of frames 8 .. 11, and of 20 .. 23 as far as the clip goes
    aligned = align(np.log(table), [1, 2], 4.0, vocabulary, 22)
    assert (aligned.spans, aligned.peaks) == (found.spans, found.peaks)
    assert aligned.confidences == pytest.approx((2.2 / 3, 0.9))


# Formats, each opened by something else.


def test_text_json_lines_and_ctm_are_read_by_the_scorer(tmp_path):
    clips = [clip("a"), clip("b", ()), clip("c", ("A", "B"))]
    for name in ("txt", "jsonl", "ctm"):
        (tmp_path / f"x.{name}").write_text(written(name, *clips), encoding="utf-8")
        assert read_transcripts(tmp_path / f"x.{name}") == {"a": list(GLOSSES), "b": [], "c": ["A", "B"]}, name
    for name in ("jsonl", "ctm"):
        (first, *_) = read_segments(tmp_path / f"x.{name}")
        assert first.confidences == pytest.approx(hypothesis().confidences, abs=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_every_output_is_read_by_the_scorer_with_the_confidences_that_it_holds(tmp_path, name):
    if name == "eaf":
        pytest.importorskip("pympi")
    clips = [clip("a"), clip("b", ()), clip("c", ("A", "B"))]
    plan = plan_outputs([name], tmp_path, [one.id for one in clips])
    for one in clips:
        plan.add(one)
    plan.finish()
    segments = read_segments(*((tmp_path / f"glosses.{name}",) if FORMATS[name].many else (tmp_path, name)))
    assert {one.id: one.glosses for one in segments} == {"a": GLOSSES, "b": (), "c": ("A", "B")}
    sure = hypothesis().confidences if name in ("csv", "tsv", "jsonl", "ctm", "eaf") else ()
    assert segments[0].confidences == pytest.approx(sure, abs=1e-3)


@pytest.mark.skipif(not Path(SCLITE).exists(), reason="sclite (Debian's package sctk) is not installed")
def test_ctm_is_scored_by_sclite(tmp_path):
    (tmp_path / "h.ctm").write_text(written("ctm", clip("a", ("ONE", "TWO", "THREE"))))
    (tmp_path / "r.stm").write_text("a 1 s 0.0 10.0 ONE FOUR THREE\n")
    command = [SCLITE, "-r", "r.stm", "stm", "-h", "h.ctm", "ctm", "-o", "sum", "stdout"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    (line,) = [line for line in done.stdout.split("\n") if "Sum/Avg" in line]
    assert line.replace("|", " ").split()[1:8] == ["1", "3", "66.7", "33.3", "0.0", "0.0", "33.3"]


def test_json_lines_hold_all_that_is_known():
    told = json.loads(written("jsonl", clip()))
    assert told["seconds"][1] == [0.32, 0.52] and told["peak_seconds"][1] == 0.4 and told["peaks"][1] == 10
    assert (told["score"], told["fps"], told["frames"]) == (-1.5, 25.0, 100)
    assert (
        json.loads(written("jsonl", TimedClip("a", 9, Hypothesis((), (), (), (), float("-inf")), 25)))["score"] is None
    )


def test_the_table_is_read_by_csv():
    rows = list(csv.DictReader(written("csv", clip('a,"b'), clip("c", ("X",))).splitlines()))
    assert [row["gloss"] for row in rows] == [*GLOSSES, "X"] and rows[0]["id"] == 'a,"b'
    assert (rows[1]["start_frame"], rows[1]["peak"], rows[1]["confidence"]) == ("8", "0.4000", "0.5625")


def test_subtitles_are_read_by_srt():
    srt = pytest.importorskip("srt")
    cues = list(srt.parse(written("srt", clip(fps=0.01))))
    assert [cue.content for cue in cues] == list(GLOSSES)
    assert cues[1].start.total_seconds() == 800 and cues[1].end.total_seconds() == 1300
    assert list(srt.parse(written("srt", clip(glosses=())))) == []


def test_captions_are_read_by_webvtt(tmp_path):
    webvtt = pytest.importorskip("webvtt")
    (tmp_path / "x.vtt").write_text(written("vtt", clip(fps=0.001)), encoding="utf-8")
    cues = list(webvtt.read(tmp_path / "x.vtt"))
    plain = [cue.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for cue in cues]
    assert plain == list(GLOSSES)
    assert (cues[1].start, cues[1].end) == ("02:13:20.000", "03:36:40.000")


def test_elan_files_are_read_by_pympi(tmp_path):
    pympi = pytest.importorskip("pympi")
    (tmp_path / "x.eaf").write_text(written("eaf", clip()), encoding="utf-8")
    file = pympi.Elan.Eaf(tmp_path / "x.eaf", suppress_version_warning=True)
    places = [(120 + 200 * place, 320 + 200 * place, gloss) for place, gloss in enumerate(GLOSSES)]
    assert sorted(file.get_annotation_data_for_tier("glosses")) == places
    # the confidences, each below its own gloss although the glosses touch
    found = [(entry[2], entry[3]) for entry in sorted(file.get_ref_annotation_data_for_tier("confidence"))]
    assert found == [(f"{0.5 + place / 16:.3f}", gloss) for place, gloss in enumerate(GLOSSES)]


def test_elan_files_hang_together_and_link_the_video(tmp_path):
    pytest.importorskip("pympi")
    root = ET.fromstring(written("eaf", clip(media=tmp_path / "a clip.mp4")))
    slots = {slot.get("TIME_SLOT_ID") for slot in root.iter("TIME_SLOT")}
    glosses = list(root.iter("ALIGNABLE_ANNOTATION"))
    assert all({one.get("TIME_SLOT_REF1"), one.get("TIME_SLOT_REF2")} <= slots for one in glosses)
    ids = [one.get("ANNOTATION_ID") for one in glosses]
    assert [one.get("ANNOTATION_REF") for one in root.iter("REF_ANNOTATION")] == ids
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} == {
        kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")
    }
    (media,) = root.iter("MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL").startswith("file:///") and media.get("MEDIA_URL").endswith("a%20clip.mp4")
    assert media.get("MIME_TYPE") == "video/mp4"


@pytest.mark.parametrize("glosses", [GLOSSES, ()])
def test_elan_files_fit_the_schema_of_the_format(tmp_path, glosses):
    """The schema is ELAN's own and does not come along: SLR_EAF_SCHEMA names a copy of EAFv3.0.xsd."""
    pytest.importorskip("pympi")
    if not os.environ.get("SLR_EAF_SCHEMA"):
        pytest.skip("SLR_EAF_SCHEMA does not name a copy of EAFv3.0.xsd")
    etree = pytest.importorskip("lxml.etree")
    schema = etree.XMLSchema(etree.parse(os.environ["SLR_EAF_SCHEMA"]))
    text = written("eaf", clip(glosses=glosses, media=tmp_path / "a.mp4"))
    schema.assertValid(etree.fromstring(text.encode()))


def test_a_gloss_that_xml_cannot_hold_is_refused():
    pytest.importorskip("pympi")
    with pytest.raises(DataError, match="ELAN cannot hold"):
        written("eaf", clip(glosses=("A\x01",)))


def test_without_pympi_elan_files_are_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pympi", None)
    with pytest.raises(DependencyError) as caught:
        plan_outputs(["eaf"], None, ["a"])
    assert "slrcli[elan]" in caught.value.fix


# Which files are written.


def test_a_folder_gets_a_file_a_clip_or_one_for_all(tmp_path):
    plan = plan_outputs(["srt", "csv", "ctm"], tmp_path / "out", ["a", "below/b"])
    for one in (clip("a"), clip("below/b", ("X",))):
        plan.add(one)
    assert plan.finish() == ""
    names = {str(path.relative_to(tmp_path / "out")) for path in plan.written}
    assert names == {"a.srt", "below/b.srt", "glosses.csv", "glosses.ctm"}
    assert (tmp_path / "out" / "glosses.ctm").read_text() == written("ctm", clip("a"), clip("below/b", ("X",)))


def test_a_file_is_written_in_the_format_of_its_suffix(tmp_path):
    plan = plan_outputs([], tmp_path / "x.vtt", ["a"])
    plan.add(clip())
    plan.finish()
    assert (tmp_path / "x.vtt").read_text(encoding="utf-8") == written("vtt", clip())


@pytest.mark.parametrize(
    ("formats", "out", "ids", "error", "said"),
    [
        (["efa"], None, ["a"], UsageError, "eaf"),
        (["srt"], None, ["a", "b"], UsageError, "one clip"),
        (["csv", "ctm"], None, ["a"], UsageError, "Name a folder"),
        ([], "x.srt", ["a", "b"], UsageError, "Name a folder"),
        ([], "folder", ["a"], UsageError, "Name one of txt"),
        (["ctm"], "folder", ["a b"], DataError, "white space"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(tmp_path, formats, out, ids, error, said):
    with pytest.raises(error) as caught:
        plan_outputs(formats, tmp_path / out if out else None, ids)
    assert said in str(caught.value) and not list(tmp_path.iterdir())


def test_clips_are_called_after_their_places(tmp_path):
    names = ["x.npy", "in/y.npy", "in/z.npy", "in/z.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = [tmp_path / name for name in names]
    assert clip_ids([tmp_path], files) == ["x", "in/y", "in/z.npy", "in/z.mp4"]
    assert clip_ids([files[0], files[1]], files[:2]) == ["x", "y"]
    (tmp_path / "in" / "x.npy").touch()
    with pytest.raises(UsageError, match="have the name x"):
        clip_ids([files[0], tmp_path / "in" / "x.npy"], [files[0], tmp_path / "in" / "x.npy"])


# The commands, on a model that reads the glosses off the columns.


class Columns(torch.nn.Module):
    """Column i of the features is what speaks for class i; every second frame is looked at."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(4.0))

    def output_length(self, frames):
        return (frames + 1) // 2

    def forward(self, x, lengths):
        return Output((self.scale * x[:, ::2]).log_softmax(-1), self.output_length(lengths))


@pytest.fixture
def recogniser():
    """That model with its vocabulary."""
    vocabulary = Vocabulary(("<blank>", "HELLO", "YOU", "NAME"), (0, 1, 1, 1))
    return Recogniser(Columns(), vocabulary, Meta(Config(), vocabulary, generic_layout(4)))


@pytest.fixture
def slr(tmp_path, monkeypatch, recogniser):
    """Run a command with that model."""
    for room in ("decode", "load"):
        monkeypatch.setattr(f"slrcli.recognition.{room}.open_recogniser", lambda *_: recogniser)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(item) for item in arguments])


def signed(path: Path, *classes: int) -> Path:
    """A clip that shows each class for ten frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.repeat(np.eye(4, dtype=np.float32)[list(classes)], 10, axis=0))
    return path


def test_known_glosses_are_found_where_they_are_signed(slr, tmp_path):
    done = slr("align", signed(tmp_path / "a.npy", 0, 1, 0, 2, 2), "--glosses", "HELLO YOU", "--fps", 10)
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(line[0], line[1], line[3]) for line in lines] == [("1.00", "2.00", "HELLO"), ("3.00", "5.00", "YOU")]
    assert all(float(line[0]) <= float(line[2]) < float(line[1]) and 0.9 < float(line[4]) <= 1 for line in lines)


def test_times_of_a_corpus_are_by_the_frame_rate_that_it_says(slr, tmp_path):
    signed(tmp_path / "corpus" / "a.npy", 0, 1, 0, 2, 2)
    (tmp_path / "corpus" / "table.csv").write_text("id,glosses,split\na,HELLO YOU,train\n")
    (tmp_path / "corpus" / "corpus.toml").write_text("fps = 50\n")
    for options, second in (((), 50), (("--fps", 10), 10)):
        done = slr("align", "--data-dir", tmp_path / "corpus", *options)
        assert done.exit_code == 0, done.output
        assert [float(line.split("\t")[2]) for line in done.stdout.splitlines()] == [20 / second, 50 / second]


def test_clips_are_as_fast_as_those_that_a_recogniser_learnt_from(slr, tmp_path, recogniser):
    data = replace(recogniser.meta.config.data, fps=50.0)
    recogniser.meta = replace(recogniser.meta, config=replace(recogniser.meta.config, data=data))
    file = signed(tmp_path / "a.npy", 0, 1, 0, 2, 2)
    for options, second in (((), 50), (("--fps", 10), 10)):
        lines = slr("align", file, "-g", "HELLO YOU", *options).stdout.splitlines()
        assert [float(line.split("\t")[1]) for line in lines] == [20 / second, 50 / second]
        (row, _) = slr("decode", file, "--format", "ctm", *options).stdout.splitlines()
        assert float(row.split()[2]) == 10 / second


class SpeaksAtTheEnds(Columns):
    """The last head says the first gloss at the first frame and the last at the last; the inner one what is there."""

    def forward(self, x, lengths):
        inner, steps, *_ = super().forward(x, lengths)
        scores = torch.zeros_like(inner)
        scores[:, :, 0] = 6.0
        scores[:, 0, 1] = scores[:, -1, 2] = 9.0
        return Output(scores.log_softmax(-1), steps, (inner,))


def test_known_glosses_are_placed_by_what_inner_heads_see(slr, tmp_path, recogniser):
    recogniser.model = SpeaksAtTheEnds()
    done = slr("align", signed(tmp_path / "a.npy", 0, 1, 0, 2, 0), "-g", "HELLO YOU", "--fps", 10, "--json")
    (told,) = json.loads(done.stdout)
    first, last = told["peaks"]
    assert 10 <= first < 20 and 30 <= last < 40
    assert all(0 < value <= 1 for value in told["confidences"])
    (found,) = recogniser.recognise([recogniser.load(tmp_path / "a.npy")])
    assert found.glosses == ("HELLO", "YOU") and found.peaks[0] < 2 and found.peaks[1] > 45


def test_a_name_of_several_lines_is_one_line(slr, tmp_path):
    for name in ("a\n\x1b[31mb", "c"):
        signed(tmp_path / "clips" / f"{name}.npy", 1, 2)
    done = slr("decode", "clips")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["clips/a\\n\\x1b[31mb.npy\tHELLO YOU", "clips/c.npy\tHELLO YOU"]


class ChokesOnThrees(Columns):
    """NaN for a clip that shows class 3."""

    def forward(self, x, lengths):
        found, steps, *_ = super().forward(x, lengths)
        return Output(torch.where((x[..., 3] > 0.5).any(1)[:, None, None], torch.nan, found), steps)


@pytest.mark.parametrize("arguments", [[], ["--out", "out", "--format", "srt"]])
def test_a_clip_that_cannot_be_decoded_does_not_take_the_others_and_is_told_at_the_end(
    slr, tmp_path, recogniser, arguments
):
    recogniser.model = ChokesOnThrees()
    for number, classes in enumerate([(1, 2), (3,), (2, 1)]):
        signed(tmp_path / "clips" / f"c{number}.npy", *classes)
    done = slr("decode", "clips", *arguments)
    assert done.exit_code == 1 and "1 of 3" in done.stderr
    assert "output is NaN" in done.stderr and "c1.npy" in done.stderr
    told = done.stdout if not arguments else "".join(path.read_text() for path in sorted(Path("out").glob("*.srt")))
    assert told.index("HELLO") < told.index("YOU", told.index("HELLO")) and "NAME" not in told


def test_an_alignment_is_of_the_glosses_that_were_said_whatever_the_model_thinks(slr, tmp_path):
    done = slr("align", signed(tmp_path / "a.npy", 1, 0, 2), "-g", "HELLO NAME YOU", "--json")
    (told,) = json.loads(done.stdout)
    assert told["glosses"] == ["HELLO", "NAME", "YOU"]
    assert told["confidences"][1] < 0.1 < 0.9 < min(told["confidences"][0], told["confidences"][2])


@pytest.fixture
def corpus(tmp_path):
    """Three sound utterances, and three that cannot be aligned."""
    rows = {
        "a": ("HELLO YOU", (1, 0, 2)),
        "b": ("NAME", (3,)),
        "short": ("HELLO HELLO HELLO HELLO", (1,)),
        "foreign": ("HELLO HALLO", (1, 2)),
        "gone": ("HELLO", None),
        "c": ("YOU", (0, 2)),
    }
    table = ["id|folder|signer|annotation"]
    for id, (glosses, classes) in rows.items():
        table.append(f"{id}|{id}|s|{glosses}")
        if classes:
            signed(tmp_path / "corpus" / "features" / "train" / f"{id}.npy", *classes)
    (tmp_path / "corpus" / "annotations").mkdir()
    (tmp_path / "corpus" / "annotations" / "train.corpus.csv").write_text("\n".join(table) + "\n")
    return tmp_path / "corpus"


def test_a_corpus_is_aligned_into_a_folder_and_failures_are_listed(slr, corpus, tmp_path):
    done = slr("align", "--data-dir", corpus, "--format", "csv", "--format", "srt", "--out", tmp_path / "out")
    assert done.exit_code == 1
    rows = list(csv.DictReader((tmp_path / "out" / "glosses.csv").read_text().splitlines()))
    assert [(row["id"], row["gloss"]) for row in rows] == [("a", "HELLO"), ("a", "YOU"), ("b", "NAME"), ("c", "YOU")]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"glosses.csv", "a.srt", "b.srt", "c.srt"}
    for said in (
        "need 7 output frames, but the clip has 5",
        "HALLO",
        "No feature file",
        "3 of 6 clips could not be aligned",
    ):
        assert said in done.stderr, said


def test_a_folder_is_decoded_into_files_and_failures_are_listed(slr, tmp_path):
    signed(tmp_path / "in" / "a.npy", 1, 0, 2)
    signed(tmp_path / "in" / "deep" / "b.npy", 3)
    (tmp_path / "in" / "broken.npy").write_bytes(b"no array")
    done = slr("decode", tmp_path / "in", "-f", "txt", "-f", "vtt", "--out", "out", "--fps", 10)
    assert done.exit_code == 1 and "1 of 3 clips could not be decoded" in done.stderr
    assert (tmp_path / "out" / "glosses.txt").read_text() == "a HELLO YOU\ndeep/b NAME\n"
    assert "00:00:02.000 --> 00:00:03.000\nYOU" in (tmp_path / "out" / "a.vtt").read_text()
    assert (tmp_path / "out" / "deep" / "b.vtt").exists() and not (tmp_path / "out" / "broken.vtt").exists()


def test_one_format_without_a_place_goes_to_stdout(slr, tmp_path):
    done = slr("decode", signed(tmp_path / "a.npy", 1, 0, 2), "--format", "ctm", "--fps", 10)
    assert done.exit_code == 0
    assert [line.split()[:5] for line in done.stdout.splitlines()] == [
        ["a", "1", "0.000", "1.000", "HELLO"],
        ["a", "1", "2.000", "1.000", "YOU"],
    ]


def test_the_frame_rate_is_the_files_own_else_a_guess_that_is_said(slr, tmp_path):
    array = np.load(signed(tmp_path / "a.npy", 1))
    np.savez(tmp_path / "b.npz", features=array, fps=50.0)
    assert slr("decode", tmp_path / "b.npz", "-f", "ctm").stdout.split()[3] == "0.200"
    done = slr("decode", tmp_path / "a.npy", "-f", "ctm")
    assert done.stdout.split()[3] == "0.400" and "25 frames/s are assumed" in done.stderr


def test_decoded_confidences_go_through_the_calibration_of_the_checkpoint(slr, recogniser, tmp_path):
    path = signed(tmp_path / "a.npy", 1)
    (raw,) = json.loads(slr("decode", path, "-f", "jsonl").stdout)["confidences"]
    recogniser.calibration = Calibration(0.5, 0.0, "greedy", "", "dev", 50)
    (mapped,) = json.loads(slr("decode", path, "-f", "jsonl").stdout)["confidences"]
    assert mapped == pytest.approx(1 / (1 + ((1 - raw) / raw) ** 0.5), abs=2e-3) and mapped < raw


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["align"], "Name a file"),
        (["align", "a.npy"], "No glosses are given"),
        (["align", "a.npy", "-g", " "], "No glosses"),
        (["align", "a.npy", "-g", "HELLO", "--data-dir", "corpus"], "Either a clip or a corpus"),
        (["decode", "a.npy", "-f", "word"], "no output format"),
        (["decode", "--camera", "-f", "srt"], "A stream is printed as it is decoded"),
    ],
)
def test_mistakes_end_in_a_message(slr, tmp_path, arguments, said):
    signed(tmp_path / "a.npy", 1)
    done = slr(*arguments)
    assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output


def test_every_error_names_its_clip(slr, corpus):
    done = slr("align", "--data-dir", corpus, "--json")
    failed = [item for item in json.loads(done.stdout) if "error" in item]
    assert [item["id"] for item in failed] == ["short", "foreign", "gone"]


def test_the_last_gloss_of_a_video_ends_when_its_last_frame_is_over():
    hypothesis = Hypothesis((1, 2), ("A", "B"), ((0, 2), (2, 4)), (0.5, 0.5), -1.0)
    told = Decoded(Path("a.mp4"), 4, hypothesis, times=(0.0, 0.04, 0.08, 0.12)).to_dict()["glosses"]
    assert [(item["start_seconds"], item["end_seconds"]) for item in told] == [(0.0, 0.08), (0.08, 0.16)]


ACTING = ["\x1b[2JA", "A\x9b31m", "\u202eEVIL\u202c", "\x7f", "\U000e0001A", "\xad"]
LIKE_ESCAPES = [r"\x1b[2J", r"a\x5cb", r"\u202e", "a\\b", r"\UFFFFFFFF", r"\x41", "x\u200dy"]


@pytest.mark.parametrize("gloss", ACTING + LIKE_ESCAPES)
@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles_show_nothing_that_acts_and_are_read_as_they_were(tmp_path, form, gloss):
    text = written(form, clip(glosses=(gloss, "B")))
    assert all(char == "\n" or char in LETTERS or char.isprintable() for char in text)
    (tmp_path / f"a.{form}").write_text(text, encoding="utf-8")
    assert read_transcripts(tmp_path / f"a.{form}") == {"a": [gloss, "B"]}
