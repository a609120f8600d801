"""`slr extract`: landmarks of videos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slrcli.cli.options.common import Json, option
from slrcli.config import ExtractConfig
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from slrcli.video.extract import Extracted

Fps = Annotated[float | None, option("extract.fps")]
Square = Annotated[bool | None, option("extract.square")]
MaxSide = Annotated[int | None, option("extract.max_side")]
PictureFps = Annotated[float | None, option("extract.picture_fps")]


def extract_options(**values: Any) -> ExtractConfig:
    """The settings with those values put in that were given."""
    return ExtractConfig(**{key: value for key, value in values.items() if value is not None})


def extract(
    console: Console,
    *,
    videos: Annotated[list[Path], typer.Argument(help="Videos, folders of frames (png, jpg), or folders of either.")],
    out: Annotated[Path, option("extract.out", required=True)],
    layout: Annotated[str | None, option("extract.layout")],
    fps: Fps,
    square: Square,
    max_side: MaxSide,
    picture_fps: PictureFps,
    jobs: Annotated[int, option("extract.jobs")],
    preview: Annotated[bool, option("extract.preview")],
    overwrite: Annotated[bool, option("extract.overwrite")],
    stop_on_error: Annotated[bool, option("extract.stop_on_error")],
    part: Annotated[str | None, option("extract.part")],
    cluster: Annotated[str, option("extract.cluster")],
    as_json: Json,
) -> int:
    """Extract landmarks from videos with MediaPipe Holistic, offline (requires the extra 'video').

    Writes one .npz per clip, in the folder structure of the videos, and manifest.jsonl, which records what was seen.
    Run again, it continues where it was stopped: clips that are done and unchanged are skipped. Parts may run at the
    same time, on all machines that share the folder; without --part, what they left is extracted and their manifests
    are merged.

    Examples:
        slr extract videos --out features --preview
        slr extract clip.mp4 --out features --fps 25 --layout mediapipe-1662
        slr extract videos --out features --part 2/8
    """
    from slrcli.parallel.parts import Part
    from slrcli.video.extract import extract as run

    given = {"layout": layout, "fps": fps, "square": square, "max_side": max_side, "picture_fps": picture_fps}
    own = Part.read(part) if part is not None else None
    result = run(console, videos, out, extract_options(**given), jobs, preview, overwrite, stop_on_error, own, cluster)
    show(console, result)
    return EXIT_FAILURE if result.failed else EXIT_OK


def show(console: Console, result: "Extracted") -> None:
    """What was seen, how fast it went, and what failed."""
    from slrcli.report.text.extraction import extraction_table

    if console.as_json:
        console.json(result.to_dict())
    elif result.done:
        console.result(extraction_table(result.done))
    for entry in result.done:
        for note in entry["notes"]:
            console.note(f"{entry['target']}: {note}")
    for _, error in result.failed:
        console.error(error)
    if result.done:
        rate = result.frames / max(result.seconds, 1e-9)
        console.note(f"{result.frames:,} frames in {result.seconds:.1f} s, {rate:.1f} frames/s, into {result.folder}")
    if result.failed:
        console.warn(f"{len(result.failed)} clips could not be extracted.")
