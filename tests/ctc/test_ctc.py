"""The loss and the alignment against the sum and the maximum over all paths of matrices small enough to list them."""

from itertools import groupby, product

import numpy as np
import pytest
import torch

from slrcli.ctc.loss import ctc_loss
from slrcli.ctc.paths import forced_alignment, minimum_frames
from slrcli.errors import DataError
from slrcli.glosses.vocabulary import BLANK

CASES = [
    (4, 3, [1]),
    (4, 3, [1, 2]),
    (5, 3, [1, 1]),
    (5, 4, [3, 3, 2]),
    (6, 3, [2, 1, 2]),
    (3, 3, [2, 1, 2]),
    (4, 3, []),
]


def collapse(path):
    return [token for token, _ in groupby(path) if token != BLANK]


def paths_of(log_probs, tokens):
    """Every path that collapses to `tokens`, with its log-probability."""
    frames, classes = log_probs.shape
    for path in product(range(classes), repeat=frames):
        if collapse(path) == list(tokens):
            yield path, sum(log_probs[t, token] for t, token in enumerate(path))


def random_log_probs(frames, classes, seed=0):
    logits = torch.randn(frames, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return logits.log_softmax(1)


def test_minimum_frames_counts_a_blank_between_equal_neighbours():
    assert [minimum_frames(t) for t in ([], [4], [4, 4], [4, 5, 4], [4, 4, 4], ["A", "A", "B"])] == [0, 1, 3, 3, 5, 4]


@pytest.mark.parametrize("frames, classes, tokens", CASES)
def test_minimum_frames_is_the_shortest_clip_with_a_path(frames, classes, tokens):
    shortest = next(n for n in range(8) if any(collapse(p) == tokens for p in product(range(classes), repeat=n)))
    assert minimum_frames(tokens) == shortest


@pytest.mark.parametrize("frames, classes, tokens", CASES)
def test_loss_is_the_sum_over_all_paths(frames, classes, tokens):
    log_probs = random_log_probs(frames, classes)
    loss = ctc_loss(
        log_probs[None],
        torch.tensor([frames]),
        torch.tensor(tokens, dtype=torch.long),
        torch.tensor([len(tokens)]),
        "sum",
    )
    expected = -np.logaddexp.reduce([score for _, score in paths_of(log_probs.numpy(), tokens)])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_loss_of_a_padded_batch_is_the_mean_of_losses_by_token():
    batch = torch.stack([random_log_probs(6, 4, seed) for seed in range(3)])
    lengths, token_lengths = torch.tensor([6, 4, 5]), torch.tensor([3, 1, 2])
    tokens = [[1, 2, 1], [3], [2, 2]]
    flat = torch.tensor([token for own in tokens for token in own])
    each = [
        -np.logaddexp.reduce([score for _, score in paths_of(batch[i, : lengths[i]].numpy(), tokens[i])])
        for i in range(3)
    ]
    assert ctc_loss(batch, lengths, flat, token_lengths, "none").tolist() == pytest.approx(each, abs=1e-5)
    mean = np.mean([loss / len(own) for loss, own in zip(each, tokens, strict=True)])
    assert ctc_loss(batch, lengths, flat, token_lengths).item() == pytest.approx(mean, abs=1e-5)


def test_padding_has_no_gradient():
    logits = torch.randn(2, 6, 4, requires_grad=True)
    ctc_loss(logits.log_softmax(2), torch.tensor([6, 3]), torch.tensor([1, 2, 3]), torch.tensor([2, 1])).backward()
    assert logits.grad[1, 3:].abs().max() == 0
    assert logits.grad[1, :3].abs().max() > 0


def test_a_clip_too_short_is_infinite_unless_told_otherwise():
    short = random_log_probs(2, 3)[None]
    arguments = torch.tensor([2]), torch.tensor([1, 1]), torch.tensor([2])
    assert torch.isinf(ctc_loss(short, *arguments))
    assert ctc_loss(short, *arguments, zero_infinity=True) == 0


def test_unknown_reduction_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="mean, sum, none"):
        ctc_loss(torch.zeros(1, 1, 2), torch.tensor([1]), torch.tensor([1]), torch.tensor([1]), "total")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("frames, classes, tokens", [case for case in CASES if minimum_frames(case[2]) <= case[0]])
def test_alignment_is_the_best_of_all_paths(frames, classes, tokens, seed):
    log_probs = random_log_probs(frames, classes, seed)
    spans, score = forced_alignment(log_probs, tokens)
    path, best = max(paths_of(log_probs.numpy(), tokens), key=lambda entry: entry[1])
    runs, start = [], 0
    for token, run in groupby(path):
        length = len(list(run))
        if token != BLANK:
            runs.append((start, start + length))
        start += length
    assert score == pytest.approx(best)
    assert spans == runs


def test_alignment_takes_numpy_and_torch_alike():
    log_probs = random_log_probs(6, 4).float()
    assert forced_alignment(log_probs.numpy(), [1, 2]) == forced_alignment(log_probs, [1, 2])


def test_alignment_of_a_short_clip_says_how_many_frames_it_needs():
    with pytest.raises(DataError, match="2 glosses need 3 output frames, but the clip has 2"):
        forced_alignment(random_log_probs(2, 3), [1, 1])


def test_glosses_that_no_path_can_carry_are_not_placed():
    with np.errstate(divide="ignore"):
        impossible = np.log([[0.4, 0.6, 0.0], [1.0, 0.0, 0.0], [0.4, 0.6, 0.0]])
    with pytest.raises(DataError, match="probability 0 everywhere"):
        forced_alignment(impossible, [1, 2])
    assert forced_alignment(impossible, [1, 1]) == ([(0, 1), (2, 3)], pytest.approx(2 * np.log(0.6)))


def test_alignment_refuses_the_blank_as_a_token():
    with pytest.raises(ValueError, match="blank"):
        forced_alignment(random_log_probs(4, 3), [1, 0])
