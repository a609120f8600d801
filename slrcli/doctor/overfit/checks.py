"""Whether a handful of utterances can be learnt by heart, and if not, which of the known ways it fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import NamedTuple

from slrcli.doctor.context import Checks, Context, error, note
from slrcli.doctor.model.checks import MODEL_CHECKS
from slrcli.doctor.model.probe import ModelContext
from slrcli.findings import Finding, Level

OVERFIT_CHECKS = Checks()

LEARNT, BLANK, STUCK, SLOW, DIVERGED, UNLIKE = "learnt", "all blank", "stuck", "slow", "diverged", "unlike"
TIME_KEPT = "SLR-M04"  # the check of models that looks whether time is kept
BLANK_ONLY = 1.0  # tokens emitted, in percent of the reference's, below which a model says nothing
RISEN, UNMOVED = 1.5, 0.9  # of the loss at the end against that at the beginning
PROGRESS = 0.95  # of the loss at the end against that half way: above it nothing happens any more
NOTHING_LEFT = 0.1  # loss a gloss at the end, below which nothing is left to learn
LAST = 5  # steps whose median is the loss at the end


class Point(NamedTuple):
    """One evaluation on the way.

    Attributes:
        step: after how many steps.
        seconds: after how much time.
        loss: CTC loss a gloss of the last step.
        wer: percent.
        emission: tokens emitted, percent of the reference's.
        blank_share: of the output frames, 0 to 1.
    """

    step: int
    seconds: float
    loss: float
    wer: float
    emission: float
    blank_share: float


@dataclass
class OverfitContext(Context):
    """How the attempt went.

    Attributes:
        losses: of every step; at least one unless it broke.
        points: every evaluation; at least one unless it broke.
        enough: WER in percent that counts as learnt.
        lr: learning rate.
        limit: why it ended, such as `120 seconds`.
        broken: what was not finite; empty: nothing.
        model: what was trained, for a look at what it keeps of time; None: not to be looked at.
    """

    losses: list[float]
    points: list[Point]
    enough: float
    lr: float
    limit: str = ""
    broken: str = ""
    model: ModelContext | None = None

    @property
    def end(self) -> float:
        """The loss at the end."""
        return median(self.losses[-LAST:])

    @property
    def halfway(self) -> float:
        """The loss after half of the steps."""
        middle = len(self.losses) // 2
        return median(self.losses[max(0, middle - LAST) : middle + 1])

    @property
    def outcome(self) -> str:
        """Exactly one of the six above; `UNLIKE` where no loss is left in training, yet errors in evaluation."""
        if self.broken:
            return DIVERGED
        last, first = self.points[-1], self.losses[0]
        if last.wer <= self.enough:
            return LEARNT
        if self.end < NOTHING_LEFT:
            return UNLIKE
        if self.end > RISEN * first:
            return DIVERGED
        if self.end > UNMOVED * first:
            return STUCK
        if last.emission < BLANK_ONLY:
            return BLANK
        return STUCK if self.end > PROGRESS * self.halfway else SLOW

    @cached_property
    def time_lost(self) -> list[Finding]:
        """What the check of models for time says of the trained model, as far as it is an error."""
        if self.model is None:
            return []
        check = next(check for check in MODEL_CHECKS if check.code == TIME_KEPT)
        with self.model.isolated():
            return [finding for finding in check(self.model) if finding.level is Level.ERROR]

    @property
    def said(self) -> str:
        """How far it came, in words."""
        last = self.points[-1]
        return (
            f"after {last.step} steps ({self.limit}) the WER is {last.wer:.1f} %, "
            f"the loss went from {self.losses[0]:.2f} to {self.end:.2f}"
        )


@OVERFIT_CHECKS.add("SLR-O01", "something other than blanks is learnt")
def all_blank(context: OverfitContext) -> Iterator[Finding]:
    """The loss has fallen, yet nothing but blanks comes out: the plateau of CTC."""
    if context.outcome == BLANK:
        what = f"all blank ({context.points[-1].blank_share:.1%} of the frames): {context.said}"
        fix = f"Try --lr {3 * context.lr:g} and --lr {context.lr / 3:g}, then --seconds 300; run slr check model."
        yield error(what, fix=fix)


@OVERFIT_CHECKS.add("SLR-O02", "the loss falls")
def stuck(context: OverfitContext) -> Iterator[Finding]:
    """The loss does not move, or has stopped moving."""
    if context.outcome == STUCK:
        fix = (
            f"Look whether the clips differ at all (slr check data) and reach the classifier (slr check model); "
            f"then try --lr {10 * context.lr:g} and --lr {context.lr / 10:g}."
        )
        yield error(f"the loss is stuck: {context.said}", fix=fix)


@OVERFIT_CHECKS.add("SLR-O03", "the utterances are learnt within the bound")
def slow(context: OverfitContext) -> Iterator[Finding]:
    """It learns, but the bound came first."""
    if context.outcome == SLOW:
        fix = f"Give it more time (--seconds 600), or try --lr {3 * context.lr:g}, or fewer --utterances."
        yield error(f"it learns, but too slowly: {context.said}", fix=fix)
    elif context.outcome == LEARNT:
        last = context.points[-1]
        yield note(f"learnt by heart: WER {last.wer:.1f} % after {last.step} steps and {last.seconds:.0f} s")


@OVERFIT_CHECKS.add("SLR-O04", "loss and gradient stay finite and do not rise")
def diverged(context: OverfitContext) -> Iterator[Finding]:
    """The loss is no number any more, or above where it began."""
    if context.outcome == DIVERGED:
        what = context.broken or context.said
        fix = f"Lower --lr (to {context.lr / 10:g}, say); if that does not help, look for huge values: slr check data."
        yield error(f"training diverged: {what}", fix=fix)


@OVERFIT_CHECKS.add("SLR-O05", "what is learnt by heart keeps time")
def time_kept(context: OverfitContext) -> Iterator[Finding]:
    """A network that averages time away can still learn eight sentences by heart, each from its one average.

    Measured: without time eight sentences of 30 glosses were learnt in 60 steps, against 35 with it. So success counts
    only where the trained model passes the check of models that looks for time.
    """
    if context.outcome in (LEARNT, UNLIKE):
        for finding in context.time_lost:
            what = f"learnt by heart, but not by what is signed when ({TIME_KEPT}): {finding.what}"
            yield error(what, finding.where, "run slr check model; use another architecture (--arch conv-bilstm)")


@OVERFIT_CHECKS.add("SLR-O06", "evaluation follows training")
def evaluation_follows(context: OverfitContext) -> Iterator[Finding]:
    """No loss is left in training, yet what is decoded in evaluation is wrong, on the very same clips."""
    if context.outcome == UNLIKE and not context.time_lost:
        fix = "Look for layers that behave otherwise in evaluation (normalisation, dropout): slr check model."
        yield error(f"training has nothing left to learn, yet evaluation errs: {context.said}", fix=fix)
