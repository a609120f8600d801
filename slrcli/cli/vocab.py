"""`slr vocab`: build, show and search a vocabulary."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from slrcli.cli.options.common import Json, NormaliserName, OptionalAnnotations, data_of, option
from slrcli.console import Console, visible

if TYPE_CHECKING:
    from slrcli.corpus.vocabulary import Lookup, VocabResult


def vocab(
    console: Console,
    *,
    corpus: OptionalAnnotations,
    normaliser: NormaliserName,
    min_count: Annotated[int | None, option("data.min_count")],
    out: Annotated[Path | None, option("vocab.out")],
    show: Annotated[Path | None, option("vocab.show")],
    import_: Annotated[Path | None, option("vocab.import")],
    lookup: Annotated[list[str] | None, option("vocab.lookup")],
    special: Annotated[list[str] | None, option("vocab.special")],
    as_json: Json,
) -> int:
    """Build a vocabulary from the train split of a corpus, show one, or look something up.

    Shows the size, the most and least frequent glosses, and the glosses of other splits that are out of vocabulary
    (OOV), each of which is a certain error.

    Examples:
        slr vocab --data-dir DIR --out vocab.json
        slr vocab --show vocab.json
        slr vocab --show vocab.json --lookup REGEN --lookup 17
        slr vocab --import gloss_dict.npy --data-dir DIR
    """
    from slrcli.corpus import vocabulary as workflow
    from slrcli.errors import EXIT_FAILURE, EXIT_OK, UsageError

    building = {"--normaliser": normaliser, "--min-count": min_count, "--special": special}
    for flag in [flag for flag, value in building.items() if value is not None]:
        if show or (import_ and flag != "--normaliser"):
            raise UsageError(
                "This option applies only when a vocabulary is built.", flag, "Leave it out, or use --data-dir alone."
            )
    data = data_of(**corpus, normaliser=normaliser, min_count=min_count)
    result = workflow.vocab(data, out, show, import_, special or (), lookup or ())
    for text in result.notes:
        console.note(text)
    if as_json:
        console.json(result.to_dict())
    elif result.lookups:
        render_lookups(console, result.lookups)
    else:
        render(console, result)
    if result.written:
        console.note(f"Written: {result.written}")
    return EXIT_FAILURE if any(answer.id is None for answer in result.lookups) else EXIT_OK


def render(console: Console, result: "VocabResult") -> None:
    """The vocabulary in some twenty lines."""
    from rich.table import Table
    from rich.text import Text

    from slrcli.report.text.tables import ResponsiveTable

    vocabulary = result.vocabulary
    specials = f", special {' '.join(vocabulary.specials)}" if vocabulary.specials else ""
    rarest = f", at least {vocabulary.min_count} times" if vocabulary.min_count > 1 else ""
    console.result(f"Glosses     {len(result.counted):,}{rarest}; with blank{specials}: {vocabulary.size:,} ids")
    console.result(f"Tokens      {result.tokens:,} counted; {result.singletons:,} glosses occur once")
    console.result(f"Normaliser  {vocabulary.normaliser}")
    console.result(f"Source      {vocabulary.source}")
    console.result(f"Hash        {vocabulary.hash}")
    console.result(f"Most        {listed(result.most)}")
    console.result(f"Least       {listed(result.least)}")
    if not result.coverage:
        return
    table = Table("split", "utterances", "tokens", "OOV tokens", "OOV types", "error floor", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for item in result.coverage:
        numbers = (item.utterances, item.tokens, item.oov_tokens, item.oov_types)
        table.add_row(Text(visible(item.split)), *(f"{number:,}" for number in numbers), f"{item.floor:.2f} %")
    console.result()
    console.result("Not in the vocabulary (OOV), so that every such token is an error whatever the model does:")
    console.result(ResponsiveTable(table))
    for item in result.coverage:
        if item.examples:
            console.result(
                f"OOV in {item.split}: {listed(item.examples)}{', ...' if item.oov_types > len(item.examples) else ''}"
            )


def render_lookups(console: Console, answers: tuple["Lookup", ...]) -> None:
    """One line per answer: id, gloss and count; what is not found is a warning."""
    for answer in answers:
        if answer.id is not None:
            console.result(f"{answer.id}\t{answer.gloss}\t{answer.count}")
        else:
            hint = f"; nearest: {', '.join(answer.nearest)}" if answer.nearest else ""
            console.warn(f"This is neither a gloss nor an id: {answer.query}{hint}")


def listed(pairs: Iterable[tuple[str, int]]) -> str:
    """`REGEN 1,200, WIND 900`."""
    return ", ".join(f"{gloss} {count:,}" for gloss, count in pairs)
