"""Frames of a running stream, read by a thread; a slow consumer gets the newest frame instead of the next."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

PATIENCE = 1.0  # seconds that the thread gets to close its source; one that waits for a silent pipe never does

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """Items that a thread reads from `source`; one is kept, and a newer one replaces it. A context manager.

    Args:
        source: read to its end in a thread of its own; its errors are raised where items are awaited.
        drop: whether a newer item replaces one that was not taken yet; otherwise the source has to wait.

    Attributes:
        came: number of items read.
        dropped: number of items replaced before they were taken.
    """

    def __init__(self, source: Iterable[Item], drop: bool = True):
        self.came = self.dropped = 0
        self._source, self._drop = source, drop
        self._kept: deque[Item] = deque(maxlen=1)
        self._ended = self._left = False
        self._error: BaseException | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="frames", daemon=True)

    def __enter__(self) -> "Newest[Item]":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._change:
            self._left = True
            self._change.notify_all()
        self._thread.join(PATIENCE)

    def __iter__(self) -> Iterator[Item]:
        """The newest item each time, up to and including the last item of the source."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._kept or self._ended)
                if not self._kept:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._kept.popleft()
                self._change.notify_all()
            yield item

    def _read(self) -> None:
        try:
            for item in self._source:
                with self._change:
                    if not self._drop:
                        self._change.wait_for(lambda: not self._kept or self._left)
                    if self._left:
                        return
                    self.came += 1
                    self.dropped += len(self._kept)
                    self._kept.append(item)
                    self._change.notify_all()
        except BaseException as error:  # raised again where the items are awaited
            self._error = error
        finally:
            with self._change:
                self._ended = True
                self._change.notify_all()
