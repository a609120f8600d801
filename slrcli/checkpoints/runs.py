"""Folders of runs: where a new one goes, which is the newest, and the checkpoint that an argument means."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from slrcli.config import RUNS
from slrcli.errors import CheckpointError, SlrError, UsageError
from slrcli.files import atomic_write_text, held, sweep_once, temporary_name

LATEST = "latest"
BEST = "best.safetensors"
LAST = "last.safetensors"
STATE = "last.state.safetensors"
CONFIG = "config.toml"
METRICS = "metrics.jsonl"
PLAN = "folds.json"  # in a folder of several runs
SWEEP = "sweep.json"  # in one whose runs differ in their settings
SUFFIX = ".safetensors"
SHIPPED = Path(__file__).parent / "shipped"  # recognisers that come along, each known by its name


@contextmanager
def new_run(output_dir: str, name: str) -> Iterator[Path]:
    """Make the folder of a new run, `runs/<date-time-name>` unless one is named, and hold it within the block.

    Raises:
        UsageError: the folder already holds a run, or several.
        SlrError: another process is about to fill it.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path(output_dir) if output_dir else RUNS / f"{stamp}-{name}-{os.getpid()}"
    require_no_run(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder cannot be created: {error.strerror}.", str(folder)) from error
    with held(folder, "run"):
        require_no_run(folder)  # another one may have been faster
        yield folder


def require_no_run(folder: Path) -> None:
    """UsageError for a folder that holds a run, or several."""
    if (folder / CONFIG).exists() or holds_several(folder):
        fix = f"Resume it with slr train --resume {folder}, or name another folder."
        raise UsageError("The folder already contains a run.", str(folder), fix)


def holds_several(folder: Path) -> bool:
    """Whether a folder is one of several runs."""
    return any((folder / name).exists() for name in (PLAN, SWEEP))


def point_latest(folder: Path) -> None:
    """Let `runs/latest` mean this run: a link, or where links are not allowed a file that holds the path.

    Runs that begin at the same moment may each do so: the link takes the place of another one in a single step.
    """
    with suppress(OSError, SlrError):  # a run does not fail for want of a shortcut to it
        RUNS.mkdir(exist_ok=True)
        try:
            sweep_once(RUNS)
            link = RUNS / temporary_name()
            link.symlink_to(os.path.relpath(folder.resolve(), RUNS.resolve()), target_is_directory=True)
        except OSError:
            atomic_write_text(RUNS / LATEST, str(folder.resolve()) + "\n")
        else:
            _take_place(link, RUNS / LATEST)


def _take_place(link: Path, latest: Path) -> None:
    try:
        os.replace(link, latest)
    finally:
        link.unlink(missing_ok=True)


def newest_run() -> Path | None:
    """The folder that `runs/latest` means, if it is there."""
    latest = RUNS / LATEST
    if latest.is_dir():
        return latest.resolve()
    with suppress(OSError, ValueError):  # a text that is no path
        if latest.is_file():
            folder = Path(latest.read_text(encoding="utf-8").strip())
            return folder if folder.is_dir() else None
    return None


def run_folder(argument: Path) -> Path:
    """The path itself, what `runs/latest` means where it says so, or a recogniser that comes along under that name."""
    if argument == RUNS / LATEST:
        return newest_run() or argument
    own = SHIPPED / f"{argument}{SUFFIX}"
    return own if str(argument) in shipped_names() and not argument.exists() else argument


def shipped_names() -> list[str]:
    """The recognisers that come along with the package."""
    return sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}"))


def newest_checkpoint() -> Path | None:
    """The best checkpoint of the newest run, if there is one."""
    run = newest_run()
    return checkpoint_in(run) if run else None


def checkpoint_in(folder: Path) -> Path | None:
    """The best checkpoint of a run, else its last, else None."""
    return next((folder / name for name in (BEST, LAST) if (folder / name).is_file()), None)


def find_checkpoint(argument: Path | None) -> Path:
    """The checkpoint that an argument means: a file, a run's folder, or, without an argument, the newest run.

    Raises:
        CheckpointError: there is none.
    """
    if argument is None:
        argument = newest_run()
        if argument is None:
            fix = "Train one with slr train --data-dir DIR, or name a checkpoint."
            raise CheckpointError("There is no run yet.", str(RUNS / LATEST), fix)
    argument = run_folder(argument)
    if argument.is_dir():
        found = checkpoint_in(argument)
        if found is None:
            fix = f"Name a run that contains {BEST}, which is written after the first epoch."
            raise CheckpointError("The folder contains no checkpoint.", shown(argument), fix)
        return found
    if not argument.is_file():
        fix = f"Name a .safetensors file or a run, or a recogniser that comes along: {', '.join(shipped_names())}."
        raise CheckpointError("There is no such checkpoint.", str(argument), fix)
    return argument


def require_own(checkpoint: Path) -> None:
    """UsageError for a recogniser that comes along: it belongs to the installation, and nothing is written into it."""
    if checkpoint.parent == SHIPPED:
        what = "The recogniser belongs to the installation, so nothing is written into it."
        raise UsageError(what, str(checkpoint), "Copy the file, and name the copy.")


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
