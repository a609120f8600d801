"""`slr convert`: clips of one kind of file into another."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Json, option
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK

READS = ".npy, .npz, .safetensors, .pose, .parquet, .csv, .json, .pkl, .skels, or a folder of OpenPose's frames"


def convert(
    console: Console,
    *,
    source: Annotated[Path, typer.Argument(help=f"A clip ({READS}), or a folder of clips.")],
    target: Annotated[Path, typer.Argument(help="File to write, whose suffix gives the format, or a folder.")],
    layout: Annotated[str | None, option("convert.layout")],
    to: Annotated[str, option("convert.to")],
    people: Annotated[str, option("convert.people")],
    size: Annotated[str | None, option("convert.size")],
    fps: Annotated[float, option("convert.fps")],
    to_fps: Annotated[float, option("convert.to_fps")],
    mirror: Annotated[bool, option("convert.mirror")],
    stop_on_error: Annotated[bool, option("convert.stop_on_error")],
    as_json: Json,
) -> int:
    """Convert clips between file formats and layouts of points.

    Points are matched by their names; points that were not seen are NaN. Coordinates are converted between pixels and
    shares of the picture as the layout requires. A folder, or a file of several clips (such as those of
    asl-fingerspelling), is written into a folder. Clips that fail are listed at the end; the others are converted all
    the same.

    Examples:
        slr convert clip.pose clip.npy --layout mediapipe-258
        slr convert openpose_output/clip clip.npz --size 1280x720
        slr convert poses features --to npy --layout mediapipe-1629
        slr convert clip.npy clip.pose --size 1280x720 --fps 25
        slr convert clips features --to-fps 25
    """
    from slrcli.features.convert import Options, parse_size, wanted_layout
    from slrcli.features.convert import convert as run

    options = Options(wanted_layout(layout), people, parse_size(size) if size else None, fps, to_fps, mirror)
    results = []
    notes: Counter[str] = Counter()
    for item in run(console, source, target, options, to.removeprefix("."), stop_on_error):
        results.append(item)
        notes.update(item.notes)
        if item.error is None and not as_json:
            rate = f", {item.fps:g} frames/s" if item.fps else ""
            named = f", {item.layout}" if item.layout else ""
            console.result(f"{item.source} -> {item.target}  {item.frames} x {item.columns}{named}{rate}")
    for text, count in notes.items():
        console.note(text if len(results) == 1 else f"{text} ({count} of {len(results)} clips)")
    failed = [item.error for item in results if item.error is not None]
    for error in failed:
        console.error(error)
    if as_json:
        console.json([item.to_dict() for item in results])
    if failed and len(results) > 1:
        console.warn(f"{len(failed)} of {len(results)} clips could not be converted.")
    return EXIT_FAILURE if failed else EXIT_OK
