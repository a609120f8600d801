"""The diagnostics on a run: each looks at the epochs so far and says what is wrong, under a code of its own.

Thresholds were held against seven histories of real runs, sound and failed ones; see the tests.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from slrcli.config import DEFAULT_ARCH
from slrcli.findings import Finding, Level
from slrcli.training.watch.history import EpochNumbers, History

GRACE = 10  # epochs in which a model may say nothing, or always the same: all pass through this, small corpora long
EARLY = 5  # epochs before which hardly anything can be said
STUCK_EPOCH, STUCK_WER = 20, 80.0
BLANK_ONLY = 1.0  # output/reference ratio in percent below which a model says nothing
FEW_GLOSSES = 3
TOO_FEW, TOO_MANY = 50.0, 150.0  # output/reference ratio in percent
LEARNT = 1.0  # loss per gloss on train below which it counts as learnt
DOMINANT = 0.5  # share of one gloss in the output
NO_BLANK = 0.05  # share of blank frames below which glosses run into each other
EXPLODED, SPIKED = 10.0, 100.0  # mean and largest norm of the gradient against the median of the epochs before
VANISHED = 1e-4  # mean norm of the gradient
HOPELESS = 95.0  # WER in percent
RISEN, FALLEN = 1.5, 0.9  # of the loss on train, against its lowest and its first value
NOISE = 0.25  # loss per gloss by which epochs with few utterances, varied anew, differ anyway
OVERFITTED = 1.1  # of the loss on dev, against its lowest value
LASTING = 3  # epochs in a row that make a state of something

OVERFIT = "slr check overfit --data-dir DIR"


@dataclass(frozen=True)
class Diagnostic:
    """One diagnostic.

    Attributes:
        code: stable name, such as `SLR-T01`.
        title: what holds where there is nothing to say, in a few words.
        function: the epochs so far -> what is wrong, still without a code, or None.
        level: of its finding; a note is nothing to worry about.
    """

    code: str
    title: str
    function: Callable[[History], Finding | None]
    level: Level = Level.WARNING

    def judge(self, history: History) -> Finding | None:
        """What is wrong, under this diagnostic's code, or None."""
        finding = self.function(history)
        return finding and replace(finding, code=self.code, level=self.level)


DIAGNOSTICS: list[Diagnostic] = []


def diagnostic(code: str, title: str, level: Level = Level.WARNING) -> Callable:
    """Registers the function below it."""

    def register(function: Callable[[History], Finding | None]) -> Diagnostic:
        DIAGNOSTICS.append(Diagnostic(code, title, function, level))
        return DIAGNOSTICS[-1]

    return register


def _say(history: History, what: str, fix: str) -> Finding:
    return Finding(Level.WARNING, "", what, f"epoch {history.now.epoch}", fix)


@diagnostic("SLR-T01", "something other than blanks comes out")
def all_blank(history: History) -> Finding | None:
    """Hardly any output after the epochs in which that is usual: the plateau of CTC."""
    now = history.now
    if now.epoch < GRACE or now.emission >= BLANK_ONLY:
        return None
    what = (
        f"The output is all blank: {now.blank_share:.1%} of its frames are blank, and it has {now.emission:.1f} % of "
        "the reference's glosses"
    )
    if len(history.epochs) >= LASTING and now.loss < 0.98 * history.last(LASTING)[0].loss:
        return _say(history, f"{what}; the loss still falls", "Wait: the plateau ends while it does.")
    return _say(history, what, f"Raise --lr, shorten the warm-up, and see whether it can learn: {OVERFIT}.")


@diagnostic("SLR-T02", "the output has more than a few glosses")
def few_glosses(history: History) -> Finding | None:
    """The same two or three glosses for every clip."""
    now = history.now
    few = now.distinct <= min(FEW_GLOSSES, now.distinct_ref - 1)
    if now.epoch < GRACE or now.emission < BLANK_ONLY or not few:
        return None
    what = f"The output has only {now.distinct} of {now.distinct_ref} glosses"
    fix = "The model follows frequencies, not signing: check that features and annotations belong together."
    return _say(history, what, fix)


@diagnostic("SLR-T03", "the WER is below 80 % after 20 epochs")
def stuck(history: History) -> Finding | None:
    """The best WER of a long run is still bad."""
    now, best = history.now, history.best
    if now.epoch < STUCK_EPOCH or best.wer <= STUCK_WER:
        return None
    what = f"The best WER is {best.wer:.1f} % (epoch {best.epoch}) after {now.epoch} epochs"
    simpler = f"whether a simpler architecture learns (--arch {DEFAULT_ARCH})"
    last = f"whether a handful of utterances can be learnt ({OVERFIT})"
    fix = (
        "Look at three things: whether the features are normalised (slr check data), whether annotations match the "
        f"features, and {last if history.arch == DEFAULT_ARCH else simpler}."
    )
    return _say(history, what, fix)


@diagnostic("SLR-T04", "the output has about as many glosses as the reference")
def too_few(history: History) -> Finding | None:
    """Train is learnt, yet on dev most glosses are swallowed by the blank."""
    now = history.now

    def swallowed(item) -> bool:
        return BLANK_ONLY <= item.emission < TOO_FEW and item.loss < LEARNT

    if now.epoch < GRACE or not history.holds_for(LASTING, swallowed):
        return None
    what = (
        f"Train is learnt (loss {now.loss:.2f} per gloss), but on dev the model outputs only {now.emission:.0f} % of "
        f"the reference's glosses ({now.blank_share:.0%} of the frames are blank)"
    )
    fix = "Dev is unlike train: other signers, frame rate or layout (slr check data). More variation or dropout helps."
    return _say(history, what, fix)


@diagnostic("SLR-T05", "the output has not many more glosses than the reference")
def too_many(history: History) -> Finding | None:
    """Glosses are made up, or stutter."""
    now = history.now
    if now.epoch < EARLY or not history.holds_for(LASTING, lambda item: item.emission > TOO_MANY):
        return None
    what = f"The model outputs {now.emission:.0f} % of the reference's glosses"
    fix = "Look whether annotations lack glosses that are signed, and whether the frame rate of dev is that of train."
    return _say(history, what, fix)


@diagnostic("SLR-T06", "no single gloss stands for most others")
def dominant(history: History) -> Finding | None:
    """The output has several glosses, but mostly one."""
    now = history.now
    limit = max(DOMINANT, 2 * now.top_share_ref)
    if now.epoch < GRACE or now.emission < BLANK_ONLY or now.distinct <= FEW_GLOSSES or now.top_share <= limit:
        return None
    what = (
        f"One gloss makes up {now.top_share:.0%} of the output, the commonest of the reference only "
        f"{now.top_share_ref:.0%}"
    )
    fix = "The model falls back on the commonest gloss: look at the counts (slr vocab) and raise --lr or train longer."
    return _say(history, what, fix)


@diagnostic("SLR-T07", "blanks stand between the glosses")
def no_blank(history: History) -> Finding | None:
    """Hardly a frame is blank, so that a gloss cannot be told from its repetition."""
    now = history.now
    if now.epoch < GRACE or not history.holds_for(LASTING, lambda item: item.blank_share < NO_BLANK):
        return None
    what = f"Only {now.blank_share:.1%} of the output frames are blank; there are {now.spike_frames:.1f} per gloss"
    fix = "Look whether the model's stride is too large for the signing (slr check model), or --lr too low to move on."
    return _say(history, what, fix)


@diagnostic("SLR-T08", "the gradient does not explode")
def exploding(history: History) -> Finding | None:
    """The gradient is far beyond what it was."""
    now, before = history.now, [item.grad_norm for item in history.epochs[:-1]]
    if len(before) < 2 or (usual := median(before)) < VANISHED:
        return None
    if now.grad_norm <= EXPLODED * usual and now.grad_norm_max <= SPIKED * usual:
        return None
    what = (
        f"The gradient's norm is {now.grad_norm:.3g} on average and {now.grad_norm_max:.3g} at most; it was {usual:.3g}"
    )
    return _say(history, what, "Lower --lr, or clip harder (--set optim.clip_norm=1).")


@diagnostic("SLR-T09", "the gradient does not vanish")
def vanishing(history: History) -> Finding | None:
    """There is much to learn and nothing to learn it by."""
    now = history.now
    if not history.holds_for(2, lambda item: item.grad_norm < VANISHED and item.loss > LEARNT):
        return None
    what = f"The gradient's norm is {now.grad_norm:.1e} at a loss of {now.loss:.2f} per gloss"
    return _say(history, what, "Look for dead activations and for layers cut off from the loss (slr check model).")


@diagnostic("SLR-T10", "loss and gradient are finite", Level.ERROR)
def not_finite(history: History) -> Finding | None:
    """A record of an epoch without numbers; a run of ours ends before it, with the ids of the utterances."""
    if math.isfinite(history.now.loss) and math.isfinite(history.now.grad_norm):
        return None
    return _say(history, NOT_FINITE, NOT_FINITE_FIX)


NOT_FINITE = "The loss or its gradient is not finite"
NOT_FINITE_FIX = "Check these utterances with slr check data, lower --lr, or use --precision fp32."


@diagnostic("SLR-T11", "the WER of dev follows the loss")
def contradiction(history: History) -> Finding | None:
    """Train is learnt, and nothing of it helps on dev."""
    now = history.now

    def contradicts(item) -> bool:
        return item.wer >= HOPELESS and (item.loss < LEARNT or item.dev_loss < LEARNT)

    if now.epoch < EARLY or not history.holds_for(LASTING, contradicts):
        return None
    losses = f"train {now.loss:.2f}, dev {now.dev_loss:.2f} per gloss"
    what = f"The loss has fallen ({losses}), yet the WER of dev stays at {now.wer:.1f} %"
    fix = (
        "Features and annotations of dev may not belong together, or its glosses may be written otherwise than those "
        "of train: run slr check data --data-dir DIR, then slr eval --worst 10."
    )
    return _say(history, what, fix)


@diagnostic("SLR-T12", "the loss does not rise again")
def too_high(history: History) -> Finding | None:
    """The loss on train is far above where it was, or above where the run began, and stays there."""
    now, earlier = history.now, history.epochs[:-2]
    if not earlier:
        return None
    lowest = min(earlier, key=lambda item: item.loss)
    limit = max(RISEN * lowest.loss, lowest.loss + NOISE)
    if not history.holds_for(2, lambda item: item.loss > limit):
        return None
    what = f"The loss rose from {lowest.loss:.2f} (epoch {lowest.epoch}) to {now.loss:.2f}"
    rate = f" (it is {now.lr:.1e} now)" if now.lr else ""
    return _say(history, what, f"The learning rate is too high{rate}: try a third of it.")


@diagnostic("SLR-T13", "the loss falls")
def too_low(history: History) -> Finding | None:
    """The loss on train hardly moves from where it began, though the warm-up is over."""
    now, first = history.now, history.epochs[0]
    if now.epoch < max(EARLY, history.warmup + LASTING) or len(history.epochs) < EARLY or now.loss < LEARNT:
        return None
    if not FALLEN * first.loss < now.loss <= RISEN * first.loss:
        return None
    what = f"The loss has hardly moved in {now.epoch} epochs: {first.loss:.2f}, now {now.loss:.2f}"
    rate = f" (it is {now.lr:.1e} now)" if now.lr else ""
    fix = f"The learning rate{rate} may be too low, or much too high: try ten times it, then a tenth. Else {OVERFIT}."
    return _say(history, what, fix)


def _turned(history: History) -> EpochNumbers | None:
    """The epoch of the lowest loss on dev, if that has been above it for some epochs while the one on train fell."""
    lowest = history.lowest_dev_loss
    if lowest is None or lowest.epoch > history.now.epoch - LASTING:
        return None
    rises = history.holds_for(
        LASTING, lambda item: item.dev_loss > OVERFITTED * lowest.dev_loss and item.loss < lowest.loss
    )
    return lowest if rises else None


@diagnostic("SLR-T14", "the loss of dev falls with that of train", Level.NOTE)
def dev_loss_alone(history: History) -> Finding | None:
    """The loss on dev rises while its WER still falls: sure of its errors, but still getting better."""
    now, lowest = history.now, _turned(history)
    if lowest is None or history.best.epoch <= now.epoch - LASTING:
        return None
    what = (
        f"The loss of dev rises ({lowest.dev_loss:.2f} in epoch {lowest.epoch}, now {now.dev_loss:.2f}), "
        f"but its WER still falls ({history.best.wer:.1f} %)"
    )
    return _say(history, what, "Go on: the WER chooses the best checkpoint.")


@diagnostic("SLR-T15", "training does not overfit")
def overfitting(history: History) -> Finding | None:
    """The loss on dev rises, that on train falls, and the WER has not got better for a while."""
    now, lowest, best = history.now, _turned(history), history.best
    if lowest is None or best.epoch > now.epoch - GRACE:
        return None
    what = (
        f"The run is overfitting: the loss of dev rises ({lowest.dev_loss:.2f} in epoch {lowest.epoch}, now "
        f"{now.dev_loss:.2f}), that of train falls to {now.loss:.2f}, and the best WER is that of epoch {best.epoch} "
        f"({best.wer:.1f} %)"
    )
    fix = "Stop (--patience 10 does it), or raise --dropout, --weight-decay and the variations ([augment])."
    return _say(history, what, fix)
