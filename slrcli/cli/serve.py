"""`slr serve`: a recogniser as a service on this machine."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from slrcli.cli.options.common import Device, OwnNetwork, option
from slrcli.cli.options.decoding import (
    Beam,
    DecoderFile,
    HotWord,
    HotWordWeight,
    InsertionBonus,
    Lm,
    LmWeight,
    Nbest,
    decoder_options,
)
from slrcli.config import Config, ServeConfig
from slrcli.console import Console
from slrcli.models.trust import allow

MODEL = "Checkpoint, run or exported model. Default: the newest run."
TOKEN = "SLR_TOKEN"  # in the environment, which other users of the machine do not see


def serve(
    console: Console,
    *,
    model: Annotated[Path | None, typer.Argument(help=MODEL)] = None,
    arch: OwnNetwork,
    device: Device,
    page: Annotated[Path | None, option("serve.page")],
    host: Annotated[str | None, option("serve.host")],
    port: Annotated[int | None, option("serve.port")],
    token: Annotated[str, option("serve.token")],
    most_mb: Annotated[float | None, option("serve.most_mb")],
    most_frames: Annotated[int | None, option("serve.most_frames")],
    timeout: Annotated[float | None, option("serve.timeout")],
    work: Annotated[float | None, option("serve.work")],
    connections: Annotated[int | None, option("serve.connections")],
    batch: Annotated[int | None, option("serve.batch")],
    beam: Beam,
    nbest: Nbest,
    lm: Lm,
    lm_weight: LmWeight,
    insertion_bonus: InsertionBonus,
    hot_word: HotWord,
    hot_word_weight: HotWordWeight,
    decoder: DecoderFile,
) -> int:
    """Serve a recogniser over HTTP and WebSockets until Ctrl-C (requires the extra 'serve').

    POST /recognise?name=clip.npy takes a feature file or a video and answers what slr decode --json prints of it;
    /stream is a WebSocket that takes frames and tells glosses once they are final; /health says whether the service
    runs, /openapi.json describes all of it. With --page, the page of slr export --web is served at /.

    Only programs on this machine are answered unless --host names another address, which requires a token. Requests
    carry it as 'Authorization: Bearer TOKEN', streams and the page as '?token=TOKEN'. Clips are deleted once they are
    answered.

    Examples:
        slr serve runs/latest
        curl --data-binary @clip.npy "localhost:8000/recognise?name=clip.npy"
        slr serve model.onnx --page page --port 9000
        SLR_TOKEN=$(openssl rand -hex 16) slr serve runs/latest --host 0.0.0.0
    """
    from slrcli.web.service.serve import serve as run

    allow(arch)
    wanted = decoder_options(
        decoder, beam=beam, nbest=nbest, lm=lm, lm_weight=lm_weight, insertion_bonus=insertion_bonus,
        hot_words=hot_word, hot_word_weight=hot_word_weight,
    )  # fmt: skip
    given: dict[str, Any] = {
        "host": host, "port": port, "most_mb": most_mb, "most_frames": most_frames, "timeout": timeout, "work": work,
        "connections": connections, "batch": batch,
    }  # fmt: skip
    options = ServeConfig(**{key: value for key, value in given.items() if value is not None})
    secret = token or os.environ.pop(TOKEN, "")  # processes that work for this one have no use for it
    return run(console, model, device or Config().run.device, wanted, options, page, secret)
