"""What the numbers of an epoch mean: milestones on the way, and named diagnostics when training goes wrong."""

from collections.abc import Iterable

from slrcli.findings import Finding
from slrcli.training.watch.diagnostics import DIAGNOSTICS
from slrcli.training.watch.history import EpochNumbers, History

# Loss and WER (percent) that a run should be below after so many epochs, as the forerunner's documents state them;
# its last line says "later", which is taken as epoch 100.
MILESTONES = ((5, 5.0, 90.0), (10, 3.0, 80.0), (20, 2.5, 70.0), (50, 2.0, 50.0), (100, 1.5, 40.0))


def milestone(numbers: EpochNumbers) -> str:
    """A line for the epochs at which the milestones stand, else nothing."""
    for epoch, loss, wer in MILESTONES:
        if epoch == numbers.epoch:
            parts = (("loss", numbers.loss, loss, ""), ("WER", numbers.wer, wer, " %"))
            said = [
                f"{name} {value:.1f}{unit} is {'ahead of' if value <= goal else 'behind'} schedule "
                f"(at most {goal:g}{unit})"
                for name, value, goal, unit in parts
            ]
            return f"milestone of epoch {epoch}: {', '.join(said)}"
    return ""


class RunDiagnostics:
    """Watches a run, and says each diagnostic once.

    Args:
        arch: the architecture that is trained.
        warmup: epochs over which the learning rate rises.
        epochs: those that are over already, where a run goes on.
        said: codes that have been said of them.
    """

    def __init__(
        self, arch: str = "", warmup: float = 0.0, epochs: Iterable[EpochNumbers] = (), said: Iterable[str] = ()
    ):
        self.arch, self.warmup = arch, warmup
        self.epochs, self.said = list(epochs), list(said)

    def observe(self, numbers: EpochNumbers) -> list[Finding]:
        """What this epoch gives cause to say, and has not been said before."""
        self.epochs.append(numbers)
        history = History(self.epochs, self.arch, self.warmup)
        judged = (diagnostic.judge(history) for diagnostic in DIAGNOSTICS if diagnostic.code not in self.said)
        found = [finding for finding in judged if finding is not None]
        self.said += [finding.code for finding in found]
        return found
