"""What every network reads: positions brought into one form, their derivatives and presence, standardised.

This is the one place where stored features are normalised, for training, decoding and export alike, so it is made
of tensor operations that export can follow: values and a mask of what is there go side by side, nothing loops over
frames. Gaps are filled before, in `slrcli.features.landmarks`.

With `body`, points are moved and scaled so that place, size and facing of the signer no longer matter:

* each group is centred, frame by frame, on its anchor (pose on the shoulders, a hand on its wrist, the face on the
  nose). Where the anchor is missing, the nearest frame in time that has it says where it was.
* everything is divided by the clip's mean distance between the shoulders.
* where the layout says `turn`, each frame is turned about the vertical axis until the shoulders, averaged over the
  frames around it, lie along x.

With `causal`, all that is taken from the clip as a whole comes from the frames so far, so that a clip can be
normalised while it goes on (`slrcli.models.frontend.streaming`).

A clip without shoulders is scaled by the spread of its points, one without an anchor centred on their mean. Distances
count depth only where it is measured (metres). Groups of kind `features` pass unchanged. Visibilities stay as
they are, beside the positions of their group, and have no derivatives.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slrcli.features.layout import Layout
from slrcli.features.layout.layout import AXES, CONFIDENCES, Group
from slrcli.models.frontend.body import Origin, Points, select
from slrcli.models.frontend.columns import Cache, Columns, differences, join, pick
from slrcli.models.frontend.streaming import StreamingOrigin
from slrcli.models.layers import mask

LIMIT = 10.0  # standardised values beyond so many deviations say no more
RAW_LIMIT = 1e4  # keeps unstandardised values finite in what follows
CONSTANT = 1e-5  # a deviation below this share of the mean is rounding, not variation
SMALLEST_DEVIATION = 1e-12


@dataclass(frozen=True)
class FrontendOptions:
    """What of the stored features a network gets to see, and in which form.

    Attributes:
        body: centre, scale and (where the layout says so) turn the body; see the module.
        keep: use the points in the layout's `keep` lists alone.
        hands: add, for each hand, where its anchor (the wrist) is against the body; needs `body`.
        bones: add the directions (vectors of length 1) of the layout's limbs in pose and hands, which do not depend on
            how long anybody's arms are; needs `body`.
        turn_frames: the body is turned by the mean direction of its shoulders over so many frames; odd. A single
            frame's is as noisy as the depth of a shoulder.
        causal: let nothing of a frame depend on later ones, as a running stream wants it; see the module.
        centre: take its mean over the clip off each column of the groups of kind `features` (with `causal`, over the
            frames so far): what a sensor's or a session's calibration adds goes, as in speech (Atal 1974). What a sign
            holds throughout a clip goes as well.
        derivatives: differences over time of the positions, 0 to 3 of them. Stored ones are used as they are where
            the positions are, that is without `body` and `keep`.
        presence: add, for each group, the share of it that is not missing.
        standardise: subtract the mean and divide by the deviation of the training data.
    """

    body: bool = True
    keep: bool = True
    hands: bool = True
    bones: bool = True
    turn_frames: int = 15
    causal: bool = False
    centre: bool = False
    derivatives: int = 1
    presence: bool = True
    standardise: bool = True

    def __post_init__(self):
        if not 0 <= self.derivatives <= 3:
            raise ValueError(f"derivatives must be 0 to 3, not {self.derivatives}")
        if self.turn_frames < 1 or self.turn_frames % 2 == 0:
            raise ValueError(f"turn_frames must be odd, not {self.turn_frames}")


class Frontend(nn.Module):
    """Features `[B, T, D]` -> what a network reads, `[B, T, F]`.

    The columns come in blocks, named in `groups` with their widths: one block a kind of group in the layout's order
    (`pose`, `hand`: all hands, `face`, `features`), then `temporal` (all first differences, then all second, ...) and
    `presence`, as far as there are any.

    Attributes:
        layout: of the stored features.
        options: see `FrontendOptions`.
        groups: names and widths of the blocks of columns, in their order.
        width: F, the sum of these widths.
        mean, std: of the training data, float32 `[F]`; 0 and 1 until `set_statistics`.
    """

    columns: Tensor | None
    mean: Tensor
    std: Tensor

    def __init__(self, layout: Layout, options: FrontendOptions | None = None):
        super().__init__()
        self.layout = layout
        self.options = options or FrontendOptions()
        self.kinds = tuple(dict.fromkeys(group.kind for group in layout.groups))
        self.selected, columns = select(layout, self.options.keep)
        everything = len(columns) == layout.positions
        self.register_buffer("columns", None if everything else torch.tensor(columns))
        origin = StreamingOrigin if self.options.causal else Origin
        placed = self.options.body and layout.spatial
        self.origin = origin(layout, self.selected, self.options.turn_frames) if placed else None
        stored = everything and self.origin is None and self.options.derivatives <= layout.stored_derivatives
        self.stored = layout.positions * self.options.derivatives if stored else 0
        self.groups = self._widths()
        self.width = sum(self.groups.values())
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("std", torch.ones(self.width))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Standardise with these, each `[F]`, from now on.

        Columns that do not vary are only centred, those of presence stay as they are.
        """
        mean, std = (torch.as_tensor(value).double().cpu().reshape(self.width).clone() for value in (mean, std))
        if not (mean.isfinite().all() and std.isfinite().all()):
            raise ValueError("the statistics of the features are not finite")
        std[std <= CONSTANT * mean.abs() + SMALLEST_DEVIATION] = 1
        presence = self.width - self.groups.get("presence", 0)
        mean[presence:], std[presence:] = 0, 1
        self.mean.copy_(mean)
        self.std.copy_(std)

    @property
    def runs(self) -> bool:
        """Whether `step` can be used: nothing of a frame depends on later ones, nor on derivatives from elsewhere."""
        whole = self.origin is not None or self.options.centre
        return (self.options.causal or not whole) and not self.stored

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Float32 `[B, T, F]`, 0 where nothing is known and in the padding.

        Args:
            x: float32 `[B, T, D]`, NaN where a point is missing.
            lengths: frames of each clip, int64 `[B]`.
        """
        return self._standardised(*self._columns(x, lengths, Cache()))

    def step(self, frames: Tensor, cache: Cache) -> Tensor:
        """The next frames of a clip as `forward` would make them of the whole, float32 `[T, F]`.

        Args:
            frames: float32 `[T, D]`, NaN where a point is missing; T is 1 or more.
            cache: a fresh one at the beginning of a clip; it is brought up to date.

        Raises:
            ValueError: the frontend looks at whole clips.
        """
        if not self.runs:
            raise ValueError("this frontend looks at whole clips; only a causal one can take a clip in parts")
        found = self._columns(frames.unsqueeze(0), torch.tensor([len(frames)], device=frames.device), cache)
        cache.frames += len(frames)
        return self._standardised(*found)[0]

    def _standardised(self, values: Tensor, known: Tensor) -> Tensor:
        limit = RAW_LIMIT
        if self.options.standardise:
            values, limit = (values - self.mean) / self.std, LIMIT
        return torch.where(known, torch.nan_to_num(values).clamp(-limit, limit), 0.0)

    def raw(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What would be standardised.

        Returns:
            The features `[B, T, F]`, NaN where nothing is known and in the padding; and where something is known,
            bool `[B, T, F]`.
        """
        values, known = self._columns(x, lengths, Cache())
        known = known & values.isfinite()
        return torch.where(known, values, torch.nan), known

    def _place_axes(self, group: Group) -> list[int]:
        """Axes in which a hand is placed against the body: MediaPipe counts a hand's depth from its own wrist."""
        if self.origin is None or not self.options.hands or group.kind != "hand" or not group.anchor:
            return []
        return [AXES.index(axis) for axis in group.axes if axis in self.layout.measured_axes]

    def _mean(self, part: Points, cache: Cache) -> Tensor:
        """Mean of the known values of each column over the clip, `[B, 1, P, C]`; with `causal` up to each frame."""
        if self.options.causal:
            sums, counts = (
                cache.totals(f"{name} of {part.group.name}", value)
                for name, value in (("sum", part.values), ("count", part.known.to(part.values.dtype)))
            )
            return (sums / counts.clamp(min=1)).to(part.values.dtype)
        return part.values.sum(dim=1, keepdim=True) / part.known.sum(dim=1, keepdim=True).clamp(min=1)

    @property
    def _looks_at_bones(self) -> bool:
        return self.origin is not None and self.options.bones

    def _bone_axes(self, group: Group) -> tuple[str, ...]:
        """Axes in which a bone points: a hand's depth is of its own measure, a pose's may be a guess."""
        return group.axes if group.kind == "hand" else tuple(a for a in group.axes if a in self.layout.measured_axes)

    def _widths(self) -> dict[str, int]:
        """Widths of the blocks of columns that `_columns` makes."""
        widths, positions = dict.fromkeys(self.kinds, 0), 0
        for group, kept, bones in self.selected:
            moving = kept * len(group.axes) + len(self._place_axes(group))
            if bones and self._looks_at_bones:
                moving += len(bones) * len(self._bone_axes(group))
            widths[group.kind] += moving + kept * (len(group.coordinates) - len(group.axes))
            positions += moving
        if self.options.derivatives:
            widths["temporal"] = self.stored or positions * self.options.derivatives
        if self.options.presence:
            widths["presence"] = len(self.selected)
        return widths

    def _columns(self, x: Tensor, lengths: Tensor, cache: Cache) -> "Columns":
        """All columns before standardising, `[B, T, F]`."""
        frames = mask(lengths, x.shape[1])
        x = x[..., : self.layout.positions + self.stored]
        if self.columns is not None:
            x = x.index_select(2, self.columns)
        known = x.isfinite() & frames.unsqueeze(2)
        x = torch.where(known, x, 0.0)
        parts = {group.name: Points.of(group, x, known) for group, *_ in self.selected}
        presence = [part.known.to(x.dtype).mean(dim=(2, 3)) for part in parts.values()]
        places = self.origin.normalise(parts, frames, cache) if self.origin else {}
        if self.options.centre:
            for part in (part for part in parts.values() if part.group.kind == "features"):
                part.values = part.values - self._mean(part, cache)

        positions: dict[str, list[Columns]] = {kind: [] for kind in self.kinds}
        confidences: dict[str, list[Columns]] = {kind: [] for kind in self.kinds}
        for group, kept, bones in self.selected:
            positions[group.kind].append(parts[group.name].columns(group.axes, kept))
            if axes := self._place_axes(group):
                place, there = places[group.name]
                positions[group.kind].append(Columns(pick(place, axes), there.unsqueeze(2).expand(-1, -1, len(axes))))
            if bones and self._looks_at_bones:
                positions[group.kind].append(parts[group.name].directions(bones, self._bone_axes(group)))
            if len(group.axes) < len(group.coordinates):
                confidences[group.kind].append(parts[group.name].columns(CONFIDENCES, kept))
        blocks = [block for kind in self.kinds for block in positions[kind] + confidences[kind]]
        if self.stored:
            blocks.append(Columns(x[..., self.layout.positions :], known[..., self.layout.positions :]))
        elif self.options.derivatives:
            moving = join([block for kind in self.kinds for block in positions[kind]])
            blocks += differences(moving, self.options.derivatives, cache)
        if self.options.presence:
            blocks.append(Columns(torch.stack(presence, dim=2), frames.unsqueeze(2).expand(-1, -1, len(presence))))
        return join(blocks)
