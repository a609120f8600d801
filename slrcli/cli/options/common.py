"""What all commands share: `--quiet` and `--debug`, their Console, and what happens to errors."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from slrcli.config import PRESETS, Config, DataConfig, help_of, merge
from slrcli.errors import EXIT_FAILURE, EXIT_INTERRUPTED, SlrError

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes and no progress: results and errors alone.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="The result as one JSON document on stdout.")]


def option(setting: str, *flags: str) -> Any:
    """A command-line option that overrules one setting of the configuration (`optim.lr`) and is described by it."""
    text, default = help_of(setting)
    shown = False if default in ("", 0, False, {}) else str(default)
    return typer.Option(*flags, help=text, show_default=shown)


DataDir = Annotated[Path, option("data.data_dir", "--data-dir", "-d")]
OptionalDataDir = Annotated[Path | None, option("data.data_dir", "--data-dir", "-d")]
Format = Annotated[str | None, option("data.format", "--format")]
Annotations = Annotated[Path | None, option("data.annotations", "--annotations")]
Features = Annotated[Path | None, option("data.features", "--features")]
LayoutName = Annotated[str | None, option("data.layout", "--layout")]
VocabFile = Annotated[Path | None, option("data.vocab", "--vocab")]
NormaliserName = Annotated[str | None, option("data.normaliser", "--normaliser")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file of settings, such as a run's config.toml.")
]
Preset = Annotated[str, typer.Option("--preset", help=f"Named settings: {', '.join(PRESETS)}.")]
Device = Annotated[str | None, option("run.device", "--device")]


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


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn `function(console, ...) -> exit code or None` into a command.

    Adds `--quiet` and `--debug`, makes the `Console`, and answers what goes wrong: an `SlrError` in three lines, an
    interruption with exit 130, anything else as a defect of ours, without a traceback unless `--debug` asks for it.
    """
    own = [item for item in inspect.signature(function).parameters.values() if item.name != "console"]
    hints = get_type_hints(function, include_extras=True)

    @functools.wraps(function)
    def run(*, quiet: bool, debug: bool, **values: Any) -> None:
        from slrcli.console import Console

        console = Console(quiet=quiet, as_json=bool(values.get("as_json")))
        try:
            code = function(console, **values)
        except SlrError as error:
            if debug:
                raise
            console.error(error)
            code = error.exit_code
        except KeyboardInterrupt:
            console.note("Interrupted.")
            code = EXIT_INTERRUPTED
        except BrokenPipeError:
            raise
        except Exception as error:
            if debug:
                raise
            where = f"{type(error).__name__}: {error}"
            fix = "Run it again with --debug and report what it prints."
            console.error(SlrError("Something went wrong that should not: a defect of slr.", where, fix))
            code = EXIT_FAILURE
        raise typer.Exit(code or 0)

    shared = {"quiet": Quiet, "debug": Debug}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [item.replace(kind=keyword, annotation=hints[item.name]) for item in own]
    parameters += [inspect.Parameter(name, keyword, default=False, annotation=kind) for name, kind in shared.items()]
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    del run.__wrapped__
    return run
