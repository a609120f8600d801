"""Feature files, found by name in folders that are each listed once: no file is asked for, so no id becomes a path."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from slrcli.errors import DataError
from slrcli.features.readers import SUFFIXES, TEXTS, holds_frames

_ANY_SUFFIX = re.compile(r"\.[A-Za-z]\w{1,4}$")


@dataclass(frozen=True)
class Listing:
    """What a folder holds: feature files by the name without suffix, and the names of its folders.

    With `frames` the folder itself is a clip, a file a frame.
    """

    files: dict[str, str]
    folders: frozenset[str]
    frames: bool = False


class Folders:
    """Listings of folders, made when first wanted. A folder that does not exist is an empty one."""

    def __init__(self) -> None:
        self._known: dict[str, Listing] = {}

    def at(self, folder: str) -> Listing:
        """What `folder` holds."""
        if folder not in self._known:
            self._known[folder] = _list(folder)
        return self._known[folder]

    def find(self, folder: str, name: str) -> Path | None:
        """The feature file `name` (without suffix, perhaps in a folder further down) below `folder`, or its folder.

        Every part of the name must occur in a listing, and no listing holds `..`: nothing outside `folder` is reached.
        """
        *inner, stem = name.split("/")
        for part in inner:
            if part not in self.at(folder).folders:
                return None
            folder = os.path.join(folder, part)
        here = self.at(folder)
        if stem in here.files:
            return Path(folder, here.files[stem])
        inside = os.path.join(folder, stem)
        return Path(inside) if stem in here.folders and self.at(inside).frames else None


def describe(folder: Path) -> str:
    """What a folder offers, for messages."""
    files = [name for name in _list(str(folder)).files.values() if not name.endswith(TEXTS)]
    if files:
        return f"{len(files)} feature files, such as {min(files)}"
    return "no feature file there" if folder.is_dir() else "no such folder"


def _list(folder: str) -> Listing:
    files: dict[str, str] = {}
    folders = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if suffix not in SUFFIXES:
                    if entry.is_dir():
                        folders.add(entry.name)
                elif stem not in files or SUFFIXES.index(suffix) < SUFFIXES.index(os.path.splitext(files[stem])[1]):
                    files[stem] = entry.name
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise DataError(f"cannot list the folder: {error.strerror}", folder, "check its rights") from error
    return Listing(files, frozenset(folders), holds_frames(files.values()))


class Finder:
    """Finds the features of utterances.

    Args:
        root: the folder of the corpus.
        features: the folder of the features, where it is another.
        splits: canonical name of a split -> names that its folder may have.
        path_first: the path column goes before the id.
    """

    def __init__(self, root: Path, features: Path | None, splits: Mapping[str, Sequence[str]], path_first: bool):
        self._bases = [features] if features else [root / "features", root]
        self._prefixes = [os.path.join(given, "") for base in self._bases for given in (base, os.path.abspath(base))]
        self._splits = splits
        self._path_first = path_first
        self._listings = Folders()
        self._folders: dict[str, tuple[Path, ...]] = {}

    def folders(self, split: str) -> tuple[Path, ...]:
        """Where the features of a split are looked for: the first name that its folder may have, and what exists."""
        if split not in self._folders:
            names = self._splits.get(split, (split,))
            below = self._listings.at
            self._folders[split] = tuple(
                folder
                for base in self._bases
                for folder in (
                    *(base / name for name in names if name == names[0] or name in below(str(base)).folders),
                    base,
                )
            )
        return self._folders[split]

    def find(self, split: str, id: str, path: str) -> Path | None:
        """The feature file of an utterance, by its id and by what its path column says."""
        if self._path_first:
            return self._below(split, self._relative(path)) or self._below(split, _stem(id))
        return self._below(split, _stem(id)) or self._below(split, self._relative(path))

    def _below(self, split: str, name: str) -> Path | None:
        for folder in self.folders(split) if name else ():
            found = self._listings.find(str(folder), name)
            if found:
                return found
        return None

    def _relative(self, path: str) -> str:
        """A path column as a name below a folder, without suffix; `clip/1/*.png`, a pattern of frames, is `clip`."""
        for prefix in self._prefixes:
            path = path.removeprefix(prefix)
        parts = PurePosixPath(path).parts
        if path.endswith(".png") or "*" in path:
            parts = parts[: -2 if parts[-2:-1] == ("1",) else -1]
        return _ANY_SUFFIX.sub("", "/".join(parts))


def _stem(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
