"""Transcripts into files."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slrcli.errors import DataError, UsageError
from slrcli.files import atomic_write_text
from slrcli.transcripts.words import (
    EMPTY,
    LABEL,
    Timed,
    check_id,
    check_word,
    format_of,
    glosses_of,
    is_label,
    is_timed,
)

_NO_LIMIT = "1.79769e+308"  # the largest double, how Phoenix's stm files say "to the end"


def write_transcripts(
    path: str | Path,
    transcripts: Mapping[str, Sequence[str] | Timed],
    format: str = "auto",
    fps: float | None = None,
    signers: Mapping[str, str] | None = None,
) -> None:
    """Write gloss lists or hypotheses; the file appears whole or not at all.

    Args:
        path: where to.
        transcripts: id -> glosses or a hypothesis; its spans (in frames) and confidences go where the format has room.
        format: one of `FORMATS`; "auto" goes by the suffix.
        fps: frames per second; ctm, which holds seconds, needs it.
        signers: id -> signer, for stm.

    Raises:
        DataError: an id or a gloss that the format cannot hold, or a ctm of glosses without times.
        UsageError: unknown format, or a ctm without `fps`.
    """
    format = format_of(path, format)
    for id, item in transcripts.items():
        check_id(id, spaces=format in {"csv", "tsv", "jsonl"})
        for gloss in glosses_of(item):
            check_word(gloss, "gloss", id)
    lines = _WRITERS[format](transcripts, fps, signers or {})
    atomic_write_text(path, "".join(f"{line}\n" for line in lines))


# Writing: each takes the transcripts, the frame rate and the signers and yields lines.

_Items = Mapping[str, Sequence[str] | Timed]


def _write_stm(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        signer = signers.get(id) or "unknown"
        check_word(signer, "signer", id)
        glosses = glosses_of(item)
        label = [LABEL] if glosses and is_label(glosses[0]) else []  # or the first gloss would be read as a label
        yield " ".join([id, "1", signer, "0.0", _NO_LIMIT, *label, *glosses])


def _write_ctm(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    if not fps or not math.isfinite(fps) or fps < 0:
        raise UsageError("a ctm holds seconds, and the frame rate is not known", fix="give the frame rate (--fps)")
    for id, item in items.items():
        if glosses_of(item) and not is_timed(item):
            raise DataError("a ctm needs times, and these glosses have none", id, "write stm, csv, jsonl or txt")
        if not glosses_of(item):
            yield from ctm_lines(id, ())
        else:
            rows = zip(item.glosses, item.spans, item.confidences, strict=True)
            yield from ctm_lines(id, ((gloss, start / fps, end / fps, sure) for gloss, (start, end), sure in rows))


def ctm_lines(id: str, rows: Iterable[tuple[str, float, float, float]]) -> Iterator[str]:
    """The lines of an utterance in a ctm: gloss, start and end in seconds, confidence; a comment where it has none."""
    none = True
    for gloss, start, end, confidence in rows:
        none = False
        yield f"{id} 1 {start:.3f} {end - start:.3f} {gloss} {confidence:.4f}"
    if none:
        yield EMPTY + id


def _write_trn(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        yield " ".join([*glosses_of(item), f"({id})"])


def _write_txt(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        yield " ".join([id, *glosses_of(item)])


def _write_csv(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for row in _table_rows(items):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(row)
        yield buffer.getvalue()


def _write_tsv(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    yield from ("\t".join(row) for row in _table_rows(items))


def _write_jsonl(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        record: dict[str, Any] = {"id": id, "glosses": glosses_of(item)}
        if is_timed(item):
            record["spans"] = [list(span) for span in item.spans]
            record["confidences"] = list(item.confidences)
            record["score"] = item.score if math.isfinite(item.score) else None
        yield json.dumps(record, ensure_ascii=False, allow_nan=False)


Writer = Callable[[_Items, float | None, Mapping[str, str]], Iterator[str]]
_WRITERS: dict[str, Writer] = {
    "stm": _write_stm,
    "ctm": _write_ctm,
    "trn": _write_trn,
    "csv": _write_csv,
    "tsv": _write_tsv,
    "jsonl": _write_jsonl,
    "txt": _write_txt,
}


def _table_rows(items: _Items) -> Iterator[list[str]]:
    """Header and rows; spans as `start-end` in frames, beside confidences, where any item has them."""
    timed = any(map(is_timed, items.values()))
    yield ["id", "glosses", "spans", "confidences"] if timed else ["id", "glosses"]
    for id, item in items.items():
        row = [id, " ".join(glosses_of(item))]
        if timed:
            spans, confidences = (item.spans, item.confidences) if is_timed(item) else ((), ())
            row += [" ".join(f"{start}-{end}" for start, end in spans), " ".join(f"{one:.4f}" for one in confidences)]
        yield row
