"""The recogniser that a file holds. What decodes an exported model needs no torch, so each kind is imported here."""

from pathlib import Path

from slrcli.clip_recogniser import ClipRecogniser
from slrcli.errors import DependencyError

EXPORTED = ".onnx"


def load_recogniser(path: Path, device: str = "auto") -> ClipRecogniser:
    """The recogniser of a checkpoint, or of an exported model where the suffix says so.

    Raises:
        SlrError: the file is damaged, a library is missing, or there is no such device.
    """
    if path.suffix == EXPORTED:
        from slrcli.exported import ExportedRecogniser

        return ExportedRecogniser.open(path, device)
    try:
        from slrcli.recognise import Recogniser, choose_device
    except ModuleNotFoundError as error:  # where an exported model is all that should run
        fix = "pip install slrcli with all it needs, or name what slr export made of it"
        raise DependencyError(f"a checkpoint needs {error.name}, which is not installed", str(path), fix) from error
    return Recogniser.from_checkpoint(path, choose_device(device))
