"""The work of one process on one clip: extract it, write it, report progress. Light to import: no torch."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.config import ExtractConfig
from slrcli.features.layout import Layout
from slrcli.files import atomic_write_bytes
from slrcli.video.extraction import extract, library_versions, write_npz
from slrcli.video.frames import Frame, announced
from slrcli.video.library import silence
from slrcli.video.preview import Preview

TELL_EVERY = 5  # frames


@dataclass(frozen=True)
class Job:
    """One clip to extract.

    Attributes:
        source: the video or the folder of pictures.
        target: the `.npz` to write.
        layout: of the array.
        options: settings of the extraction.
        preview: file for a drawing of some frames; None: no drawing.
    """

    source: Path
    target: Path
    layout: Layout
    options: ExtractConfig
    preview: Path | None = None


@dataclass(frozen=True)
class Step:
    """Progress of a clip: frames processed so far, and the expected number (0: not known)."""

    source: Path
    frames: int
    expected: int


def settings_of(job: Job) -> dict[str, Any]:
    """All that the values depend on besides the clip, as plain values."""
    return {**asdict(job.options), "layout": job.layout.name}


def run_job(job: Job, tell: Callable[[Step], None] = lambda step: None) -> dict[str, Any]:
    """Extract one clip and write it.

    Returns:
        The facts of the clip as in the manifest, including `bytes` and `took`.

    Raises:
        SlrError: see `extract`; or a file cannot be written.
    """
    start = time.monotonic()
    sheet = Preview() if job.preview else None
    with silence():
        expected = announced(job.source, job.options.picture_fps).frames
        tell(Step(job.source, 0, expected))
        count = 0

        def watch(frame: Frame, points: np.ndarray) -> None:
            nonlocal count
            count += 1
            if count % TELL_EVERY == 0:
                tell(Step(job.source, count, expected))
            if sheet is not None:
                sheet.watch(frame, points)

        found = extract(job.source, job.layout, job.options, watch)
        facts = {**found.facts(), "versions": library_versions()}
        if sheet is not None and job.preview is not None:
            atomic_write_bytes(job.preview, sheet.png(job.source.name))
        about = {"source": job.source.name, "settings": settings_of(job), **facts}
        size = write_npz(job.target, found, job.layout, about)
    return {**facts, "bytes": size, "took": round(time.monotonic() - start, 2)}
