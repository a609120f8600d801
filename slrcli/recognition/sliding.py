"""Glosses of a stream from a recogniser of whole clips: it looks at the last few seconds again and again.

Windows overlap, so each gloss is seen several times. One is certain once it ended a while ago, so that the recogniser
has seen what follows. What a window has in common with what was said before is found by aligning the two.
"""

from collections.abc import Callable, Sequence

import numpy as np

from slrcli.config import LiveConfig
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.decoding.stream import StreamEvent

JITTER = 0.4  # seconds that a gloss may move between two windows; the same sign made again comes later than that


class SlidingWindow:
    """A `StreamRecogniser` made of a recogniser of clips.

    Args:
        recognise: features `[T, D]` of a window -> its hypothesis, spans in frames of the window.
        fps: frames a second of the stream.
        options: lengths of window, hop and settling time.
        least: frames of which the recogniser can make something.
    """

    def __init__(self, recognise: Callable[[np.ndarray], Hypothesis], fps: float, options: LiveConfig, least: int = 1):
        self._recognise = recognise
        self._window, self._hop, self._settle = (
            max(1, round(seconds * fps)) for seconds in (options.window, options.hop, options.settle)
        )
        self._jitter = JITTER * fps
        self._least = max(least, 1)
        self._kept: list[np.ndarray] = []  # the last frames, at most a window
        self._count = self._looked = 0  # frames that came, and how many had come at the last look
        self._certain = 0  # up to this frame all is said
        self._said: list[StreamEvent] = []  # as far as it reaches into the last window

    def push(self, frames: np.ndarray) -> list[StreamEvent]:
        """See `StreamRecogniser`. The glosses do not depend on how the frames are divided."""
        found = []
        for row in frames:
            self._kept.append(row)
            self._count += 1
            if self._count - self._looked >= self._hop:
                found += self._look(self._count - self._settle)
        return found

    def finish(self) -> list[StreamEvent]:
        """See `StreamRecogniser`."""
        return self._look(self._count)

    def _look(self, certain: int) -> list[StreamEvent]:
        """The new glosses of the window that ends now, as far as they end up to the frame `certain`."""
        self._looked = self._count
        del self._kept[: -self._window]
        if len(self._kept) < self._least:
            return []
        first = self._count - len(self._kept)
        found = self._recognise(np.stack(self._kept))
        peaks: list[int | None] = [first + peak for peak in found.peaks]
        peaks = peaks or [None] * len(found.glosses)
        seen = [
            StreamEvent(gloss, first + start, first + end, confidence, peak, self._count)
            for gloss, (start, end), confidence, peak in zip(
                found.glosses, found.spans, found.confidences, peaks, strict=True
            )
        ]
        self._said = [item for item in self._said if item.end > first]
        open_since = self._certain - self._jitter
        new = [item for item in unsaid(self._said, seen, self._jitter) if open_since < item.end <= certain]
        self._said += new
        self._certain = certain
        return new


def unsaid(said: Sequence[StreamEvent], seen: Sequence[StreamEvent], reach: float) -> list[StreamEvent]:
    """What a window has beyond what was said before.

    The two are aligned as a whole, in their order: the same gloss at about the same time is one and the same, as many
    of them as can be, the nearer the better. Of the rest counts what lies after all that was said: what was said cannot
    be taken back, nor anything put before it.

    Args:
        said: glosses of earlier windows, as far as they reach into this one.
        seen: glosses of this window.
        reach: frames that a gloss may move between two windows.
    """
    pairs = _aligned(said, seen, reach)
    after = 1 + max((place for _, place in pairs), default=-1)
    latest = said[-1].end if said else -np.inf
    matched = bool(pairs) and pairs[-1][0] == len(said) - 1
    return [item for item in seen[after:] if matched or item.middle >= latest]


def _aligned(said: Sequence[StreamEvent], seen: Sequence[StreamEvent], reach: float) -> list[tuple[int, int]]:
    """Pairs of places (in `said`, in `seen`), both rising, of the greatest total worth."""
    best = np.zeros((len(said) + 1, len(seen) + 1))
    for i in reversed(range(len(said))):
        for j in reversed(range(len(seen))):
            together = _worth(said[i], seen[j], reach)
            best[i, j] = max(best[i + 1, j], best[i, j + 1], together + best[i + 1, j + 1] if together else 0)
    pairs, i, j = [], 0, 0
    while i < len(said) and j < len(seen):
        together = _worth(said[i], seen[j], reach)
        if together and best[i, j] == together + best[i + 1, j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return pairs


def _worth(one: StreamEvent, other: StreamEvent, reach: float) -> float:
    """How good it is to take two for the same: 0 not at all, 2 in the same place, always more than 1 between."""
    apart = abs(one.middle - other.middle)
    return 2 - apart / max(reach, 1) if one.gloss == other.gloss and apart < reach else 0.0
