"""A user-defined model, named as `package.module:factory`.

The factory is a function or class that accepts any of the keywords `layout` (a `Layout`), `width` (columns of the
features) and `vocab_size` (classes, including the blank), and returns a torch module. The name may also refer to an
instance of a module; then no second instance can be built for comparison.
"""

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from slrcli.errors import SlrError, UsageError, reason_of
from slrcli.features.layout import Layout

HOW = "Write it as package.module:factory, such as mypkg.mymodel:build."
KEYWORDS = "layout, width, vocab_size"


def is_own(target: str) -> bool:
    """Whether `target` has the form `package.module:factory` and is not an existing path."""
    module, colon, attribute = target.partition(":")
    return (
        bool(colon)
        and not Path(target).exists()
        and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))
    )


def find_own(target: str) -> Any:
    """The factory, or instance of a module, that `target` names. Modules in the current folder come first.

    Raises:
        UsageError: the module does not exist, or has no callable of that name.
        SlrError: the import of the module fails.
    """
    name, _, attribute = target.partition(":")
    with own_code():
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as problem:
            if problem.name is None or not f"{name}.".startswith(f"{problem.name}."):
                _blame(problem, target, f"{name} cannot be imported")
            fix = f"Change to the folder that contains {name.split('.')[0]}, or install it."
            raise UsageError(f"There is no module '{problem.name}'.", target, fix) from problem
        except (Exception, SystemExit) as problem:
            _blame(problem, target, f"{name} cannot be imported")
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"The module {name} has no '{attribute}'.", target, _nearest(found, part))
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"'{attribute}' is not a factory of models, but a {type(found).__name__}.", target, HOW)
    return found


def builder(target: str, factory: Any, layout: Layout, vocab_size: int) -> Callable[[], nn.Module]:
    """A function that calls the factory with the keywords that it accepts, and returns the model.

    The function raises an `SlrError` if the factory fails or returns something else than a `torch.nn.Module`.

    Raises:
        UsageError: the factory requires another argument.
    """
    offered = {"layout": layout, "width": layout.width, "vocab_size": vocab_size}
    try:
        parameters: Collection[inspect.Parameter] = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    if not any(item.kind is item.VAR_KEYWORD for item in parameters):
        names = {item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}
        offered = {name: value for name, value in offered.items() if name in names}
    plain = (item for item in parameters if item.kind not in (item.VAR_KEYWORD, item.VAR_POSITIONAL))
    wanted = [item.name for item in plain if item.default is item.empty and item.name not in offered]
    if wanted:
        fix = f"Give it a default, or name a function that takes only {KEYWORDS}."
        raise UsageError(f"The factory requires the argument '{wanted[0]}', which slr does not pass.", target, fix)

    def build() -> nn.Module:
        try:
            with own_code():
                model = factory(**offered)
                if isinstance(model, nn.Module):
                    _materialise(model, layout.width)
        except (Exception, SystemExit) as problem:
            _blame(problem, target, f"The factory, called with {', '.join(offered) or 'nothing'}, failed")
        if not isinstance(model, nn.Module):
            fix = "Return the torch.nn.Module itself."
            raise SlrError(f"The factory returns a {type(model).__name__} instead of a torch.nn.Module.", target, fix)
        return model

    return build


def _materialise(model: nn.Module, width: int) -> None:
    """Initialise lazy layers, such as `LazyLinear`, by a forward pass."""
    if any(isinstance(p, UninitializedParameter) for p in model.parameters()):
        with torch.no_grad():
            model.eval()(torch.zeros(1, 64, width), torch.tensor([64]))
        model.train()


@contextmanager
def own_code() -> Iterator[None]:
    """A context for user code: imports search the current folder first, as with `python -m`, and prints go to stderr,
    since stdout is reserved for results.
    """
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(here)


def _blame(problem: BaseException, target: str, what: str) -> NoReturn:
    """Raise the exception of user code as an SlrError with the line at fault."""
    reason = reason_of(problem)
    here, line = str(Path.cwd()), ""
    for frame in traceback.extract_tb(problem.__traceback__):
        if frame.filename.startswith(here) or not line:
            line = "" if frame.filename == __file__ else f"See {frame.filename}, line {frame.lineno}."
    raise SlrError(f"{what}: {type(problem).__name__}: {reason}.", target, line) from problem


def _nearest(module: Any, name: str) -> str:
    close = difflib.get_close_matches(name, vars(module), n=1)
    return f"Did you mean '{close[0]}'?" if close else HOW
