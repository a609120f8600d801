"""Rows as a data frame of pandas, which is loaded when the first one is asked for."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from slrcli.errors import DependencyError

if TYPE_CHECKING:
    import pandas


def frame_of(rows: Iterable[Any], columns: Sequence[str] | None = None) -> "pandas.DataFrame":
    """The rows, tuples or dictionaries, as a data frame.

    Args:
        columns: their names and order; None: as the dictionaries have them.

    Raises:
        DependencyError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise DependencyError("Data frames need the library pandas.", "to_frame", "Run pip install pandas.") from error
    return pandas.DataFrame(list(rows), columns=None if columns is None else list(columns))
