"""Which decoder a checkpoint gets: that of `decode.toml` beside it, else its own, and over it what the user says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slrcli.checkpoints.meta import Meta
from slrcli.config import DecodeConfig, changed_settings, check_section, merge_section, nearest, read_toml
from slrcli.errors import UsageError
from slrcli.files import atomic_write_text

DECODER_FILE = "decode.toml"  # beside the checkpoint
SECTION = "decode"


@dataclass(frozen=True)
class DecoderOptions:
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
