"""The recogniser that a file holds, with its decoder and its calibration.

What decodes an exported model needs no torch, so each kind is imported when it is asked for.
"""

from contextlib import ExitStack
from pathlib import Path

from slrcli.checkpoints.runs import shown
from slrcli.config import DecodeConfig
from slrcli.console import Console
from slrcli.decoding.calibration import load_calibration
from slrcli.decoding.cores import ManyCores
from slrcli.decoding.decoder import decoder_signature, make_decoder
from slrcli.errors import DependencyError
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DECODER_FILE, DecoderOptions

EXPORTED = ".onnx"


def load_recogniser(path: Path, device: str = "auto") -> ClipRecogniser:
    """The recogniser of a checkpoint, or of an exported model where the suffix says so.

    Raises:
        SlrError: the file is damaged, a library is missing, or there is no such device.
    """
    if path.suffix == EXPORTED:
        from slrcli.recognition.from_onnx import ExportedRecogniser

        return ExportedRecogniser.open(path, device)
    try:
        from slrcli.recognition.from_checkpoint import Recogniser, choose_device
    except ModuleNotFoundError as error:  # where an exported model is all that should run
        fix = "pip install slrcli with all it needs, or name what slr export made of it"
        raise DependencyError(f"a checkpoint needs {error.name}, which is not installed", str(path), fix) from error
    return Recogniser.from_checkpoint(path, choose_device(device))


def attach_decoder(
    console: Console,
    recogniser: ClipRecogniser,
    checkpoint: Path,
    wanted: DecoderOptions,
    stack: ExitStack | None = None,
    calibrated: bool = True,
) -> str:
    """Give a recogniser its decoder, and the calibration that belongs to it; say aloud what is not the best path.

    Args:
        stack: ends the processes of a search on several cores; without it there is one process.
        calibrated: whether confidences go through the checkpoint's calibration, if it has one for this decoder.

    Returns:
        The decoder's signature.

    Raises:
        SlrError: settings that cannot be, or a language model that cannot be read.
    """
    options = wanted.settings(checkpoint, recogniser.meta)
    signature = decoder_signature(options)
    if stack is not None and options.width and wanted.jobs > 1:
        tokens = recogniser.vocabulary.tokens
        recogniser.decoder = stack.enter_context(ManyCores(options, tokens, wanted.jobs))
    else:
        recogniser.decoder = make_decoder(options, recogniser.vocabulary)
    recogniser.calibration = load_calibration(checkpoint, signature) if calibrated else None
    if signature != decoder_signature(DecodeConfig()):
        beside = checkpoint.parent / DECODER_FILE
        source = wanted.file or (beside if beside.is_file() else None)
        console.note(f"decoder {signature}{f', settings of {shown(source)}' if source else ''}")
    return signature
