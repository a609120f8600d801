"""What the numbers of an epoch mean: milestones on the way, and named verdicts when training goes wrong."""

from dataclasses import dataclass

from slrcli.findings import Finding, Level

# Loss and WER (percent) that a run should be below after so many epochs, as the forerunner's documents state them;
# its last line says "later", which is taken as epoch 100.
MILESTONES = ((5, 5.0, 90.0), (10, 3.0, 80.0), (20, 2.5, 70.0), (50, 2.0, 50.0), (100, 1.5, 40.0))
STUCK_EPOCH, STUCK_WER = 20, 80.0
BLANK_ONLY = 1.0  # tokens emitted, in percent of the reference's, below which a model says nothing
GRACE = 10  # epochs in which a model may say nothing, or always the same: all pass through this, small corpora long
FEW_GLOSSES = 3


@dataclass(frozen=True)
class EpochNumbers:
    """What is known of one epoch.

    Attributes:
        epoch: counted from 1.
        loss: mean CTC loss a gloss over train.
        dev_loss: the same over dev.
        wer: of dev, percent.
        emission: tokens emitted on dev, percent of the reference's.
        distinct: distinct glosses emitted on dev.
        distinct_ref: distinct glosses of dev.
        blank_share: share of dev's output frames whose best class is blank, 0 to 1.
        grad_norm: mean norm of the gradient before clipping.
    """

    epoch: int
    loss: float
    dev_loss: float
    wer: float
    emission: float
    distinct: int
    distinct_ref: int
    blank_share: float
    grad_norm: float


def milestone(numbers: EpochNumbers) -> str:
    """A line for the epochs at which the milestones stand, else nothing."""
    for epoch, loss, wer in MILESTONES:
        if epoch == numbers.epoch:
            parts = (("loss", numbers.loss, loss, ""), ("WER", numbers.wer, wer, " %"))
            said = [
                f"{name} {value:.1f}{unit} ({'reached' if value <= goal else 'MISSED'}: {goal:g}{unit})"
                for name, value, goal, unit in parts
            ]
            return f"milestone of epoch {epoch}: {', '.join(said)}"
    return ""


def verdicts(numbers: EpochNumbers) -> list[Finding]:
    """What is wrong with the run at this epoch, as far as the numbers say."""
    found = []
    if numbers.epoch >= GRACE and numbers.emission < BLANK_ONLY:
        found.append(
            Finding(
                Level.WARNING,
                "SLR-T01",
                f"all blank: {numbers.blank_share:.1%} of the output frames are blank, "
                f"{numbers.emission:.1f} % of the reference's glosses come out",
                f"epoch {numbers.epoch}",
                "Wait if the loss still falls; else raise --lr, shorten the warm-up, or run slr check model.",
            )
        )
    elif numbers.epoch >= GRACE and numbers.distinct <= min(FEW_GLOSSES, numbers.distinct_ref - 1):
        found.append(
            Finding(
                Level.WARNING,
                "SLR-T02",
                f"only {numbers.distinct} of {numbers.distinct_ref} glosses are ever emitted",
                f"epoch {numbers.epoch}",
                "The model follows frequencies, not signing: check that features and annotations belong together.",
            )
        )
    if numbers.epoch >= STUCK_EPOCH and numbers.wer > STUCK_WER:
        found.append(
            Finding(
                Level.WARNING,
                "SLR-T03",
                f"WER is still {numbers.wer:.1f} % after {numbers.epoch} epochs",
                f"epoch {numbers.epoch}",
                "Look at three things: whether the features are normalised (slr check data), whether annotations "
                "match the features, and whether a simpler architecture learns (--arch conv-bilstm).",
            )
        )
    return found
