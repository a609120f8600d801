"""Clips of several clients, recognised together: while some are at work others arrive and wait for the next batch.

Nobody waits for a batch to fill: whoever comes to an idle service is recognised at once, alone.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from slrcli.features.clip import Clip
from slrcli.recognition.decode import Decoded, Read, recognised
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.web.service.refusals import Busy

MOST_TOGETHER = 8192  # of a batch, its padding included, unless a single clip has more
MOST_WAITING = 1 << 30  # bytes of clips that wait, unless a single one has more
ALIKE = 2.0  # how many times as long as the first one a clip of its batch may be, or the first one as it


@dataclass(eq=False)
class _Waiting:
    """A clip that waits.

    Attributes:
        path: names it; no other has the same.
        clip: as the recogniser reads it.
        landmarks: of a video, the file that was made of it.
        outcome: what comes out.
    """

    path: Path
    clip: Clip
    landmarks: Path | None
    outcome: asyncio.Future = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batches:
    """The queue of one recogniser.

    Args:
        recogniser: only ever called by the executor.
        most: clips of a batch.
        executor: with one thread, which whoever else calls the recogniser uses, too.
    """

    def __init__(self, recogniser: ClipRecogniser, most: int, executor: Executor):
        self._recogniser, self._most, self._executor = recogniser, most, executor
        self._waiting: list[_Waiting] = []
        self._came = asyncio.Event()

    async def recognise(self, path: Path, clip: Clip, landmarks: Path | None = None) -> Decoded:
        """What is recognised in a clip, as soon as it is its turn.

        Raises:
            Busy: those that wait take too much memory.
            SlrError: it cannot be recognised.
        """
        if self._waiting and sum(item.clip.x.nbytes for item in self._waiting) + clip.x.nbytes > MOST_WAITING:
            raise Busy("Too many long clips are waiting.", "", "Try again in a moment.")
        item = _Waiting(path, clip, landmarks)
        self._waiting.append(item)
        self._came.set()
        try:
            found: Decoded = await item.outcome
        finally:
            if item in self._waiting:  # nobody waits for it any more
                self._waiting.remove(item)
        found.found  # noqa: B018 (raises the error where there is one)
        return found

    async def run(self) -> None:
        """Work off the queue until the task is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._came.wait()
            while self._waiting:
                batch = together(self._waiting, self._most)
                self._waiting = [item for item in self._waiting if item not in batch]
                outcomes = await loop.run_in_executor(self._executor, recognise_all, self._recogniser, batch)
                for item, outcome in zip(batch, outcomes, strict=True):
                    if item.outcome.done():  # cancelled
                        continue
                    if isinstance(outcome, Decoded):
                        item.outcome.set_result(outcome)
                    else:
                        item.outcome.set_exception(outcome)
            self._came.clear()


def together(waiting: Sequence[_Waiting], most: int) -> list[_Waiting]:
    """The batch that comes next: the clip that has waited longest, and those nearest to its length."""
    first = waiting[0]
    length = len(first.clip.x)
    batch, longest = [first], length
    for item in sorted(waiting[1:], key=lambda item: abs(len(item.clip.x) - length)):
        frames = len(item.clip.x)
        reach = max(longest, frames)
        if len(batch) == most or reach * (len(batch) + 1) > MOST_TOGETHER:
            break
        if max(frames, length) <= ALIKE * min(frames, length):
            batch.append(item)
            longest = reach
    return batch


def recognise_all(recogniser: ClipRecogniser, batch: Sequence[_Waiting]) -> Sequence[Decoded | Exception]:
    """What comes out for each clip; where a batch fails, clip by clip, so that one does not take the others."""
    paths = [item.path for item in batch]
    made = {item.path: item.landmarks for item in batch if item.landmarks is not None}
    try:
        return recognised(recogniser, Read(paths, dict(enumerate(item.clip for item in batch)), {}), made)
    except Exception as error:
        if len(batch) == 1:
            return [error]
    return [recognise_all(recogniser, [item])[0] for item in batch]
