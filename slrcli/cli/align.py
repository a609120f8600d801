"""`slr align`: where in its clip each known gloss is signed."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import CorpusOptions, Device, Json, OwnNetwork, data_of, option
from slrcli.cli.options.decoding import Model
from slrcli.cli.options.outputs import FrameRate, Out, Outcomes, OutputFormats
from slrcli.config import Config
from slrcli.console import Console, visible
from slrcli.errors import UsageError
from slrcli.models.trust import allow


def align(
    console: Console,
    *,
    file: Annotated[Path | None, typer.Argument(help="A feature file or a video; its glosses go to --glosses.")] = None,
    glosses: Annotated[str, option("align.glosses")],
    corpus: Annotated[dict, CorpusOptions(required=False, without=("layout",), flags={"format": "--corpus-format"})],
    split: Annotated[str, option("align.split")],
    model: Model,
    arch: OwnNetwork,
    formats: OutputFormats,
    out: Out,
    fps: FrameRate,
    device: Device,
    as_json: Json,
) -> int:
    """Align known glosses with their clips (forced alignment).

    Writes one line per gloss, tab-separated: start, end and peak in seconds, gloss, confidence. --format and --out
    write files for other programs. A clip too short for its glosses is an error; the others are aligned all the same.
    The times are the recogniser's: one trained on few sentences may place a gloss long before or after it is signed,
    so look at some clips (slr show) before you rely on them. A video requires the extra 'video'.

    Examples:
        slr align clip.npy --glosses "HELLO YOU NAME WHAT"
        slr align clip.mp4 --glosses "HELLO YOU" --out clip.eaf
        slr align --data-dir DIR --split dev --format eaf --out segments
    """
    from slrcli.recognition import align as workflow
    from slrcli.recognition.load import open_recogniser
    from slrcli.recognition.settings import DecoderOptions
    from slrcli.transcripts import plan_outputs

    allow(arch)
    if bool(file) == bool(corpus["data_dir"] or corpus["annotations"]):
        raise UsageError("Either a clip or a corpus is aligned.", "slr align", "Name a file, or --data-dir DIR.")
    if file and not glosses:
        raise UsageError("No glosses are given for the clip.", str(file), 'Add --glosses "HELLO YOU".')
    if file:
        clips, told = workflow.known_clip(file, glosses), 0.0
    else:
        data = data_of(**corpus)
        clips, told = workflow.known_clips(console, data, split), data.fps
    plan = plan_outputs(formats or (), out, [item.id for item in clips]) if formats or out else None
    best_path = DecoderOptions({"beam": 0})  # nothing is searched, whatever stands beside the checkpoint
    recogniser = open_recogniser(console, model, device or Config().run.device, best_path)
    workflow.require_rate(recogniser, clips, fps)
    outcomes = Outcomes(plan)
    for item in workflow.align(console, recogniser, clips, fps or told):
        if outcomes.take(item.error or item.placed) and not plan and not as_json:
            head = "" if file else visible(item.id, keep="") + "\t"
            for row in item.placed.rows:
                places = f"{row.start:.2f}\t{row.end:.2f}\t{row.peak:.2f}"
                console.result(f"{head}{places}\t{row.gloss}\t{row.confidence:.2f}")
    return outcomes.finish(console, "aligned")
