"""Processes that do what must not hold up the service: each does one job, and one that takes too long is replaced."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from slrcli.errors import DataError, SlrError
from slrcli.parallel.workers import WorkerDied, Workers
from slrcli.web.service.refusals import TooSlow

PATIENCE = 1.0  # seconds that a job gets to end which is called off


class Lanes:
    """A number of processes; jobs that find none free wait in their order. Made and used in one event loop.

    Args:
        count: processes, each started with its first job.
        within: seconds that a job may take.
        initializer, initargs: called in each process before its first job.
    """

    def __init__(self, count: int, within: float, initializer: Callable[..., Any] | None = None, initargs: tuple = ()):
        self._within, self._first = within, (initializer, initargs)
        self._all = {self._new() for _ in range(count)}
        self._free: asyncio.Queue[Workers] = asyncio.Queue()
        for pool in self._all:
            self._free.put_nowait(pool)

    async def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a job done; a task that is cancelled calls its job off.

        Raises:
            TooSlow: it took too long.
            DataError: the process died.
            Exception: what the job raised.
        """
        pool = await self._free.get()
        try:
            async with asyncio.timeout(self._within):
                return await asyncio.wrap_future(pool.submit(function, *arguments))
        except WorkerDied as error:
            what = "The clip could not be read: the process that read it ended."
            raise DataError(what, "", "The file may be damaged, or too large for the memory.") from error
        except (TimeoutError, asyncio.CancelledError) as error:
            self._all.discard(pool)
            asyncio.get_running_loop().run_in_executor(None, pool.call_off)
            self._all.add(pool := self._new())
            if isinstance(error, asyncio.CancelledError):
                raise
            what = f"The clip could not be read within {self._within:g} seconds."
            raise TooSlow(what, "", "Send a shorter one.") from error
        finally:
            self._free.put_nowait(pool)

    async def warm(self) -> None:
        """Start all processes before their first jobs come; what keeps one from starting is said to a job."""
        await asyncio.gather(*(self.do(_nothing) for _ in self._all), return_exceptions=True)

    async def close(self) -> None:
        """End all processes."""
        loop = asyncio.get_running_loop()
        with suppress(SlrError):
            await asyncio.gather(*(loop.run_in_executor(None, pool.call_off) for pool in self._all))

    def _new(self) -> Workers:
        initializer, initargs = self._first
        return Workers(1, initializer, initargs, patience=PATIENCE)


def _nothing() -> None:
    """The first job of a process that has none yet."""
