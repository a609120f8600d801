"""`slr train --folds` and `--seeds` as a user meets them: several ordinary runs that add up."""

import itertools
import json
import signal
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.calling import slr
from support.forked import program

from slrcli.errors import UsageError

GLOSSES = ("LEFT", "RIGHT", "STOP")
SMALL = [
    "--lr",
    "5e-3",
    "--warmup-epochs",
    "1",
    "--set",
    "model.options.width=16",
    "--set",
    "model.options.dilations=[1]",
]
QUICK = [*SMALL, "--epochs", "3"]


def write_corpus(root, dev=4, signers=("ann", "bob")):
    """Four numbers a frame: every gloss is a bump in a column of its own."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 12), ("dev", dev), ("test", 4)):
        if not count:
            continue
        (root / "features" / split).mkdir(parents=True)
        rows = ["id|folder|signer|annotation"]
        for number in range(count):
            glosses = [GLOSSES[i] for i in rng.integers(0, 3, 1 + number % 3)]
            x = 0.1 * rng.normal(size=(4 + 16 * len(glosses), 4))
            for place, gloss in enumerate(glosses):
                x[4 + 16 * place : 16 + 16 * place, GLOSSES.index(gloss)] += 2
            np.save(root / "features" / split / f"{split}{number}.npy", x.astype(np.float32))
            rows.append(f"{split}{number}|{split}{number}|{signers[number % len(signers)]}|{' '.join(glosses)}")
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(rows) + "\n")
    return root


def glosses_of(corpus, *splits):
    """Utterance id -> glosses, read by hand."""
    lines = [
        line.split("|")
        for split in splits
        for line in (corpus / "annotations" / f"{split}.corpus.csv").read_text().splitlines()[1:]
    ]
    return {cells[0]: cells[3].split() for cells in lines}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def by_signer(corpus, tmp_path_factory):
    """The folder of two folds, and what was said."""
    folder = tmp_path_factory.mktemp("folds") / "f"
    result = slr("train", "--data-dir", corpus, *QUICK, "--folds", "signer", "-o", folder)
    assert result.exit_code == 0, result.output
    return folder, result


def plan_of(folder):
    return json.loads((folder / "folds.json").read_text())


def wers(folder):
    """Fold and seed -> WER after the last epoch and errors after the best."""
    return {(run["fold"], run["seed"]): (run["last"]["wer"], run["best"]["errors"]) for run in plan_of(folder)["runs"]}


def weights(run):
    return load_file(run / "last.safetensors")


def same_weights(first, second):
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_every_fold_is_an_ordinary_run_and_the_score_is_that_of_its_last_epoch(corpus, by_signer):
    folder, said = by_signer
    plan = plan_of(folder)
    assert plan["complete"] and [run["run"] for run in plan["runs"]] == ["fold-ann-seed1", "fold-bob-seed1"]
    everything = glosses_of(corpus, "train", "dev")
    for run in plan["runs"]:
        names = {file.name for file in (folder / run["run"]).iterdir()}
        assert {"config.toml", "best.safetensors", "last.safetensors", "training.log", "vocab.json"} <= names
        lines = [json.loads(line) for line in (folder / run["run"] / "metrics.jsonl").read_text().splitlines()]
        assert run["last"]["wer"] == pytest.approx(lines[-1]["wer"]) and run["epochs"] == len(lines) == 3
        assert run["best"]["wer"] == pytest.approx(min(line["wer"] for line in lines))
        assert lines[run["best_epoch"] - 1]["wer"] == pytest.approx(run["best"]["wer"])
        assert f"{run['last']['wer']:.2f} %" in said.stdout
    held = [item["id"] for run in plan["runs"] for item in json.loads(
        (folder / run["run"] / "result.json").read_text())["last"]["per_utterance"]]  # fmt: skip
    assert sorted(held) == sorted(everything)
    summary = plan["summary"]["last"]
    assert summary["tokens"] == sum(map(len, everything.values()))
    assert summary["errors"] == sum(run["last"]["errors"] for run in plan["runs"])
    assert summary["pooled"] == pytest.approx(100 * summary["errors"] / summary["tokens"])
    assert summary["over_folds"]["mean"] == pytest.approx(np.mean([run["last"]["wer"] for run in plan["runs"]]))
    assert f"pooled: {summary['pooled']:.2f} %" in said.stdout and "optimistic" in said.stdout
    assert "run 2 of 2: signer bob, seed 1" in said.stderr


def test_eval_repeats_the_number_of_a_fold(corpus, by_signer):
    folder, _ = by_signer
    run = plan_of(folder)["runs"][1]
    tables = ["--annotations", folder / "annotations" / "bob", "--format", "table", "--split", "dev"]
    again = slr("eval", folder / run["run"] / "last.safetensors", "--data-dir", corpus, *tables, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["wer"] == pytest.approx(run["last"]["wer"])


def test_side_by_side_gives_the_numbers_of_one_after_the_other(corpus, tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    common = ["train", "--data-dir", corpus, *QUICK, "--folds", "2", "--fold-splits", "train"]
    for jobs in (1, 2):
        result = slr(*common, "--jobs", jobs, "-o", tmp_path / str(jobs), "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["complete"]
    assert wers(tmp_path / "1") == wers(tmp_path / "2")
    for fold in (1, 2):
        assert same_weights(*(tmp_path / jobs / f"fold-{fold}-seed1" for jobs in "12"))
    assert {run["threads"] for run in plan_of(tmp_path / "2")["runs"]} == {torch.get_num_threads()}


def test_what_failed_goes_on_without_doing_again_what_was_finished(corpus, by_signer, tmp_path, monkeypatch):
    from slrcli.errors import SlrError
    from slrcli.training.folds import pool

    real, calls = pool.train, []

    def fails_on_the_second(config, console, **options):
        calls.append(config.run.output_dir)
        if len(calls) == 2:
            raise SlrError("the disk is full", "here")
        return real(config, console, **options)

    monkeypatch.setattr(pool, "train", fails_on_the_second)
    folder = tmp_path / "f"
    result = slr("train", "--data-dir", corpus, *QUICK, "--folds", "signer", "-o", folder)
    assert result.exit_code == 1 and "signer bob, seed 1" in result.stderr and "the disk is full" in result.stderr
    assert f"--resume {folder}" in result.stderr and not plan_of(folder)["complete"]
    first = (folder / "fold-ann-seed1" / "last.safetensors").stat().st_mtime_ns

    result = slr("train", "--resume", folder)
    assert result.exit_code == 0, result.output
    assert "1 of them are already finished" in result.stderr and len(calls) == 3
    assert (folder / "fold-ann-seed1" / "last.safetensors").stat().st_mtime_ns == first
    assert wers(folder) == wers(by_signer[0])
    assert same_weights(folder / "fold-bob-seed1", by_signer[0] / "fold-bob-seed1")

    (folder / "fold-bob-seed1" / "result.json").unlink()  # trained, and stopped before it was scored
    result = slr("train", "--resume", folder)
    assert result.exit_code == 0 and len(calls) == 3 and wers(folder) == wers(by_signer[0])


def test_a_run_interrupted_halfway_goes_on_to_the_same_bits(corpus, by_signer, tmp_path, monkeypatch):
    from slrcli.training import session as train

    steps = itertools.count()

    class Told(train.Interruption):
        def __call__(self):
            if next(steps) == 8:  # two steps an epoch, three epochs a run
                self.press(signal.SIGINT)
            return super().__call__()

    @contextmanager
    def interrupted_in_the_second_run():
        yield Told()

    folder = tmp_path / "f"
    with monkeypatch.context() as patch:
        patch.setattr(train, "interruptible", interrupted_in_the_second_run)
        result = slr("train", "--data-dir", corpus, *QUICK, "--folds", "signer", "-o", folder)
    assert result.exit_code == 130 and f"--resume {folder}" in result.stderr and "pooled" not in result.stdout
    assert (folder / "fold-bob-seed1" / "metrics.jsonl").read_text().count("\n") == 1
    result = slr("train", "--resume", folder)
    assert result.exit_code == 0 and "at epoch 2" in result.stderr, result.output
    assert same_weights(folder / "fold-bob-seed1", by_signer[0] / "fold-bob-seed1")
    assert wers(folder) == wers(by_signer[0]) and plan_of(folder)["complete"]


@pytest.mark.slow
def test_ctrl_c_saves_all_that_runs_side_by_side(corpus, tmp_path):
    common = [*program("slrcli"), "train"]
    new = ["--data-dir", str(corpus), *SMALL, "--folds", "signer", "--jobs", "2"]
    process = subprocess.Popen([*common, *new, "--epochs", "100000", "-o", "f"], cwd=tmp_path, stderr=subprocess.PIPE)
    logs = [tmp_path / "f" / f"fold-{name}-seed1" / "metrics.jsonl" for name in ("ann", "bob")]
    deadline = time.monotonic() + 120
    while not all(log.exists() and log.read_text() for log in logs) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 130 and "slr train --resume f" in error, error
    for log in logs:
        assert (log.parent / "last.state.safetensors").exists() and not (log.parent / "result.json").exists()


def test_seeds_without_folds_are_ordinary_runs_with_their_mean(corpus, tmp_path):
    result = slr("train", "--data-dir", corpus, *QUICK, "--seeds", "4,2", "-o", tmp_path / "s")
    assert result.exit_code == 0, result.output
    alone = slr("train", "--data-dir", corpus, *QUICK, "--seed", "2", "-o", tmp_path / "one")
    assert alone.exit_code == 0 and same_weights(tmp_path / "s" / "seed2", tmp_path / "one")
    plan = plan_of(tmp_path / "s")
    each = [run["last"]["wer"] for run in plan["runs"]]
    assert [run["seed"] for run in plan["runs"]] == [4, 2]
    assert plan["summary"]["last"]["over_seeds"]["deviation"] == pytest.approx(np.std(each, ddof=1))
    assert f"mean of 2 seeds: {np.mean(each):.2f} %" in result.stdout and "optimistic" in result.stdout


def test_seeds_may_be_scored_on_a_split_that_chose_nothing(corpus, tmp_path):
    result = slr("train", "--data-dir", corpus, *QUICK, "--seeds", "1,", "--score-split", "test", "-o", tmp_path / "s")
    assert result.exit_code == 0 and "optimistic" not in result.stdout and "best epoch by dev" in result.stdout
    (run,) = plan_of(tmp_path / "s")["runs"]
    again = slr("eval", tmp_path / "s" / "seed1", "--data-dir", corpus, "--split", "test", "--json")
    assert json.loads(again.stdout)["errors"] == run["best"]["errors"]
    assert run["last"]["ref_tokens"] == sum(map(len, glosses_of(corpus, "test").values()))


def test_a_gloss_that_only_the_held_out_signs_is_an_error_that_is_counted(tmp_path):
    corpus = write_corpus(tmp_path / "c")
    table = corpus / "annotations" / "train.corpus.csv"
    lines = table.read_text().splitlines()
    lines[1] = "|".join([*lines[1].split("|")[:3], "ONLY-ANN ONLY-ANN"])
    table.write_text("\n".join(lines) + "\n")
    result = slr("train", "--data-dir", corpus, *SMALL, "--epochs", "1", "--folds", "signer", "-o", tmp_path / "f")
    assert result.exit_code == 0, result.output
    assert {run["fold"]: run["unseen"] for run in plan_of(tmp_path / "f")["runs"]} == {"ann": 2, "bob": 0}
    assert "ONLY-ANN" not in (tmp_path / "f" / "fold-ann-seed1" / "vocab.json").read_text()
    assert "ONLY-ANN" in (tmp_path / "f" / "fold-bob-seed1" / "vocab.json").read_text()


def test_dry_run_tries_one_fold_and_writes_nothing(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = slr("train", "--data-dir", corpus, *SMALL, "--folds", "3", "--seeds", "2", "--dry-run")
    assert result.exit_code == 0 and "6 runs in total" in result.stdout and not list(tmp_path.iterdir())
    assert "fold 3: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--folds", "signers"], 2, "no folds 'signers'"),
        (["--folds", "1"], 2, "at least two"),
        (["--folds", "400"], 1, "400 folds need at least 400 distinct sentences"),
        (["--folds", "signer", "--fold-splits", "train,tset"], 1, "no split 'tset'"),
        (["--folds", "signer", "--patience", "3"], 2, "flatter"),
        (["--folds", "signer", "--score-split", "test"], 2, "the held-out utterances are scored"),
        (["--seeds", "1,1"], 2, "contains a seed twice"),
        (["--seeds", "2026"], 2, "--seed 2026"),
        (["--seeds", "one"], 2, "neither a number nor a list of seeds"),
        (["--seeds", "2", "--fold-splits", "train"], 2, "no folds are made"),
        (["--seeds", "2", "--score-split", "tset"], 1, "no split 'tset'"),
        (["--jobs", "2"], 2, "applies only to several runs"),
    ],
)
def test_mistakes_are_answered_before_anything_is_written(corpus, tmp_path, arguments, code, said):
    result = slr("train", "--data-dir", corpus, "-o", tmp_path / "f", *arguments)
    assert said in result.stderr and "defect" not in result.stderr
    assert result.exit_code == code and not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("signers", "said"),
    [(["ann"], "There is only one signer"), (["ann", ""], "no known signer"), (["unknown"], "no known signer")],
)
def test_signers_that_cannot_be_held_out_are_refused(tmp_path, signers, said):
    corpus = write_corpus(tmp_path / "c", signers=signers)
    result = slr("train", "--data-dir", corpus, "-o", tmp_path / "f", "--folds", "signer")
    assert result.exit_code == 1 and said in result.stderr and not (tmp_path / "f").exists()


def test_a_fold_without_glosses_on_one_side_is_refused(tmp_path):
    corpus = write_corpus(tmp_path / "c")
    for table in (corpus / "annotations").iterdir():
        lines = [line.split("|") for line in table.read_text().splitlines()]
        lines = [[*cells[:3], "" if cells[2] == "bob" else cells[3]] for cells in lines]
        table.write_text("\n".join("|".join(cells) for cells in lines) + "\n")
    result = slr("train", "--data-dir", corpus, "-o", tmp_path / "f", "--folds", "signer")
    assert result.exit_code == 1 and "In the fold ann no training utterance has glosses" in result.stderr


def test_ids_that_two_splits_share_are_refused(tmp_path):
    corpus = write_corpus(tmp_path / "c")
    table = corpus / "annotations" / "dev.corpus.csv"
    table.write_text(table.read_text().replace("dev1|dev1", "train1|dev1"))
    result = slr("train", "--data-dir", corpus, "-o", tmp_path / "f", "--folds", "signer")
    assert result.exit_code == 1 and "1 ids occur more than once in train and dev" in result.stderr


def test_several_runs_go_on_with_the_settings_they_began_with(corpus, by_signer):
    folder, _ = by_signer
    result = slr("train", "--resume", folder, "--epochs", "9")
    assert result.exit_code == 2 and "keep their settings" in result.stderr
    result = slr("train", "--resume", folder, "--seeds", "3")
    assert result.exit_code == 2 and "--seeds" in result.stderr
    result = slr("train", "--data-dir", corpus, "--folds", "2", "-o", folder)
    assert result.exit_code == 2 and "already contains" in result.stderr


def test_a_damaged_plan_or_result_is_named(corpus, by_signer, tmp_path):
    for text in ("{", "[]", "{}", '{"format": "slr-folds-9"}'):
        (tmp_path / "folds.json").write_text(text)
        result = slr("train", "--resume", tmp_path)
        assert result.exit_code == 1 and "folds.json" in result.stderr and "defect" not in result.stderr, text
    (tmp_path / "folds.json").write_text((by_signer[0] / "folds.json").read_text())
    run = tmp_path / "fold-ann-seed1"
    run.mkdir()
    (run / "result.json").write_text('{"fold": "ann"}')
    result = slr("train", "--resume", tmp_path)
    assert result.exit_code == 1 and "result.json" in result.stderr and "defect" not in result.stderr


@pytest.mark.parametrize(
    ("text", "first", "seeds"), [("", 7, (7,)), ("3", 1, (1, 2, 3)), ("2", 5, (5, 6)), ("9,4", 1, (9, 4))]
)
def test_seeds_are_a_number_of_them_or_a_list(text, first, seeds):
    from slrcli.training.folds.plan import read_seeds

    assert read_seeds(text, first) == seeds
    with pytest.raises(UsageError):
        read_seeds("0", first)


@pytest.mark.parametrize("start", ["relative", "absolute"])
def test_a_corpus_that_was_split_anew_has_folds(tmp_path, monkeypatch, start):
    write_corpus(tmp_path / "corpus", signers=("ann", "bob", "cleo"))
    monkeypatch.chdir(tmp_path)
    made = slr("corpus", "corpus", "--split-by", "signer", "--dev", 0.3, "--test", 0.3, "--out", "divided")
    assert made.exit_code == 0, made.output
    folder = "divided" if start == "relative" else tmp_path / "divided"
    result = slr("train", "--data-dir", folder, "--folds", "signer", "--dry-run", *QUICK)
    assert result.exit_code == 0, result.output
    assert "2 runs in total" in result.stdout
