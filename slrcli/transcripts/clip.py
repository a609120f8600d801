"""`TimedClip`: the glosses of a clip with their times; an `Entry` for every writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slrcli.transcripts.items import Row, Timed

SHORTEST = 0.002  # seconds; subtitles and ELAN know nothing that takes no time


@dataclass(frozen=True)
class TimedClip:
    """What was recognised, or aligned, in one clip.

    Attributes:
        id: what the clip is called in files of several clips.
        frames: of the clip, where known.
        hypothesis: its glosses.
        fps: frames per second.
        times: for each frame the second at which it is shown, where that is known better than from `fps`.
        media: the video it was made from, if any.
        signer: who signs, where known.
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
        """Those of the hypothesis."""
        return self.hypothesis.glosses

    def second(self, frame: int) -> float:
        """When a frame begins to be shown; of the one after the last, when the last one's time is over."""
        if not self.times:
            return frame / self.fps
        last = min(frame, len(self.times) - 1)
        return self.times[last] + (frame - last) / self.fps

    @property
    def rows(self) -> list[Row]:
        """The glosses in order; each takes some time."""
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
        """Plain values; `slr score` reads it as a line of JSON lines."""
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
