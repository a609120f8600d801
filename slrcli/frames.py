"""Rows as a data frame of pandas, which is loaded when the first one is asked for."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from slrcli.errors import DataError, DependencyError

if TYPE_CHECKING:
    import pandas


def frame_of(rows: Iterable[Any], columns: Sequence[str] | None = None) -> "pandas.DataFrame":
    """The rows, tuples or dictionaries, as a data frame.

    Args:
        columns: their names and order; None: as the dictionaries have them.

    Raises:
        DependencyError: pandas is not installed.
        DataError: a text has halves of characters, which pandas cannot hold.
    """
    try:
        import pandas
    except ImportError as error:
        raise DependencyError("Data frames need the library pandas.", "to_frame", "Run pip install pandas.") from error
    try:
        return pandas.DataFrame(list(rows), columns=None if columns is None else list(columns))
    except UnicodeEncodeError as error:
        what = f"A data frame cannot hold {error.object!r:.80}, which is not UTF-8."
        raise DataError(what, "to_frame", "Correct the file that says so.") from error
