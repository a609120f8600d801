"""Feature files, found by name in folders that are each listed once: no file is asked for, so no id becomes a path.

Names are compared as they are, else composed (Unicode NFC): some systems store ü as u with a mark. A packed store is a
folder of clips: `train.slrpack` in the place of `train`. In other files of several clips, pickles and `.skels`, an id
is looked up where no file has its name.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from slrcli.errors import DataError
from slrcli.features.readers import BUNDLES, IN_FOLDER, SUFFIXES, TEXTS, holds_frames, is_bundle, open_bundle
from slrcli.features.store import SUFFIX, is_store, open_store
from slrcli.glosses.variants import composed

_ANY_SUFFIX = re.compile(r"\.[A-Za-z]\w{1,4}$")


@dataclass(frozen=True)
class Listing:
    """What a folder holds: feature files by the name without suffix, the names of its folders, of packed stores, and of
    files that may be a pickle or text of several clips.

    With `frames` the folder itself is a clip, with one file per frame.
    """

    files: dict[str, str]
    folders: frozenset[str]
    frames: bool = False
    stores: frozenset[str] = frozenset()
    bundles: frozenset[str] = frozenset()

    @cached_property
    def _composed(self) -> tuple[dict[str, str], dict[str, str]]:
        return by_composed(self.files), by_composed(self.folders)

    def stem(self, name: str) -> str | None:
        """The name of a feature file without its suffix, as the folder spells it."""
        return name if name in self.files else self._composed[0].get(composed(name))

    def folder(self, name: str) -> str | None:
        """The name of a folder, as the folder around it spells it."""
        return name if name in self.folders else self._composed[1].get(composed(name))


def by_composed(names: Iterable[str]) -> dict[str, str]:
    """Names that are not of ASCII alone, by what they are once composed."""
    return {composed(name): name for name in names if not name.isascii()}


class Folders:
    """Listings of folders, made on demand and kept. A folder that does not exist counts as empty."""

    def __init__(self) -> None:
        self._known: dict[str, Listing] = {}
        self._packed: dict[str, dict[str, list[Path]]] = {}
        self._spelt: dict[str, dict[str, str]] = {}

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
        for number, part in enumerate(inner, 1):
            if part in self.at(folder).stores:
                return self.packed(os.path.join(folder, part), "/".join((*inner[number:], stem)))
            if part in self.at(folder).bundles:
                return self.bundled(os.path.join(folder, part), "/".join((*inner[number:], stem)))
            if (spelt := self.at(folder).folder(part)) is None:
                return None
            folder = os.path.join(folder, spelt)
        here = self.at(folder)
        if (file := here.stem(stem)) is not None:
            return Path(folder, here.files[file])
        if (own := here.folder(stem)) is None:
            return None
        inside = os.path.join(folder, own)
        within = self.at(inside)
        return Path(inside) if within.frames else _named(inside, within)

    def packed(self, store: str, name: str) -> Path | None:
        """The clip of a packed store that has this name."""
        clips, found = open_store(store), name
        if name not in clips and not name.isascii():
            if store not in self._spelt:
                self._spelt[store] = by_composed(clips.names())
            found = self._spelt[store].get(composed(name), name)
        return Path(f"{store}/{found}") if found in clips else None

    @staticmethod
    def bundled(file: str, name: str) -> Path | None:
        """The clip with this name in a pickle or a text of several clips."""
        if not is_bundle(Path(file)):
            return None
        found = open_bundle(Path(file)).find(name)
        return Path(file, found) if found else None

    def packed_inside(self, store: str, name: str) -> list[Path]:
        """The clips of a packed store whose names begin with that of a folder, sorted by name."""
        if store not in self._packed:
            self._packed[store] = {}
            for clip in sorted(open_store(store).names()):
                self._packed[store].setdefault(clip.rpartition("/")[0], []).append(Path(f"{store}/{clip}"))
        return self._packed[store].get(name, [])

    def inside(self, folder: str, name: str) -> list[Path]:
        """The feature files in the folder `name` below `folder`, sorted by name; none if there is no such folder."""
        for part in name.split("/"):
            if (spelt := self.at(folder).folder(part)) is None:
                return []
            folder = os.path.join(folder, spelt)
        return [Path(folder, file) for _, file in sorted(self.at(folder).files.items())]


def _named(folder: str, listing: Listing) -> Path | None:
    """The file in a clip's own folder that holds the clip."""
    return Path(folder, listing.files[IN_FOLDER]) if IN_FOLDER in listing.files else None


def describe(folder: Path) -> str:
    """What a folder or a packed store offers, for messages."""
    if is_store(folder):
        return f"{len(open_store(folder))} packed clips"
    if is_bundle(folder):
        return f"{len(open_bundle(folder).members)} clips"
    files = [name for name in _list(str(folder)).files.values() if not name.endswith(TEXTS)]
    if files:
        return f"{len(files)} feature files, such as {min(files)}"
    return "no feature file there" if folder.is_dir() else "no such folder"


def _list(folder: str) -> Listing:
    files: dict[str, str] = {}
    folders, stores, bundles = set(), set(), set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if suffix in BUNDLES and not entry.is_dir():
                    bundles.add(entry.name)
                if suffix not in SUFFIXES:
                    if suffix == SUFFIX and is_store(Path(entry.path)):
                        stores.add(entry.name)
                    elif entry.is_dir():
                        folders.add(entry.name)
                elif stem not in files or SUFFIXES.index(suffix) < SUFFIXES.index(os.path.splitext(files[stem])[1]):
                    files[stem] = entry.name
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise DataError(f"The folder cannot be listed: {error.strerror}.", folder, "Check its permissions.") from error
    return Listing(files, frozenset(folders), holds_frames(files.values()), frozenset(stores), frozenset(bundles))


MOST_BUNDLES = 50  # files of several clips in a folder; where there are more, each is taken for a clip
MOST_SETS = 50  # folders beside each other that may be sets of features; where there are more, they are clips


class Finder:
    """Finds the features of utterances.

    They lie below `features`, in one folder per split or all together. Where `features` holds one folder that has
    folders of splits with feature files in them (as Phoenix-2014 has `fullFrame-210x260px`), they are looked for there
    as well.

    Args:
        root: the folder of the corpus.
        features: the folder of the features, if it is another.
        splits: canonical name of a split -> possible names of its folder.
        path_first: whether the path column takes precedence over the id.
    """

    def __init__(self, root: Path, features: Path | None, splits: Mapping[str, Sequence[str]], path_first: bool):
        self._listings = Folders()
        self._splits = splits
        self.sets = [] if features else self._inner_sets(root / "features")
        inner = self.sets if len(self.sets) == 1 else []
        self._bases = [features] if features else [root / "features", *inner, root]
        self._prefixes = [os.path.join(given, "") for base in self._bases for given in (base, os.path.abspath(base))]
        self._path_first = path_first
        self._folders: dict[str, tuple[Path, ...]] = {}
        self._stores: dict[str, tuple[Path, ...]] = {}
        self._files: dict[tuple[str, bool], list[Path]] = {}

    def stores(self, split: str) -> tuple[Path, ...]:
        """The packed stores of a split."""
        if split not in self._stores:
            files = [name + SUFFIX for name in self._splits.get(split, (split,))]
            self._stores[split] = tuple(
                base / file for base in self._bases for file in files if file in self._listings.at(str(base)).stores
            )
        return self._stores[split]

    def folders(self, split: str) -> tuple[Path, ...]:
        """Where the features of a split are looked for: packed stores, else the first possible name of its folder, and
        the others that exist."""
        if split not in self._folders and self.stores(split):
            self._folders[split] = self.stores(split)
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
        """The feature file of an utterance, by its id and its path column.

        The path takes precedence if it names a feature file, and in some formats always. In a packed store clips are
        found by their ids alone; if a split has one, nothing else is searched.
        """
        if f"{SUFFIX}/" in path or any(f"{suffix}/" in path for suffix in BUNDLES):
            return self._referred(path)
        names = dict.fromkeys((id, _stem(id), self._relative(id)))  # an id may be a path or the name of a video
        for store in self.stores(split):
            for name in names:
                found = self._listings.packed(str(store), name)
                if found:
                    return found
        if self.stores(split):
            return None
        by_id = [name for name in names if name != id or name == _stem(id)]
        by_path = [self._relative(path)]
        for name in [*by_path, *by_id] if self._path_first or path.endswith(SUFFIXES) else [*by_id, *by_path]:
            found = self._below(split, name)
            if found:
                return found
        return self._bundled(split, id)

    def _bundled(self, split: str, id: str) -> Path | None:
        """The clip of this id in the pickles or texts of several clips that lie where the features are looked for: in
        those that are named after the split, else in the others.

        Raises:
            DataError: several of them have it, or one cannot be read.
        """
        for named in (True, False):
            hits = [clip for file in self._bundles(split, named) if (clip := self._listings.bundled(str(file), id))]
            if len(hits) > 1:
                files = ", ".join(str(clip.relative_to(os.path.commonpath(hits))) for clip in hits)
                what = f"{len(hits)} files hold the clip {id}: {files}."
                raise DataError(what, os.path.commonpath(hits), "Name one with --features FILE.")
            if hits or self._bundles(split, named):
                return next(iter(hits), None)
        return None

    def _bundles(self, split: str, named: bool) -> list[Path]:
        """The files of several clips of a split by their names, or the others."""
        if (split, named) not in self._files:
            names = "|".join(map(re.escape, self._splits.get(split, (split,))))
            own = re.compile(rf"(?:^|[\W_])(?:{names})(?:$|[\W_])", re.IGNORECASE)
            found = [base for base in self._bases if is_bundle(base)]
            for folder in dict.fromkeys(self.folders(split)):
                inside = self._listings.at(str(folder)).bundles
                found += [folder / name for name in sorted(inside)] if len(inside) <= MOST_BUNDLES else []
            self._files[split, named] = [file for file in found if bool(own.search(file.name)) == named]
        return self._files[split, named]

    def _referred(self, path: str) -> Path | None:
        """The clip of a path column that leads through a packed store."""
        for prefix in self._prefixes:
            path = path.removeprefix(prefix)
        found = (self._listings.find(str(base), path) for base in self._bases)
        return next((clip for clip in found if clip), None)

    def takes(self, split: str, id: str) -> list[Path]:
        """The feature files in the folder named after an utterance: one sentence, signed several times."""
        for store in self.stores(split):
            found = self._listings.packed_inside(str(store), id)
            if found:
                return found
        for folder in self.folders(split):
            found = self._listings.inside(str(folder), id)
            if found:
                return found
        return []

    def _inner_sets(self, features: Path) -> list[Path]:
        """The folders in `features` that have folders of splits with feature files in them."""
        names = {name for aliases in self._splits.values() for name in aliases}
        below = self._listings.at
        inner = sorted(below(str(features)).folders - names)
        if len(inner) > MOST_SETS:
            return []
        return [
            features / name
            for name in inner
            if any(
                below(str(features / name / split)).files
                for split in sorted(names & below(str(features / name)).folders)
            )
        ]

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
        name = "/".join(parts)
        return _stem(name) if name.endswith(SUFFIXES) else _ANY_SUFFIX.sub("", name)


def _stem(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
