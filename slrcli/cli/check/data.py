"""`slr check data`: the annotations and feature files of a corpus."""

from collections.abc import Iterator
from typing import Annotated

import typer

from slrcli.cli.check.common import Only, Skip, Strict, Verbose, Wanted, check
from slrcli.cli.options.common import (
    Annotations,
    DataDir,
    Features,
    Format,
    Json,
    LayoutName,
    NormaliserName,
    VocabFile,
    data_of,
    option,
)
from slrcli.config import Config
from slrcli.console import Console

Full = Annotated[bool, typer.Option("--full", help="Read all feature files, however many; else a seeded sample.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="Processes that read features.", show_default="one per core")
]
Stride = Annotated[
    int,
    typer.Option(
        "--stride",
        min=0,
        help="Frames per output frame of your recogniser: clips too short for it are errors.",
        show_default="1, and warnings up to 4",
    ),
]
Independent = Annotated[
    bool, typer.Option("--signer-independent", help="Nobody may sign both in train and in another split.")
]


def data(
    console: Console,
    data_dir: DataDir,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    layout: LayoutName = None,
    vocab: VocabFile = None,
    normaliser: NormaliserName = None,
    full: Full = False,
    jobs: Jobs = 0,
    stride: Stride = 0,
    independent: Independent = False,
    seed: Annotated[int, option("run.seed", "--seed")] = Config().run.seed,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> int:
    """Annotations and feature files of a corpus, and whether they go together.

    Example: slr check data --data-dir corpus --vocab vocab.json
    """
    from slrcli.doctor.data.target import DataTarget
    from slrcli.report.text.histograms import draw

    def drawn(examination) -> Iterator[str]:
        if verbose and not console.quiet:
            yield from draw(examination.context.distributions, console.can_show)
            yield ""

    settled = data_of(
        data_dir=data_dir, format=format, annotations=annotations, features=features, layout=layout, vocab=vocab,
        normaliser=normaliser,
    )  # fmt: skip
    target = DataTarget(settled, seed, full, jobs, stride, independent)
    return check(console, target, Wanted(only, skip, strict, verbose), drawn)
