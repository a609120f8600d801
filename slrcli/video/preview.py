"""A sheet of some frames of a clip with the landmarks drawn over them, to check an extraction by eye."""

import io
from dataclasses import dataclass

import numpy as np

from slrcli.video.frames import Frame
from slrcli.video.holistic import PARTS, STARTS
from slrcli.video.library import need

PICTURES = 12
ACROSS = 4
SIDE = 360  # pixels of a picture's longer side
GAP = 6
BAND = 18  # pixels below a picture, for its words
BACK, INK = (24, 26, 30), (235, 238, 242)
# Colours that also differ for people who see few of them (after Okabe and Ito).
COLOURS = {"pose": (240, 228, 66), "left_hand": (86, 180, 233), "right_hand": (230, 100, 20), "face": (0, 200, 140)}
WORDS = {"pose": "body", "left_hand": "left hand", "right_hand": "right hand", "face": "face"}


@dataclass(frozen=True, eq=False)
class _Still:
    image: np.ndarray
    time: float
    points: np.ndarray


class Preview:
    """Collects a few stills, spread over a clip of unknown length; `watch` is an argument for `extract`."""

    def __init__(self) -> None:
        self._stills: list[_Still] = []
        self._every, self._count = 1, 0

    def watch(self, frame: Frame, points: np.ndarray) -> None:
        """Add a frame and its points `[543, 4]` in fractions of the picture."""
        if self._count % self._every == 0:
            self._stills.append(_Still(_small(frame.image), frame.time, points))
            if len(self._stills) >= 4 * PICTURES:  # too many: keep every second, and fewer from now on
                self._stills, self._every = self._stills[::2], self._every * 2
        self._count += 1

    def png(self, title: str) -> bytes:
        """The sheet as a PNG file, with `title` above it."""
        need("PIL")
        from PIL import Image, ImageDraw

        count = min(PICTURES, len(self._stills))
        places = np.linspace(0, len(self._stills) - 1, count).round().astype(int)
        stills = [self._stills[place] for place in places]
        height, width = (max(still.image.shape[side] for still in stills) for side in (0, 1))
        across = min(ACROSS, count)
        down = -(-count // across)
        size = (GAP + across * (width + GAP), GAP + 2 * BAND + down * (height + BAND + GAP))
        sheet = Image.new("RGB", size, BACK)
        pen = ImageDraw.Draw(sheet)
        _head(pen, title)
        for number, still in enumerate(stills):
            x = GAP + number % across * (width + GAP)
            y = GAP + 2 * BAND + number // across * (height + BAND + GAP)
            sheet.paste(_drawn(still), (x, y))
            missing = [WORDS[part] for part in PARTS if np.isnan(still.points[STARTS[part], 0])]
            words = f"{still.time:.2f} s" + (f", without {', '.join(missing)}" if missing else "")
            pen.text((x + 2, y + height + 2), words, fill=INK)
        stream = io.BytesIO()
        sheet.save(stream, "PNG", optimize=True)
        return stream.getvalue()


def _head(pen, title: str) -> None:
    """The title (in the letters that the built-in font has) and the colours."""
    pen.text((GAP, GAP), title.encode("ascii", "replace").decode(), fill=INK)
    x = GAP
    for part, word in WORDS.items():
        pen.rectangle((x, GAP + BAND + 2, x + 9, GAP + BAND + 11), fill=COLOURS[part])
        pen.text((x + 14, GAP + BAND), word, fill=INK)
        x += 14 + int(pen.textlength(word)) + 14


def _drawn(still: _Still):
    """The picture with points and lines of all parts that were found."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(still.image)
    pen = ImageDraw.Draw(picture)
    places = still.points[:, :2] * (picture.width, picture.height)
    for part, joints in _joints().items():
        own = places[STARTS[part] : STARTS[part] + PARTS[part]]
        if np.isnan(own[0, 0]):
            continue
        thick = 1 if part == "face" else 2
        for a, b in joints:
            pen.line((*own[a].tolist(), *own[b].tolist()), fill=COLOURS[part], width=thick)
        if part != "face":
            for x, y in own.tolist():
                pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=COLOURS[part])
    return picture


def _joints() -> dict[str, list[tuple[int, int]]]:
    """Which points MediaPipe itself joins by lines."""
    solution = need("mediapipe.python.solutions.holistic")
    hand = sorted(solution.HAND_CONNECTIONS)
    return {
        "face": sorted(solution.FACEMESH_CONTOURS),
        "pose": sorted(solution.POSE_CONNECTIONS),
        "left_hand": hand,
        "right_hand": hand,
    }


def _small(image: np.ndarray) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE))
    return np.asarray(picture)
