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

Fps = Annotated[float | None, option("extract.fps", "--fps")]
Square = Annotated[bool | None, option("extract.square", "--square/--no-square")]
MaxSide = Annotated[int | None, option("extract.max_side", "--max-side")]
PictureFps = Annotated[float | None, option("extract.picture_fps", "--picture-fps")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes; 0: one for each core.")]


def extract_options(**values: Any) -> ExtractConfig:
    """The settings with those values put in that were given."""
    return ExtractConfig(**{key: value for key, value in values.items() if value is not None})


def extract(
    console: Console,
    videos: Annotated[list[Path], typer.Argument(help="Videos, folders of frames (png, jpg), or folders of either.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the landmark files and the manifest.")],
    layout: Annotated[str | None, option("extract.layout", "--layout")] = None,
    fps: Fps = None,
    square: Square = None,
    max_side: MaxSide = None,
    picture_fps: PictureFps = None,
    jobs: Jobs = 0,
    preview: Annotated[bool, typer.Option("--preview", help="Draw some frames of every clip as a PNG.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is done, replace any file.")] = False,
    stop_on_error: Annotated[bool, typer.Option("--stop-on-error", help="Stop at the first failure.")] = False,
    as_json: Json = False,
) -> int:
    """Find the landmarks of people in videos, with MediaPipe Holistic, offline; needs the extra 'video'.

    Writes one .npz a clip, in the folder structure of the videos, and manifest.jsonl, which says what was seen. Called
    again, it goes on where it was stopped: what is done and has not changed is passed over.

    Example: slr extract videos --out features --preview

    Example: slr extract clip.mp4 --out features --fps 25 --layout mediapipe-1662
    """
    from slrcli.video.extract import extract as run

    given = {"layout": layout, "fps": fps, "square": square, "max_side": max_side, "picture_fps": picture_fps}
    result = run(console, videos, out, extract_options(**given), jobs, preview, overwrite, stop_on_error)
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
