"""The clips to extract, which are video files or folders of pictures, and their names."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from slrcli.errors import DataError

VIDEOS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".mts", ".3gp", ".wmv", ".flv")
PICTURES = (".png", ".jpg", ".jpeg")
PREVIEW = ".preview.png"  # what we draw ourselves is no frame of anybody's


@dataclass(frozen=True)
class Source:
    """A clip to extract.

    Attributes:
        path: the video, or the folder of pictures.
        name: path of its result below the output folder, without a suffix; never leads out of it.
    """

    path: Path
    name: PurePath


def is_source(path: Path) -> bool:
    """Whether a path is a video by its name, or a folder that directly holds pictures and no video."""
    if path.is_dir():
        names = [entry.name for entry in path.iterdir()]
        return any(map(_is_picture, names)) and not any(map(_is_video, names))
    return _is_video(path.name)


def is_video(path: Path) -> bool:
    """Whether a path is a video by its name."""
    return _is_video(path.name)


def find_sources(paths: Sequence[Path], without: Path | None = None) -> list[Source]:
    """The clips under some paths: videos themselves, and all videos and folders of pictures below folders.

    Clips keep their paths relative to the folder. A folder `1` that is alone in its parent, as in Phoenix-2014, is
    named after its parent.

    Args:
        paths: files and folders.
        without: a folder that is not searched (the output).

    Raises:
        DataError: a path does not exist, or a folder holds no clips.
    """
    found: list[Source] = []
    for path in paths:
        if not path.exists():
            raise DataError("There is no such file or folder.", path)
        if not path.is_dir() or is_source(path):
            found.append(Source(path, _name(Path(path.resolve().name), path)))
            continue
        inside = [Source(item, _name(item.relative_to(path), item)) for item in sources_below(path, without)]
        if not inside:
            kinds = ", ".join(suffix.removeprefix(".") for suffix in VIDEOS)
            raise DataError(
                "The folder holds no videos.", path, f"Videos end in {kinds}, or are folders of png or jpg pictures."
            )
        found += inside
    return found


def sources_below(folder: Path, without: Path | None = None) -> Iterator[Path]:
    """The videos and folders of pictures in a folder and below it, except inside the folder `without`."""
    outside = without.resolve() if without else None
    for place, inner, names in os.walk(folder):
        here = Path(place)
        inner[:] = [name for name in sorted(inner) if (here / name).resolve() != outside]
        videos = sorted(filter(_is_video, names), key=natural)
        if not videos and any(map(_is_picture, names)):
            yield here
        yield from (here / name for name in videos)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order: `frame2` before `frame10`."""
    return sorted((item for item in folder.iterdir() if _is_picture(item.name)), key=lambda item: natural(item.name))


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers within names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]


def fingerprint(path: Path) -> dict[str, int]:
    """The state of a source, to detect changes: files, bytes and the time of the last change in nanoseconds."""
    files = pictures_in(path) if path.is_dir() else [path]
    facts = [item.stat() for item in files]
    return {
        "files": len(files),
        "bytes": sum(item.st_size for item in facts),
        "changed_ns": max((item.st_mtime_ns for item in facts), default=0),
    }


def _name(relative: PurePath, path: Path) -> PurePath:
    if path.is_dir():
        alone = path.name == "1" and len(relative.parts) > 1 and len(list(path.parent.iterdir())) == 1
        return relative.parent if alone else relative
    return relative.with_suffix("")


def _is_video(name: str) -> bool:
    return PurePath(name).suffix.lower() in VIDEOS and not name.startswith(".")


def _is_picture(name: str) -> bool:
    hidden = name.startswith(".") or name.endswith(PREVIEW)
    return PurePath(name).suffix.lower() in PICTURES and not hidden
