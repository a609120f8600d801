"""What `slr compose` does: make a corpus of sentences out of clips of single signs."""

from pathlib import Path

from slrcli.config import ComposeConfig
from slrcli.console import Console
from slrcli.corpus import open_corpus
from slrcli.corpus.compose import Composed, compose_corpus
from slrcli.corpus.tables import has_columns, read_table
from slrcli.errors import DataError
from slrcli.files import read_bytes


def compose(
    console: Console,
    clips: Path,
    out: Path,
    options: ComposeConfig,
    layout: str = "auto",
    sentences_from: Path | None = None,
    signer_pattern: str = "",
    jobs: int = 1,
    cluster: str = "",
) -> Composed:
    """Compose a corpus with a progress bar; see `compose_corpus`.

    Args:
        sentences_from: see `read_sentences`; None: all glosses follow each other with equal probability.
    """
    sentences = read_sentences(sentences_from) if sentences_from else []
    with console.progress("Reading clips", total=1.0) as task:
        reached = 0.0

        def step(what: str, done: int, total: int) -> None:
            nonlocal reached
            now = done / total / 2 + (0.5 if what.startswith("Writing") else 0.0)
            task.describe(what)
            task.advance(now - reached)
            reached = now

        return compose_corpus(clips, out, options, layout, sentences, signer_pattern, step, jobs, cluster)


def read_sentences(path: Path) -> list[tuple[str, ...]]:
    """Gloss sentences: the train split of a corpus, an annotation table, or a text with one sentence per line.

    Raises:
        DataError: the file cannot be read, or holds no gloss.
    """
    if path.is_dir():
        found = [item.glosses for item in open_corpus(path).split("train")]
    else:
        try:
            table = has_columns(path)
            text = "" if table else read_bytes(path).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"The sentences cannot be read: {error}.", path, "Use UTF-8 text or a table.") from error
        found = [row.utterance.glosses for row in read_table(path, "train")] if table else []
        found += [tuple(line.split()) for line in text.splitlines()]
    sentences = [glosses for glosses in found if glosses]
    if not sentences:
        raise DataError(
            "The file holds no sentence.", path, "Write one sentence per line, with spaces between glosses."
        )
    return sentences
