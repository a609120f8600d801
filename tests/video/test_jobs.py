"""Clips handed to processes; what stands in the way of one is its own result."""

from slrcli.config import ExtractConfig
from slrcli.console import Console
from slrcli.errors import SlrError
from slrcli.features.layout import load_layout
from slrcli.video.extract import run_jobs
from slrcli.video.job import Job


def test_every_clip_has_its_outcome_where_none_can_be_read(tmp_path):
    sources = [tmp_path / f"{number}.mp4" for number in range(3)]
    for path in sources:
        path.write_bytes(b"no video")
    work = [Job(path, path.with_suffix(".npz"), load_layout("mediapipe-1629"), ExtractConfig()) for path in sources]
    found = dict(run_jobs(Console(quiet=True), work, 2))
    assert sorted(job.source for job in found) == sources
    assert all(isinstance(outcome, SlrError) and "defect" not in outcome.what for outcome in found.values())
    assert list(tmp_path.glob("*.npz")) == []
