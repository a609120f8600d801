"""JSON lines: `{"id": ..., "glosses": [...]}`, with spans, seconds and confidences if they are known."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from slrcli.console import finite
from slrcli.errors import DataError
from slrcli.transcripts.items import Entry, Segment, complete, misfit, number
from slrcli.transcripts.words import GLOSS_COLUMNS, ID_COLUMNS, check_word


def read(text: str, path: str) -> Iterator[Segment]:
    """A segment per line; glosses are a list, or a text with spaces between them."""
    for line_number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {line_number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"The line is not JSON: {error}.", where, "Write one JSON object per line.") from error
        id, glosses = _id_and_glosses(record)
        if not isinstance(id, str) or not isinstance(glosses, list) or not all(isinstance(one, str) for one in glosses):
            raise misfit(path, line_number, "jsonl", '{"id": "...", "glosses": ["...", "..."]}')
        for gloss in glosses:
            check_word(gloss, "gloss", where)
        sure = record.get("confidences")
        sure = list(map(number, sure)) if isinstance(sure, list) else []
        yield Segment(id, tuple(glosses), line=line_number, confidences=complete(sure, len(glosses)))


def _id_and_glosses(record: Any) -> tuple[Any, Any]:
    if not isinstance(record, dict):
        return None, None
    id, glosses = (
        next((record[name] for name in names if name in record), None) for names in (ID_COLUMNS, GLOSS_COLUMNS)
    )
    return id, glosses.split() if isinstance(glosses, str) else glosses


def write(entries: Sequence[Entry]) -> str:
    """An object per utterance, with all that is known of it; NaN and infinity are null."""
    lines = (json.dumps(finite(entry.to_dict()), ensure_ascii=False, allow_nan=False) for entry in entries)
    return "".join(f"{line}\n" for line in lines)
