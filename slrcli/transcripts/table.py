"""Tables, csv and tsv: a header that names the columns, then a row per utterance or a row per gloss.

If the seconds of the glosses are known, a row is a gloss with frames (end exclusive), seconds and confidence; an
utterance without glosses has one row whose other cells are empty. Otherwise a row is an utterance, with columns `spans`
and `confidences` if frames are known. Both can be read; the columns `gloss` and `start_frame` show that a row is a
gloss. Glosses are separated by blanks; what else occurs is taken apart by `cells`.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from slrcli.transcripts.cells import gloss_cells, split_cells
from slrcli.transcripts.delimited import Lines, column, need_column, open_table, unquoted
from slrcli.transcripts.items import Entry, Row, Segment, complete, misfit, number
from slrcli.transcripts.words import GLOSS_COLUMNS, ID_COLUMNS, SIGNER_COLUMNS

GLOSS_ROW = ("id", *Row._fields)


def read(text: str, path: str) -> Iterator[Segment]:
    """The utterances in the order of the first occurrence of their ids."""
    names, rows = open_table(text, path)
    id_column = need_column(names, ID_COLUMNS, path)
    if {"gloss", "start_frame"} <= set(names):
        yield from _joined(names, rows, id_column, path)
        return
    gloss_column = need_column(names, GLOSS_COLUMNS, path)
    signer_column, sure_column = column(names, SIGNER_COLUMNS), column(names, ["confidences"])
    table = list(rows)
    texts, where = [cells[gloss_column] for _, cells in table], [f"{path}, line {line}" for line, _ in table]
    found, separator = split_cells(texts, where)
    for (line, cells), glosses in zip(table, found, strict=True):
        signer = "" if signer_column is None else cells[signer_column].strip()
        sure = () if sure_column is None else [number(word) for word in cells[sure_column].split()]
        yield Segment(cells[id_column].strip(), glosses, signer, line, complete(sure, len(glosses)), separator)


def _joined(names: Sequence[str], rows: Lines, id_column: int, path: str) -> Iterator[Segment]:
    """The glosses of each id, by the frame where they start, whatever the rows were sorted by."""
    gloss_column, start_column = names.index("gloss"), names.index("start_frame")
    sure_column = column(names, ["confidence"])
    found: dict[str, tuple[int, list[tuple[float, str, float]]]] = {}
    for line, cells in rows:
        _, timed = found.setdefault(cells[id_column].strip(), (line, []))
        words = cells[gloss_column].split()
        start = number(cells[start_column])
        if len(words) > 1 or (words and start != start):
            raise misfit(path, line, "csv", "id, one gloss or none, its start frame, ...")
        sure = number(None if sure_column is None else cells[sure_column])
        timed.extend((start, word, sure) for word in words)
    for id, (line, timed) in found.items():
        timed.sort(key=lambda gloss: gloss[0])
        glosses = tuple(gloss for _, gloss, _ in timed)
        yield Segment(id, glosses, line=line, confidences=complete([sure for *_, sure in timed], len(glosses)))


def write_csv(entries: Sequence[Entry]) -> str:
    """Comma-separated values, quoted where necessary."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(_rows(entries))
    return buffer.getvalue()


def write_tsv(entries: Sequence[Entry]) -> str:
    """Tab-separated values; no cell holds a tab or a line break, and one that looks quoted is quoted once more."""
    return "".join("\t".join(map(_plain, row)) + "\n" for row in _rows(entries))


def _plain(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return cell if unquoted(cell) == cell else f'"{doubled}"'


def _rows(entries: Sequence[Entry]) -> Iterator[list[str]]:
    if entries and all(entry.rows is not None for entry in entries):
        yield list(GLOSS_ROW)
        for entry in entries:
            rows: Sequence[tuple] = entry.rows or [("",) * len(Row._fields)]
            yield from ([entry.id, *map(_cell, row)] for row in rows)
        return
    framed = any(entry.hypothesis is not None for entry in entries)
    yield ["id", "glosses", "spans", "confidences"] if framed else ["id", "glosses"]
    for entry, cell in zip(entries, gloss_cells([entry.glosses for entry in entries]), strict=True):
        row = [entry.id, cell]
        if framed:
            spans, sure = (entry.hypothesis.spans, entry.hypothesis.confidences) if entry.hypothesis else ((), ())
            row += [" ".join(f"{start}-{end}" for start, end in spans), " ".join(f"{one:.4f}" for one in sure)]
        yield row


def _cell(value: str | int | float | None) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else str(value)
