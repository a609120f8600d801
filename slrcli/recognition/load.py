"""The one place where a recogniser is opened, with decoder and calibration: of a run, a checkpoint, an exported model.

What decodes an exported model needs no torch, so each kind is imported when it is asked for.
"""

from contextlib import ExitStack
from pathlib import Path

from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import find_checkpoint, shown
from slrcli.config import DecodeConfig
from slrcli.console import Console
from slrcli.decoding.calibration import Calibration, load_calibration
from slrcli.decoding.cores import ManyCores
from slrcli.decoding.decoder import decoder_signature, lm_warnings, make_decoder
from slrcli.errors import DependencyError
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DECODER_FILE, DecoderOptions

EXPORTED = ".onnx"


def open_recogniser(
    console: Console,
    model: Path | None,
    device: str = "auto",
    decoder: DecoderOptions | None = None,
    stack: ExitStack | None = None,
) -> ClipRecogniser:
    """The recogniser of a run, a checkpoint or an exported model, with its decoder and its calibration.

    Args:
        console: for notes on the decoder, and on the model where none was named.
        model: None is the newest run.
        device: where a checkpoint is run.
        decoder: settings of the decoder given by the user.
        stack: see `attach_decoder`.

    Raises:
        SlrError: as `load_recogniser` and `attach_decoder` say, or there is no such model.
    """
    checkpoint = find_checkpoint(model)
    if model is None:
        console.note(f"model: {shown(checkpoint)} (the newest run)")
    recogniser = load_recogniser(checkpoint, device)
    attach_decoder(console, recogniser, checkpoint, decoder or DecoderOptions(), stack)
    return recogniser


def load_recogniser(path: Path, device: str = "auto") -> ClipRecogniser:
    """The recogniser of a checkpoint, or of an exported model where the suffix says so, as yet without its decoder.

    Raises:
        SlrError: the file is damaged, a library is missing, or there is no such device.
    """
    if path.suffix == EXPORTED:
        from slrcli.recognition.from_onnx import ExportedRecogniser

        return ExportedRecogniser.open(path, device)
    try:
        from slrcli.parallel.distributed import choose_device
        from slrcli.recognition.from_checkpoint import Recogniser
    except ModuleNotFoundError as error:  # where an exported model is all that should run
        what = f"A checkpoint needs the library {error.name}, which is not installed."
        fix = "Install slrcli with all its dependencies, or name an exported model (slr export)."
        raise DependencyError(what, str(path), fix) from error
    return Recogniser.from_checkpoint(path, choose_device(device))


def attach_decoder(
    console: Console,
    recogniser: ClipRecogniser,
    checkpoint: Path,
    wanted: DecoderOptions,
    stack: ExitStack | None = None,
    calibrated: bool = True,
) -> str:
    """Give a recogniser its decoder, and the calibration that belongs to it; note any decoder other than the best path.

    Args:
        stack: ends the processes of a search on several cores; without it there is one process.
        calibrated: whether confidences go through the checkpoint's calibration, if it has one for this decoder.

    Returns:
        The decoder's signature.

    Raises:
        SlrError: impossible settings, or a language model that cannot be read.
    """
    options = wanted.settings(checkpoint, recogniser.meta)
    wanted.require_model(options, checkpoint)
    signature = decoder_signature(options)
    if stack is not None and options.width and wanted.jobs > 1:
        tokens = recogniser.vocabulary.tokens
        recogniser.decoder = stack.enter_context(ManyCores(options, tokens, wanted.jobs))
    else:
        recogniser.decoder = make_decoder(options, recogniser.vocabulary)
    recogniser.calibration = calibration_of(checkpoint, recogniser.meta, signature) if calibrated else None
    for warning in lm_warnings(options, recogniser.vocabulary):
        console.warn(warning)
    source, beside = wanted.source(checkpoint), checkpoint.parent / DECODER_FILE
    if signature != decoder_signature(DecodeConfig()):
        console.note(f"decoder: {signature}{f', settings from {shown(source)}' if source else ''}")
    if source is None and beside.is_file():
        console.note(f"{shown(beside)} was tuned for other weights than those of {checkpoint.name} and is ignored.")
    return signature


def calibration_of(checkpoint: Path, meta: Meta, decoder: str) -> Calibration | None:
    """What the confidences of a decoder go through: what lies beside the file, else what it carries itself.

    Raises:
        DataError: the file beside it is damaged.
    """
    own = meta.calibration
    return load_calibration(checkpoint, decoder) or (own if own and own.decoder == decoder else None)
