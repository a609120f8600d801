"""Whether a recogniser was trained on the utterances that it is evaluated or fitted on."""

from collections.abc import Iterable

from slrcli.checkpoints.meta import Meta
from slrcli.console import Console
from slrcli.errors import DataError


def require_unlearnt(
    meta: Meta, marks: Iterable[str], what: str, where: str, fix: str, console: Console, of: str = "The checkpoint"
) -> None:
    """Refuse utterances that a checkpoint was trained on; warn where an older checkpoint does not record them.

    Args:
        meta: of the checkpoint.
        marks: of the utterances in question, see `Utterance.mark`.
        what: they are, for people: `utterances of dev`.
        where: they came from, or what asked for them.
        fix: what to do instead.
        console: for the warning.
        of: what was trained, at the beginning of a sentence.

    Raises:
        DataError: it was trained on some of them.
    """
    if not meta.utterances:
        console.warn(
            f"{of} does not record its training utterances, since an older version wrote it. Make sure that no {what} "
            "are among them."
        )
        return
    known, asked = set(meta.utterances), list(marks)
    learnt = sum(mark in known for mark in asked)
    if learnt:
        raise DataError(f"{of} was trained on {learnt:,} of {len(asked):,} {what}.", where, fix)
