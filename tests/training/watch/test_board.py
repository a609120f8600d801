"""What TensorBoard itself reads of a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from slrcli.config import Config, ModelConfig, RunConfig
from slrcli.training.watch import board
from slrcli.training.watch.board import TAGS, settings_of
from slrcli.training.watch.history import EpochNumbers

FEW = ("--arch", "conv-bilstm", "--set", "model.options.width=16", "--epochs", "2", *QUICK[2:])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("board")
    done = slr("train", "--data-dir", write_corpus(root / "corpus"), "--output-dir", root / "run", *FEW, "--seed", "3")
    assert done.exit_code == 0, done.output
    done = slr("train", "--resume", root / "run", "--epochs", "3")
    assert done.exit_code == 0, done.output
    return root / "run"


@pytest.fixture(scope="module")
def events(run):
    return EventAccumulator(str(run / "tensorboard")).Reload()


def test_the_numbers_of_all_epochs_stand_in_groups(run, events):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    for name, tag in TAGS.items():
        found = {item.step: item.value for item in events.Scalars(tag)}
        assert found == pytest.approx({line["epoch"]: line[name] for line in lines}, rel=1e-6), tag
    groups = {tag.partition("/")[0] for tag in events.Tags()["scalars"]}
    assert groups == {"loss", "wer", "output", "optim", "time", "best"}


def test_the_hparams_tab_has_the_settings_and_the_best_epoch(run, events):
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    values = {name: getattr(item, item.WhichOneof("kind")) for name, item in start.hparams.items()}
    assert values["model.arch"] == "conv-bilstm" and values["run.seed"] == 3.0 and values["optim.lr"] == 5e-3
    assert values["model.options.width"] == 16.0 and "run.output_dir" not in values
    content = events.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    named = {item.name.tag for item in experiment.metric_infos}
    assert named == {"best/wer", "best/dev_loss", "best/epoch"} <= set(events.Tags()["scalars"])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = min(lines, key=lambda line: (line["wer"], line["dev_loss"]))
    assert events.Scalars("best/epoch")[-1].value == best["epoch"]
    assert events.Scalars("best/wer")[-1].value == pytest.approx(best["wer"])


def test_every_number_of_an_epoch_has_a_group():
    assert set(EpochNumbers.__dataclass_fields__) - {"epoch"} <= set(TAGS)


def test_settings_are_plain_and_name_no_place():
    config = Config(
        model=ModelConfig(options={"frontend": {"body": True}, "strides": [2, 2]}),
        run=RunConfig(output_dir="/home/ann/run", tracker=("lines",)),
    )
    found = settings_of(config)
    assert found["model.options.frontend.body"] is True and found["model.options.strides"] == "[2, 2]"
    assert "/home/ann/run" not in found.values()


def test_no_client_of_a_cloud_is_loaded_with_tensorboard(tmp_path):
    for name in ("boto3", "botocore"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "exceptions.py").write_text("")
    code = (
        "import sys; from slrcli.training.watch import board; assert 'tensorboard' in sys.modules; "
        "assert not {'boto3', 'botocore'} & {*sys.modules}; import boto3, botocore.exceptions; print(boto3.__file__)"
    )
    path = os.pathsep.join((str(tmp_path), str(Path(board.__file__).parents[3])))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "boto3" / "__init__.py")  # whoever wants them later has them
