"""The utterances of a score as a table: rows, or a file for a spreadsheet, a page or a paper."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slrcli.errors import DependencyError, UsageError, with_extra
from slrcli.files import atomic_file, atomic_write_text, require_place
from slrcli.scoring.wer import Score

COUNTS = ("substitutions", "deletions", "insertions")
COLUMNS = ("id", "signer", "reference", "hypothesis", *COUNTS)
SYSTEM = "system"  # the column before them where there are several
Rows = Sequence[Mapping[str, Any]]  # each with all columns
Columns = Mapping[str, type]


def table_rows(score: Score, signers: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row per utterance with `COLUMNS`: glosses as aligned, joined by spaces; signer empty if not known."""
    return [
        {
            "id": item.id,
            "signer": signers.get(item.id, ""),
            "reference": " ".join(item.alignment.ref),
            "hypothesis": " ".join(item.alignment.hyp),
            **{name: getattr(item, name) for name in COUNTS},
        }
        for item in score.utterances
    ]


def require_table(path: Path) -> None:
    """Check that a table can be written to `path`, before a long computation.

    Raises:
        UsageError: the suffix is not that of a table format.
        DependencyError: its library is not installed.
        SlrError: the file clearly cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError("No table format has this suffix.", f"--table {path}", f"Use one of {', '.join(_SUFFIXES)}.")
    if path.suffix.lower() == PARQUET:
        _need_pyarrow(path)
    require_place(path)


def write_table(path: Path, rows: Rows, columns: Mapping[str, type] | None = None) -> None:
    """Write the rows in the format of the suffix: .csv, .md (Markdown), .tex (a LaTeX tabular) or .parquet.

    Args:
        path: the file.
        rows: each with all columns.
        columns: name -> str, int or float; None: `COLUMNS`, after `SYSTEM` where the rows have that.

    Raises:
        SlrError: as `require_table`, or the file cannot be written.
    """
    require_table(path)
    if columns is None:
        names = (SYSTEM, *COLUMNS) if rows and SYSTEM in rows[0] else COLUMNS
        columns = {name: int if name in COUNTS else str for name in names}
    if path.suffix.lower() != PARQUET:
        atomic_write_text(path, _WRITERS[path.suffix.lower()](rows, columns))
        return
    pyarrow = _need_pyarrow(path)
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with atomic_file(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), temporary)


def _csv(rows: Rows, columns: Columns) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _markdown(rows: Rows, columns: Columns) -> str:
    """A table as GitHub reads it; glosses stand as they are, whatever their characters mean there."""
    rules = ["---" if kind is str else "---:" for kind in columns.values()]
    cells = [[re.sub(r"([\\`*_{}\[\]<>|~&#])", r"\\\1", _line(row[name])) for name in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in [list(columns), rules, *cells])


_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
_TEX |= {letter: f"\\{letter}" for letter in "{}$&#%_"}


def _tex(rows: Rows, columns: Columns) -> str:
    """A `tabular` that needs no package."""
    kinds = "".join("l" if kind is str else "r" for kind in columns.values())
    cells = [
        [_tex_cell(cell) for cell in line] for line in [list(columns), *([row[n] for n in columns] for row in rows)]
    ]
    # {} at its begin: a cell with [ after the \\ of the line above would be read as that one's distance
    head, *lines = [f"{{}}{' & '.join(line)} \\\\\n" for line in cells]
    return f"\\begin{{tabular}}{{{kinds}}}\n\\hline\n{head}\\hline\n{''.join(lines)}\\hline\n\\end{{tabular}}\n"


def _tex_cell(cell: object) -> str:
    """A cell as it stands: no commands, and no ligatures, which would make one dash or quote of two."""
    text = "".join(_TEX.get(char, char) for char in _line(cell))
    return re.sub(r"([-`'])(?=\1)", r"\1{}", text)


def _line(cell: object) -> str:
    """A cell on one line: a line break would end the row."""
    return " ".join(str(cell).splitlines())


def _need_pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        fix = f"{with_extra('parquet')} Or write .csv."
        raise DependencyError("Parquet needs the library pyarrow.", f"--table {path}", fix) from error
    return pyarrow


PARQUET = ".parquet"
_WRITERS: dict[str, Callable[[Rows, Columns], str]] = {".csv": _csv, ".md": _markdown, ".tex": _tex}
_SUFFIXES = (*_WRITERS, PARQUET)
