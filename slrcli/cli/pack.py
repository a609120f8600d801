"""`slr pack`: a corpus in a few mapped files per split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from slrcli.cli.options.common import CorpusOptions, Given, Json, data_of, option
from slrcli.config import PackConfig
from slrcli.console import Console

if TYPE_CHECKING:
    from slrcli.corpus.pack import Packed, Verified

DEFAULTS = PackConfig()
SHOWN = 10  # clips that failed, by name


def pack(
    console: Console,
    *,
    corpus: Annotated[Given, CorpusOptions(required=False, without=("exclude",))],  # its tables are copied as they are
    out: Annotated[Path | None, option("pack.out")],
    dtype: Annotated[str, option("pack.dtype")] = DEFAULTS.dtype,
    tolerance: Annotated[float, option("pack.tolerance")] = DEFAULTS.tolerance,
    shard_mb: Annotated[int, option("pack.shard_mb")] = DEFAULTS.shard_mb,
    jobs: Annotated[int, option("pack.jobs")],
    partial: Annotated[bool, option("pack.partial")],
    overwrite: Annotated[bool, option("pack.overwrite")],
    verify: Annotated[Path | None, option("pack.verify")],
    as_json: Json,
) -> int:
    """Pack the clips of each split into a few memory-mapped .npy files.

    The packed folder holds the annotations too and can be used as --data-dir. Values are kept bit for bit; derivatives
    that follow from the positions are dropped and computed again when a clip is read. A run that was stopped continues
    after its last whole shard. A folder packed by an earlier version is a corpus, too: pack it to convert it. Clips
    that fail are listed at the end. Their splits are finished once the clips are mended and the command is run again,
    or without them with --partial.

    Examples:
        slr pack --data-dir corpus --out packed
        slr pack --data-dir corpus --out packed --dtype float16
        slr pack --verify packed
        slr train --data-dir packed
    """
    from slrcli.corpus import pack as work
    from slrcli.errors import EXIT_FAILURE, EXIT_OK, UsageError

    if verify is not None:
        found = work.verify(console, verify)
        if as_json:
            console.json([item.to_dict() for item in found])
        return tell_verified(console, found)
    if corpus["data_dir"] is None or out is None:
        what = "Packing needs a corpus and an output folder."
        raise UsageError(what, "--data-dir, --out", "Name both, or use --verify PACKED.")
    result = work.pack(
        console, data_of(**corpus), out, PackConfig(dtype, tolerance, shard_mb), jobs, partial, overwrite
    )
    if as_json:
        console.json(result.to_dict())
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
