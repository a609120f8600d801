"""What a step learns from: each term against its definition, gradients against finite differences."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from slrcli.config import Config, DistillConfig, LossConfig, OptimConfig, check_bounds
from slrcli.config.names import BLANKS
from slrcli.corpus.clips import Batch
from slrcli.ctc.loss import ctc_loss
from slrcli.errors import DataError, UsageError
from slrcli.models.base import Output
from slrcli.training.loss.criterion import Criterion, disagreement
from slrcli.training.loss.distill import at_frames, distillation, frames_compared, sequence_loss
from slrcli.training.loss.teacher import columns_of, in_order

CPU = torch.device("cpu")
CLASSES = 5


def posteriors(*shape: int, seed: int = 0, peaky: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (peaky * torch.randn(*shape, CLASSES, generator=generator)).log_softmax(dim=-1)


def batch(*targets: tuple[int, ...], frames: int = 12) -> Batch:
    count = len(targets)
    flat = torch.tensor([gloss for target in targets for gloss in target])
    lengths = torch.tensor([len(target) for target in targets])
    return Batch(torch.zeros(count, frames, 2), torch.full((count,), frames), flat, lengths, tuple(range(count)))


def total(log_probs: torch.Tensor, loss: LossConfig, of: Batch, aux=(), **more) -> tuple[torch.Tensor, dict]:
    config = Config(optim=OptimConfig(aux_weight=0.5), loss=loss, distill=more.pop("distill", DistillConfig()))
    criterion = Criterion(config, more.pop("teacher", None))
    return criterion(Output(log_probs, torch.full((len(log_probs),), log_probs.shape[1]), aux), of)


def test_nothing_but_ctc_without_anything_else():
    log_probs, of = posteriors(2, 12), batch((1, 2), (3, 3))
    value, terms = total(log_probs, LossConfig(), of)
    expected = ctc_loss(log_probs, of.lengths, of.targets, of.target_lengths)
    assert torch.equal(value, expected) and set(terms) == {"ctc"}


def test_inner_heads_count_by_their_mean_and_weight():
    log_probs, of, aux = posteriors(2, 12), batch((1, 2), (3,)), (posteriors(2, 12, seed=1), posteriors(2, 12, seed=2))
    value, terms = total(log_probs, LossConfig(), of, aux)
    each = [ctc_loss(item, of.lengths, of.targets, of.target_lengths) for item in (log_probs, *aux)]
    torch.testing.assert_close(value, each[0] + 0.5 * (each[1] + each[2]) / 2)
    torch.testing.assert_close(terms["inner"], (each[1] + each[2]) / 2)


def test_two_views_that_read_alike_do_not_disagree():
    log_probs = posteriors(2, 6)
    lengths, counts = torch.tensor([6, 4, 6, 4]), torch.tensor([2, 1, 2, 1])
    assert disagreement(Output(torch.cat([log_probs, log_probs]), lengths), counts) == 0
    other = posteriors(2, 6, seed=1)
    found = disagreement(Output(torch.cat([log_probs, other]), lengths), counts)
    expected = 0.0
    for row, (frames, glosses) in enumerate(((6, 2), (4, 1))):
        p, q = log_probs[row, :frames].double(), other[row, :frames].double()
        both = F.kl_div(p, q, reduction="sum", log_target=True) + F.kl_div(q, p, reduction="sum", log_target=True)
        expected += float(both) / 2 / glosses / 2
    assert float(found) == pytest.approx(expected, rel=1e-5)


# Learning from a teacher


def test_a_student_that_says_what_its_teacher_says_learns_nothing_from_it():
    log_probs = posteriors(2, 12, peaky=4)
    for blanks in BLANKS:
        value = distillation(log_probs, log_probs, torch.tensor([12, 9]), blanks, 2.0)
        assert float(value) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_all_frames_are_compared_by_the_divergence_of_torch(temperature):
    student, teacher = posteriors(1, 9), posteriors(1, 9, seed=1)
    found = distillation(student, teacher, torch.tensor([9]), "all", temperature)
    soft = [(item[0] / temperature).log_softmax(dim=1) for item in (student, teacher)]
    expected = temperature**2 * F.kl_div(*soft, reduction="batchmean", log_target=True)
    torch.testing.assert_close(found, expected)


def test_padding_is_never_compared():
    student, teacher = posteriors(2, 9), posteriors(2, 9, seed=1, peaky=3)
    lengths = torch.tensor([9, 5])
    for blanks in BLANKS:
        before = distillation(student, teacher, lengths, blanks, 1.0)
        changed = student.clone()
        changed[1, 5:] = posteriors(4, seed=9)
        assert torch.equal(distillation(changed, teacher, lengths, blanks, 1.0), before)


def test_rules_for_blanks_by_hand():
    best = torch.tensor([[0, 0, 3, 3, 0, 0, 0, 1, 2, 0, 0, 0]])
    valid = torch.tensor([[True] * 11 + [False]])
    assert frames_compared(best, valid, "all").int().tolist() == [[1] * 11 + [0]]
    assert frames_compared(best, valid, "symmetric").int().tolist() == [[0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0]]


def test_equal_rates_change_nothing_and_others_keep_spikes():
    log_probs = posteriors(2, 8, peaky=5)
    lengths = torch.tensor([8, 6])
    assert at_frames(log_probs, lengths, lengths, 8) is log_probs
    for wanted, frames in ((torch.tensor([4, 3]), 4), (torch.tensor([16, 12]), 16), (torch.tensor([5, 4]), 5)):
        found = at_frames(log_probs, lengths, wanted, frames)
        torch.testing.assert_close(found.exp().sum(dim=2), torch.ones(2, frames))
        for row in range(2):
            said = log_probs[row, : lengths[row]].argmax(dim=1).tolist()
            assert set(found[row, : wanted[row]].argmax(dim=1).tolist()) <= set(said)
    halved = at_frames(log_probs, lengths, torch.tensor([4, 3]), 4)
    by_hand = torch.maximum(log_probs[0, 2], log_probs[0, 3]).log_softmax(dim=0)
    torch.testing.assert_close(halved[0, 1], by_hand)


def every_labelling(probs):
    """Labelling -> probability, by looking at all paths of `[T, V]`."""
    found = {}
    for path in itertools.product(range(probs.shape[1]), repeat=len(probs)):
        labels = tuple(label for label, _ in itertools.groupby(path) if label)
        found[labels] = found.get(labels, 0.0) + math.prod(probs[t, label].item() for t, label in enumerate(path))
    return found


def test_readings_are_the_likeliest_labellings_weighted_by_their_probability():
    student, teacher = posteriors(2, 5).double(), posteriors(2, 4, seed=1).double()
    lengths, frames = torch.tensor([4, 3]), torch.tensor([5, 4])
    for count in (1, 3, 10_000):
        expected = 0.0
        for row in range(2):
            truth = every_labelling(teacher[row, : lengths[row]].exp())
            best = sorted(truth, key=lambda labels: -truth[labels])[:count]
            own = every_labelling(student[row, : frames[row]].exp())
            whole = sum(truth[labels] for labels in best)
            expected -= sum(truth[y] / whole * math.log(own[y]) / max(len(y), 1) for y in best) / 2
        found = sequence_loss(Output(student.float(), frames, ()), teacher, lengths, count)
        assert found.item() == pytest.approx(expected, rel=2e-3 if count > 3 else 1e-4)


def test_readings_too_long_for_the_student_count_nothing():
    teacher = F.one_hot(torch.tensor([[1, 2, 3, 1, 2, 3]]), CLASSES).float().mul(30).log_softmax(dim=2)
    student = posteriors(1, 2).requires_grad_()
    value = sequence_loss(Output(student, torch.tensor([2]), ()), teacher, torch.tensor([6]), 1)
    value.backward()
    assert value.item() == 0 and not student.grad.any()


def test_weights_of_teacher_and_annotations():
    log_probs, soft, of = posteriors(2, 12), posteriors(2, 6, seed=1), batch((1, 2), (3,))
    teacher = lambda of: (soft, torch.tensor([6, 6]))  # noqa: E731
    options = DistillConfig(teacher="x", weight=0.7, temperature=3.0, sequence=0.25)
    value, terms = total(log_probs, LossConfig(), of, teacher=teacher, distill=options)
    assert set(terms) == {"ctc", "distillation", "sequence"}
    expected = 0.3 * terms["ctc"] + 0.7 * terms["distillation"] + 0.25 * terms["sequence"]
    torch.testing.assert_close(value, expected)


def test_unknown_rules_name_the_known_ones():
    with pytest.raises(UsageError, match="symmetric"):
        check_bounds(Config(distill=DistillConfig(blanks="none")))


class Glosses:
    def __init__(self, *tokens: str):
        self.tokens = ("<blank>", *tokens)


def test_columns_are_matched_by_gloss():
    log_probs = posteriors(1, 3)
    assert columns_of(Glosses("A", "B"), ("<blank>", "A", "B"), "x", CPU) is None
    columns = columns_of(Glosses("C", "A"), ("<blank>", "A", "B", "C", "D"), "x", CPU)
    found = in_order(log_probs, columns).exp()
    expected = log_probs.exp()[..., [0, 3, 1]]
    torch.testing.assert_close(found, expected / expected.sum(dim=2, keepdim=True))
    with pytest.raises(DataError, match="lacks 1 of 2"):
        columns_of(Glosses("A", "E"), ("<blank>", "A", "B"), "x", CPU)


def test_variants_of_a_clip_keep_in_step_and_differ(tmp_path):
    from support.small_trainers import trainer_on, write_corpus

    from slrcli.training.batches import TrainBatches

    trainer = trainer_on(write_corpus(tmp_path, 8))
    one = trainer.batches
    two = TrainBatches(
        one.clips, one.targets, replace(one.options, point_drop=0.1), lambda t: -(-t // 4), 4, 1, views=2
    )
    made = next(iter(two.epoch(1)))
    half = len(made.lengths) // 2
    assert torch.equal(made.lengths[:half], made.lengths[half:]) and made.index[:half] == made.index[half:]
    assert not torch.equal(torch.nan_to_num(made.x[:half]), torch.nan_to_num(made.x[half:]))
    targets = np.concatenate([one.targets[index] for index in made.index])
    assert np.array_equal(made.targets, targets)
    again = next(iter(two.epoch(1)))
    assert torch.equal(torch.nan_to_num(again.x), torch.nan_to_num(made.x))
