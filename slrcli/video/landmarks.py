"""Landmarks of videos for decoding: a feature file for each, in the layout of the recogniser."""

from collections.abc import Sequence
from pathlib import Path

from slrcli.config import ExtractConfig
from slrcli.console import Console
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.features.layout import Layout
from slrcli.parallel.workers import usable_cores
from slrcli.video.extract import run_jobs
from slrcli.video.holistic import Columns, video_layouts
from slrcli.video.job import Job
from slrcli.video.library import need_all


def landmarks_of(
    console: Console, videos: Sequence[Path], layout: Layout, options: ExtractConfig | None, jobs: int, folder: Path
) -> dict[Path, Path | SlrError]:
    """For each video its feature file in `folder`, or the error."""
    try:
        check_layout(layout)
        need_all()
    except SlrError as error:
        return dict.fromkeys(videos, error)
    work = [
        Job(video, folder / f"{number}.npz", layout, options or ExtractConfig()) for number, video in enumerate(videos)
    ]
    outcomes = run_jobs(console, work, jobs or usable_cores())
    return {job.source: found if isinstance(found, SlrError) else job.target for job, found in outcomes}


def check_layout(layout: Layout) -> None:
    """Raise a DataError if a checkpoint needs points that MediaPipe lacks."""
    try:
        Columns.of(layout)
    except UsageError as error:
        what = f"The checkpoint needs the layout {layout.name} ({layout.width} columns), which videos do not give."
        fix = f"Decode feature files of that layout, or train on {', '.join(video_layouts())}."
        raise DataError(what, fix=fix) from error
