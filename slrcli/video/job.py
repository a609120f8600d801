"""What one process does with one clip: extract it, write it, tell how far it is. Light to import: no torch."""

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
        options: how.
        preview: where to draw some frames; None: nowhere.
    """

    source: Path
    target: Path
    layout: Layout
    options: ExtractConfig
    preview: Path | None = None


@dataclass(frozen=True)
class Step:
    """How far a clip is: frames looked at so far, and how many there should be (0: not known)."""

    source: Path
    frames: int
    expected: int


def settings_of(job: Job) -> dict[str, Any]:
    """What the numbers depend on besides the clip, as plain values."""
    return {**asdict(job.options), "layout": job.layout.name}


def run_job(job: Job, tell: Callable[[Step], None] = lambda step: None) -> dict[str, Any]:
    """Extract one clip and write it.

    Returns:
        The facts of the clip, `bytes` and `took` among them, as the manifest has them.

    Raises:
        SlrError: see `extract`, and what the file system refuses.
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
