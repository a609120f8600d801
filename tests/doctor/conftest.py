"""What tests of checks share: a real run."""

from dataclasses import asdict, replace

import pytest
from support.planted_corpora import sound_corpus

from slrcli.config import DataConfig, resolve
from slrcli.console import Console
from slrcli.training.run import train

SETTINGS = {
    "optim": {"epochs": 2, "batch_size": 2, "lr": 1e-3, "warmup_epochs": 0.5},
    "model": {"options": {"width": 16}},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a real run: two epochs on a tiny corpus."""
    folder = tmp_path_factory.mktemp("run")
    corpus = sound_corpus(folder / "corpus")
    data = {"data": asdict(replace(DataConfig(), data_dir=str(corpus)))}
    config = resolve({**SETTINGS, **data, "run": {"output_dir": str(folder / "run")}})
    return train(config, Console(quiet=True), newest=False).run
