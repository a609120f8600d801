"""The command line: one thin file per command, one line here for each."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command

from slrcli import __version__
from slrcli.cli.options.common import HelpingCommand, HelpingGroup, escaped, shaped


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
        self._places = places
        self._made: dict[str, Any] = {}

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


DATA, TRAIN, EVALUATE, USE, CHECK = "Data", "Train", "Evaluate", "Use", "Check and try"

COMMANDS = {
    "corpus": Place(
        "corpus", "corpus", DATA,
        "Describe a corpus in figures, split it anew, or cut recordings by their annotations into one.",
    ),
    "vocab": Place(
        "vocab", "vocab", DATA, "Build a vocabulary from the train split of a corpus, show one, or look something up."
    ),
    "extract": Place(
        "extract", "extract", DATA,
        "Extract landmarks from videos with MediaPipe Holistic, offline (requires the extra 'video').",
    ),
    "record": Place(
        "record", "record", DATA,
        "Record sentences in front of a camera, one by one, into a corpus (requires the extra 'video').",
    ),
    "convert": Place("convert", "convert", DATA, "Convert clips between file formats and layouts of points."),
    "layout": Place("layout", "layout", DATA, "List the shipped layouts of points, show one, or check your own."),
    "show": Place("show", "show", DATA, "Draw a clip: its skeleton in motion, with visibility and speed of each part."),
    "compose": Place("compose", "compose", DATA, "Make a corpus of sentences from clips of single signs."),
    "pack": Place("pack", "pack", DATA, "Pack the clips of each split into a few memory-mapped .npy files."),
    "train": Place("train", "train", TRAIN, "Train a recogniser. The folder of the corpus is all that it needs."),
    "runs": Place(
        "runs", "runs", TRAIN, "List the runs below a folder with their WER on dev and the settings that differ."
    ),
    "lm": Place("lm", "lm", TRAIN, "Estimate or evaluate an n-gram language model of glosses (modified Kneser-Ney)."),
    "eval": Place(
        "evaluate", "evaluate", EVALUATE, "Score a recogniser: word error rate, also per signer, worst utterances."
    ),
    "score": Place(
        "score", "score", EVALUATE, "Score hypothesis files against references, with confidence intervals and tests."
    ),
    "decode": Place(
        "decode", "decode", USE, "Write the glosses of clips, videos or a running stream: one clip per line."
    ),
    "align": Place("align", "align", USE, "Align known glosses with their clips (forced alignment)."),
    "export": Place(
        "export",
        "export",
        USE,
        "Export a recogniser as one ONNX file, which decodes without torch, or as a page for browsers.",
    ),
    "serve": Place(
        "serve", "serve", USE,
        "Serve a recogniser over HTTP and WebSockets until Ctrl-C (requires the extra 'serve').",
    ),
    "demo": Place(
        "demo", "demo", CHECK,
        "Make a small synthetic corpus and run vocab, check, train, eval and decode on it, in a few minutes.",
    ),
    "check": Place(
        "check.check", "", CHECK, "Find what breaks training before it costs a night. Exit code 1 if there is an error."
    ),
}  # fmt: skip

EXAMPLES = """
    Examples:
        slr demo
        slr check data --data-dir DIR
        slr train --data-dir DIR
        slr eval runs/latest --data-dir DIR
        slr decode clip.npy
        slr align clip.npy --glosses "HELLO YOU" --out clip.eaf
        slr score references.stm hypotheses.ctm
"""

app = typer.Typer(
    name="slr",
    cls=Commands.at(COMMANDS),
    help=shaped(f"Continuous sign-language recognition from landmarks: train, check, score and decode.\n{EXAMPLES}"),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"slr {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Show the version and stop."
    ),
) -> None:
    """Nothing but the options that come before a command."""
