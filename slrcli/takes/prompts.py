"""What is to be signed: prompts from a table, from a text, or the glosses of a recogniser."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slrcli.errors import DataError
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.transcripts.cells import split_cells
from slrcli.transcripts.delimited import SEPARATORS, column, column_names, open_table, read_text, rows
from slrcli.transcripts.words import GLOSS_COLUMNS, worded

SENTENCE_COLUMNS = ("sentence", "text", "translation")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Prompt:
    """What is to be signed.

    Attributes:
        glosses: one at least; what the take is annotated with.
        text: the same in words, shown beside the glosses; may be empty.
    """

    glosses: tuple[str, ...]
    text: str = ""


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file.

    A table (by its suffix, or by a header with several columns of which one has a known name) has a column of glosses,
    perhaps with a column of sentences in words beside it; where the sentences stand alone, their words are the glosses.
    In any other text each line is a sentence.

    Raises:
        DataError: the file cannot be read, has no such column, or holds no sentence.
    """
    text = read_text(path)
    found = _of_table(text, path) if _is_table(text, path) else [Prompt(tuple(words)) for _, words in worded(text)]
    if not found:
        raise DataError("The file holds no sentence to record.", path, "Write a sentence of glosses per line.")
    return found


def vocabulary_prompts(vocabulary: Vocabulary) -> list[Prompt]:
    """A prompt for each gloss, in the order of the vocabulary."""
    return [Prompt((gloss,)) for gloss in vocabulary.glosses]


def missing(prompts: Sequence[Prompt], takes: int, done: Mapping[tuple[str, ...], int]) -> Iterator[Prompt]:
    """The takes that are still to be recorded: a first one of every prompt, then a second one, and so on.

    Args:
        prompts: a prompt that stands there twice is wanted twice as often.
        takes: of each.
        done: how often each sentence has been recorded.
    """
    left = Counter(done)
    for prompt in (prompt for _ in range(takes) for prompt in prompts):
        if left[prompt.glosses] > 0:
            left[prompt.glosses] -= 1
        else:
            yield prompt


def _is_table(text: str, path: Path) -> bool:
    if path.suffix.lower() in TABLES:
        return True
    header = text.lstrip("\n ").split("\n", 1)[0]
    if not any(mark in header for mark in SEPARATORS):
        return False
    _, cells = next(rows(text, path), (0, []))
    return column(column_names(cells), (*GLOSS_COLUMNS, *SENTENCE_COLUMNS)) is not None


def _of_table(text: str, path: Path) -> list[Prompt]:
    names, lines = open_table(text, path)
    glosses, sentence = column(names, GLOSS_COLUMNS), column(names, SENTENCE_COLUMNS)
    if glosses is None and sentence is None:
        known = ", ".join((*GLOSS_COLUMNS, *SENTENCE_COLUMNS))
        what = f"No column holds what is to be signed. The header has: {', '.join(names)}."
        raise DataError(what, f"{path}, line 1", f"Name a column one of {known}.")
    cells = list(lines)
    places = [f"{path}, line {number}" for number, _ in cells]
    own = glosses if glosses is not None else sentence
    found = split_cells([row[own] for _, row in cells if own is not None], places).glosses
    beside = [row[sentence].strip() if sentence is not None and glosses is not None else "" for _, row in cells]
    return [Prompt(glosses, text) for glosses, text in zip(found, beside, strict=True) if glosses]
