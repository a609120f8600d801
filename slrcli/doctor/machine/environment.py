"""What checks of the machine look at: versions, devices, threads, memory, disk and terminal, gathered in one place."""

import locale
import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from slrcli import __version__
from slrcli.config import RUNS
from slrcli.doctor.context import Context
from slrcli.parallel.workers import usable_cores

try:
    import torch

    from slrcli.ctc.loss import ctc_loss
except ModuleNotFoundError:  # without it `slr check env` says so
    torch = None  # type: ignore[assignment]

MIB = 2**20
# The oldest versions that will do, as pyproject.toml states them (a test compares).
PYTHON = "3.11"
REQUIRED = {
    "typer": "0.29",
    "rich": "13.8",
    "torch": "2.4",
    "numpy": "1.26",
    "safetensors": "0.4.3",
    "rapidfuzz": "3.9.7",
    "jiwer": "4.0",
    "jinja2": "3.1",
    "pandas": "2.1",
    "tomli-w": "1.0",
}
OPTIONAL = {"tensorboard": "2.14"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Two frames, a blank and one gloss, all equally likely: of four alignments three read as the gloss.
KNOWN_LOSS = float(-np.log(3 / 4))


@dataclass
class EnvContext(Context):
    """The machine as `slr` finds it.

    Attributes:
        python: its version.
        packages: name -> version of those that are required; None: not installed.
        optional: the same of those that are not.
        device: what `--device auto` takes, such as `cpu` or `cuda (NVIDIA H100)`.
        device_problem: why a device that is there cannot compute; empty: it can, or there is none.
        idle_gpu: whether the machine has a GPU that this torch is not built for.
        cores: that this process may use.
        threads: that torch uses.
        thread_variables: those of `THREAD_VARIABLES` that are set.
        memory_total, memory_free: MiB that this process may use, and how much of it is free; None: unknown.
        runs: where runs go.
        disk_free: MiB there; None: unknown.
        runs_problem: why nothing can be written there; empty: it can.
        encoding: of the standard output.
        locale: of the process, such as `en_GB.UTF-8`.
        loss: the CTC loss of `KNOWN_LOSS` as this machine computes it, through an array of numpy.
    """

    python: str
    packages: dict[str, str | None]
    optional: dict[str, str | None]
    device: str
    device_problem: str
    idle_gpu: bool
    cores: int
    threads: int
    thread_variables: dict[str, str]
    memory_total: int | None
    memory_free: int | None
    runs: Path
    disk_free: int | None
    runs_problem: str
    encoding: str
    locale: str
    loss: float

    def results(self) -> dict[str, Any]:
        """Everything as name -> text."""
        return {"facts": facts(self)}

    @classmethod
    def here(cls, runs: Path = RUNS) -> "EnvContext":
        """This machine, with runs going to `runs`."""
        total, free = memory()
        return cls(
            python=platform.python_version(),
            packages={name: installed(name) for name in REQUIRED},
            optional={name: installed(name) for name in OPTIONAL},
            device=device_name(),
            device_problem=device_problem(),
            idle_gpu=torch is not None and not torch.cuda.is_available() and has_nvidia(),
            cores=usable_cores(),
            threads=torch.get_num_threads() if torch else 1,
            thread_variables={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
            memory_total=total,
            memory_free=free,
            runs=runs,
            disk_free=disk_free(runs),
            runs_problem=writing_problem(runs),
            encoding=getattr(sys.stdout, "encoding", None) or "unknown",
            locale=".".join(filter(None, locale.getlocale())) or "C",
            loss=loss_of_known(),
        )


def installed(name: str) -> str | None:
    """Version of a package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def as_numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 4, 1) of `2.4.1+cpu`."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def older(version: str, least: str) -> bool:
    """Whether a version is older than the oldest that will do."""
    return as_numbers(version) < as_numbers(least)


def device_name() -> str:
    """What `--device auto` takes."""
    return f"cuda ({torch.cuda.get_device_name()})" if torch and torch.cuda.is_available() else "cpu"


def device_problem() -> str:
    """Why a CUDA device that torch sees cannot compute; empty where it can, or where there is none."""
    if not torch or not torch.cuda.is_available():
        return ""
    try:
        torch.ones(8, 8, device="cuda").mm(torch.ones(8, 8, device="cuda")).cpu()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""


def has_nvidia() -> bool:
    """Whether the driver of an NVIDIA GPU is at work."""
    return Path("/proc/driver/nvidia/version").exists()


def memory(proc: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> tuple[int | None, int | None]:
    """MiB of memory that this process may use, and how much of it is free; None where the system does not say.

    A container's own limit (cgroup version 2) counts where it is lower.
    """
    try:
        lines = dict(line.split(":", 1) for line in proc.read_text().splitlines())
        total, free = (int(lines[key].split()[0]) // 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return None, None
    try:
        limit, used = (int((cgroup / name).read_text()) // MIB for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # `max`, or no such file: no limit
        return total, free
    return min(total, limit), min(free, max(limit - used, 0))


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def disk_free(path: Path) -> int | None:
    """MiB free where `path` is or would be made; None where the system does not say."""
    try:
        return shutil.disk_usage(nearest_folder(path)).free // MIB
    except OSError:
        return None


def writing_problem(path: Path) -> str:
    """Why no file can be made in the folder `path`, or where it would be made; empty where one can."""
    try:
        with tempfile.TemporaryFile(dir=nearest_folder(path)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def loss_of_known() -> float:
    """The loss of `KNOWN_LOSS`; NaN where torch and numpy do not go together, `KNOWN_LOSS` itself without torch."""
    if not torch:
        return KNOWN_LOSS
    try:
        log_probs = torch.from_numpy(np.log(np.full((1, 2, 2), 0.5, np.float32)))
        return float(ctc_loss(log_probs, torch.tensor([2]), torch.tensor([1]), torch.tensor([1])))
    except RuntimeError:  # torch was built for another generation of numpy
        return float("nan")


def facts(context: EnvContext) -> dict[str, str]:
    """Everything as name -> text, for tables and reports of defects. Nothing personal: the home folder is `~`."""
    packages = {name: version or "not installed" for name, version in {**context.packages, **context.optional}.items()}
    free, total = (size(value) for value in (context.memory_free, context.memory_total))
    variables = ", ".join(f"{name}={value}" for name, value in context.thread_variables.items())
    return {
        "slr": __version__,
        "python": context.python,
        **packages,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "device": context.device,
        "cores": str(context.cores),
        "threads": f"{context.threads} ({variables or 'not set by the environment'})",
        "memory": f"{free} free of {total}",
        "runs": f"{without_home(context.runs)}, {size(context.disk_free)} free",
        "encoding": context.encoding,
        "locale": context.locale,
    }


def size(mib: int | None) -> str:
    """`512 MiB`, `7.7 GiB`."""
    if mib is None:
        return "unknown"
    return f"{mib} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def without_home(path: Path) -> str:
    """A path as it may be shown to strangers: absolute, the home folder as `~`."""
    path, home = path.absolute(), Path.home()
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)
