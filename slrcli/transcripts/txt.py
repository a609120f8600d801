"""Plain text: `id gloss ...`."""

from collections.abc import Iterator, Sequence

from slrcli.transcripts.items import Entry, Segment
from slrcli.transcripts.words import worded


def read(text: str, path: str) -> Iterator[Segment]:
    """A segment per line; a line with only an id has no glosses."""
    for number, (id, *glosses) in worded(text, comments=False):
        yield Segment(id, tuple(glosses), line=number)


def write(entries: Sequence[Entry]) -> str:
    """A line per utterance."""
    return "".join(" ".join([entry.id, *entry.glosses]) + "\n" for entry in entries)
