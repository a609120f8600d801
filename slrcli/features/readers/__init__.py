"""Reads files of one clip as float32 arrays `[T, D]`, NaN where a point is missing; one `Reader` per format.

The suffix of a file decides its format and, if it is ambiguous, its content. Files that name their points are
converted to the requested layout, point by point; plain arrays are taken as they are.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from slrcli.errors import DataError, SlrError
from slrcli.features.layout import Layout
from slrcli.features.readers import bundles, packed
from slrcli.features.readers.bundles import BUNDLES, Bundles, bundle_of, is_bundle, is_several, open_bundle
from slrcli.features.readers.common import Reader, Sample, holds_frames
from slrcli.features.readers.keypoints import MMPose, OpenPose
from slrcli.features.readers.named_arrays import NamedArrays
from slrcli.features.readers.npy import Npy
from slrcli.features.readers.npz import Npz
from slrcli.features.readers.packed import Packed
from slrcli.features.readers.parquet import Parquet
from slrcli.features.readers.people import PEOPLE
from slrcli.features.readers.pose import Pose
from slrcli.features.readers.safetensors import SafeTensors
from slrcli.features.readers.table import Table
from slrcli.features.recording import Recording, fit
from slrcli.features.store import PART, SUFFIX, is_store, store_of
from slrcli.plugins import READERS as GROUP
from slrcli.plugins import plugins

__all__ = ["BUNDLES", "IN_FOLDER", "PEOPLE", "READERS", "SUFFIXES", "TEXTS", "Header", "Reader", "clips_below",
           "feature_header", "feature_shape", "frame_rate", "holder_of", "holds_frames", "is_bundle", "is_holder",
           "open_bundle", "own_layout", "read_clips", "read_features", "read_recording", "stamp"]  # fmt: skip

# Every format, those of other packages last. The first that says it reads a file does; of two files of a clip that is
# read whose suffix stands first.
READERS: tuple[Reader, ...] = (
    Packed(),
    Bundles(),
    OpenPose(),
    Npy(),
    NamedArrays(),
    Npz(),
    SafeTensors(),
    Pose(),
    Parquet(),
    Table(),
    MMPose(),
    *(added for added in plugins(GROUP).values() if not isinstance(added, SlrError)),
)
_BY_RANK = sorted(READERS, key=lambda reader: isinstance(reader, Bundles))  # which come first for paths through them
SUFFIXES = tuple(dict.fromkeys(suffix for reader in _BY_RANK for suffix in reader.suffixes))
PLAIN: dict[str, Reader] = {".npy": Npy()}  # files of these suffixes are of one format, whatever they hold
TEXTS = tuple(suffix for reader in READERS if reader.is_text for suffix in reader.suffixes)
IN_FOLDER = "landmarks"  # a file of this name is the clip that its folder is named after, as in cslrtools2


@dataclass(frozen=True)
class Header:
    """The header of a feature file.

    Attributes:
        frames, columns: `(T, D)`, points flattened.
        stored_as: type of the stored numbers, such as `float32`.
        sample: some bytes of the values, from different places. Files with different content hardly ever share them.
    """

    frames: int
    columns: int
    stored_as: str
    sample: Sample


def reader_of(path: Path) -> Reader:
    """The reader of a file, or of a folder of frames.

    Raises:
        DataError: the format of the file is not known, or the path is not a file.
    """
    if (plain := PLAIN.get(path.suffix.lower())) and os.path.isfile(path):  # what nearly every clip is, at one look
        return plain
    found = next((reader for reader in READERS if reader.reads(path)), None)
    if found is None and is_store(path):
        raise DataError("This is a packed store, which holds many clips.", path, "Name one of them as STORE/ID.")
    for broken in plugins(GROUP).values():
        if found is None and isinstance(broken, SlrError):
            raise broken
    if found is None:
        what = f"The file does not end in {', '.join(SUFFIXES)}."
        raise DataError(what, path, "Name a feature file, or a folder of *_keypoints.json.")
    if not os.path.isfile(path) and not os.path.isdir(path) and os.path.exists(path):
        raise DataError("This is neither a file nor a folder.", path, "Name a feature file, not a pipe or a device.")
    return found


def clips_below(folder: Path) -> list[Path]:
    """The clips in a folder and its subfolders, sorted by name; text files count only if there is nothing else.

    A packed store counts as a folder, as does a file of several clips that is named itself.
    """
    if is_store(folder):
        return sorted(packed.clips(folder))
    if is_bundle(folder):
        return sorted(bundles.clips(folder))
    found: list[Path] = []
    for place, inner, names in os.walk(folder):
        here = Path(place)
        for name in [name for name in (*names, *inner) if is_store(here / name)]:
            found += packed.clips(here / name)
            (names if name in names else inner).remove(name)
        inner[:] = [name for name in inner if not name.endswith(SUFFIX + PART)]
        if holds_frames(names):
            found.append(here)
            inner.clear()
            continue
        found += [here / name for name in names if _is_feature_file(here / name)]
    binary = [path for path in found if Packed().reads(path) or path.suffix.lower() not in TEXTS]
    return sorted(binary or found)


def _is_feature_file(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (suffix in BUNDLES and is_bundle(path))


def is_holder(path: Path) -> bool:
    """Whether a path is a file that holds several clips: a packed store, or a pickle or text of several."""
    return is_store(path) or is_several(path)


def holder_of(path: Path) -> Path | None:
    """The file of several clips that a path leads through; None for any other path."""
    if packed_clip := store_of(path):
        return packed_clip[0].path
    inside = bundle_of(path)
    return inside[0] if inside else None


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds of a file, or of what holds a clip; zeros if it is not there."""
    packed_clip = store_of(path)
    try:
        facts = os.stat(packed_clip[0].file if packed_clip else holder_of(path) or path)
    except OSError:
        return 0, 0  # an error where it is read
    return facts.st_size, facts.st_mtime_ns


def read_recording(path: str | Path, layout: Layout | None = None, people: str = "largest") -> Recording:
    """One clip as stored in its file.

    Args:
        path: a file, or a folder of OpenPose's frames.
        layout: the meaning of names in a table, if it has any; the clip is not converted to it.
        people: with several people, take the `largest`, or raise an `error`.

    Raises:
        DataError: the file is missing, damaged, empty, pickled or of another kind, shows nobody or holds several clips.
        DependencyError: the library for this file type is not installed.
    """
    path = Path(path)
    return reader_of(path).read(path, layout, people)


def read_clips(
    path: str | Path, layout: Layout | None = None, people: str = "largest"
) -> Iterator[tuple[str, Recording]]:
    """All clips of a file with their ids, one after the other; "" is the id of the only one. See `read_recording`."""
    path = Path(path)
    yield from reader_of(path).clips(path, layout, people)


def read_features(path: str | Path, layout: Layout | None = None) -> np.ndarray:
    """The features of one clip, float32 `[T, D]`; points `[T, P, C]` are flattened to `[T, P * C]`.

    Args:
        layout: the target layout; a file that names its points is converted to it.

    Raises:
        DataError: like `read_recording`, or the file has no point of the layout.
    """
    found = read_recording(path, layout)
    return (fit(found, layout, str(path)) if layout else found).values


def feature_shape(path: str | Path, layout: Layout | None = None) -> tuple[int, int]:
    """`(T, D)` of the result of `read_features`, from the header only if there is one; raises like it, except for
    damage after the header."""
    path = Path(path)
    reader = reader_of(path)
    extent = reader.extent(path)
    if extent is not None:
        if layout is not None and extent[1] != layout.width and reader.own_layout(path) is not None:
            return extent[0], layout.width
        return extent
    with suppress(OSError):  # a file that is not there is an error where it is read
        return _shape_read(path, layout, path.stat().st_mtime_ns)
    return read_features(path, layout).shape


@lru_cache(maxsize=1 << 16)
def _shape_read(path: Path, layout: Layout | None, changed: int) -> tuple[int, int]:
    """`(T, D)` of a file without a header, which is read for it once as long as it does not change."""
    return read_features(path, layout).shape


def feature_header(path: str | Path, layout: Layout | None = None) -> Header:
    """The header of a feature file; an `.npy` shorter than its header says is detected.

    Raises:
        DataError: like `read_features`, except for damage inside the values.
    """
    path = Path(path)
    return Header(*feature_shape(path, layout), *reader_of(path).stored(path))


def own_layout(path: str | Path) -> Layout | None:
    """The layout that a file names; None for plain arrays.

    Raises:
        DataError: like `feature_shape`.
        UsageError: it names a layout that is not shipped, so its columns must not be guessed.
    """
    path = Path(path)
    return reader_of(path).own_layout(path, strict=True)


def frame_rate(path: str | Path) -> float:
    """Frames per second, if the file says so; else 0.

    Raises:
        DataError: like `read_recording`.
    """
    path = Path(path)
    return reader_of(path).frame_rate(path)
