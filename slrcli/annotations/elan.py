"""Reads ELAN's files (.eaf) with pympi-ling (extra `elan`, MIT): tiers with their times, and the videos they belong to.

Symbolic tiers have no times of their own: an annotation lies where its parent lies, and several that divide a parent
share its time equally, as ELAN shows them. So do those of a time subdivision whose limits were never set.
See https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from slrcli.annotations.marks import Annotated, Mark, Media, Tier
from slrcli.errors import DataError, SlrError, reason_of
from slrcli.transcripts.elan import need_pympi

SAVE_AGAIN = "Open it in ELAN and save it again."
# Seconds of a unit of time, as EAF names them; files of today have milliseconds alone.
UNITS = {"milliseconds": 0.001, "PAL-frames": 0.04, "PAL-50-frames": 0.02, "NTSC-frames": 1001 / 30000}
MOST_BYTES = 512 << 20  # of a file, which grows tenfold when it is read
_Span = tuple[float, float]


def read(path: Path) -> Annotated:
    """All tiers of a file.

    Raises:
        DataError: the file cannot be read, is not ELAN's, or contradicts itself.
        DependencyError: pympi-ling is not installed.
    """
    pympi = need_pympi()
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"The file is longer than {MOST_BYTES >> 20} MB.", path, SAVE_AGAIN)
        file = pympi.Elan.Eaf(str(path.absolute()), suppress_version_warning=True)
        times = _Times(file, path)
        tiers = {name: _tier(name, file.tiers[name], times) for name in file.tiers}
        return Annotated(path, tiers, tuple(_media(one) for one in file.media_descriptors))
    except SlrError:
        raise
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}.", path, "Check its name.") from error
    except Exception as error:  # pympi lets everything through that a damaged file may cause
        raise DataError(f"This is not an ELAN file, or it is damaged: {reason_of(error)}.", path, SAVE_AGAIN) from error


class _Times:
    """When each annotation of a file is, in seconds; None where nothing says it."""

    def __init__(self, file: Any, path: Path):
        unit = file.header.get("TIME_UNITS", "milliseconds")
        if unit not in UNITS:
            raise DataError(f"The unit of time {unit!r} is unknown.", path, f"Known units: {', '.join(UNITS)}.")
        self._path, self._tier_of, self._tiers = path, file.annotations, file.tiers
        self._slots = {id: None if value is None else value * UNITS[unit] for id, value in file.timeslots.items()}
        self._known: dict[str, _Span | None] = {}
        for name in file.tiers:
            self._known |= self._aligned(file.tiers[name][0])
        for name in file.tiers:
            self._refer(name)

    def of(self, id: str) -> _Span | None:
        """Start and end of an annotation."""
        return self._known[id]

    def _aligned(self, found: Mapping[str, Any]) -> dict[str, _Span | None]:
        """The annotations with time slots; where slots have no time, neighbours share what lies between the others."""
        for _, (first, last, *_rest) in found.items():
            if first not in self._slots or last not in self._slots:
                raise DataError(f"An annotation refers to the time slot {first} or {last}.", self._path, SAVE_AGAIN)
        follows = {first: last for first, last, *_rest in found.values()}
        slots = dict(self._slots)
        for start, time in self._slots.items():
            chain = [start]
            while time is not None and (last := follows.get(chain[-1])) is not None and last not in chain:
                chain.append(last)
                if self._slots[last] is not None:
                    break
            end = self._slots[chain[-1]]
            if time is not None and end is not None:
                step = (end - time) / max(1, len(chain) - 1)
                slots |= {slot: time + step * number for number, slot in enumerate(chain[1:-1], 1)}
        spans: dict[str, _Span | None] = {}
        for id, (first, last, *_rest) in found.items():
            start, end = slots[first], slots[last]
            spans[id] = None if start is None or end is None else (start, end)
            if start is not None and end is not None and end < start:
                what = f"The annotation {id} ends at {end:.3f} s, before it begins at {start:.3f} s."
                raise DataError(what, self._path, SAVE_AGAIN)
        return spans

    def _refer(self, name: str, inside: tuple[str, ...] = ()) -> None:
        """The annotations of a symbolic tier, after those of the tier that they refer to."""
        referring = self._tiers[name][1]
        if not referring or all(id in self._known for id in referring):
            return
        if name in inside:
            raise DataError(f"The tier {name} refers to itself.", self._path, SAVE_AGAIN)
        children: dict[str, list[str]] = {}
        for id, (parent, *_rest) in referring.items():
            if parent not in self._tier_of:
                raise DataError(f"The annotation {id} refers to {parent}, which is missing.", self._path, SAVE_AGAIN)
            children.setdefault(parent, []).append(id)
        for parent in children:
            if parent not in self._known:
                self._refer(self._tier_of[parent], (*inside, name))
        for parent, ids in children.items():
            span = self._known[parent]
            for number, id in enumerate(_in_order(ids, referring)):
                self._known[id] = span and _part(span, number, len(ids))


def _part(span: _Span, number: int, count: int) -> _Span:
    """One of several equal parts of a time."""
    start, length = span[0], (span[1] - span[0]) / count
    return start + number * length, start + (number + 1) * length


def _in_order(ids: list[str], referring: Mapping[str, Any]) -> list[str]:
    """The annotations of one parent, each after the one that it names as the previous."""
    after = {referring[id][2]: id for id in ids}
    found: list[str] = []
    id = after.get(None)
    while id is not None and id not in found:
        found.append(id)
        id = after.get(id)
    return found if len(found) == len(ids) else ids


def _tier(name: str, parts: Any, times: _Times) -> Tier:
    aligned, referring, about, _ = parts
    marks, empty, timeless = [], 0, 0
    texts = {id: row[2] for id, row in aligned.items()} | {id: row[1] for id, row in referring.items()}
    for id, text in texts.items():
        span = times.of(id)
        if not text.strip():
            empty += 1
        elif span is None:
            timeless += 1
        else:
            marks.append(Mark(*span, text.strip()))
    return Tier(name, tuple(sorted(marks, key=lambda mark: mark.start)), about.get("PARTICIPANT", ""), empty, timeless)


def _media(about: Mapping[str, str]) -> Media:
    """The name of a video and its relative and absolute place, of this system or another."""
    urls = [url for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL") if (url := about.get(key))]
    name = PureWindowsPath(unquote(urls[0])).name if urls else ""
    return Media(name, int(about.get("TIME_ORIGIN") or 0) / 1000, tuple(dict.fromkeys(map(_place, urls))))


def _place(url: str) -> Path:
    """The path of a URL of a file, or of a relative path; `file:///videos/a%20b.mp4` is `/videos/a b.mp4`."""
    path = re.sub("^file:(?://localhost(?=/))?/*", "/", unquote(url), flags=re.IGNORECASE)
    return Path(path.replace("\\", "/"))
