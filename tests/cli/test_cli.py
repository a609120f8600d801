"""The command line as a user meets it: the whole way from a folder to glosses, and what happens when it goes wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from support.forked import program
from support.quick_corpus import GLOSSES, QUICK, write_corpus
from typer.testing import CliRunner

from slrcli import __version__
from slrcli.cli import app
from slrcli.models.tcn import TCNOptions
from slrcli.transcripts import read_transcripts

NARROW = ("--set", "model.options.width=16")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, corpus):
    """A folder in which one run has been trained."""
    folder = tmp_path_factory.mktemp("workplace")
    here = os.getcwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(app, ["train", "--data-dir", str(corpus), *QUICK])
    finally:
        os.chdir(here)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def slr(workplace, monkeypatch):
    """Run a command in the workplace."""
    monkeypatch.chdir(workplace)
    return lambda *arguments: CliRunner().invoke(app, [str(item) for item in arguments])


def test_training_leaves_a_complete_run(workplace):
    run = workplace / "runs" / "latest"
    expected = {"best.safetensors", "last.safetensors", "last.state.safetensors", "config.toml", "vocab.json"}
    assert expected | {"training.log", "metrics.jsonl"} <= {file.name for file in run.iterdir()}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    assert "milestone of epoch 5" in (run / "training.log").read_text()


def test_a_run_writes_every_option_of_its_architecture_down(workplace):
    written = tomllib.loads((workplace / "runs" / "latest" / "config.toml").read_text())["model"]["options"]
    written["frontend"].pop("centre"), written.pop("strides")  # what fits the corpus
    own = json.loads(json.dumps(asdict(TCNOptions())))
    own["frontend"].pop("centre"), own.pop("strides")
    assert written == own


def test_eval_scores_the_test_split_and_writes_hypotheses(slr, corpus, tmp_path):
    ctm, table = tmp_path / "h.ctm", tmp_path / "h.csv"
    result = slr("eval", "--data-dir", corpus, "--out", ctm, "--out", table)
    assert result.exit_code == 0, result.output
    assert "ann" in result.stdout and "bob" in result.stdout and "WER" in result.stdout
    assert "split test (the default" in result.stderr
    assert read_transcripts(ctm) == read_transcripts(table)


def starts(ctm: Path) -> list[float]:
    """Where the glosses of a CTM begin, in seconds."""
    return [float(line.split()[2]) for line in ctm.read_text().splitlines() if not line.startswith(";")]


def test_eval_takes_the_frame_rate_that_the_corpus_says_and_a_flag_overrules_it(slr, corpus, tmp_path, monkeypatch):
    own = tmp_path / "own"
    shutil.copytree(corpus, own)
    (own / "corpus.toml").write_text("fps = 50\n")
    found, shown = {}, []
    monkeypatch.setattr("slrcli.evaluation.page.posteriors_of", lambda result, ids, fps: shown.append(fps) or {})
    for name, *options in (["usual", corpus], ["own", own], ["given", own, "--fps", 25]):
        done = slr("eval", "--data-dir", *options, "--out", tmp_path / f"{name}.ctm", "--report", tmp_path / name)
        assert done.exit_code == 0, done.output
        found[name] = starts(tmp_path / f"{name}.ctm")
    assert max(found["usual"]) > 0 and found["given"] == found["usual"]
    assert found["own"] == pytest.approx([time / 2 for time in found["usual"]], abs=0.006)
    assert shown == [25, 50, 25]


def test_a_precision_that_the_processor_cannot_train_in_is_refused_before_the_first_step(slr, corpus, monkeypatch):
    def no_lstm(*_, **__):
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr("torch.nn.LSTM.forward", no_lstm)
    done = slr("train", "--data-dir", corpus, "--arch", "conv-bilstm", "--precision", "bf16", "--device", "cpu")
    assert done.exit_code == 1 and "--precision fp32" in done.stderr and "defect of slr" not in done.stderr
    assert "parameters" not in done.stderr


def test_eval_aligns_only_under_the_protocols_that_are_asked_for(slr, corpus, monkeypatch):
    monkeypatch.setattr("slrcli.evaluation.evaluate.score", lambda *sides: pytest.fail("aligned once more"))
    assert slr("eval", "--data-dir", corpus).exit_code == 0


def test_eval_counts_under_the_protocol_that_is_asked_for(slr, corpus):
    every = json.loads(slr("eval", "--data-dir", corpus, "--protocol", "all", "--json").stdout)["protocols"]
    assert [item["protocol"] for item in every][:2] == ["plain@1", "sclite@1"]
    one = json.loads(slr("eval", "--data-dir", corpus, "--protocol", "vac", "--json").stdout)
    (vac,) = [item for item in every if item["protocol"] == "vac@1"]
    assert one["errors"] == vac["errors"] and one["signature"] == vac["signature"]


def test_eval_writes_a_page_of_the_same_score(slr, corpus, tmp_path):
    result = slr("eval", "runs/latest", "--data-dir", corpus, "--report", tmp_path / "new" / "page", "--json")
    document = json.loads(result.stdout)
    page = (tmp_path / "new" / "page" / "index.html").read_text(encoding="utf-8")
    assert f"{document['wer']:.2f} %" in page and "test0" in page and "report: " in result.stderr
    assert [file.name for file in (tmp_path / "new" / "page").iterdir()] == ["index.html"]


def test_a_page_is_refused_where_a_file_stands_before_anything_is_computed(slr, corpus, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = slr("eval", "--data-dir", corpus, "--report", tmp_path / "file")
    assert result.exit_code == 2 and "WER" not in result.output
    assert (tmp_path / "file").read_text() == "mine"
    result = slr("eval", "--data-dir", corpus, "--report", tmp_path / "file" / "page")
    assert result.exit_code == 1 and "not a folder" in result.stderr and "checkpoint" not in result.stderr
    (tmp_path / "taken" / "index.html").mkdir(parents=True)
    result = slr("eval", "--data-dir", corpus, "--report", tmp_path / "taken")
    assert (
        result.exit_code == 1 and "This is a folder, not a file" in result.stderr and "checkpoint" not in result.stderr
    )


def test_eval_json_is_one_document_that_adds_up(slr, corpus):
    result = slr("eval", "runs/latest", "--data-dir", corpus, "--split", "dev", "--json")
    document = json.loads(result.stdout)
    errors = document["substitutions"] + document["deletions"] + document["insertions"]
    assert document["split"] == "dev" and len(document["hypotheses"]) == 6
    assert document["signature"] in slr("eval", "runs/latest", "--data-dir", corpus, "--split", "dev").stdout
    assert "|decoder:greedy|checkpoint:" in document["signature"] and document["intervals"]["utterances"]["units"] == 6
    assert document["wer"] == pytest.approx(100 * errors / document["ref_tokens"])


def test_decode_writes_one_line_a_file_and_names_the_model_on_stderr(slr, corpus):
    one = slr("decode", corpus / "features" / "test" / "test0.npy")
    assert one.exit_code == 0 and "runs" in one.stderr and len(one.stdout.splitlines()) == 1
    assert set(one.stdout.split()) <= set(GLOSSES)
    folder = slr("decode", corpus / "features" / "test")
    lines = [line.split("\t") for line in folder.stdout.splitlines()]
    assert len(lines) == 6 and all(Path(path).is_file() for path, _ in lines)
    assert one.stdout.strip() == lines[0][1]


def test_decode_json_has_spans_within_the_clip_and_confidences(slr, corpus):
    file = corpus / "features" / "test" / "test2.npy"
    (clip,) = json.loads(slr("decode", file, "--json").stdout)
    assert clip["frames"] == len(np.load(file)) and clip["glosses"]
    for item in clip["glosses"]:
        assert 0 <= item["start"] < item["end"] <= clip["frames"] and 0 <= item["confidence"] <= 1


def test_a_bad_file_does_not_stop_the_others_and_ends_in_exit_1(slr, corpus, tmp_path):
    bad = tmp_path / "bad.npy"
    bad.write_bytes(b"no array")
    wide = tmp_path / "wide.npy"
    np.save(wide, np.zeros((9, 7), np.float32))
    result = slr("decode", bad, corpus / "features" / "test" / "test0.npy", wide)
    assert result.exit_code == 1 and len(result.stdout.splitlines()) == 1
    assert "bad.npy" in result.stderr and "7 columns, but layout generic-4 expects 4" in result.stderr
    assert "2 of 3 files" in result.stderr


def test_dry_run_writes_nothing(slr, corpus, workplace):
    before = sorted(workplace.rglob("*"))
    result = slr("train", "--data-dir", corpus, "--dry-run")
    assert result.exit_code == 0 and "dry run" in result.stdout and sorted(workplace.rglob("*")) == before


def test_resume_goes_on_to_more_epochs(slr, corpus, tmp_path):
    run = tmp_path / "run"
    assert slr("train", "--data-dir", corpus, "--epochs", "1", "--output-dir", run).exit_code == 0
    result = slr("train", "--resume", run, "--epochs", "2")
    assert result.exit_code == 0 and "at epoch 2" in result.stderr
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_second_run_into_the_same_folder_is_refused(slr, corpus, tmp_path):
    assert slr("train", "--data-dir", corpus, "--epochs", "1", "-o", tmp_path / "r").exit_code == 0
    result = slr("train", "--data-dir", corpus, "--epochs", "1", "-o", tmp_path / "r")
    assert result.exit_code == 2 and "already contains a run" in result.stderr
    assert "training utterances" not in result.stderr  # it is refused before the clips are read


def test_ctrl_c_saves_and_says_how_to_go_on(corpus, tmp_path):
    arguments = ["train", "--data-dir", str(corpus), "--epochs", "100000", "-o", "run", *NARROW]
    process = subprocess.Popen([*program("slrcli"), *arguments], cwd=tmp_path, stderr=subprocess.PIPE)
    log, deadline = tmp_path / "run" / "training.log", time.monotonic() + 90
    while not (log.exists() and re.search(r"^ *2/", log.read_text(), re.MULTILINE)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130 and "slr train --resume run" in error
    assert (tmp_path / "run" / "last.state.safetensors").exists()


FLAGS = {
    "--lr": ("optim", "lr", 0.01),
    "--weight-decay": ("optim", "weight_decay", 0.5),
    "--warmup-epochs": ("optim", "warmup_epochs", 0.25),
    "--batch-size": ("optim", "batch_size", 3),
    "--patience": ("optim", "patience", 7),
    "--dropout": ("model", "dropout", 0.0),
    "--max-frames": ("data", "max_frames", 40),
    "--normaliser": ("data", "normaliser", "phoenix2014"),
    "--layout": ("data", "layout", "generic-4"),
    "--seed": ("run", "seed", 5),
    "--precision": ("run", "precision", "bf16"),
    "--device": ("run", "device", "cpu"),
}


@pytest.mark.parametrize("flags", [FLAGS, {"--learning-rate": ("optim", "lr", 0.02)}], ids=["all", "the other name"])
def test_every_flag_of_train_reaches_the_configuration_of_the_run(slr, corpus, tmp_path, flags):
    """Together, each with a value that no other one has: what is swapped or lost is seen."""
    from slrcli.config import Config, read_toml

    given = [item for flag, (_, _, value) in flags.items() for item in (flag, value)]
    result = slr("train", "--data-dir", corpus, "--epochs", "1", "-o", tmp_path / "r", *given)
    assert result.exit_code == 0, result.output
    written = Config.from_dict(read_toml(tmp_path / "r" / "config.toml"))
    found = {flag: (section, key, getattr(getattr(written, section), key)) for flag, (section, key, _) in flags.items()}
    assert found == flags


def test_max_frames_leaves_long_clips_out_and_says_so(slr, corpus):
    result = slr("train", "--data-dir", corpus, "--max-frames", "40", "--dry-run")
    assert "8 training utterances are longer than 40 frames" in result.stderr


def test_gradient_checkpointing_changes_nothing_but_memory(slr, corpus, tmp_path):
    outcomes = []
    for name, flags in (("a", []), ("b", ["--gradient-checkpointing"])):
        common = ["--data-dir", corpus, "--epochs", "1", "--arch", "conv-bilstm", "--device", "cpu"]
        assert slr("train", *common, *flags, "-o", tmp_path / name).exit_code == 0
        outcomes.append(json.loads((tmp_path / name / "metrics.jsonl").read_text())["loss"])
    assert outcomes[0] == pytest.approx(outcomes[1], rel=1e-4)


def test_bare_check_model_takes_the_newest_run_and_says_so(slr):
    result = slr("check", "model")
    assert result.exit_code == 0 and "newest run" in result.output


def test_missing_features_tell_count_ids_and_places(slr, tmp_path):
    corpus = write_corpus(tmp_path)
    for file in list((corpus / "features" / "train").iterdir())[:7]:
        file.unlink()
    result = slr("train", "--data-dir", corpus)
    assert result.exit_code == 1 and "7 of 24 utterances of train have no feature file" in result.stderr
    assert "features/train" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train"], 2, "No corpus is named"),
        (["train", "--data-dir", "nowhere"], 1, "nowhere"),
        (["train", "--data-dir", "CORPUS", "--arch", "conv-bilstn"], 2, "conv-bilstm"),
        (["train", "--data-dir", "CORPUS", "--device", "cuda:99"], 2, "--device auto"),
        (["train", "--data-dir", "CORPUS", "--batch-size", "0"], 2, "at least 1"),
        (["train", "--data-dir", "CORPUS", "--precision", "fp8"], 2, "fp32"),
        (["train", "--resume", "nowhere"], 1, "no run to resume"),
        (["eval", "nowhere", "--data-dir", "CORPUS"], 1, "no such checkpoint"),
        (["eval", "--data-dir", "CORPUS", "--split", "tset"], 1, "no split"),
        (["decode", "nowhere.npy"], 1, "nowhere.npy"),
        (["check", "model", "nothing"], 2, "neither an architecture nor a checkpoint"),
        (["vocab", "--data-dir", "CORPUS", "--normaliser", "phoenix"], 2, "phoenix2014"),
    ],
)
def test_mistakes_end_in_a_message_and_not_in_a_traceback(slr, corpus, arguments, code, said):
    result = slr(*[str(corpus) if item == "CORPUS" else item for item in arguments])
    assert said in result.stderr and "Traceback" not in result.output
    assert result.exit_code == code


def test_debug_shows_the_traceback(workplace):
    command = [*program("slrcli"), "decode", "nowhere.npy", "--model", "nowhere", "--debug"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True, timeout=60)
    assert "Traceback" in done.stderr


def test_glosses_that_the_terminal_cannot_write_are_escaped(workplace, tmp_path):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code = "from slrcli.console import Console; Console().result('手语'); Console().json(['手'])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.splitlines()[0] == "\\u624b\\u8bed"


def test_a_dev_split_without_glosses_is_refused(slr, tmp_path):
    corpus = write_corpus(tmp_path)
    table = corpus / "annotations" / "dev.corpus.csv"
    rows = [line.rpartition("|")[0] + "|" for line in table.read_text().splitlines()[1:]]
    table.write_text("\n".join(["id|folder|signer|annotation", *rows]) + "\n")
    result = slr("train", "--data-dir", corpus)
    assert result.exit_code == 1 and "No utterance of dev has glosses" in result.stderr


def test_without_a_dev_split_all_of_train_may_be_learnt_from(slr, tmp_path):
    corpus = write_corpus(tmp_path)
    (corpus / "annotations" / "dev.corpus.csv").unlink()
    options = ["--data-dir", corpus, "--epochs", "2", "--set", "data.dev_share=0", "-o", tmp_path / "r"]
    result = slr("train", *options)
    assert result.exit_code == 2 and "optim.choose=last" in result.stderr and not (tmp_path / "r").exists()
    result = slr("train", *options, "--set", "optim.choose=last")
    assert result.exit_code == 0 and "24 training utterances" in result.stderr
    assert "training uses all of train, and a tenth of it also serves as dev" in result.stderr
    result = slr("train", "--data-dir", corpus, "--epochs", "1", "--set", "data.dev_share=0.25", "-o", tmp_path / "q")
    assert result.exit_code == 0 and "18 training utterances" in result.stderr


def test_an_output_of_unknown_format_is_refused_before_anything_is_computed(slr, corpus):
    result = slr("eval", "--data-dir", corpus, "--out", "x.zzz")
    assert result.exit_code == 2 and "zzz" in result.stderr and "split" not in result.stderr


def test_train_json_is_one_document(slr, corpus, tmp_path):
    result = slr("train", "--data-dir", corpus, "--epochs", "1", "-o", tmp_path / "r", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["epochs"] == 1 and Path(document["checkpoint"]).is_file()
    dry = json.loads(slr("train", "--data-dir", corpus, "--dry-run", "--json").stdout)
    assert dry["run"] is None and dry["best"]["decoded"] == 4


def test_json_is_valid_whatever_the_terminal_can_write(workplace):
    code = "from slrcli.console import Console; Console(as_json=True).json(['手é'])"
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == ["手é"]


@pytest.mark.parametrize(
    "flags",
    [["--dry-run"], ["--dropout", "0.9"], ["--vocab", "v.json"], ["--layout", "kinect-20"], ["--normaliser", "none"]],
)
def test_resume_refuses_what_it_would_ignore(slr, workplace, flags):
    run = (workplace / "runs" / "latest").resolve()
    before = {file: file.read_bytes() for file in run.iterdir() if file.is_file()}
    result = slr("train", "--resume", run, *flags)
    assert result.exit_code == 2 and flags[0] in result.stderr
    assert before == {file: file.read_bytes() for file in run.iterdir() if file.is_file()}


def test_only_runs_latest_means_the_newest_run(slr, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine/latest", "other"):  # the second is the newest
        assert slr("train", "--data-dir", corpus, "--epochs", "1", "-o", name).exit_code == 0
    assert slr("train", "--resume", "mine/latest", "--epochs", "2").exit_code == 0
    lines = {name: (tmp_path / name / "metrics.jsonl").read_text().count("\n") for name in ("mine/latest", "other")}
    assert lines == {"mine/latest": 2, "other": 1}


def test_runs_that_begin_together_leave_one_link_to_one_of_them(tmp_path, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from slrcli.checkpoints.runs import newest_run, point_latest

    monkeypatch.chdir(tmp_path)
    runs = [tmp_path / "elsewhere" / str(number) for number in range(16)]
    for run in runs:
        run.mkdir(parents=True)
    with ThreadPoolExecutor(len(runs)) as pool:
        list(pool.map(point_latest, runs * 20))
    assert newest_run() in runs
    assert [item.name for item in (tmp_path / "runs").iterdir()] == ["latest"]


def test_a_folder_named_latest_is_left_alone(tmp_path, monkeypatch):
    from slrcli.checkpoints.runs import point_latest

    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "latest").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    point_latest(tmp_path / "run")
    assert [item.name for item in (tmp_path / "runs").iterdir()] == ["latest"]
    assert not (tmp_path / "runs" / "latest").is_symlink()


def test_what_a_resumed_run_was_told_is_written_down(slr, corpus, tmp_path, monkeypatch):
    from slrcli.config import read_toml

    run = tmp_path / "run"
    monkeypatch.chdir(corpus.parent)
    assert slr("train", "--data-dir", corpus.name, "--epochs", "1", "-o", run).exit_code == 0
    monkeypatch.chdir(tmp_path)  # another directory than the one in which the corpus was named
    assert slr("train", "--resume", run, "--epochs", "3").exit_code == 0
    assert read_toml(run / "config.toml")["optim"]["epochs"] == 3
    done = slr("train", "--resume", run)
    assert done.exit_code == 0 and "is complete (3 epochs)" in done.stderr
    again = slr("train", "--config", run / "config.toml", "--epochs", "1", "-o", tmp_path / "again")
    assert again.exit_code == 0, again.output


def test_a_damaged_dev_clip_ends_the_run_before_its_first_epoch(slr, tmp_path):
    corpus = write_corpus(tmp_path / "c")
    file = corpus / "features" / "dev" / "dev1.npy"
    file.write_bytes(file.read_bytes()[:-40])
    result = slr("train", "--data-dir", corpus, "--epochs", "1", "-o", tmp_path / "r")
    assert result.exit_code == 1 and "dev1.npy" in result.stderr and "epoch   1" not in result.stderr


def test_a_crash_between_the_two_files_of_a_run_resumes_from_one_moment(slr, corpus, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for run in (whole, broken):
        assert slr("train", "--data-dir", corpus, "--epochs", "1", "-o", run).exit_code == 0
    state = (broken / "last.state.safetensors").read_bytes()
    assert slr("train", "--resume", broken, "--epochs", "2").exit_code == 0
    (broken / "last.state.safetensors").write_bytes(state)  # weights of epoch 2, state of epoch 1
    for run in (whole, broken):
        assert slr("train", "--resume", run, "--epochs", "2").exit_code == 0
    first, second = (read_weights(run / "last.safetensors") for run in (whole, broken))
    assert first and all(np.array_equal(first[name], second[name]) for name in first)
    epochs = [json.loads(line)["epoch"] for line in (broken / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2]


def read_weights(path):
    from safetensors.numpy import load_file

    return load_file(path)


def test_ids_that_occur_twice_in_dev_are_refused(slr, tmp_path):
    corpus = write_corpus(tmp_path)
    table = corpus / "annotations" / "dev.corpus.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[-1] + "\n")
    result = slr("train", "--data-dir", corpus)
    assert result.exit_code == 1 and "more than once in dev" in result.stderr


@pytest.mark.parametrize(
    "setting",
    ["optim.clip_norm=-1", "optim.patience=-2", "optim.schedule=foo", "augment.resample=[1.4, 0.7]",
     "augment.resample=[0.0, 0.0]", "augment.time_mask_share=3", "augment.point_drop=2", "data.max_frames=-1"],
)  # fmt: skip
def test_settings_beyond_their_meaning_are_refused_before_a_run_is_made(slr, corpus, tmp_path, setting):
    result = slr("train", "--data-dir", corpus, "-o", tmp_path / "r", "--set", setting)
    assert result.exit_code == 2 and "defect" not in result.stderr and not (tmp_path / "r").exists()


def test_a_corpus_of_train_alone_is_evaluated_on_what_training_held_out(slr, tmp_path):
    corpus = write_corpus(tmp_path / "c")
    for split in ("dev", "test"):
        (corpus / "annotations" / f"{split}.corpus.csv").unlink()
    assert slr("train", "--data-dir", corpus, "--epochs", "1", "-o", tmp_path / "r").exit_code == 0
    result = slr("eval", tmp_path / "r", "--data-dir", corpus, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["split"] == "dev"


def test_quiet_keeps_stderr_empty(slr, corpus):
    assert slr("decode", corpus / "features" / "test" / "test0.npy", "--quiet").stderr == ""


def test_version(slr):
    assert slr("--version").stdout == f"slr {__version__}\n"


@pytest.mark.parametrize("command", [["vocab"], ["check", "model"], ["check", "data"], ["train"], ["eval"], ["decode"]])
def test_every_command_has_help_with_an_example(slr, command):
    result = slr(*command, "--help")
    words = " ".join(result.stdout.split())
    assert result.exit_code == 0 and f"slr {' '.join(command)} " in words.partition("Example")[2]


@pytest.mark.slow
def test_the_smallest_demo_runs_all_five_commands(slr, workplace, tmp_path, monkeypatch):
    from slrcli.demo.demo import demo

    newest, made = (workplace / "runs" / "latest").resolve(), []
    with monkeypatch.context() as patch:
        patch.setattr("slrcli.demo.demo.demo", lambda *given: made.append(demo(*given)) or made[0])
        result = slr("demo", "--small", "--keep", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    assert "On a signer never seen: WER" in result.stdout and "synthetic" in result.stdout
    assert "proves nothing but that everything runs" in result.stdout
    for command in ("vocab", "check data", "train", "eval", "decode"):
        assert f"slr {command}" in result.stdout
    assert (tmp_path / "demo" / "run" / "best.safetensors").is_file()
    assert (tmp_path / "demo" / "vocab.json").is_file()
    assert (workplace / "runs" / "latest").resolve() == newest  # the demo is nobody's newest run
    with monkeypatch.context() as patch:  # the same result once more, in another form
        patch.setattr("slrcli.demo.demo.demo", lambda _, keep, *given: replace(made[0], kept=keep is not None))
        document = json.loads(slr("demo", "--small", "--json", "--quiet").stdout)
    assert document["evaluation"]["split"] == "test" and document["folder"] is None
    refused = slr("demo", "--small", "--keep", tmp_path / "demo")
    assert refused.exit_code == 2 and "not empty" in refused.stderr
