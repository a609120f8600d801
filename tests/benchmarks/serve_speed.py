"""What does the service add to the library, and how many clips a second does it answer?

One process serves a recogniser; 1, 8 and 32 clients in another one send it clips, each the next one as soon as it has
its answer. In turns with them, the library reads and recognises the same files in a loop. Clips per second, and the
latency of a clip: median and 99 %; and that of /health while all clients are at work.

    python tests/benchmarks/serve_speed.py RUN CLIP.npy ... --seconds 15
"""

import argparse
import platform
import statistics
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import httpx

from slrcli.listening import Listening
from slrcli.parallel.workers import usable_cores
from slrcli.recognition.load import open_recogniser
from slrcli.recognition.recogniser import ClipRecogniser


def main() -> None:
    """Measure and print a row per number of clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each, in all rounds together")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "starlette", "uvicorn"))
    print(f"{platform.processor() or platform.machine()}, {usable_cores()} cores, {libraries}")
    print(f"{len(options.clips)} clips, {options.seconds:g} s each in {options.rounds} rounds")
    recogniser = open_recogniser(Listening(), options.run, "cpu")
    command = [sys.executable, "-m", "slrcli", "serve", str(options.run), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            measure(recogniser, url, options.clips, options.clients, options.seconds / options.rounds, options.rounds)
        finally:
            process.terminate()


def measure(
    recogniser: ClipRecogniser, url: str, clips: list[Path], clients: list[int], seconds: float, rounds: int
) -> None:
    """Take turns, as other programs on the machine come and go; then a row of each."""
    names = {0: "library, a loop"} | {count: str(count) for count in clients}
    health: list[float] = []
    spent, taken = dict.fromkeys(names, 0.0), {count: [] for count in names}
    looped(recogniser, clips, 0.5)
    asked(url, clips, 1, 0.5)
    for _ in range(rounds):
        for count in names:
            heard = health if count == max(clients) else None
            time_of, each = asked(url, clips, count, seconds, heard) if count else looped(recogniser, clips, seconds)
            spent[count] += time_of
            taken[count] += each
    print(f"{'clients':>16} {'clips/s':>9} {'median':>10} {'99 %':>9}")
    for count, name in names.items():
        row(name, spent[count], taken[count])
    row(f"/health with {max(clients)}", spent[max(clients)], health)


def row(name: str, seconds: float, taken: list[float]) -> None:
    """One line of the table; latencies in milliseconds."""
    last = statistics.quantiles(taken, n=100)[98]
    median = statistics.median(taken)
    print(f"{name:>16} {len(taken) / seconds:9.1f} {1000 * median:7.1f} ms {1000 * last:6.1f} ms", flush=True)


def looped(recogniser: ClipRecogniser, clips: list[Path], limit: float) -> tuple[float, list[float]]:
    """The library alone: seconds in all, and those of every clip."""
    taken: list[float] = []
    begin = time.monotonic()
    while time.monotonic() - begin < limit:
        start = time.monotonic()
        recogniser.recognise([recogniser.load(clips[len(taken) % len(clips)])])
        taken.append(time.monotonic() - start)
    return time.monotonic() - begin, taken


def asked(
    url: str, clips: list[Path], clients: int, limit: float, health: list[float] | None = None
) -> tuple[float, list[float]]:
    """So many clients of the service: seconds in all, and those of every clip; `health` takes those of /health."""
    bodies = [(path.name, path.read_bytes()) for path in clips]
    taken: list[float] = []
    ends = [0.0]

    def ask(number: int) -> None:
        with httpx.Client(base_url=url, timeout=600, trust_env=False) as client:
            while time.monotonic() < ends[0]:
                name, body = bodies[number % len(bodies)]
                start = time.monotonic()
                client.post("/recognise", params={"name": name}, content=body).raise_for_status()
                taken.append(time.monotonic() - start)
                number += clients

    def look() -> None:
        with httpx.Client(base_url=url, timeout=600, trust_env=False) as client:
            while health is not None and time.monotonic() < ends[0]:
                start = time.monotonic()
                client.get("/health").raise_for_status()
                health.append(time.monotonic() - start)
                time.sleep(0.05)

    begin = time.monotonic()
    ends[0] = begin + limit
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    threads += [threading.Thread(target=look)] if health is not None else []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begin, taken


if __name__ == "__main__":
    main()
