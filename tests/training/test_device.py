"""What holds on a CPU holds on the GPU: it learns, resumes to the same bits, and reads alike on both."""

import pytest
import torch
from support.small_trainers import stopped_and_resumed, trainer_on, weights, write_corpus

from slrcli.evaluation.evaluate import evaluate
from slrcli.training.loop import EpochEnd

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), 24)


def on_gpu(utterances, **optim):
    return trainer_on(utterances, device="cuda", **optim)


def test_it_learns_on_the_gpu_and_reads_the_same_on_the_cpu(utterances):
    trainer = on_gpu(utterances, epochs=20)
    ends = [event for event in trainer.run() if isinstance(event, EpochEnd)]
    assert ends[-1].numbers.wer < 5
    assert next(trainer.model.parameters()).is_cuda and trainer.batches.frontend is None
    there = evaluate(trainer.recogniser, trainer.dev)
    trainer.recogniser.model.cpu()
    here = evaluate(trainer.recogniser, trainer.dev)
    assert here.glosses == there.glosses
    assert here.loss == pytest.approx(there.loss, rel=1e-3)


def test_a_run_on_the_gpu_that_was_stopped_goes_on_like_one_that_was_not(utterances, tmp_path):
    whole = on_gpu(utterances)
    list(whole.run())
    resumed = stopped_and_resumed(lambda: on_gpu(utterances), 3, tmp_path)
    for name, item in weights(whole).items():
        assert torch.allclose(weights(resumed)[name], item, atol=1e-5), name


def test_a_step_waits_for_the_gpu_once(utterances):
    trainer = on_gpu(utterances)
    first, second, *_ = trainer.batches.epoch(1)
    trainer.model.train()
    trainer._step(first)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchroniz") as found:
            trainer._step(second)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(found) <= 2  # its numbers; cuDNN's CTC loss wants the lengths, too
