"""Options of the commands that decode: the beam search and what takes part in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slrcli.cli.options.common import option

if TYPE_CHECKING:
    from slrcli.recognition.settings import DecoderOptions

PANEL = "Beam search"


def _option(setting: str, *flags: str) -> Any:
    found = option(setting, *flags)
    found.rich_help_panel = PANEL
    return found


Model = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", help="Checkpoint, run or exported model; without it the newest run.", show_default=False
    ),
]
Beam = Annotated[int | None, _option("decode.beam", "--beam")]
Nbest = Annotated[int | None, _option("decode.nbest", "--nbest")]
Lm = Annotated[Path | None, _option("decode.lm", "--lm")]
LmWeight = Annotated[float | None, _option("decode.lm_weight", "--lm-weight")]
InsertionBonus = Annotated[float | None, _option("decode.insertion_bonus", "--insertion-bonus")]
HotWord = Annotated[list[str] | None, _option("decode.hot_words", "--hot-word")]
HotWordWeight = Annotated[float | None, _option("decode.hot_word_weight", "--hot-word-weight")]
DecoderFile = Annotated[
    Path | None,
    typer.Option(
        "--decoder",
        help="TOML file with a section [decode]; without it decode.toml beside the checkpoint, if there is one.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]


def decoder_options(file: Path | None = None, jobs: int = 1, **values: Any) -> "DecoderOptions":
    """What was said about the decoder; `values` are settings of `DecodeConfig`, None where nothing was said."""
    from slrcli.recognition.settings import DecoderOptions

    given = {key: value for key, value in values.items() if value not in (None, [])}
    if "lm" in given:
        given["lm"] = str(given["lm"])
    return DecoderOptions(given, file, jobs)
