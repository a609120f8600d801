"""Which decoder a checkpoint gets: that of `decode.toml` beside it, else its own, and over it what the user says.

Its own is what tuning wrote into it, else what training found out. A `decode.toml` that tuning wrote names the weights
that it is for and holds for them alone; one without such a line holds for all checkpoints of its folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slrcli.checkpoints.meta import Meta, decoder_values
from slrcli.config import DecodeConfig, check_section, merge_section, nearest, read_toml, toml_text
from slrcli.decoding.calibration import weights_hash
from slrcli.errors import CheckpointError, UsageError
from slrcli.files import atomic_write_text
from slrcli.language.stored import is_stored, stored

DECODER_FILE = "decode.toml"  # beside the checkpoint
SECTION = "decode"
OF = "checkpoint"  # hash of the weights that the settings were tuned for


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
        path = self.source(checkpoint)
        given = dict(self.given)
        options = own_decoder(checkpoint, meta) if meta else DecodeConfig()
        if given.get("beam") == 0:
            others = [key for key in given if key != "beam"]
            if others:
                what = f"The best path does not use {', '.join(others)}."
                raise UsageError(what, "--beam 0", "Use a beam of 1 or more.")
            options = DecodeConfig()
        elif path:
            options = read_decoder(path)
        asked = merge_section(DecodeConfig(), given, "command line")
        if options.sign_frames and asked.searched and not self.file:
            options = DecodeConfig()
        options = merge_section(options, given, "command line")
        check_section(options, "")
        return options

    def source(self, checkpoint: Path) -> Path | None:
        """The file whose settings take the place of the checkpoint's own: the one that was named, else the one beside
        it, unless that was tuned for other weights; None where there is none."""
        beside = checkpoint.parent / DECODER_FILE
        if self.file or not beside.is_file():
            return self.file
        of = read_toml(beside).get(OF)
        return beside if of is None or of == weights_hash(checkpoint) else None

    def require_model(self, options: DecodeConfig, checkpoint: Path) -> None:
        """CheckpointError where a checkpoint was tuned with a language model, came without it, and nobody names one."""
        own = "lm" not in self.given and self.source(checkpoint) is None
        if own and options.lm and not is_stored(options.lm) and not os.path.isfile(options.lm):
            what = f"The decoder was tuned with the language model {Path(options.lm).name}, which is missing."
            fix = f"Put it there, name it with --lm FILE, or decode {checkpoint.name} without it (--beam 0)."
            raise CheckpointError(what, options.lm, fix)


def own_decoder(checkpoint: Path, meta: Meta) -> DecodeConfig:
    """The settings that a checkpoint carries: those it was tuned to, else what its training found out."""
    options = meta.tuned or meta.decode
    if options.lm and not is_stored(options.lm):
        return replace(options, lm=str(checkpoint.parent / options.lm))
    return options


def carried(options: DecodeConfig, folder: Path) -> DecodeConfig:
    """Settings as a file in `folder` is to carry them: with the language model itself, or with the way to a large one.

    Raises:
        OSError: the language model cannot be read.
    """
    if not options.lm or is_stored(options.lm):
        return options
    model = stored(options.lm)
    return replace(options, lm=model or os.path.relpath(os.path.realpath(options.lm), os.path.realpath(folder)))


def read_decoder(path: Path) -> DecodeConfig:
    """The section `[decode]` of a TOML file; a language model is looked for from the file's folder on.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    tables = read_toml(path)
    unknown = [name for name in tables if name not in (SECTION, OF)]
    if unknown or not isinstance(tables.get(SECTION), dict):
        what = f"There is no section [{unknown[0]}]." if unknown else f"The section [{SECTION}] is missing."
        fix = nearest(unknown[0], [SECTION]) if unknown else "Run slr eval --tune, which writes it."
        raise UsageError(what, str(path), fix)
    options = merge_section(DecodeConfig(), tables[SECTION], f"{path}, [{SECTION}]")
    check_section(options, f"{path}, {SECTION}.")
    if options.lm:
        options = merge_section(options, {"lm": str(path.parent / options.lm)}, str(path))
    return options


def write_decoder(path: Path, options: DecodeConfig, comments: tuple[str, ...] = (), of: str = "") -> None:
    """Write what differs from the defaults, and the beam, for `read_decoder`; whole or not at all.

    Args:
        of: hash of the weights for which the settings are; "": for all checkpoints of the folder.
    """
    changed = decoder_values(options)
    if options.lm:
        model, folder = Path(options.lm).resolve(), path.parent.resolve()
        changed["lm"] = str(model.relative_to(folder) if model.is_relative_to(folder) else model)
    text = toml_text({**({OF: of} if of else {}), SECTION: changed})
    atomic_write_text(path, "".join(f"# {line}\n" for line in comments) + text)
