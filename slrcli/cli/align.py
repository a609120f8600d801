"""`slr align`: where in its clip each known gloss is signed."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Annotations, Device, Features, Json, OptionalDataDir, data_of, option
from slrcli.cli.options.decoding import Model
from slrcli.cli.options.outputs import FrameRate, Out, Outcomes, OutputFormats
from slrcli.config import Config
from slrcli.console import Console, visible
from slrcli.errors import UsageError


def align(
    console: Console,
    file: Annotated[Path | None, typer.Argument(help="A feature file; its glosses go to --glosses.")] = None,
    glosses: Annotated[
        str, typer.Option("--glosses", "-g", help="The glosses of the file, in the order they are signed.")
    ] = "",
    data_dir: OptionalDataDir = None,
    split: Annotated[str, typer.Option("--split", "-s", help="The split of a corpus to align.")] = "train",
    model: Model = None,
    formats: OutputFormats = None,
    out: Out = None,
    fps: FrameRate = 0.0,
    corpus_format: Annotated[str | None, option("data.format", "--corpus-format")] = None,
    annotations: Annotations = None,
    features: Features = None,
    device: Device = None,
    as_json: Json = False,
) -> int:
    """Place known glosses in their clips: the most probable alignment to what a recogniser sees there.

    Shows a line a gloss, parted by tabs: seconds from, to, and of its peak, the gloss, its confidence. --format and
    --out write files that other programs open. A clip too short for its glosses is an error and does not stop the
    others. The times are the recogniser's: one that learnt from few sentences may recognise a gloss long before or
    after it is signed, so look at some (slr show) before you build on them.

    Examples:

        slr align clip.npy --glosses "HELLO YOU NAME WHAT"

        slr align clip.npy --glosses "HELLO YOU" --out clip.eaf

        slr align --data-dir DIR --split train --format csv --format eaf --out segments
    """
    from slrcli.recognition import align as workflow
    from slrcli.recognition.load import open_recogniser
    from slrcli.recognition.settings import DecoderOptions
    from slrcli.transcripts import plan_outputs

    if bool(file) == bool(data_dir or annotations):
        raise UsageError("one clip or one corpus is aligned", "slr align", "name a feature file, or --data-dir DIR")
    if file and not glosses:
        raise UsageError("the glosses of the clip are not named", str(file), 'add --glosses "HELLO YOU"')
    if file:
        clips = workflow.known_clip(file, glosses)
    else:
        data = data_of(data_dir=data_dir, format=corpus_format, annotations=annotations, features=features)
        clips, fps = workflow.known_clips(console, data, split), fps or data.fps
    plan = plan_outputs(formats or (), out, [item.id for item in clips]) if formats or out else None
    best_path = DecoderOptions({"beam": 0})  # nothing is searched, whatever stands beside the checkpoint
    recogniser = open_recogniser(console, model, device or Config().run.device, best_path)
    outcomes = Outcomes(plan)
    for item in workflow.align(console, recogniser, clips, fps):
        if outcomes.take(item.clip, item.error) and not plan and not as_json:
            head = "" if file else visible(item.id, keep="") + "\t"
            for row in item.clip.rows:
                places = f"{row.start:.2f}\t{row.end:.2f}\t{row.peak:.2f}"
                console.result(f"{head}{places}\t{row.gloss}\t{row.confidence:.2f}")
    return outcomes.finish(console, "aligned")
