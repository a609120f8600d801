"""How help looks: examples a line each, prose unwrapped, defaults as they are typed, nothing taken for markup."""

import copy
import inspect
import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

from slrcli.cli.options.choices import listed
from slrcli.config import Option

# Readable on a dark and on a light terminal: no yellow, nothing that is dim but lines.
STYLES = {
    "STYLE_OPTION": "bold cyan",
    "STYLE_SWITCH": "bold cyan",
    "STYLE_TYPES": "magenta",
    "STYLE_USAGE": "bold",
    "STYLE_HELPTEXT": "",
    "STYLE_OPTION_DEFAULT": "",
    "STYLE_REQUIRED_LONG": "red",
}
LAST_PANEL = "Output and help"


def escaped(text: str) -> str:
    """The text, of which rich takes nothing for markup."""
    return text.replace("[", "\\[")


def described(told: Option) -> str:
    """The text of an option's help, with its values and its default; those of a registry are put in by `_as_shown`."""
    text = escaped(told.text)
    if told.listed:
        values = "{" + told.listed + "}" if isinstance(told.listed, str) else ", ".join(told.listed)
        text += f" Choices: {values}."
    default = told.shown or _typed(told.default)
    return f"{text} [not bold]\\[default: {default}][/]" if default else text


def _typed(value: Any) -> str:
    """A default as one would type it; nothing for what says nothing."""
    if value in (None, "", 0, (), {}) or isinstance(value, bool):
        return ""
    if isinstance(value, tuple):
        return " ".join(_typed(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def shaped(docstring: str) -> str:
    """The help of a command from its docstring: paragraphs on one line each, its examples below each other, last.

    An example is an indented line below `Examples:`.
    """
    prose, _, examples = inspect.cleandoc(docstring).partition("\nExamples:\n")
    paragraphs = [escaped(" ".join(part.split())) for part in prose.split("\n\n") if part.strip()]
    # a line that begins with markup keeps its indentation, which typer takes away where all lines have it
    lines = [f"[not bold]    {escaped(line.strip())}[/]" for line in examples.splitlines() if line.strip()]
    if lines:
        paragraphs.append("\n".join(["Examples:", *lines]))
    return "\n\n".join(paragraphs)


class Helping:
    """A command whose help is shown as this file says."""

    _shown = False

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters; while help is written, copies as help shows them."""
        found = super().get_params(ctx)
        return [_as_shown(item, isinstance(self, TyperCommand)) for item in found] if self._shown else found

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from typer import rich_utils

        for name, style in STYLES.items():
            setattr(rich_utils, name, style)
        self._shown = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._shown = False


def _as_shown(parameter: Any, alone: bool) -> Any:
    """A parameter without the type of a switch; what turns a switch off stands in its text."""
    shown = copy.copy(parameter)
    if getattr(shown, "is_flag", False):
        shown.metavar = ""
        if shown.secondary_opts:
            shown.help = f"{shown.help} Off: {shown.secondary_opts[0]}."
            shown.secondary_opts = []
    elif shown.metavar is None and shown.type_descriptor.is_ranged:
        shown.metavar = f"<{shown.type_descriptor.ranged_type_name}>"  # its bounds follow
    if shown.help:
        shown.help = re.sub(r"\{(\w+)\}", lambda found: ", ".join(listed(found[1])), shown.help)
    if "--help" in shown.opts:
        shown.help, shown.rich_help_panel = "Show this page and exit.", LAST_PANEL if alone else None
    return shown


class HelpingCommand(Helping, TyperCommand):
    """A single command."""


class HelpingGroup(Helping, TyperGroup):
    """A group of commands."""
