"""What `slr extract` does: extract landmark files from videos in the same folder structure, with a manifest."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from slrcli.config import ExtractConfig, check_section
from slrcli.console import Console, Task
from slrcli.errors import DataError, SlrError, is_damage
from slrcli.features.layout import Layout, load_layout
from slrcli.features.readers.npz import member
from slrcli.files import DiskError, open_regular
from slrcli.parallel.cluster import pool
from slrcli.parallel.parts import WHOLE, Part
from slrcli.parallel.serving import tell
from slrcli.parallel.workers import as_they_end, usable_cores
from slrcli.video.holistic import Columns
from slrcli.video.job import Job, Step, run_job, settings_of
from slrcli.video.library import need_all
from slrcli.video.manifest import Manifest, held_manifest
from slrcli.video.sources import PREVIEW, Source, find_sources, fingerprint


@dataclass
class Extracted:
    """The result of `slr extract`.

    Attributes:
        folder: folder of the landmark files.
        done: manifest lines of the clips extracted in this call.
        failed: clips that failed, with their errors.
        skipped: number of clips that were done before and have not changed.
        seconds: duration.
    """

    folder: Path
    done: list[dict[str, Any]] = field(default_factory=list)
    failed: list[tuple[Path, SlrError]] = field(default_factory=list)
    skipped: int = 0
    seconds: float = 0.0

    @property
    def frames(self) -> int:
        """Number of frames processed in this call."""
        return sum(entry["frames_looked_at"] for entry in self.done)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "folder": str(self.folder),
            "extracted": self.done,
            "skipped": self.skipped,
            "failed": [{"source": str(path), "error": str(error)} for path, error in self.failed],
            "frames": self.frames,
            "seconds": round(self.seconds, 2),
        }


def extract(
    console: Console,
    paths: Sequence[Path],
    out: Path,
    options: ExtractConfig,
    jobs: int = 0,
    preview: bool = False,
    overwrite: bool = False,
    stop_on_error: bool = False,
    part: Part | None = None,
    cluster: str = "",
) -> Extracted:
    """Extract videos and folders of pictures; a clip that fails stops the others only with `stop_on_error`.

    Parts may run at the same time, on any machine that sees `out`.

    Args:
        paths: videos, folders of pictures, and folders of either.
        out: folder of the results; clips keep their paths relative to the named folder.
        options: settings of the extraction.
        jobs: processes; 0: one per core.
        preview: draw some frames of every clip, beside its file.
        overwrite: repeat what is done, and replace files that are not in the manifest.
        stop_on_error: stop at the first failure.
        part: the part of the clips that is extracted here; None: all of them.
        cluster: address of a Dask scheduler whose workers extract; "": processes of this machine.

    Raises:
        SlrError: another process is at work on the same part, or on any where `part` is None.
        UsageError: a setting is invalid, or the layout has points that MediaPipe lacks.
        DataError: a path does not exist, or a folder holds no clip.
        DependencyError: the extra `video` is not installed, or does not exist for this Python.
    """
    check_section(options, "extract.")
    layout = load_layout(options.layout)
    Columns.of(layout)
    need_all()
    start = time.monotonic()
    sources = find_sources(paths, without=out)
    result = Extracted(out)
    with held_manifest(out, part) as manifest:
        if manifest.damaged:
            lost = f"{manifest.damaged} lines of {manifest.path} cannot be read"
            console.warn(f"{lost}; their clips are extracted again.")
        work = list(_plan(sources, part or WHOLE, out, layout, options, preview, overwrite, manifest, result))
        _tell_plan(console, len(sources), part, len(work), result)
        try:
            _run(console, work, jobs or usable_cores(), manifest, result, stop_on_error, cluster)
        finally:
            if result.done or result.failed:
                manifest.save()
    result.seconds = time.monotonic() - start
    return result


def _tell_plan(console: Console, clips: int, part: Part | None, left: int, result: Extracted) -> None:
    """Note what of the clips is done here, and what was done before."""
    own = left + result.skipped + len(result.failed)
    if part:
        console.note(f"part {part}: {own} of {clips} clips")
    if result.skipped:
        console.note(f"{result.skipped} of {own} clips are done and have not changed; --overwrite repeats them.")


def _plan(
    sources: Sequence[Source],
    part: Part,
    out: Path,
    layout: Layout,
    options: ExtractConfig,
    preview: bool,
    overwrite: bool,
    manifest: Manifest,
    result: Extracted,
) -> Iterator[Job]:
    """What is to be done; what is done already or cannot be is counted in `result`."""
    for source, target, other in part.of(_targets(sources, out)):
        sheet = target.with_name(f"{source.name.name}{PREVIEW}") if preview else None
        job = Job(source.path, target, layout, options, sheet)
        name = str(target.relative_to(out))
        if other is not None:
            what = f"The clip would be written to the same file as {other}: {target}."
            result.failed.append((source.path, DataError(what, source.path, "Extract it into another folder.")))
            continue
        known = manifest.is_done(name, target, fingerprint(source.path), settings_of(job))
        if known and not overwrite and (sheet is None or sheet.is_file()):
            result.skipped += 1
        elif target.exists() and not manifest.known(name) and not overwrite and not _own(target, source.path):
            what = "The target exists and is not in the manifest."
            result.failed.append((source.path, DataError(what, target, "Name another folder, or use --overwrite.")))
        else:
            yield job


def _targets(sources: Sequence[Source], out: Path) -> Iterator[tuple[Source, Path, Path | None]]:
    """Each clip, the file it is written to, and the clip before it that is written to the same one."""
    taken: dict[Path, Path] = {}
    for source in sources:
        target = out / source.name.with_name(f"{source.name.name}.npz")
        yield source, target, taken.get(target)
        taken.setdefault(target, source.path)


def _own(target: Path, source: Path) -> bool:
    """Whether a file was extracted from a clip of this name: one that was done when the process was killed, before
    the manifest could tell of it."""
    try:
        with open_regular(target) as file, np.load(file, allow_pickle=False) as archive:
            return json.loads(str(member(archive, "about")))["source"] == source.name
    except Exception as error:
        if not isinstance(error, OSError) and not is_damage(error):
            raise
        return False


def _run(
    console: Console,
    work: list[Job],
    count: int,
    manifest: Manifest,
    result: Extracted,
    stop_on_error: bool,
    cluster: str,
) -> None:
    for job, outcome in run_jobs(console, work, count, cluster, result.folder):
        manifest.add(_entry(job, outcome, result))
        if isinstance(outcome, SlrError):
            result.failed.append((job.source, outcome))
            if stop_on_error:
                return
            if isinstance(outcome, DiskError):
                console.warn("The clips that are left are not tried: nothing can be written.")
                return


def run_jobs(
    console: Console, work: list[Job], count: int, cluster: str = "", folder: Path = Path()
) -> Iterator[tuple[Job, dict[str, Any] | SlrError]]:
    """Run jobs in `count` processes, with a progress bar over their frames; yields each with its facts or error.

    Args:
        cluster, folder: see `pool`.
    """
    if not work:
        return
    heard: SimpleQueue[Step] = SimpleQueue()
    with console.progress("frames") as task, pool(cluster, min(count, len(work)), folder, heard=heard.put) as workers:
        meter = Meter(task, len(work))

        def show() -> None:
            while not heard.empty():
                meter.heard(heard.get())

        jobs = {workers.submit(run_job, job, tell): job for job in work}
        for future in as_they_end(jobs, show):
            meter.done(jobs[future].source)
            yield jobs[future], _outcome(future)


def _outcome(future: Future) -> dict[str, Any] | SlrError:
    """The facts of a clip, or what stood in their way; a defect at one clip does not stop the others."""
    try:
        return future.result()
    except SlrError as error:
        return error
    except Exception as error:
        return SlrError(f"An unexpected error occurred, a defect of slr: {type(error).__name__}: {error}.")


def _entry(job: Job, outcome: dict[str, Any] | SlrError, result: Extracted) -> dict[str, Any]:
    """The line of a clip in the manifest."""
    entry = {
        "target": str(job.target.relative_to(result.folder)),
        "source": str(job.source),
        "fingerprint": fingerprint(job.source),
        "settings": settings_of(job),
    }
    if isinstance(outcome, SlrError):
        return {**entry, "error": str(outcome)}
    entry |= outcome
    result.done.append(entry)
    return entry


class Meter:
    """One progress bar over the frames of all clips; the length of clips to come is estimated from those before.

    Args:
        task: the bar.
        clips: number of clips.
    """

    def __init__(self, task: Task, clips: int):
        self._task, self._clips = task, clips
        self._frames: dict[Path, int] = {}
        self._expected: dict[Path, int] = {}

    def heard(self, step: Step) -> None:
        """Record the progress of a clip."""
        if step.source not in self._expected:
            self._expected[step.source] = step.expected
        self._move(step.source, step.frames)

    def done(self, source: Path) -> None:
        """Record the end of a clip, successful or not."""
        self._expected[source] = max(self._expected.get(source, 0), self._frames.get(source, 0))
        self._move(source, self._expected[source])

    def _move(self, source: Path, frames: int) -> None:
        before = self._frames.get(source, 0)
        self._frames[source] = frames
        known = sum(self._expected.values())
        self._task.expect(round(known * self._clips / max(len(self._expected), 1)))
        self._task.advance(frames - before)
