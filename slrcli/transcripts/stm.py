"""stm, NIST sclite's references and Phoenix's: `id channel signer start end [<label>] gloss ...`."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from slrcli.errors import DataError
from slrcli.transcripts.items import Entry, Segment, misfit
from slrcli.transcripts.words import check_word, is_time, worded

LABEL = "<all>"
NO_LIMIT = "1.79769e+308"  # the largest double, how Phoenix's stm files say "to the end"


def read(text: str, path: str) -> Iterator[Segment]:
    """A segment per line; labels are dropped, and times are ignored."""
    for number, words in worded(text):
        if len(words) < 5 or not is_time(words[3]) or not is_time(words[4]):
            if any(is_time(start) and is_time(end) for start, end in pairwise(words[4:])):
                what = "The signer's name has spaces, so sclite and VAC's scorer would read a time as a gloss."
                raise DataError(what, f"{path}, line {number}", "Join the parts of the name, for example with _.")
            raise misfit(path, number, "stm", "id channel signer start end gloss ...")
        glosses = words[5:]
        if glosses and _is_label(glosses[0]):
            del glosses[0]
        yield Segment(words[0], tuple(glosses), words[2], number)


def write(entries: Sequence[Entry]) -> str:
    """A line per utterance, which spans its whole file."""
    return "".join(f"{_line(entry)}\n" for entry in entries)


def _line(entry: Entry) -> str:
    signer = entry.signer or "unknown"
    check_word(signer, "signer", entry.id)
    label = [LABEL] if entry.glosses and _is_label(entry.glosses[0]) else []  # or the gloss would be read as a label
    return " ".join([entry.id, "1", signer, "0.0", NO_LIMIT, *label, *entry.glosses])


def _is_label(word: str) -> bool:
    """Whether it would be taken for a label, `<o,f0,male>`."""
    return word.startswith("<") and word.endswith(">")
