"""What all commands share: how options are made of what `slrcli.config` says of them, and what happens to errors."""

import copy
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol, get_args, get_type_hints, runtime_checkable

import typer
from typer.core import TyperCommand, TyperGroup

from slrcli.config import Config, DataConfig, Option, merge, option_of
from slrcli.config.names import LAYOUTS, NORMALISERS, PROTOCOLS
from slrcli.config.options import OPTIONS
from slrcli.errors import EXIT_FAILURE, SlrError, UsageError, ended_by_signals, memory_advice, missing, signalled
from slrcli.files import unwritable


def _layouts() -> list[str]:
    from slrcli.features.layout import list_layouts

    return [*list_layouts()[:-1], "generic-N"]


def _normalisers() -> list[str]:
    from slrcli.glosses import NORMALISERS as KNOWN

    return [*KNOWN]


def _protocols() -> list[str]:
    from slrcli.scoring.protocols import ALL
    from slrcli.scoring.protocols import PROTOCOLS as KNOWN

    return [*KNOWN, ALL]


_REGISTRIES: dict[str, Callable[[], list[str]]] = {
    LAYOUTS: _layouts,
    NORMALISERS: _normalisers,
    PROTOCOLS: _protocols,
}


def listed(values: str | tuple[str, ...]) -> list[str]:
    """The values themselves, or those that the registry of that name knows."""
    return _REGISTRIES[values]() if isinstance(values, str) else [*values]


def completion(values: str | tuple[str, ...]) -> Callable[[str], list[str]]:
    """What the shell completes: those of the values that begin as what is typed."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in listed(values) if value.startswith(incomplete)]

    return complete


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
        found = super().get_params(ctx)  # type: ignore[misc]  # of the command that this is mixed into
        return [_as_shown(item, isinstance(self, TyperCommand)) for item in found] if self._shown else found

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from typer import rich_utils

        for name, style in STYLES.items():
            setattr(rich_utils, name, style)
        self._shown = True
        try:
            super().format_help(ctx, formatter)  # type: ignore[misc]  # as above
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
    elif shown.type_descriptor.is_list:  # the type of one value: the text says that it may be repeated
        (inner,) = get_args(shown.type_descriptor.annotation)
        shown.type_descriptor = replace(shown.type_descriptor, annotation=inner)
    if shown.help:
        shown.help = re.sub(r"\{(\w+)\}", lambda found: ", ".join(listed(found[1])), shown.help)
    if "--help" in shown.opts:
        shown.help, shown.rich_help_panel = "Show this page and exit.", LAST_PANEL if alone else None
    return shown


class HelpingCommand(Helping, TyperCommand):
    """A single command."""


class HelpingGroup(Helping, TyperGroup):
    """A group of commands."""


# Section of a setting, or "command.option" -> the panel of the help in which it stands.
PANELS = {
    "data": "Data",
    "model": "Model",
    "distill": "Model",
    "loss": "Model",
    "optim": "Optimisation",
    "augment": "Augmentation",
    "start": "Model",
    "run": "Run",
    "config": "Run",
    "preset": "Model",
    "set": "Run",
    "decode": "Beam search",
    "decoder": "Beam search",
    "live": "Streams",
    "extract": "Landmarks of videos",
    "serve": "Limits",
    **{f"serve.{name}": "" for name in ("host", "port", "page", "token")},
    "quiet": LAST_PANEL,
    "debug": LAST_PANEL,
    "json": LAST_PANEL,
    "train.lookahead": "Model",
    "train.resume": "Run",
    "train.from_run": "Run",
    "train.dry_run": "Run",
    "train.folds": "Several runs",
    "train.fold_splits": "Several runs",
    "train.seeds": "Several runs",
    "train.score_split": "Several runs",
    "train.sweep": "Several runs",
    "train.search": "Several runs",
    "train.study": "Several runs",
    "train.jobs": "Several runs",
    "train.cluster": "Several runs",
    **{f"decode.{name}": "Streams" for name in ("camera", "camera_index", "pipe", "raw", "stream")},
    "decode.jobs": "Landmarks of videos",
    **{f"extract.{name}": "" for name in ("out", "jobs", "part", "cluster", "preview", "overwrite", "stop_on_error")},
    **{f"check.{name}": "Checks" for name in ("only", "skip", "strict", "verbose")},
}


def option(name: str, *flags: str, panel: str | None = None, required: bool = False) -> Any:
    """A command-line option as `slrcli.config` describes it: a setting (`optim.lr`) or one of `OPTIONS`.

    Args:
        name: of the option.
        flags: what it is called here, where another option has its usual name.
        panel: of the help; without it as `PANELS` says.
        required: whether a command cannot do without it.

    A parameter without a default of its own gets that of one of `OPTIONS`, and None for a setting: nothing was said.
    """
    told = option_of(name)
    if panel is None:
        panel = PANELS.get(name, PANELS.get(name.partition(".")[0], ""))
    made = typer.Option(
        *(flags or told.flags),
        help=described(told),
        show_default=False,
        metavar=told.metavar,
        rich_help_panel=panel or None,
        autocompletion=completion(told.listed) if told.listed else None,
    )
    made.unsaid, made.file_okay = None, not told.folder
    if name in OPTIONS:  # the bounds of a setting are checked with all others, wherever its value comes from
        made.min, made.max, made.unsaid = told.least, told.most, told.default
    if required:
        made.unsaid = inspect.Parameter.empty
    return made


Quiet = Annotated[bool, option("quiet")]
Debug = Annotated[bool, option("debug")]
Json = Annotated[bool, option("json")]
LayoutName = Annotated[str | None, option("data.layout")]
VocabFile = Annotated[Path | None, option("data.vocab")]
NormaliserName = Annotated[str | None, option("data.normaliser")]
ConfigFile = Annotated[Path | None, option("config")]
Preset = Annotated[str, option("preset")]
Settings = Annotated[list[str] | None, option("set")]
Device = Annotated[str | None, option("run.device")]
OwnNetwork = Annotated[str | None, option("own")]


def overrides(**values: Any) -> dict[str, dict[str, Any]]:
    """Sections of those values that were given: `optim__lr=1e-3` becomes `{"optim": {"lr": 1e-3}}`."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if value is not None:
            section, key = name.split("__")
            sections.setdefault(section, {})[key] = str(value) if isinstance(value, Path) else value
    return sections


def data_of(**options: Any) -> DataConfig:
    """The corpus that options name: those of `DataConfig` that were given, the defaults for the others."""
    from slrcli.corpus.settings import told  # brings numpy, which no help page waits for

    given = overrides(**{f"data__{name}": value for name, value in options.items()})
    config = merge(Config(), {"data": told(options.get("data_dir") or "")}, "corpus.toml")
    return merge(config, given, "command line").data


def named_columns(given: list[str]) -> dict[str, str]:
    """`["id=Clip"]` as `{"id": "Clip"}`; UsageError for what names nothing."""
    named = {}
    for text in given:
        key, equals, name = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{text!r} does not name a column.", "--column", "Write it as id=Clip.")
        named[key.strip()] = name.strip()
    return named


@runtime_checkable
class OptionGroup(Protocol):
    """Options that a command takes as one parameter, whose annotation carries the group."""

    def parameters(self) -> list[inspect.Parameter]:
        """The options, as parameters of the command line."""
        ...

    def taken_from(self, values: dict[str, Any]) -> Any:
        """What the command gets, out of all values of the command line, which then has the others alone."""
        ...


def said(name: str, hint: Any) -> inspect.Parameter:
    """A parameter of the command line whose annotation is an option of `option`; its default is that of the option."""
    (told,) = get_args(hint)[1:]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=told.unsaid, annotation=hint)


class CorpusOptions(NamedTuple):
    """The options that name a corpus, which a command takes as one parameter: `corpus: Corpus`.

    It is a dictionary of what was given, by the name of the setting in `DataConfig`; None where nothing was said.
    `data_of(**corpus)` makes the settings of it.

    Attributes:
        required: whether there has to be a folder.
        without: settings that mean nothing to the command.
        flags: setting -> what it is called, where the command has another option of its usual name.
    """

    required: bool = True
    without: tuple[str, ...] = ()
    flags: Mapping[str, str] = {}

    def parameters(self) -> list[inspect.Parameter]:
        """See `OptionGroup`."""
        return [self._parameter(name, kind) for name, kind in CORPUS.items() if name not in self.without]

    def _parameter(self, name: str, kind: Any) -> inspect.Parameter:
        needed = name == "data_dir" and self.required
        many: Any = kind if name in REPEATABLE else list[kind]
        told = option(f"data.{name}", *self._flags(name), required=needed)
        return said(name, Annotated[many if needed else many | None, told])

    def _flags(self, name: str) -> tuple[str, ...]:
        return (self.flags[name],) if name in self.flags else ()

    def taken_from(self, values: dict[str, Any]) -> dict[str, Any]:
        """See `OptionGroup`.

        Raises:
            UsageError: an option that has one value was given several: the command line would take the last in silence.
        """
        given = {name: values.pop(name) for name in CORPUS if name not in self.without}
        for name in given:
            if name not in REPEATABLE:
                flag = (self._flags(name) or option_of(f"data.{name}").flags)[0]
                given[name] = only_one(flag, given[name] or ())
        return {**given, "columns": named_columns(given["columns"]) if given["columns"] else None}


def only_one(flag: str, values: Sequence[Any]) -> Any:
    """The one value that an option was given, None without any; UsageError for two that differ."""
    different = list(dict.fromkeys(values))
    if len(different) > 1:
        what = f"Only one value of {flag} can be used, not {' and '.join(map(str, different))}."
        fix = "Name one folder per command." if flag == "--data-dir" else f"Give {flag} once."
        raise UsageError(what, flag, fix)
    return different[0] if different else None


CORPUS = {
    "data_dir": Path, "format": str, "annotations": Path, "features": Path, "columns": list[str],
    "exclude": Path, "layout": str,
}  # fmt: skip
REPEATABLE = ("columns",)
Given = dict[str, Any]
Corpus = Annotated[Given, CorpusOptions()]
OptionalCorpus = Annotated[Given, CorpusOptions(required=False)]
RecognisedCorpus = Annotated[Given, CorpusOptions(without=("layout",))]
OptionalRecognisedCorpus = Annotated[Given, CorpusOptions(required=False, without=("layout",))]
OptionalAnnotations = Annotated[Given, CorpusOptions(required=False, without=("features", "layout"))]


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn `function(console, ...) -> exit code or None` into a command.

    Adds `--quiet` and `--debug`, puts the options of a group in the place of its parameter, makes the `Console`, and
    answers what goes wrong: an `SlrError` in three lines, an interruption with 128 and the number of the signal (130
    for Ctrl-C), memory that has run out with advice, anything else as a defect of
    ours, without a traceback unless `--debug` asks for it.
    """
    groups, parameters = _parameters(function)

    @functools.wraps(function)
    def run(*, quiet: bool, debug: bool, **values: Any) -> None:
        from slrcli.console import Console

        console = Console(quiet=quiet, as_json=bool(values.get("as_json")))
        try:
            for name, group in groups.items():
                values[name] = group.taken_from(values)
            with ended_by_signals(), memory_advice():
                code = function(console, **values)
        except SlrError as error:
            if debug:
                raise
            console.error(error)
            code = error.exit_code
        except KeyboardInterrupt as interruption:
            console.note("Interrupted.")
            code = signalled(interruption)
        except BrokenPipeError:
            raise
        except Exception as error:
            if debug:
                raise
            lacking = missing(error) if isinstance(error, ModuleNotFoundError) else None
            console.error(lacking or unwritable(error) or defect(error))
            code = EXIT_FAILURE
        raise typer.Exit(code or 0)

    made: Any = run
    made.__signature__ = inspect.Signature(parameters)
    made.__annotations__ = {item.name: item.annotation for item in parameters}
    made.__doc__ = shaped(function.__doc__ or "")
    del made.__wrapped__
    return made


def defect(error: Exception) -> SlrError:
    """What to say of an error that nobody foresaw."""
    fix = "Run it again with --debug and report what it prints."
    return SlrError("An unexpected error occurred, a defect of slr.", f"{type(error).__name__}: {error}", fix)


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, OptionGroup], list[inspect.Parameter]]:
    """The parameters that stand for groups, and all options and arguments of a command, each with its default."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, OptionGroup] = {}
    found: list[inspect.Parameter] = []
    for item in inspect.signature(function).parameters.values():
        if item.name == "console":
            continue
        hint = hints[item.name]
        (told,) = get_args(hint)[1:]
        if isinstance(told, OptionGroup):
            groups[item.name] = told
            found += told.parameters()
        elif item.default is inspect.Parameter.empty and hasattr(told, "unsaid"):
            found.append(said(item.name, hint))
        else:
            found.append(item.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint))
    return groups, [*found, said("quiet", Quiet), said("debug", Debug)]
