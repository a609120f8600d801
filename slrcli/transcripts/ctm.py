"""ctm, NIST sclite's time-marked words: `id channel start duration gloss [confidence]`, in seconds."""

from collections.abc import Iterator, Sequence

from slrcli.transcripts.items import Entry, Segment, complete, misfit, number, rows_of
from slrcli.transcripts.words import COMMENT, is_time

EMPTY = ";; no glosses in "  # there is no line for an utterance without glosses; this comment keeps its id


def read(text: str, path: str) -> Iterator[Segment]:
    """The glosses of each id, sorted by time; glosses with the same time stay in the order of the file."""
    found: dict[str, tuple[int, list[tuple[float, str, float]]]] = {}
    for line_number, line in enumerate(text.split("\n"), 1):
        if line.startswith(EMPTY):
            found.setdefault(line[len(EMPTY) :].strip(), (line_number, []))
            continue
        words = line.split()
        if not words or words[0].startswith(COMMENT):
            continue
        if len(words) < 5 or not is_time(words[2]) or not is_time(words[3]):
            raise misfit(path, line_number, "ctm", "id channel start duration gloss")
        sure = number(words[5]) if len(words) > 5 else number(None)
        found.setdefault(words[0], (line_number, []))[1].append((float(words[2]), words[4], sure))
    for id, (line_number, timed) in found.items():
        timed.sort(key=lambda gloss: gloss[0])
        glosses = tuple(gloss for _, gloss, _ in timed)
        confidences = complete([sure for *_, sure in timed], len(glosses))
        yield Segment(id, glosses, line=line_number, confidences=confidences)


def write(entries: Sequence[Entry]) -> str:
    """A line per gloss; a comment for an utterance without glosses."""
    return "".join(f"{line}\n" for entry in entries for line in _lines(entry))


def _lines(entry: Entry) -> Iterator[str]:
    rows = rows_of(entry, "ctm")
    if not rows:
        yield EMPTY + entry.id
    for row in rows:
        yield f"{entry.id} 1 {row.start:.3f} {row.end - row.start:.3f} {row.gloss} {row.confidence:.4f}"
