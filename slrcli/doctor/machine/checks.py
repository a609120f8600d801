"""Whether the machine is suited for training: software, device, threads, memory, disk and terminal."""

import math
from collections.abc import Iterator

from slrcli.doctor.context import Checks, error, note, warning
from slrcli.doctor.machine.environment import (
    KNOWN_LOSS,
    OPTIONAL,
    PYTHON,
    REQUIRED,
    EnvContext,
    older,
    size,
    without_home,
)
from slrcli.findings import Finding

ENV_CHECKS = Checks()

# MiB, the least that will do and what is comfortable. A run keeps three files of weights and optimiser: 17 MiB
# with the default architecture, 280 with the largest.
DISK = 100, 1024
# Resident memory of a training run with the default architecture on short clips: about half a GiB.
MEMORY = 512, 2048
LOSS_TOLERANCE = 1e-5


@ENV_CHECKS.add("SLR-E01", "Python and the packages are new enough and work")
def versions(context: EnvContext) -> Iterator[Finding]:
    """The oldest supported versions, and a CTC loss known by counting alignments, from an array of numpy."""
    if older(context.python, PYTHON):
        yield error(f"Python {context.python} is too old", fix=f"install Python {PYTHON} or later")
    for name, least in REQUIRED.items():
        found = context.packages.get(name)
        if found is None:
            yield error(f"{name} is not installed", fix=f"pip install '{name}>={least}'")
        elif older(found, least):
            yield error(f"{name} {found} is too old", fix=f"pip install '{name}>={least}'")
    for name, least in OPTIONAL.items():
        found = context.optional.get(name)
        if found and older(found, least):
            yield warning(f"{name} {found} is too old to be relied on", fix=f"pip install '{name}>={least}'")
    if math.isnan(context.loss):
        fix = "their versions do not match: reinstall both in one command"
        yield error("torch cannot read arrays of numpy", fix=fix)
    elif abs(context.loss - KNOWN_LOSS) > LOSS_TOLERANCE:
        what = f"torch computes a CTC loss of {context.loss:.6f} instead of {KNOWN_LOSS:.6f}"
        yield error(what, fix="reinstall torch")
    named = ", ".join(f"{name} {version}" for name, version in context.packages.items() if version)
    yield note(f"Python {context.python}, {named}")


@ENV_CHECKS.add("SLR-E03", "the device can be used")
def device(context: EnvContext) -> Iterator[Finding]:
    """What `--device auto` takes computes, and no GPU lies idle."""
    if context.device_problem:
        fix = "install the torch that goes with the driver, or use --device cpu"
        yield error(f"{context.device} is there but does not compute: {context.device_problem}", fix=fix)
    elif context.idle_gpu:
        fix = "install a torch that is built for CUDA (pytorch.org shows which)"
        yield warning("there is an NVIDIA GPU, but this torch is built for the CPU alone", fix=fix)
    else:
        yield note(f"training runs on {context.device}")


@ENV_CHECKS.add("SLR-E04", "threads are as many as cores")
def threads(context: EnvContext) -> Iterator[Finding]:
    """Variables of the environment that make torch slow, or that it cannot read."""
    unreadable = {name: text for name, text in context.thread_variables.items() if not _positive(text)}
    for name, text in unreadable.items():
        yield error(f"{name} is {text!r}, which is no number of threads", fix=f"unset {name}, or set it to a number")
    if context.threads > context.cores:
        named = ", ".join(f"{name}={text}" for name, text in context.thread_variables.items()) or "no variable set"
        yield warning(
            f"torch uses {context.threads} threads on {context.cores} cores ({named}): they get in each other's way",
            fix=f"export OMP_NUM_THREADS={context.cores}",
        )
    yield note(f"{context.threads} of {context.cores} cores are used")


def _positive(text: str) -> bool:
    parts = text.split(",")  # OpenMP allows one number a level
    return all(part.strip().isdigit() and int(part) > 0 for part in parts)


@ENV_CHECKS.add("SLR-E05", "there is enough memory, and disk space that runs can be written to")
def space(context: EnvContext) -> Iterator[Finding]:
    """Free memory of this process, free disk space in the folder for runs, and whether a file can be created there."""
    total, where = size(context.memory_total), without_home(context.runs)
    fix = "close other programs; --batch-size 1, --max-frames N and --set run.cache_mb=100 need less"
    yield _enough("memory", context.memory_free, MEMORY, f"of {total} memory", "", fix)
    if context.runs_problem:
        fix = "change to a folder of your own, or name one with --output-dir"
        yield error(f"The folder for runs cannot be written: {context.runs_problem}", where, fix)
        return
    yield _enough(
        "disk space", context.disk_free, DISK, "of disk space", where, "free space, or train elsewhere (--output-dir)"
    )


def _enough(name: str, free: int | None, bounds: tuple[int, int], of: str, where: str, fix: str) -> Finding:
    """What is free in MiB against the least that will do and the least that is comfortable."""
    least, good = bounds
    if free is None:
        return note(f"the system does not say how much {name} is free")
    said = f"{size(free)} {of} are free"
    if free < least:
        return error(f"{said}, training needs at least {size(least)}", where, fix)
    return warning(f"{said}, which is little", where, fix) if free < good else note(said, where)


@ENV_CHECKS.add("SLR-E08", "the terminal can show glosses")
def encoding(context: EnvContext) -> Iterator[Finding]:
    """The standard output is in UTF-8, so that every gloss is shown as it is."""
    if context.encoding.lower().replace("-", "").replace("_", "") != "utf8":
        yield warning(
            f"the output is in {context.encoding} (locale {context.locale}): other characters appear as escapes",
            fix="export PYTHONUTF8=1, or choose a locale of UTF-8",
        )
    else:
        yield note(f"the output is in {context.encoding} (locale {context.locale})")
