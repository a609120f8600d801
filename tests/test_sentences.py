"""Sentences that a recogniser knows from train: recorded, told apart when it is scored, and warned of."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calling import slr
from test_cli import write_corpus
from test_training import write_corpus as write_utterances

from slrcli.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from slrcli.config import Config, DataConfig, ModelConfig
from slrcli.console import Console
from slrcli.corpus import Corpus
from slrcli.features.layout import generic_layout
from slrcli.meta import Meta
from slrcli.models.registry import build_model
from slrcli.vocab import Vocabulary
from slrcli.workflows.material import Material
from slrcli.workflows.train import Session

LAYOUT = generic_layout(4)
TINY = ["--epochs", "1", "--batch-size", "8", "--set", "model.options.width=8", "--set", "model.options.layers=1"]


def hashed(*glosses: str) -> str:
    """As anybody can compute it from a table."""
    return hashlib.sha256(" ".join(glosses).encode()).hexdigest()[:16]


def rows(corpus: Path, split: str) -> list[list[str]]:
    """Id, folder, signer and annotation of each utterance."""
    table = corpus / "annotations" / f"{split}.corpus.csv"
    return [line.split("|") for line in table.read_text().splitlines()[1:]]


def trained(corpus: Path, run: Path, *more: str) -> Path:
    result = slr("train", "--data-dir", corpus, "--output-dir", run, *TINY, *more)
    assert result.exit_code == 0, result.output
    return run / "last.safetensors"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, corpus):
    return trained(corpus, tmp_path_factory.mktemp("runs") / "run")


# What a checkpoint records


def test_a_checkpoint_records_every_sentence_once(checkpoint, corpus):
    expected = {hashed(*row[3].split()) for row in rows(corpus, "train")}
    assert load_checkpoint(checkpoint)[1].sentences == tuple(sorted(expected))


def test_only_what_was_learnt_from_is_recorded(tmp_path):
    utterances = write_utterances(tmp_path, 9)
    for name in ("short", "without"):
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 4), np.float32))
    short = replace(utterances[0], id="short", features=tmp_path / "short.npy", glosses=("LEFT",) * 7)
    without = replace(utterances[0], id="without", features=tmp_path / "without.npy", glosses=())
    vocabulary = Vocabulary.build([item.glosses for item in utterances])
    config = Config(model=ModelConfig(options={"width": 8, "layers": 1}))
    corpus = Corpus("test", tmp_path, {"train": [*utterances, short, without], "dev": utterances[:2]})
    model = build_model("conv-bilstm", LAYOUT, len(vocabulary), options=config.model.options)
    session = Session(config, Material(corpus, vocabulary, LAYOUT), model, Console())
    assert session._meta({}).sentences == tuple(sorted({hashed(*item.glosses) for item in utterances}))


def test_a_sentence_counts_as_annotated_though_rare_glosses_were_left_out(tmp_path):
    utterances = write_utterances(tmp_path, 9)
    rare = replace(utterances[0], id="rare", glosses=("LEFT", "ONCE"))
    vocabulary = Vocabulary.build([item.glosses for item in utterances], min_count=2)
    config = Config(data=DataConfig(min_count=2), model=ModelConfig(options={"width": 8, "layers": 1}))
    corpus = Corpus("test", tmp_path, {"train": [*utterances, rare], "dev": utterances[:2]})
    model = build_model("conv-bilstm", LAYOUT, len(vocabulary), options=config.model.options)
    meta = Session(config, Material(corpus, vocabulary, LAYOUT), model, Console())._meta({})
    assert meta.saw(("LEFT", "ONCE")) and not meta.saw(("ONCE", "LEFT"))


def test_an_old_checkpoint_claims_nothing(checkpoint, tmp_path):
    old = without_sentences(checkpoint, tmp_path / "old.safetensors")
    meta = load_checkpoint(old)[1]
    assert meta.sentences == () and meta.saw(("LEFT",)) is None


def without_sentences(checkpoint: Path, path: Path) -> Path:
    """The checkpoint as earlier versions wrote it."""
    model, meta = load_checkpoint(checkpoint)
    save_checkpoint(path, model, replace(meta, sentences=()))
    assert "sentences" not in read_checkpoint(path)[1]
    return path


def test_an_exported_model_records_them_too(checkpoint, tmp_path):
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    from slrcli.exported import ExportedRecogniser

    for source in (checkpoint, without_sentences(checkpoint, tmp_path / "old.safetensors")):
        model = tmp_path / f"{source.stem}.onnx"
        result = slr("export", source, model)
        assert result.exit_code == 0, result.output
        assert ExportedRecogniser.open(model).meta.sentences == load_checkpoint(source)[1].sentences
