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
from slrcli.models.registry import build_model
from slrcli.scoring.protocols import PROTOCOLS
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


# Scores


def evaluated(checkpoint: Path, corpus: Path, *more: str) -> dict:
    result = slr("eval", checkpoint, "--data-dir", corpus, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_are_parted_by_whether_train_has_the_sentence(checkpoint, corpus, protocol):
    document = evaluated(checkpoint, corpus, "--protocol", protocol)
    known = {row[3] for row in rows(corpus, "train")}
    expected = {row[0]: row[3] in known for row in rows(corpus, "test")}
    assert set(expected.values()) == {True, False}  # the corpus has both
    assert {row["id"]: row["seen"] for row in document["per_utterance"]} == expected
    for name, kind in (("seen", True), ("unseen", False)):
        own, part = [row for row in document["per_utterance"] if row["seen"] is kind], document[name]
        for count in ("errors", "ref_tokens"):
            assert part[count] == sum(row[count] for row in own)
        assert part["utterances"] == len(own)
        assert part["wer"] == pytest.approx(100 * part["errors"] / part["ref_tokens"])
        assert part["interval"]["low"] <= part["wer"] <= part["interval"]["high"] and part["interval"]["units"] == len(
            own
        )


def test_eval_says_it_in_a_block_that_fits_a_terminal(checkpoint, corpus, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    told = slr("eval", checkpoint, "--data-dir", corpus).stdout.splitlines()
    start = next(place for place, line in enumerate(told) if line.startswith("sentences "))
    head, seen, unseen = told[start : start + 3]
    document = evaluated(checkpoint, corpus)
    for line, name, part in ((seen, "seen in train", document["seen"]), (unseen, "not seen", document["unseen"])):
        numbers = (part["utterances"], part["ref_tokens"], part["errors"], f"{part['wer']:.2f}")
        assert line.startswith(name) and line.removeprefix(name).split()[:4] == list(map(str, numbers))
    assert max(map(len, (head, seen, unseen))) <= 80 and "WER" in told[-1]


def test_a_side_without_sentences_is_none(checkpoint, corpus, tmp_path):
    result = slr("eval", checkpoint, "--data-dir", corpus, "--split", "train", "--report", tmp_path / "page")
    assert [line.split() for line in result.stdout.splitlines() if line.startswith("not seen")] == [
        ["not", "seen", "none"]
    ]
    document = evaluated(checkpoint, corpus, "--split", "train")
    assert document["unseen"]["utterances"] == 0 and document["unseen"]["wer"] is None
    assert "not seen in train: none" in (tmp_path / "page" / "index.html").read_text()


def test_the_page_has_both_rates(checkpoint, corpus, tmp_path):
    document = evaluated(checkpoint, corpus, "--report", str(tmp_path / "page"))
    page = (tmp_path / "page" / "index.html").read_text()
    section = page.split('id="sentences"')[1].split("</section>")[0]
    assert all(f"{document[name]['wer']:.2f} %" in section for name in ("seen", "unseen"))


def test_of_an_old_checkpoint_nothing_is_claimed(checkpoint, corpus, tmp_path):
    old = without_sentences(checkpoint, tmp_path / "old.safetensors")
    document = evaluated(old, corpus, "--report", str(tmp_path / "page"))
    assert document["seen"] is None and document["unseen"] is None
    assert {row["seen"] for row in document["per_utterance"]} == {None}
    page = (tmp_path / "page" / "index.html").read_text()
    assert "does not say which sentences" in page and 'id="sentences"' not in page
    told = slr("eval", old, "--data-dir", corpus)
    assert "seen in train" not in told.stdout and told.stderr.count("which sentences") == 1
