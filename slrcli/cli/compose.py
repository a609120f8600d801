"""`slr compose`: sentences out of clips of single signs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slrcli.cli.options.common import Json, option
from slrcli.config import ComposeConfig
from slrcli.console import Console
from slrcli.errors import first_five

if TYPE_CHECKING:
    from slrcli.corpus.compose import Composed

DEFAULTS = ComposeConfig()
SHOWN = 5  # clips that were left out, by name

Clips = Annotated[
    Path,
    typer.Argument(
        metavar="CLIPS",
        help="A pack (.npz), a corpus or table of clips of one gloss each, or folders: GLOSS/[SIGNER/]clip.npy.",
        show_default=False,
    ),
]


def compose(
    console: Console,
    *,
    clips: Clips,
    out: Annotated[Path, option("compose.out", required=True)],
    sentences: Annotated[int, option("compose.sentences")] = DEFAULTS.sentences,
    signs: Annotated[tuple[int, int], option("compose.signs")] = DEFAULTS.signs,
    sentences_from: Annotated[Path | None, option("compose.sentences_from")],
    bridge: Annotated[tuple[int, int], option("compose.bridge")] = DEFAULTS.bridge,
    rest: Annotated[float, option("compose.rest")] = DEFAULTS.rest,
    every: Annotated[int, option("compose.every")] = DEFAULTS.every,
    split_by: Annotated[str, option("compose.split_by")] = DEFAULTS.split_by,
    dev: Annotated[float, option("compose.dev")] = DEFAULTS.dev,
    test: Annotated[float, option("compose.test")] = DEFAULTS.test,
    signer_pattern: Annotated[str, option("compose.signer_pattern")],
    layout: Annotated[str | None, option("data.layout", panel="")],
    name: Annotated[str, option("compose.name")] = DEFAULTS.name,
    seed: Annotated[int, option("compose.seed")] = DEFAULTS.seed,
    jobs: Annotated[int, option("compose.jobs")],
    cluster: Annotated[str, option("compose.cluster")],
    as_json: Json,
) -> int:
    """Make a corpus of sentences from clips of single signs.

    Each sentence is made of one signer's clips without their rest poses, joined by computed transitions; no clip is in
    two splits. Nobody signed these sentences. Real signing has coarticulation, leaves signs out and is much harder, so
    error rates on composed sentences say nothing about continuous signing. The folder holds a manifest of what was made
    from what, and of the frames of every clip in its sentence.

    Examples:
        slr compose clips/ --out corpus --sentences 2000 --split-by signer
        slr compose clips.npz --out corpus --sentences-from sentences.txt
        slr compose lsa64/ --out corpus --signer-pattern '_(\\d+)_'
    """
    from slrcli.corpus.compose.compose import compose as run
    from slrcli.errors import EXIT_FAILURE, EXIT_OK

    options = ComposeConfig(name, sentences, signs, bridge, rest, every, split_by, dev, test, seed)
    result = run(console, clips, out, options, layout or "auto", sentences_from, signer_pattern, jobs, cluster)
    if as_json:
        console.json(result.to_dict())
    else:
        show(console, result)
    tell_missing(console, result, options)
    for where, reason in list(result.left_out.items())[:SHOWN]:
        console.warn(f"{where} is left out: {reason}")
    if result.left_out:
        console.warn(f"{len(result.left_out):,} clips are left out; composed/manifest.json lists them all.")
    return EXIT_FAILURE if result.left_out else EXIT_OK


def tell_missing(console: Console, result: "Composed", options: ComposeConfig) -> None:
    """Warn of a split that was asked for and that no clip is in."""
    why = {
        "given": "no clip says that it belongs there",
        "clip": "no gloss has enough clips for its share to be one of them",
        "signer": "there are too few signers",
    }[result.split_by]
    for split, share in (("dev", options.dev), ("test", options.test)):
        if share and split not in result.splits:
            fix = f"A larger --{split} helps, or more clips per gloss." if result.split_by == "clip" else ""
            console.warn(f"The corpus has no {split} split: {why} (--{split} {share:g}). {fix}".rstrip())


def show(console: Console, result: "Composed") -> None:
    """The result for people."""
    from rich.table import Table
    from rich.text import Text

    from slrcli.console import visible
    from slrcli.report.text.tables import ResponsiveTable

    table = Table("split", "sentences", "clips", "signers", "glosses", "types", "frames", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for split, count in result.splits.items():
        row = (f"{count[str(column.header)]:,}" for column in table.columns[1:])
        table.add_row(Text(visible(split)), *row)
    console.result(f"Composed    {result.root} ({result.layout}), clips split by {result.split_by}")
    console.result(ResponsiveTable(table))
    console.result(f"Rest        {100 * result.trimmed:.1f} % of the clips' frames were cut")
    if result.covered is not None:
        console.result(f"Text        {100 * result.covered:.1f} % of its glosses have clips")
    console.result(f"Hash        {result.digest}")
    if result.passed_over:
        who = first_five(list(result.passed_over))
        console.note(f"Too few clips for the longest sentence, and so passed over: {who}")
    console.note("Nobody signed these sentences; say so wherever you report a figure on them.")
    console.note(f"Next: slr check data --data-dir {result.root}; slr train --data-dir {result.root}")
