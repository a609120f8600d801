"""`.pose` files in versions 0.0, 0.1 and 0.2, read through the library pose-format (extra `pose`).

https://github.com/sign-language-processing/pose/blob/master/docs/specs/ describes the versions. Components become
groups; points keep their names, spelled as in slr's layouts. A point of confidence 0 is missing. Positions are in
pixels.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.features.readers.common import AGAIN, Reader, check_extent, need, plainly
from slrcli.features.readers.people import choose_track, without_leaps
from slrcli.features.readers.pose_names import COMPONENTS, point_names
from slrcli.features.recording import Recording, fit

EXTRA = "pose"
# Layouts whose full sets of points pose-format knows, and which reduced ones are parts of.
FULL = ("holistic-576", "openpose-137", "coco-wholebody-133")


class Pose(Reader):
    """Files of pose-format."""

    suffixes = (".pose",)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """The clip in pixels, in a shipped layout if the points match, else in one made from the names in the file."""
        with plainly(path), _opened(path) as (header, reader, shape):
            frames, persons, points, dims = shape
            check_extent(frames, persons * points * (dims + 1), path)
            body = need("pose_format.numpy", EXTRA).NumPyPoseBody.read(header, reader)
            data, confidence = np.asarray(body.data.data, np.float32), np.asarray(body.confidence, np.float32)
            size = header.dimensions.width, header.dimensions.height
            fps = float(body.fps)
        tracks = np.concatenate([data, confidence[..., None]], axis=3)
        tracks[~np.isfinite(tracks).all(axis=3) | (confidence == 0)] = np.nan
        stored, layout = _layouts(header, path)
        body = _body(stored)
        person, notes = choose_track(tracks, people, path, body)
        fps = fps if np.isfinite(fps) and fps > 0 else 0.0
        values, leaps = without_leaps(np.ascontiguousarray(tracks[:, person]), body)
        whole = Recording(values.reshape(len(tracks), -1), stored, fps, size if all(size) else None, notes + leaps)
        return fit(whole, layout, str(path))

    def extent(self, path: Path) -> tuple[int, int]:
        frames, layout = _peek(path)
        return frames, layout.width

    def own_layout(self, path: Path, strict: bool = False) -> Layout:
        return _peek(path)[1]

    def frame_rate(self, path: Path) -> float:
        with plainly(path), _opened(path) as (header, reader, _):
            structs = need("pose_format.utils.reader", EXTRA).ConstStructs
            fps = float(reader.unpack(structs.float if round(header.version, 3) == 0.2 else structs.ushort))
        return fps if np.isfinite(fps) and fps > 0 else 0.0


def _peek(path: Path) -> tuple[int, Layout]:
    """Frames and layout, from the header alone."""
    with plainly(path), _opened(path) as (header, _, (frames, persons, points, dims)):
        check_extent(frames, persons * points * (dims + 1), path)
        return frames, _layouts(header, path)[1]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any, tuple[int, int, int, int]]]:
    """The header, a reader that stands at the body, and what the body holds: frames, people, points, dimensions.

    The length of the file is held against what it announces before anything is read: version 0.1 takes the
    number of frames from the length, so that half a file would pass for a shorter clip in disorder.
    """
    headers, readers = need("pose_format.pose_header", EXTRA), need("pose_format.utils.reader", EXTRA)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        reader = readers.BufferReader(buffer)
        header = headers.PoseHeader.read(reader)
        body = reader.read_offset
        points, dims = header.total_points(), header.num_dims()
        frames, persons = _extent(reader, round(header.version, 3), points, dims, path)
        reader.read_offset = body
        yield header, reader, (frames, persons, points, dims)


def _extent(reader: Any, version: float, points: int, dims: int, path: Path) -> tuple[int, int]:
    """Frames and people of a body, where the file is long enough for them; version 0.0 is read for one person alone."""
    structs = need("pose_format.utils.reader", EXTRA).ConstStructs
    if version not in (0.0, 0.1, 0.2):
        raise DataError(f"Version {version:g} of .pose is not known.", path, "Use a version up to 0.2.")
    number = structs.uint if version == 0.2 else structs.ushort
    reader.unpack(structs.float if version == 0.2 else structs.ushort)  # frames a second
    frames, persons = reader.unpack(number), 1 if version == 0.0 else reader.unpack(structs.ushort)
    if persons < 1 or points < 1 or dims < 1:
        raise DataError(f"The file holds {persons} people of {points} points.", path, AGAIN)
    frame = 2 if version == 0.0 else persons * points * (dims + 1) * 4  # bytes at least
    left = len(reader.buffer) - reader.read_offset
    if version == 0.1 and left // frame % (1 << 16) == frames:  # beyond 65,535 their number has overflowed
        frames = left // frame
    if left < frames * frame or (version == 0.1 and left != frames * frame):
        raise ValueError(f"{frames:,} frames of {frame:,} bytes are announced, {left:,} bytes are there")
    return frames, persons


def _body(stored: Layout) -> slice:
    """The points of the first group that is called pose, else all."""
    start = 0
    for group in stored.groups:
        if group.name == "pose":
            return slice(start, start + len(group.points))
        start += len(group.points)
    return slice(None)


Rows = tuple[tuple[str, tuple[str, ...]], ...]  # groups with their points


def _layouts(header: Any, path: Path) -> tuple[Layout, Layout]:
    """What stands in the body of a file, and the layout that its clip gets: a shipped one if it has these points.

    Components of fewer dimensions stand in the body with as many as the others.
    """
    letters = max((component.format for component in header.components), key=len)
    coordinates = tuple("confidence" if letter == "C" else letter.lower() for letter in letters)
    rows: dict[str, tuple[str, ...]] = {}
    for component in header.components:
        name = COMPONENTS.get(component.name, component.name.lower().replace(".", "_"))
        if name in rows:
            raise DataError(f"Two components have the name {name}.", path, AGAIN)
        rows[name] = point_names(name, component.points)
    try:
        return _made(tuple(rows.items()), coordinates)
    except DataError as error:
        raise DataError(error.what, path, AGAIN) from error


@lru_cache(maxsize=16)
def _made(rows: Rows, coordinates: tuple[str, ...]) -> tuple[Layout, Layout]:
    """Extractors that give no confidence for a face or a hand write 1 or 0, which says no more than whether it is
    there: the layouts of these leave it out."""
    groups = [{"name": name, "kind": "pose", "points": row, "coordinates": coordinates} for name, row in rows]
    stored = Layout.from_dict({"name": "stored", "units": "pixels", "groups": groups})
    for layout in map(load_layout, list_layouts()[:-1]):
        axes = {axis for group in layout.groups for axis in group.coordinates}
        points = {group.name: group.points for group in layout.groups}
        if layout.units == "pixels" and axes == set(coordinates) and dict(rows) == points:
            return stored, layout
    return stored, _reduced(rows, coordinates)


def _reduced(rows: Rows, coordinates: tuple[str, ...]) -> Layout:
    """A layout for a set of points that is not shipped: a part of one that is, as far as names tell, or a new one."""

    def shared(name: str) -> int:
        known = load_layout(name).by_name
        return sum(len(set(known[group].points) & set(points)) for group, points in rows if group in known)

    best = max(FULL, key=shared)
    known = load_layout(best).by_name if shared(best) else {}
    groups = []
    for name, points in rows:
        wanted = known[name].coordinates if name in known else coordinates
        row = {"name": name, "points": points, "coordinates": [axis for axis in wanted if axis in coordinates]}
        groups.append(row if name in known else {**row, "kind": "pose"})
    table = {"name": f"pose-{sum(len(points) for _, points in rows)}", "units": "pixels", "groups": groups}
    about = {"description": "points as a .pose file names them", **({"like": best} if known else {})}
    return Layout.from_dict({**table, **about})
