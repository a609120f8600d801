"""Reads the clips of clients, in a process of its own: what is in them may be anything, and of any size."""

import sys
from dataclasses import replace
from pathlib import Path

from slrcli.checkpoints.meta import Meta
from slrcli.config import DecodeConfig
from slrcli.errors import SlrError
from slrcli.features.clip import Clip
from slrcli.features.readers import is_holder
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.timing import check_rate
from slrcli.web.service.refusals import NoClip, TooLarge

MOST_MEMORY = 4 << 30  # bytes that a process may take to read a clip: a small file may unpack to any size

_reader: ClipRecogniser | None = None  # in a process that reads: what it reads for


def begin(meta: Meta) -> None:
    """Prepare a process; no more is needed of a recogniser than what it knows beside its weights."""
    global _reader
    _reader = ClipRecogniser(meta.vocabulary, replace(meta, decode=DecodeConfig(), tuned=None))
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def read_clip(path: Path, fps: float, most: int) -> Clip:
    """A clip as the recogniser reads it, of at most so many frames.

    Raises:
        SlrError: the file cannot be read, does not fit, or holds several clips; its frame rate changes nothing.
    """
    assert _reader is not None  # see `begin`
    try:
        if is_holder(path):
            raise NoClip("The file holds several clips.", path, "Send one clip per request.")
        check_rate(fps, [path], _reader.meta.fps, False)
        clip = _reader.read(path, fps)
    except MemoryError:
        raise TooLarge("The clip takes too much memory to read.", path, "Send a shorter one.") from None
    require_short(max(clip.frames, len(clip.x)), most, path)
    return clip


def require_short(frames: int, most: int, where: str | Path) -> None:
    """Raise TooLarge for a clip of more than `most` frames."""
    if frames > most:
        what = f"The clip has {frames:,} frames, and the service takes at most {most:,}."
        raise TooLarge(what, where, "Cut it, or start the service with a larger --most-frames.")


def said_of(error: SlrError, folder: Path, path: Path, name: str) -> SlrError:
    """An error that names the clip as its client does, and no place of this machine."""
    parts = [
        part.replace(str(path), name).replace(f"{folder}/", "").replace(str(folder), "").replace(path.name, name)
        for part in (error.what, error.where, error.fix)
    ]
    return type(error)(*parts)
