"""How much of time every layer of a network still holds, from its input to its output: so that a loss has a place.

Hooks see what enters and what leaves each module. Which axis of a tensor counts frames nobody says; it is the one whose
size changes when the clips become longer, and the batch's is the one that changes when there are more of them.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from slrcli.models.layers import BiLSTM

CHANGED = 4  # frames that are changed, in the middle of the clips
NEAR, FAR = 8, 64  # frames from the change: as near as this, and farther away than this
# Clips and frames of the two batches whose shapes are compared. Their ratios (5 to 3, 3 to 2) tell the axes apart.
CLIPS, FRAMES = 5, 192
OTHER_CLIPS, OTHER_FRAMES = 3, 128
MOST_STEPS = 2 * FRAMES  # what holds one number for each of more steps is flattened: moments do not lie side by side
# Modules that see a whole clip at once.
ACROSS_TIME = (BiLSTM, nn.RNNBase, nn.TransformerEncoder, nn.TransformerEncoderLayer)
CHANNELS = 64  # of a layer that are looked at, spread evenly over all it has
RANKED = 2  # clips whose effective rank is measured


class Layer(NamedTuple):
    """What was seen at one door of a module.

    Attributes:
        name: path of the module, empty for the whole network.
        kind: its class.
        leaving: whether this is what left the module; otherwise, what entered it.
        shape: of the tensor.
        steps: size of its axis of time; 0 if it has none.
        variation: variance over time divided by variance over clips.
        rank: effective rank over time: how many directions the steps of a clip fill; 0 where all steps are alike.
        near: mean change near a local change of the input.
        far: the same far from it.
    """

    name: str
    kind: str
    leaving: bool
    shape: tuple[int, ...]
    steps: int = 0
    variation: float = 0.0
    rank: float = 0.0
    near: float = 0.0
    far: float = 0.0

    @property
    def contrast(self) -> float:
        """Near against far; infinite where nothing far away changes."""
        if self.near == 0:
            return 0.0
        return self.near / self.far if self.far else math.inf

    @property
    def label(self) -> str:
        """Path and class, for people."""
        return f"{self.name} ({self.kind})" if self.name else f"the output ({self.kind})"

    def keeps(self, least_variation: float, least_contrast: float) -> bool:
        """Whether its steps tell the moments of a clip apart."""
        return self.steps > 0 and self.variation >= least_variation and self.contrast >= least_contrast

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {"layer": self.name, "kind": self.kind, "shape": list(self.shape), "steps": self.steps,
                "variation": self.variation, "rank": self.rank, "near": self.near, "far": self.far,
                "contrast": self.contrast}  # fmt: skip


def last_local(model: nn.Module, layers: Sequence[Layer], classes: int) -> Layer | None:
    """What enters the module that first sees the whole clip, the last layer whose frames are local; None: not found.

    Behind it every frame may depend on every other: an LSTM makes variance even out of constant input. The module is
    the model's `recurrence`; without one, the first called among `ACROSS_TIME`; without any, the linear layer or
    convolution called last among those with as many outputs as there are `classes`.
    """
    parts = dict(model.named_modules())
    entering = [(parts[layer.name], layer) for layer in layers if not layer.leaving]
    named = getattr(model, "recurrence", None)
    across = [layer for part, layer in entering if part is named] if named is not None else []
    across += [layer for part, layer in entering if isinstance(part, ACROSS_TIME)]
    if across:
        return across[0]
    sizes = ("out_features", "out_channels")
    return next(
        (layer for part, layer in entering[::-1] if classes in [getattr(part, size, 0) for size in sizes]), None
    )


class Loss(NamedTuple):
    """Where time is lost: the last that still holds it (None: nothing does) and the first that does not."""

    last: Layer | None
    first: Layer

    @property
    def where(self) -> str:
        """The module that loses time, or the two between which it is lost."""
        if self.first.leaving:
            return self.first.label
        before = self.last.label if self.last is not None and self.last.name else "the input"
        return f"between {before} and {self.first.label}"


def find_loss(layers: Sequence[Layer], least_variation: float, least_contrast: float) -> Loss | None:
    """Where time is lost on the way to the last of these layers; None if that one keeps it.

    A gate or a branch may look at the whole clip without harm. So what counts is the first that holds no time behind
    the last that does.
    """
    kept = [layer.keeps(least_variation, least_contrast) for layer in layers]
    if not kept or kept[-1]:
        return None
    number = max((i for i, keeps in enumerate(kept) if keeps), default=-1)
    return Loss(layers[number] if number >= 0 else None, layers[number + 1])


class _Door(NamedTuple):
    """One tensor passing one door: module, direction, and how often it was passed before."""

    name: str
    leaving: bool
    time: int


class _Axes(NamedTuple):
    """Which axes of a tensor count clips and frames; -1 where there are none."""

    clips: int
    frames: int
    together: bool = False  # one axis counts both, clip by clip


def measure_layers(network: nn.Module, batch: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> list[Layer]:
    """All layers whose batch can be recognised, in the order in which data pass their doors.

    Args:
        network: in evaluation.
        batch: `CLIPS` clips of `FRAMES` frames, with their lengths.
        other: `OTHER_CLIPS` of `OTHER_FRAMES`.
    """
    shapes: dict[_Door, tuple[int, ...]] = {}
    for door, _, values in _passing(network, other):
        shapes[door] = tuple(values.shape)
    before, kinds, axes, sizes = {}, {}, {}, {}

    def kept(door: _Door, values: Tensor) -> Tensor | None:
        axes[door] = found = find_axes(tuple(values.shape), shapes[door]) if door in shapes else None
        return _steps(values, found) if found else None

    for door, kind, values in _passing(network, batch):
        before[door], kinds[door], sizes[door] = kept(door, values), kind, tuple(values.shape)
    x, lengths = batch
    changes = {}
    for door, _, values in _passing(network, (changed_in_the_middle(x), lengths)):
        was = before.get(door)
        if was is not None and (now := kept(door, values)) is not None:
            changes[door] = (now - was).abs().mean(dim=(0, 2))
    # A module that is called once a frame sees no time at all, and that is no fault of its own.
    calls, others = (Counter((door.name, door.leaving) for door in doors) for doors in (before, shapes))
    layers = []
    for door, steps in before.items():
        if axes[door] is None or calls[door.name, door.leaving] != others[door.name, door.leaving]:
            continue
        layer = Layer(door.name, kinds[door], door.leaving, sizes[door])
        layers.append(_measured(layer, steps, changes[door]) if steps is not None and door in changes else layer)
    return layers


def _measured(layer: Layer, values: Tensor, change: Tensor) -> Layer:
    over_time, over_clips = variances(values)
    near, far = responses(change, FRAMES)
    return layer._replace(
        steps=values.shape[1],
        variation=over_time / max(over_clips, 1e-30),
        rank=sum(effective_rank(clip) for clip in values[:RANKED]) / RANKED,
        near=near,
        far=far,
    )


def _passing(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Iterator[tuple[_Door, str, Tensor]]:
    """Every tensor of numbers that enters or leaves a module, in order; a copy, for layers that work in place."""
    seen: list[tuple[_Door, str, Tensor]] = []
    counts: Counter = Counter()

    def look(name: str, module: nn.Module, leaving: bool, value: Any) -> None:
        values = _first_tensor(value)
        if values is not None:
            door = _Door(name, leaving, counts[name, leaving])
            seen.append((door, type(module).__name__, values.detach().clone()))
        counts[name, leaving] += 1

    def hooks(name: str):
        def enters(module: nn.Module, inputs: tuple, keywords: dict) -> None:
            look(name, module, False, (*inputs, *keywords.values()))

        def leaves(module: nn.Module, inputs: tuple, output: Any) -> None:
            look(name, module, True, output)

        return enters, leaves

    with ExitStack() as stack, torch.no_grad():
        for name, module in network.named_modules():
            enters, leaves = hooks(name)
            stack.callback(module.register_forward_pre_hook(enters, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(leaves).remove)
        network(*batch)
    return iter(seen)


def _first_tensor(value: Any) -> Tensor | None:
    """The first tensor of real numbers with at least two axes in what a module got or gave."""
    if isinstance(value, PackedSequence):
        return pad_packed_sequence(value, batch_first=True)[0]
    if isinstance(value, Tensor):
        return value if value.is_floating_point() and value.dim() >= 2 else None
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return next((found for found in map(_first_tensor, value) if found is not None), None)
    return None


def find_axes(shape: tuple[int, ...], other: tuple[int, ...]) -> _Axes | None:
    """The axes of clips and frames of a tensor, from its shapes in two batches; None if no axis counts clips."""
    if len(shape) != len(other):
        return None
    pairs = list(zip(shape, other, strict=True))
    clips = next((i for i, pair in enumerate(pairs) if pair == (CLIPS, OTHER_CLIPS)), -1)
    if clips < 0:  # clips times something else, such as groups of points
        clips = next((i for i, (a, b) in enumerate(pairs) if a != b and a * OTHER_CLIPS == b * CLIPS), -1)
    if clips >= 0:
        return _Axes(clips, next((i for i, (a, b) in enumerate(pairs) if a != b and i != clips), -1))
    a, b = pairs[0]
    if a != b and a % CLIPS == 0 and b % OTHER_CLIPS == 0:
        return _Axes(0, 0, together=True)
    return None


def _steps(values: Tensor, axes: _Axes) -> Tensor | None:
    """`[B, T', C]` of a tensor, with `CHANNELS` channels at most; None if it has no axis of time of its own."""
    if axes.frames < 0:
        return None
    steps = values.shape[axes.frames]
    if not axes.together and MOST_STEPS < steps == values.numel() // values.shape[axes.clips]:  # flattened
        return None
    if axes.together:
        values = values.reshape(CLIPS, -1, *values.shape[1:])
    else:
        values = values.movedim((axes.clips, axes.frames), (0, 1))
    values = values.reshape(*values.shape[:2], -1)
    chosen = torch.linspace(0, values.shape[2] - 1, min(CHANNELS, values.shape[2])).round().long()
    return values[:, :, chosen].float().nan_to_num()


def changed_in_the_middle(x: Tensor) -> Tensor:
    """A copy of `x [B, T, D]` in which a few frames in the middle are those of the next clip."""
    start = x.shape[1] // 2 - CHANGED // 2
    x = x.clone()
    x[:, start : start + CHANGED] = x[:, start : start + CHANGED].roll(1, dims=0)
    return x


def variances(values: Tensor) -> tuple[float, float]:
    """Of `[B, T', C]`: the variance over time within clips, and that of the clips' means; means over the channels."""
    values = values.double()
    return values.var(dim=1, correction=0).mean().item(), values.mean(dim=1).var(dim=0, correction=0).mean().item()


def responses(change: Tensor, frames: int) -> tuple[float, float]:
    """Mean of `change [T']`, at the layer's own frame rate, near the middle and far from it, in frames of the input."""
    steps = len(change)
    stride = frames / steps
    away = ((torch.arange(steps) + 0.5) * stride - frames / 2).abs()
    near, far = away <= max(NEAR, 0.51 * stride), away > FAR  # at least one step is near
    if not far.any():  # so few steps are left that none of them is far away
        far = away == away.max()
    return change[near].mean().item(), change[far].mean().item()


def effective_rank(steps: Tensor) -> float:
    """exp of the entropy of the singular values of `[T', C]` without its mean over time (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals((steps - steps.mean(dim=0)).double())
    if values[0] <= 1e-6 * steps.abs().max().clamp(min=1e-30):  # rounding, not movement
        return 0.0
    share = values / values.sum()
    return torch.special.entr(share).sum().exp().item()
