"""What a corpus says of itself: `corpus.toml`, and `layout.toml` beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slrcli.config import nearest, read_toml, toml_text
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.features.layout import load_layout
from slrcli.features.store import local_folder
from slrcli.files import atomic_write_text
from slrcli.glosses import get_normaliser

NAME = "corpus.toml"
LAYOUT = "layout.toml"
MOST_FPS = 1000.0
COLUMNS = ("id", "glosses", "signer", "path", "split")
TOLD = ("layout", "fps", "normaliser")
KEYS = ("format", "annotations", "features", "layout", "fps", "normaliser", "columns")


@dataclass(frozen=True)
class CorpusSettings:
    """How to read a corpus; empty fields are detected."""

    format: str = "auto"
    annotations: Path | None = None
    features: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    layout: str = ""
    fps: float = 0.0
    normaliser: str = ""


def settings_for(
    root: Path, format: str, annotations: Path | None, features: Path | None, columns: Mapping[str, str] | None
) -> CorpusSettings:
    """The given settings, completed by those of the corpus's own `corpus.toml`.

    Raises:
        UsageError: a column has an unknown key, or the file is not TOML.
        DataError: the file holds an unknown key or an impossible value.
    """
    for key in columns or {}:
        if key not in COLUMNS:
            raise UsageError(f"There is no column {key!r} that could be named.", "--column", nearest(key, COLUMNS))
    own = read_settings(root)
    return CorpusSettings(
        format if format != "auto" else own.format,
        annotations or own.annotations,
        features or own.features,
        {**own.columns, **(columns or {})},
    )


def told(root: str | Path) -> dict[str, Any]:
    """What `corpus.toml` says about features and glosses, as settings of `DataConfig`: layout, fps, normaliser.

    Empty if the folder does not exist; opening the corpus reports that. Raises like `settings_for`.
    """
    folder = local_folder(root) if str(root) else Path()
    if not str(root) or not folder.is_dir():
        return {}
    own = read_settings(folder)
    return {key: value for key in TOLD if (value := getattr(own, key))}


def read_settings(root: Path) -> CorpusSettings:
    """The settings in `root/corpus.toml`; empty ones without that file. Raises like `settings_for`."""
    path = root / NAME
    beside = str(root / LAYOUT) if (root / LAYOUT).is_file() else ""
    if not path.is_file():
        return CorpusSettings(layout=beside)
    table = read_toml(path)
    for key in table:
        if key not in KEYS:
            raise DataError(f"The key {key!r} is unknown.", path, nearest(key, KEYS))
    columns = _typed(table, "columns", dict, path)
    for key, name in columns.items():
        if key not in COLUMNS or not isinstance(name, str):
            raise DataError(
                f"The section [columns] cannot hold {key} = {name!r}.", path, f"Known columns: {', '.join(COLUMNS)}."
            )
    annotations, features = (_typed(table, key, str, path) for key in ("annotations", "features"))
    return CorpusSettings(
        _typed(table, "format", str, path) or "auto",
        root / annotations if annotations else None,
        root / features if features else None,
        columns,
        _layout(root, _typed(table, "layout", str, path), path) or beside,
        _rate(table, path),
        _known(_typed(table, "normaliser", str, path), get_normaliser, path),
    )


def write_settings(root: Path, **values: Any) -> None:
    """Write `root/corpus.toml` with some of its keys."""
    atomic_write_text(root / NAME, toml_text(values))


def _layout(root: Path, name: str, path: Path) -> str:
    """A shipped name as it is, a file as seen from the folder of the corpus."""
    if name.endswith(".toml"):
        return str(root / name)
    return name if name in ("auto", "generic") else _known(name, load_layout, path)


def _known(name: str, find: Callable[[str], Any], path: Path) -> str:
    """The name, if there is one and something goes by it; DataError if nothing does."""
    try:
        if name:
            find(name)
    except SlrError as error:
        raise DataError(error.what, path, error.fix) from error
    return name


def _rate(table: Mapping[str, Any], path: Path) -> float:
    """Frames per second, 0 where nothing is said; DataError for what is no rate."""
    rate = table.get("fps", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < MOST_FPS:
        raise DataError(
            f"The frame rate (fps) cannot be {rate!r}.", path, "Give the frames per second, such as fps = 25.0."
        )
    return float(rate)


def _typed(table: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    value = table.get(key, kind())
    if not isinstance(value, kind):
        raise DataError(f"The key {key} must be a {'table' if kind is dict else 'text'}, not {value!r}.", path)
    return value
