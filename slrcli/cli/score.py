"""`slr score`: the error rate of files, without a model."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Json, option
from slrcli.cli.options.outputs import Table
from slrcli.config import Config
from slrcli.console import Console


def score(
    console: Console,
    reference: Annotated[
        Path, typer.Argument(metavar="REF", help="References: txt, stm, ctm, trn, csv, tsv, jsonl, eaf, srt, vtt.")
    ],
    hypotheses: Annotated[
        list[Path], typer.Argument(metavar="HYP...", help="Hypotheses; a second system is compared with the first.")
    ],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="How errors are counted; all: side by side.")] = (
        "plain"
    ),
    normaliser: Annotated[
        str, typer.Option("--normaliser", help="Gloss normaliser for both sides, in place of the protocol's.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Pair utterances by id or by line.")] = "id",
    partial: Annotated[bool, typer.Option("--partial", help="Score what both sides hold alone.")] = False,
    ref_format: Annotated[str, typer.Option("--ref-format", help="Format of REF; auto goes by the suffix.")] = "auto",
    hyp_format: Annotated[str, typer.Option("--hyp-format", help="Format of HYP; auto goes by the suffix.")] = "auto",
    vocab: Annotated[
        Path | None, typer.Option("--vocab", help="Glosses the system can say: the rest is part of the floor.")
    ] = None,
    signers_from_ids: Annotated[
        bool, typer.Option("--signers-from-ids", help="An id names its signer before - or _, as in sclite's trn.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show which rule changed what.")] = False,
    worst: Annotated[int, typer.Option("--worst", min=0, help="Show so many of the worst utterances.")] = 5,
    details: Annotated[bool, typer.Option("--details", help="Glosses, confusions, lengths, places, calibration.")] = (
        False
    ),
    table: Table = None,
    seed: Annotated[int, option("run.seed", "--seed")] = Config().run.seed,
    as_json: Json = False,
) -> int:
    """Score hypotheses against references: named protocols, intervals, significance, a signature to repeat it from.

    Protocols: plain, sclite, phoenix2014-sclite, vac, phoenix2014-sentence, phoenix2014t-sentence, forerunner.

    Example: slr score references.stm a.ctm b.ctm --protocol phoenix2014-sclite
    """
    from slrcli.scoring.score import score_files
    from slrcli.scoring.table import require_table, write_table

    if table:
        require_table(table)
    result = score_files(
        console,
        reference,
        hypotheses,
        protocol,
        normaliser,
        by,
        partial,
        (ref_format, hyp_format),
        vocab,
        explain,
        seed,
        signers_from_ids,
    )
    if table:
        write_table(table, result.rows())
        console.note(f"table: {table}")
    if as_json:
        console.json(result.to_dict())
    else:
        show(console, result, worst, details, explain)
    return 0


def show(console: Console, result, worst: int, details: bool, explain: bool) -> None:
    """Hand everything to the console, the rate itself last."""
    from slrcli.report.text.scores import breakdown_view, changes_view, closing_lines, comparison_text, side_by_side
    from slrcli.report.text.tables import calibration_text, score_table, worst_view

    main = result.main
    if result.meanings:
        shown = "; ".join(f"{token} ({text})" for token, text in list(result.meanings.items())[:5])
        console.warn(
            f"{len(result.meanings)} kinds of tokens mean something to sclite itself: {shown}. Here they are plain "
            "text, as if escaped; sclite on the same files would count otherwise."
        )
    if explain:
        console.result(changes_view(result.changes))
    for part in side_by_side(result.protocol_scores, main.score):
        console.result(part)
    title = f"{main.protocol.signature}, {len(main.score.utterances)} utterances"
    console.result(score_table(main.score, result.by_signer, title=title))
    if worst and main.score.errors:
        console.result(worst_view(main.score, worst))
    if details:
        console.result(breakdown_view(result.breakdown))
        if result.calibration:
            console.result(calibration_text(result.calibration))
    for name, score, found in result.others:
        console.result(comparison_text(name, score, found))
    if main.floor.errors:
        console.note(f"{main.floor.errors} errors remain under this protocol even if all is recognised.")
    for line in closing_lines(main, result.intervals):
        console.result(line)
