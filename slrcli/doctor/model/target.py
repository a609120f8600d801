"""`slr check model`: an architecture, a checkpoint or a model of the user's own."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from slrcli.checkpoints import runs
from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.config import DEFAULT_ARCH, SIZE_BUDGET_MB, resolve
from slrcli.console import Console
from slrcli.doctor.model.checks import MODEL_CHECKS
from slrcli.doctor.model.probe import ModelContext
from slrcli.errors import UsageError
from slrcli.features.layout import Layout, load_layout
from slrcli.models.own import builder, find_own
from slrcli.models.registry import ARCHITECTURES, build_model
from slrcli.models.trust import is_own

# An architecture that is examined without data: the landmarks of MediaPipe Holistic, and a hundred glosses.
LAYOUT = "mediapipe-1629"
VOCAB_SIZE = 101


@dataclass(frozen=True)
class ModelTarget:
    """A model to be examined.

    Attributes:
        name: an architecture, a checkpoint (or the folder of a run), or `package.module:factory`; None: the newest
            run, else the default architecture.
        vocab_size: classes of an architecture or a model of the user's own, the blank included.
        layout: their features: a name or a TOML file.
        seed: of the weights, the synthetic clips and all else that is random.
        budget: megabytes that the weights may take.
    """

    name: str | None = None
    vocab_size: int | None = None
    layout: str | None = None
    seed: int = 1
    budget: float = SIZE_BUDGET_MB
    checks = MODEL_CHECKS

    def open(self, console: Console) -> tuple[str, ModelContext]:
        """Build or load it.

        Raises:
            UsageError: no such architecture, file or module, or options that a checkpoint has settled already.
            SlrError: a module or factory of the user's own fails.
        """
        settled = self.vocab_size is not None or self.layout is not None
        if self.name is not None and is_own(self.name):
            return self._of_own_model(self.name)
        checkpoint = find_checkpoint(self.name) if self.name or not settled else None
        if checkpoint is not None and settled:
            fix = "Leave these options out, or name an architecture."
            raise UsageError("A checkpoint brings its own vocabulary and layout.", "--vocab-size, --layout", fix)
        if checkpoint is not None:
            subject, context = self._of_checkpoint(checkpoint)
        else:
            subject, context = self._of_architecture(self.name or DEFAULT_ARCH)
        if self.name is None:
            subject += ", the newest run" if checkpoint else ", the default architecture"
        return subject, context

    def _of_checkpoint(self, path: Path) -> tuple[str, ModelContext]:
        model, meta = load_checkpoint(path)
        layout, chosen = meta.layout, meta.config.model

        def build() -> nn.Module:
            return build_model(chosen.arch, layout, model.vocab_size, dropout=chosen.dropout, options=chosen.options)

        context = ModelContext(
            model, layout.width, model.vocab_size, layout, self.seed, self.budget, trained=True, build=build
        )
        return f"Checkpoint {runs.shown(path)} ({layout.name}, {model.vocab_size:,} classes)", context

    def _of_architecture(self, arch: str) -> tuple[str, ModelContext]:
        """A fresh model as `slr train --arch` makes it."""
        settings = resolve({"model": {"arch": arch}}).model
        layout, classes = self._shape()

        def build() -> nn.Module:
            return build_model(arch, layout, classes, dropout=settings.dropout, options=settings.options)

        context = self._fresh(build, trained=False)
        return f"Architecture {arch} ({layout.name}, {classes:,} classes), untrained", context

    def _of_own_model(self, target: str) -> tuple[str, ModelContext]:
        """What the user's own factory makes."""
        layout, classes = self._shape()
        factory = find_own(target)
        if isinstance(factory, nn.Module):  # ready-made, there is only this one
            context = ModelContext(factory, layout.width, classes, layout, self.seed, self.budget)
        else:
            context = self._fresh(builder(target, factory, layout, classes))
        return f"Model {target} ({layout.name}, {classes:,} classes)", context

    def _shape(self) -> tuple[Layout, int]:
        return load_layout(self.layout or LAYOUT), self.vocab_size or VOCAB_SIZE

    def _fresh(self, build: Callable[[], nn.Module], trained: bool | None = None) -> ModelContext:
        layout, classes = self._shape()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = build()
        return ModelContext(model, layout.width, classes, layout, self.seed, self.budget, trained, build)


def find_checkpoint(target: str | None) -> Path | None:
    """The checkpoint that `target` means, the newest run's for None; None if it means an architecture."""
    if target is None:
        return runs.newest_checkpoint()
    if target in ARCHITECTURES:
        return None
    if Path(target).exists():
        return runs.find_checkpoint(Path(target))
    close = difflib.get_close_matches(target, list(ARCHITECTURES), 1)
    raise UsageError(
        f"There is neither an architecture nor a checkpoint '{target}'.",
        "slr check model",
        f"Did you mean '{close[0]}'?"
        if close
        else f"Architectures: {', '.join(ARCHITECTURES)}. A model of your own is named as package.module:factory.",
    )
