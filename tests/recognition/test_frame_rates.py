"""Clips of other frame rates than the training data: recognised alike, with the times of their own frames."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from support.frame_rates import REST, SIGN, USUAL, recorded, write_clip, write_corpus
from support.quick_corpus import QUICK
from typer.testing import CliRunner

import slrcli
from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.cli import app

SENTENCE = ("STOP", "LEFT", "RIGHT", "LEFT")
RATES = (15.0, 60.0, 100.0)


def run(*arguments: object):
    return CliRunner().invoke(app, [str(item) for item in arguments])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, corpus) -> Path:
    """A folder with two runs: `knows`, trained on files that say their rate, and `blind`, on files that do not."""
    folder = tmp_path_factory.mktemp("workplace")
    here = os.getcwd()
    os.chdir(folder)
    try:
        write_corpus(Path("silent"), told=False)
        for name, root in (("knows", corpus), ("blind", "silent")):
            done = run("train", "--data-dir", root, *QUICK, "--output-dir", name)
            assert done.exit_code == 0, done.output
    finally:
        os.chdir(here)
    return folder


@pytest.fixture(autouse=True)
def there(workplace, monkeypatch):
    monkeypatch.chdir(workplace)


def decoded(*arguments: object) -> dict:
    done = run("decode", *arguments, "--model", "knows", "--json")
    assert done.exit_code == 0, done.output
    (item,) = json.loads(done.stdout)
    return item


def test_a_checkpoint_knows_the_rate_of_its_training_data(corpus):
    meta = load_checkpoint(Path("knows/best.safetensors"))[1]
    assert meta.fps == USUAL and load_checkpoint(Path("blind/best.safetensors"))[1].fps == 0


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("fps", RATES)
def test_a_clip_of_another_rate_is_decoded_as_at_the_recognisers_own(tmp_path, fps, told):
    own = decoded(write_clip(tmp_path / "own", SENTENCE))
    assert [item["gloss"] for item in own["glosses"]] == list(SENTENCE)
    options = () if told else ("--fps", fps)
    found = decoded(write_clip(tmp_path / "other", SENTENCE, fps, told), *options)
    assert found["frames"] == len(recorded(SENTENCE, fps))
    assert [item["gloss"] for item in found["glosses"]] == list(SENTENCE)
    for here, there in zip(found["glosses"], own["glosses"], strict=True):
        assert here["confidence"] == pytest.approx(there["confidence"], abs=0.2)
        for key in ("start", "end"):
            assert here[key] / fps == pytest.approx(there[key] / USUAL, abs=0.5 / fps + 0.5 / USUAL + 0.034)


def test_a_clip_that_has_the_frames_of_the_own_rate_among_others_gives_exactly_the_same(tmp_path):
    x = recorded(SENTENCE, 120)
    np.savez(tmp_path / "fast.npz", features=x, fps=120.0)
    np.savez(tmp_path / "own.npz", features=x[::4], fps=30.0)
    fast, own = decoded(tmp_path / "fast.npz"), decoded(tmp_path / "own.npz")
    assert [item["confidence"] for item in fast["glosses"]] == [item["confidence"] for item in own["glosses"]]
    assert [item["start"] for item in fast["glosses"]] == [4 * item["start"] for item in own["glosses"]]


def test_resampling_is_said_once(tmp_path):
    for number in range(12):
        write_clip(tmp_path / f"a{number:02}", SENTENCE, 60)
    done = run("decode", tmp_path, "--model", "knows")
    assert done.stderr.count("resampled") == 1 and "60 frames per second" in done.stderr and "30" in done.stderr
    assert "resampled" not in run("decode", write_clip(tmp_path / "own" / "b", SENTENCE), "--model", "knows").stderr


@pytest.mark.parametrize("format", ["ctm", "jsonl", "srt", "eaf"])
@pytest.mark.parametrize("fps", RATES)
def test_times_are_those_of_the_clip(tmp_path, fps, format):
    outputs = []
    for name, rate in (("own", USUAL), ("other", fps)):
        file = write_clip(tmp_path / name / "a", SENTENCE, rate)
        target = tmp_path / f"{name}.{format}"
        done = run("decode", file, "--model", "knows", "--out", target)
        assert done.exit_code == 0, done.output
        outputs.append(times_in(target, format))
    own, other = outputs
    assert len(own) == len(other) >= 4 and other == pytest.approx(own, abs=0.1)


def times_in(path: Path, format: str) -> list[float]:
    """Times in seconds that a file names, in their order."""
    text = path.read_text()
    if format == "ctm":
        return [float(line.split()[2]) for line in text.splitlines() if not line.startswith(";")]
    if format == "jsonl":
        return [second for span in json.loads(text)["seconds"] for second in span]
    if format == "eaf":
        return sorted(int(value) / 1000 for value in re.findall(r'TIME_VALUE="(\d+)"', text))
    stamps = [stamp for line in text.splitlines() if "-->" in line for stamp in line.split(" --> ")]
    return [float(stamp[6:].replace(",", ".")) for stamp in stamps]


@pytest.mark.parametrize("fps", RATES)
def test_known_glosses_are_aligned_at_the_clips_own_times(tmp_path, fps):
    for told, options in ((True, ()), (False, ("--fps", fps))):
        file = write_clip(tmp_path / f"a{told}", SENTENCE, fps, told)
        done = run("align", file, "--glosses", " ".join(SENTENCE), "--model", "knows", *options)
        assert done.exit_code == 0, done.output
        middles = [(float(a) + float(b)) / 2 for a, b, *_ in (line.split("\t") for line in done.stdout.splitlines())]
        assert middles == pytest.approx([REST + SIGN / 2 + i * (SIGN + REST) for i in range(4)], abs=0.2)


def word_errors(root: Path, *options: object) -> float:
    done = run("eval", "knows", "--data-dir", root, "--json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["wer"]


@pytest.mark.parametrize("fps", RATES)
def test_an_evaluation_does_not_depend_on_the_rate_of_the_clips(tmp_path, corpus, fps):
    own = word_errors(corpus)
    assert word_errors(write_corpus(tmp_path / "told", [fps])) == own < 10
    silent = write_corpus(tmp_path / "silent", [fps], told=False)
    assert word_errors(silent, "--fps", fps) == own
    (silent / "corpus.toml").write_text(f"fps = {fps}\n")
    assert word_errors(silent) == own


def test_an_evaluation_says_which_clips_are_resampled(tmp_path):
    mixed = write_corpus(tmp_path, [30, 60, 100])
    done = run("eval", "knows", "--data-dir", mixed)
    assert "4 of 6 test clips are resampled to 30 frames per second" in done.stderr
    assert "(2 at 60, 2 at 100)" in done.stderr


def test_times_of_an_evaluation_are_those_of_each_clip(tmp_path, corpus):
    mixed = write_corpus(tmp_path / "mixed", [30, 60, 100])
    outputs = {}
    for name, root in (("own", corpus), ("mixed", mixed)):
        assert run("eval", "knows", "--data-dir", root, "--out", tmp_path / f"{name}.ctm").exit_code == 0
        outputs[name] = times_in(tmp_path / f"{name}.ctm", "ctm")
    assert outputs["mixed"] == pytest.approx(outputs["own"], abs=0.1)


@pytest.mark.parametrize("fps", RATES)
def test_the_library_resamples_arrays_and_files_alike(tmp_path, fps):
    model = slrcli.load("knows")
    own = model.decode(recorded(SENTENCE))
    array = model.decode(recorded(SENTENCE, fps), fps=fps)
    file = model.decode(write_clip(tmp_path / "a", SENTENCE, fps, told=False), fps=fps)
    assert own.glosses == array.glosses == file.glosses == SENTENCE and array.spans == file.spans
    assert model.align(recorded(SENTENCE, fps), SENTENCE, fps=fps).spans[-1][1] <= len(recorded(SENTENCE, fps))


@pytest.mark.parametrize("fps", RATES)
def test_a_stream_of_another_rate_is_resampled(tmp_path, fps):
    glosses = {}
    for name, rate in (("own", USUAL), ("other", fps)):
        file = write_clip(tmp_path / name, SENTENCE, rate, told=False)
        done = run("decode", "--stream", file, "--model", "knows", "--patience", 0, "--fps", rate)
        assert done.exit_code == 0, done.output
        assert ("resampled" in done.stderr) == (rate != USUAL)
        glosses[name] = [line.split("\t")[:3] for line in done.stdout.splitlines()]
    assert [item[2] for item in glosses["other"]] == [item[2] for item in glosses["own"]] == list(SENTENCE)
    starts = [[float(item[0]) for item in glosses[name]] for name in ("own", "other")]
    assert starts[1] == pytest.approx(starts[0], abs=0.1)


def test_a_rate_that_changes_nothing_is_refused(tmp_path, corpus):
    told, silent = write_clip(tmp_path / "told", SENTENCE, 60), write_clip(tmp_path / "silent", SENTENCE, told=False)
    for arguments in (
        ("decode", told, "--model", "knows", "--fps", 25),
        ("align", told, "-g", " ".join(SENTENCE), "--model", "knows", "--fps", 25),
        ("eval", "knows", "--data-dir", corpus, "--fps", 25),
    ):
        done = run(*arguments)
        assert done.exit_code == 2 and "say their frame rate themselves" in done.stderr, done.output
    for arguments in (
        ("decode", silent, "--model", "blind", "--fps", 25),
        ("eval", "blind", "--data-dir", "silent", "--fps", 25),
    ):
        done = run(*arguments)
        assert done.exit_code == 2 and "does not know the frame rate" in done.stderr, done.output
    assert run("decode", silent, "--model", "blind", "--fps", 25, "--format", "ctm").exit_code == 0


def test_a_checkpoint_without_a_rate_takes_frames_as_they_come(tmp_path):
    fast = recorded(SENTENCE, 60)
    np.savez(tmp_path / "told.npz", features=fast, fps=60.0)
    np.save(tmp_path / "silent.npy", fast)
    one, other = (run("decode", tmp_path / name, "--model", "blind") for name in ("told.npz", "silent.npy"))
    assert one.exit_code == other.exit_code == 0 and one.stdout == other.stdout and "resampled" not in one.stderr


@pytest.mark.parametrize(("told", "rate"), [("", 30.0), ("fps = 60.0\n", 60.0)])
def test_training_clips_of_different_rates_are_brought_to_that_of_the_corpus(tmp_path, corpus, told, rate):
    mixed = write_corpus(tmp_path / "mixed", [30, 60, 30])
    (mixed / "corpus.toml").write_text(told)
    done = run("train", "--data-dir", mixed, *QUICK, "--output-dir", tmp_path / "run")
    assert done.exit_code == 0, done.output
    count = 8 if rate == 30 else 16
    assert f"{count} of 24 training clips are resampled to {rate:g} frames per second" in " ".join(done.stderr.split())
    assert load_checkpoint(tmp_path / "run" / "best.safetensors")[1].fps == rate
    scored = run("eval", tmp_path / "run", "--data-dir", corpus, "--json")
    assert json.loads(scored.stdout)["wer"] < 10
