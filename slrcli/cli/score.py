"""`slr score`: the error rate of files, without a model."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Json, option
from slrcli.cli.options.outputs import write_systems
from slrcli.config import Config
from slrcli.console import Console

HYPOTHESES = "Hypotheses; every further system is compared with the first."


def score(
    console: Console,
    *,
    reference: Annotated[
        Path, typer.Argument(metavar="REF", help="References: txt, stm, ctm, trn, csv, tsv, jsonl, eaf, srt, vtt.")
    ],
    hypotheses: Annotated[list[Path], typer.Argument(metavar="HYP...", help=HYPOTHESES)],
    protocol: Annotated[str, option("score.protocol")],
    normaliser: Annotated[str, option("score.normaliser")],
    by: Annotated[str, option("score.by")],
    partial: Annotated[bool, option("score.partial")],
    missing_as_empty: Annotated[bool, option("score.missing_as_empty")],
    ref_format: Annotated[str, option("score.ref_format")],
    hyp_format: Annotated[str, option("score.hyp_format")],
    vocab: Annotated[Path | None, option("score.vocab")],
    signers_from_ids: Annotated[bool, option("score.signers_from_ids")],
    explain: Annotated[bool, option("score.explain")],
    worst: Annotated[int, option("score.worst")],
    details: Annotated[bool, option("score.details")],
    table: Annotated[Path | None, option("score.table")],
    utterances: Annotated[Path | None, option("score.utterances")],
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    as_json: Json,
) -> int:
    """Score hypothesis files against references, with confidence intervals and tests.

    The result carries a signature that says how to repeat it.

    Examples:
        slr score references.stm a.ctm b.ctm --protocol phoenix2014-sclite
    """
    from slrcli.scoring.score import score_files
    from slrcli.scoring.table import require_table, write_table

    for path in filter(None, (table, utterances)):
        require_table(path)
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
        missing_as_empty,
    )
    if table and result.systems:
        write_systems(table, result.systems)
    elif table:
        write_table(table, result.rows())
    if utterances:
        write_table(utterances, result.rows())
    for path in filter(None, (table, utterances)):
        console.note(f"table: {path}")
    if as_json:
        console.json(result.to_dict())
    else:
        show(console, result, worst, details, explain)
    return 0


def show(console: Console, result, worst: int, details: bool, explain: bool) -> None:
    """Hand everything to the console, the rate itself last."""
    from slrcli.report.text.scores import (
        breakdown_view,
        changes_view,
        closing_lines,
        comparison_text,
        side_by_side,
        systems_tables,
    )
    from slrcli.report.text.tables import calibration_text, score_table, worst_view

    main = result.main
    spelt = main.protocol.of_characters
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
    console.result(score_table(main.score, result.by_signer, title=title, spelt=spelt))
    if worst and main.score.errors:
        console.result()
        console.result(worst_view(main.score, worst, spelt=spelt))
    if details:
        console.result(breakdown_view(result.breakdown, spelt))
        if result.calibration:
            console.result(calibration_text(result.calibration))
    for part in systems_tables(result.systems):
        console.result(part)
    for name, score, found in result.others:
        console.result(comparison_text(name, score, found, spelt))
    if main.floor.errors:
        console.note(f"{main.floor.errors} errors remain under this protocol even if all is recognised.")
    for line in closing_lines(main, result.intervals):
        console.result(line)
