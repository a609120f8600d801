"""`TimedClip`: the glosses of a clip with their times; an `Entry` for every writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slrcli.transcripts.items import Row, Timed

SHORTEST = 0.002  # seconds; subtitles and ELAN know nothing that takes no time


@dataclass(frozen=True)
class TimedClip:
    """The recognised or aligned glosses of one clip.

    Attributes:
        id: name of the clip in files of several clips.
        frames: number of frames of the clip, if known.
        hypothesis: its glosses.
        fps: frames per second.
        times: the second at which each frame is shown, if more exact than by `fps`.
        media: the source video, if any.
        signer: the signer, if known.
    """

    id: str
    frames: int | None
    hypothesis: Timed
    fps: float
    times: tuple[float, ...] = ()
    media: Path | None = None
    signer: str = ""

    @property
    def glosses(self) -> Sequence[str]:
        """The glosses of the hypothesis."""
        return self.hypothesis.glosses

    def second(self, frame: int) -> float:
        """The second at which a frame begins; for the frame after the last one, the second at which the clip ends."""
        if not self.times:
            return frame / self.fps
        last = min(frame, len(self.times) - 1)
        return self.times[last] + (frame - last) / self.fps

    @property
    def rows(self) -> list[Row]:
        """The glosses in order; each has a positive duration."""
        found = self.hypothesis
        rows = []
        for index, (gloss, (first, stop)) in enumerate(zip(found.glosses, found.spans, strict=True)):
            peak = found.peaks[index] if found.peaks else None
            start = self.second(first)
            end = max(self.second(stop), start + SHORTEST)
            shown = None if peak is None else self.second(peak)
            rows.append(Row(gloss, first, stop, peak, start, end, shown, found.confidences[index]))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain values: a line of a JSON Lines file that `slr score` reads."""
        found, rows = self.hypothesis, self.rows
        return {
            "id": self.id,
            "glosses": list(found.glosses),
            "spans": [list(span) for span in found.spans],
            "peaks": list(found.peaks) or None,
            "seconds": [[round(row.start, 3), round(row.end, 3)] for row in rows],
            "peak_seconds": [round(row.peak, 3) for row in rows if row.peak is not None] or None,
            "confidences": [round(value, 4) for value in found.confidences],
            "score": found.score,
            "frames": self.frames,
            "fps": self.fps,
        }
