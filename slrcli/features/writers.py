"""Writes a recording to a file whose suffix gives the format; an existing file is replaced atomically.

`.npy` holds only the array; `.npz` and `.safetensors` also hold the layout, the frame rate and the size of the picture;
`.csv` has one column per coordinate, named after its point; `.pose` is that of pose-format, `.parquet` that of Kaggle's
asl-signs. The last two hold only positions: stored derivatives are dropped.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import CONFIDENCES, Group
from slrcli.features.readers import parquet, pose
from slrcli.features.readers.common import need
from slrcli.features.readers.pose_names import component_of
from slrcli.features.readers.table import column_names
from slrcli.features.recording import Recording, Size
from slrcli.files import atomic_file

DEFAULT_FPS = 25.0  # written where the source does not say: .pose has no way to leave it open
COLOUR = (96, 96, 96)


def write_recording(path: str | Path, recording: Recording) -> None:
    """Write a recording.

    Raises:
        UsageError: the suffix is none of `WRITERS`.
        DataError: the format cannot hold this layout, or needs a fact that the recording lacks.
        DependencyError: the library for this file type is not installed.
        SlrError: the file cannot be written.
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"Files of this type cannot be written: {path.name}.", fix=f"Use {', '.join(WRITERS)}.")
    data = write(recording, str(path))
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def _npy(recording: Recording, where: str) -> bytes:
    stream = io.BytesIO()
    np.save(stream, recording.values, allow_pickle=False)
    return stream.getvalue()


def _npz(recording: Recording, where: str) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, features=recording.values, **_about(recording))
    return stream.getvalue()


def _safetensors(recording: Recording, where: str) -> bytes:
    from safetensors.numpy import save

    about = _about(recording)
    if "size" in about:
        about["size"] = "x".join(map(str, about["size"]))
    return save({"features": recording.values}, {name: str(value) for name, value in about.items()})


def _about(recording: Recording) -> dict[str, Any]:
    """What is known of a recording besides its numbers."""
    about = {"layout": recording.layout and recording.layout.name, "fps": recording.fps, "size": recording.size}
    return {name: value for name, value in about.items() if value}


def _csv(recording: Recording, where: str) -> bytes:
    """As many digits as float32 has; an empty cell where nothing was seen."""
    layout = recording.layout
    names = column_names(layout) if layout else [f"feature_{i}" for i in range(recording.values.shape[1])]
    lines = [",".join(["frame", *names])]
    for number, row in enumerate(recording.values):
        lines.append(",".join([str(number), *("" if value != value else f"{value:.9g}" for value in row.tolist())]))
    return ("\n".join(lines) + "\n").encode()


def _pose(recording: Recording, where: str) -> bytes:
    """Version 0.2, one person, in pixels."""
    headers, bodies = need("pose_format.pose_header", pose.EXTRA), need("pose_format.numpy", pose.EXTRA)
    layout = _layout(recording, where)
    size = _size(recording, layout, where)
    depth = all({"x", "y", "z"} <= set(group.coordinates) for group in layout.groups)
    axes = "xyz" if depth else "xy"
    components, parts, first = [], [], 0
    for group in layout.groups:
        if not {"x", "y"} <= set(group.coordinates):
            what = f"Group {group.name} of layout {layout.name} has no x and y, which .pose needs."
            raise DataError(what, where, "Write .npz, or name a layout without that group.")
        name, points = component_of(group, layout)
        last = first + len(group.points)
        limbs = [(a - first, b - first) for a, b in layout.limbs if first <= a < last and first <= b < last]
        colours = [COLOUR] * len(group.points)
        components.append(headers.PoseHeaderComponent(name, points, limbs, colours, axes.upper() + "C"))
        scale = size if layout.units == "image" and group.spatial else (1, 1)
        parts.append(_positions(recording.values, group, axes, scale))
        first = last
    tracks = np.concatenate(parts, axis=1)[:, None]  # [T, 1, P, axes + 1]
    header = headers.PoseHeader(headers.VERSION, headers.PoseHeaderDimensions(*size, 0), components)
    body = bodies.NumPyPoseBody(recording.fps or DEFAULT_FPS, tracks[..., :-1], tracks[..., -1])
    stream = io.BytesIO()
    need("pose_format", pose.EXTRA).Pose(header, body).write(stream)
    return stream.getvalue()


def _positions(values: np.ndarray, group: Group, axes: str, scale: Size) -> np.ndarray:
    """Points of a group with their confidence `[T, P, axes + 1]`; zeros where nothing was seen."""
    points = values[:, group.start : group.stop].reshape(len(values), len(group.points), -1)
    found = points[..., [group.coordinates.index(axis) for axis in axes]] * np.array(
        [*scale, 1][: len(axes)], np.float32
    )
    given = [group.coordinates.index(name) for name in CONFIDENCES if name in group.coordinates]
    confidence = points[..., given[0]] if given else np.ones(points.shape[:2], np.float32)
    missing = ~np.isfinite(points).all(axis=2)
    return np.where(missing[..., None], np.float32(0), np.concatenate([found, confidence[..., None]], axis=2))


def _parquet(recording: Recording, where: str) -> bytes:
    """The table of asl-signs: a row a point and frame, in the order face, left hand, pose, right hand."""
    pyarrow, writer = need("pyarrow", parquet.EXTRA), need("pyarrow.parquet", parquet.EXTRA)
    layout = _layout(recording, where)
    kinds = ["face", "left_hand", "pose", "right_hand"]
    groups = sorted(
        (group for group in layout.groups if group.name in kinds), key=lambda group: kinds.index(group.name)
    )
    if layout.units != "image" or len(groups) < len(layout.groups):
        what = f"The asl-signs format holds image units of {', '.join(kinds)}; layout {layout.name} differs."
        raise DataError(what, where, "Name a layout such as mediapipe-1629 with --layout.")
    known = {group.name: group.points for group in parquet.full_layout().groups}
    columns: dict[str, list] = {name: [] for name in parquet.LONG}
    frames = len(recording.values)
    for group in groups:
        if not set(group.points) <= set(known[group.name]):
            what = f"The asl-signs format cannot hold all points of {group.name}."
            raise DataError(what, where, "Use MediaPipe's points.")
        index = [known[group.name].index(point) for point in group.points]
        points = recording.values[:, group.start : group.stop].reshape(frames, len(index), -1)
        columns["frame"].append(np.repeat(np.arange(frames), len(index)).reshape(frames, -1))
        columns["type"].append(np.full((frames, len(index)), group.name))
        columns["landmark_index"].append(np.tile(index, (frames, 1)))
        for axis in "xyz":
            there = axis in group.coordinates
            columns[axis].append(
                points[..., group.coordinates.index(axis)] if there else np.full(points.shape[:2], np.nan, np.float32)
            )
    flat = {name: np.concatenate(parts, axis=1).ravel() for name, parts in columns.items()}
    rows = zip(flat["frame"], flat["type"], flat["landmark_index"], strict=True)
    table = pyarrow.table(
        {
            "frame": flat["frame"].astype(np.int32),
            "row_id": [f"{frame}-{kind}-{index}" for frame, kind, index in rows],
            "type": flat["type"].astype(str).tolist(),
            "landmark_index": flat["landmark_index"].astype(np.int16),
            **{axis: flat[axis] for axis in "xyz"},
        }
    )
    stream = io.BytesIO()
    writer.write_table(table, stream)
    return stream.getvalue()


def _layout(recording: Recording, where: str) -> Layout:
    """The layout of a recording whose points can be named."""
    layout = recording.layout
    if layout is None or not layout.spatial:
        what = "This format holds named points, but the layout of the columns is not known."
        raise DataError(what, where, "Name the layout with --layout.")
    return layout


def _size(recording: Recording, layout: Layout, where: str) -> Size:
    """Width and height of the picture, which `.pose` has to say."""
    if layout.units not in ("image", "pixels"):
        what = f"The .pose format holds pixels, but the units of layout {layout.name} are {layout.units}."
        raise DataError(what, where, "Write another file type.")
    if recording.size:
        return recording.size
    what = "The .pose format holds pixels, and the source does not say the size of the picture."
    raise DataError(what, where, "Give it with --size WIDTHxHEIGHT.")


WRITERS: dict[str, Callable[[Recording, str], bytes]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".csv": _csv,
    ".pose": _pose,
    ".parquet": _parquet,
}
