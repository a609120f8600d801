"""How much a recogniser leans on the order of glosses: one that recites is found, one that reads is not."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from support.calling import slr
from support.quick_corpus import write_corpus

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import Config, ModelConfig
from slrcli.corpus import Utterance
from slrcli.corpus.clips import Clips
from slrcli.doctor.checkpoint.order import exchanged, new_order, order_effect, sign_spans_of
from slrcli.doctor.checkpoint.order_checks import order_findings
from slrcli.errors import DataError
from slrcli.features.layout import generic_layout
from slrcli.findings import Level
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.scoring.stats import compare, difference
from slrcli.scoring.wer import score

GLOSSES = ("A", "B", "C", "D", "E", "F")
SENTENCES = ("A B C", "B D A", "C E F", "D F B", "E A D", "F C E")  # each begins with another gloss
LAYOUT = generic_layout(len(GLOSSES))
VOCABULARY = Vocabulary(("<blank>", *GLOSSES), (0,) + (1,) * len(GLOSSES))
SURE = 0.97
REST = 6


class Reader(ClipRecogniser):
    """Says of every frame which column is up."""

    stride, least_frames = 1.0, 1

    def __init__(self):
        super().__init__(VOCABULARY, Meta(Config(), VOCABULARY, LAYOUT))

    def log_probs(self, x, lengths):
        names = np.where(x.max(axis=2) > 1, x.argmax(axis=2) + 1, 0)
        return self._table(names), lengths

    def _table(self, names):
        table = np.full((*names.shape, len(VOCABULARY)), (1 - SURE) / len(GLOSSES), np.float32)
        np.put_along_axis(table, names[..., None], SURE, axis=2)
        return np.log(table)


class Reciter(Reader):
    """Knows by heart what follows the first sign; its inner heads do look."""

    def local_log_probs(self, x, lengths):
        return super().log_probs(x, lengths)

    def log_probs(self, x, lengths):
        seen = self.local_log_probs(x, lengths)[0].argmax(axis=2)
        names = np.zeros_like(seen)
        for row, found, frames in zip(names, seen, lengths, strict=True):
            first = GLOSSES[found[found > 0][0] - 1]
            glosses = next(sentence for sentence in SENTENCES if sentence.startswith(first)).split()
            row[np.linspace(0, frames - 1, len(glosses)).astype(int)] = VOCABULARY.encode(glosses)
        return self._table(names), lengths


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Every sentence twice by each of two signers; a sign holds the column of its gloss up for a while."""
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    utterances = []
    for number, sentence in enumerate(SENTENCES * 4):
        signer = ("ann", "bob")[number % 2] if number < 12 else ("bob", "ann")[number % 2]
        glosses = tuple(sentence.split())
        parts = [np.zeros((REST, len(GLOSSES)))]
        for gloss in glosses:
            parts.append(np.zeros((rng.integers(7, 12), len(GLOSSES))))
            parts[-1][:, GLOSSES.index(gloss)] = 2
        x = np.concatenate([*parts, parts[0]])
        x += 0.05 * rng.normal(size=x.shape)  # no two frames are the same
        np.save(folder / f"u{number}.npy", x.astype(np.float32))
        utterances.append(Utterance(f"u{number}", glosses, folder / f"u{number}.npy", signer))
    return Clips(utterances, LAYOUT)


class Deaf(Reciter):
    """Its inner heads know no gloss but one."""

    def inner_log_probs(self, x, lengths):
        names = np.where(x.max(axis=2) > 1, x.argmax(axis=2) + 1, 0)
        return self._table(np.where(names == 1, 1, 0)), lengths


def levels(effect) -> set[Level]:
    return {finding.level for finding in order_findings(effect)}


def test_a_recogniser_that_recites_is_found(clips):
    effect = order_effect(Reciter(), clips)
    assert effect.whole.wer == effect.control.wer == 0  # by its error rate it is perfect
    assert effect.reordered.wer > 40 and effect.interval.low > 0
    assert effect.difference == effect.reordered.wer
    (found,) = [item for item in order_findings(effect) if item.level is Level.WARNING]
    assert "leans on the order" in found.what and "augment.recombine" in found.fix


def test_a_recogniser_that_reads_is_not(clips):
    effect = order_effect(Reader(), clips)
    assert effect.whole.wer == effect.control.wer == effect.reordered.wer == 0
    assert levels(effect) == {Level.NOTE}


def test_an_effect_that_may_be_chance_is_no_finding(clips):
    effect = order_effect(Reciter(), clips)
    unsure = replace(effect, interval=replace(effect.interval, low=-1.0))
    assert levels(unsure) == levels(replace(effect, difference=5.0)) == {Level.NOTE}


def test_every_sign_is_used_once_by_its_own_signer_mostly_in_another_clip(clips):
    spans = sign_spans_of(Reader(), clips)
    assert len(spans) == len(clips)
    takes = exchanged(clips, spans, np.random.default_rng(3))
    own = {take: (clips.utterances[index].signer, gloss) for index, part in spans.items()
           for take, gloss in zip(part, clips.utterances[index].glosses, strict=True)}  # fmt: skip
    assert Counter(take for part in takes.values() for take in part) == Counter(own.keys())
    for index, part in takes.items():
        for take, gloss in zip(part, clips.utterances[index].glosses, strict=True):
            assert own[take] == (clips.utterances[index].signer, gloss) and take.clip != index


def test_signs_are_cut_where_they_are(clips):
    for index, takes in sign_spans_of(Reader(), clips).items():
        for take, gloss in zip(takes, clips.utterances[index].glosses, strict=True):
            up = clips[index][take.start : take.stop, GLOSSES.index(gloss)] > 1
            assert up.sum() >= 7 and up.mean() > 0.5 and (clips[index][:, GLOSSES.index(gloss)] > 1).sum() == up.sum()


def test_a_new_order_is_made_of_the_very_frames_of_the_control(clips, monkeypatch):
    read = []
    monkeypatch.setattr(Reader, "recognise", lambda self, arrays: read.append(arrays) or _read(self, arrays))
    order_effect(Reader(), clips)
    known = {row.tobytes() for index in range(len(clips)) for row in clips[index]}
    half = len(read) // 2
    parts = ([x for arrays in part for x in arrays] for part in (read[:half], read[half:]))
    sides = [Counter(row.tobytes() for x in part for row in x) for part in parts]
    kept = [Counter({row: count for row, count in side.items() if row in known}) for side in sides]
    assert kept[0] == kept[1] and kept[0] and sides[0].total() == sides[1].total() > kept[0].total()


def _read(recogniser, arrays):
    return ClipRecogniser.recognise(recogniser, arrays)


def test_the_seed_decides(clips):
    assert order_effect(Reciter(), clips, 1) == order_effect(Reciter(), clips, 1)
    spans = sign_spans_of(Reader(), clips)
    first, again, other = (exchanged(clips, spans, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_new_order_is_another_sentence_and_none_that_is_known():
    glosses, rng = ("A", "B", "C", "A"), np.random.default_rng(0)
    known = {tuple(glosses[i] for i in order) for order in permutations(range(4))} - {("A", "C", "B", "A")}
    for _ in range(10):
        order = new_order(glosses, rng, lambda said: tuple(said) in known)
        assert tuple(glosses[place] for place in order) == ("A", "C", "B", "A") and sorted(order) == [0, 1, 2, 3]
    assert new_order(("A", "A"), rng, lambda said: None) is None and new_order(("A",), rng, lambda said: None) is None


def test_a_new_order_keeps_as_few_neighbours_as_any():
    order = new_order(("A", "B", "C", "D"), np.random.default_rng(0), lambda said: None)
    assert not {(0, 1), (1, 2), (2, 3)} & set(pairwise(order)) and order[0] and order[-1] != 3


def test_clips_that_nobody_signs_or_whose_glosses_are_unknown_take_no_part(clips, tmp_path):
    utterances = list(clips.utterances)
    utterances[0] = replace(utterances[0], signer="")
    utterances[1] = replace(utterances[1], glosses=("A", "NEW", "B"))
    effect = order_effect(Reader(), Clips(utterances, LAYOUT))
    assert effect.left_out == 2 and len(effect.control.utterances) == len(clips) - 2
    alone = [replace(item, glosses=item.glosses[:1]) for item in utterances[2:4]]
    assert order_effect(Reader(), Clips(alone, LAYOUT)) is None
    assert levels(None) == {Level.NOTE}


# The difference of two rates


def test_the_interval_of_a_difference_is_that_of_compare_where_both_apply():
    rng = np.random.default_rng(0)
    refs = {str(number): list(rng.choice(GLOSSES, 4)) for number in range(30)}
    sides = [{id: list(rng.choice(GLOSSES, 4)) for id in refs} for _ in range(2)]
    first, second = (score(refs, side) for side in sides)
    expected = compare(first, second)
    assert difference(first, second) == (pytest.approx(expected.difference), expected.interval)


def test_utterances_that_do_not_pair_are_refused():
    first, second = (score({"u": ["A"] * count}, {"u": []}) for count in (1, 2))
    with pytest.raises(DataError, match="pair"):
        difference(first, second)


# The command


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network of the corpus's shape that has learnt nothing."""
    layout, options = generic_layout(4), {"width": 8, "layers": 1}
    vocabulary = Vocabulary(("<blank>", "LEFT", "RIGHT", "STOP"), (0, 1, 1, 1))
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    config = Config(model=ModelConfig(arch="conv-bilstm", options=options))
    model = build_model("conv-bilstm", layout, len(vocabulary), options=options)
    save_checkpoint(path, model, Meta(config, vocabulary, layout))
    return path


def told(checkpoint, *arguments) -> list[dict]:
    result = slr("check", "checkpoint", checkpoint, *arguments, "--only", "C13", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["findings"]


def test_the_check_runs_where_a_corpus_is_named(checkpoint, corpus):
    said = " | ".join(item["what"] for item in told(checkpoint, "--data-dir", corpus))
    assert "on dev as it is" in said
    plain = slr("check", "checkpoint", checkpoint, "--json")
    assert "SLR-C13" not in [item["code"] for item in json.loads(plain.stdout)["checks"]]


def test_what_cannot_be_measured_is_said_with_the_reason(checkpoint, corpus, tmp_path):
    nobody = tmp_path / "nobody"
    shutil.copytree(corpus, nobody)
    for table in (nobody / "annotations").iterdir():
        rows = [line.split("|") for line in table.read_text().splitlines()]
        table.write_text("\n".join("|".join([*row[:2], *row[3:]]) for row in rows) + "\n")
    said = " | ".join(item["what"] for item in told(checkpoint, "--data-dir", nobody))
    assert "the annotations name none" in said
    small = tmp_path / "small"
    shutil.copytree(corpus, small)
    (small / "annotations" / "dev.corpus.csv").unlink()
    table = small / "annotations" / "train.corpus.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    (only,) = told(checkpoint, "--data-dir", small)
    assert "there is no dev to measure it on" in only["what"] and "too few" in only["what"]


def test_inner_heads_read_the_same_cuts_in_both_orders(clips):
    effect = order_effect(Deaf(), clips)
    control, reordered = effect.inner
    glosses = sum(len(sentence.split()) for sentence in SENTENCES)
    known = sum(sentence.split().count("A") for sentence in SENTENCES)
    assert control.wer == reordered.wer == pytest.approx(100 * (1 - known / glosses))
    assert [len(item.utterances) for item in effect.inner] == [len(effect.control.utterances)] * 2
    said = " | ".join(item.what for item in order_findings(effect))
    assert f"on the same cuts: WER {control.wer:.1f} % in their own order, {reordered.wer:.1f} % in a new one" in said
    plain = effect.to_dict()
    assert plain["inner_control_wer"] == control.wer and plain["reordered_wer"] == effect.reordered.wer
    assert json.loads(json.dumps(plain)) == plain


def test_without_inner_heads_there_is_nothing_to_say_of_them(clips):
    effect = order_effect(Reader(), clips)
    assert effect.inner is None and effect.to_dict()["inner_control_wer"] is None
    assert not any("inner" in item.what for item in order_findings(effect))


def test_json_has_the_rates_as_numbers(checkpoint, corpus):
    result = slr("check", "checkpoint", checkpoint, "--data-dir", corpus, "--only", "C13", "--json")
    rates = json.loads(result.stdout)["order"]
    assert {"whole_wer", "control_wer", "reordered_wer", "inner_control_wer", "inner_reordered_wer"} <= rates.keys()
    assert all(isinstance(rates[name], float) for name in ("control_wer", "inner_control_wer"))
