"""The diagnostics on a run: each is found where it should be, once, and sound runs are left in peace."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_trainers import trainer_on, write_corpus

from slrcli.console import Console
from slrcli.corpus.clips import Clips
from slrcli.findings import Level
from slrcli.scoring.wer import score
from slrcli.training.loop import EpochEnd, NotFiniteError, numbers_of
from slrcli.training.record import Record
from slrcli.training.watch.diagnostics import DIAGNOSTICS
from slrcli.training.watch.history import EpochNumbers, History
from slrcli.training.watch.run_diagnostics import RunDiagnostics, milestone

HISTORIES = Path(__file__).parent / "histories"
NUMBERS = EpochNumbers(20, 2.4, 2.5, 69.0, 90.0, 40, 60, 0.7, 1.0, 2.0, 0.1, 0.1, 1.5, 1e-3)


def history_of(name):
    lines = (HISTORIES / f"{name}.jsonl").read_text().splitlines()
    return [EpochNumbers.from_dict(json.loads(line)) for line in lines]


def judged(epochs, arch="mobilenetv3", warmup=1.0):
    """Code -> the finding, over a whole run; fails where one is said twice."""
    monitor, found = RunDiagnostics(arch, warmup), {}
    for numbers in epochs:
        for finding in monitor.observe(numbers):
            assert finding.code not in found, f"{finding.code} is said twice"
            found[finding.code] = finding
    return found


def run_of(count=12, start=1, **changes):
    """A sound run of so many epochs, with some of its numbers changed: plainly, or by a function of the epoch."""
    epochs = []
    for epoch in range(start, start + count):
        sound = replace(NUMBERS, epoch=epoch, loss=5.0 * 0.8**epoch, dev_loss=5.0 * 0.85**epoch, wer=100.0 * 0.9**epoch)
        values = {key: value(epoch) if callable(value) else value for key, value in changes.items()}
        epochs.append(replace(sound, **values))
    return epochs


PLANTED = {
    "SLR-T01": (run_of(emission=0.0, distinct=0, blank_share=1.0, wer=100.0, loss=4.5, dev_loss=4.5), "all blank"),
    "SLR-T02": (run_of(distinct=1, top_share=1.0), "Only 1 of 60 glosses"),
    "SLR-T03": (run_of(22, wer=lambda n: 85.0 - 0.1 * n), "best WER is 83.0 % (epoch 20)"),
    "SLR-T04": (run_of(emission=30.0, loss=lambda n: 2.0 * 0.8**n), "only 30 % as many"),
    "SLR-T05": (run_of(emission=220.0), "220 % as many"),
    "SLR-T06": (run_of(top_share=0.7), "One gloss makes up 70%"),
    "SLR-T07": (run_of(blank_share=0.01, spike_frames=9.0), "1.0% of the output frames are blank"),
    "SLR-T08": (run_of(grad_norm=lambda n: 50.0 if n == 8 else 1.0), "norm is 50 on average"),
    "SLR-T09": (run_of(5, grad_norm=1e-7, loss=3.0), "norm is 1.0e-07"),
    "SLR-T10": (run_of(5, loss=lambda n: float("nan") if n == 4 else 3.0 * 0.8**n), "not finite"),
    "SLR-T11": (run_of(8, wer=99.0, loss=lambda n: 2.0 * 0.7**n), "stays at 99.0 %"),
    "SLR-T12": (run_of(8, loss=lambda n: 4.0 - 0.5 * n if n < 5 else 6.0), "rose from 2.00 (epoch 4) to 6.00"),
    "SLR-T13": (run_of(8, loss=lambda n: 6.0 - 0.01 * n), "hardly changed in 5 epochs"),
    "SLR-T14": (run_of(14, dev_loss=lambda n: abs(n - 5) * 0.3 + 1), "but the WER still falls"),
    "SLR-T15": (run_of(20, dev_loss=lambda n: abs(n - 5) * 0.3 + 1, wer=lambda n: 40.0 + abs(n - 6)), "overfits"),
}
BESIDE = {  # a fault that is truly two, or whose way there is another
    "SLR-T09": {"SLR-T13"},
    "SLR-T01": {"SLR-T13"},
    "SLR-T15": {"SLR-T14"},
}


def test_every_verdict_has_a_planted_fault():
    assert {diagnostic.code for diagnostic in DIAGNOSTICS} == set(PLANTED)


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_fault_is_named_by_its_own_code_once_with_what_to_try(code):
    epochs, said = PLANTED[code]
    found = judged(epochs)
    assert said in found[code].what and found[code].fix and found[code].where.startswith("epoch ")
    assert set(found) - {code} <= BESIDE.get(code, set())


def test_a_sound_run_is_left_in_peace():
    assert judged(run_of(30)) == {}


@pytest.mark.parametrize("name", ["auslan", "auslan-mobilenetv3", "isl30", "traduttore"])
def test_real_runs_that_went_well_are_left_in_peace(name):
    assert judged(history_of(name)) == {}


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("boston104", {"SLR-T04", "SLR-T15"}),  # 161 sentences: learnt by heart
        ("boston104-defaults", {"SLR-T02", "SLR-T04"}),
        ("auslan-forerunner", {"SLR-T02"}),  # one of three glosses for every clip
    ],
)
def test_real_runs_that_went_badly_are_named_without_an_error(name, codes):
    found = judged(history_of(name))
    assert set(found) == codes and all(finding.level is not Level.ERROR for finding in found.values())


def test_nothing_is_said_of_the_first_epochs_in_which_all_models_say_nothing():
    assert judged(run_of(9, emission=0.0, distinct=0, wer=100.0, blank_share=1.0)) == {}


def test_a_plateau_whose_loss_still_falls_is_to_be_waited_for():
    waiting = judged(run_of(emission=0.0, distinct=0, blank_share=1.0, wer=100.0, loss=lambda n: 9.0 * 0.95**n))
    assert "Wait" in waiting["SLR-T01"].fix and "overfit" in PLANTED_FIX("SLR-T01")


def PLANTED_FIX(code):
    return judged(PLANTED[code][0])[code].fix


def test_advice_names_a_simpler_architecture_unless_it_is_the_one():
    epochs = PLANTED["SLR-T03"][0]
    assert "--arch tcn" in judged(epochs, "mobilenetv3")["SLR-T03"].fix
    own = judged(epochs, "tcn")["SLR-T03"].fix
    assert "--arch" not in own and "slr check overfit" in own


def test_the_best_word_error_rate_counts_not_the_last():
    assert "SLR-T03" not in judged(run_of(22, wer=lambda n: 79.0 if n == 7 else 95.0 - n))


def test_a_run_that_overfits_while_its_word_error_rate_falls_is_only_noted():
    found = judged(PLANTED["SLR-T14"][0])
    assert found["SLR-T14"].level is Level.NOTE and "Continue" in found["SLR-T14"].fix


def test_a_record_keeps_what_it_has_and_takes_null_for_not_a_number():
    numbers = EpochNumbers.from_dict({**asdict(NUMBERS), "dev_loss": None, "seconds": 3.0})
    assert np.isnan(numbers.dev_loss) and replace(numbers, dev_loss=2.5) == NUMBERS
    assert History([numbers]).lowest_dev_loss is None


def test_milestones_are_spoken_of_at_their_epochs_alone():
    ahead = "loss 2.4 is ahead of schedule (at most 2.5), WER 69.0 % is ahead of schedule (at most 70 %)"
    assert milestone(NUMBERS) == f"milestone of epoch 20: {ahead}"
    assert milestone(replace(NUMBERS, wer=71.0)).endswith("WER 71.0 % is behind schedule (at most 70 %)")
    assert milestone(replace(NUMBERS, epoch=21)) == ""


def test_shares_of_the_commonest_gloss_are_counted_over_all_tokens():
    found = score({"a": ["A", "B", "A"], "b": ["C"]}, {"a": ["B", "B"], "b": ["B", "A"]})
    assert found.top_share_ref == 0.5 and found.top_share_hyp == 0.75
    assert score({"a": ["A"]}, {"a": []}).top_share_hyp == 0.0


# Real trainings


@pytest.fixture
def utterances(tmp_path):
    return write_corpus(tmp_path, 24)


def ends(trainer):
    return [event for event in trainer.run() if isinstance(event, EpochEnd)]


def codes(epochs):
    return {finding.code for end in epochs for finding in end.findings}


def shuffled(utterances):
    """The same clips with one another's glosses."""
    order = np.random.default_rng(5).permutation(len(utterances))
    return [replace(item, glosses=utterances[other].glosses) for item, other in zip(utterances, order, strict=True)]


def test_a_sound_training_says_nothing_and_records_all_numbers(utterances):
    epochs = ends(trainer_on(utterances, epochs=14))
    assert codes(epochs) == set()
    last = epochs[-1].numbers
    assert last.grad_norm_max >= last.grad_norm > 0 and last.lr > 0
    assert 0 < last.top_share < 1 and 0 < last.top_share_ref < 1 and last.spike_frames >= 1
    assert {"spike_frames", "top_share", "grad_norm_max", "lr", "blank_share"} <= set(numbers_of(epochs[-1]))


def test_a_learning_rate_far_too_low_is_named(utterances):
    assert codes(ends(trainer_on(utterances, epochs=8, lr=1e-8))) == {"SLR-T13"}


def test_a_learning_rate_far_too_high_is_named(utterances):
    assert "SLR-T12" in codes(ends(trainer_on(utterances, epochs=8, lr=100.0)))


def test_labels_of_other_clips_are_named(utterances, tmp_path):
    trainer = trainer_on(utterances[:16], epochs=60)
    trainer.dev = Clips(shuffled(utterances), trainer.dev.layout, cache_mb=10)
    assert codes(ends(trainer)) & {"SLR-T11", "SLR-T15"}


def test_features_without_anything_in_them_are_named(utterances):
    for item in utterances:
        np.save(item.features, np.zeros_like(np.load(item.features)))
    assert codes(ends(trainer_on(utterances, epochs=14))) & {"SLR-T01", "SLR-T02"}


def test_a_loss_that_is_no_number_carries_its_code_and_the_utterances(utterances):
    trainer = trainer_on(utterances)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="SLR-T10") as caught:
        list(trainer.run())
    assert "utterances u" in caught.value.where and "--lr" in caught.value.fix


def test_a_run_that_goes_on_does_not_repeat_itself_and_remembers_its_epochs(utterances):
    whole = trainer_on(utterances, epochs=8, lr=1e-8)
    said = [finding.code for end in ends(whole) for finding in end.findings]
    assert said == ["SLR-T13"]
    resumed = trainer_on(utterances, epochs=10, lr=1e-8)
    state = json.loads(json.dumps(whole.state()[1]))
    resumed.restore(whole.state()[0], state)
    later = ends(resumed)
    assert [end.numbers.epoch for end in later] == [9, 10] and "SLR-T13" not in codes(later)
    assert [item["epoch"] for item in resumed.progress.history] == list(range(1, 11))


def test_a_state_without_history_can_still_go_on(utterances):
    trainer = trainer_on(utterances, epochs=2)
    list(trainer.run())
    tensors, values = trainer.state()
    for key in ("history", "said"):
        del values["progress"][key]
    del values["progress"]["sums"]["norm_max"]
    resumed = trainer_on(utterances, epochs=3)
    resumed.restore(tensors, values)
    assert [end.numbers.epoch for end in ends(resumed)] == [3]


def test_what_is_found_stands_in_the_log(utterances, tmp_path, capsys):
    last = ends(trainer_on(utterances, epochs=8, lr=1e-8))
    with Record(tmp_path, Console()) as record:
        for end in last:
            record.epoch(end, numbers_of(end))
    log = (tmp_path / "training.log").read_text()
    assert log.count("SLR-T13") == 1 and "hardly changed" in log and "SLR-T13" in capsys.readouterr().err
