"""`slr check vocab`, `slr check checkpoint` and `slr check env`."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.check_common import Only, Skip, Strict, chosen, show
from slrcli.cli.options.common import (
    Json,
    NormaliserName,
    OptionalAnnotations,
    OptionalRecognisedCorpus,
    data_of,
    option,
)
from slrcli.config import Config
from slrcli.console import Console

VocabFile = Annotated[Path, typer.Argument(metavar="FILE", help="A vocabulary: vocab.json, or a gloss_dict.npy.")]
Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH", help="Checkpoint or folder of a run; without it the newest run.", show_default=False
    ),
]


def vocab(
    console: Console,
    *,
    file: VocabFile,
    corpus: OptionalAnnotations,
    normaliser: NormaliserName,
    only: Only,
    skip: Skip,
    strict: Strict,
    as_json: Json,
) -> int:
    """Check a vocabulary file and, with a corpus, its OOV glosses in every split.

    Examples:
        slr check vocab vocab.json --data-dir corpus
    """
    from slrcli.doctor.check_things import check_vocab

    settled = data_of(**corpus, normaliser=normaliser)
    return show(console, check_vocab(file, settled, chosen(only, skip, strict)))


def checkpoint(
    console: Console,
    *,
    path: Checkpoint = None,
    corpus: OptionalRecognisedCorpus,
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    only: Only,
    skip: Skip,
    strict: Strict,
    as_json: Json,
) -> int:
    """Check a checkpoint: complete, sound, able to decode, and consistent with its run.

    With a corpus, also whether it recognises the signs of dev or repeats memorised sentences.

    Examples:
        slr check checkpoint runs/latest
        slr check checkpoint runs/latest --data-dir DIR
    """
    from slrcli.doctor.check_things import check_checkpoint

    data = data_of(**corpus) if corpus["data_dir"] else None
    return show(console, check_checkpoint(path, seed, chosen(only, skip, strict), data, console))


def env(
    console: Console,
    *,
    markdown: Annotated[bool, option("check.markdown")],
    output_dir: Annotated[Path | None, option("check.output_dir")],
    only: Only,
    skip: Skip,
    strict: Strict,
    as_json: Json,
) -> int:
    """Check versions, device, threads, memory, disk and terminal of this machine.

    Examples:
        slr check env --markdown
    """
    from slrcli.doctor.check_things import check_env
    from slrcli.doctor.machine.environment import facts
    from slrcli.errors import EXIT_FAILURE, EXIT_OK
    from slrcli.report.text.environment import as_markdown

    examination, context = check_env(output_dir, chosen(only, skip, strict))
    if as_json:
        console.json({**examination.as_dict(), "facts": facts(context)})
    elif markdown:
        console.result(as_markdown(facts(context), examination.findings))
    else:
        return show(console, examination)
    return EXIT_OK if examination.passed else EXIT_FAILURE
