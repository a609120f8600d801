"""Steps whose loss is not finite: they leave no trace, an epoch full of them begins again, a hopeless run gives up."""

import json
import math

import pytest
import torch
from support.calling import slr
from support.quick_corpus import write_corpus as write_quick_corpus
from support.small_trainers import failing, stopped_and_resumed, trainer_on, weights, write_corpus

from slrcli.training.loop import AGAIN, IN_A_ROW, EpochEnd, NotFiniteError, Skipped, Step, Trainer, WentBack


@pytest.fixture
def utterances(tmp_path):
    return write_corpus(tmp_path, 32)  # eight steps an epoch


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def once(epoch, step, share):
    return (epoch, step) == (2, 3)


def too_fast(epoch, step, share):
    """What a learning rate that is too high does from the middle of an epoch on."""
    return epoch == 2 and step >= 2 and share > 0.3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_step_without_a_finite_loss_changes_nothing_but_the_count(utterances, value):
    trainer = trainer_on(utterances)  # it has batch normalisations, whose running statistics see every batch
    before, losses = None, trainer._losses

    def spoilt(batch):
        nonlocal before
        if trainer.progress.step == 3:
            before = weights(trainer)
        total, terms = losses(batch)
        if trainer.progress.step == 3:
            return total * value, {**terms, "ctc": terms["ctc"] * value}
        return total, terms

    trainer._losses = spoilt
    for event in trainer.run():
        if isinstance(event, Skipped):
            break
    after = weights(trainer)
    for name, item in before.items():
        assert torch.equal(after[name], item), name
    assert event.step == 4 and event.count == 1 and event.utterances.startswith("u") and not math.isfinite(event.loss)


def test_a_gradient_that_is_not_finite_is_skipped_too(utterances):
    trainer = trainer_on(utterances, epochs=1)
    weight = next(trainer.model.parameters())
    handle = weight.register_hook(lambda gradient: gradient * (float("inf") if trainer.progress.step == 2 else 1))
    events = list(trainer.run())
    handle.remove()
    (skipped,) = of(Skipped, events)
    assert skipped.step == 3 and math.isfinite(skipped.loss) and not math.isfinite(skipped.grad_norm)
    assert all(torch.isfinite(item).all() for item in trainer.model.parameters())


def test_the_epoch_counts_its_skipped_steps_and_its_means_are_those_of_the_others(utterances):
    events = list(failing(trainer_on(utterances), once).run())
    ends = of(EpochEnd, events)
    assert [end.numbers.skipped for end in ends] == [0, 1, 0]
    steps = [step.loss for step in of(Step, events) if step.epoch == 2]
    assert len(steps) == 7 and ends[1].numbers.loss == pytest.approx(sum(steps) / 7)
    assert [finding.code for finding in ends[1].findings if "skipped" in finding.what] == ["SLR-T10"]


def test_an_epoch_in_which_many_steps_fail_in_a_row_begins_again_at_a_lower_rate(utterances):
    trainer = failing(trainer_on(utterances), too_fast)
    events = list(trainer.run())
    back = of(WentBack, events)
    assert [(event.epoch, event.share) for event in back] == [(2, 0.5), (2, 0.25)]
    ends = of(EpochEnd, events)
    assert [end.numbers.epoch for end in ends] == [1, 2, 3]
    assert [end.numbers.skipped for end in ends] == [0, 2 * IN_A_ROW, 0]
    scheduled = of(EpochEnd, trainer_on(utterances).run())
    for end, usual, share in zip(ends, scheduled, (1, 0.25, 0.25), strict=True):
        assert end.numbers.lr == pytest.approx(share * usual.numbers.lr)
    # the same draws as in a run that takes the lower rate by itself, and nothing of the failures
    slower = trainer_on(utterances)
    for event in slower.run():
        if isinstance(event, EpochEnd):
            slower.progress.share = 0.25
    a, b = weights(trainer), weights(slower)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_weights_that_are_infinite_after_the_last_step_of_an_epoch_are_not_evaluated(utterances):
    trainer = trainer_on(utterances)
    step, spoilt = trainer.optimiser.step, []

    def explode():
        step()
        if trainer.progress.epoch == 2 and trainer.progress.step == 8 and not spoilt:
            spoilt.append(True)
            with torch.no_grad():
                next(trainer.model.parameters()).fill_(float("inf"))

    trainer.optimiser.step = explode
    events = list(trainer.run())
    assert [event.epoch for event in of(WentBack, events)] == [2]
    assert all(math.isfinite(end.numbers.loss) and end.numbers.wer <= 100 for end in of(EpochEnd, events))
    assert all(torch.isfinite(item).all() for item in trainer.recogniser.model.parameters())


def test_a_run_that_always_fails_gives_up_and_names_the_utterances(utterances):
    trainer = failing(trainer_on(utterances), lambda *_: True)
    before = weights(trainer)
    events = []
    with pytest.raises(NotFiniteError, match="SLR-T10") as caught:
        for event in trainer.run():
            events.append(event)
    assert len(of(WentBack, events)) == AGAIN and not of(EpochEnd, events)
    assert "utterances u" in caught.value.where and "--lr" in caught.value.fix
    assert all(torch.equal(before[name], item) for name, item in weights(trainer).items())


@pytest.mark.parametrize("fails", [once, too_fast])
@pytest.mark.parametrize("stop_after", [8, 12, 14, 15, 16, 22])  # before, within, at the end of and after the failures
def test_a_run_that_was_stopped_among_skipped_steps_resumes_to_the_same_bits(utterances, tmp_path, stop_after, fails):
    def make():
        return failing(trainer_on(utterances, ema=0.9), fails)

    whole = make()
    list(whole.run())
    resumed = stopped_and_resumed(make, stop_after, tmp_path)
    a, b = weights(whole), weights(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert [line["skipped"] for line in resumed.progress.history] == [
        line["skipped"] for line in whole.progress.history
    ]


def test_log_and_metrics_tell_of_skipped_steps(tmp_path, monkeypatch):
    losses = Trainer._losses

    def spoilt(self, batch):
        total, terms = losses(self, batch)
        return (total * float("nan"), terms) if self.progress.step in (1, 3) else (total, terms)

    monkeypatch.setattr(Trainer, "_losses", spoilt)
    corpus, run = write_quick_corpus(tmp_path / "corpus"), tmp_path / "run"
    result = slr("train", "--data-dir", corpus, "--epochs", 2, "--batch-size", 4, "-o", run, "--device", "cpu")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["skipped"] for line in lines] == [2, 2] and all(line["loss"] for line in lines)
    log = (run / "training.log").read_text()
    assert log.count("was skipped") == 4 and "Step 2 of epoch 1" in log and "Utterances: train" in log
    assert "2 steps of epoch 2 were skipped" in log and log.count("SLR-T10:") == 1
