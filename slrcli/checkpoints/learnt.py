"""Whether a recogniser has learnt from utterances that are to say something about it."""

from collections.abc import Iterable

from slrcli.checkpoints.meta import Meta
from slrcli.console import Console
from slrcli.errors import DataError


def require_unlearnt(
    meta: Meta, marks: Iterable[str], what: str, where: str, fix: str, console: Console, of: str = "The checkpoint"
) -> None:
    """Refuse what a checkpoint was trained on; say so aloud where an older one does not tell.

    Args:
        meta: of the checkpoint.
        marks: of the utterances in question, see `Utterance.mark`.
        what: they are, for people: `utterances of dev`.
        where: they came from, or what asked for them.
        fix: what to do instead.
        console: for the warning.
        of: who has learnt, at the beginning of a sentence.

    Raises:
        DataError: it has learnt from some of them.
    """
    if not meta.utterances:
        console.warn(
            f"{of} does not say what it has learnt from (an older version wrote it); see that no {what} are it."
        )
        return
    known, asked = set(meta.utterances), list(marks)
    learnt = sum(mark in known for mark in asked)
    if learnt:
        raise DataError(f"{of} has learnt from {learnt:,} of {len(asked):,} {what}.", where, fix)
