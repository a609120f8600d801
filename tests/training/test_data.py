"""What a corpus says of itself, what training chooses by it, and who overrules whom."""

import json
import tomllib

import numpy as np
import pytest
from support.calling import slr
from support.planted_signing import LAYOUT as SIGNING
from support.planted_signing import change_all, columns_in_order, signing_corpus

import slrcli.training.data
from slrcli.config import Facts, choices
from slrcli.console import Console
from slrcli.corpus.settings import told
from slrcli.errors import SlrError, UsageError
from slrcli.training.data import load_training_data, measure, settle

LAYOUT = """
[[groups]]
name = "glove"
kind = "features"
count = 4
coordinates = ["x"]
"""


def write_corpus(root, frames=20, glosses=2, count=6, width=4):
    """Clips of so many frames a gloss, in columns that no shipped layout has."""
    rng = np.random.default_rng(0)
    rows = ["id,glosses,signer,split"]
    for split, clips in (("train", count), ("dev", 2)):
        (root / "features" / split).mkdir(parents=True)
        for number in range(clips):
            id = f"{split}{number}"
            x = rng.normal(size=(round(frames * glosses), width)).astype(np.float32)
            np.save(root / "features" / split / f"{id}.npy", x)
            rows.append(f"{id},{' '.join('AB'[(number + i) % 2] for i in range(glosses))},s{number % 2},{split}")
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus")


def settled(corpus, *assignments, file=None, preset="", **sections):
    given = {"data": {"data_dir": str(corpus)}, **sections}
    return settle(Console(), given, preset, file, assignments)


def notes(capsys):
    """What was said of the choices: setting -> value, a line each."""
    lines = [line.strip(" ·") for line in capsys.readouterr().err.splitlines()]
    return dict(line.partition(":")[0].split(" = ") for line in lines if " = " in line)


# The numbers


@pytest.mark.parametrize(
    ("frames", "strides"),
    [(3, 1), (12, 1), (14, 1), (14.3, 2), (17.5, 2), (20, 2), (24, 2), (28, 2), (28.5, 3), (33, 3), (42, 3), (400, 3)],
)
def test_a_sign_lasts_about_five_output_frames(frames, strides):
    facts = Facts(utterances=500, glosses=1000, frames=round(1000 * frames), sentences=400)
    found = {choice.setting: choice for choice in choices(facts, "tcn")}
    assert found["model.options.strides"].value == strides
    assert f"{frames:.1f} frames per gloss" in found["model.options.strides"].reason
    if 1 < strides < 3:
        kept = [abs(np.log2(frames / 2**n / 5)) for n in (1, 2, 3)]
        assert kept.index(min(kept)) + 1 == strides
    assert "model.options.strides" not in {choice.setting for choice in choices(facts, "conv-bilstm")}


@pytest.mark.parametrize(
    ("utterances", "epochs", "batch"),
    [
        (0, 120, 4),
        (6, 120, 4),
        (250, 120, 4),
        (599, 53, 4),
        (600, 53, 8),
        (800, 40, 8),
        (1194, 27, 8),
        (4800, 10, 8),
        (90_000, 10, 8),
    ],
)
def test_small_corpora_are_seen_more_often_in_smaller_batches(utterances, epochs, batch):
    facts = Facts(utterances, 2 * utterances, 40 * utterances, utterances)
    found = {choice.setting: choice.value for choice in choices(facts, "tcn")}
    assert (found["optim.epochs"], found["optim.batch_size"]) == (epochs, batch)


def test_sensors_are_centred_and_nothing_else_is(corpus):
    assert measure(settled(corpus)) == Facts(6, 12, 240, 2, sensors=True)
    plain = Facts(500, 1000, 20_000, 400)
    assert not {choice.setting for choice in choices(plain, "tcn")} & {
        "model.options.frontend.centre",
        "augment.point_drop",
    }
    assert settled(corpus).model.options["frontend"] == {"centre": True}


@pytest.mark.parametrize(("frames", "sensors", "chosen"), [(42, False, 1.0), (35, False, None), (42, True, None)])
def test_long_signs_are_learnt_frame_by_frame_unless_they_are_of_sensors(frames, sensors, chosen):
    facts = Facts(500, 1000, 1000 * frames, 400, sensors)
    assert {choice.setting: choice.value for choice in choices(facts, "tcn")}.get("loss.frames") == chosen
    assert "loss.frames" not in {choice.setting for choice in choices(facts, "conv-bilstm")}


@pytest.mark.parametrize(("frames", "chosen"), [(1, 8), (9, 8), (12, 12), (15.9, 12), (19.6, 16), (42, 16)])
def test_a_streaming_network_looks_as_far_ahead_as_a_sign_lasts_within_bounds(frames, chosen):
    facts = Facts(1000, 10_000, int(10_000 * frames), 500)
    assert {choice.setting: choice.value for choice in choices(facts, "streaming")}["model.options.lookahead"] == chosen


def test_hands_without_a_body_are_turned_about_their_wrists(tmp_path):
    alone = settled(write_corpus(tmp_path / "alone", width=126), data={"data_dir": str(tmp_path / "alone")})
    assert measure(alone).hands and (alone.augment.hand_rotate, alone.augment.hand_scale) == (15.0, 0.15)
    whole = settled(write_corpus(tmp_path / "whole", width=258), data={"data_dir": str(tmp_path / "whole")})
    assert not measure(whole).hands and whole.augment.hand_rotate == 0


@pytest.mark.parametrize(("name", "width"), [("mediapipe-126", 126), ("kinect-20", 60), ("generic", 65)])
def test_points_and_wide_features_are_no_sensors(tmp_path, name, width):
    corpus = write_corpus(tmp_path, width=width)
    config = settled(corpus, data={"data_dir": str(corpus), "layout": name})
    assert not measure(config).sensors and "frontend" not in config.model.options


# Who overrules whom


def test_every_source_overrules_those_before_it(corpus, tmp_path):
    (corpus / "corpus.toml").write_text('layout = "generic"\nfps = 30.0\nnormaliser = "phoenix2014"\n')
    first = settled(corpus)
    assert (first.data.layout, first.data.fps, first.data.normaliser) == ("generic", 30.0, "phoenix2014")
    assert (first.optim.epochs, first.optim.batch_size, first.model.options["strides"]) == (120, 4, 2)
    file = tmp_path / "own.toml"
    file.write_text("[data]\nfps = 15.0\n[optim]\nepochs = 7\nbatch_size = 2\n[model.options]\nstrides = 1\n")
    second = settled(corpus, file=file)
    assert (second.data.fps, second.optim.epochs, second.model.options["strides"]) == (15.0, 7, 1)
    assert second.data.normaliser == "phoenix2014"
    third = settled(corpus, file=file, optim={"epochs": 8})
    assert (third.optim.epochs, third.optim.batch_size) == (8, 2)
    fourth = settled(corpus, "optim.epochs=9", "data.fps=12.5", file=file, optim={"epochs": 8})
    assert (fourth.optim.epochs, fourth.optim.batch_size, fourth.data.fps) == (9, 2, 12.5)


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        ("model.arch=tnc", "tcn"),
        ("optim.schedule=linaer", "linear"),
        ("run.precision=bf61", "bf16"),
        ("model.options.widht=16", "width"),
    ],
)
def test_a_mistyped_value_is_found_before_the_corpus_is_read(corpus, monkeypatch, assignment, hint):
    monkeypatch.setattr(slrcli.training.data, "open_data", lambda *_: pytest.fail("the corpus was read"))
    with pytest.raises(UsageError, match=f"Did you mean '{hint}'"):
        settled(corpus, assignment)


def test_one_option_of_the_frontend_leaves_the_chosen_one(corpus):
    config = settled(corpus, "model.options.frontend.derivatives=0", "model.options.width=16")
    assert config.model.options == {"strides": 2, "width": 16, "frontend": {"centre": True, "derivatives": 0}}
    assert settled(corpus, "model.options.frontend.centre=false").model.options["frontend"] == {"centre": False}


def test_nothing_is_fitted_to_a_preset_but_the_corpus_still_speaks(corpus, capsys):
    (corpus / "corpus.toml").write_text("fps = 30.0\n")
    config = settled(corpus, preset="forerunner")
    assert (config.optim.epochs, config.optim.batch_size, config.data.fps) == (100, 4, 30.0)
    assert config.model.options["frontend"] == {"standardise": False}
    assert notes(capsys) == {}


def test_an_architecture_of_its_own_settings_keeps_them(corpus, capsys):
    config = settled(corpus, model={"arch": "mobilenetv3"})
    assert (config.optim.epochs, config.optim.batch_size) == (30, 8)
    assert "strides" not in config.model.options
    assert "optim.epochs" not in notes(capsys)


def test_choices_are_told_a_line_each_and_overruled_ones_are_not(corpus, capsys):
    settled(corpus)
    assert notes(capsys) == {
        "model.options.strides": "2",
        "optim.epochs": "120",
        "optim.batch_size": "4",
        "model.options.frontend.centre": "true",
        "augment.point_drop": "0.05",
    }
    settled(corpus, "model.options.strides=3", "augment.point_drop=0.0", optim={"epochs": 5})
    assert set(notes(capsys)) == {"optim.batch_size", "model.options.frontend.centre"}


# Runs

SMALL = ["--set", "model.options.width=8", "--set", "model.options.dilations=[1]", "--epochs", "1"]


def options_of(run):
    return tomllib.loads((run / "config.toml").read_text())


def test_a_run_goes_on_with_what_was_chosen_and_nothing_is_chosen_again(corpus, tmp_path):
    run = tmp_path / "run"
    done = slr("train", "--data-dir", corpus, "--output-dir", run, *SMALL)
    assert done.exit_code == 0, done.output
    assert "strides = 2: 20.0 frames per gloss" in done.stderr and "optim.epochs" not in done.stderr
    before = options_of(run)
    assert (before["model"]["options"]["strides"], before["optim"]["batch_size"]) == (2, 4)
    for path in corpus.glob("features/*/*.npy"):  # would now ask for other strides
        np.save(path, np.repeat(np.load(path), 3, axis=0))
    (run / "data.json").unlink()  # which has the clips as they were
    again = slr("train", "--resume", run, "--epochs", "2")
    assert again.exit_code == 0, again.output
    assert "per gloss" not in again.stderr and "batch_size" not in again.stderr
    after = options_of(run)
    assert after["optim"].pop("epochs") == 2 and before["optim"].pop("epochs") == 1
    assert after == before


def test_folds_have_what_was_chosen_for_the_whole(corpus, tmp_path):
    (corpus / "corpus.toml").write_text("fps = 30.0\n")
    done = slr("train", "--data-dir", corpus, "--output-dir", tmp_path / "folds", "--folds", "signer", *SMALL)
    assert done.exit_code == 0, done.output
    assert done.stderr.count("20.0 frames per gloss") == 1
    found = [tomllib.loads(path.read_text()) for path in sorted((tmp_path / "folds").glob("*/config.toml"))]
    assert len(found) == 2
    for table in found:
        assert table["model"]["options"]["strides"] == 2 and table["model"]["options"]["frontend"]["centre"] is True
        assert table["augment"]["point_drop"] == 0.05 and table["data"]["fps"] == 30.0


# What a corpus says of itself


def test_a_corpus_says_nothing_where_nothing_is_written(corpus, tmp_path):
    assert told(corpus) == {} and told(tmp_path / "nowhere") == {} and told("") == {}


def test_layouts_are_shipped_names_or_files_seen_from_the_corpus(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (corpus / "corpus.toml").write_text('layout = "kinect-20"\n')
    assert told(corpus) == {"layout": "kinect-20"}
    (corpus / "more").mkdir()
    (corpus / "more" / "own.toml").write_text(LAYOUT)
    (corpus / "corpus.toml").write_text('layout = "more/own.toml"\nfps = 30\n')
    assert told(corpus) == {"layout": str(corpus / "more" / "own.toml"), "fps": 30.0}
    assert told("corpus")["layout"] == "corpus/more/own.toml"
    (corpus / "layout.toml").write_text(LAYOUT)
    assert told(corpus)["layout"].endswith("own.toml"), "what is written wins over what lies beside"
    (corpus / "corpus.toml").write_text("fps = 30\n")
    assert told(corpus) == {"layout": str(corpus / "layout.toml"), "fps": 30.0}
    (corpus / "corpus.toml").unlink()
    assert told(corpus) == {"layout": str(corpus / "layout.toml")}


WRONG = {
    "fps of text": ('fps = "fast"', "frame rate .fps. cannot be"),
    "fps of truth": ("fps = true", "frame rate .fps. cannot be"),
    "fps below 0": ("fps = -25", "frame rate .fps. cannot be"),
    "fps of nothing known": ("fps = nan", "frame rate .fps. cannot be"),
    "fps without an end": ("fps = inf", "frame rate .fps. cannot be"),
    "a layout of numbers": ("layout = 3", "layout must be a text"),
    "a normaliser of numbers": ("normaliser = 1", "normaliser must be a text"),
    "a layout that there is not": ('layout = "kinect-21"', "There is no layout 'kinect-21'"),
    "a normaliser that there is not": ('normaliser = "phoenix"', "There is no gloss normaliser 'phoenix'"),
    "a key that there is not": ("frames = 3", "key 'frames' is unknown"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_corpus_cannot_say_is_an_error_that_names_the_file(corpus, name):
    text, what = WRONG[name]
    (corpus / "corpus.toml").write_text(text + "\n")
    with pytest.raises(SlrError, match=what) as caught:
        told(corpus)
    assert str(corpus / "corpus.toml") in str(caught.value)
    for command in (["train", "--dry-run"], ["check", "data"], ["vocab"]):
        done = slr(*command, "--data-dir", corpus)
        assert done.exit_code in (1, 2) and "Traceback" not in done.output
        assert "corpus.toml" in "".join(done.stderr.split()), command


def test_a_layout_file_that_is_not_there_is_named(corpus):
    (corpus / "corpus.toml").write_text('layout = "own.toml"\n')
    done = slr("check", "data", "--data-dir", corpus)
    assert done.exit_code in (1, 2) and "own.toml" in done.stderr and "Traceback" not in done.output


def test_columns_in_another_order_than_the_layout_are_told_before_training(tmp_path, capsys):
    corpus = signing_corpus(tmp_path / "corpus")
    load_training_data(settled(corpus), Console())
    assert "in the order" not in capsys.readouterr().err
    change_all(corpus, lambda x: columns_in_order(x, SIGNING, ("right_hand", "pose", "left_hand")))
    load_training_data(settled(corpus), Console())
    said = " ".join(capsys.readouterr().err.split())
    assert "the order right_hand, pose, left_hand fits" in said and "--layout" in said


def test_options_overrule_what_the_corpus_says(corpus):
    table = corpus / "table.csv"
    table.write_text(table.read_text().replace("A B", "A1 B"))
    glosses = lambda *given: json.loads(slr("vocab", "--data-dir", corpus, "--json", *given).stdout)  # noqa: E731
    plain = glosses()
    (corpus / "corpus.toml").write_text('layout = "kinect-20"\nnormaliser = "phoenix2014"\n')
    assert glosses() == glosses("--normaliser", "phoenix2014") != plain
    assert glosses("--normaliser", "none") == plain
    for command in (["check", "data"], ["train", "--dry-run"]):
        wrong = slr(*command, "--data-dir", corpus)
        assert wrong.exit_code == 1 and "kinect-20" in wrong.output, command
        right = slr(*command, "--data-dir", corpus, "--layout", "generic", "--normaliser", "none")
        assert right.exit_code == 0, right.output


def test_overfitting_and_language_models_hear_the_corpus_too(corpus, tmp_path):
    (corpus / "corpus.toml").write_text('layout = "kinect-20"\nnormaliser = "phoenix2014"\n')
    wrong = slr("check", "overfit", "--data-dir", corpus, "--steps", "1")
    assert wrong.exit_code == 1 and "kinect-20" in wrong.output
    model = slr("lm", "--data-dir", corpus, "--out", tmp_path / "lm.arpa", "--order", "2")
    assert model.exit_code == 0 and "phoenix2014" in model.stdout, model.output
