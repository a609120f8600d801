"""Trackers of other packages, which are told of a run: what it was told, each epoch, and how it ended.

A package registers a callable under `slrcli.trackers`. It is called as `tracker(settings, manifest)` before the first
step and returns an object with two methods, `epoch(metrics)` and `end(result)`. All arguments are plain values, which
belong to the tracker. Only those are called that the run names (`--tracker NAME`).

What a tracker raises never ends a training: it is named in a warning, and not called again.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch

from slrcli.console import Console
from slrcli.errors import SlrError, UsageError, reason_of
from slrcli.plugins import TRACKERS, plugin, plugins


class Trackers:
    """The trackers of a run.

    Args:
        names: of their entry points.
        console: gets the warnings.
    """

    def __init__(self, names: Sequence[str], console: Console):
        self._names, self._console = names, console
        self._told: dict[str, Any] = {}

    def start(self, settings: dict[str, Any], manifest: dict[str, Any]) -> None:
        """Before the first step: all settings by section, and what is trained on what."""
        for name in self._names:
            try:
                made = find_tracker(name)
            except SlrError as error:
                self._console.warn(f"The run goes on without the tracker {name}: {error.what}")
                continue
            if (tracker := self._called(name, made, settings, manifest)) is not None:
                self._told[name] = tracker

    def epoch(self, metrics: dict[str, Any]) -> None:
        """After an epoch: its numbers, as `metrics.jsonl` has them."""
        self._each("epoch", metrics)

    def end(self, result: dict[str, Any]) -> None:
        """At the end, however the run ended."""
        self._each("end", result)

    def _each(self, method: str, values: dict[str, Any]) -> None:
        for name, tracker in list(self._told.items()):
            self._called(name, lambda *given, tracker=tracker: getattr(tracker, method)(*given), values)

    def _called(self, name: str, call: Callable[..., Any], *values: dict[str, Any]) -> Any:
        """What a tracker gives; whatever it raises, prints or draws at random changes nothing in the run."""
        try:
            with redirect_stdout(sys.stderr), torch.random.fork_rng(devices=[]):
                return call(*copy.deepcopy(values))
        except (Exception, SystemExit) as error:
            self._told.pop(name, None)
            self._console.warn(
                f"The tracker {name} failed and is not called again; the run goes on. "
                f"{type(error).__name__}: {reason_of(error)}."
            )
            return None


@contextmanager
def tracked(
    names: Sequence[str], console: Console, settings: dict[str, Any], manifest: dict[str, Any]
) -> Iterator[Trackers]:
    """The trackers of a run from its beginning; one that fails in the block ends for them, too."""
    trackers = Trackers(names, console)
    trackers.start(settings, manifest)
    try:
        yield trackers
    except BaseException as error:
        trackers.end({"stopped": "failed", "error": reason_of(error)})
        raise


def find_tracker(name: str) -> Callable[..., Any]:
    """A tracker by name.

    Raises:
        UsageError: none is registered under that name, or it cannot be called.
        SlrError: its package cannot be imported.
    """
    found = plugin(TRACKERS, name)
    if found is None:
        known = ", ".join(sorted(plugins(TRACKERS)))
        fix = f"Known: {known}." if known else "Install the package that registers it, or leave it out."
        raise UsageError(f"No package registers a tracker '{name}'.", "--tracker", fix)
    if not callable(found):
        what = f"The tracker '{name}' is a {type(found).__name__}, which cannot be called."
        raise UsageError(what, "--tracker", "Let it be a function or a class that takes settings and manifest.")
    return found
