"""Several commands of `slr` in one process, each announced in a trace of system calls: `python offline.py JSON OUT`.

A trace holds what C libraries do as well, which a hook in Python does not see; the hook is there for machines without
strace. A command is announced by an attempt to reach a local socket of its name, which is nowhere.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

STRACE = shutil.which("strace")
ANNOUNCED = re.compile(r'connect\(\d+, \{sa_family=AF_UNIX, sun_path="/slr-announces/([^"]*)"')
OUTWARDS = re.compile(r"\bAF_(?:INET6?|NETLINK|PACKET)\b")


def traceable() -> bool:
    """Whether system calls of a process and its children can be recorded here."""
    return STRACE is not None and subprocess.run([STRACE, "-f", "true"], capture_output=True).returncode == 0


def announce(name: str) -> None:
    """Leave a mark in the trace."""
    with socket.socket(socket.AF_UNIX) as nobody, suppress(OSError):
        nobody.connect(f"/slr-announces/{name}")


def run(command: list[str], **options) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def traced(code: list[str], trace: Path, **options) -> dict[str, list[str]]:
    """Run Python with these arguments; name of what was announced -> calls of it and its children that look outwards.

    Outwards: at an address of the internet, at the network's interfaces (as a look-up of a name does), this machine's
    own included.
    """
    assert STRACE is not None
    command = [STRACE, "--seccomp-bpf", "-f", "-qq", "-s", "128", "-e", "trace=network", "-o", str(trace)]
    run([*command, sys.executable, *code], **options)
    found: dict[str, list[str]] = {"": []}
    for line in trace.read_text(errors="backslashreplace").splitlines():
        if announced := ANNOUNCED.search(line):
            found[announced[1]] = []
        elif OUTWARDS.search(line):
            found[[*found][-1]].append(line)
    return found


def outwards(event: str, args: tuple) -> bool:
    """Whether an event of Python's audit looks at a network."""
    if event == "socket.__new__":
        return args[1] != socket.AF_UNIX
    return event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")


def main(commands: str, out: str) -> None:
    """Run the commands, `{name: arguments}` as JSON, and write their exit codes and what Python itself reached for."""
    from slrcli.cli import app

    codes: dict[str, int] = {}
    reached: list[str] = []
    sys.addaudithook(lambda event, args: reached.append(f"{event}: {args}") if outwards(event, args) else None)
    for name, arguments in json.loads(commands).items():
        announce(name)
        try:
            app(arguments)
        except SystemExit as stop:
            codes[name] = stop.code or 0
    announce("the end")
    Path(out).write_text(json.dumps({"codes": codes, "reached": reached}))


if __name__ == "__main__":
    main(*sys.argv[1:])
