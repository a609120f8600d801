"""`slr record`: a scripted signer stands in for camera, landmarker, keyboard and clock."""

import itertools
import json
import os
import pty
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr

from slrcli.config import RecordConfig
from slrcli.console import Console
from slrcli.corpus.formats import open_corpus
from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.demo.synth.lexicon import lexicon
from slrcli.demo.synth.motion import sentence_track
from slrcli.demo.synth.render import render
from slrcli.demo.synth.signer import draw_signers
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.takes.folder import Folder
from slrcli.takes.keys import ENTER, keyboard
from slrcli.takes.prompts import Prompt, missing, read_prompts
from slrcli.takes.record import Wanted, record
from slrcli.takes.sketch import limbs, sketch
from slrcli.video.frames import Frame
from slrcli.video.streams import Stream

FPS = 25
SIGNS = lexicon(8)
COUNTDOWN = 0.98  # 25 frames
REST = 25


def signed(prompt, number, hands=True):
    """What a landmarker sees of somebody who signs a prompt: points `[T, 543, 4]`."""
    rng = np.random.default_rng(number)
    (signer,) = draw_signers(1, 0, np.random.default_rng(7))
    track = sentence_track([next(sign for sign in SIGNS if sign.gloss == gloss) for gloss in prompt], signer, rng)
    x = render(track, signer, rng, missing=0.0).reshape(-1, 543, 3)
    points = np.concatenate([x, np.ones((*x.shape[:2], 1), np.float32)], axis=2)
    if not hands:
        points[:, 33:75] = np.nan
    return points


class Studio:
    """Frames that go on for ever, with a take of each script after the countdown, and Enter at its last frame.

    Args:
        takes: points of each, in order.
        answers: keys that answer questions, in order.
        fps: of the frames.
        presses: further keys by the number of a frame.
    """

    def __init__(self, takes, answers="", fps=FPS, presses=None):
        self.points, self.keys = [], dict(presses or {})
        for take in takes:
            self.points += [*[take[0]] * REST, *take]
            self.keys.setdefault(len(self.points) - 1, ENTER)
        self.answers, self.fps, self.number = list(answers), fps, -1

    def __iter__(self):
        for number in range(len(self.points)):
            self.number = number
            yield Frame(np.full((2, 2, 3), number % 256, np.uint8), number / self.fps, (640, 640))

    def __call__(self, image):
        assert image[0, 0, 0] == self.number % 256
        return self.points[self.number]

    def clock(self):
        return (self.number + 1) / self.fps

    def pressed(self):
        return self.keys.pop(self.number, "")

    def wait(self):
        answer = self.answers.pop(0)
        if answer == "!":
            raise KeyboardInterrupt
        return answer


def session(out, prompts, studio, fps=0.0, layout="", **options):
    given = RecordConfig(**{"signer": "ann", "countdown": COUNTDOWN, **options})
    wanted = Wanted([Prompt(tuple(item.split())) for item in prompts], layout, fps)
    return record(Console(), wanted, out, given, studio, studio.fps, studio, studio, studio.clock)


def rows(out):
    return (out / "annotations.csv").read_text().splitlines()


GLOSSES = [sign.gloss for sign in SIGNS]
SENTENCES = [f"{GLOSSES[0]} {GLOSSES[3]}", GLOSSES[5], f"{GLOSSES[2]} {GLOSSES[7]} {GLOSSES[1]}", GLOSSES[4]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A corpus of four takes, and what signing them looked like."""
    out = tmp_path_factory.mktemp("recorded") / "mine"
    takes = [signed(sentence.split(), number) for number, sentence in enumerate(SENTENCES)]
    found = session(out, SENTENCES, Studio(takes, [ENTER] * 4))
    assert (len(found.outcome.kept), found.outcome.left, found.takes) == (4, 0, 4)
    return out, takes


def test_takes_are_kept_as_they_were_seen_in_a_corpus_that_says_what_it_is(recorded):
    out, takes = recorded
    corpus = open_corpus(out)
    assert [item.glosses for item in corpus.splits["train"]] == [tuple(sentence.split()) for sentence in SENTENCES]
    assert {item.signer for item in corpus.splits["train"]} == {"ann"}
    for item, points in zip(corpus.splits["train"], takes, strict=True):
        x = np.load(item.features)
        np.testing.assert_allclose(x, points[:, :, :3].reshape(len(points), -1), atol=1e-6)
    text = (out / "corpus.toml").read_text()
    assert 'layout = "mediapipe-1629"' in text and "fps = 25.0" in text
    assert sorted(path.name for path in out.iterdir()) == ["annotations.csv", "corpus.toml", "features"]


def test_what_was_recorded_passes_the_checks_and_adapts_a_recogniser(recorded, tmp_path):
    out, _ = recorded
    done = slr("check", "data", "--data-dir", out)
    assert done.exit_code == 0, done.output
    base = tmp_path / "base"
    write_corpus(base, SynthOptions.tiny(train=6, dev=2, test=1, longest=2))
    quick = ("--epochs", "1", "--batch-size", "4")
    done = slr(
        "train", "--data-dir", base, "--output-dir", tmp_path / "first", *quick, "--set", "model.options.width=16"
    )
    assert done.exit_code == 0, done.output
    done = slr(
        "train", "--init", tmp_path / "first", "--data-dir", out, "--set", "data.dev_share=0.25",
        "--output-dir", tmp_path / "second", *quick,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "second" / "best.safetensors").is_file()


def test_a_session_that_was_left_goes_on_with_what_is_missing(tmp_path):
    out, takes = tmp_path / "mine", [signed(sentence.split(), 1) for sentence in SENTENCES]
    found = session(out, SENTENCES, Studio(takes[:3], ["k", "s", "q"]))
    assert (len(found.outcome.kept), found.outcome.skipped, found.outcome.left) == (1, 1, 3)
    found = session(out, SENTENCES, Studio(takes[1:], ["k", "k", "k"]))
    assert [row.split(",")[0] for row in rows(out)[1:]] == [f"ann-{number:04d}" for number in (1, 2, 3, 4)]
    assert [item.glosses for item in found.outcome.kept] == [tuple(item.split()) for item in SENTENCES[1:]]
    assert session(out, SENTENCES, Studio([])).outcome.left == 0
    found = session(out, SENTENCES[:1], Studio(takes[:1], ["k"]), signer="ben")
    assert [item.id for item in found.outcome.kept] == ["ben-0001"]


def test_an_interruption_leaves_whole_takes_alone(tmp_path):
    out, takes = tmp_path / "mine", [signed(sentence.split(), 1) for sentence in SENTENCES]
    with pytest.raises(KeyboardInterrupt):
        session(out, SENTENCES, Studio(takes[:2], ["k", "!"]))
    assert len(rows(out)) == 2 and [path.name for path in (out / "features").iterdir()] == ["ann-0001.npy"]
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    with pytest.raises(KeyboardInterrupt):
        session(tmp_path / "none", SENTENCES, Studio(takes[:1], ["!"]))
    assert not (tmp_path / "none").exists()


def test_a_file_whose_row_was_not_written_is_replaced(tmp_path):
    out, take = tmp_path / "mine", signed([GLOSSES[5]], 1)
    session(out, [GLOSSES[5]], Studio([take], ["k"]))
    np.save(out / "features" / "ann-0002.npy", np.zeros((3, 5)))
    session(out, [GLOSSES[5]], Studio([take], ["k"]), takes=2)
    assert np.load(out / "features" / "ann-0002.npy").shape == (len(take), 1629)


def test_again_records_the_same_sentence_once_more(tmp_path):
    takes = [signed([GLOSSES[5]], number) for number in (1, 2)]
    session(tmp_path / "mine", [GLOSSES[5]], Studio(takes, ["a", ENTER]))
    assert len(np.load(tmp_path / "mine" / "features" / "ann-0001.npy")) == len(takes[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda take: take[:2], "2 frames, and 3 glosses need 3"),
        (lambda take: np.where(np.arange(543)[:, None] // 42 >= 0, np.nan, take), "No hand was seen"),
    ],
)
def test_a_take_that_teaches_nothing_cannot_be_kept(tmp_path, capsys, change, said):
    take = change(signed(SENTENCES[2].split(), 1)).astype(np.float32)
    found = session(tmp_path / "mine", [SENTENCES[2]], Studio([take, take], ["k", ENTER, "q"]))
    text = capsys.readouterr().err
    assert said in text and "k keep" not in text and found.outcome.left == 1
    assert not (tmp_path / "mine").exists()


def half_seen(take):
    take = take.copy()
    take[: int(0.6 * len(take)), 33:75] = np.nan
    return take


@pytest.mark.parametrize(
    ("change", "fps", "said"),
    [
        (half_seen, 25, "A hand was seen in only 4"),
        (lambda take: take[:8], 25, "too short for recognisers that keep one frame in 4"),
        (lambda take: take, 10, "Only 10.0 of 25 frames/s were seen"),
    ],
)
def test_a_doubtful_take_is_kept_only_by_its_key(tmp_path, capsys, change, fps, said):
    take = change(signed(SENTENCES[2].split(), 1))
    studio = Studio([take] * 2, [ENTER, "k"], fps=fps)
    found = session(tmp_path / "mine", [SENTENCES[2]], studio, fps=25, countdown=(REST - 0.5) / fps)
    assert said in capsys.readouterr().err and len(found.outcome.kept) == 1


def test_frames_of_another_rate_are_brought_to_that_of_the_corpus(tmp_path):
    take = signed([GLOSSES[5]], 1)
    session(tmp_path / "mine", [GLOSSES[5]], Studio([take], ["k"]), fps=12.5)
    x = np.load(tmp_path / "mine" / "features" / "ann-0001.npy")
    np.testing.assert_allclose(x, take[::2, :, :3].reshape(len(x), -1), atol=1e-5)
    assert "fps = 12.5" in (tmp_path / "mine" / "corpus.toml").read_text()


def test_without_keys_takes_end_by_themselves_and_bad_ones_are_repeated(tmp_path, capsys):
    good = np.concatenate([signed([GLOSSES[5]], 1)] * 3)[:51]  # 2 seconds
    bad = good.copy()
    bad[:, 33:75] = np.nan
    studio = Studio([bad, good, bad, bad, bad])
    studio.keys = {}
    found = session(tmp_path / "mine", [GLOSSES[5], GLOSSES[4]], studio, seconds=2.0)
    assert (len(found.outcome.kept), found.outcome.skipped, found.outcome.left) == (1, 1, 1)
    assert "skipped after 3 takes" in capsys.readouterr().err


def test_a_source_that_ends_keeps_what_was_kept(tmp_path):
    takes = [signed([GLOSSES[5]], 1)]
    with pytest.raises(DataError, match="ended"):
        session(tmp_path / "mine", [GLOSSES[5], GLOSSES[4]], Studio(takes, ["k"]))
    assert len(rows(tmp_path / "mine")) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"signer": ""}, "--signer"),
        ({"signer": "../x"}, "--signer"),
        ({"split": "a/b"}, "--split"),
        ({"takes": 0}, "takes"),
        ({"layout": "kinect-20"}, "MediaPipe"),
        ({"layout": "nowhere"}, "nowhere"),
    ],
)
def test_mistakes_are_said_before_anything_is_made(tmp_path, options, said):
    with pytest.raises(SlrError) as caught:
        session(tmp_path / "mine", [GLOSSES[0]], Studio([]), **options)
    assert said in str(caught.value) and not (tmp_path / "mine").exists()


def test_a_folder_of_something_else_is_left_alone(recorded, tmp_path):
    out, _ = recorded
    with pytest.raises(UsageError, match="fps 25"):
        Folder.open(out, fps=30.0)
    with pytest.raises(UsageError, match="layout mediapipe-1629"):
        Folder.open(out, "mediapipe-258")
    (tmp_path / "annotations.csv").write_text("id,glosses\na,B\n")
    with pytest.raises(DataError, match="already contains a corpus"):
        Folder.open(tmp_path)
    (tmp_path / "corpus.toml").write_text('layout = "mediapipe-258"\nfps = 25.0\n')
    with pytest.raises(DataError, match="another corpus"):
        Folder.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.csv", "id,glosses,sentence\n1,HELLO YOU,Hello!\n2,GO,Go.\n", [("HELLO YOU", "Hello!"), ("GO", "Go.")]),
        ("a.tsv", "gloss\tsigner\nHELLO\tann\n", [("HELLO", "")]),
        ("a.csv", "sentence\nwe go home\n", [("we go home", "")]),
        ("a.csv", "id|folder|signer|annotation\n1|x|y|A B\n", [("A B", "")]),
        ("a.csv", "glosses\n\"['A', 'B']\"\n", [("A B", "")]),
        ("a.txt", "HELLO YOU\n\nGO\n", [("HELLO YOU", ""), ("GO", "")]),
        ("a.txt", "id|gloss\n1|A B\n", [("A B", "")]),
        ("a.txt", "no, thanks\n", [("no, thanks", "")]),
    ],
)
def test_prompts_are_read_from_tables_and_texts(tmp_path, name, text, found):
    (tmp_path / name).write_text(text)
    assert [(" ".join(item.glosses), item.text) for item in read_prompts(tmp_path / name)] == found


@pytest.mark.parametrize(("name", "text"), [("a.csv", "id,signer\n1,ann\n"), ("a.txt", "\n"), ("a.csv", "glosses\n")])
def test_prompts_that_are_none_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError):
        read_prompts(tmp_path / name)


def test_what_is_missing_comes_take_by_take():
    a, b = Prompt(("A",)), Prompt(("B",))
    assert list(missing([a, b], 2, {})) == [a, b, a, b]
    assert list(missing([a, b], 2, {("A",): 2})) == [b, b]
    assert list(missing([a, a, b], 1, {("A",): 1})) == [a, b]
    assert list(missing([a], 1, {("A",): 5})) == []


def test_the_live_skeleton_is_a_mirror_image_of_the_picture():
    points = np.full((543, 4), np.nan, np.float32)
    a, b = limbs()[0]
    points[a], points[b] = (0.0, 0.0, 0, 1), (0.0, 1.0, 0, 1)
    lines = sketch(points, (400, 200), 10, 20).split("\n")
    assert lines == ["⠀" * 9 + "⢸", "⠀" * 9 + "⢸", "⠀" * 9 + "⠘"]  # ten of the twelve dots down
    assert set(sketch(np.full((543, 4), np.nan), (400, 200), 10, 20)) == {"⠀", "\n"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["record", "s.txt", "--out", "mine", "--signer", "ann"], "stdin is not a terminal"),
        (["record", "--out", "mine", "--signer", "ann"], "--from RUN"),
        (["record", "nowhere.csv", "--out", "mine", "--signer", "ann"], "nowhere.csv"),
    ],
)
def test_a_pipe_or_nothing_to_record_is_answered_in_words(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("s.txt").write_text("HELLO\n")
    done = slr(*arguments)
    assert done.exit_code != 0 and said in " ".join(done.output.split()) and not Path("mine").exists()


def test_keys_come_from_the_terminal_one_by_one_and_it_is_left_as_it_was(monkeypatch):
    ours, its = pty.openpty()
    terminal = os.fdopen(its, "r")
    monkeypatch.setattr(sys, "stdin", terminal)
    before = termios.tcgetattr(its)
    with keyboard() as keys:
        assert keys.pressed() == ""
        os.write(ours, b"K")
        assert keys.wait() == "k"
        os.write(ours, b"\r")
        assert keys.wait() == ENTER and keys.pressed() == ""
    assert termios.tcgetattr(its) == before
    terminal.close()
    os.close(ours)


class Camera:
    """What MediaPipe and a camera give, at the pace of a camera."""

    def __init__(self):
        self.points = signed([GLOSSES[5]], 1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def __call__(self, image):
        return self.points[image[0, 0, 0] % len(self.points)]

    def stream(self, index, max_side):
        def frames():
            start = time.monotonic()
            for number in itertools.count():
                time.sleep(0.01)
                yield Frame(np.full((2, 2, 3), number % 256, np.uint8), time.monotonic() - start, (640, 480))

        return Stream(frames(), 25.0, f"camera {index}")


def test_a_camera_is_recorded_without_keys_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr("slrcli.takes.record.camera", Camera().stream)
    monkeypatch.setattr("slrcli.takes.record.Holistic", Camera)
    monkeypatch.setattr("slrcli.takes.record.need_all", lambda: None)
    (tmp_path / "s.txt").write_text(f"{GLOSSES[5]}\n{GLOSSES[4]}\n")
    done = slr(
        "record", tmp_path / "s.txt", "--out", tmp_path / "mine", "--signer", "ann", "--seconds", "0.4", "--countdown",
        "0.1", "--fps", "20",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 takes kept, 0 sentences skipped, 0 takes left" in done.stdout
    assert 8 <= len(np.load(tmp_path / "mine" / "features" / "ann-0002.npy")) <= 12


def test_a_corpus_in_which_nothing_is_missing_opens_no_camera(recorded, tmp_path):
    out, _ = recorded
    (tmp_path / "s.txt").write_text("\n".join(SENTENCES))
    done = slr("record", tmp_path / "s.txt", "--out", out, "--signer", "ann", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["left"] == 0
