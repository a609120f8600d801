"""`slr corpus`: what a corpus holds, and new splits for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slrcli.cli.options.common import Annotations, Features, Format, Json, LayoutName, data_of, option
from slrcli.config import HELD_OUT, Config
from slrcli.console import Console

if TYPE_CHECKING:
    from slrcli.corpus.summary import CorpusSummary

SHOWN = 5  # files that cannot be read, by name

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the corpus.", show_default=False)]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="KEY=NAME",
        help="How a column is called that is not recognised: id, glosses, signer, path or split; repeatable.",
    ),
]
Fps = Annotated[
    float,
    typer.Option(
        "--fps",
        min=0.0,
        help="Frames a second, for hours.",
        show_default="what files or layout say, else a guess of 25",
    ),
]
SplitBy = Annotated[
    str, typer.Option("--split-by", metavar="signer|sentence", help="Part it anew, so that splits share none of these.")
]
Share = Annotated[
    float | None, typer.Option(min=0.0, max=0.99, help="Share of the utterances.", show_default=str(HELD_OUT))
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write tables in the Phoenix-2014 layout here; features stay where they are."),
]
Full = Annotated[bool, typer.Option("--full", help="Read all feature files, however many; else a seeded sample.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="Processes that read features.", show_default="one a core")
]


def corpus(
    console: Console,
    folder: Folder,
    fps: Fps = 0.0,
    split_by: SplitBy = "",
    dev: Share = None,
    test: Share = None,
    seed: Annotated[int, option("run.seed", "--seed")] = Config().run.seed,
    out: Out = None,
    column: Columns = None,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    layout: LayoutName = None,
    full: Full = False,
    jobs: Jobs = 0,
    as_json: Json = False,
) -> int:
    """What a corpus holds: utterances, glosses, signers, hours, lengths, what is seen, and what its splits share.

    With --split-by and --out it is parted into train, dev and test that share no signer (or no sentence). Only tables
    are written, and a corpus.toml that says where the features are; --out alone writes the splits as they are, which
    brings a table of your own into the usual layout.

    Examples:

        slr corpus DIR --fps 25

        slr corpus DIR --split-by signer --dev 0.1 --test 0.1 --seed 1 --out DIR2

        slr corpus DIR --annotations clips.tsv --column id=Clip --column glosses=Signs --out DIR2
    """
    from slrcli.corpus.describe import Division, corpus_summary, divide_corpus
    from slrcli.errors import EXIT_FAILURE, EXIT_OK, UsageError

    data = data_of(
        data_dir=folder,
        format=format,
        annotations=annotations,
        features=features,
        layout=layout,
        columns=named_columns(column or ()),
    )
    if out is None and (split_by or dev is not None or test is not None):
        raise UsageError("new splits need a folder to go to", "--split-by, --dev, --test", "name it with --out DIR")
    if not split_by and (dev is not None or test is not None):
        raise UsageError("shares belong to a new division", "--dev, --test", "use --split-by signer or sentence")
    if out is not None:
        shares = (HELD_OUT if share is None else share for share in (dev, test))
        summary = divide_corpus(data, Division(out, split_by, *shares, seed))
    else:
        summary = corpus_summary(console, data, fps, seed, full, jobs)
    for text in summary.notes:
        console.note(text)
    if as_json:
        console.json(summary.to_dict())
    else:
        show(console, summary)
    tell_problems(console, summary, out)
    return EXIT_FAILURE if summary.unreadable else EXIT_OK


def named_columns(given: list[str]) -> dict[str, str]:
    """`["id=Clip"]` as `{"id": "Clip"}`; UsageError for what names nothing."""
    from slrcli.errors import UsageError

    named = {}
    for text in given:
        key, equals, name = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{text!r} names no column", "--column", "write it as id=Clip")
        named[key.strip()] = name.strip()
    return named


def show(console: Console, summary: "CorpusSummary") -> None:
    """The summary for people."""
    from slrcli.report.text import corpus as report
    from slrcli.report.text.histograms import draw

    for line in report.headline(summary):
        console.result(line)
    for parts in (summary.splits, summary.people):
        if parts:
            console.result()
            console.result(report.size_table(summary, parts))
    for parts in (summary.splits, summary.people):
        presence = report.presence_table(parts)
        if presence:
            console.result("\nShare of frames in which something is seen of")
            console.result(presence)
    if summary.overlaps:
        console.result(f"\n{report.SENTENCE_HEAD}")
        console.result(report.sentence_table(summary))
        console.result()
    for line in report.overlap_lines(summary):
        console.result(line)
    for line in draw(summary.distributions, console.can_show):
        console.result(line)


def tell_problems(console: Console, summary: "CorpusSummary", out: Path | None) -> None:
    """What is missing or broken, and where something was written."""
    if summary.missing:
        console.note(f"{summary.missing:,} of {summary.whole.utterances:,} utterances have no feature file.")
    for path, reason in list(summary.unreadable.items())[:SHOWN]:
        console.warn(f"{path}: {reason}")
    if summary.unreadable:
        console.warn(f"{len(summary.unreadable):,} feature files cannot be read; slr check data lists them all.")
    if out is not None:
        console.note(f"Written: {out} (annotations/, corpus.toml)")
