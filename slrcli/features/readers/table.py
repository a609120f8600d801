"""Text tables of coordinates, one line per frame: `.csv`, separated by commas, semicolons or tabs.

Columns with a header may be in any order and are named after group, point (its name or its number in the whole
group) and coordinate: `pose.nose.x`, `pose_0_x`, or `x_pose_0` as in asl-fingerspelling. A layout that is named says
what they can be, else the shipped layout of which the most are there. Without a header the columns are taken as they
come. What is empty, `nan` or `null` is missing.
"""

import csv
import io
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.features.readers.common import AGAIN, Reader, check_extent, check_swelling, plainly, read_text
from slrcli.features.recording import Recording

SEPARATORS = ",;\t"
MISSING = frozenset(("", "nan", "na", "n/a", "none", "null"))
# Columns beside the coordinates: never read, except that frames have to come in order.
BESIDE = frozenset(
    ("", "frame", "frame_id", "time", "timestamp", "timestamp_ms", "id", "sequence_id", "participant_id")
)
FRAME = ("frame", "frame_id")


class Table(Reader):
    """Tables of numbers, one line per frame."""

    suffixes = (".csv",)
    is_text = True

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`; `layout` gives the possible names of columns.

        Raises:
            DataError: the file is not a table of numbers, has lines of different lengths, or unknown columns.
        """
        with plainly(path):
            rows = _rows(read_text(path), path)
            head = None if all(_is_number(cell) for cell in rows[0]) else [cell.strip() for cell in rows.pop(0)]
            width = len(head or rows[0]) if head or rows else 0
            check_extent(len(rows), width, path)
            for number, row in enumerate(rows, 2 if head else 1):
                if len(row) != width:
                    raise DataError(f"Line {number} has {len(row)} cells, but the first line has {width}.", path, AGAIN)
            values = _numbers(rows, path, 2 if head else 1)
        if head is None:
            return Recording(values)
        _in_order(head, values, path)
        return arrange(head, values, layout, path)


def arrange(head: Sequence[str], values: np.ndarray, layout: Layout | None, path: Path) -> Recording:
    """Named columns `[T, N]` in the order of a layout; absent columns are missing.

    Raises:
        DataError: a name is unknown, or occurs twice.
    """
    wanted = [(index, key(name)) for index, name in enumerate(head) if name.lower() not in BESIDE]
    layout = _meant([name for _, name in wanted], layout)
    if layout is None:  # features under names of their own
        return Recording(np.ascontiguousarray(values[:, [index for index, _ in wanted]]))
    columns, found = _columns(layout), {}
    for index, name in wanted:
        if name not in columns:
            what = f"Column {index + 1} is named {head[index]!r}, which layout {layout.name} does not have."
            raise DataError(what, path, "Name the layout with --layout, or leave the column out.")
        if columns[name] in found:
            raise DataError(f"Two columns are named {head[index]!r}.", path, "Leave one out.")
        found[columns[name]] = index
    check_extent(len(values), layout.width, path)
    check_swelling(4 * len(values) * layout.width, path)
    x = np.full((len(values), layout.width), np.nan, np.float32)
    x[:, list(found)] = values[:, list(found.values())]
    return Recording(x, layout)


def key(name: str) -> str:
    """A column's name in one spelling: `x_left_hand_3` and `left_hand.3.x` are both `left_hand_3_x`.

    >>> key("x_face_0"), key("pose.Nose.y")
    ('face_0_x', 'pose_nose_y')
    """
    plain = re.sub(r"[.\s:/-]+", "_", name.strip().lower())
    found = re.fullmatch(r"(x|y|z|visibility|confidence)_(.+)", plain)
    return f"{found[2]}_{found[1]}" if found else plain


@lru_cache(maxsize=16)
def _columns(layout: Layout) -> dict[str, int]:
    """Every name that a column may have -> its place. Numbers count the points of the group, in the layout's order,
    except where points are called by numbers themselves."""
    columns: dict[str, int] = {}
    for group in layout.groups:
        for number, point in enumerate(group.points):
            for coordinate in group.coordinates:
                place = group.column(point, coordinate)
                columns.setdefault(key(f"{group.name}_{point}_{coordinate}"), place)
                if not any(name.isdecimal() for name in group.points):
                    columns.setdefault(key(f"{group.name}_{number}_{coordinate}"), place)
    blocks = range(1, layout.stored_derivatives + 1)
    return columns | {
        f"d{order}_{name}": order * layout.positions + place for order in blocks for name, place in columns.items()
    }


def column_names(layout: Layout) -> list[str]:
    """Names of all columns of a layout, `pose.nose.x`; stored derivatives begin with their order: `d1.pose.nose.x`."""
    places = ((group, point, axis) for group in layout.groups for point in group.points for axis in group.coordinates)
    names = [f"{group.name}.{point}.{axis}" for group, point, axis in places]
    return names + [f"d{order}.{name}" for order in range(1, layout.stored_derivatives + 1) for name in names]


def _meant(names: list[str], layout: Layout | None) -> Layout | None:
    """The layout whose columns these are: the one that was named or the shipped one with the most of them (the smallest
    of several), whichever has them all; else that of the two which has more than half; else None."""

    def fitness(layout: Layout) -> tuple[int, bool, int]:
        return len(_columns(layout).keys() & names), layout.name != "kaggle-543", -layout.width

    if layout and fitness(layout)[0] == len(set(names)):
        return layout
    best = max((load_layout(name) for name in list_layouts()[:-1]), key=fitness)
    if fitness(best)[0] == len(set(names)):
        return best
    candidates = [candidate for candidate in (layout, best) if candidate]
    return next((candidate for candidate in candidates if 2 * fitness(candidate)[0] > len(names)), None)


def _rows(text: str, path: Path) -> list[list[str]]:
    first = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    except csv.Error as error:
        raise DataError(f"This is not a table: {error}.", path, AGAIN) from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise DataError("The table is empty.", path, AGAIN)
    return rows


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in MISSING
    return True


def _numbers(rows: list[list[str]], path: Path, first: int) -> np.ndarray:
    """The cells as float32."""
    try:
        return np.asarray(rows, dtype=np.float32)  # the quick way, where nothing is missing
    except ValueError:
        pass
    values = np.full((len(rows), len(rows[0])), np.nan, np.float32)
    for t, row in enumerate(rows):
        for column, cell in enumerate(row):
            if cell.strip().lower() in MISSING:
                continue
            try:
                values[t, column] = float(cell)
            except ValueError:
                what = f"Line {first + t}, column {column + 1} holds {cell[:20]!r}, which is not a number."
                raise DataError(what, path, "Leave a cell empty where nothing was seen.") from None
    return values


def _in_order(head: list[str], values: np.ndarray, path: Path) -> None:
    """DataError for frames out of order."""
    for index, name in enumerate(head):
        if name.lower() in FRAME and (np.diff(values[:, index]) < 0).any():
            raise DataError("The frames are not in order.", path, "Sort the lines by frame, with one clip per file.")
