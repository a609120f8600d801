"""What was recognised or aligned, in the formats that other programs open; one writer a format.

| format | holds | opened by |
|---|---|---|
| txt | all clips, `id gloss ...` | anything; `slr score` |
| jsonl | all clips, everything known of one a line | programs; `slr score` |
| ctm | all clips, seconds and confidences | NIST's sclite; `slr score` |
| csv | all clips, a row a gloss | spreadsheets |
| eaf | one clip | ELAN |
| srt, vtt | one clip | video players; browsers |
"""

from slrcli.transcripts.outputs.clip import TimedClip
from slrcli.transcripts.outputs.write import FORMATS, OutputPlan, plan_outputs

__all__ = ["FORMATS", "OutputPlan", "TimedClip", "plan_outputs"]
