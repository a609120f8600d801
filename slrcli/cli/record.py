"""`slr record`: sentences signed in front of a camera."""

from pathlib import Path
from typing import Annotated, Any

import typer

from slrcli.cli.extract import MaxSide
from slrcli.cli.options.common import Json, option
from slrcli.config import ExtractConfig, RecordConfig
from slrcli.console import Console

SENTENCES = "Table (.csv, .tsv) with a column of glosses or sentences, or a text with a sentence per line."


def record(
    console: Console,
    *,
    sentences: Annotated[Path | None, typer.Argument(help=SENTENCES, show_default=False)] = None,
    out: Annotated[Path, option("record.out", required=True)],
    signer: Annotated[str | None, option("record.signer")],
    takes: Annotated[int | None, option("record.takes")],
    split: Annotated[str | None, option("record.split")],
    run: Annotated[Path | None, option("record.run")],
    seconds: Annotated[float | None, option("record.seconds")],
    countdown: Annotated[float | None, option("record.countdown")],
    camera: Annotated[int, option("record.camera")],
    layout: Annotated[str | None, option("record.layout")],
    fps: Annotated[float, option("record.fps")],
    max_side: MaxSide,
    as_json: Json,
) -> int:
    """Record sentences in front of a camera, one by one, into a corpus (requires the extra 'video').

    Each sentence is shown, counted down and recorded until Enter or the space bar, with the skeleton as it is seen.
    What was seen of the take follows: keep it, record it again, skip the sentence, or quit. Landmarks are kept, no
    pictures.

    The same command goes on where it was stopped, at any time. With --seconds nobody is asked and no keys are needed.

    Examples:
        slr record sentences.csv --out mine --signer ann
        slr record sentences.txt --out mine --signer ann --takes 3
        slr record sentences.csv --out mine --signer ann --seconds 6
        slr record --from runs/latest --out signs --signer ann
    """
    from slrcli.takes.record import Wanted, record_camera

    given: dict[str, Any] = {
        "signer": signer, "takes": takes, "split": split, "seconds": seconds, "countdown": countdown,
    }  # fmt: skip
    options = RecordConfig(**{key: value for key, value in given.items() if value is not None})
    wanted = Wanted.of(sentences, run, layout or "", fps)
    try:
        recorded = record_camera(console, wanted, out, options, camera, max_side or ExtractConfig.max_side)
    except KeyboardInterrupt:
        console.note("Stopped; the takes that were kept are whole. The same command goes on.")
        raise
    if as_json:
        console.json(recorded.to_dict())
        return 0
    done = recorded.outcome
    console.result(f"{len(done.kept)} takes kept, {done.skipped} sentences skipped, {done.left} takes left")
    console.result(f"corpus: {out} ({recorded.takes} takes)")
    if done.left:
        console.note("The same command goes on.")
    elif recorded.takes:
        console.note(f"Next:\n  slr check data --data-dir {out}\n  slr train --data-dir {out} --init RUN")
    return 0
