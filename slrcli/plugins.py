"""What other packages add: architectures, losses, readers, normalisers, augmentations and trackers, as entry points.

A package says in its `pyproject.toml` what it brings, and it is there wherever the package is installed:

    [project.entry-points."slrcli.normalisers"]
    lower = "mypackage.glosses:LOWER"

The value is an object of that package; `examples/plugin` is one with all of these kinds.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from slrcli.errors import SlrError, reason_of

ARCHITECTURES = "slrcli.architectures"  # a factory of networks; see `slrcli.models.own`
READERS = "slrcli.readers"  # a `Reader` of feature files
NORMALISERS = "slrcli.normalisers"  # a `Normaliser` of glosses
LOSSES = "slrcli.losses"  # a loss per utterance; see `slrcli.training.loss.own`
TRACKERS = "slrcli.trackers"  # told of a run; see `slrcli.training.watch.trackers`
AUGMENTATIONS = "slrcli.augmentations"  # `function(x [T, D], layout, rng) -> x [T, D]`


@cache
def plugin(group: str, name: str) -> Any | None:
    """What is registered under that name; None where nothing is.

    Raises:
        SlrError: it cannot be imported.
    """
    return next((_loaded(entry) for entry in entry_points(group=group, name=name)), None)


@cache
def plugins(group: str) -> dict[str, Any]:
    """All that is registered, by name; what cannot be imported is its error."""
    found: dict[str, Any] = {}
    for entry in entry_points(group=group):
        try:
            found.setdefault(entry.name, _loaded(entry))
        except SlrError as error:
            found.setdefault(entry.name, error)
    return found


def _loaded(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as problem:
        package = entry.dist.name if entry.dist else entry.value
        what = f"The package {package} cannot be imported: {type(problem).__name__}: {reason_of(problem)}."
        raise SlrError(
            what, f"{entry.group}, {entry.name} = {entry.value}", "Repair the package, or uninstall it."
        ) from problem
