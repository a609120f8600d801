"""`slr lm`: estimate a language model of glosses, or measure one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slrcli.cli.options.common import Json, NormaliserName, OptionalAnnotations, data_of, option
from slrcli.config import RunConfig
from slrcli.console import Console, visible

if TYPE_CHECKING:
    from slrcli.corpus.language_model import LmResult

SHOWN = 10  # unknown glosses by name
FILES = "Annotation tables (.csv, .tsv), transcripts (stm, ctm, trn, jsonl), or text (.txt, one sentence per line)."


def lm(
    console: Console,
    *,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help=FILES, show_default=False)] = None,
    corpus: OptionalAnnotations,
    normaliser: NormaliserName,
    order: Annotated[int, option("lm.order")],
    out: Annotated[Path | None, option("lm.out")],
    test: Annotated[list[Path] | None, option("lm.test")],
    model: Annotated[Path | None, option("lm.perplexity")],
    seed: Annotated[int, option("run.seed", panel="")] = RunConfig.seed,
    as_json: Json,
) -> int:
    """Estimate or evaluate an n-gram language model of glosses (modified Kneser-Ney).

    Shows the perplexity of held-out texts, and the glosses that the model does not know (OOV). The ARPA file is read by
    all usual toolkits, and by the decoders of slr.

    Examples:
        slr lm --data-dir DIR --out lm.arpa
        slr lm train.corpus.csv --order 4 --out lm.arpa --test dev.corpus.csv
        slr lm --perplexity lm.arpa test.corpus.csv --json
    """
    from slrcli.corpus.language_model import lm as run

    data = data_of(**corpus)
    result = run(console, data, files or (), order, out, test or (), model, normaliser, seed)
    for text in result.notes:
        console.note(text)
    for discount in result.discounts:
        if discount.reason:
            taken = ", ".join(f"{value:g}" for value in discount.values)
            console.warn(
                f"The discounts of {discount.length}-grams are guessed ({taken}): {discount.reason}. There are few "
                "sentences to learn from; a lower --order may do as well."
            )
    if as_json:
        console.json(result.to_dict())
    else:
        render(console, result)
    if result.written:
        console.note(f"Written: {result.written}")
    return 0


def render(console: Console, result: "LmResult") -> None:
    """The model in a few lines, and a table of the texts it was measured on."""
    from rich.table import Table
    from rich.text import Text

    from slrcli.report.text.tables import ResponsiveTable

    model = result.model
    sizes = "  ".join(f"{length}: {size:,}" for length, size in enumerate(model.sizes, 1))
    console.result(f"Order       {model.order}")
    console.result(f"N-grams     {sizes}")
    console.result(f"Glosses     {len(model.glosses):,}")
    console.result(f"Normaliser  {model.normaliser or 'not known'}")
    console.result(f"Source      {model.source}")
    for discount in result.discounts:
        values = "  ".join(f"{value:.3f}" for value in discount.values)
        console.result(f"Discounts   {discount.length}-grams: {values}{' (guessed)' if discount.reason else ''}")
    if not result.measured:
        return
    table = Table("text", "sentences", "glosses", "perplexity", "without OOV", "OOV", "OOV %", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, item in result.measured.items():
        counts = (f"{item.sentences:,}", f"{item.tokens:,}")
        rates = (f"{item.including_unknown:.2f}", f"{item.excluding_unknown:.2f}")
        table.add_row(Text(visible(name)), *counts, *rates, f"{item.unknown.total():,}", f"{item.unknown_rate:.2f}")
    console.result()
    console.result(ResponsiveTable(table))
    for name, item in result.measured.items():
        if item.unknown:
            shown = ", ".join(f"{gloss} {count:,}" for gloss, count in item.unknown.most_common(SHOWN))
            console.result(f"OOV in {name}: {shown}{', ...' if len(item.unknown) > SHOWN else ''}")
