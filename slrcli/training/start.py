"""A run that starts from another recogniser's weights: fine-tuning.

Weights are carried over by meaning, not by place: rows of the classifier by gloss, columns of the first layers by the
name of the point (`Frontend.names`), everything else by the name of the parameter. Which axis of a parameter counts
classes or columns is found by building the network once more with one class, or one column, more.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.checkpoints.learnt import require_unlearnt
from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import find_checkpoint
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import CheckpointError, SlrError, UsageError, first_five
from slrcli.features.layout import Layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.base import SignModel
from slrcli.models.frontend import Frontend
from slrcli.models.registry import find_architecture, read_options

STATISTICS = ("frontend.mean", "frontend.std")
OF_FRONTEND = "frontend."
ANCHOR, KNOWN = "anchor.", "anchor_known."  # before the names of tensors in the training state
TABLE = "start.tsv"  # in the folder of the run: what was carried over


@dataclass(frozen=True)
class Source:
    """The recogniser that a run starts from."""

    path: Path
    model: SignModel
    meta: Meta

    @classmethod
    def open(cls, name: str) -> "Source":
        """Of a run or a checkpoint; CheckpointError where there is none, or it is damaged."""
        path = find_checkpoint(Path(name))
        if path.suffix == ".onnx":
            what = "An exported model cannot be trained."
            raise CheckpointError(what, str(path), "Name the run or the checkpoint that it was exported from.")
        return cls(path, *load_checkpoint(path))

    @cached_property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What a run that starts here takes over, by section: the network, the preparation of its clips and their
        augmentation, the normaliser, the frame-wise loss.
        """
        config = self.meta.config
        frames = config.loss.frames if self.meta.decode.sign_frames else 0.0
        return {
            "data": {
                "normaliser": self.meta.vocabulary.normaliser.partition("@")[0],
                "max_gap": config.data.max_gap,
                "assign_hands": config.data.assign_hands,
            },
            "model": asdict(config.model),
            "loss": {"frames": frames, "frames_from": 0.0},
            "augment": asdict(config.augment),
        }

    @property
    def ancestry(self) -> tuple[dict[str, Any], ...]:
        """Of what starts here; see `Meta.ancestry`."""
        own = {
            "checkpoint": self.path.name,
            "sha256": hashlib.sha256(self.path.read_bytes()).hexdigest(),
            "glosses": len(self.meta.vocabulary.glosses),
            "data_hash": self.meta.data_hash,
        }
        return (*self.meta.ancestry, own)

    def require_unlearnt(self, held_out: Iterable[str], console: Console) -> None:
        """DataError where it has learnt from utterances that a run holds out (marks, see `Utterance.mark`)."""
        what, fix = "utterances held out from this run", "Start from a recogniser that was trained without them."
        require_unlearnt(self.meta, held_out, what, str(self.path), fix, console, of="The recogniser to start from")

    def require_same_network(self, config: Config) -> None:
        """UsageError where another architecture is to be trained, or one with other options."""
        own, wanted = self.meta.config.model, config.model
        self.require_architecture(wanted.arch)
        options = [asdict(read_options(one.arch, one.options)) for one in (own, wanted)]
        if options[0] != options[1]:
            what = f"The weights are those of {own.arch} with options of its own, which cannot be changed."
            raise UsageError(what, f"--init {self.path}", "Leave out --lookahead and model.options.")

    def require_architecture(self, arch: str) -> None:
        """UsageError where another architecture is to be trained."""
        if arch != self.meta.config.model.arch:
            what = f"The weights are those of {self.meta.config.model.arch}, which cannot be changed."
            raise UsageError(what, f"--init {self.path}", "Leave out --arch.")


class Carried(NamedTuple):
    """What was carried over, by name.

    Attributes:
        glosses: gloss -> whether its weights were; without them they are drawn.
        dropped: glosses that the new recogniser does not know.
        columns: inputs of the network -> whether their weights were.
        anew: parameters that were drawn entirely.
        anchor: the weights.
    """

    glosses: dict[str, bool]
    dropped: list[str]
    columns: dict[str, bool]
    anew: list[str]
    anchor: "Anchor"

    @property
    def new_glosses(self) -> list[str]:
        """Those whose weights are drawn."""
        return [gloss for gloss, kept in self.glosses.items() if not kept]

    @property
    def new_columns(self) -> list[str]:
        """Those whose weights are drawn."""
        return [name for name, kept in self.columns.items() if not kept]

    def tell(self, path: Path, console: Console) -> None:
        """What was carried over, in one line; in further ones what was not."""
        kept = len(self.glosses) - len(self.new_glosses)
        console.note(
            f"Starting from {path}: {kept:,} of {len(self.glosses):,} glosses and "
            f"{len(self.columns) - len(self.new_columns):,} of {len(self.columns):,} inputs keep their weights."
        )
        if self.new_glosses:
            console.note(f"New glosses: {first_five(self.new_glosses)}")
            console.note("So that the old glosses are not forgotten, let train have some recordings of them as well.")
        if self.dropped:
            console.warn(f"The new recogniser will not know {len(self.dropped)} glosses: {first_five(self.dropped)}")
        if self.anew:
            console.note(f"Initialised at random: {first_five(self.anew)}")

    def table(self) -> str:
        """A line per gloss and per input: its name, and whether its weights were kept, drawn or dropped."""
        rows = [("gloss", gloss, "kept" if kept else "new") for gloss, kept in self.glosses.items()]
        rows += [("gloss", gloss, "dropped") for gloss in self.dropped]
        rows += [("input", name, "kept" if kept else "new") for name, kept in self.columns.items()]
        return "".join(f"{kind}\t{name}\t{state}\n" for kind, name, state in (("kind", "name", "weights"), *rows))


@torch.no_grad()
def carry_over(source: Source, model: SignModel, vocabulary: Vocabulary, partial: bool = False) -> Carried:
    """Give a new model of the same architecture the weights of `source`, as far as they fit.

    Args:
        source: where the weights come from.
        model: newly initialised; changed in place. Its frontend keeps the mean and deviation of new columns at 0 and 1.
        vocabulary: of the new model.
        partial: leave what does not fit as it was drawn.

    Raises:
        SlrError: without `partial`, weights of columns that the source does not have, or of another shape.
    """
    own, other = source.model.frontend, model.frontend
    _require_same_units(own, other, source.path)
    places = _Places(source.meta.config, other.layout, len(vocabulary))
    old, new = own.names(), other.names()
    tokens = {token: number for number, token in enumerate(source.meta.vocabulary.tokens)}
    classes = [tokens.get(token, -1) for token in vocabulary.tokens]
    weights, targets = source.model.state_dict(), model.state_dict()
    anchor = Anchor({}, {})
    anew, columns = [], dict.fromkeys((name for block in new.values() for name in block), True)
    for name, target in targets.items():
        if name.startswith(OF_FRONTEND) and name not in STATISTICS:
            continue  # which columns it looks at
        index: list[list[int] | None] = []
        for axis in range(target.ndim):
            blocks = tuple(new) if name in STATISTICS else places.blocks(name, axis)
            if places.counts_classes(name, axis):
                index.append(classes)
            elif blocks:
                found = {column: i for i, column in enumerate(c for block in blocks for c in old.get(block, ()))}
                wanted = [column for block in blocks for column in new[block]]
                columns.update({column: False for column in wanted if column not in found})
                index.append([found.get(column, -1) for column in wanted])
            else:
                index.append(None)
        known = _put(weights[name], target, index) if name in weights else None
        if known is None:
            anew.append(name)
        elif target.is_floating_point():
            anchor.weights[name], anchor.known[name] = target.cpu().clone(), known
    carried = Carried(
        {token: token in tokens for token in vocabulary.glosses},
        [token for token in source.meta.vocabulary.glosses if token not in vocabulary],
        columns,
        anew,
        anchor,
    )
    if not partial:
        _require_all(carried, source, other.layout)
    return carried


def _put(source: Tensor, target: Tensor, index: Sequence[Sequence[int] | None]) -> Tensor | None:
    """Copy `source` into `target`, along axes with an index from there (-1: nothing); where that was done, of the shape
    of `target`. None where the shapes do not allow it.
    """
    if source.ndim != target.ndim:
        return None
    known = torch.ones(target.shape, dtype=torch.bool)
    for axis, places in enumerate(index):
        if places is None:
            if source.shape[axis] != target.shape[axis]:
                return None
            continue
        if len(places) != target.shape[axis] or max(places, default=-1) < 0:
            return None
        wanted = torch.tensor(places)
        source = source.index_select(axis, wanted.clamp(min=0))
        known &= (wanted >= 0).view([-1 if i == axis else 1 for i in range(target.ndim)])
    target.copy_(torch.where(known, source, target.cpu()))
    return known


class Anchor(NamedTuple):
    """The weights that a run started from.

    Averaged with what it has learnt from few utterances they err less than either: what the few do not show is not
    forgotten (Wortsman et al. 2022, arXiv:2109.01903).

    Attributes:
        weights: by name.
        known: which of them were carried over; what was drawn is not kept to.
    """

    weights: dict[str, Tensor]
    known: dict[str, Tensor]

    @torch.no_grad()
    def blend(self, target: nn.Module, trained: nn.Module, share: float) -> None:
        """Let `target` be the average of these weights and those of `trained`, which count `share`."""
        now = trained.state_dict()
        for name, own in target.state_dict().items():
            value = now[name]
            if name in self.weights:
                mean = torch.lerp(self.weights[name].to(value.device), value, share)
                value = torch.where(self.known[name].to(value.device), mean, value)
            own.copy_(value)

    def state(self) -> dict[str, Tensor]:
        """Tensors for the training state."""
        names = {f"{ANCHOR}{name}": tensor for name, tensor in self.weights.items()}
        return {**names, **{f"{KNOWN}{name}": tensor for name, tensor in self.known.items()}}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor]) -> "Anchor | None":
        """What `state` gave; None where a run started from nothing."""
        weights, known = (
            {name.removeprefix(prefix): item for name, item in tensors.items() if name.startswith(prefix)}
            for prefix in (ANCHOR, KNOWN)
        )
        return cls(weights, known) if weights else None


class _Places:
    """Which axes of a network's parameters count classes or columns of its input."""

    def __init__(self, config: Config, layout: Layout, classes: int):
        self._config, self._layout, self._classes = config, layout, classes
        self._plain = self._shapes()
        self._more_classes = self._shapes(classes=1)
        blocks = Frontend(layout, read_options(config.model.arch, config.model.options).frontend).groups
        self._wider = {block: self._shapes(block) for block in blocks}

    def counts_classes(self, name: str, axis: int) -> bool:
        """Whether an axis of a parameter has a place per class."""
        return self._grows(self._more_classes, name, axis)

    def blocks(self, name: str, axis: int) -> tuple[str, ...]:
        """The blocks of the frontend's columns that an axis has places for, in their order; usually none."""
        return tuple(block for block, shapes in self._wider.items() if self._grows(shapes, name, axis))

    def _grows(self, shapes: dict[str, tuple[int, ...]], name: str, axis: int) -> bool:
        return shapes[name][axis] == self._plain[name][axis] + 1

    def _shapes(self, wider: str = "", classes: int = 0) -> dict[str, tuple[int, ...]]:
        """Shapes of all parameters of the network with a column more in one block, or more classes."""
        arch = self._config.model.arch
        options = read_options(arch, self._config.model.options)
        with torch.device("meta"):
            frontend = Frontend(self._layout, options.frontend)
            if wider:
                frontend.groups[wider] += 1
                frontend.width += 1
            model = find_architecture(arch).model(frontend, self._classes + classes, 0.0, options)
        return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _require_same_units(own: Frontend, other: Frontend, path: Path) -> None:
    """SlrError where positions that are not normalised have other units."""
    if own.origin is None and own.layout.spatial and own.layout.units != other.layout.units:
        what = f"Positions in {other.layout.units} units cannot replace those in {own.layout.units} units."
        raise SlrError(what, f"--init {path}", f"Convert the features: slr convert --layout {own.layout.name}.")


def _require_all(carried: Carried, source: Source, layout: Layout) -> None:
    """SlrError for what would have to be drawn although nobody said so."""
    fix = "Add --init-partial to initialise their weights at random."
    if new := carried.new_columns:
        of = f"{len(new):,} of {len(carried.columns):,} inputs of layout {layout.name}"
        what = f"The weights belong to layout {source.meta.layout.name}, which lacks {of}: {first_five(new)}."
        raise SlrError(what, f"--init {source.path}", fix)
    if carried.anew:
        what = f"{len(carried.anew)} parameters have another shape: {first_five(carried.anew)}."
        raise SlrError(what, f"--init {source.path}", fix)


class Past(NamedTuple):
    """What a model has learnt from before its run begins, or goes on.

    Attributes:
        utterances, sentences, ancestry: see `Meta`.
        kept: for each input of the network, whether its mean and deviation stay; empty: all are measured.
        table: what was carried over (`Carried.table`).
        anchor: the weights started from.
    """

    utterances: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    ancestry: tuple[dict[str, Any], ...] = ()
    kept: tuple[bool, ...] = ()
    table: str = ""
    anchor: Anchor | None = None

    @classmethod
    def of(cls, meta: Meta) -> "Past":
        """Of the model that a checkpoint holds."""
        return cls(meta.utterances, meta.sentences, meta.ancestry)

    def with_own(self, utterances: Sequence[str], sentences: Sequence[str]) -> "Past":
        """The same with what the run itself learns from before it."""
        return self._replace(
            utterances=tuple(dict.fromkeys((*utterances, *self.utterances))),
            sentences=tuple(dict.fromkeys((*sentences, *self.sentences))),
        )


NOTHING = Past()


def start_from(
    source: Source, model: SignModel, vocabulary: Vocabulary, held_out: Iterable[str], config: Config, console: Console
) -> Past:
    """Give a new model the weights of `source`, and say what was carried over; what it has learnt from.

    Args:
        held_out: marks of the utterances that the run does not learn from.

    Raises:
        SlrError: as `carry_over` says.
        UsageError: the network is another one.
        DataError: the source has learnt from utterances that are held out.
    """
    source.require_same_network(config)
    source.require_unlearnt(held_out, console)
    carried = carry_over(source, model, vocabulary, config.start.partial)
    carried.tell(source.path, console)
    kept = tuple(carried.columns.values()) if config.start.statistics == "kept" else ()
    past = Past.of(source.meta)
    return past._replace(ancestry=source.ancestry, kept=kept, table=carried.table(), anchor=carried.anchor)
