"""What `slr record` does: a corpus of takes, from a camera or from any other source of frames."""

import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import find_checkpoint
from slrcli.config import ExtractConfig, RecordConfig, check_section
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.features.layout import load_layout
from slrcli.files import held, require_place
from slrcli.takes.folder import TABLE, Folder, check_names
from slrcli.takes.keys import Keys, NoKeys, keyboard
from slrcli.takes.prompts import Prompt, missing, read_prompts, vocabulary_prompts
from slrcli.takes.session import Outcome, Points, Session
from slrcli.video.frames import Frame
from slrcli.video.holistic import Columns, Holistic
from slrcli.video.library import hushed, need_all, silence
from slrcli.video.newest import Newest
from slrcli.video.streams import camera


@dataclass(frozen=True)
class Recorded:
    """What became of a corpus of takes.

    Attributes:
        folder: the corpus.
        takes: that it has now, of all signers and splits.
        outcome: of this session.
    """

    folder: Path
    takes: int
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        found = self.outcome
        return {
            "folder": str(self.folder),
            "takes": self.takes,
            "kept": [{"id": item.id, "glosses": list(item.glosses)} for item in found.kept],
            "frames": found.frames,
            "skipped": found.skipped,
            "left": found.left,
        }


@dataclass(frozen=True)
class Wanted:
    """What is to be recorded, and how.

    Attributes:
        prompts: one at least.
        layout: of the landmarks; "": as the folder says, else the one that videos are extracted to.
        fps: of the landmarks; 0: as the folder says, else that of the source.
    """

    prompts: list[Prompt]
    layout: str = ""
    fps: float = 0.0

    @classmethod
    def of(cls, table: Path | None, run: Path | None, layout: str = "", fps: float = 0.0) -> "Wanted":
        """The sentences of a table, or the glosses of a recogniser, whose layout and frame rate count then.

        Raises:
            UsageError: neither or both are named.
            SlrError: they cannot be read.
        """
        if (table is None) == (run is None):
            what = "Nothing is named that could be recorded." if run is None else "Both sentences and --from are named."
            raise UsageError(what, "slr record", "Name a table of sentences, or a recogniser with --from RUN.")
        if table is not None:
            return cls(read_prompts(table), layout, fps)
        meta = _meta(find_checkpoint(run))
        return cls(vocabulary_prompts(meta.vocabulary), layout or meta.layout.name, fps or meta.fps)


def _meta(checkpoint: Path) -> Meta:
    from slrcli.recognition.load import load_recogniser

    return load_recogniser(checkpoint, "cpu").meta


def record(
    console: Console,
    wanted: Wanted,
    out: Path,
    options: RecordConfig,
    frames: Iterable[Frame],
    rate: float,
    points: Points,
    keys: Keys,
    clock: Callable[[], float] = time.monotonic,
) -> Recorded:
    """Record what is missing in a folder of takes.

    Args:
        console: where prompts and the live skeleton are shown.
        wanted: the sentences.
        out: the folder; it is begun, or goes on.
        options: whose takes, how many, how long.
        frames: as they come.
        rate: their nominal number per second.
        points: finds the landmarks of a picture.
        keys: where answers come from.
        clock: seconds; the countdown goes by it.

    Raises:
        SlrError: as `prepared` says, the folder cannot be written to, or the frames end.
    """
    prepared(wanted, out, options)
    begun = out.is_dir()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with held(out, "corpus"):
            folder = prepared(wanted, out, options)  # as it is now that nobody else writes to it
            columns, fps = Columns.of(load_layout(folder.layout)), folder.fps or round(rate, 3)
            session = Session(console, folder, columns, fps, options, frames, points, keys, clock)
            outcome = session.run(wanted.prompts)
    finally:
        if not begun:
            with suppress(OSError):  # something was kept
                out.rmdir()
    return Recorded(out, len(folder.kept), outcome)


def prepared(wanted: Wanted, out: Path, options: RecordConfig) -> Folder:
    """The folder of takes, found fit for what is wanted before a camera is opened.

    Raises:
        UsageError: no signer, names that no table can hold, a layout of other points, or another one than the folder's.
        DataError: the folder contains another corpus.
        SlrError: it cannot be written to.
    """
    check_section(options, "record.")
    if not options.signer.strip():
        raise UsageError("Whose takes these are is not said.", "--signer", "Name the signer, such as --signer ann.")
    check_names(options.signer, options.split)
    folder = Folder.open(out, wanted.layout, wanted.fps)
    folder.layout = folder.layout or ExtractConfig().layout
    Columns.of(load_layout(folder.layout))
    require_place(out / TABLE)
    return folder


def still_missing(wanted: Wanted, folder: Folder, options: RecordConfig) -> int:
    """Takes that are still to be recorded."""
    return sum(1 for _ in missing(wanted.prompts, options.takes, folder.counts(options.signer, options.split)))


def record_camera(
    console: Console,
    wanted: Wanted,
    out: Path,
    options: RecordConfig,
    index: int = 0,
    max_side: int = ExtractConfig.max_side,
) -> Recorded:
    """`record` from a camera of this machine, with MediaPipe; nothing is opened where nothing is missing.

    Raises:
        DependencyError: the extra `video` is not installed.
        SlrError: there is no such camera, no keyboard where one is needed, or as `record` says.
    """
    folder = prepared(wanted, out, options)
    count = still_missing(wanted, folder, options)
    if not count:
        return Recorded(out, len(folder.kept), Outcome())
    with nullcontext(NoKeys()) if options.seconds else keyboard() as keys:
        need_all()
        stream = camera(index, max_side)
        with silence():
            holistic = Holistic()
            holistic(np.zeros((64, 64, 3), np.uint8))  # it goes on setting itself up, aloud, until its first picture
        console.note(f"{stream.name}: {stream.fps:.4g} frames/s. {count} takes to record into {out}; q quits.")
        with holistic, Newest(stream.frames) as newest:
            return record(console, wanted, out, options, newest, stream.fps, hushed(holistic), keys)
