"""The settings that a sweep varies, with their values or ranges, as `--sweep` has them."""

import itertools
import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from slrcli.config import Config, check_bounds, merge, plain_settings, read_assignments, sections_of
from slrcli.config.values import RENAMED
from slrcli.errors import UsageError
from slrcli.models.trust import allow
from slrcli.training.data import valued
from slrcli.training.run import with_absolute_paths, with_every_option

FLAG = "--sweep"
LIKE = "Write it as optim.lr=1e-3,2e-3."
MOST_RUNS = 1000
LOG_FACTOR = 10  # between the ends of a positive range: from there on its logarithm is drawn
ROUNDING = 1e-9  # share by which a factor of two decimal fractions may fall short

# Why some settings are the same in all runs of a sweep.
CORPUS = "All runs of a sweep learn from one corpus and are compared on its dev split."
FIXED = {
    **dict.fromkeys(("data_dir", "format", "annotations", "features", "columns", "exclude"), CORPUS),
    **dict.fromkeys(("normaliser", "vocab", "dev_share"), CORPUS),
}
FIXED = {f"data.{name}": why for name, why in FIXED.items()} | {
    "run.output_dir": "Each run of a sweep has a folder of its own within --output-dir.",
    "run.seed": "Several seeds are given with --seeds.",
    "run.device": "The device changes nothing of what is compared.",
    "run.cache_mb": "The size of the cache changes nothing of what is compared.",
}
DECIDING = ("model.arch", "start.init", "data.layout", "data.fps")  # what the fitting of other settings depends on


@dataclass(frozen=True)
class Axis:
    """A setting that is varied.

    Attributes:
        name: dotted, such as `optim.lr`.
        values: those to try; none for a range.
        low, high: the ends of a range, both inclusive; both whole where the setting is.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float | int = 0
    high: float | int = 0

    @property
    def is_range(self) -> bool:
        """Whether values are drawn from between two ends."""
        return not self.values

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def log(self) -> bool:
        """Whether the logarithm is drawn."""
        return self.low > 0 and self.high / self.low >= LOG_FACTOR * (1 - ROUNDING)

    @property
    def given(self) -> tuple[Any, ...]:
        """The values, or the ends of a range."""
        return self.values or (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Axis":
        """The opposite of `to_dict`; KeyError or TypeError for values that are no axis."""
        low, high = values["low"], values["high"]
        if not all(isinstance(end, int | float) for end in (low, high)):
            raise TypeError("the ends of a range are no numbers")
        return cls(str(values["name"]), tuple(values["values"]), low, high)


# Reading.


def read_axes(texts: Iterable[str]) -> list[Axis]:
    """The axes that `NAME=VALUE,VALUE` and `NAME=LOW..HIGH` describe; values as TOML writes them, or bare words.

    Raises:
        UsageError: a text that is neither, an empty list, or a setting that is varied twice.
    """
    axes = []
    for text in texts:
        name, equals, listed = text.partition("=")
        if not equals or "." not in name.strip(". "):
            raise UsageError(f"'{text}' is no sweep of a setting.", FLAG, LIKE)
        cells = [cell.strip() for cell in cells_of(listed)]
        if cells == [""]:
            raise UsageError("The list of values is empty.", f"{FLAG} {text}", LIKE)
        if "" in cells:
            what = "A value is missing beside a comma."
            raise UsageError(what, f"{FLAG} {text}", 'Leave the comma out, or write an empty text as "".')
        axes.append(_axis(name.strip(), [read_range(cell) or read_value(cell) for cell in cells]))
    require_apart(axes)
    return axes


def axes_of(settings: Mapping[str, Any]) -> list[Axis]:
    """The axes that a program names: `{"optim.lr": [1e-3, 2e-3]}`, or a text as `read_axes` has it behind `=`.

    Raises:
        UsageError: like `read_axes`.
    """
    axes = []
    for name, values in settings.items():
        if isinstance(values, str):
            axes += read_axes([f"{name}={values}"])
            continue
        if not isinstance(values, Iterable) or isinstance(values, Mapping) or not (listed := [*values]):
            raise UsageError("A sweep needs a list of values, or a range.", name, LIKE)
        plain = [next(iter(plain_settings({name: value}).values())) for value in listed]
        axes.append(_axis(name, [list(value) if isinstance(value, tuple) else value for value in plain]))
    require_apart(axes)
    return axes


def cells_of(text: str) -> Iterator[str]:
    """The parts of a list between its commas; those within brackets, braces or quotes part nothing."""
    depth, quote, cell = 0, "", ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "[{") - (char in "]}")
        if char == "," and not quote and depth <= 0:
            yield cell
            cell = ""
        else:
            cell += char
    yield cell


def read_value(text: str) -> Any:
    """A value as TOML writes it, or a bare word."""
    return read_assignments([f"a.b={text}"])["a"]["b"]


@dataclass(frozen=True)
class Range:
    """Two numbers, and all between them."""

    low: float | int
    high: float | int


def read_range(text: str) -> Range | None:
    """The range that `LOW..HIGH` means; None for what is none, such as a path with two dots."""
    low, dots, high = text.partition("..")
    ends = [_number(low), _number(high)]
    return Range(*ends) if dots and None not in ends else None  # type: ignore[arg-type]  # as was just asked


def _number(text: str) -> float | int | None:
    try:
        found = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _axis(name: str, values: list[Any]) -> Axis:
    """The axis of some values, or of one range."""
    name = f"{name.rpartition('.')[0]}.{RENAMED[name]}" if name in RENAMED else name
    ranges = [value for value in values if isinstance(value, Range)]
    if not ranges:
        return Axis(name, tuple(values))
    (low, high), where = (ranges[0].low, ranges[0].high), f"{FLAG} {name}"
    if len(values) > 1:
        raise UsageError("A range stands alone, without other values.", where, "Give either a range or a list.")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"The range {low}..{high} does not ascend.", where, "Write the lower end first.")
    return Axis(name, (), low, high)


def require_apart(axes: Sequence[Axis]) -> None:
    """UsageError for a setting that is varied twice, itself or as a part of another, or that no sweep varies."""
    for axis in axes:
        if why := FIXED.get(axis.name):
            raise UsageError(f"A sweep cannot vary {axis.name}.", f"{FLAG} {axis.name}", f"Leave it out. {why}")
    for one, other in itertools.combinations(axes, 2):
        if f"{one.name}.".startswith(f"{other.name}.") or f"{other.name}.".startswith(f"{one.name}."):
            named = one.name if one.name == other.name else f"{one.name}, {other.name}"
            raise UsageError("Two sweeps vary one setting.", f"{FLAG} {named}", "Give all its values in one sweep.")


def allow_named(axes: Sequence[Axis]) -> None:
    """Allow the architectures of the user's own that are named as values: see `slrcli.models.trust`."""
    for axis in axes:
        for value in axis.values if axis.name == "model.arch" else ():
            allow(str(value))


def require_free(axes: Sequence[Axis], sections: Mapping[str, Any]) -> None:
    """UsageError for a setting that is varied and has been given one value for all runs, too."""
    for axis in axes:
        if valued(sections, axis.name) is not None:
            what = f"{axis.name} has one value for all runs, and others in a sweep."
            raise UsageError(what, f"{FLAG} {axis.name}", "Give only one of the two.")


# Checking.


def settled(axes: Sequence[Axis], resolved: Callable[[Mapping[str, Any]], Config], search: bool) -> list[Axis]:
    """The axes with their values as a run's settings have them, every combination checked.

    Args:
        axes: as they were read.
        resolved: gives the configuration with some settings put over it; nothing of the corpus is read.
        search: whether values are drawn, so that ranges have a meaning and combinations no number.

    Raises:
        UsageError: a setting that does not exist, a value that it does not allow, one that stands twice, a range that
            cannot be drawn from, or too many combinations.
    """
    for axis in axes:
        if axis.is_range and axis.name in DECIDING:
            what = f"{axis.name} cannot have a range: other settings are fitted to its values beforehand."
            raise UsageError(what, f"{FLAG} {axis.name}", "List its values.")
        if axis.is_range and not search:
            fix = f"Add --search N for N trials within it, or list values: {axis.name}={_examples(axis)}."
            what = f"Without a search, a range has no values to try: {axis.low}..{axis.high}."
            raise UsageError(what, f"{FLAG} {axis.name}", fix)
    if not search and (count := math.prod(len(axis.values) for axis in axes)) > MOST_RUNS:
        what = f"The sweep has {count:,} combinations, more than {MOST_RUNS:,}."
        raise UsageError(what, FLAG, "Give fewer values, or try some combinations with --search N.")
    first = {axis.name: axis.given[0] for axis in axes}
    found = [_settled_axis(axis, axes, first, resolved) for axis in axes]
    for values in combinations(found) if not search else ():
        settings_with(values, resolved(_deciding(values)))
    return found


def _settled_axis(
    axis: Axis, axes: Sequence[Axis], first: Mapping[str, Any], resolved: Callable[[Mapping[str, Any]], Config]
) -> Axis:
    """An axis with its values as they stand in a configuration; the others have their first ones meanwhile.

    The options of an architecture are read with each one that is tried.
    """
    archs = next((other.values for other in axes if other.name == "model.arch"), ())
    values = []
    for value in axis.given:
        tried = {**first, axis.name: value}
        if axis.name == "model.arch":
            tried = {name: item for name, item in tried.items() if not name.startswith("model.options.")}
        several = archs if axis.name.startswith("model.options.") else ()
        for one in [{**tried, "model.arch": arch} for arch in several] or [tried]:
            config = settings_with(one, resolved(_deciding(one)))
        values.append(valued(config.to_dict(), axis.name))
        if values[-1] is None:
            fix = "Leave it out; slr train --help and examples/settings.md name those that there are."
            raise UsageError(f"There is no setting '{axis.name}'.", FLAG, fix)
    counts = Counter(map(json.dumps, values))
    if twice := next((text for text, count in counts.items() if count > 1), None):
        raise UsageError(f"The value {twice} stands twice.", f"{FLAG} {axis.name}", "Give each value once.")
    if not axis.is_range:
        return replace(axis, values=tuple(values))
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        what = f"{axis.name} is no number, so it has no range."
        raise UsageError(what, f"{FLAG} {axis.name}", "List its values.")
    return replace(axis, low=values[0], high=values[1])


def _deciding(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that other settings follow from."""
    return {name: value for name, value in values.items() if name in DECIDING}


def settings_with(values: Mapping[str, Any], config: Config) -> Config:
    """A configuration with some settings put over it, as a run writes it down.

    Raises:
        UsageError: a setting or a value that does not exist, or is not allowed.
    """
    config = merge(config, sections_of(values), FLAG)
    check_bounds(config)
    return with_every_option(with_absolute_paths(config))


def _examples(axis: Axis) -> str:
    """Three values of a range, for a list."""
    between = math.sqrt(axis.low * axis.high) if axis.log else (axis.low + axis.high) / 2
    return f"{axis.low:g},{round(between) if axis.whole else between:.3g},{axis.high:g}"


def combinations(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination of the values of all axes; the last axis changes first."""
    names = [axis.name for axis in axes]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(axis.values for axis in axes))]


# Names.


def shown_names(axes: Sequence[Axis]) -> dict[str, str]:
    """Setting -> what it is called beside its values: its last part, the whole where two have the same."""
    last = Counter(axis.name.rpartition(".")[2] for axis in axes)
    return {axis.name: short if last[short := axis.name.rpartition(".")[2]] == 1 else axis.name for axis in axes}


def told_value(value: Any, digits: int = 17) -> str:
    """A value for people, with so many digits at most."""
    if isinstance(value, float):
        return next(text for n in range(1, digits + 1) if float(text := f"{value:.{n}g}") == value or n == digits)
    if isinstance(value, str):
        return Path(value).name if "/" in value else value
    return json.dumps(value)
