"""Kaggle's landmarks in Parquet, through pyarrow (extra `parquet`): MediaPipe Holistic, NaN where nothing was seen.

asl-signs: long, one clip per file, columns `frame`, `type` (face, left_hand, pose, right_hand), `landmark_index`, x,
y, z.
asl-fingerspelling: wide, many clips per file, separated by `sequence_id` (a column or the index of the table), with
`frame` and `x_face_0` ... `z_right_hand_20`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError, shortened
from slrcli.features.layout import Layout, load_layout
from slrcli.features.readers.common import (
    AGAIN,
    Reader,
    check_extent,
    check_range,
    check_size,
    check_swelling,
    need,
    plainly,
)
from slrcli.features.readers.table import BESIDE, arrange
from slrcli.features.recording import Recording

EXTRA = "parquet"
LONG = ("frame", "type", "landmark_index", "x", "y", "z")
KIND, SEQUENCE = "type", "sequence_id"
BATCH = 2048  # rows that are in memory at once, besides those of one clip


class Parquet(Reader):
    """Files of Kaggle's two competitions."""

    suffixes = (".parquet",)

    def clips(
        self, path: Path, layout: Layout | None = None, people: str = "largest"
    ) -> Iterator[tuple[str, Recording]]:
        """See `Reader`; "" is the id of the clip in a file with only one.

        Raises:
            DataError: the file has other columns, a clip whose frames are not contiguous, or no frames.
        """
        with plainly(path), _opened(path) as file:
            schema = file.schema_arrow
            names = schema.names
            check_size(file.metadata.num_rows, path)
            if not file.metadata.num_rows:
                raise _empty(path)
            if set(LONG) <= set(names):
                check_extent(file.metadata.num_rows, len(LONG), path)
                check_swelling(8 * file.metadata.num_rows * len(LONG), path)
                yield "", _long(file.read(columns=list(LONG)), path)
                return
            numbers = [name for name in names if _is_number(schema.field(name).type)]
            numbers = [name for name in numbers if name.lower() not in BESIDE]
            if not numbers:
                raise DataError(f"The table has no columns of coordinates, only {', '.join(names[:5])}.", path, AGAIN)
            layout, seen = layout or _wide_layout(numbers), set()
            for sequence, values in _pieces(file, numbers, path):
                if sequence in seen:
                    what = f"The frames of clip {sequence} are not contiguous."
                    raise DataError(what, path, "Sort by sequence_id.")
                seen.add(sequence)
                yield sequence, arrange(numbers, values, layout, path)
            if not seen:  # of the rows that are announced
                raise _empty(path)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`; a DataError like those of `clips`, and if there are several clips."""
        found = list(islice(self.clips(path, layout), 2))
        if len(found) > 1:
            what = f"The file holds several clips, such as {found[0][0]} and {found[1][0]}."
            raise DataError(what, path, "Write one file per clip: slr convert FILE FOLDER")
        return found[0][1]


def _empty(path: Path) -> DataError:
    return DataError("The file is empty: 0 frames.", path, "Extract the clip again, or leave it out.")


def full_layout() -> Layout:
    """All points of such files: those of MediaPipe Holistic with irises."""
    return load_layout("mediapipe-1659")


def _wide_layout(names: Sequence[str]) -> Layout | None:
    """The usual layout for the 1,629 columns of asl-fingerspelling, which come in blocks of x, y and z."""
    return load_layout("mediapipe-1629") if {"x_face_0", "z_right_hand_20"} <= set(names) else None


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError
    parquet, types = need("pyarrow.parquet", EXTRA), need("pyarrow.types", EXTRA)
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
    texts = [name for name in (KIND, SEQUENCE) if name in schema.names and types.is_string(schema.field(name).type)]
    return parquet.ParquetFile(
        path, read_dictionary=texts
    )  # each text once, whatever its length and the number of rows


def _is_number(kind: Any) -> bool:
    types = need("pyarrow.types", EXTRA)
    return types.is_floating(kind) or types.is_integer(kind)


def _pieces(file: Any, numbers: Sequence[str], path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Id and values `[T, N]` of each clip of a wide table, sorted by frame; `sequence_id` separates the clips."""
    beside = [name for name in (SEQUENCE, "frame") if name in file.schema_arrow.names]
    current = ""
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for batch in file.iter_batches(batch_size=BATCH, columns=[*beside, *numbers]):
        values = np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in numbers])
        frames = batch.column("frame").to_numpy(zero_copy_only=False) if "frame" in beside else np.zeros(len(values))
        ids = _texts(batch.column(SEQUENCE)) if SEQUENCE in beside else [""] * len(values)
        bounds = [0, *(i for i in range(1, len(ids)) if ids[i] != ids[i - 1]), len(ids)]
        for start, stop in pairwise(bounds):
            if start == stop:
                continue
            if parts and ids[start] != current:
                yield current, _joined(parts)
                parts = []
            current = ids[start]
            parts.append((frames[start:stop], values[start:stop].astype(np.float32)))
            rows = sum(len(part) for part, _ in parts)
            check_extent(rows, len(numbers), path)
            check_swelling(4 * rows * len(numbers), path)
    if parts:
        yield current, _joined(parts)


def _texts(column: Any) -> list[str]:
    """The values of a column as texts, of which equal ones are the same."""
    kinds = column.dictionary_encode()
    names = [str(value) for value in kinds.dictionary.to_pylist()]
    return [names[place] if place is not None else "None" for place in kinds.indices.to_pylist()]


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The values of a clip in the order of its frames."""
    frames, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return values[np.argsort(frames, kind="stable")]


def _long(table: Any, path: Path) -> Recording:
    """One row per point and frame -> `[T, D]` in the layout mediapipe-1629, or 1659 if the face has irises."""
    columns = {name: table.column(name).to_numpy() for name in LONG if name != KIND}
    frames = columns["frame"].astype(np.int64)
    first, last = int(frames.min()), int(frames.max())
    check_range("The frame numbers range", first, last, len(np.unique(frames)), path)
    index = columns["landmark_index"].astype(np.int64)
    kinds = table.column(KIND).unify_dictionaries().combine_chunks().dictionary_encode()
    names, kind = [str(name) for name in kinds.dictionary.to_pylist()], kinds.indices.to_numpy(zero_copy_only=False)
    layout = full_layout() if (index >= 468).any() else load_layout("mediapipe-1629")
    check_extent(last - first + 1, layout.width, path)
    check_swelling(4 * (last - first + 1) * layout.width, path)
    x = np.full((last - first + 1, layout.width), np.nan, np.float32)
    for unknown in set(names) - layout.by_name.keys():
        raise DataError(
            f"The landmark type {shortened(unknown, 80)!r} is unknown.", path, f"Known: {', '.join(layout.by_name)}."
        )
    points = np.stack([columns[axis].astype(np.float32) for axis in "xyz"], axis=1)
    for group in layout.groups:
        own = kind == (names.index(group.name) if group.name in names else -1)
        if (index[own] < 0).any() or (index[own] >= len(group.points)).any():
            raise DataError(f"The landmark_index of {group.name} goes up to {index[own].max()}.", path, AGAIN)
        target = x[:, group.start : group.stop].reshape(len(x), len(group.points), 3)
        target[frames[own] - first, index[own]] = points[own]
    return Recording(x, layout)
