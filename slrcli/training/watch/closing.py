"""What a run that ended badly says last: what is wrong, and the commands that look into it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slrcli.findings import Level
from slrcli.training.watch.diagnostics import BLANK_ONLY, DIAGNOSTICS, EARLY, HOPELESS
from slrcli.training.watch.history import EpochNumbers


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        last: the numbers of its last epoch.
        wer: of the checkpoint that is kept, on dev, percent.
        said: codes of the diagnostics that were raised.
        data_dir: the corpus.
    """

    last: EpochNumbers
    wer: float
    said: Iterable[str]
    data_dir: str


def closing(ending: Ending) -> Iterator[str]:
    """The lines; none for a run that went well."""
    mild = {diagnostic.code for diagnostic in DIAGNOSTICS if diagnostic.level is Level.NOTE}
    codes = [code for code in ending.said if code not in mild]
    failures = list(_failures(ending))
    if not failures and not codes:
        return
    yield from failures
    if ending.last.epoch < EARLY:
        few = f"That is usual after so few epochs ({ending.last.epoch})"
        yield f"{few}: train longer (--epochs N) before you look for faults."
        return
    if codes:
        yield f"Diagnostics were raised: {', '.join(codes)}."
    yield "Look at:"
    for code in codes:
        yield f"  slr check --explain {code}"
    if failures:
        yield f"  slr check overfit --data-dir {ending.data_dir}"
        yield f"  slr check data --data-dir {ending.data_dir}"


def _failures(ending: Ending) -> Iterator[str]:
    """What can be seen of the numbers alone."""
    if ending.wer >= HOPELESS:
        yield f"The run has not learnt to recognise: the best WER on dev is {ending.wer:.2f} %."
    if ending.last.emission < BLANK_ONLY:
        yield f"The output is blank: it has {ending.last.emission:.1f} % of the reference's glosses."
