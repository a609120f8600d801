"""JSON lines: `{"id": ..., "glosses": [...]}`, with spans, seconds and confidences if they are known."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from slrcli.console import finite
from slrcli.errors import DataError
from slrcli.transcripts.cells import split_cells
from slrcli.transcripts.items import Entry, Segment, complete, misfit, number
from slrcli.transcripts.words import GLOSS_COLUMNS, ID_COLUMNS, check_word


def read(text: str, path: str) -> Iterator[Segment]:
    """A segment per line; glosses are a list, or a text like a cell of a table (see `cells`)."""
    records = list(_records(text, path))
    texts = {line: glosses for line, _, glosses in records if isinstance(glosses, str)}
    split, separator = split_cells(list(texts.values()), [f"{path}, line {line}" for line in texts])
    apart = dict(zip(texts, split, strict=True))
    for line, record, given in records:
        id, glosses = _first(record, ID_COLUMNS), list(apart[line]) if line in apart else given
        if not isinstance(id, str) or not isinstance(glosses, list) or not all(isinstance(one, str) for one in glosses):
            raise misfit(path, line, "jsonl", '{"id": "...", "glosses": ["...", "..."]}')
        for gloss in glosses:
            check_word(gloss, "gloss", f"{path}, line {line}")
        sure = record.get("confidences")
        sure = list(map(number, sure)) if isinstance(sure, list) else []
        confidences = complete(sure, len(glosses))
        yield Segment(id, tuple(glosses), "", line, confidences, separator if line in apart else "")


def _records(text: str, path: str) -> Iterator[tuple[int, Any, Any]]:
    """Line, record and glosses (None if it has none) of every line that is not blank."""
    for line_number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            where = f"{path}, line {line_number}"
            raise DataError(f"The line is not JSON: {error}.", where, "Write one JSON object per line.") from error
        yield line_number, record, _first(record, GLOSS_COLUMNS)


def _first(record: Any, names: Sequence[str]) -> Any:
    """The value of the first of the names that a record has; None if there is none."""
    return next((record[name] for name in names if name in record), None) if isinstance(record, dict) else None


def write(entries: Sequence[Entry]) -> str:
    """An object per utterance, with all that is known of it; NaN and infinity are null."""
    lines = (json.dumps(finite(entry.to_dict()), ensure_ascii=False, allow_nan=False) for entry in entries)
    return "".join(f"{line}\n" for line in lines)
