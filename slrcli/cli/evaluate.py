"""`slr eval`: the word error rate of a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Device, Json, OwnNetwork, RecognisedCorpus, data_of, option
from slrcli.cli.options.decoding import (
    Beam,
    DecoderFile,
    HotWord,
    HotWordWeight,
    InsertionBonus,
    Lm,
    LmWeight,
    decoder_options,
)
from slrcli.cli.options.outputs import Table, write_systems
from slrcli.cli.options.several import among_processes, several
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.files import require_place
from slrcli.models.trust import allow
from slrcli.parallel.workers import usable_cores

CHECKPOINTS = "Checkpoint, run or exported model; without it, the newest run. Several are compared."


@among_processes
def evaluate(
    console: Console,
    *,
    corpus: RecognisedCorpus,
    checkpoints: Annotated[list[Path] | None, typer.Argument(help=CHECKPOINTS, show_default=False)] = None,
    arch: OwnNetwork,
    split: Annotated[str, option("eval.split")],
    out: Annotated[list[Path] | None, option("eval.out")],
    table: Table,
    report: Annotated[Path | None, option("eval.report")],
    worst: Annotated[int, option("eval.worst")],
    fps: Annotated[float, option("eval.fps")],
    calibrate: Annotated[bool, option("eval.calibrate")],
    tune: Annotated[bool, option("eval.tune")],
    batch_size: Annotated[int, option("eval.batch_size")],
    protocol: Annotated[str, option("eval.protocol")],
    device: Device,
    beam: Beam,
    lm: Lm,
    lm_weight: LmWeight,
    insertion_bonus: InsertionBonus,
    hot_word: HotWord,
    hot_word_weight: HotWordWeight,
    decoder: DecoderFile,
    jobs: Annotated[int, option("eval.jobs")],
    cluster: Annotated[str, option("eval.cluster")],
    as_json: Json,
) -> int:
    """Score a recogniser: word error rate, also per signer, worst utterances.

    Several recognisers are compared on the same utterances: rates with intervals, and their difference from the first
    with paired tests.

    Examples:
        slr eval runs/first runs/second --data-dir DIR
        slr eval runs/latest --data-dir DIR --split test --out hypotheses.ctm
        slr eval runs/latest --data-dir DIR --calibrate
        slr eval runs/latest --data-dir DIR --tune --lm glosses.arpa
    """
    from slrcli.evaluation.checkpoint import UNKNOWN_SENTENCES, evaluate_checkpoint
    from slrcli.evaluation.page import PAGE, write_report
    from slrcli.scoring.table import require_table, write_table

    allow(arch)
    if several() and (tune or calibrate):
        raise UsageError("Tuning and calibration run in a single process.", "--tune, --calibrate",
                         "Start it without torchrun.")  # fmt: skip
    if console.follows:  # the first process writes
        out = report = table = None
    if report:
        if report.is_file():
            raise UsageError(
                "The report needs a folder, but this is a file.", f"--report {report}", "Name another folder."
            )
        require_place(report / PAGE)
    if table:
        require_table(table)
    data = data_of(**corpus)
    wanted = decoder_options(
        decoder, jobs or usable_cores(), beam=beam, lm=lm, lm_weight=lm_weight, insertion_bonus=insertion_bonus,
        hot_words=hot_word, hot_word_weight=hot_word_weight,
    )  # fmt: skip
    if len(checkpoints or ()) > 1:
        alone = {"--out": out, "--report": report, "--calibrate": calibrate, "--tune": tune}
        if others := ", ".join(flag for flag, value in alone.items() if value):
            raise UsageError("This applies to a single recogniser.", others, "Leave it out, or name one recogniser.")
        return show_compared(
            console, checkpoints or [], data, split, fps, batch_size, device or Config().run.device, protocol,
            replace(wanted, jobs=1) if cluster else wanted, table=table, cluster=cluster,
        )  # fmt: skip
    if cluster:
        raise UsageError("This applies only to several recognisers.", "--cluster", "Leave it out, or name several.")
    checkpoint = checkpoints[0] if checkpoints else None
    if tune:
        if calibrate or out or report or table:
            others = "--calibrate, --out, --table, --report"
            raise UsageError("Tuning only chooses a decoder.", others, "Use these options in a second run of slr eval.")
        return show_tuned(console, checkpoint, data, split, wanted, batch_size, device or Config().run.device, protocol)
    result = evaluate_checkpoint(
        console,
        checkpoint,
        data,
        split or ("dev" if calibrate else ""),
        tuple(out or ()),
        fps,
        batch_size,
        device or Config().run.device,
        protocol,
        calibrated=not calibrate,
        fitting="--calibrate" if calibrate else "",
        decoder=wanted,
        timed=bool(report),
    )
    calibrated = calibrate_result(console, result) if calibrate else {}
    if report:
        console.note(f"report: {write_report(report, result)}")
    if table:
        write_table(table, result.rows())
        console.note(f"table: {table}")
    if as_json:
        console.json({**result.to_dict(), **calibrated})
        return 0
    from slrcli.report.text.scores import closing_lines, familiarity_lines, side_by_side
    from slrcli.report.text.tables import score_table, worst_view

    score, main = result.score, result.protocol_scores[0]
    spelt = main.protocol.of_characters
    for part in side_by_side(result.protocol_scores, score):
        console.result(part)
    title = f"{result.split}, {len(score.utterances)} utterances, protocol {main.protocol.signature}"
    console.result(score_table(score, result.by_signer, title=title, spelt=spelt))
    if worst and score.errors:
        console.result()
        console.result(worst_view(score, worst, result.signers, spelt))
    if result.oov:
        console.note(f"{result.oov} reference tokens are not in the vocabulary: errors for certain.")
    if result.familiarity is None:
        console.note(f"{UNKNOWN_SENTENCES}.")
    for path in result.written:
        console.note(f"hypotheses: {path}")
    if result.familiarity is not None:
        console.result()
        for line in familiarity_lines(result.familiarity, spelt):
            console.result(line)
    for line in closing_lines(main, result.intervals):
        console.result(line)
    return 0


def show_compared(console: Console, *arguments, table: Path | None = None, **options) -> int:
    """Compare several recognisers (see `slrcli.evaluation.compare`), and show how they differ."""
    from slrcli.evaluation.compare import compare_checkpoints
    from slrcli.report.text.scores import systems_tables

    found = compare_checkpoints(console, *arguments, **options)
    if table:
        write_systems(table, found.systems)
        console.note(f"table: {table}")
    if console.as_json:
        console.json(found.to_dict())
        return 0
    for part in systems_tables(found.systems):
        console.result(part)
    return 0


def show_tuned(console: Console, *arguments) -> int:
    """Tune (see `slrcli.evaluation.tune`), and show what was tried."""
    from slrcli.evaluation.tune import tune
    from slrcli.report.text.tuning import tuned_table

    found = tune(console, *arguments)
    if console.as_json:
        console.json(found.to_dict())
        return 0
    console.result(tuned_table(found))
    console.note(
        f"Chosen on {found.split}, so that its WER there flatters it; kept by the checkpoint and in {found.path}, "
        "which slr decode and slr eval read by themselves; --beam 0 decodes without."
    )
    return 0


def calibrate_result(console: Console, result) -> dict:
    """Fit the confidences, say what it did, and give it for `--json`."""
    from slrcli.evaluation.calibrate import calibrate

    found = calibrate(result)
    if result.split != "dev":
        console.warn(f"Calibrated on {result.split}: confidences on it say nothing about other clips now.")
    console.note(
        f"Calibration error {found.before:.1f} points before, {found.after:.1f} after (other utterances' fit), "
        f"{found.calibration.glosses} glosses: {found.path or 'not kept, since it does not help'}"
    )
    return {"calibrated": found.to_dict()}
