"""Clips read as rows of signs that last a while, against the enumeration of all rows; and learning frame by frame."""

import re
import shutil
from dataclasses import asdict, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.quick_corpus import QUICK
from support.quick_corpus import write_corpus as write_cli_corpus
from support.small_trainers import stopped_and_resumed, trainer_on, weights, write_corpus
from typer.testing import CliRunner

from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.cli import app
from slrcli.config import DecodeConfig, LossConfig
from slrcli.decoding.cores import Tokens
from slrcli.decoding.decoder import BestPath, decoder_signature, make_decoder
from slrcli.decoding.segments import EVEN, EVEN_SPREAD, LEAST, WIDER, Lengths, SegmentSearch, best_row, segment
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.models.base import Output
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.settings import DecoderOptions, read_decoder, write_decoder
from slrcli.training.loop import EpochEnd, FramewiseBegun, Step
from slrcli.training.loss.framewise import UNKNOWN, frame_labels, framewise_loss
from slrcli.training.watch.history import EpochNumbers

TOKENS = Tokens(("<blank>", "A", "B", "C"))


def drawn(seed: int, frames: int, classes: int = 4, peaky: float = 2.0) -> np.ndarray:
    logits = peaky * np.random.default_rng(seed).standard_normal((frames, classes))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def rows(frames: int, classes: int, lengths: set[int]):
    """Every row of signs and blank frames that fills so many frames."""
    if not frames:
        yield ()
        return
    for rest in rows(frames - 1, classes, lengths):
        yield (*rest, (0, 1))
    for length in lengths:
        if length <= frames:
            for rest in rows(frames - length, classes, lengths):
                for gloss in range(1, classes):
                    yield (*rest, (gloss, length))


def worth(table: np.ndarray, row, prior: dict[int, float]) -> float:
    at, total = 0, 0.0
    for gloss, length in row:
        total += sum(table[at + i, gloss] for i in range(length)) + (prior[length] if gloss else 0.0)
        at += length
    return total


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 7), st.floats(-4, 1), st.sampled_from([(1, 2, 3), (2, 3), (3,), (2, 4)]))
def test_the_best_row_is_the_best_of_all_rows(seed, frames, bonus, lengths):
    table = drawn(seed, frames, classes=3)
    prior = {length: bonus - 0.3 * length for length in lengths}
    signs, value = best_row(table, np.array(lengths), np.array([prior[length] for length in lengths]))
    best = max(rows(frames, 3, set(lengths)), key=lambda row: worth(table, row, prior))
    assert value == pytest.approx(worth(table, best, prior), abs=1e-9)
    assert all(stop - first in lengths and 1 <= gloss < 3 for gloss, first, stop in signs)
    assert all(before[2] <= after[1] for before, after in pairwise(signs))
    own = [(0, 1)] * frames
    for gloss, first, stop in signs:
        own[first:stop] = [(gloss, stop - first)] + [None] * (stop - first - 1)
    assert worth(table, [piece for piece in own if piece], prior) == pytest.approx(value, abs=1e-9)


def test_a_length_counts_as_its_share_of_the_normal_distribution_of_logarithms():
    lengths, weight, stride = Lengths(36.0, 0.3), 0.7, 4.0
    possible, prior = SegmentSearch(TOKENS, lengths, weight, -2.0)._possible(stride)
    normal = NormalDist(np.log(36.0), WIDER * 0.3)
    for frames, value in zip(possible, prior, strict=True):
        share = normal.pdf(np.log(frames * stride)) / normal.pdf(np.log(36.0))
        assert value == pytest.approx(-2.0 + weight * np.log(share))
    assert possible[0] == 3 and possible[-1] == 23  # 36 frames are 9, three deviations either way


def said(*pieces: tuple[int, int], sure: float = 0.9) -> np.ndarray:
    """Posteriors that say each class for so many frames."""
    labels = np.repeat([gloss for gloss, _ in pieces], [frames for _, frames in pieces])
    probs = np.full((len(labels), len(TOKENS.tokens)), (1 - sure) / (len(TOKENS.tokens) - 1))
    probs[np.arange(len(labels)), labels] = sure
    return np.log(probs)


def decoded(table: np.ndarray, **options):
    decoder = make_decoder(DecodeConfig(**{"sign_frames": 32.0, "insertion_bonus": -3.0, **options}), TOKENS)
    return decoder(table[None], [len(table)], 4.0, [4 * len(table)])[0]


def test_a_waver_within_a_sign_does_not_split_it_and_a_snippet_is_none():
    table = np.concatenate([said((0, 2), (1, 4)), said((2, 1)), said((1, 3), (0, 6), (3, 1), (0, 5), (2, 8))])
    best_path = BestPath(TOKENS)(table[None], [len(table)], 4.0)[0]
    assert best_path.glosses == ("A", "B", "A", "C", "B")
    found = decoded(table)
    assert found.glosses == ("A", "B") and found.spans == ((8, 40), (88, 120))
    assert found.rating < found.score < 0 and all(8 <= peak < 120 for peak in found.peaks)
    assert found.confidences[1] == pytest.approx(0.9) and found.confidences[0] == pytest.approx((7 * 0.9 + 0.1 / 3) / 8)


def test_the_same_gloss_twice_is_two_signs_even_without_a_blank_between():
    assert decoded(said((1, 16)), insertion_bonus=0.0).glosses == ("A", "A")
    assert decoded(said((1, 9)), insertion_bonus=0.0).glosses == ("A",)


def test_the_score_is_the_log_probability_of_the_path():
    table = drawn(3, 30)
    found = decoded(table, sign_frames=20.0, insertion_bonus=0.0, length_weight=0.0)
    path = np.zeros(30, int)
    for gloss, (start, stop) in zip(found.ids, found.spans, strict=True):
        path[start // 4 : stop // 4] = gloss
    assert found.score == pytest.approx(table[np.arange(30), path].sum()) == found.rating


def test_a_clip_reads_the_same_alone_and_in_a_padded_batch():
    decoder = make_decoder(DecodeConfig(sign_frames=20.0, insertion_bonus=-1.0), TOKENS)
    clips = [drawn(seed, frames) for seed, frames in enumerate((1, 40, 17, 0))]
    padded = np.full((4, 40, 4), np.nan)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    together = decoder(padded, [len(clip) for clip in clips], 4.0)
    assert together == [decoder(clip[None], [len(clip)], 4.0)[0] for clip in clips]
    assert together[3].glosses == () and together[3].score == 0


def test_posteriors_that_are_not_numbers_name_the_clip():
    table = drawn(1, 12)
    table[4, 2] = np.nan
    with pytest.raises(SlrError, match="NaN"):
        make_decoder(DecodeConfig(sign_frames=20.0), TOKENS)(table[None], [12], 4.0, clips=["mine"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(6, 10))
def test_glosses_are_parted_in_the_best_of_all_ways(seed, targets, frames):
    table = drawn(seed, frames)
    among = np.exp(table[:, 1:]) / np.exp(table[:, 1:]).sum(axis=1, keepdims=True)

    def value(cuts):
        spans = list(pairwise(cuts))
        own = sum(
            np.log(among[first:stop, gloss - 1]).sum() for (first, stop), gloss in zip(spans, targets, strict=True)
        )
        even = sum(np.log((stop - first) * len(targets) / frames) ** 2 for first, stop in spans)
        return own - EVEN * even / (2 * EVEN_SPREAD**2)

    def ways(start, count):
        if count == 1:
            return [(start, frames)] if frames - start >= LEAST else []
        return [(start, *rest) for cut in range(start + LEAST, frames) for rest in ways(cut, count - 1)]

    spans = segment(table, targets)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    found = value([spans[0][0], *(stop for _, stop in spans)])
    assert found == pytest.approx(max(map(value, ways(0, len(targets)))), abs=1e-9)


def test_a_spike_is_asked_for_all_of_its_sign():
    table = said((0, 6), (1, 1), (0, 12), (2, 1), (0, 4), sure=0.98)
    table[:10, 1] += 1.0  # what little is left beside the blank tells the signs apart
    table[10:, 2] += 1.0
    assert segment(table, [1, 2]) == [(0, 10), (10, 24)]


def test_a_clip_too_short_to_be_parted_is_refused():
    with pytest.raises(DataError, match="3 glosses"):
        segment(drawn(0, 5), [1, 2, 3])
    assert segment(drawn(0, 6), [1, 2, 3]) == [(0, 2), (2, 4), (4, 6)]


def test_lengths_are_the_median_and_the_deviation_of_logarithms():
    found = Lengths.of([10.0, 20.0, 40.0])
    assert found.frames == pytest.approx(20.0) and found.spread == pytest.approx(np.log([10, 20, 40]).std())


# Settings


def test_signs_of_a_usual_length_and_a_search_exclude_each_other():
    for other in ({"beam": 5}, {"nbest": 3}, {"hot_words": ("A",)}):
        with pytest.raises(UsageError, match=next(iter(other))):
            make_decoder(DecodeConfig(sign_frames=30.0, **other), TOKENS)
    assert decoder_signature(DecodeConfig(sign_frames=36.5, insertion_bonus=-3.0)) == "signs=36.5~0.3*0.5;bonus=-3"


def test_what_a_run_wrote_down_holds_until_a_search_or_the_best_path_is_asked_for(tmp_path):
    own = DecodeConfig(sign_frames=36.5, sign_spread=0.25, insertion_bonus=-3.0)
    write_decoder(tmp_path / "decode.toml", own)
    assert read_decoder(tmp_path / "decode.toml") == own
    checkpoint = tmp_path / "best.safetensors"
    assert DecoderOptions().settings(checkpoint, None) == own
    assert DecoderOptions({"insertion_bonus": -1.0}).settings(checkpoint, None) == replace(own, insertion_bonus=-1.0)
    assert DecoderOptions({"beam": 0}).settings(checkpoint, None) == DecodeConfig()
    for search in ({"beam": 8}, {"lm": "some.arpa"}, {"nbest": 2}, {"hot_words": ("A",)}):
        assert DecoderOptions(search).settings(checkpoint, None) == DecodeConfig(**search)


# Learning


def test_frames_belong_to_the_gloss_that_is_said_there_and_the_first_one_of_the_next_is_the_transition():
    tables = [said((1, 5), (2, 7)), said((3, 6), (3, 6)), said((1, 3), (0, 9))]
    log_probs = torch.tensor(np.stack(tables), dtype=torch.float32)
    output = Output(log_probs, torch.tensor([12, 12, 3]))
    labels = frame_labels(output, torch.tensor([1, 2, 3, 3, 1, 2, 3]), torch.tensor([2, 2, 3]))
    assert labels[0].tolist() == [1] * 5 + [0] + [2] * 6
    assert labels[1].tolist() == [3] * 6 + [0] + [3] * 5
    assert labels[2].tolist() == [UNKNOWN] * 12  # three frames are too few for three glosses


def test_the_loss_is_torchs_cross_entropy_over_known_frames():
    logits, labels = torch.randn(2, 6, 4, dtype=torch.float64), torch.randint(0, 4, (2, 6))
    labels[1, 3:] = UNKNOWN
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN)
    assert framewise_loss(logits.log_softmax(dim=2), labels) == pytest.approx(float(wanted))
    assert framewise_loss(logits.log_softmax(dim=2), torch.full_like(labels, UNKNOWN)) == 0


@pytest.fixture
def utterances(tmp_path):
    return write_corpus(tmp_path, 24)


def placing(utterances, epochs=6, frames=1.0, begins=0.5):
    trainer = trainer_on(utterances, epochs=epochs)
    trainer.config = replace(trainer.config, loss=LossConfig(frames=frames, frames_from=begins))
    trainer.criterion.loss = trainer.config.loss
    return trainer


def test_frames_are_learnt_from_their_epoch_on_and_the_best_is_chosen_anew(utterances):
    trainer = placing(utterances, epochs=20)
    events = [event for event in trainer.run() if not isinstance(event, Step)]
    at = next(i for i, event in enumerate(events) if isinstance(event, FramewiseBegun))
    placed, epochs = events[at], [event for event in events if isinstance(event, EpochEnd)]
    assert placed.epoch == 11 and sum(isinstance(event, FramewiseBegun) for event in events) == 1
    assert 12 <= placed.decode.sign_frames <= 18  # a sign and its pause are 16 frames, and 4 come after the last
    assert epochs[10].improved and "frames" in epochs[10].terms and "frames" not in epochs[9].terms
    assert trainer.recogniser.decoder.__class__ is SegmentSearch
    best = min(event.numbers.wer for event in epochs[10:])
    assert trainer.progress.best["wer"] == best <= 10
    assert epochs[-1].numbers.blank_share < epochs[9].numbers.blank_share / 2  # signs last, and are no spikes any more


def test_the_loss_of_another_kind_is_not_taken_for_a_rising_one(utterances):
    numbers = EpochNumbers(5, 2.0, 2.0, 20.0, 90.0, 3, 3, 0.1, 1.0, 1.0, 0.4, 0.4, 3.0, 1e-3)
    said = {}
    for begun in (0, 4):
        trainer = placing(utterances)
        low = [asdict(replace(numbers, epoch=epoch, loss=0.3)) for epoch in range(1, 5)]
        trainer.progress.history = [*low, asdict(numbers)]
        trainer.progress.begun = begun
        said[begun] = [finding.code for finding in trainer._findings(replace(numbers, epoch=6))]
    assert "SLR-T12" in said[0] and "SLR-T12" not in said[4]


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory):
    """Such a run that nobody stopped, at its end."""
    whole = placing(write_corpus(tmp_path_factory.mktemp("unstopped"), 24))
    list(whole.run())
    return whole


@pytest.mark.parametrize("stop_after", [9, 18, 20])  # before frames are learnt, at their first epoch's end, after it
def test_such_a_run_resumes_to_the_same_bits(utterances, unstopped, tmp_path, stop_after):
    resumed = stopped_and_resumed(lambda: placing(utterances), stop_after, tmp_path)
    a, b = weights(unstopped), weights(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert unstopped.progress.signs == resumed.progress.signs and unstopped.progress.best == resumed.progress.best


def test_without_it_and_before_its_time_a_run_is_the_same_to_the_bit(utterances):
    def losses(trainer):
        return [event.loss for event in trainer.run() if isinstance(event, Step)]

    plain = losses(trainer_on(utterances, epochs=2))
    assert plain == losses(placing(utterances, 2, 0.0)) == losses(placing(utterances, 2, 1.0, 1.0))


def test_the_command_writes_down_how_clips_are_read_and_others_read_them_so(tmp_path):
    corpus, run = write_cli_corpus(tmp_path / "corpus"), tmp_path / "run"
    start = ["train", "--data-dir", str(corpus), "--output-dir", str(run), *QUICK, "--set", "loss.frames=1"]
    result = CliRunner().invoke(app, start)
    assert result.exit_code == 0, result.output
    assert "frames learn their gloss" in (run / "training.log").read_text()
    own = load_checkpoint(run / "best.safetensors")[1].decode
    assert own.sign_frames > 0
    moved = shutil.copy(run / "best.safetensors", tmp_path / "alone.safetensors")
    signatures = set()
    for file in (run, moved):
        scored = CliRunner().invoke(app, ["eval", str(file), "--data-dir", str(corpus), "--split", "dev"])
        assert scored.exit_code == 0, scored.output
        signatures |= set(re.findall(r"decoder:signs=\S+", scored.output))
    assert len(signatures) == 1, signatures
    assert isinstance(Recogniser.from_checkpoint(moved, torch.device("cpu")).decoder, SegmentSearch)
    searched = CliRunner().invoke(app, ["eval", str(run), "--data-dir", str(corpus), "--split", "dev", "--beam", "4"])
    assert searched.exit_code == 0 and "decoder:beam4" in searched.output, searched.output
    tuned = CliRunner().invoke(app, ["eval", str(run), "--data-dir", str(corpus), "--split", "dev", "--tune"])
    assert tuned.exit_code == 0, tuned.output
