"""Programs in processes of their own that need not load torch first: each is a fork of a template that has.

`program("slrcli")` begins a command line that does what `python -m slrcli` does. It is a small process that hands its
streams, folder, environment and ignored signals to the fork, passes signals on and ends as the fork ends. Where the
start of the interpreter or what a process loads is the subject, tests start Python itself. A template lives as long as
the process that asked for it, for which it waits at its standard input.
"""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = (
    "slrcli.api",
    "slrcli.cli",
    "slrcli.training.run",
    "slrcli.evaluation.checkpoint",
    "slrcli.recognition.stream",
)
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def program(module: str) -> list[str]:
    """The beginning of a command line that runs a module; arguments follow.

    Where the system cannot wait for a process and a socket at once, it is the interpreter's own `-m`.
    """
    if not FORKS:
        return [sys.executable, "-m", module]
    return [sys.executable, "-I", "-S", __file__, _template(), module]


def _can_wait() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # not Linux; or an old one, or one that forbids it
        return False
    return True


FORKS = _can_wait()


@functools.cache
def _template() -> str:
    """The name of the socket at which this process's template listens."""
    name = f"slr-template-{os.getpid()}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    assert process.stdin and process.stdout and process.stdout.readline() == b"ready\n"
    atexit.register(process.communicate)
    return name


def serve(name: str) -> tuple[str, list[str]] | None:
    """Fork for everybody who asks, until nobody is left; in a fork, the module that it is to run and its arguments."""
    for module in LOADED:
        __import__(module)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
        print("ready", flush=True)
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            line = listener.accept()[0]
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return attend(line)
            line.close()
    return None


def attend(line: socket.socket) -> tuple[str, list[str]]:
    """Fork, tell the one who asked the number of the process and its end, and end it with the one who asked."""
    size, streams, _, _ = socket.recv_fds(line, 4, 3)
    asked = json.loads(_read(line, int.from_bytes(size, "big")))
    child = os.fork()
    if child == 0:
        line.close()
        _become(streams, asked["folder"], asked["environment"], asked["ignored"])
        return asked["module"], asked["arguments"]
    for stream in (0, 1, *streams):  # or who reads them would wait for this process
        os.close(stream)
    with suppress(BrokenPipeError):
        line.sendall(child.to_bytes(4, "big"))
        ended = os.pidfd_open(child)
        if ended not in select.select([line, ended], [], [])[0]:
            os.kill(child, signal.SIGKILL)
        line.sendall(os.waitpid(child, 0)[1].to_bytes(4, "big"))
    os._exit(0)


def _become(streams: list[int], folder: str, environment: dict[str, str], ignored: list[int]) -> None:
    """Take over what the process that asked has."""
    for kind in PASSED_ON:
        usual = signal.default_int_handler if kind == signal.SIGINT else signal.SIG_DFL
        signal.signal(kind, signal.SIG_IGN if kind in ignored else usual)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as long as the process lives)
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]  # as with `python -m`


def ask(name: str, module: str, *arguments: str) -> int:
    """Have a template run a module and end as it does: its exit code, or the signal that ended it."""
    ignored = [kind for kind in PASSED_ON if signal.getsignal(kind) is signal.SIG_IGN]
    about = {"module": module, "arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    told = json.dumps({**about, "ignored": ignored}).encode()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + name)
        socket.send_fds(line, [len(told).to_bytes(4, "big")], [0, 1, 2])
        line.sendall(told)
        child = int.from_bytes(_read(line, 4), "big")
        for stream in range(3):
            os.close(stream)
        for kind in {*PASSED_ON} - {*ignored}:
            signal.signal(kind, lambda number, _: os.kill(child, number))
        status = int.from_bytes(_read(line, 4), "big")
    if os.WIFSIGNALED(status):
        with suppress(OSError):  # of one that nothing can handle
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


def _read(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = line.recv(count - len(found))
        if not part:
            raise EOFError("the other side has ended")
        found += part
    return found


def main(name: str, *asked: str) -> None:
    """Be the template, what it becomes, or who asks it."""
    if asked:
        sys.exit(ask(name, *asked))
    if found := serve(name):
        import runpy

        module, sys.argv[1:] = found
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
