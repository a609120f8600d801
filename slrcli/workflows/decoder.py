"""Which decoder a checkpoint gets: that of `decode.toml` beside it, else its own, and over it what the user says."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slrcli.clip_recogniser import ClipRecogniser
from slrcli.config import DecodeConfig, changed_settings, check_section, merge_section, nearest, read_toml
from slrcli.console import Console
from slrcli.decoding.calibration import load_calibration
from slrcli.decoding.cores import ManyCores
from slrcli.decoding.decoder import decoder_signature, make_decoder
from slrcli.errors import UsageError
from slrcli.files import atomic_write_text
from slrcli.meta import Meta
from slrcli.workflows.runs import shown

DECODER_FILE = "decode.toml"  # beside the checkpoint
SECTION = "decode"


@dataclass(frozen=True)
class Wanted:
    """What was said about the decoder.

    Attributes:
        given: settings of `DecodeConfig`, those alone that were said.
        file: a TOML file instead of the one beside the checkpoint.
        jobs: processes that search.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    jobs: int = 1

    def settings(self, checkpoint: Path, meta: Meta | None) -> DecodeConfig:
        """The settings for a checkpoint: those beside it, else those within it, and over them what was said.

        A beam of 0 that is asked for is the best path, whatever else is written. A search that is asked for takes the
        place of how long signs last, which training may have found out.

        Raises:
            UsageError: the file cannot be read, or a setting is unknown or beyond its bounds.
        """
        path = self.file or checkpoint.parent / DECODER_FILE
        given = dict(self.given)
        options = meta.decode if meta else DecodeConfig()
        if given.get("beam") == 0:
            others = [key for key in given if key != "beam"]
            if others:
                raise UsageError(f"the best path knows no {', '.join(others)}", "--beam 0", "use a beam of 1 or more")
            options = DecodeConfig()
        elif self.file or path.is_file():
            options = read_decoder(path)
        asked = merge_section(DecodeConfig(), given, "command line")
        if options.sign_frames and asked.searched and not self.file:
            options = DecodeConfig()
        options = merge_section(options, given, "command line")
        check_section(options, "")
        return options


def read_decoder(path: Path) -> DecodeConfig:
    """The section `[decode]` of a TOML file; a language model is looked for from the file's folder on.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    tables = read_toml(path)
    unknown = [name for name in tables if name != SECTION]
    if unknown or not isinstance(tables.get(SECTION), dict):
        what = f"There is no section [{unknown[0]}]." if unknown else f"The section [{SECTION}] is missing."
        raise UsageError(what, str(path), nearest(unknown[0], [SECTION]) if unknown else "slr eval --tune writes one")
    options = merge_section(DecodeConfig(), tables[SECTION], f"{path}, [{SECTION}]")
    check_section(options, f"{path}, {SECTION}.")
    if options.lm:
        options = merge_section(options, {"lm": str(path.parent / options.lm)}, str(path))
    return options


def write_decoder(path: Path, options: DecodeConfig, comments: tuple[str, ...] = ()) -> None:
    """Write what differs from the defaults, and the beam, for `read_decoder`; whole or not at all."""
    import tomli_w  # only needed where settings are written

    changed = {"beam": options.beam, **changed_settings(options)}
    if options.lm:
        model, folder = Path(options.lm).resolve(), path.parent.resolve()
        changed["lm"] = str(model.relative_to(folder) if model.is_relative_to(folder) else model)
    text = tomli_w.dumps({SECTION: {key: list(v) if isinstance(v, tuple) else v for key, v in changed.items()}})
    atomic_write_text(path, "".join(f"# {line}\n" for line in comments) + text)


def equip(
    console: Console,
    recogniser: ClipRecogniser,
    checkpoint: Path,
    wanted: Wanted,
    stack: ExitStack | None = None,
    calibrated: bool = True,
) -> str:
    """Give a recogniser its decoder, and the calibration that belongs to it; say aloud what is not the best path.

    Args:
        stack: ends the processes of a search on several cores; without it there is one process.
        calibrated: whether confidences go through the checkpoint's calibration, if it has one for this decoder.

    Returns:
        The decoder's signature.

    Raises:
        SlrError: settings that cannot be, or a language model that cannot be read.
    """
    options = wanted.settings(checkpoint, recogniser.meta)
    signature = decoder_signature(options)
    if stack is not None and options.width and wanted.jobs > 1:
        tokens = recogniser.vocabulary.tokens
        recogniser.decoder = stack.enter_context(ManyCores(options, tokens, wanted.jobs))
    else:
        recogniser.decoder = make_decoder(options, recogniser.vocabulary)
    recogniser.calibration = load_calibration(checkpoint, signature) if calibrated else None
    if signature != decoder_signature(DecodeConfig()):
        beside = checkpoint.parent / DECODER_FILE
        source = wanted.file or (beside if beside.is_file() else None)
        console.note(f"decoder {signature}{f', settings of {shown(source)}' if source else ''}")
    return signature
