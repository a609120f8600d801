"""The diagnostics of a run: each examines the epochs so far and reports one problem, under its own code.

The thresholds were verified on seven histories of real runs, sound and failed ones; see the tests.
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
        title: what holds in a sound run, in a few words.
        function: the epochs so far -> what is wrong, still without a code, or None.
        level: of its finding; a note is nothing to worry about.
    """

    code: str
    title: str
    function: Callable[[History], Finding | None]
    level: Level = Level.WARNING

    def judge(self, history: History) -> Finding | None:
        """The finding under this diagnostic's code, or None."""
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


@diagnostic("SLR-T01", "the output is not all blank")
def all_blank(history: History) -> Finding | None:
    """Hardly any gloss is emitted after the epochs in which that is usual: the plateau of CTC."""
    now = history.now
    if now.epoch < GRACE or now.emission >= BLANK_ONLY:
        return None
    what = (
        f"The output is all blank: {now.blank_share:.1%} of the output frames are blank, and the number of emitted "
        f"glosses is {now.emission:.1f} % of the reference's"
    )
    if len(history.epochs) >= LASTING and now.loss < 0.98 * history.last(LASTING)[0].loss:
        return _say(history, f"{what}. The loss still falls.", "Wait: the plateau ends while the loss falls.")
    return _say(history, f"{what}.", f"Raise --lr, shorten the warm-up, and check that it can learn: {OVERFIT}.")


@diagnostic("SLR-T02", "more than a few glosses are emitted")
def few_glosses(history: History) -> Finding | None:
    """The same two or three glosses for every clip."""
    now = history.now
    few = now.distinct <= min(FEW_GLOSSES, now.distinct_ref - 1)
    if now.epoch < GRACE or now.emission < BLANK_ONLY or not few:
        return None
    what = f"Only {now.distinct} of {now.distinct_ref} glosses are ever emitted."
    fix = "The model follows gloss frequencies, not signing. Check that features and annotations belong together."
    return _say(history, what, fix)


@diagnostic("SLR-T03", "the WER is below 80 % after 20 epochs")
def stuck(history: History) -> Finding | None:
    """The best WER of a long run is still bad."""
    now, best = history.now, history.best
    if now.epoch < STUCK_EPOCH or best.wer <= STUCK_WER:
        return None
    what = f"The best WER is {best.wer:.1f} % (epoch {best.epoch}) after {now.epoch} epochs."
    simpler = f"whether a simpler architecture learns (--arch {DEFAULT_ARCH})"
    last = f"whether a handful of utterances can be learnt ({OVERFIT})"
    fix = (
        "Check three things: whether the features are normalised (slr check data), whether the annotations match the "
        f"features, and {last if history.arch == DEFAULT_ARCH else simpler}."
    )
    return _say(history, what, fix)


@diagnostic("SLR-T04", "enough glosses are emitted on dev")
def too_few(history: History) -> Finding | None:
    """Train is learnt, yet on dev most glosses are swallowed by the blank."""
    now = history.now

    def swallowed(item) -> bool:
        return BLANK_ONLY <= item.emission < TOO_FEW and item.loss < LEARNT

    if now.epoch < GRACE or not history.holds_for(LASTING, swallowed):
        return None
    what = (
        f"The loss on train is low ({now.loss:.2f} per gloss), but on dev only {now.emission:.0f} % as many glosses "
        f"are emitted as signed ({now.blank_share:.0%} of the frames are blank)."
    )
    fix = "Dev differs from train in signers, frame rate or layout (slr check data). Use more augmentation or dropout."
    return _say(history, what, fix)


@diagnostic("SLR-T05", "not too many glosses are emitted on dev")
def too_many(history: History) -> Finding | None:
    """Glosses are made up, or stutter."""
    now = history.now
    if now.epoch < EARLY or not history.holds_for(LASTING, lambda item: item.emission > TOO_MANY):
        return None
    what = f"{now.emission:.0f} % as many glosses are emitted as signed."
    fix = "Check whether annotations lack signed glosses, and whether dev has the frame rate of train."
    return _say(history, what, fix)


@diagnostic("SLR-T06", "no single gloss dominates the output")
def dominant(history: History) -> Finding | None:
    """The output has several glosses, but mostly one."""
    now = history.now
    limit = max(DOMINANT, 2 * now.top_share_ref)
    if now.epoch < GRACE or now.emission < BLANK_ONLY or now.distinct <= FEW_GLOSSES or now.top_share <= limit:
        return None
    what = (
        f"One gloss makes up {now.top_share:.0%} of the emitted glosses, the most frequent one of the reference "
        f"{now.top_share_ref:.0%} of its glosses."
    )
    fix = "Look at the gloss counts (slr vocab), then raise --lr or train longer."
    return _say(history, what, fix)


@diagnostic("SLR-T07", "there are blanks between the glosses")
def no_blank(history: History) -> Finding | None:
    """Hardly any frame is blank, so a gloss cannot be distinguished from its repetition."""
    now = history.now
    if now.epoch < GRACE or not history.holds_for(LASTING, lambda item: item.blank_share < NO_BLANK):
        return None
    what = f"Only {now.blank_share:.1%} of the output frames are blank; a gloss lasts {now.spike_frames:.1f} of them."
    fix = "Check whether the stride is too large for the signing (slr check model), or --lr too low."
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
        f"The gradient norm is {now.grad_norm:.3g} on average and {now.grad_norm_max:.3g} at most; it was {usual:.3g} "
        "before."
    )
    return _say(history, what, "Lower --lr, or clip the gradient more (--set optim.clip_norm=1).")


@diagnostic("SLR-T09", "the gradient does not vanish")
def vanishing(history: History) -> Finding | None:
    """There is much to learn and nothing to learn it by."""
    now = history.now
    if not history.holds_for(2, lambda item: item.grad_norm < VANISHED and item.loss > LEARNT):
        return None
    what = f"The gradient norm is {now.grad_norm:.1e} at a loss of {now.loss:.2f} per gloss."
    return _say(
        history, what, "Run slr check model; it finds dead activations and layers that are cut off from the loss."
    )


@diagnostic("SLR-T10", "loss and gradient are finite", Level.ERROR)
def not_finite(history: History) -> Finding | None:
    """Steps or a whole epoch without finite numbers; `slr train` names the utterances."""
    now = history.now
    if now.skipped:
        what = f"{NOT_FINITE} in {now.skipped} steps of the epoch, which were skipped."
        return _say(history, what, NOT_FINITE_FIX)
    if math.isfinite(now.loss) and math.isfinite(now.grad_norm):
        return None
    return _say(history, f"{NOT_FINITE}.", NOT_FINITE_FIX)


NOT_FINITE = "The loss or its gradient is not finite"
NOT_FINITE_FIX = "Check these utterances with slr check data, lower --lr, or use --precision fp32."


@diagnostic("SLR-T11", "the WER on dev falls with the loss")
def contradiction(history: History) -> Finding | None:
    """Train is learnt, and nothing of it helps on dev."""
    now = history.now

    def contradicts(item) -> bool:
        return item.wer >= HOPELESS and (item.loss < LEARNT or item.dev_loss < LEARNT)

    if now.epoch < EARLY or not history.holds_for(LASTING, contradicts):
        return None
    losses = f"train {now.loss:.2f}, dev {now.dev_loss:.2f} per gloss"
    what = f"The loss has fallen ({losses}), yet the WER on dev stays at {now.wer:.1f} %."
    fix = (
        "Annotations and features of dev may not belong together, or glosses may be spelt differently from train. Run "
        "slr check data --data-dir DIR, then look at the alignments of the worst sentences (slr eval)."
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
    what = f"The loss rose from {lowest.loss:.2f} (epoch {lowest.epoch}) to {now.loss:.2f}."
    rate = f" (it is {now.lr:.1e} now)" if now.lr else ""
    return _say(history, what, f"The learning rate is too high{rate}. Try a third of it.")


@diagnostic("SLR-T13", "the loss falls")
def too_low(history: History) -> Finding | None:
    """The loss on train hardly moves from where it began, though the warm-up is over."""
    now, first = history.now, history.epochs[0]
    if now.epoch < max(EARLY, history.warmup + LASTING) or len(history.epochs) < EARLY or now.loss < LEARNT:
        return None
    if not FALLEN * first.loss < now.loss <= RISEN * first.loss:
        return None
    what = f"The loss has hardly changed in {now.epoch} epochs: it was {first.loss:.2f} and is {now.loss:.2f}."
    rate = f" (it is {now.lr:.1e} now)" if now.lr else ""
    fix = f"The learning rate{rate} may be too low or much too high. Try ten times it, then a tenth, then {OVERFIT}."
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


@diagnostic("SLR-T14", "the loss on dev falls with that on train", Level.NOTE)
def dev_loss_alone(history: History) -> Finding | None:
    """The loss on dev rises while its WER still falls: sure of its errors, but still getting better."""
    now, lowest = history.now, _turned(history)
    if lowest is None or history.best.epoch <= now.epoch - LASTING:
        return None
    what = (
        f"The loss on dev rises ({lowest.dev_loss:.2f} in epoch {lowest.epoch}, now {now.dev_loss:.2f}), "
        f"but the WER still falls ({history.best.wer:.1f} %)."
    )
    return _say(history, what, "Continue: the best checkpoint is selected by WER.")


@diagnostic("SLR-T15", "training does not overfit")
def overfitting(history: History) -> Finding | None:
    """The loss on dev rises, that on train falls, and the WER has not got better for a while."""
    now, lowest, best = history.now, _turned(history), history.best
    if lowest is None or best.epoch > now.epoch - GRACE:
        return None
    what = (
        f"The run overfits: the loss on dev rises ({lowest.dev_loss:.2f} in epoch {lowest.epoch}, now "
        f"{now.dev_loss:.2f}), that on train falls to {now.loss:.2f}, and the best WER is that of epoch {best.epoch} "
        f"({best.wer:.1f} %)."
    )
    fix = "Stop (--patience 10 does so), or raise --dropout, --weight-decay or the augmentation ([augment])."
    return _say(history, what, fix)
