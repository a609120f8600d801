"""The page of all settings of a training run, as Markdown; `examples/settings.md` is what it says."""

from dataclasses import fields
from typing import Any

from slrcli.config.sections import Config

HEAD = """# Settings of a training run

Each is `section.key`: on the command line `--set optim.schedule=linear`, in a TOML file a line below `[optim]`. Values
are written as in TOML. A run writes what it used to its `config.toml`. Some defaults follow from the architecture and
the corpus, unless you set them: `slr train` says which. `slr train --help` names the options that are settings of their
own.

This page is made from `slrcli/config/`:

    python -c "from slrcli.config import settings_page; print(settings_page(), end='')" > examples/settings.md
"""


def settings_page() -> str:
    """Every setting by section: name, default, allowed values and description."""
    parts = [HEAD]
    for section in fields(Config()):
        part = getattr(Config(), section.name)
        title = (type(part).__doc__ or "").strip()
        rows = [_row(f"{section.name}.{item.name}", getattr(part, item.name), item.metadata) for item in fields(part)]
        parts.append("\n".join([f"## {section.name}\n", f"{title}\n", *_TABLE, *rows, ""]))
    return "\n".join(parts)


_TABLE = ("| setting | default | allowed | |", "|---|---|---|---|")


def _row(name: str, default: Any, told: Any) -> str:
    cells = (f"`{name}`", f"`{written(default)}`", allowed(told), told["help"])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def written(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    return str(value)


def allowed(told: Any) -> str:
    """Bounds or choices of a setting, in words; nothing where there are none."""
    if isinstance(told["listed"], tuple) and told["listed"]:
        return ", ".join(f"`{name}`" for name in told["listed"])
    if told["least"] is None:
        return ""
    return f"{told['least']} or more" if told["most"] is None else f"{told['least']} to {told['most']}"
