"""What `slr decode` does: feature files in, glosses with their places and confidences out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slrcli.console import Console
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError, SlrError
from slrcli.features.readers import SUFFIXES, clips_below
from slrcli.recognise import Recogniser, choose_device
from slrcli.workflows.runs import find_checkpoint, shown

DECODE_BATCH = 8


@dataclass(frozen=True)
class Decoded:
    """One file's outcome: a hypothesis, or the error that stood in its way."""

    path: Path
    frames: int = 0
    hypothesis: Hypothesis | None = None
    error: SlrError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`; spans are frames, the end exclusive."""
        if self.hypothesis is None:
            return {"file": str(self.path), "error": str(self.error)}
        found = self.hypothesis
        rows = zip(found.glosses, found.spans, found.confidences, strict=True)
        return {
            "file": str(self.path),
            "frames": self.frames,
            "log_probability": found.score,
            "glosses": [
                {"gloss": gloss, "start": start, "end": end, "confidence": round(confidence, 4)}
                for gloss, (start, end), confidence in rows
            ],
        }


def decode(
    console: Console, paths: Sequence[Path], model: Path | None = None, device: str = "auto"
) -> Iterator[Decoded]:
    """Decode files and the feature files of folders, in the order given; a file that fails does not stop the others.

    Args:
        paths: files or folders.
        model: checkpoint or run; None is the newest run, which is named aloud.

    Raises:
        SlrError: no checkpoint, or a folder without feature files.
    """
    checkpoint = find_checkpoint(model)
    if model is None:
        console.note(f"model: {shown(checkpoint)} (the newest run)")
    recogniser = Recogniser.from_checkpoint(checkpoint, choose_device(device))
    files = list(feature_files(paths))
    with console.progress("decoding", len(files)) as task:
        for start in range(0, len(files), DECODE_BATCH):
            part = files[start : start + DECODE_BATCH]
            yield from decode_batch(recogniser, part)
            task.advance(len(part))


def decode_batch(recogniser: Recogniser, files: Sequence[Path]) -> list[Decoded]:
    """Decode a few files as one batch; what a clip gives does not depend on the others."""
    clips, errors = {}, {}
    for index, file in enumerate(files):
        try:
            clips[index] = recogniser.load(file)
        except SlrError as error:
            errors[index] = Decoded(file, error=error)
    names = [str(files[index]) for index in clips]
    found = recogniser.recognise(list(clips.values()), names) if clips else []
    done = {
        index: Decoded(files[index], len(clips[index]), hypothesis)
        for index, hypothesis in zip(clips, found, strict=True)
    }
    return [(done | errors)[index] for index in range(len(files))]


def feature_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files themselves, and for a folder its clips, those in folders below it too, sorted by name."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = clips_below(path)
        if not inside:
            raise DataError(
                "the folder holds no feature file", str(path), f"it should hold {', '.join(SUFFIXES)} files"
            )
        yield from inside
