"""The loop: it learns, it resumes to the same bits, it speaks up when something is wrong."""

import math
from dataclasses import replace

import pytest
import torch
from support.small_trainers import trainer_on, weights, write_corpus

from slrcli.checkpoints.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from slrcli.checkpoints.meta import Meta
from slrcli.config import OptimConfig
from slrcli.errors import CheckpointError, SlrError
from slrcli.evaluation.evaluate import evaluate
from slrcli.features.layout import generic_layout
from slrcli.models.registry import build_model
from slrcli.training.loop import EpochEnd, Step, Stopped, learning_rate, require_progress
from slrcli.training.run import require_precision

TIMES = ("seconds", "frames_per_second")


@pytest.fixture
def utterances(tmp_path):
    return write_corpus(tmp_path, 24)


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory):
    """The weights of a run that nobody stopped, and the numbers of its epochs."""
    trainer = trainer_on(write_corpus(tmp_path_factory.mktemp("unstopped"), 24))
    list(trainer.run())
    return weights(trainer), untimed(trainer.progress.history)


def untimed(history):
    return [{name: item for name, item in epoch.items() if name not in TIMES} for epoch in history]


def test_a_model_learns_a_handful_of_sentences(utterances):
    ends = [event for event in trainer_on(utterances, epochs=20).run() if isinstance(event, EpochEnd)]
    assert ends[-1].numbers.wer < 5
    assert ends[-1].numbers.loss < ends[0].numbers.loss


def test_same_seed_same_weights_to_the_bit(utterances):
    def trained(seed):
        trainer = trainer_on(utterances, seed=seed)
        list(trainer.run())
        return weights(trainer)

    a, b, c = trained(1), trained(1), trained(2)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_the_frontend_applied_where_batches_are_made_changes_no_bit(utterances):
    def trained(early):
        trainer = trainer_on(utterances)
        assert trainer.batches.frontend is trainer.model.frontend
        if not early:
            trainer.batches.frontend = None
        list(trainer.run())
        return weights(trainer)

    a, b = trained(early=True), trained(early=False)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_step_leaves_a_core_to_the_thread_that_makes_the_batches(utterances):
    trainer, before, seen = trainer_on(utterances, epochs=1), torch.get_num_threads(), set()
    trainer.model.register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    trainer.batches.frontend = None  # so that `forward` is called
    torch.set_num_threads(3)
    try:
        next(event for event in trainer.run() if isinstance(event, Step))
        assert seen == {2} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("stop_after", [3, 6, 8])  # in the middle, at the end, and after the end of the first epoch
def test_resumed_run_ends_with_the_same_bits_and_numbers_as_an_unstopped(utterances, unstopped, tmp_path, stop_after):
    stopped, steps = trainer_on(utterances), 0

    def interrupted():
        nonlocal steps
        steps += 1
        return steps == stop_after

    events = list(stopped.run(interrupted))
    assert isinstance(events[-1], Stopped)
    meta = stopped.recogniser.meta
    save_checkpoint(tmp_path / "last.safetensors", stopped.model, meta)
    save_state(tmp_path / "state.safetensors", *stopped.state())

    torch.manual_seed(99)
    resumed = trainer_on(utterances)
    model, _ = load_checkpoint(tmp_path / "last.safetensors")
    resumed.model.load_state_dict(model.state_dict())
    resumed.restore(*load_state(tmp_path / "state.safetensors"))
    list(resumed.run())
    wanted, found = unstopped[0], weights(resumed)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert untimed(resumed.progress.history) == unstopped[1]


def test_resume_with_other_data_is_refused(utterances):
    state = trainer_on(utterances).state()
    with pytest.raises(SlrError, match="6 steps per epoch"):
        trainer_on(utterances[:8]).restore(*state)


STATES = {
    "a moment of another shape": lambda tensors, values: {"optimiser.0.exp_avg": tensors["optimiser.0.exp_avg"][:-1]},
    "two numbers of steps": lambda tensors, values: {"optimiser.1.step": torch.ones(2)},
    "a parameter too many": lambda tensors, values: {"optimiser.999.step": torch.ones(())},
    "a moment too many": lambda tensors, values: {"optimiser.0.exp_max": tensors["optimiser.0.exp_avg"]},
    "an epoch that is a text": lambda tensors, values: values["progress"].update(epoch="1") or {},
    "a sum that is a text": lambda tensors, values: values["progress"]["sums"].update(norm="1") or {},
    "sums that are none": lambda tensors, values: values["progress"].update(sums=[]) or {},
    "lengths of signs that are none": lambda tensors, values: values["progress"].update(signs=[1, None]) or {},
    "a beginning that is none": lambda tensors, values: values.update(begun=[]) or {},
    "a step before the first": lambda tensors, values: values["progress"].update(step=-1) or {},
    "no learning rate": lambda tensors, values: values["progress"].update(share=0.0) or {},
    "a rate that is no number": lambda tensors, values: values["progress"].update(share=float("nan")) or {},
    "no progress": lambda tensors, values: values.pop("progress") and {},
}


@pytest.mark.parametrize("fault", STATES)
def test_a_damaged_state_is_refused_before_a_step_is_made(utterances, fault):
    trainer = trainer_on(utterances)
    next(event for event in trainer.run() if isinstance(event, Step))
    tensors, values = trainer.state()
    tensors |= STATES[fault](tensors, values)
    with pytest.raises((RuntimeError, KeyError, TypeError, ValueError, AttributeError)):
        trainer_on(utterances).restore(tensors, values)


def test_patience_ends_a_run_that_gets_no_better(utterances):
    trainer = trainer_on(utterances, epochs=50, patience=2)
    for group in trainer.model.parameters():
        group.requires_grad_(True)
    trainer.config = replace(trainer.config, optim=replace(trainer.config.optim, lr=1e-12))
    events = list(trainer.run())
    assert events[-1] == Stopped("patience") and sum(isinstance(event, EpochEnd) for event in events) < 50


def test_the_last_epoch_may_be_the_chosen_one_whatever_dev_says(utterances):
    for choose in ("best", "last"):
        trainer = trainer_on(utterances, epochs=3, lr=1e-12, choose=choose)  # nothing changes, so nothing improves
        ends = [event for event in trainer.run() if isinstance(event, EpochEnd)]
        assert [event.chosen for event in ends] == [event.improved or choose == "last" for event in ends]
        assert trainer.progress.best["epoch"] == (
            3 if choose == "last" else max(e.numbers.epoch for e in ends if e.improved)
        )


def test_a_loss_that_is_not_finite_names_the_utterances(utterances):
    trainer = trainer_on(utterances)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(SlrError, match="not finite") as caught:
        list(trainer.run())
    assert "utterances u" in caught.value.where


def test_evaluation_depends_neither_on_the_batch_size_nor_on_the_threads(utterances):
    trainer = trainer_on(utterances)
    list(trainer.run())
    usual = torch.get_num_threads()
    found = []
    for size, threads in ((1, 1), (16, 1), (16, 2), (5, 2)):
        torch.set_num_threads(threads)
        try:
            found.append(evaluate(trainer.recogniser, trainer.dev, size))
        finally:
            torch.set_num_threads(usual)
    assert any(found[0].glosses.values())
    for other in found[1:]:
        assert other.glosses == found[0].glosses
        assert other.loss == pytest.approx(found[0].loss, rel=1e-4)


def test_spans_do_not_depend_on_the_batch(utterances):
    trainer = trainer_on(utterances, epochs=6)
    list(trainer.run())
    clips = [trainer.dev[index] for index in range(6)] + [trainer.dev[0][:5]]
    together = trainer.recogniser.recognise(clips)
    assert [trainer.recogniser.recognise([clip])[0].spans for clip in clips] == [item.spans for item in together]


def test_a_checkpoint_may_be_read_by_whom_the_umask_lets(utterances, tmp_path):
    trainer = trainer_on(utterances)
    save_checkpoint(tmp_path / "a.safetensors", trainer.model, trainer.recogniser.meta)
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_every_step_reports_frames_without_padding(utterances):
    trainer = trainer_on(utterances, epochs=1)
    trainer.batches.options = replace(trainer.batches.options, resample=(1.0, 1.0))
    steps = [event for event in trainer.run() if isinstance(event, Step)]
    assert sum(step.frames for step in steps) == sum(trainer.dev.frames)


def test_checkpoint_round_trip_keeps_weights_and_everything_known(utterances, tmp_path):
    trainer = trainer_on(utterances, epochs=1)
    list(trainer.run())
    save_checkpoint(tmp_path / "a.safetensors", trainer.model, trainer.recogniser.meta)
    model, meta = load_checkpoint(tmp_path / "a.safetensors")
    assert meta == trainer.recogniser.meta and not model.training
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_a_checkpoint_trained_with_settings_that_were_removed_still_loads(utterances, tmp_path, monkeypatch):
    trainer = trainer_on(utterances, epochs=1)
    meta = trainer.recogniser.meta
    old = meta.to_dict()
    old["config"]["loss"] |= {"prior": 0.3, "blank_penalty": 0.0}
    old["config"]["augment"]["noise"] = 0.02
    monkeypatch.setattr(Meta, "to_dict", lambda self: old)
    save_checkpoint(tmp_path / "a.safetensors", trainer.model, meta)
    assert load_checkpoint(tmp_path / "a.safetensors")[1] == meta


def test_a_damaged_checkpoint_is_an_error_a_person_can_read(utterances, tmp_path):
    trainer = trainer_on(utterances)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, trainer.model, trainer.recogniser.meta)
    data = path.read_bytes()
    for broken in (data[:100], data[: len(data) // 2], b"", b"\x00" * 200):
        path.write_bytes(broken)
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


def test_a_training_state_is_not_taken_for_a_checkpoint(utterances, tmp_path):
    save_state(tmp_path / "s.safetensors", *trainer_on(utterances).state())
    with pytest.raises(CheckpointError, match="not of the expected kind"):
        load_checkpoint(tmp_path / "s.safetensors")


def test_learning_rate_rises_then_falls_as_the_cosine_does():
    options = OptimConfig(lr=1.0, warmup_epochs=5, epochs=105, final_lr=0.0)
    assert learning_rate(2.5, options) == pytest.approx(0.5)
    assert learning_rate(5, options) == pytest.approx(1.0)
    assert learning_rate(55, options) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))
    assert learning_rate(105, options) == pytest.approx(0.0)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_running_out_of_memory_is_answered_with_the_flags_that_help(error):
    from slrcli.errors import memory_advice

    with pytest.raises(SlrError) as caught, memory_advice():
        raise error
    for flag in ("--batch-size", "--max-frames", "--gradient-checkpointing", "--precision"):
        assert flag in caught.value.fix
    with pytest.raises(RuntimeError, match="something else"), memory_advice():
        raise RuntimeError("something else")


# Half precision


def no_lstm(*_, **__):
    raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive")


@pytest.mark.parametrize("arch", ["conv-bilstm", "streaming", "mobilenetv3"])
def test_lstms_in_half_precision_are_refused_where_the_processor_has_none(arch, monkeypatch):
    model = build_model(arch, generic_layout(4), 5)
    monkeypatch.setattr(torch.nn.LSTM, "forward", no_lstm)
    with pytest.raises(SlrError, match="cannot train an LSTM in bf16") as caught:
        require_precision(model, "bf16")
    assert caught.value.exit_code == 1 and "--precision fp32" in caught.value.fix and "--arch tcn" in caught.value.fix
    require_precision(model, "auto"), require_precision(model, "fp32")


def test_what_has_no_lstm_or_a_processor_that_has_them_is_not_refused(monkeypatch):
    recurrent, plain = (build_model(arch, generic_layout(4), 5) for arch in ("conv-bilstm", "tcn"))
    state = torch.random.get_rng_state()
    monkeypatch.setattr(torch.nn.LSTM, "forward", lambda self, x: (x.sum() * self.weight_ih_l0.sum(),))
    require_precision(recurrent, "bf16")
    monkeypatch.setattr(torch.nn.LSTM, "forward", no_lstm)
    require_precision(plain, "bf16")
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_progress_whose_epochs_have_no_numbers_is_refused():
    with pytest.raises(TypeError, match="the numbers of an epoch"):
        require_progress({"history": [{"lr": 0.1}, []]})
