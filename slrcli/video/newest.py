"""Frames of a running stream: a thread reads them, and who is slow gets the newest rather than the next."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

PATIENCE = 1.0  # seconds that the thread gets to close its source; one that waits for a silent pipe never does

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """What a thread reads from `source`; one is kept, and a newer one takes its place. To be used in a `with`.

    Args:
        source: read to its end in a thread of its own; what it raises is raised where it is awaited.
        drop: whether a newer item replaces one that nobody has taken yet; otherwise the source has to wait.

    Attributes:
        came: items that were read.
        dropped: those that nobody got to see.
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
        """Each time the newest item; ends when the source has, the last item included."""
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
