"""`slr check vocab`: a vocabulary file, alone or with a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.common import Only, Skip, Strict, Verbose, Wanted, check
from slrcli.cli.options.common import Annotations, Format, Json, NormaliserName, OptionalDataDir, data_of
from slrcli.console import Console

VocabFile = Annotated[Path, typer.Argument(metavar="FILE", help="A vocabulary: vocab.json, or a gloss_dict.npy.")]


def vocab(
    console: Console,
    file: VocabFile,
    data_dir: OptionalDataDir = None,
    format: Format = None,
    annotations: Annotations = None,
    normaliser: NormaliserName = None,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> int:
    """A vocabulary file, and with a corpus the out-of-vocabulary glosses of every split.

    Example: slr check vocab vocab.json --data-dir corpus
    """
    from slrcli.doctor.data.target import VocabTarget

    settled = data_of(data_dir=data_dir, format=format, annotations=annotations, normaliser=normaliser)
    return check(console, VocabTarget(file, settled), Wanted(only, skip, strict, verbose))
