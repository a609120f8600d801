"""Packages that add to slr: the example is installed, and its parts are used together."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.quick_corpus import QUICK, write_corpus

import slrcli

ROOT = Path(slrcli.__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugin"


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folder in which the example is installed, as pip does it."""
    place = tmp_path_factory.mktemp("packages")
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "plugin")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*install, "--target", place, source], check=True, capture_output=True, timeout=120)
    return place


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A corpus whose features only the example can read, and whose glosses have numbers."""
    root = write_corpus(tmp_path_factory.mktemp("plugged") / "corpus")
    for path in (root / "features").rglob("*.npy"):
        np.savetxt(path.with_suffix(".frames"), np.load(path), fmt="%.5f")
        path.unlink()
    for number, table in enumerate(sorted((root / "annotations").iterdir())):
        table.write_text(table.read_text().replace("STOP", f"STOP{number + 1}"))
    return root


def command(place, *arguments):
    """`slr` in a process of its own that has the packages in `place`."""
    paths = os.pathsep.join(str(path) for path in (place, ROOT) if path)
    line = [sys.executable, "-m", "slrcli", *map(str, arguments)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}
    )


@pytest.fixture(scope="session")
def run(installed, corpus):
    folder = corpus.parent / "run"
    done = command(
        installed, "train", "--data-dir", corpus, "--arch", "gru", "--normaliser", "without-numbers",
        "--set", 'augment.added=["jitter"]', "--set", "model.options.arguments.hidden=24", "--output-dir", folder,
        "--loss", "focal", "--set", "loss.own_weight=0.5", "--tracker", "lines", *QUICK, "--epochs", "20",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_what_the_example_adds_learns_together(run):
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["wer"] < 40
    vocabulary = json.loads((run / "vocab.json").read_text())
    assert vocabulary["normaliser"] == "without-numbers@1" and "STOP" in json.dumps(vocabulary)


def test_its_tracker_was_told_of_the_run_and_its_loss_was_learnt_from(run):
    lines = [json.loads(line) for line in (run / "tracked.jsonl").read_text().splitlines()]
    assert lines[0]["start"]["arch"] == "gru" and lines[0]["start"]["run"] == str(run)
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines[1:-1]] == metrics and 0 < metrics[-1]["own"] < metrics[-1]["loss"]
    assert lines[-1]["end"]["epochs"] == 20 and lines[-1]["end"]["best"]["wer"] == min(item["wer"] for item in metrics)


def test_its_checkpoint_opens_without_naming_it_where_the_package_is_installed(installed, corpus, run):
    done = command(installed, "eval", run, "--data-dir", corpus, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wer"] < 40


def test_what_is_missing_is_named_where_the_package_is_not_installed(corpus, run):
    done = command(None, "eval", run, "--data-dir", corpus)
    assert done.returncode == 1
    assert "gru" in done.stderr or "without-numbers" in done.stderr, done.stderr
    done = command(None, "train", "--data-dir", corpus, "--set", 'augment.added=["jitter"]')
    assert done.returncode != 0 and "Traceback" not in done.stderr


def test_a_package_that_does_not_import_is_named(tmp_path, corpus):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("import nowhere_to_be_found\n")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[slrcli.architectures]\nbad = broken:Net\n[slrcli.readers]\nbad = broken:R\n"
    )
    done = command(tmp_path, "check", "model", "bad")
    done = command(tmp_path, "train", "--data-dir", corpus, "--arch", "bad")
    assert done.returncode == 1 and "The package broken cannot be imported" in done.stderr, done.stderr
    clip = next((corpus / "features").rglob("*.frames"))
    done = command(tmp_path, "show", clip)
    assert done.returncode == 1 and "The package broken cannot be imported" in done.stderr, done.stderr


def test_help_does_not_look_for_packages():
    code = "import sys\nfrom slrcli.cli import app\napp(['--help'], standalone_mode=False)\n"
    code += "print('slrcli.plugins' in sys.modules)"
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=here)
    assert done.stdout.splitlines()[-1] == "False"
