"""A user-defined model, named as `package.module:factory` or by an entry point of the group `slrcli.architectures`.

The factory is a function or class that accepts any of the keywords `layout` (a `Layout`), `width` (columns of the
features), `vocab_size` (classes, including the blank), `dropout`, `frontend` (a `Frontend`) and those in
`model.options.arguments`, and returns a torch module: `forward(x [B, T, width], lengths [B])` gives the scores of the
classes `[B, T', V]`, their lengths `[B]` and perhaps those of inner heads. The name may also refer to an instance of a
module; then no second instance can be built for comparison.

The module is given standardised features, 0 where nothing is known. One whose factory takes the frontend calls that
itself, and is given the features as they are, NaN where a point is missing.

A file that names such a model does not start its code: see `slrcli.models.trust`.
"""

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from slrcli.errors import SlrError, UsageError, reason_of
from slrcli.features.layout import Layout
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import Frames

HOW = "Write it as package.module:factory, such as mypkg.mymodel:build."
KEYWORDS = "layout, width, vocab_size, dropout, frontend"
AS_STORED = FrontendOptions(body=False, keep=False, hands=False, bones=False, derivatives=0, presence=False)
PROBED = 64  # frames of the longest clip from which the number of output frames is learnt


@dataclass(frozen=True)
class OwnOptions:
    """The options of a user-defined model.

    Attributes:
        arguments: further keywords for the factory.
        frontend: of the features that the network is given; by default all columns in their order, standardised.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    frontend: FrontendOptions = AS_STORED


class OwnModel(SignModel):
    """A user-defined network between frontend and CTC.

    Args:
        frontend: of the features.
        vocab_size: number of classes, including the blank.
        network: see the module.
        raw: whether the network calls the frontend itself.
    """

    def __init__(self, frontend: Frontend, vocab_size: int, network: nn.Module, raw: bool):
        super().__init__(frontend, vocab_size)
        self.network, self._raw = network, raw
        self.late = getattr(network, "late", 0)
        self._rule: tuple[int, bool] | None = None

    @property
    def recurrence(self) -> nn.Module:
        """What the network calls so, else all of it."""
        return getattr(self.network, "recurrence", self.network)

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        scores, lengths, *others = self.network(x if self._raw else self.frontend(x, lengths), lengths)
        # log-probabilities stay what they are: their softmax is themselves
        return Output(log_softmax(scores), lengths, *(tuple(map(log_softmax, heads)) for heads in others[:1]))

    def output_length(self, frames: Frames) -> Frames:
        """What the network says, else the rule that it was seen to follow."""
        if hasattr(self.network, "output_length"):
            return cast(Any, self.network).output_length(frames)
        stride, up = self._stride
        return (frames + (stride - 1 if up else 0)) // stride

    @property
    def _stride(self) -> tuple[int, bool]:
        """Frames per output frame, and whether their number is rounded up.

        Raises:
            SlrError: the network follows no such rule.
        """
        if self._rule is None:
            frames = torch.arange(1, PROBED + 1)
            found = self._probed(frames).cpu()
            rules = [(stride, up) for stride in (1, 2, 3, 4, 5, 6, 8, 12, 16) for up in (True, False)]
            fits = (r for r in rules if torch.equal((frames + (r[0] - 1 if r[1] else 0)) // r[0], found))
            self._rule = next(fits, None)
        if self._rule is None:
            what = "The output frames of the network are no whole fraction of its input frames."
            raise SlrError(what, type(self.network).__name__, "Give it a method output_length(frames).")
        return self._rule

    @torch.no_grad()
    def _probed(self, frames: Tensor) -> Tensor:
        """Output frames of clips of these lengths, as the network says."""
        training, device = self.training, next(self.parameters()).device
        self.eval()
        try:
            x = torch.zeros(len(frames), PROBED, self.frontend.layout.width, device=device)
            return self(x, frames.to(device)).lengths
        finally:
            self.train(training)


def own_model(
    target: str, factory: Any, frontend: Frontend, vocab_size: int, dropout: float, options: OwnOptions
) -> SignModel:
    """The model that a factory makes, ready to be trained. Raises like `builder` and the function that it gives."""
    given = {"dropout": dropout, "frontend": frontend}
    network = builder(target, factory, frontend.layout, vocab_size, given, options.arguments, frontend.width)()
    if isinstance(network, SignModel):
        return network
    return OwnModel(frontend, vocab_size, network, raw=takes(factory, "frontend"))


def takes(factory: Any, name: str) -> bool:
    """Whether a factory has a parameter of that name."""
    try:
        return name in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def find_own(target: str, kind: str = "a factory of models") -> Any:
    """What `target` names: a factory or an instance of a module, or a callable of another `kind`.

    Modules in the current folder come first.

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
                blame(problem, target, f"{name} cannot be imported")
            fix = f"Change to the folder that contains {name.split('.')[0]}, or install it."
            raise UsageError(f"There is no module '{problem.name}'.", target, fix) from problem
        except (Exception, SystemExit) as problem:
            blame(problem, target, f"{name} cannot be imported")
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"The module {name} has no '{attribute}'.", target, _nearest(found, part))
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"'{attribute}' is not {kind}, but a {type(found).__name__}.", target, HOW)
    return found


def builder(
    target: str,
    factory: Any,
    layout: Layout,
    vocab_size: int,
    more: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    width: int = 0,
) -> Callable[[], nn.Module]:
    """A function that calls the factory with the keywords that it accepts, and returns the model.

    Args:
        more: further keywords on offer.
        arguments: keywords that the factory has to accept.
        width: columns of what the network is given; 0: of the layout.

    The function raises an `SlrError` if the factory fails or returns something else than a `torch.nn.Module`.

    Raises:
        UsageError: the factory requires another argument.
    """
    width = width or layout.width
    offered = {"layout": layout, "width": width, "vocab_size": vocab_size, **(more or {})}
    try:
        parameters: Collection[inspect.Parameter] = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    if not any(item.kind is item.VAR_KEYWORD for item in parameters):
        names = {item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}
        offered = {name: value for name, value in offered.items() if name in names}
        if unknown := [name for name in arguments or {} if name not in names]:
            what = f"The factory has no argument '{unknown[0]}'."
            raise UsageError(what, f"{target}, model.options.arguments", "Leave it out.")
    offered |= arguments or {}
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
                    _materialise(model, width)
        except (Exception, SystemExit) as problem:
            blame(problem, target, f"The factory, called with {', '.join(offered) or 'nothing'}, failed")
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


def blame(problem: BaseException, target: str, what: str) -> NoReturn:
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
