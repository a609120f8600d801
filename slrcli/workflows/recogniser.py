"""The recogniser that a file holds. What decodes an exported model needs no torch, so each kind is imported here."""

from pathlib import Path

from slrcli.clip_recogniser import ClipRecogniser

EXPORTED = ".onnx"


def load_recogniser(path: Path, device: str = "auto") -> ClipRecogniser:
    """The recogniser of a checkpoint, or of an exported model where the suffix says so.

    Raises:
        SlrError: the file is damaged, a library is missing, or there is no such device.
    """
    if path.suffix == EXPORTED:
        from slrcli.exported import ExportedRecogniser

        return ExportedRecogniser.open(path, device)
    from slrcli.recognise import Recogniser, choose_device

    return Recogniser.from_checkpoint(path, choose_device(device))
