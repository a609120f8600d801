"""trn, NIST sclite's transcripts: `gloss ... (id)`."""

from collections.abc import Iterator, Sequence

from slrcli.transcripts.items import Entry, Segment, misfit
from slrcli.transcripts.words import worded


def read(text: str, path: str) -> Iterator[Segment]:
    """A segment per line."""
    for number, words in worded(text, comments=False):
        *glosses, last = words
        if len(last) < 3 or not (last.startswith("(") and last.endswith(")")):
            raise misfit(path, number, "trn", "gloss ... (id)")
        yield Segment(last[1:-1], tuple(glosses), line=number)


def write(entries: Sequence[Entry]) -> str:
    """A line per utterance."""
    return "".join(" ".join([*entry.glosses, f"({entry.id})"]) + "\n" for entry in entries)
