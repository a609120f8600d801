"""The life of one worker process: jobs one after the other, and an end when nobody wants them any more."""

import _thread
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_told: Callable[[Any], None] | None = None  # in a worker: takes messages to its pool


def tell(message: Any) -> None:
    """Send a message from the job of a worker to the `heard` of its pool; nothing happens elsewhere."""
    if _told is not None:
        _told(message)


@contextmanager
def telling(told: Callable[[Any], None]) -> Iterator[None]:
    """Within it, what is told goes there."""
    global _told
    before, _told = _told, told
    try:
        yield
    finally:
        _told = before


def serve(jobs: Connection, control: Connection, patience: float) -> None:
    """Run in a new process; see `Workers` for what it promises.

    Args:
        jobs: brings `(function, args, kwargs)` and takes `("told" | "done" | "failed", value)`. Its end is the end of
            the work.
        control: brings a word when the job at work is called off. Its end is that of the parent.
        patience: seconds that an orphan's job gets to end.
    """
    _deaf_to_terminal()
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        _limit_threads()
        threading.Thread(target=_heed, args=(control, patience), daemon=True).start()
        with telling(lambda message: jobs.send(("told", message))):
            while True:
                _reply(jobs, *outcome(jobs.recv_bytes()))
    except (EOFError, OSError):  # nobody listens any more
        return
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on nothing is half-written, and the end comes at once


def outcome(job: bytes) -> tuple[str, Any]:
    """What a job came to. It is unpickled here: its modules may be heavy, and missing ones are a failure of its own."""
    try:
        function, args, kwargs = ForkingPickler.loads(job)
        return "done", function(*args, **kwargs)
    except Exception as error:
        error.add_note(traceback.format_exc())  # its own traceback stays here
        return "failed", error


def _reply(jobs: Connection, kind: str, value: Any) -> None:
    """Send an outcome; what cannot be pickled is a failure, too."""
    try:
        answer = ForkingPickler.dumps((kind, value))
        if kind == "failed":
            ForkingPickler.loads(answer)  # an exception may forbid only that
    except Exception as error:
        known = value if kind == "failed" else error
        answer = ForkingPickler.dumps(("failed", RuntimeError(f"{type(known).__name__}: {known}")))
    jobs.send_bytes(answer)


def _heed(control: Connection, patience: float) -> None:
    """Interrupt the job when it is called off, or when the parent is gone; then the process ends in any case."""
    called_off = False
    with suppress(EOFError, OSError):
        control.recv_bytes()
        called_off = True
        _interrupt_main()
        control.recv_bytes()
    if not called_off:  # a second time would be a second Ctrl-C: the end without good order
        _interrupt_main()
    time.sleep(patience)
    os._exit(128 + signal.SIGTERM)


def _interrupt_main() -> None:
    """SIGTERM for the main thread, a real one where there are: it wakes system calls."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


def _interrupt(*_: object) -> None:
    sys.unraisablehook = _again
    raise KeyboardInterrupt  # so that what is half-written is removed


def _again(lost: "sys.UnraisableHookArgs") -> None:
    """Interrupt once more where the first time was lost, in a callback of the interpreter's own, during an import."""
    if lost.exc_type is not None and issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.05, _interrupt_main).start()
    else:
        sys.__unraisablehook__(lost)


def _deaf_to_terminal() -> None:
    """Ctrl-C reaches all processes of a terminal; the parent answers it. Blocked, no handler of a job hears it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _limit_threads() -> None:
    """One: libraries that are loaded with the jobs read the environment; torch may be here already with `__main__`."""
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
