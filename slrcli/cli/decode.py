"""`slr decode`: the glosses of feature files, of videos and of what a camera sees."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slrcli.cli.extract import MaxSide, PictureFps, Square, extract_options
from slrcli.cli.options.common import Device, Json, OwnNetwork, option
from slrcli.cli.options.decoding import (
    Beam,
    DecoderFile,
    HotWord,
    HotWordWeight,
    InsertionBonus,
    Lm,
    LmWeight,
    Model,
    Nbest,
    decoder_options,
)
from slrcli.cli.options.outputs import Out, Outcomes, OutputFormats
from slrcli.cli.stream import decode_stream
from slrcli.config import Config, LiveConfig
from slrcli.console import Console, visible
from slrcli.errors import EXIT_FAILURE, EXIT_OK, UsageError
from slrcli.models.trust import allow

if TYPE_CHECKING:
    from slrcli.recognition.decode import DecodeOptions

FILES = "Feature files (.npy, .npz, .pose, ...), videos, folders of frames, or folders of these."


def decode(
    console: Console,
    *,
    files: Annotated[list[Path] | None, typer.Argument(help=FILES)] = None,
    model: Model,
    arch: OwnNetwork,
    device: Device,
    formats: OutputFormats,
    out: Out,
    beam: Beam,
    nbest: Nbest,
    lm: Lm,
    lm_weight: LmWeight,
    insertion_bonus: InsertionBonus,
    hot_word: HotWord,
    hot_word_weight: HotWordWeight,
    decoder: DecoderFile,
    fps: Annotated[float | None, option("decode.fps")],
    square: Square,
    max_side: MaxSide,
    picture_fps: PictureFps,
    jobs: Annotated[int, option("decode.jobs")],
    camera: Annotated[bool, option("decode.camera")],
    camera_index: Annotated[int, option("decode.camera_index")],
    pipe: Annotated[bool, option("decode.pipe")],
    raw: Annotated[str, option("decode.raw")],
    stream: Annotated[bool, option("decode.stream")],
    patience: Annotated[float | None, option("live.patience")],
    window: Annotated[float | None, option("live.window")],
    hop: Annotated[float | None, option("live.hop")],
    settle: Annotated[float | None, option("live.settle")],
    drop: Annotated[bool | None, option("live.drop")],
    as_json: Json,
) -> int:
    """Write the glosses of clips, videos or a running stream: one clip per line.

    Each line holds the file and its glosses, tab-separated; of a single file, the glosses alone. With --nbest, each
    line starts with the rank and the log-probability of a hypothesis.

    Of a running stream, each line holds one gloss as soon as it is final: start and end in seconds, gloss and
    confidence, tab-separated. With --stream, the latency follows: frames between the end of a gloss and its output.
    The architecture 'streaming' carries its state from chunk to chunk; the others decode a sliding window. Videos and
    video streams require the extra 'video'.

    Examples:
        slr decode clip.npy
        slr decode clip.mp4 --model runs/latest
        slr decode features/test --model runs/latest --json
        slr decode clip.mp4 --out clip.eaf
        slr decode videos --format eaf --format csv --out glosses
        slr decode clip.npy --model model.onnx
        slr decode clip.npy --beam 20 --nbest 5
        slr decode features/test --lm glosses.arpa --hot-word "GOOD MORNING"
        slr decode --camera --model asl-cafe
        tail -c +1 -f frames.f32 | slr decode --stream
        slr decode --stream growing.npy --patience 5 --json
    """
    from slrcli.recognition.decode import DecodeOptions

    allow(arch)
    extraction = extract_options(fps=fps, square=square, max_side=max_side, picture_fps=picture_fps)
    wanted = decoder_options(
        decoder, beam=beam, nbest=nbest, lm=lm, lm_weight=lm_weight, insertion_bonus=insertion_bonus,
        hot_words=hot_word, hot_word_weight=hot_word_weight,
    )  # fmt: skip
    decode_options = DecodeOptions(model, device or Config().run.device, extraction, jobs, wanted)
    given: dict[str, Any] = {
        "window": window,
        "hop": hop,
        "settle": settle,
        "drop": drop,
        "fps": fps,
        "patience": patience,
    }
    options = LiveConfig(**{key: value for key, value in given.items() if value is not None})
    if stream:
        unfit = {"--camera": camera, "--pipe": pipe, "--format": formats, "--out": out}
        if others := [flag for flag, value in unfit.items() if value]:
            raise UsageError("A stream of frames is printed as it is decoded.", ", ".join(others), "Leave it out.")
        return decode_stream(console, files or [], decode_options, options)
    if files == [Path("-")]:
        files, pipe = [], True
    if [bool(files), camera, pipe].count(True) != 1:
        what = (
            "Only one of files, --camera and --pipe can be decoded."
            if files or camera
            else "There is nothing to decode."
        )
        raise UsageError(what, fix="Name files or folders, or use --camera or --pipe.")
    if files and (formats or out):
        return write_files(console, files, replace(decode_options, timed=True), formats or (), out)
    if formats or out:
        raise UsageError("A stream is printed as it is decoded.", "--format, --out", "Leave them out.")
    if files:
        return decode_files(console, files, decode_options)
    return decode_live(console, camera_index if camera else None, raw, decode_options, options)


def decode_files(console: Console, files: list[Path], decode_options: "DecodeOptions") -> int:
    """The glosses of files, a line each as they come; failures at the end."""
    from slrcli.recognition.decode import decode as run

    results = []
    for item in run(console, files, decode_options):
        results.append(item)
        if item.error is None and not console.as_json:
            name = "" if len(files) == 1 and item.path == files[0] else visible(item.path, keep="") + "\t"
            for line in ranked_lines(item.found, decode_options.decoder.given.get("nbest", 1) > 1):
                console.result(name + line)
    if console.as_json:
        console.json([item.to_dict() for item in results])
    failed = [item.error for item in results if item.error is not None]
    for error in failed:
        console.error(error)
    if failed and len(results) > 1:
        console.warn(f"{len(failed)} of {len(results)} files could not be decoded.")
    return EXIT_FAILURE if failed else EXIT_OK


def ranked_lines(found, ranked: bool) -> list[str]:
    """The glosses of a hypothesis; where several are asked for, a line each with its rank and what it is ranked by."""
    if not ranked and not found.others:
        return [" ".join(found.glosses)]
    hypotheses = enumerate((found, *found.others), 1)
    return [
        f"{rank}\t{item.score if item.rating is None else item.rating:.3f}\t{' '.join(item.glosses)}"
        for rank, item in hypotheses
    ]


def write_files(
    console: Console, files: list[Path], decode_options: "DecodeOptions", formats: Sequence[str], out: Path | None
) -> int:
    """The glosses of files, in formats that other programs open."""
    from slrcli.recognition.decode import clips, decode_with, open_for, timed
    from slrcli.recognition.timing import FrameRates, clip_ids
    from slrcli.transcripts import plan_outputs

    found = list(clips(files))
    ids = clip_ids(files, found)
    outcomes = Outcomes(plan_outputs(formats, out, ids))
    with open_for(console, decode_options, len(found)) as recogniser:
        rates = FrameRates(console, decode_options.extraction.fps, recogniser.meta.fps)
        for id, item in zip(ids, decode_with(console, recogniser, found, decode_options), strict=True):
            outcomes.take(item.error or timed(item, id, rates))
    return outcomes.finish(console, "decoded")


def decode_live(
    console: Console, camera: int | None, raw: str, decode_options: "DecodeOptions", options: LiveConfig
) -> int:
    """The glosses of a running stream, a line each as they become certain."""
    from slrcli.recognition.live import Pace, live, rate_of
    from slrcli.recognition.load import open_recogniser
    from slrcli.video import streams
    from slrcli.video.landmarks import check_layout
    from slrcli.video.library import need_all

    need_all()
    recogniser = open_recogniser(console, decode_options.model, decode_options.device, decode_options.decoder)
    check_layout(recogniser.meta.layout)
    side = decode_options.extraction.max_side
    stream = streams.pipe(sys.stdin.buffer, raw, side) if camera is None else streams.camera(camera, side)
    found, pace, fps = [], Pace(), rate_of(recogniser, stream, options)
    for item in live(console, recogniser, stream, options, decode_options.extraction, pace):
        found.append(item)
        if not console.as_json:
            start, end = item.seconds(fps)
            console.result(f"{start:.2f}\t{end:.2f}\t{item.gloss}\t{item.confidence:.2f}")
            console.flush()
    if console.as_json:
        console.json({"glosses": [item.to_dict(fps) for item in found], **pace.to_dict()})
    return EXIT_OK
