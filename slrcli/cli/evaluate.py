"""`slr eval`: the word error rate of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Annotations, DataDir, Device, Features, Format, Json, data_of
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
from slrcli.cli.options.outputs import Table
from slrcli.cli.options.processes import among_processes, several
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.files import require_place
from slrcli.parallel.workers import usable_cores


@among_processes
def evaluate(
    console: Console,
    data_dir: DataDir,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint, run or exported model; without it the newest run.", show_default=False),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", "-s", help="Split to score; without it test, else dev.", show_default=False)
    ] = "",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out", "-o", help="Write the hypotheses: .ctm, .csv, .tsv, .stm, .trn, .jsonl or .txt; repeatable."
        ),
    ] = None,
    table: Table = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", file_okay=False, help="Folder for a page about the errors, index.html, to open in a browser."
        ),
    ] = None,
    worst: Annotated[int, typer.Option("--worst", min=0, help="Show so many of the worst utterances.")] = 5,
    fps: Annotated[
        float,
        typer.Option(
            "--fps",
            min=0.0,
            help="Frames a second, for times in CTM files and reports.",
            show_default="what the corpus, its files or the recogniser's training says, else 25",
        ),
    ] = 0.0,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Fit the confidences to what is right in dev (or --split); kept by the checkpoint.",
        ),
    ] = False,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Search beam, language-model weight and insertion bonus on dev (or --split), and keep what is best in "
            "the checkpoint, and in decode.toml beside it. What is given is not searched.",
        ),
    ] = False,
    batch_size: Annotated[int, typer.Option("--batch-size", "-b", min=1, help="Clips at a time.")] = 16,
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="How errors are counted (see slr score --help); all: side by side.")
    ] = "plain",
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    device: Device = None,
    beam: Beam = None,
    lm: Lm = None,
    lm_weight: LmWeight = None,
    insertion_bonus: InsertionBonus = None,
    hot_word: HotWord = None,
    hot_word_weight: HotWordWeight = None,
    decoder: DecoderFile = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes of a beam search; 0: one a core.")] = 1,
    as_json: Json = False,
) -> int:
    """Score a checkpoint: WER with substitutions, deletions and insertions, per signer, the worst utterances aligned.

    Example: slr eval runs/latest --data-dir DIR --split test --out hypotheses.ctm

    Example: slr eval runs/latest --data-dir DIR --calibrate

    Example: slr eval runs/latest --data-dir DIR --tune --lm glosses.arpa
    """
    from slrcli.evaluation.checkpoint import UNKNOWN_SENTENCES, evaluate_checkpoint
    from slrcli.evaluation.page import PAGE, write_report
    from slrcli.scoring.table import require_table, write_table

    if several() and (tune or calibrate):
        raise UsageError("What is kept by a checkpoint is found by one process.", "--tune, --calibrate",
                         "Start it without torchrun.")  # fmt: skip
    if console.follows:  # the first process writes
        out = report = table = None
    if report:
        require_place(report / PAGE)
    if table:
        require_table(table)
    data = data_of(data_dir=data_dir, format=format, annotations=annotations, features=features)
    wanted = decoder_options(
        decoder, jobs or usable_cores(), beam=beam, lm=lm, lm_weight=lm_weight, insertion_bonus=insertion_bonus,
        hot_words=hot_word, hot_word_weight=hot_word_weight,
    )  # fmt: skip
    if tune:
        if calibrate or out or report or table:
            raise UsageError(
                "--tune chooses a decoder and does nothing else",
                "--calibrate, --out, --table, --report",
                "run slr eval again",
            )
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
    for part in side_by_side(result.protocol_scores, score):
        console.result(part)
    title = f"{result.split}, {len(score.utterances)} utterances, protocol {main.protocol.signature}"
    console.result(score_table(score, result.by_signer, title=title))
    if worst and score.errors:
        console.result(worst_view(score, worst, result.signers))
    if result.oov:
        console.note(f"{result.oov} reference tokens are not in the vocabulary: errors for certain.")
    if result.familiarity is None:
        console.note(f"{UNKNOWN_SENTENCES}.")
    for path in result.written:
        console.note(f"hypotheses: {path}")
    if result.familiarity is not None:
        for line in familiarity_lines(result.familiarity):
            console.result(line)
    for line in closing_lines(main, result.intervals):
        console.result(line)
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
        f"Chosen on {found.split}, so that its WER there flatters it; kept by the checkpoint and in {found.path},"
    )
    console.note("which slr decode and slr eval read by themselves; --beam 0 decodes without.")
    return 0


def calibrate_result(console: Console, result) -> dict:
    """Fit the confidences, say what it did, and give it for `--json`."""
    from slrcli.evaluation.calibrate import calibrate

    found = calibrate(result)
    if result.split != "dev":
        console.warn(f"Calibrated on {result.split}: confidences on it say nothing about other clips now.")
    console.note(
        f"calibration error {found.before:.1f} points before, {found.after:.1f} after (other utterances' fit), "
        f"{found.calibration.glosses} glosses: {found.path or 'not kept, since it does not help'}"
    )
    return {"calibrated": found.to_dict()}
