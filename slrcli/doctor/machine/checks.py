"""Whether the machine is fit for training: software, device, threads, memory, disk and terminal."""

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

# MiB. A run keeps three files of weights and optimiser: 17 MiB with the default architecture, 280 with the largest.
DISK_LEAST, DISK_GOOD = 100, 1024
# Resident memory of a training run with the default architecture on short clips: about half a GiB.
MEMORY_LEAST, MEMORY_GOOD = 512, 2048
LOSS_TOLERANCE = 1e-5


@ENV_CHECKS.add("SLR-E01", "python and the packages are there and new enough")
def versions(context: EnvContext) -> Iterator[Finding]:
    """Against the oldest versions that the project is made for."""
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
    named = ", ".join(f"{name} {version}" for name, version in context.packages.items() if version)
    yield note(f"Python {context.python}, {named}")


@ENV_CHECKS.add("SLR-E02", "torch computes what it should")
def arithmetic(context: EnvContext) -> Iterator[Finding]:
    """A CTC loss that is known by counting alignments, from an array of numpy."""
    if math.isnan(context.loss):
        yield error(
            "torch cannot read arrays of numpy", fix="they are of different generations: install both anew, together"
        )
    elif abs(context.loss - KNOWN_LOSS) > LOSS_TOLERANCE:
        yield error(
            f"torch computes a CTC loss of {context.loss:.6f} instead of {KNOWN_LOSS:.6f}", fix="install torch anew"
        )
    else:
        yield note(f"the CTC loss of a known case is {context.loss:.6f}, as it should be")


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


@ENV_CHECKS.add("SLR-E05", "there is enough memory")
def memory(context: EnvContext) -> Iterator[Finding]:
    """What is free of what this process may use."""
    free, total = context.memory_free, context.memory_total
    if free is None:
        yield note("how much memory there is cannot be seen here")
        return
    said = f"{size(free)} of {size(total)} memory are free"
    fix = "close other programs; --batch-size 1, --max-frames N and --set run.cache_mb=100 need less"
    if free < MEMORY_LEAST:
        yield error(f"{said}, training takes about {size(MEMORY_LEAST)} at least", fix=fix)
    elif free < MEMORY_GOOD:
        yield warning(f"{said}, which is little", fix=fix)
    else:
        yield note(said)


@ENV_CHECKS.add("SLR-E06", "runs can be written, and there is space for them")
def disk(context: EnvContext) -> Iterator[Finding]:
    """A file can be created where runs go, and there is free space."""
    if context.runs_problem:
        fix = "go to a folder of your own, or name one with --output-dir"
        yield error(f"The folder for runs cannot be written: {context.runs_problem}", without_home(context.runs), fix)
        return
    if context.disk_free is None:
        yield note("how much space there is cannot be seen here")
        return
    said, where = f"{size(context.disk_free)} are free where runs go", without_home(context.runs)
    fix = "make space, or train elsewhere (--output-dir)"
    if context.disk_free < DISK_LEAST:
        yield error(f"{said}: a checkpoint may not be written", where, fix)
    elif context.disk_free < DISK_GOOD:
        yield warning(f"{said}, which is little", where, fix)
    else:
        yield note(said, where)


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
