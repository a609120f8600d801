"""Commands whose files are imported when they are called, so that `slr --help` waits for none of them."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class Place(NamedTuple):
    """Where a command stands: the file in `slrcli.cli`, the function in it ("": its own `app`), what it says of itself.

    The text is the first paragraph of the docstring; `slr --help` shows it without opening the file.
    """

    file: str
    function: str
    text: str


class Commands(TyperGroup):
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
            return TyperCommand(cmd_name, help=self.places[cmd_name].text)
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
    alone.command(name)(command(getattr(module, place.function)))
    return get_command(alone)
