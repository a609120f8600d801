"""Gloss sequences in files: stm, ctm, trn, tables, JSON lines and plain text, read and written.

In memory a set of transcripts is `dict[id, list[gloss]]`. Glosses and ids are never repaired: what a format cannot hold
is refused, so that what was written is what will be read.

| format | a line | source |
|---|---|---|
| stm | `id channel signer start end [<label>] gloss ...` | NIST sclite; Phoenix's references |
| ctm | `id channel start duration gloss [confidence]`, in seconds | NIST sclite |
| trn | `gloss ... (id)` | NIST sclite |
| csv, tsv | a header that names the columns; split at `|`, tab or comma, whichever the header holds | |
| jsonl | `{"id": ..., "glosses": [...]}`, with spans and confidences where known | |
| txt | `id gloss ...` | |
"""

from slrcli.transcripts.read import Segment, read_lines, read_segments, read_transcripts
from slrcli.transcripts.words import FORMATS, Timed, format_of
from slrcli.transcripts.write import write_transcripts

__all__ = [
    "FORMATS",
    "Segment",
    "Timed",
    "format_of",
    "read_lines",
    "read_segments",
    "read_transcripts",
    "write_transcripts",
]
