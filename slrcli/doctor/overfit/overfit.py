"""What `slr check overfit` does: a handful of the user's own utterances, learnt by heart on the very training path."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from slrcli.config import OVERFIT_FIXED, Config, OverfitConfig, check_bounds, check_section, merge
from slrcli.console import Console, Task
from slrcli.corpus import Utterance
from slrcli.corpus.clips import Batch
from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.model.probe import ModelContext
from slrcli.doctor.overfit.checks import OVERFIT_CHECKS, OverfitContext, Point
from slrcli.doctor.run import Examination, examine
from slrcli.evaluation.evaluate import Evaluation, evaluate
from slrcli.training.batches import TrainBatches
from slrcli.training.data import TrainingData, learnable
from slrcli.training.loop import EpochEnd, NotFiniteError, Step
from slrcli.training.run import Session, fresh, interruptible, memory_advice

CANDIDATES = 4  # times as many utterances as wanted are looked at, since some may be too short for their glosses
STEPS_AN_EPOCH = 5  # steps from one evaluation to the next


@dataclass(frozen=True)
class OverfitResult:
    """What came of it.

    Attributes:
        examination: the diagnostic.
        points: the evaluations on the way.
        losses: of every step.
        utterances: ids of those that were to be learnt.
        seconds: of training.
    """

    examination: Examination
    points: tuple[Point, ...]
    losses: tuple[float, ...]
    utterances: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict:
        """Plain values, for `--json`."""
        return {
            **self.examination.as_dict(),
            "utterances": list(self.utterances),
            "seconds": round(self.seconds, 1),
            "curve": [point._asdict() for point in self.points],
        }


class WholeSet(TrainBatches):
    """All clips as one batch, the same `STEPS_AN_EPOCH` times an epoch."""

    def __len__(self) -> int:
        return STEPS_AN_EPOCH

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batch, as often as is left of the epoch."""
        batch = self._make(range(len(self.clips)), number)
        for _ in range(start, len(self)):
            yield batch


def overfit(config: Config, options: OverfitConfig, console: Console, choice: Choice = ALL) -> OverfitResult:
    """Learn a few utterances by heart.

    Args:
        config: as for training; variation, dropout, decay and warm-up are turned off.
        options: how many utterances, and the bounds.
        console: progress and notes go there.
        choice: which diagnostics are wanted.

    Raises:
        SlrError: data, options or memory that do not allow it.
    """
    check_section(options, "--")
    epochs = -(-options.steps // STEPS_AN_EPOCH)
    config = merge(config, OVERFIT_FIXED, "slr check overfit")
    config = merge(config, {"optim": {"epochs": epochs, "batch_size": options.utterances}}, "slr check overfit")
    check_bounds(config)
    data, model = fresh(config, console)
    chosen = handful(data, config, options.utterances, model.output_length, console)
    few = replace(data.corpus, splits={"train": chosen, "dev": chosen})
    session = Session(config, replace(data, corpus=few), model, console)
    trainer, old = session.trainer, session.batches
    trainer.batches = WholeSet(old.clips, old.targets, old.options, model.output_length, len(chosen), old.seed)
    session.describe()
    session.set_statistics()
    context, seconds = attempt(session, options, console)
    layout = data.layout
    context.model = ModelContext(model, layout.width, model.vocab_size, layout, seed=config.run.seed)
    subject = f"{config.model.arch} on {len(chosen)} utterances of {data.corpus.root}"
    examination = examine(subject, context, OVERFIT_CHECKS, choice=choice)
    ids = tuple(item.id for item in chosen)
    return OverfitResult(examination, tuple(context.points), tuple(context.losses), ids, seconds)


def handful(data: TrainingData, config: Config, count: int, output_length, console: Console) -> list[Utterance]:
    """So many utterances of train, drawn by the seed from those that can be learnt from."""
    train = list(data.train)
    random.Random(config.run.seed).shuffle(train)
    some = replace(data.corpus, splits={**data.corpus.splits, "train": train[: CANDIDATES * count]})
    return learnable(replace(data, corpus=some), config, output_length, console)[0][:count]


def attempt(session: Session, options: OverfitConfig, console: Console) -> tuple[OverfitContext, float]:
    """Train until it is learnt, a bound is reached or it breaks; how it went, and the seconds it took."""
    trainer, lr = session.trainer, session.config.optim.lr
    context = OverfitContext([], [], options.enough, lr, f"{options.steps} steps")
    started = time.perf_counter()

    def spent() -> float:
        return time.perf_counter() - started

    def record(found: Evaluation) -> bool:
        score, step = found.score, len(context.losses)
        context.points.append(Point(step, spent(), context.losses[-1], score.wer, score.emission, found.blank_share))
        return score.wer <= options.enough

    with interruptible() as interrupted, memory_advice(), console.progress("learning", options.seconds) as task:
        shown = 0.0
        try:
            for event in trainer.run(lambda: interrupted() or spent() > options.seconds):
                if isinstance(event, Step):
                    context.losses.append(event.loss)
                    shown = _show(task, context, spent(), shown)
                elif isinstance(event, EpochEnd):
                    if record(event.evaluation):
                        break
                elif interrupted():
                    raise KeyboardInterrupt
                else:
                    context.limit = f"{options.seconds:g} seconds"
                    record(evaluate(trainer.recogniser, session.dev))
        except NotFiniteError as error:
            context.broken = f"{error.what}, {error.where}"
    return context, spent()


def _show(task: Task, context: OverfitContext, seconds: float, shown: float) -> float:
    """Move the bar, whose length is the time that is allowed."""
    task.advance(seconds - shown)
    wer = f"  WER {context.points[-1].wer:.0f} %" if context.points else ""
    task.describe(f"learning by heart  step {len(context.losses)}  loss {context.losses[-1]:.2f}{wer}")
    return seconds
