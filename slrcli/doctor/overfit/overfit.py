"""`slr check overfit`: a handful of the user's own utterances, memorised on the very training path."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from slrcli.config import OVERFIT_FIXED, Config, OverfitConfig, check_bounds, check_section, merge
from slrcli.console import Console, Task
from slrcli.corpus import Utterance
from slrcli.corpus.clips import Batch
from slrcli.doctor.model.probe import ModelContext
from slrcli.doctor.overfit.checks import OVERFIT_CHECKS, OverfitContext, Point
from slrcli.errors import Ended, memory_advice
from slrcli.evaluation.evaluate import Evaluation, evaluate
from slrcli.training.batches import TrainBatches
from slrcli.training.data import TrainingData, learnable
from slrcli.training.loop import EpochEnd, NotFiniteError, Step, Stopped
from slrcli.training.run import fresh
from slrcli.training.session import Session, interruptible

CANDIDATES = 4  # times as many utterances as wanted are looked at, since some may be too short for their glosses
STEPS_AN_EPOCH = 5  # steps from one evaluation to the next


class WholeSet(TrainBatches):
    """All clips as one batch, the same `STEPS_AN_EPOCH` times an epoch."""

    def __len__(self) -> int:
        return STEPS_AN_EPOCH

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batch, as often as the epoch still has steps."""
        batch = self._make(range(len(self.clips)), number)
        for _ in range(start, len(self)):
            yield batch


@dataclass(frozen=True)
class OverfitTarget:
    """A few utterances of a corpus, and the model that is to memorise them.

    Attributes:
        config: as for training; augmentation, dropout, weight decay and warm-up are turned off.
        options: how many utterances, and the bounds.
    """

    config: Config
    options: OverfitConfig
    checks = OVERFIT_CHECKS

    def open(self, console: Console) -> tuple[str, OverfitContext]:
        """Train the model on them.

        Raises:
            SlrError: data, options or memory that do not allow it.
        """
        options = self.options
        check_section(options, "--")
        epochs = -(-options.steps // STEPS_AN_EPOCH)
        config = merge(self.config, OVERFIT_FIXED, "slr check overfit")
        config = merge(config, {"optim": {"epochs": epochs, "batch_size": options.utterances}}, "slr check overfit")
        check_bounds(config)
        data, model, _ = fresh(config, console)
        chosen = handful(data, config, options.utterances, model.output_length, console)
        few = replace(data.corpus, splits={"train": chosen, "dev": chosen})
        session = Session(config, replace(data, corpus=few), model, console)
        trainer, old = session.trainer, session.batches
        trainer.batches = WholeSet(old.clips, old.targets, old.options, model.output_length, len(chosen), old.seed)
        session.describe()
        session.set_statistics()
        context = attempt(session, options, console)
        context.model = ModelContext(model, data.layout.width, model.vocab_size, data.layout, config.run.seed)
        context.utterances = tuple(item.id for item in chosen)
        return f"{config.model.arch} on {len(chosen)} utterances of {data.corpus.root}", context


def handful(data: TrainingData, config: Config, count: int, output_length, console: Console) -> list[Utterance]:
    """So many utterances of train, drawn by the seed from those that can be learnt from."""
    train = list(data.train)
    random.Random(config.run.seed).shuffle(train)
    some = replace(data.corpus, splits={**data.corpus.splits, "train": train[: CANDIDATES * count]})
    return learnable(replace(data, corpus=some), config, output_length, console)[0][:count]


def attempt(session: Session, options: OverfitConfig, console: Console) -> OverfitContext:
    """Train until the clips are memorised, a bound is reached or training breaks."""
    trainer, lr = session.trainer, session.config.optim.lr
    context = OverfitContext([], [], options.enough, lr, f"{options.steps} steps")
    started = time.perf_counter()

    def spent() -> float:
        return time.perf_counter() - started

    def record(found: Evaluation) -> bool:
        score, step = found.score, len(context.losses)
        context.points.append(Point(step, spent(), context.losses[-1], score.wer, score.emission, found.blank_share))
        return score.wer <= options.enough

    with interruptible() as interrupted, memory_advice(), console.progress("overfitting", options.seconds) as task:
        shown = 0.0
        try:
            for event in trainer.run(lambda: interrupted() or spent() > options.seconds):
                if isinstance(event, Step):
                    context.losses.append(event.loss)
                    shown = _show(task, context, spent(), shown)
                elif isinstance(event, EpochEnd):
                    if record(event.evaluation):
                        break
                elif not isinstance(event, Stopped):
                    continue  # a step that was skipped: the loop gives up where that lasts
                elif interrupted():
                    raise Ended(interrupted.signal)
                else:
                    context.limit = f"{options.seconds:g} seconds"
                    record(evaluate(trainer.recogniser, session.dev))
        except NotFiniteError as error:
            context.broken = f"{error.what}, {error.where}"
    context.seconds = spent()
    return context


def _show(task: Task, context: OverfitContext, seconds: float, shown: float) -> float:
    """Move the bar, whose length is the time that is allowed."""
    task.advance(seconds - shown)
    wer = f"  WER {context.points[-1].wer:.0f} %" if context.points else ""
    task.describe(f"overfitting  step {len(context.losses)}  loss {context.losses[-1]:.2f}{wer}")
    return seconds
