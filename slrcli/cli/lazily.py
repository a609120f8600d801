"""Commands whose files are imported when they are called, so that `slr --help` waits for none of them."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command

from slrcli.cli.options.common import HelpingCommand, HelpingGroup, escaped


class Place(NamedTuple):
    """Where a command stands.

    Attributes:
        file: in `slrcli.cli`.
        function: in that file; "" for a file with an `app` of its own.
        panel: of `slr --help` in which it is listed.
        text: the first paragraph of its docstring, which `slr --help` shows without opening the file.
    """

    file: str
    function: str
    panel: str
    text: str


class Commands(HelpingGroup):
    """A group that knows its commands by name and loads each when it is wanted."""

    places: Mapping[str, Place] = {}

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.commands = _Loaded(self.places)
        self._listing = False

    @classmethod
    def at(cls, places: Mapping[str, Place]) -> type["Commands"]:
        """The group of the commands at these places."""
        return type("CommandsAt", (cls,), {"places": places})

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in order."""
        return [*self.places]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; while help is written, no more than its name and text."""
        if self._listing and cmd_name in self.places:
            place = self.places[cmd_name]
            return TyperCommand(cmd_name, help=escaped(place.text), rich_help_panel=place.panel)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of the group."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


class _Loaded(MutableMapping):
    """Name -> command, made when it is looked up."""

    def __init__(self, places: Mapping[str, Place]):
        self._places, self._made = places, {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _load(name, self._places[name])
        return self._made[name]

    def __setitem__(self, name: str, made: Any) -> None:
        self._made[name] = made

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._places, **self._made})

    def __len__(self) -> int:
        return len({**self._places, **self._made})


def _load(name: str, place: Place) -> Any:
    from slrcli.cli.options.common import command

    module = import_module(f"slrcli.cli.{place.file}")
    if not place.function:
        made = get_command(module.app)
        made.name = name
        return made
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    alone.command(name, cls=HelpingCommand)(command(getattr(module, place.function)))
    return get_command(alone)
