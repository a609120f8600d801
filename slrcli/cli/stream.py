"""`slr decode --stream`: glosses of frames that are still coming."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slrcli.config import FRAMES_PER_SECOND, LiveConfig, check_section
from slrcli.console import Console
from slrcli.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from slrcli.recognition.decode import DecodeOptions

STDIN = Path("-")


def decode_stream(console: Console, files: list[Path], decode_options: "DecodeOptions", options: LiveConfig) -> int:
    """The glosses of a stream of frames, a line each as they become certain."""
    from slrcli.recognition.load import open_recogniser
    from slrcli.recognition.stream import growing, piped, stream_glosses

    if len(files) > 1:
        raise UsageError("Only one stream can be decoded.", "--stream", "Name one file, or none for stdin.")
    check_section(options, "live.")
    source = files[0] if files else STDIN
    recogniser = open_recogniser(console, decode_options.model, decode_options.device, decode_options.decoder)
    fps = options.fps or recogniser.meta.fps or FRAMES_PER_SECOND
    if source == STDIN:
        chunks, name = piped(sys.stdin.buffer), "stdin"
    else:
        chunks, name = growing(source, options.patience), str(source)
    for item in stream_glosses(console, recogniser, chunks, name, fps, options):
        if console.as_json:
            console.json_line(item.to_dict(fps))
            continue
        seconds = "\t".join(f"{value:.2f}" for value in item.seconds(fps))
        console.result(f"{seconds}\t{item.gloss}\t{item.confidence:.2f}\t{item.latency}")
        console.flush()
    return EXIT_OK
