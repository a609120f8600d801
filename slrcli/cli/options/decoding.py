"""Options of the commands that decode: the beam search and what takes part in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from slrcli.cli.options.common import option

if TYPE_CHECKING:
    from slrcli.recognition.settings import DecoderOptions

Model = Annotated[Path | None, option("model", panel="")]
Beam = Annotated[int | None, option("decode.beam")]
Nbest = Annotated[int | None, option("decode.nbest")]
Lm = Annotated[Path | None, option("decode.lm")]
LmWeight = Annotated[float | None, option("decode.lm_weight")]
InsertionBonus = Annotated[float | None, option("decode.insertion_bonus")]
HotWord = Annotated[list[str] | None, option("decode.hot_words")]
HotWordWeight = Annotated[float | None, option("decode.hot_word_weight")]
DecoderFile = Annotated[Path | None, option("decoder")]


def decoder_options(file: Path | None = None, jobs: int = 1, **values: Any) -> "DecoderOptions":
    """What was said about the decoder; `values` are settings of `DecodeConfig`, None where nothing was said."""
    from slrcli.recognition.settings import DecoderOptions

    given = {key: value for key, value in values.items() if value not in (None, [])}
    if "lm" in given:
        given["lm"] = str(given["lm"])
    return DecoderOptions(given, file, jobs)
