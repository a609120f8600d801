"""Files of gloss sequences, as `slr score` reads and every command writes them.

| format | a line | ids, confidences | opened by |
|---|---|---|---|
| stm | `id channel signer start end [<label>] gloss ...` | id, signer | NIST's sclite; Phoenix's references |
| ctm | `id channel start duration gloss [confidence]`, in seconds | both | NIST's sclite |
| trn | `gloss ... (id)` | id | NIST's sclite |
| csv, tsv | one utterance, or one gloss if times are known (see `table`) | both | spreadsheets |
| jsonl | `{"id": ..., "glosses": [...]}`, with all that is known | both | programs |
| txt | `id gloss ...` | id | anything |
| eaf | one clip, tiers `glosses` and `confidence` | confidences; the file's name is the id | ELAN |
| srt, vtt | one clip, a gloss per cue | neither; the file's name is the id | video players, browsers |

Tables may be separated by tabs, commas, semicolons or `|`, whatever their suffix (see `delimited`).

In memory a set of transcripts is `dict[id, list[gloss]]`. Glosses and ids are never changed: what a format cannot hold
is refused, so that a file is read exactly as it was written. Each format has its file here, with reader and writer, and
its line in `formats`.
"""

from slrcli.transcripts.clip import TimedClip
from slrcli.transcripts.formats import FORMATS, format_of
from slrcli.transcripts.items import Segment, Timed
from slrcli.transcripts.plan import OutputPlan, plan_outputs
from slrcli.transcripts.read import read_lines, read_segments, read_transcripts
from slrcli.transcripts.write import write_transcripts

__all__ = [
    "FORMATS",
    "OutputPlan",
    "Segment",
    "Timed",
    "TimedClip",
    "format_of",
    "plan_outputs",
    "read_lines",
    "read_segments",
    "read_transcripts",
    "write_transcripts",
]
