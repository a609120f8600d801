"""The commands on a terminal, as a person sees them: what stands on its lines, and when."""

import re

import pytest
from support.forked import program
from support.quick_corpus import write_corpus
from support.terminal import on_terminal

EPOCHS = 5
EPOCH = re.compile(r" +(\d)/5 +[\d.]+ +[\d.]+ +[\d.]+ % +\d+ % +\d+ % +[\d.:]+( s)? +[\d.:]+( s)?(  best)?")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    """A run, and the terminal of 80 columns on which it was trained."""
    run = tmp_path_factory.mktemp("trained") / "run"
    options = ["--epochs", EPOCHS, "--lr", "1e-9", "--batch-size", 2, "--output-dir", run]
    return run, on_terminal([*program("slrcli")[1:], "train", "--data-dir", corpus, *options], 80)


def test_training_writes_a_line_per_epoch_that_fits_and_says_which_is_kept(trained):
    run, shown = trained
    assert shown.code == 0, shown.lines
    epochs = [match for line in shown.lines if (match := EPOCH.fullmatch(line))]
    assert [match[1] for match in epochs] == ["1", "2", "3", "4", "5"]
    assert epochs[0][0].endswith("best") and any("the epoch with the lowest WER on dev" in line for line in shown.lines)
    log = (run / "training.log").read_text().splitlines()
    assert [line for line in log if EPOCH.fullmatch(line)] == [match[0] for match in epochs]


def test_the_time_left_is_on_the_screen_while_an_epoch_runs_and_the_bar_is_gone_after_it(trained):
    bars = {line for frame in trained[1].frames for line in frame if re.match(r"epoch \d/5  loss ", line)}
    assert any(re.search(r"\d+/60 \d:\d\d:\d\d left$", line) for line in bars), bars
    assert all(line.endswith("left") for line in bars)
    assert not any(line.endswith("left") and "━" in line for line in trained[1].lines)


def test_a_run_that_goes_wrong_says_at_its_end_what_to_look_at(trained, corpus):
    end = trained[1].lines[trained[1].lines.index("Look at:") :]
    assert "  slr check --explain SLR-T13" in end
    screen = "".join(trained[1].lines)  # a command longer than a line goes on below
    assert f"slr check overfit --data-dir {corpus}" in screen or "The run has not learnt" not in screen


def test_decoded_glosses_stand_on_lines_of_their_own(trained, corpus):
    run, _ = trained
    files = [f"features/test/test{number}.npy" for number in range(3)]
    shown = on_terminal([*program("slrcli")[1:], "decode", *files, "--model", run], 80, corpus)
    assert shown.code == 0, shown.lines
    assert [line.split()[0] for line in shown.lines] == files
    assert not any("decoding" in line and ".npy" in line for frame in shown.frames for line in frame)


def test_converted_files_stand_on_lines_of_their_own(corpus, tmp_path):
    shown = on_terminal([*program("slrcli")[1:], "convert", "features/test", tmp_path / "out"], 120, corpus)
    assert shown.code == 0, shown.lines
    starts = [line for line in shown.lines if line.startswith("features/test/test")]
    assert len(starts) == 6 and not any("converting" in line for line in shown.lines)
    assert not any("converting" in line and ".npy" in line for frame in shown.frames for line in frame)
