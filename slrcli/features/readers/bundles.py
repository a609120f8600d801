"""Files of several clips: pickles of the field, and texts with a clip per line.

Each clip is named by a path through the file, `train.pkl/ID`, as if the file were a folder.

Pickles (also compressed by gzip), read as data, see `slrcli.pickles`:

| from | content |
|---|---|
| MSKA, TwoStreamNetwork (`Phoenix-2014T.train`) | id -> {name, gloss, num_frames, `keypoint` [T, 133, 3]}, tensors |
| Isharah (`pose_data_*.pkl`) | id -> {`keypoints` [T, 86, 2]} |
| slt (`phoenix14t.pami0.train`) | list of {name, signer, gloss, `sign` [T, D]} |
| PYSKL and others | {keypoint [1, T, P, C], frame_dir}, or an array alone: one clip |

`.skels` of ProgressiveTransformersSLP: a clip per line, 151 numbers per frame, the last of which counts from 0 to 1;
ids stand in the `.files` and glosses in the `.gloss` beside it, a line per clip.
"""

import gzip
import mmap
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError, first_five
from slrcli.features.layout import Layout, load_layout
from slrcli.features.readers.common import (
    AGAIN,
    SAMPLED,
    Reader,
    Sample,
    check_shape,
    check_swelling,
    is_batch_of_one,
    plainly,
    rate_of,
    recording,
)
from slrcli.features.recording import Recording
from slrcli.files import stays_below
from slrcli.pickles import Array, Refused, load

PICKLES = (".pkl", ".pickle")
SKELS = ".skels"
BESIDE = (".files", ".gloss")
BY_CONTENT = (".gz", ".gzip", ".train", ".dev", ".val", ".test")  # of the field's pickles, and of many other files
BUNDLES = (*PICKLES, SKELS, *BY_CONTENT)
ARRAYS = ("keypoint", "keypoints", "features", "feature", "sign", "pose", "poses", "landmarks", "joints", "data")
IDS = ("name", "id", "video_id", "frame_dir", "fileid", "video")
GLOSSES, SIGNERS = ("gloss", "glosses"), ("signer", "signer_id")
MOST_OPEN = 8  # files
MOST_UNPACKED = 16 << 30  # bytes of a compressed pickle
CHUNK = 1 << 20
SKEL_NUMBERS = 151  # of a frame: 50 points, and the counter
_THROUGH = re.compile("|".join(re.escape(f"{suffix}/") for suffix in BUNDLES))


@dataclass(frozen=True, eq=False)
class Member:
    """A clip in a file of several.

    Attributes:
        shape: of its array, as stored.
        dtype: of the stored numbers.
        values: reads the array.
        glosses, signer: what the file says of it; empty where it says nothing.
        fps: frames per second; 0 if unknown.
        told: how many frames the file says that it has; 0 if it says nothing.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    values: Callable[[], np.ndarray]
    glosses: tuple[str, ...] = ()
    signer: str = ""
    fps: float = 0.0
    told: int = 0


@dataclass(frozen=True, eq=False)
class Bundle:
    """An open file of several clips; the only clip of a file that names none is called ""."""

    path: Path
    members: Mapping[str, Member]

    def find(self, name: str) -> str | None:
        """The id of the clip with this name, or with this name behind its last slash, if only one has."""
        if name in self.members:
            return name
        ends = [id for id in self.members if id.rpartition("/")[2] == name]
        return ends[0] if len(ends) == 1 else None


def is_bundle(path: Path) -> bool:
    """Whether a path is a file that may hold several clips, judged by its suffix and, where many have it, its start."""
    suffix = path.suffix.lower()
    if suffix not in BUNDLES or not os.path.isfile(path):
        return False
    return suffix not in BY_CONTENT or _is_pickle(path)


def is_several(path: Path) -> bool:
    """Whether a path is a file of several clips, each with a name of its own; raises like `open_bundle`."""
    return is_bundle(path) and "" not in open_bundle(path).members


def bundle_of(path: str | Path) -> tuple[Path, str] | None:
    """The file that a path leads through, and the name of the clip in it; None for any other path."""
    text = os.fspath(path).replace(os.sep, "/")
    for found in _THROUGH.finditer(text.lower()):
        file = Path(text[: found.end() - 1])
        if is_bundle(file):
            return file, text[found.end() :]
    return None


def clips(path: Path) -> list[Path]:
    """The paths of all clips of a file; the file itself where it holds only one without a name."""
    return [Path(f"{path}/{name}") if name else path for name in open_bundle(path).members]


_Stamp = tuple[int, ...]
_open: dict[str, tuple[tuple[_Stamp, ...], Bundle]] = {}


def open_bundle(path: Path) -> Bundle:
    """The clips of a file, kept open until the file changes; arrays are read when they are asked for.

    Raises:
        DataError: the file is damaged, asks for anything but data, or holds no clip.
    """
    with plainly(path):
        stamp = tuple(_stamp(path.with_suffix(suffix)) for suffix in (path.suffix, *BESIDE))
        known = _open.get(str(path))
        if known is None or known[0] != stamp:
            while len(_open) >= MOST_OPEN:
                _open.pop(next(iter(_open)))
            known = _open[str(path)] = stamp, Bundle(path, _members(path))
        return known[1]


def _stamp(path: Path) -> _Stamp:
    """What changes with a file; nothing for a file that need not be there."""
    try:
        found = path.stat()
    except OSError:
        if path.suffix in BESIDE:
            return ()
        raise
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Bundles(Reader):
    """Clips in files of several, and such files that hold only one."""

    suffixes = (*PICKLES, SKELS)

    def reads(self, path: Path) -> bool:
        return super().reads(path) or is_bundle(path) or bundle_of(path) is not None

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`.

        Raises:
            DataError: the file holds several clips and none is named, or lacks the one that is.
        """
        return _recording(_member(path), path)

    def clips(
        self, path: Path, layout: Layout | None = None, people: str = "largest"
    ) -> Iterator[tuple[str, Recording]]:
        if not is_bundle(path):
            yield "", self.read(path)
            return
        for name, member in open_bundle(path).members.items():
            yield name, _recording(member, path / name if name else path)

    def extent(self, path: Path) -> tuple[int, int]:
        member = _member(path)
        return check_shape(member.shape, member.dtype, path)

    def own_layout(self, path: Path, strict: bool = False) -> Layout | None:
        """See `Reader`; None for a file of several clips, each of which says it for itself."""
        if is_several(path):
            return None
        return _layout(_clip_shape(_member(path).shape))

    def frame_rate(self, path: Path) -> float:
        return _member(path).fps

    def stored(self, path: Path) -> tuple[str, Sample]:
        member = _member(path)
        with plainly(path):
            data = np.ascontiguousarray(member.values()).reshape(-1).view(np.uint8)
        middle = max(0, len(data) // 2 - SAMPLED // 2)
        ends = data[middle : middle + SAMPLED].tobytes() + data[-SAMPLED:].tobytes()
        return member.dtype.name, (data[:SAMPLED].tobytes(), ends)


def _member(path: Path) -> Member:
    """The clip that a path names."""
    through = (path, "") if is_bundle(path) else bundle_of(path)
    if through is None:
        raise DataError("There is no such feature file.", path)
    bundle = open_bundle(through[0])
    name = bundle.find(through[1])
    if name is not None:
        return bundle.members[name]
    shown = first_five(list(bundle.members), end=".")
    if not through[1]:
        what = f"The file holds {len(bundle.members):,} clips: {shown}"
        raise DataError(what, path, "Write one file per clip: slr convert FILE FOLDER")
    raise DataError(f"The file holds no clip {through[1]!r}.", through[0], f"Its clips: {shown}")


def _recording(member: Member, path: Path) -> Recording:
    frames, _ = check_shape(member.shape, member.dtype, path)
    notes: tuple[str, ...] = ()
    if member.told and member.told != frames:
        notes = (f"The file says that the clip has {member.told} frames; its array has {frames}.",)
    with plainly(path):
        array = member.values()
        array = array[0] if is_batch_of_one(array.shape) else array
        layout = _layout(array.shape)
        if layout is None:
            return replace(recording(array, {}, notes), fps=member.fps)
        points = np.array(array, dtype=np.float32)
        points[~np.isfinite(points).all(axis=2) | (points[..., 2] <= 0)] = np.nan
    return Recording(points.reshape(frames, -1), layout, member.fps, notes=notes)


def _clip_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if is_batch_of_one(shape) else shape


def _layout(shape: tuple[int, ...]) -> Layout | None:
    """The layout of points that are called keypoints: 133 with confidences are those of COCO-WholeBody."""
    return load_layout("coco-wholebody-133") if shape[1:] == (133, 3) else None


def _members(path: Path) -> dict[str, Member]:
    """The clips of a file by their ids."""
    found = _lines(path) if path.suffix.lower() == SKELS else _pickled(path)
    if not found:
        raise DataError("The file holds no clip.", path, "Name a file of feature arrays.")
    for name in found:
        if name and not stays_below(name):
            raise DataError(f"The id of a clip cannot be a file name: {name[:80]!r}.", path, "Rename it.")
    return found


# Pickles.


def _is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle of protocol 2 or later, compressed or not."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                start = unpacked.read(2)
    except (OSError, EOFError):
        return False
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def _mapped(path: Path) -> Any:
    """The bytes of a file, mapped; those of a compressed one are unpacked into a nameless file first."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        file.seek(0)
        packed, size = os.fstat(file.fileno()).st_size, 0
        with tempfile.TemporaryFile(prefix="slr-") as target, gzip.open(file) as source:
            while part := source.read(CHUNK):
                size += len(part)
                check_swelling(size, path, packed)
                if size > MOST_UNPACKED:
                    what = f"The file expands from {packed:,} to more than {size:,} bytes."
                    raise DataError(what, path, "Cut it into several files.")
                target.write(part)
            target.flush()
            return mmap.mmap(target.fileno(), 0, access=mmap.ACCESS_READ)


def _pickled(path: Path) -> dict[str, Member]:
    try:
        found = load(_mapped(path))
    except Refused as error:
        fix = "Do not use this file if you do not know where it comes from; save arrays of numbers."
        raise DataError(f"{error}.", path, fix) from error
    if isinstance(found, Array) or (isinstance(found, dict) and any(_is_clip(found.get(key)) for key in ARRAYS)):
        return {"": _of(found, path)}
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        found = _by_name(found, path)
    if not isinstance(found, dict):
        what = f"The pickle holds a {type(found).__name__}, not clips by their ids."
        raise DataError(what, path, "Save a dictionary: id -> {'keypoints': array}.")
    return {_id(key, path): _of(item, path, f", clip {key}") for key, item in found.items()}


def _by_name(items: list[dict[Any, Any]], path: Path) -> dict[Any, Any]:
    """The entries of a list by what they are called."""
    found: dict[Any, Any] = {}
    for number, item in enumerate(items):
        key = next((item[name] for name in IDS if item.get(name) is not None), None)
        if key is None:
            what = f"Entry {number} of the list has no id."
            raise DataError(what, path, f"Call it {', '.join(IDS[:2])} or {IDS[3]}.")
        if key in found:
            raise DataError(f"Two clips have the id {key}.", path, "Rename one.")
        found[key] = item
    return found


def _id(key: Any, path: Path) -> str:
    if isinstance(key, str | int) and not isinstance(key, bool) and str(key):
        return str(key)
    raise DataError(f"The id of a clip is {key!r}.", path, "Use texts or numbers.")


def _is_clip(value: Any) -> bool:
    """Whether a value can be the array of a clip: an array of numbers, or a list of such or of lists."""
    if isinstance(value, Array):
        return value.is_numbers and len(value.shape) in (2, 3, 4)
    return isinstance(value, list) and bool(value) and isinstance(value[0], list | Array)


def _of(item: Any, path: Path, which: str = "") -> Member:
    """A clip of a pickle."""
    where = f"{path}{which}"
    about = item if isinstance(item, dict) else {}
    value = _array_of(item, where) if isinstance(item, dict) else item
    if isinstance(value, list):
        value = np.array([part.numpy() if isinstance(part, Array) else part for part in value], np.float32)
    if not isinstance(value, np.ndarray) and not _is_clip(value):
        raise DataError("This is no array of numbers.", where, "Save a clip as [frames, points, coordinates].")
    shape, drop = tuple(value.shape), 0
    if len(shape) == 4 and shape[0] == 1:  # a single person
        shape, drop = shape[1:], 1
    read = value.numpy if isinstance(value, Array) else lambda: value
    dtype = value.kind.dtype if isinstance(value, Array) else value.dtype
    if isinstance(value, Array) and value.half:
        dtype = np.dtype(np.float32)
    told = about.get("num_frames", about.get("total_frames", 0))
    return Member(
        shape,
        dtype,
        (lambda: read()[0]) if drop else read,
        _words(about),
        next((str(about[key]) for key in SIGNERS if isinstance(about.get(key), str | int)), ""),
        rate_of(about),
        told if type(told) is int else 0,
    )


def _array_of(item: dict[Any, Any], where: str) -> Any:
    """The array of an entry: by its name, else the only one."""
    able = [key for key, value in item.items() if _is_clip(value)]
    named = [key for key in ARRAYS if key in able] or able
    if len(named) > 1:
        what = f"The clip has several arrays: {', '.join(map(str, named))}."
        raise DataError(what, where, f"Keep one, or call it {ARRAYS[0]}.")
    if not named:
        what = f"The clip has no array among {', '.join(map(str, item))[:200] or 'nothing'}."
        raise DataError(what, where, f"Call it {ARRAYS[0]}: [frames, points, coordinates].")
    return item[named[0]]


def _words(about: Mapping[Any, Any]) -> tuple[str, ...]:
    value = next((about[key] for key in GLOSSES if key in about), "")
    if isinstance(value, str):
        return tuple(value.split())
    words = value if isinstance(value, list | tuple) else ()
    return tuple(str(word) for word in words if isinstance(word, str | int) and str(word))


# Lines of numbers.


def _lines(path: Path) -> dict[str, Member]:
    """The clips of a `.skels`. Lines are found once, and read when they are asked for."""
    with path.open("rb") as file:
        places, at = [], 0
        for line in file:
            if line.strip():
                places.append((at, len(line), len(line.split())))
            at += len(line)
    ids = _beside(path, ".files", len(places)) or [f"{path.stem}-{number:05d}" for number in range(1, len(places) + 1)]
    glosses = _beside(path, ".gloss", len(places)) or [""] * len(places)
    if len(set(ids)) < len(ids):
        raise DataError("Two clips have the same id.", path.with_suffix(".files"), "Rename one.")
    found = {}
    for number, ((at, size, count), id, words) in enumerate(zip(places, ids, glosses, strict=True), 1):
        if count % SKEL_NUMBERS:
            what = f"Line {number} has {count:,} numbers, not {SKEL_NUMBERS} per frame."
            raise DataError(what, path, AGAIN)
        shape = (count // SKEL_NUMBERS, SKEL_NUMBERS - 1)
        values = _line_reader(path, at, size, number)
        found[id] = Member(shape, np.dtype(np.float32), values, tuple(words.split()))
    return found


def _line_reader(path: Path, at: int, size: int, number: int) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        with path.open("rb") as file:
            file.seek(at)
            numbers = np.array(file.read(size).split(), np.float32).reshape(-1, SKEL_NUMBERS)
        if (np.diff(numbers[:, -1]) < 0).any():
            what = f"The counter, every number {SKEL_NUMBERS} of line {number}, does not increase."
            raise DataError(what, path, AGAIN)
        return np.ascontiguousarray(numbers[:, :-1])

    return read


def _beside(path: Path, suffix: str, count: int) -> list[str]:
    """The lines of a file beside a `.skels`, one per clip; none without that file."""
    other = path.with_suffix(suffix)
    if not other.is_file():
        return []
    lines = other.read_text(encoding="utf-8-sig").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) != count:
        what = f"The file has {len(lines):,} lines, but {path.name} has {count:,} clips."
        raise DataError(what, other, "Use files that belong together.")
    return [line.strip() for line in lines]
