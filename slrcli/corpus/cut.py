"""A corpus of annotations in time: the features of long recordings, cut into utterances, with their tables.

    OUT/annotations/train.corpus.csv    all utterances
    OUT/features/ID.npz                 the frames of each
    OUT/corpus.toml                     how to read them

A recording is the feature file that is named as its annotations, or as the video that these name; without one, the
landmarks of that video are extracted.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.annotations import Annotated, Counts, Cut, Signer, Tier, read_annotations, signers_of, utterances_of
from slrcli.config import PAUSE, ExtractConfig, nearest, toml_text
from slrcli.console import Console
from slrcli.corpus.finder import Folders
from slrcli.corpus.settings import LAYOUT, write_settings
from slrcli.corpus.tables import check_id
from slrcli.corpus.write import require_room, write_table
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.features.readers import read_recording
from slrcli.features.readers.common import plainly
from slrcli.features.readers.npz import arrays_in
from slrcli.features.recording import Recording, fit, same_columns
from slrcli.features.writers import write_recording
from slrcli.files import atomic_write_text, below, temporary_folder, whole_folder
from slrcli.glosses.variants import composed
from slrcli.video.sources import is_video

SPLIT = "train"
EDGE = 1e-6  # seconds, for times that were rounded
NEAR = ("{}_{}", "{}-{}", "{}.{}", "{}{}")  # names of the features of one signer of several


@dataclass(frozen=True)
class CutOptions:
    """How annotations are cut.

    Attributes:
        out: folder of the new corpus.
        tiers: of glosses.
        sentences: tiers of sentences; without them, pauses divide the signs.
        pause: seconds; None: `PAUSE` for ELAN files, and for subtitles each cue is an utterance.
        features: folder of the recordings; None: that of the annotations, and `features` in it.
        layout: wanted layout of the points; "" keeps that of the files, and is that of `slr extract` for videos.
        fps: frames per second; 0: what the recordings say.
        jobs: processes that extract videos; 0: one per core.
    """

    out: Path
    tiers: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    pause: float | None = None
    features: Path | None = None
    layout: str = ""
    fps: float = 0.0
    jobs: int = 0


@dataclass
class CutCorpus:
    """What was written.

    Attributes:
        out: the folder.
        utterances, glosses, frames: their numbers.
        fps: frames per second; 0 where recordings differ.
        counts: what was left out of the annotations, or changed.
        beyond: utterances after the end of a recording, which are left out.
        notes: remarks for the user.
    """

    out: Path
    utterances: int = 0
    glosses: int = 0
    frames: int = 0
    fps: float = 0.0
    counts: Counts = field(default_factory=Counts)
    beyond: int = 0
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        whole = {name: getattr(self, name) for name in ("utterances", "glosses", "frames", "fps", "beyond", "notes")}
        return {"out": str(self.out), **whole, "left_out_or_changed": vars(self.counts)}


@dataclass(frozen=True)
class _Part:
    """The utterances of one signer in one recording."""

    name: str
    signer: str
    features: Path
    origin: float
    cuts: Sequence[Cut]
    annotations: Path


def cut_corpus(console: Console, files: Sequence[Path], options: CutOptions) -> CutCorpus:
    """Cut recordings into utterances and write them as a corpus. Nothing is left behind where something is wrong.

    Raises:
        DataError: a file is damaged, lacks a tier, or has no features; no utterance is left.
        UsageError: options contradict each other, or videos do not give the layout.
        DependencyError: the library for a file type is not installed.
    """
    if options.sentences and options.pause is not None:
        raise UsageError("Either sentences or pauses divide the signs.", "--sentences, --pause", "Leave one out.")
    require_room(options.out)
    result = CutCorpus(options.out)
    parts = [part for file in files for part in _parts(file, options, result)]
    names = [part.name for part in parts]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"Two files have the name {twice[0]}.", parts[0].annotations, "Rename one.")
    if not any(part.cuts for part in parts):
        raise DataError("The annotations hold no utterance.", files[0], f"See the notes: {_said(result.counts)}")
    with whole_folder(options.out) as place, temporary_folder() as landmarks:
        _write(console, _extracted(console, parts, options, landmarks), options, result, place)
    result.notes[:0] = _notes(result)
    return result


def _parts(file: Path, options: CutOptions, result: CutCorpus) -> list[_Part]:
    """The utterances of a file, signer by signer, each with a recording."""
    found = read_annotations(file)
    subtitles = "" in found.tiers
    if subtitles and (options.tiers or options.sentences):
        raise UsageError("Subtitles have no tiers.", str(file), "Leave --tier and --sentences out.")
    if not subtitles and not options.tiers:
        raise UsageError("No tier of glosses is named.", str(file), f"Add --tier TIER: {_names(found)}")
    tiers = [_tier(found, name) for name in options.tiers] or list(found.tiers.values())
    sentences = [_tier(found, name) for name in options.sentences]
    pause = options.pause if subtitles or options.pause is not None or sentences else PAUSE
    signers = signers_of(tiers)
    parts = []
    for signer in signers:
        own = [tier for tier in sentences if len(sentences) == 1 or signer.owns(tier)]
        if sentences and not own:
            what = f"No tier of sentences belongs to signer {signer.label or signer.participant}."
            raise DataError(what, file, "Name one for each signer with --sentences.")
        cuts, counts = utterances_of(list(signer.tiers), own or None, pause)
        result.counts.add(counts)
        features, origin = _features(found, signer, len(signers) > 1, options)
        name = f"{file.stem}-{signer.label}" if signer.label else file.stem
        parts.append(_Part(name, signer.participant or _known(name, signer), features, origin, cuts, file))
    return parts


def _known(name: str, signer: Signer) -> str:
    """Signer A of one file is not signer A of another."""
    return name if signer.label else ""


def _tier(found: Annotated, name: str) -> Tier:
    """The tier of this name, in any case if only one is called so."""
    if name in found.tiers:
        return found.tiers[name]
    near = [tier for tier in found.tiers if tier.casefold() == name.casefold()]
    if len(near) == 1:
        return found.tiers[near[0]]
    raise DataError(f"The file has no tier {name!r}.", found.path, nearest(name, [*found.tiers]) or _names(found))


def _names(found: Annotated) -> str:
    filled = [name for name, tier in found.tiers.items() if tier.marks]
    return f"The tiers with annotations are {', '.join(filled) or 'none'}."


def _extracted(console: Console, parts: Sequence[_Part], options: CutOptions, folder: Path) -> list[_Part]:
    """The parts with a feature file in `folder` for each video."""
    videos = list(dict.fromkeys(part.features for part in parts if is_video(part.features)))
    if not videos:
        return list(parts)
    from slrcli.video.holistic import Columns  # only needed where there are videos
    from slrcli.video.landmarks import landmarks_of

    settings = ExtractConfig()
    layout = load_layout(options.layout or settings.layout)
    Columns.of(layout)
    found = landmarks_of(console, videos, layout, settings, options.jobs, folder)
    files = {}
    for video, outcome in found.items():
        if isinstance(outcome, SlrError):
            raise outcome
        files[video] = outcome
    return [replace(part, features=files.get(part.features, part.features)) for part in parts]


# The recording of a signer.


def _features(found: Annotated, signer: Signer, several: bool, options: CutOptions) -> tuple[Path, float]:
    """The recording of a signer, and where in it the time of the annotations begins, in seconds.

    Raises:
        DataError: there is none, there are several, or one shows several signers.
    """
    here = found.path.parent
    folders = [options.features] if options.features else [here / "features", here]
    stems = {media.stem: media.origin for media in reversed(found.media) if media.stem}
    first = found.media[0].origin if found.media else 0.0
    own = {form.format(found.path.stem, signer.label): first for form in NEAR} if signer.label else {}
    names = dict.fromkeys((*own, found.path.stem, *stems))
    known = {name: path for name in names if (path := _look(folders, name))}
    known = known or {name: path for name in names if (path := _video(found, folders, name))}
    labels = [signer.label] if signer.label else list(signer.words)
    chosen = [name for name in own if name in known][:1]
    if not chosen and not several:
        chosen = [found.path.stem] if found.path.stem in known else []
    rest = [name for name in stems if name in known]
    if not chosen:
        chosen = rest if len(rest) == 1 and not several else [name for name in rest if _tells(name, stems, labels)]
    if len(chosen) == 1:
        return known[chosen[0]], stems.get(chosen[0], first)
    where = ", ".join(map(str, folders))
    if known:
        who = f"signer {signer.label}" if signer.label else "the signer"
        what = f"No recording is {who}'s alone: {', '.join(known)}."
        name = f"{found.path.stem}_{signer.label or 'A'}" if several else found.path.stem
        raise DataError(what, where, f"Call it {name}, with its suffix.")
    tried = ", ".join(dict.fromkeys((found.path.stem, *stems)))
    what = f"Neither a feature file nor a video of {found.path.name} was found: {tried}."
    video = found.media[0].name if found.media else "VIDEO"
    fix = f"Name the folder that holds either with --features, or extract first: slr extract {video} --out FOLDER."
    raise DataError(what, where, fix)


def _look(folders: Sequence[Path], name: str) -> Path | None:
    listings = Folders()
    found = (listings.find(str(folder), name) for folder in folders)
    return next((path for path in found if path), None)


def _video(found: Annotated, folders: Sequence[Path], name: str) -> Path | None:
    """The video of this name, where the annotations say that it is, else in the folders."""
    linked = [found.path.parent / place for media in found.media if media.stem == name for place in media.places]
    beside = [folder / entry for folder in folders if folder.is_dir() for entry in sorted(os.listdir(folder))]
    wanted = composed(name)
    listed = [path for path in beside if composed(path.stem) == wanted]
    return next((path for path in (*linked, *listed) if is_video(path) and os.path.isfile(path)), None)


def _tells(name: str, names: dict[str, float], labels: Sequence[str]) -> bool:
    """Whether a name differs from others in the signer's label: `x_1a1` and `x_1b1` are those of A and B."""
    same = next((place for place, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), 0)
    words = {*re.findall(r"[^\W\d_]+", name[same:].lower()), *re.findall(r"[^\W_]+", name.lower())}
    return any(label.lower() in words for label in labels)


# Cutting.


def _write(console: Console, parts: Sequence[_Part], options: CutOptions, result: CutCorpus, place: Path) -> None:
    """All files of the corpus, in a folder that is moved afterwards."""
    wanted = load_layout(options.layout) if options.layout else None
    entries, rates, layouts = [], set(), []
    with console.progress("cutting", sum(len(part.cuts) for part in parts)) as task:
        for part in parts:
            recording = read_recording(part.features, wanted)
            recording = fit(recording, wanted, str(part.features)) if wanted else recording
            fps = options.fps or recording.fps
            times = _times(part.features, len(recording.values), fps)
            rates.add(fps or round(1 / float(np.median(np.diff(times))), 3))
            layouts.append(recording.layout)
            result.notes += [note for note in recording.notes if note not in result.notes]
            for number, cut in enumerate(part.cuts, 1):
                id = f"{part.name}-{number:04d}"
                check_id(id, str(part.annotations))
                frames = _frames(cut, part.origin, times)
                if frames is None:
                    result.beyond += 1
                    continue
                values = np.ascontiguousarray(recording.values[frames])
                write_recording(below(place / "features", id, ".npz"), _cut(recording, values, fps))
                entries.append((id, id, part.signer, cut.glosses))
                result.frames += len(values)
                task.advance()
    if not entries:
        what = "All annotations lie beyond the end of the features."
        raise DataError(what, parts[0].features, "Check that these are the features of the recording, and their --fps.")
    write_table(place, SPLIT, entries)
    result.utterances, result.glosses = len(entries), sum(len(entry[3]) for entry in entries)
    result.fps = rates.pop() if len(rates) == 1 else 0.0
    about = {"fps": float(result.fps)} if result.fps else {}
    write_settings(place, format="phoenix2014", features="features", **about, **_layout(layouts, place, parts))


def _cut(recording: Recording, values: np.ndarray, fps: float) -> Recording:
    """A part of a recording; a layout that is not shipped stands beside the corpus."""
    layout = recording.layout if recording.layout and recording.layout.name in list_layouts() else None
    return replace(recording, values=values, fps=fps, layout=layout)


def _layout(layouts: Sequence[Layout | None], place: Path, parts: Sequence[_Part]) -> dict[str, str]:
    """What `corpus.toml` says of a layout that is not shipped, and its file; DataError if the recordings differ."""
    first = layouts[0]
    for layout, part in zip(layouts, parts, strict=True):
        if (layout is None) != (first is None) or (layout and first and not same_columns(layout, first)):
            what = f"{part.features.name} has another layout than {parts[0].features.name}."
            raise DataError(what, part.features, "Name one layout with --layout.")
    if first is None or first.name in list_layouts():
        return {}
    atomic_write_text(place / LAYOUT, toml_text(first.to_dict()))
    return {"layout": LAYOUT}


def _times(path: Path, frames: int, fps: float) -> np.ndarray:
    """When each frame begins, in seconds, and when the last one ends, float64 `[T + 1]`.

    Raises:
        DataError: nothing says it, or what says it is damaged.
    """
    if path.suffix.lower() == ".npz":
        with plainly(path), arrays_in(path) as (names, array):
            found = np.asarray(array("timestamps") if "timestamps" in names else [], float)
        if found.shape == (frames,) and frames > 1 and np.isfinite(found).all() and (np.diff(found) > 0).all():
            return np.append(found, found[-1] + np.median(np.diff(found)))
    if not fps:
        raise DataError("The frame rate of the features is not known.", path, "Give it with --fps.")
    return np.arange(frames + 1) / fps


def _frames(cut: Cut, origin: float, times: np.ndarray) -> slice | None:
    """The frames that are shown during an utterance; None if most of it lies beyond the end of the recording."""
    start, end = cut.start + origin, cut.end + origin
    if start < -EDGE or min(end, times[-1]) - start < 0.5 * (end - start) or start >= times[-1] - EDGE:
        return None
    first = int(np.searchsorted(times, start + EDGE, side="right")) - 1
    last = int(np.searchsorted(times, end - EDGE, side="left"))
    return slice(first, max(first + 1, min(last, len(times) - 1)))


# What is said.


def _said(counts: Counts) -> str:
    """What was left out or changed, as sentences."""
    told = {
        "empty": "empty annotations are left out",
        "timeless": "annotations without a time are left out",
        "both": "signs are annotated for both hands and counted once",
        "spaced": "glosses have spaces, which are written with '-'",
        "outside": "signs lie in no sentence and are left out",
        "bare": "sentences without a sign are left out",
    }
    found = [f"{getattr(counts, name):,} {text}" for name, text in told.items() if getattr(counts, name)]
    return "; ".join(found) + "." if found else ""


def _notes(result: CutCorpus) -> list[str]:
    notes = [_said(result.counts)] if _said(result.counts) else []
    if result.beyond:
        notes.append(f"{result.beyond:,} utterances lie beyond the end of their recording and are left out.")
    return notes
