"""ARPA files: n-gram models in the text format of all toolkits.

    \\data\\
    ngram 1=42

    \\1-grams:
    -1.23   HELLO   -0.30        log10 of the probability, the tokens, log10 of the backoff weight (none: 0)

    \\end\\

Lines before `\\data\\` are comments; ours name the normaliser and the source of the sentences. Some toolkits write
`<UNK>` or `<Unk>` for `<unk>`. The file may be compressed with gzip.
"""

import gzip
import math
import re
from collections.abc import Iterator
from pathlib import Path

from slrcli.errors import DataError
from slrcli.files import atomic_write_bytes
from slrcli.language.ngram import LOG_OF_ZERO, START, UNKNOWN, Ngram, NgramModel, Table
from slrcli.language.stored import model_bytes, shown_model

NORMALISER, SOURCE = "# normaliser: ", "# source: "
_SIZE = re.compile(r"ngram\s+(\d{1,2})\s*=\s*(\d{1,12})")
_SECTION = re.compile(r"\\(\d{1,2})-grams:")
_Lines = Iterator[tuple[int, str]]


def write_arpa(path: str | Path, model: NgramModel) -> None:
    """Write a model atomically; compressed if the name ends in `.gz`.

    Raises:
        SlrError: the file cannot be written.
    """
    data = "".join(f"{line}\n" for line in _lines(model)).encode("utf-8")
    atomic_write_bytes(path, gzip.compress(data, mtime=0) if Path(path).suffix.lower() == ".gz" else data)


def _lines(model: NgramModel) -> Iterator[str]:
    for mark, text in ((NORMALISER, model.normaliser), (SOURCE, model.source)):
        if text:
            yield mark + " ".join(text.split())
    yield "\\data\\"
    yield from (f"ngram {length}={size}" for length, size in enumerate(model.sizes, 1))
    for length, table in enumerate(model.tables, 1):
        yield ""
        yield f"\\{length}-grams:"
        for ngram, (probability, backoff) in table.items():
            # the highest order has no backoff, and neither has what nothing follows
            weight = "" if not backoff or length == model.order else f"\t{backoff:.8g}"
            yield f"{probability:.8g}\t{' '.join(ngram)}{weight}"
    yield ""
    yield "\\end\\"


def read_arpa(path: str | Path) -> NgramModel:
    """Read a model, written by any toolkit.

    Args:
        path: of the file, or its content as text (`slrcli.language.stored`).

    Raises:
        DataError: the file cannot be read or is not an ARPA file; names the line.
    """
    try:
        text, path = model_bytes(path).decode("utf-8-sig"), shown_model(path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"The text is not UTF-8 (byte {error.start}).", path, "Use a model in ARPA text format."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"The model cannot be read: {reason}.", path, "Check the name.") from error
    lines = ((number, line.strip("\r \t")) for number, line in enumerate(text.split("\n"), 1))
    filled = ((number, line) for number, line in lines if line)
    normaliser, source = _head(filled, path)
    sizes, (number, line) = _sizes(filled, path)
    tables: list[Table] = []
    for length, size in enumerate(sizes, 1):
        if (found := _SECTION.fullmatch(line)) is None or int(found[1]) != length:
            raise _misfit(path, number, f"The line should be \\{length}-grams: and not {line[:40]!r}.")
        table, (number, line) = _table(filled, length, path)
        if len(table) != size:
            raise _misfit(
                path, number, f"There are {len(table)} n-grams of {length} tokens, but the header announces {size}."
            )
        tables.append(table)
    if line != "\\end\\":
        raise _misfit(path, number, f"The line should be \\end\\ and not {line[:40]!r}.")
    return NgramModel(_with_unknown(tables), normaliser, source or str(path))


def _with_unknown(tables: list[Table]) -> tuple[Table, ...]:
    """The tables with `<unk>` for that token in capitals, unless both are there."""
    spelt = [token for (token,) in tables[0] if token.lower() == UNKNOWN] if tables else []
    if not spelt or UNKNOWN in spelt:
        return tuple(tables)
    return tuple(
        {tuple(UNKNOWN if token == spelt[0] else token for token in ngram): values for ngram, values in table.items()}
        for table in tables
    )


def _head(lines: _Lines, path: str | Path) -> tuple[str, str]:
    """Normaliser and source, where the comments before `\\data\\` name them."""
    said = {NORMALISER: "", SOURCE: ""}
    for _, line in lines:
        if line == "\\data\\":
            return said[NORMALISER], said[SOURCE]
        for mark in said:
            if line.startswith(mark):
                said[mark] = line[len(mark) :].strip()
    fix = "Estimate a model from sentences: slr lm --out MODEL.arpa"
    raise DataError("This is not an ARPA file: it has no line \\data\\.", path, fix)


def _sizes(lines: _Lines, path: str | Path) -> tuple[list[int], tuple[int, str]]:
    """The announced number of n-grams of each length, and the first line after them."""
    sizes: list[int] = []
    for number, line in lines:
        found = _SIZE.fullmatch(line)
        if not found:
            if not sizes:
                raise _misfit(path, number, "The line should be a number of n-grams, such as: ngram 1=42")
            return sizes, (number, line)
        if int(found[1]) != len(sizes) + 1:
            raise _misfit(path, number, f"The line should be the number of n-grams of {len(sizes) + 1} tokens.")
        sizes.append(int(found[2]))
    raise _cut(path)


def _table(lines: _Lines, length: int, path: str | Path) -> tuple[Table, tuple[int, str]]:
    """The n-grams of one length, and the line that ends them."""
    table: Table = {}
    for number, line in lines:
        if line.startswith("\\"):
            first = line.split(None, 1)[0]
            if first == "\\end\\" or _SECTION.fullmatch(line):
                return table, (number, line)
        ngram, values = _entry(line, length, number, path)
        if ngram in table:
            raise _misfit(path, number, f"The n-gram {' '.join(ngram)} occurs twice.")
        table[ngram] = values
    raise _cut(path)


def _entry(line: str, length: int, number: int, path: str | Path) -> tuple[Ngram, tuple[float, float]]:
    words = line.split()
    if len(words) not in (length + 1, length + 2):
        raise _misfit(
            path, number, f"The line should have a probability, {length} tokens and optionally a backoff weight."
        )
    ngram = tuple(words[1 : length + 1])
    probability = _number(words[0], number, path)
    if probability > 0 and ngram != (START,):  # some write 0, some anything: it is never asked for
        raise _misfit(path, number, f"{words[0]} is not the logarithm of a probability.")
    return ngram, (probability, _number(words[length + 1], number, path) if len(words) == length + 2 else 0.0)


def _number(word: str, number: int, path: str | Path) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if value == -math.inf:
        return LOG_OF_ZERO
    if not math.isfinite(value):
        raise _misfit(path, number, f"{word[:40]!r} is not a logarithm.")
    return value


def _misfit(path: str | Path, number: int, what: str) -> DataError:
    return DataError(what, f"{path}, line {number}", "The file is damaged or not an ARPA file. Write it again.")


def _cut(path: str | Path) -> DataError:
    return DataError("The file is truncated: it ends before \\end\\.", path, "Write it again.")
