"""`slr pack`: a corpus in one mapped file a split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slrcli.cli.options.common import Annotations, Features, Format, Json, LayoutName, OptionalDataDir, data_of, option
from slrcli.config import PackConfig
from slrcli.console import Console

if TYPE_CHECKING:
    from slrcli.corpus.pack import Packed, Verified

DEFAULTS = PackConfig()
SHOWN = 10  # clips that failed, by name

Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the packed corpus.", show_default=False)]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", min=0, help="Processes that read.", show_default="one a core, for .npy one in all"),
]
Partial = Annotated[bool, typer.Option("--partial", help="Finish without the clips that fail.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace stores that were made from other clips.")]
Verify = Annotated[
    Path | None,
    typer.Option(
        "--verify", metavar="PACKED", help="Compare a packed folder or store with its hashes, instead of packing."
    ),
]


def pack(
    console: Console,
    data_dir: OptionalDataDir = None,
    out: Out = None,
    dtype: Annotated[str, option("pack.dtype", "--dtype")] = DEFAULTS.dtype,
    tolerance: Annotated[float, option("pack.tolerance", "--tolerance")] = DEFAULTS.tolerance,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    layout: LayoutName = None,
    jobs: Jobs = 0,
    partial: Partial = False,
    overwrite: Overwrite = False,
    verify: Verify = None,
    as_json: Json = False,
) -> int:
    """Pack a corpus: the clips of each split in one file that is mapped into memory, opened in no time.

    The folder that is written holds the annotations too and stands for the corpus wherever a --data-dir is wanted.
    Numbers stay as they are, to the bit; differences over time that only repeat the positions are left out and made
    again when a clip is read. A run that was stopped goes on where it was. Clips that fail are listed at the end; their
    splits are finished when the clips are mended and the command is given again, or without them with --partial.

    Examples:

        slr pack --data-dir corpus --out packed

        slr pack --data-dir corpus --out packed --layout mediapipe-258 --dtype float16

        slr pack --verify packed

        slr train --data-dir packed
    """
    from slrcli.corpus import pack as work
    from slrcli.errors import EXIT_FAILURE, EXIT_OK, UsageError

    if verify is not None:
        found = work.verify(console, verify)
        if as_json:
            console.json([item.as_dict() for item in found])
        return tell_verified(console, found)
    if data_dir is None or out is None:
        raise UsageError("a corpus and a folder for it are needed", "--data-dir, --out", "or --verify PACKED")
    data = data_of(
        data_dir=data_dir,
        format=format,
        annotations=annotations,
        features=features,
        layout=layout,
    )
    result = work.pack(console, data, out, PackConfig(dtype, tolerance), jobs, partial, overwrite)
    if as_json:
        console.json(result.as_dict())
    else:
        show(console, result)
    for where, error in list(result.failed.items())[:SHOWN]:
        console.warn(f"{where} failed: {error}")
    if result.failed:
        console.warn(f"{len(result.failed):,} clips failed." + ("" if partial else UNFINISHED))
    return EXIT_FAILURE if result.failed else EXIT_OK


UNFINISHED = " Mend them and give the command again, which goes on from here, or finish without them: --partial."


def show(console: Console, result: "Packed") -> None:
    """The result for people."""
    from rich.table import Table
    from rich.text import Text

    from slrcli.console import visible
    from slrcli.report.text.tables import ResponsiveTable

    table = Table("split", "clips", "frames", "MB", "from MB", "hash", box=None, pad_edge=False)
    for column in table.columns[1:5]:
        column.justify = "right"
    for name, item in result.splits.items():
        numbers = (f"{item.clips:,}", f"{item.frames:,}", *(f"{n / 1e6:,.1f}" for n in (item.bytes, item.source_bytes)))
        table.add_row(Text(visible(name)), *numbers, item.digest[:12])
    console.result(f"Packed      {result.root} ({result.layout})")
    console.result(ResponsiveTable(table))
    splits = result.splits.values()
    if any(item.derived for item in splits):
        count = sum(item.derived for item in splits)
        console.result(f"Left out    stored differences of {count:,} clips, which are made again when they are read")
    if any(item.half for item in splits):
        lost, further = (max(getattr(item, key) for item in splits) for key in ("lost", "lost_derived"))
        text = f"numbers by up to {lost:.2g}" + (f", differences made of them by up to {further:.2g}" * (further > 0))
        console.result(f"Lost        in float16 {text}")
    found = sum(item.found for item in splits)
    if found:
        console.note(f"{found:,} clips were there already.")
    if result.complete:
        console.note(f"Next: slr train --data-dir {result.root}")


def tell_verified(console: Console, found: "list[Verified]") -> int:
    """What was found in each store; the exit code."""
    from slrcli.errors import EXIT_FAILURE, EXIT_OK

    for item in found:
        state = f"{len(item.damaged):,} damaged" if item.damaged else "sound"
        console.result(
            f"{item.path}  {item.clips:,} clips, {item.kind}, {item.bytes / 1e6:,.1f} MB, {item.digest}: {state}"
        )
        for name in item.damaged[:SHOWN]:
            console.warn(f"{item.path}: {name} is not what was written; pack it again")
    return EXIT_FAILURE if any(item.damaged for item in found) else EXIT_OK
