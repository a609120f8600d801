"""Sentences that a recogniser knows from train: recorded, told apart when it is scored, and warned of."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr
from support.quick_corpus import write_corpus
from support.small_trainers import write_corpus as write_utterances

from slrcli.checkpoints.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from slrcli.config import Config, DataConfig, ModelConfig
from slrcli.console import Console
from slrcli.corpus import Corpus
from slrcli.features.layout import generic_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.language import estimate
from slrcli.models.registry import build_model
from slrcli.scoring.protocols import PROTOCOLS
from slrcli.training.data import TrainingData
from slrcli.training.session import Session

LAYOUT = generic_layout(4)
TINY = ["--epochs", "1", "--batch-size", "8", "--set", "model.options.width=8", "--set", "model.options.dilations=[1]"]


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
    config = Config(model=ModelConfig(options={"width": 8, "dilations": [1]}))
    corpus = Corpus("test", tmp_path, {"train": [*utterances, short, without], "dev": utterances[:2]})
    model = build_model("tcn", LAYOUT, len(vocabulary), options=config.model.options)
    session = Session(config, TrainingData(corpus, vocabulary, LAYOUT, {"train": ()}), model, Console())
    assert session._meta({}).sentences == tuple(sorted({hashed(*item.glosses) for item in utterances}))


def test_a_sentence_counts_as_annotated_though_rare_glosses_were_left_out(tmp_path):
    utterances = write_utterances(tmp_path, 9)
    rare = replace(utterances[0], id="rare", glosses=("LEFT", "ONCE"))
    vocabulary = Vocabulary.build([item.glosses for item in utterances], min_count=2)
    config = Config(data=DataConfig(min_count=2), model=ModelConfig(options={"width": 8, "dilations": [1]}))
    corpus = Corpus("test", tmp_path, {"train": [*utterances, rare], "dev": utterances[:2]})
    model = build_model("tcn", LAYOUT, len(vocabulary), options=config.model.options)
    meta = Session(config, TrainingData(corpus, vocabulary, LAYOUT, {"train": ()}), model, Console())._meta({})
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
    assert "does not record its training sentences" in page and 'id="sentences"' not in page
    told = slr("eval", old, "--data-dir", corpus)
    assert "seen in train" not in told.stdout and told.stderr.count("its training sentences") == 1


# What a corpus shares between its splits


def retold(corpus: Path, folder: Path, split: str, sentences: list[str]) -> Path:
    """A copy of the corpus whose split signs other sentences; the clips are taken as they are."""
    shutil.copytree(corpus, folder)
    table = folder / "annotations" / f"{split}.corpus.csv"
    kept = [[*row[:3], sentence] for row, sentence in zip(rows(corpus, split), sentences, strict=False)]
    table.write_text("\n".join(["id|folder|signer|annotation", *("|".join(row) for row in kept)]) + "\n")
    return folder


KNOWN = ["RIGHT RIGHT", "STOP LEFT RIGHT"]  # of train, as it is drawn
NEW = ["LEFT RIGHT LEFT RIGHT", "STOP STOP STOP STOP"]


@pytest.fixture(scope="module")
def known_dev(corpus, tmp_path_factory):
    assert {*KNOWN} <= {row[3] for row in rows(corpus, "train")}
    return retold(corpus, tmp_path_factory.mktemp("known") / "corpus", "dev", KNOWN)


def told_by_dry_run(corpus: Path, *more: str) -> str:
    result = slr("train", "--data-dir", corpus, "--dry-run", *TINY, *more)
    assert result.exit_code == 0, result.output
    return result.stderr


def test_train_warns_where_dev_has_no_sentence_of_its_own(known_dev):
    told = told_by_dry_run(known_dev)
    assert "Warning: All sentences of dev are in train" in told
    assert "--split-by sentence" in told and "--folds sentence:5" in told


def test_train_notes_the_share_where_dev_has_some(corpus, tmp_path):
    told = told_by_dry_run(retold(corpus, tmp_path / "some", "dev", [*KNOWN, NEW[0]]))
    assert "2 of 3 dev utterances (67 %) sign a sentence that is in train." in told and "Warning" not in told


def test_train_says_nothing_of_clips_of_single_glosses(corpus, tmp_path):
    told = told_by_dry_run(retold(corpus, tmp_path / "single", "dev", ["LEFT", "STOP"]))
    assert "stand" not in told


def test_train_says_once_that_dev_is_a_part_of_train(corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "whole")
    (tmp_path / "whole" / "annotations" / "dev.corpus.csv").unlink()
    flags = ["--set", "data.dev_share=0", "--set", "optim.choose=last"]
    told = told_by_dry_run(tmp_path / "whole", *flags)
    assert "There is no dev split" in told and "are in train" not in told


def by_hand(train: list[list[str]], other: list[list[str]]) -> float:
    """The perplexity, from the probabilities of the model one by one."""
    model, _ = estimate(train, 3)
    chances = [value for sentence in other for value in model.sentence(sentence)]
    return 10 ** (-sum(chances) / len(chances))


def test_corpus_counts_sentences_and_foretells_them(known_dev, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = slr("corpus", known_dev, "--json")
    found = {item["split"]: item for item in json.loads(result.stdout)["sentences"]}
    sides = {split: [row[3].split() for row in rows(known_dev, split)] for split in ("train", "dev", "test")}
    for split, sentences in sides.items():
        assert found[split]["different"] == len({tuple(sentence) for sentence in sentences})
        assert found[split]["vocabulary"] == 3
    assert found["train"]["known"] is None and found["train"]["perplexity"] is None
    for split in ("dev", "test"):
        assert found[split]["known"] == sum(sentence in sides["train"] for sentence in sides[split])
        assert found[split]["perplexity"] == pytest.approx(by_hand(sides["train"], sides[split]))
    told = slr("corpus", known_dev).stdout.splitlines()
    (row,) = [line.split() for line in told if line.startswith("dev") and "%" in line and "of 2" in line]
    assert row == ["dev", "2", "2", "of", "2", "100", "%", f"{found['dev']['perplexity']:.1f}", "3"]


def test_a_perplexity_that_cannot_be_had_is_left_out(corpus, tmp_path):
    folder = retold(corpus, tmp_path / "marks", "train", ["<s> LEFT", "RIGHT"])
    result = slr("corpus", folder, "--json")
    assert result.exit_code == 0, result.output
    assert {item["perplexity"] for item in json.loads(result.stdout)["sentences"]} == {None}


def findings_of(corpus: Path) -> list[dict]:
    result = slr("check", "data", "--data-dir", corpus, "--only", "D20", "--json")
    document = json.loads(result.stdout)
    assert [item["split"] for item in document["sentences"]] == ["train", "dev", "test"]
    return [item for item in document["findings"] if item["code"] == "SLR-D20"]


def test_check_data_warns_only_where_all_sentences_of_all_splits_are_known(known_dev, tmp_path):
    assert {item["level"] for item in findings_of(known_dev)} == {"note"}  # test has a sentence of its own
    both = retold(known_dev, tmp_path / "both", "test", KNOWN)
    (warning,) = [item for item in findings_of(both) if item["level"] == "warning"]
    assert "every sentence of dev and test" in warning["what"] and "--split-by sentence" in warning["fix"]
    single = retold(known_dev, tmp_path / "single", "test", ["LEFT", "STOP"])
    assert {item["level"] for item in findings_of(single)} == {"note"}


def test_check_data_tells_counts_and_perplexity(known_dev):
    told = " | ".join(item["what"] for item in findings_of(known_dev))
    assert "2 of 2 sentences of dev occur in train" in told and "(100 %)" in told
    assert "different sentences: train" in told and "perplexity of the gloss order" in told
