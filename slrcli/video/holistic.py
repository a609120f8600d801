"""MediaPipe Holistic: 543 points per picture, and the columns of a layout made of them.

The models of complexity 1 are part of the wheel; nothing is downloaded. The network tracks a person from picture to
picture, so every clip needs a new one.
"""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from slrcli.errors import UsageError
from slrcli.features.augment import derivatives
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.features.layout.layout import CONFIDENCES
from slrcli.video.library import need

COMPLEXITY = 1
GRAPH = "modules/holistic_landmark/holistic_landmark_cpu.binarypb"  # in the folder of MediaPipe
THRESHOLDS = (
    "poselandmarkcpu__posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh",
    "poselandmarkcpu__poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator.threshold",
)
COORDINATES = ("x", "y", "z", "visibility")
PARTS = {"pose": 33, "left_hand": 21, "right_hand": 21, "face": 468}
POINTS = sum(PARTS.values())
NAMES_OF = "mediapipe-1629"  # the layout that names all of them
STARTS = {part: sum(list(PARTS.values())[:number]) for number, part in enumerate(PARTS)}


class Holistic:
    """Points of consecutive pictures; a context manager.

    Args:
        face: whether the points of the face are wanted. Without them their network is left out, a seventh of the time;
            the other points are the same.

    Attributes:
        parts: those of `PARTS` that are looked for.

    Raises:
        DependencyError: MediaPipe is not installed, or does not exist for this Python.
    """

    def __init__(self, face: bool = True) -> None:
        solution = need("mediapipe.python.solutions.holistic")
        self.parts = [part for part in PARTS if face or part != "face"]
        self._network = solution.Holistic(model_complexity=COMPLEXITY) if face else _faceless()

    def __enter__(self) -> "Holistic":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._network.close()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Points of the next picture.

        Args:
            image: uint8 `[height, width, 3]`, RGB, contiguous.

        Returns:
            Float32 `[543, 4]`: pose, left hand, right hand, face; x and y in fractions of the picture, z on the scale
            of x, visibility (1 for all but the pose). NaN where a part was not found.
        """
        found = self._network.process(image)
        points = np.full((POINTS, len(COORDINATES)), np.nan, np.float32)
        for part in self.parts:
            marks: Any = getattr(found, f"{part}_landmarks")
            if marks is not None:
                own = points[STARTS[part] : STARTS[part] + PARTS[part]]
                own[:, :3] = [(mark.x, mark.y, mark.z) for mark in marks.landmark[: PARTS[part]]]
                own[:, 3] = [mark.visibility for mark in marks.landmark] if part == "pose" else 1.0
        return points


def _faceless() -> Any:
    """MediaPipe's graph without the nodes of the face, else as `solutions.holistic.Holistic` sets it up."""
    base, protocol = need("mediapipe.python.solution_base"), need("mediapipe.framework.calculator_pb2")
    graph = protocol.CalculatorGraphConfig()
    graph.ParseFromString((Path(str(base.__file__)).parents[1] / GRAPH).read_bytes())
    for place in range(len(graph.node) - 1, -1, -1):
        if any("face" in name for name in graph.node[place].output_stream):
            del graph.node[place]
    for names, word in ((graph.output_stream, "face"), (graph.input_side_packet, "refine_face")):
        kept = [name for name in names if word not in name]
        del names[:]
        names.extend(kept)
    settings = {"model_complexity": COMPLEXITY, "smooth_landmarks": True, "use_prev_landmarks": True}
    segmentation = {"enable_segmentation": False, "smooth_segmentation": True}
    outputs = [f"{part}_landmarks" for part in PARTS if part != "face"]
    return base.SolutionBase(
        graph_config=graph,
        side_inputs={**settings, **segmentation},
        calculator_params=dict.fromkeys(THRESHOLDS, 0.5),
        outputs=outputs,
    )


def seen(points: np.ndarray) -> dict[str, bool]:
    """The parts found in points `[543, 4]`."""
    return {part: not np.isnan(points[start, 0]) for part, start in STARTS.items()}


def in_square(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points in fractions of the square around a centred picture of `size` (width, height)."""
    width, height = size
    side = max(width, height)
    moved = points.copy()
    moved[:, 0] = (points[:, 0] * width + (side - width) / 2) / side
    moved[:, 1] = (points[:, 1] * height + (side - height) / 2) / side
    moved[:, 2] = points[:, 2] * width / side  # depth is given on the scale of x
    return moved


@dataclass(frozen=True, eq=False)
class Columns:
    """The point and coordinate of each position column of a layout.

    Attributes:
        layout: the layout of the columns.
        point, coordinate: indices into `[543, 4]`, each int `[positions]`.
    """

    layout: Layout
    point: np.ndarray
    coordinate: np.ndarray

    @classmethod
    def of(cls, layout: Layout) -> "Columns":
        """The columns of a layout.

        Raises:
            UsageError: the layout has points or coordinates that MediaPipe lacks.
        """
        known = load_layout(NAMES_OF).by_name
        points, coordinates = [], []
        for group in layout.groups:
            own = known.get(group.name)
            coordinates_known = {*COORDINATES, *CONFIDENCES}.issuperset(group.coordinates)
            if own is None or not set(own.points).issuperset(group.points) or not coordinates_known:
                what = f"MediaPipe Holistic lacks points or coordinates of layout {layout.name}, group {group.name!r}."
                raise UsageError(what, fix=f"Use one of {', '.join(video_layouts())}, or a layout of their points.")
            for name in group.points:
                for coordinate in group.coordinates:
                    points.append(STARTS[group.name] + own.index(name))
                    coordinates.append(COORDINATES.index("visibility" if coordinate in CONFIDENCES else coordinate))
        return cls(layout, np.array(points), np.array(coordinates))

    @property
    def face(self) -> bool:
        """Whether a column is of a point of the face."""
        return any(group.name == "face" for group in self.layout.groups)

    def positions(self, points: np.ndarray) -> np.ndarray:
        """Points `[T, 543, 4]` as the layout's columns `[T, positions]`."""
        return np.ascontiguousarray(points[:, self.point, self.coordinate])

    def complete(self, positions: np.ndarray) -> np.ndarray:
        """A clip's positions with their derivatives, if the layout stores any, `[T, D]`."""
        count = self.layout.stored_derivatives
        return np.hstack([positions, derivatives(positions, count)]) if count else positions


def video_layouts() -> list[str]:
    """Names of the shipped layouts that videos can be extracted to."""
    return [name for name in list_layouts() if name.startswith("mediapipe-")]
