"""What checks of a model examine: synthetic clips, copies to experiment on, and what passes every layer."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from slrcli.config import FRAMES_PER_SECOND, SIZE_BUDGET_MB
from slrcli.doctor.context import Context
from slrcli.doctor.model import layers
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import AXES
from slrcli.models.base import Output
from slrcli.models.frontend import Frontend
from slrcli.models.own import own_code

BATCH = (61, 17, 40)  # frames of the clips of an ordinary batch: an odd number, all different
FITTED = (64,) * 8  # of those that statistics are taken from
# Spread of points over the picture and of their movement, by the units of a layout.
EXTENT = {"image": 0.15, "pixels": 80.0, "metres": 0.4, "none": 1.0}
CENTRE = {"image": 0.5, "pixels": 320.0, "metres": 0.0, "none": 0.0}


@dataclass
class ModelContext(Context):
    """A model and what is known about it.

    Attributes:
        model: a module with the forward pass of a `SignModel`; a plain tuple as its output will do.
        width: D, columns of the features.
        vocab_size: V, classes that should come out, the blank included.
        layout: the meaning of the columns; None: unknown.
        seed: of the clips and of all that is random in the model.
        budget: megabytes that the weights may take.
        trained: whether the weights have seen data; None: nobody knows.
        build: makes the same model with fresh weights; None: nobody can.
        measured: what checks have to say beyond their findings, by name, in a plain form or with one.
    """

    model: nn.Module
    width: int
    vocab_size: int
    layout: Layout | None = None
    seed: int = 1
    budget: float = SIZE_BUDGET_MB
    trained: bool | None = None
    build: Callable[[], nn.Module] | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    def isolated(self) -> AbstractContextManager:
        """The same random numbers for every check, whichever run before it; the caller's stay as they were.

        Transformers take no short cut meanwhile: in evaluation, torch's passes ragged tensors that no hook can read
        and products that no counter sees, and does not know autocast.
        """
        stack = ExitStack()
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        stack.enter_context(own_code())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(self.seed)
        return stack

    def clips(self, frames: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch of made-up clips of these lengths: float32 `[B, T, D]`, 0 in the padding, and int64 `[B]`.

        What a clip holds depends on the seed and on its place in the batch, so that a longer one begins like a shorter.
        """
        x = torch.zeros(len(frames), max(frames), self.width)
        for row, count in enumerate(frames):
            x[row, :count] = made_up_clip(count, self.width, self.layout, [self.seed, row])
        return x, torch.tensor(frames)

    def network(self, double: bool = False, training: bool = False) -> nn.Module:
        """A copy to experiment on: in evaluation unless `training`, in float64 if `double`.

        Made-up clips are no real signing, and batch normalisation that has never seen a batch lets signals shrink from
        layer to layer. So that the layers see numbers of the size that they were made for, the statistics by which the
        copy standardises are those of the clips, as are those of batch normalisation where it has none yet.
        """
        network = copy.deepcopy(self._fitted)
        network.train(training)
        return network.double() if double else network

    @cached_property
    def _fitted(self) -> nn.Module:
        network = copy.deepcopy(self.model).cpu().float().eval()
        x, lengths = self.clips(FITTED)
        for part in network.modules():
            if isinstance(part, Frontend) and part.options.standardise:
                fit_statistics(part, x, lengths)
        settle_batch_norms(network, x, lengths)
        return network

    @cached_property
    def ordinary(self) -> Output:
        """What comes out for a batch of lengths `BATCH`, in evaluation."""
        with torch.no_grad():
            return forward(self.network(), *self.clips(BATCH))

    @cached_property
    def layers(self) -> list[layers.Layer]:
        """What passes the doors of every module, in order; the outputs among them are kept for the reader."""
        batch, other = (
            self.clips([frames] * clips)
            for clips, frames in ((layers.CLIPS, layers.FRAMES), (layers.OTHER_CLIPS, layers.OTHER_FRAMES))
        )
        found = layers.measure_layers(self.network(), batch, other)
        self.measured["profile"] = [layer for layer in found if layer.leaving and layer.steps]
        return found


def forward(network: nn.Module, x: Tensor, lengths: Tensor) -> Output:
    """The output of a model; TypeError if it is no `(log_probs, lengths, ...)` of tensors."""
    out = network(x, lengths)
    if not isinstance(out, tuple) or len(out) < 2 or not all(isinstance(part, Tensor) for part in out[:2]):
        raise TypeError(f"the model gave {describe(out)}; (log_probs, lengths) was expected")
    return Output(out[0], out[1], tuple(out[2]) if len(out) > 2 else ())


def frames_of(log_probs: Tensor, lengths: Tensor) -> list[Tensor]:
    """The valid frames of each clip, `[T'_i, V]`."""
    return [clip[:count] for clip, count in zip(log_probs, lengths.tolist(), strict=True)]


def describe(value: Any) -> str:
    """What a model gave, in a few words."""
    if isinstance(value, Tensor):
        return f"one tensor of shape {list(value.shape)}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def made_up_clip(frames: int, width: int, layout: Layout | None, seed: list[int]) -> Tensor:
    """Something that moves like a signer, float32 `[frames, width]`: every column wanders smoothly about its place."""
    rng = np.random.default_rng(seed)
    columns = layout.positions if layout else width
    time = np.arange(frames)[:, None] / FRAMES_PER_SECOND
    x = np.zeros((frames, columns))
    for slowest in (0.3, 1.0, 3.0):  # Hz
        rate = rng.uniform(slowest, 3 * slowest, columns)
        phase = rng.uniform(0, 2 * np.pi, columns)
        x += np.sin(2 * np.pi * rate * time + phase) * rng.normal(size=columns)
    if layout and layout.spatial:
        x = _placed(x, layout, rng)
    else:
        x += rng.normal(size=columns)
    if columns < width:  # stored derivatives, each of the one before
        x = np.concatenate(_derived(x, width // columns - 1), axis=1)
    return torch.from_numpy(x.astype(np.float32))


def _placed(x: np.ndarray, layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Movement `[T, positions]` about places in the picture, the shoulders well apart."""
    extent, centre = EXTENT[layout.units], CENTRE[layout.units]
    bodies = np.random.default_rng(0)  # the same kind of body for all clips
    x = centre + extent * (bodies.normal(size=x.shape[1]) + 0.2 * rng.normal(size=x.shape[1]) + 0.3 * x)
    for side, name in zip((-1, 1), layout.shoulders, strict=False):
        group, point = layout.find(name)
        for axis in group.axes:
            column = group.column(point, axis)
            sway = 0.02 * (x[:, column] - centre)
            x[:, column] = centre + sway + (side * extent if axis == AXES[0] else 0)
    for group in layout.groups:
        for point in group.points:
            for name in set(group.coordinates) - set(group.axes):
                x[:, group.column(point, name)] = 0.9
    return x


def _derived(x: np.ndarray, count: int) -> list[np.ndarray]:
    parts = [x]
    for _ in range(count):
        parts.append(np.diff(parts[-1], axis=0, prepend=parts[-1][:1]))
    return parts


def fit_statistics(frontend: Frontend, x: Tensor, lengths: Tensor) -> None:
    """Lets a frontend standardise by the statistics of these clips."""
    with torch.no_grad():
        values, known = frontend.raw(x, lengths)
    count = known.sum((0, 1)).clamp(min=1)
    mean = values.nan_to_num().double().sum((0, 1)) / count
    spread = torch.where(known, values.double() - mean, 0.0).square().sum((0, 1)) / count
    frontend.set_statistics(mean, spread.sqrt())


def settle_batch_norms(network: nn.Module, x: Tensor, lengths: Tensor) -> None:
    """Gives every batch normalisation that has not seen a batch yet the statistics of this one."""
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    fresh = [norm for norm in norms if norm.track_running_stats and not norm.num_batches_tracked]
    momenta = [norm.momentum for norm in fresh]
    for norm in fresh:
        norm.train().momentum = 1.0
    if fresh:
        with torch.no_grad():
            network(x, lengths)
    for norm, momentum in zip(fresh, momenta, strict=True):
        norm.eval().momentum = momentum
