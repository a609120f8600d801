"""`slr check vocab`: a vocabulary file, alone or with a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import Json, NormaliserName, OptionalAnnotations, data_of
from slrcli.console import Console

VocabFile = Annotated[Path, typer.Argument(metavar="FILE", help="A vocabulary: vocab.json, or a gloss_dict.npy.")]


def vocab(
    console: Console,
    *,
    file: VocabFile,
    corpus: OptionalAnnotations,
    normaliser: NormaliserName,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Check a vocabulary file and, with a corpus, its OOV glosses in every split.

    Examples:
        slr check vocab vocab.json --data-dir corpus
    """
    from slrcli.doctor.data.target import VocabTarget

    settled = data_of(**corpus, normaliser=normaliser)
    return check(console, VocabTarget(file, settled), wanted)
