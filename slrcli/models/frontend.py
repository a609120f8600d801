"""What every network reads: positions brought into one form, their derivatives and presence, standardised.

This is the one place where stored features are normalised, for training, decoding and export alike, so it is made
of tensor operations that export can follow: values and a mask of what is there go side by side, nothing loops over
frames. Gaps are filled before, in `slrcli.features.landmarks`.

With `body`, points are moved and scaled so that place, size and facing of the signer no longer matter:

* each group is centred, frame by frame, on its anchor (pose on the shoulders, a hand on its wrist, the face on the
  nose). Where the anchor is missing, the nearest frame in time that has it says where it was.
* everything is divided by the clip's mean distance between the shoulders.
* where the layout says `turn`, each frame is turned about the vertical axis until the shoulders lie along x.

A clip without shoulders is scaled by the spread of its points, one without an anchor centred on their mean. Distances
count depth only where it is measured (metres). Groups of kind `features` pass unchanged. Visibilities stay as
they are, beside the positions of their group, and have no derivatives.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.features.layout import AXES, CONFIDENCES, Group, Layout
from slrcli.models.masked import mask

LIMIT = 10.0  # standardised values beyond so many deviations say no more
RAW_LIMIT = 1e4  # keeps unstandardised values finite in what follows
SMALLEST_SCALE = 1e-6  # in the layout's own unit; below it a body has no size
CONSTANT = 1e-5  # a deviation below this share of the mean is rounding, not variation
SMALLEST_DEVIATION = 1e-12
NOWHERE = 1 << 30  # a frame number further off than any clip is long


@dataclass(frozen=True)
class FrontendOptions:
    """What of the stored features a network gets to see, and in which form.

    Attributes:
        body: centre, scale and (where the layout says so) turn the body; see the module.
        keep: use the points in the layout's `keep` lists alone.
        hands: add, for each hand, where its anchor (the wrist) is against the body; needs `body`.
        derivatives: differences over time of the positions, 0 to 3 of them. Stored ones are used as they are where
            the positions are, that is without `body` and `keep`.
        presence: add, for each group, the share of it that is not missing.
        standardise: subtract the mean and divide by the deviation of the training data.
    """

    body: bool = True
    keep: bool = True
    hands: bool = True
    derivatives: int = 1
    presence: bool = True
    standardise: bool = True

    def __post_init__(self):
        if not 0 <= self.derivatives <= 3:
            raise ValueError(f"derivatives must be 0 to 3, not {self.derivatives}")


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

    def __init__(self, layout: Layout, options: FrontendOptions | None = None):
        super().__init__()
        self.layout = layout
        self.options = options or FrontendOptions()
        self.kinds = tuple(dict.fromkeys(group.kind for group in layout.groups))
        self.selected, columns = _select(layout, self.options.keep)
        everything = len(columns) == layout.positions
        self.register_buffer("columns", None if everything else torch.tensor(columns))
        self.origin = _Origin(layout, self.selected) if self.options.body and layout.spatial else None
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

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Float32 `[B, T, F]`, 0 where nothing is known and in the padding.

        Args:
            x: float32 `[B, T, D]`, NaN where a point is missing.
            lengths: frames of each clip, int64 `[B]`.
        """
        values, known = self._columns(x, lengths)
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
        values, known = self._columns(x, lengths)
        known = known & values.isfinite()
        return torch.where(known, values, torch.nan), known

    def _place_axes(self, group: Group) -> list[int]:
        """Axes in which a hand is placed against the body: MediaPipe counts a hand's depth from its own wrist."""
        if self.origin is None or not self.options.hands or group.kind != "hand" or not group.anchor:
            return []
        return [AXES.index(axis) for axis in group.axes if axis in self.layout.measured_axes]

    def _widths(self) -> dict[str, int]:
        """Widths of the blocks of columns that `_columns` makes."""
        widths, positions = dict.fromkeys(self.kinds, 0), 0
        for group, kept in self.selected:
            moving = kept * len(group.axes) + len(self._place_axes(group))
            widths[group.kind] += moving + kept * (len(group.coordinates) - len(group.axes))
            positions += moving
        if self.options.derivatives:
            widths["temporal"] = self.stored or positions * self.options.derivatives
        if self.options.presence:
            widths["presence"] = len(self.selected)
        return widths

    def _columns(self, x: Tensor, lengths: Tensor) -> "Columns":
        """All columns before standardising, `[B, T, F]`."""
        frames = mask(lengths, x.shape[1])
        x = x[..., : self.layout.positions + self.stored]
        if self.columns is not None:
            x = x.index_select(2, self.columns)
        known = x.isfinite() & frames.unsqueeze(2)
        x = torch.where(known, x, 0.0)
        parts = {group.name: _Points.of(group, x, known) for group, _ in self.selected}
        presence = [part.known.to(x.dtype).mean(dim=(2, 3)) for part in parts.values()]
        places = self.origin.normalise(parts, frames) if self.origin else {}

        positions, confidences = ({kind: [] for kind in self.kinds} for _ in range(2))
        for group, kept in self.selected:
            positions[group.kind].append(parts[group.name].columns(group.axes, kept))
            if axes := self._place_axes(group):
                place, there = places[group.name]
                positions[group.kind].append(Columns(_pick(place, axes), there.unsqueeze(2).expand(-1, -1, len(axes))))
            if len(group.axes) < len(group.coordinates):
                confidences[group.kind].append(parts[group.name].columns(CONFIDENCES, kept))
        blocks = [block for kind in self.kinds for block in positions[kind] + confidences[kind]]
        if self.stored:
            blocks.append(Columns(x[..., self.layout.positions :], known[..., self.layout.positions :]))
        elif self.options.derivatives:
            moving = _join([block for kind in self.kinds for block in positions[kind]])
            blocks += differences(moving, self.options.derivatives)
        if self.options.presence:
            blocks.append(Columns(torch.stack(presence, dim=2), frames.unsqueeze(2).expand(-1, -1, len(presence))))
        return _join(blocks)


class Columns(NamedTuple):
    """Columns `[B, T, N]`, and where they are known, bool `[B, T, N]`; anything stands where they are not."""

    values: Tensor
    known: Tensor


def differences(positions: Columns, count: int) -> list[Columns]:
    """The first `count` differences over time: each frame less the one before it, and again.

    Where the n-th difference has too few frames before it (the first n), it is 0 and known with the position.
    """
    blocks, (values, known) = [], positions
    for order in range(1, count + 1):
        first = (torch.arange(values.shape[1], device=values.device) < order).view(1, -1, 1)
        values = torch.where(first, 0.0, values - _earlier(values))
        known = known & (first | _earlier(known))
        blocks.append(Columns(values, known))
    return blocks


def nearest(values: Tensor, known: Tensor) -> Tensor:
    """`values [B, T, C]` where a frame is `known [B, T]`, elsewhere those of the known frame nearest in time.

    A clip without any known frame gets arbitrary ones. Costs T, not T squared: a running count numbers the known
    frames, and a table by number says where each of them stands.
    """
    frames = values.shape[1]
    number = known.long().cumsum(dim=1)  # of the last known frame; the next one has this and one more
    here = torch.arange(frames, device=values.device).expand_as(number)
    # Number 0 and those after the last stand nowhere; what is unknown goes to the end, which nobody reads.
    table = F.pad(torch.full_like(number, NOWHERE), (0, 3), value=NOWHERE)
    table = table.scatter(1, torch.where(known, number, frames + 2), here)
    before = torch.where(number > 0, table.gather(1, number), -NOWHERE)
    after = table.gather(1, number + 1)
    chosen = torch.where(here - before <= after - here, before, after).clamp(0, frames - 1)
    return values.gather(1, chosen.unsqueeze(2).expand_as(values))


class _Origin:
    """Brings the points of a batch into the body's own coordinates."""

    def __init__(self, layout: Layout, selected: list["_Selected"]):
        self.groups = [group for group, _ in selected if group.spatial]
        anchored = [group for group in self.groups if group.anchor]
        # The body stands where the pose's anchor is, else where the first anchor is that any group has.
        self.body = next((group for group in anchored if group.kind == "pose"), anchored[0] if anchored else None)
        self.shoulders = [layout.find(name) for name in layout.shoulders]
        self.turns = layout.turn
        self.measured = len(layout.measured_axes)

    def normalise(self, parts: dict[str, "_Points"], frames: Tensor) -> dict[str, Columns]:
        """Centre, turn and scale `parts` in place.

        Args:
            parts: the points of each group.
            frames: which frames are no padding, bool `[B, T]`.

        Returns:
            For each group with an anchor, where that is against the body `[B, T, 3]`, and whether it is known `[B, T]`.
        """
        middle, spread = self._cloud(parts)
        across = self._across(parts) if self.shoulders else None
        scale = self._scale(across, spread)
        turn = self._turn(across) if self.turns else None
        middle = middle.unsqueeze(1).expand(-1, frames.shape[1], -1)
        body = self._anchor(parts[self.body.name], middle).values if self.body else middle
        places = {}
        for group in self.groups:
            anchor = body
            if group.anchor:
                anchor, known = self._anchor(parts[group.name], middle)
                place = _turned((anchor - body).unsqueeze(2) / scale, turn).squeeze(2)
                places[group.name] = Columns(place, known)
            parts[group.name].move(anchor, scale, turn)
        return places

    def _anchor(self, part: "_Points", middle: Tensor) -> Columns:
        """A group's anchor in every frame `[B, T, 3]`, the nearest where it is not known, and where it is `[B, T]`."""
        anchor, known = part.mean_of(part.group.anchor)
        anywhere = known.any(dim=1).view(-1, 1, 1)
        return Columns(torch.where(anywhere, nearest(anchor, known), middle), known)

    def _across(self, parts: dict[str, "_Points"]) -> Columns:
        """The way from the first shoulder to the second `[B, T, 3]`, and where it is known `[B, T]`."""
        (first, there), (second, also) = (parts[group.name].mean_of((point,)) for group, point in self.shoulders)
        return Columns(second - first, there & also)

    def _scale(self, across: Columns | None, spread: Tensor) -> Tensor:
        """What a body measures, `[B, 1, 1, 1]`: the mean distance of its shoulders, else the spread of its points."""
        if across is not None:
            width = torch.where(across.known, across.values[..., : self.measured].norm(dim=2), 0.0)
            width = width.sum(dim=1) / across.known.sum(dim=1).clamp(min=1)
            spread = torch.where(width > SMALLEST_SCALE, width, spread)
        return torch.where(spread > SMALLEST_SCALE, spread, 1.0).view(-1, 1, 1, 1)

    @staticmethod
    def _turn(across: Columns) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the angle from the x axis to the shoulders, each `[B, T, 1]`."""
        x, _, z = nearest(*across).split(1, dim=2)
        length = (x * x + z * z).sqrt()
        level = length > SMALLEST_SCALE
        length = torch.where(level, length, 1.0)
        return torch.where(level, x / length, 1.0), torch.where(level, z / length, 0.0)

    def _cloud(self, parts: dict[str, "_Points"]) -> tuple[Tensor, Tensor]:
        """Mean of all points of a clip, `[B, 3]`, and their root mean square distance from it, `[B]`."""
        spaces = [parts[group.name].space() for group in self.groups]
        points = torch.cat([values.flatten(1, 2) for values, _ in spaces], dim=1)
        known = torch.cat([there.flatten(1, 2) for _, there in spaces], dim=1).unsqueeze(2)
        count = known.sum(dim=1).clamp(min=1)
        middle = torch.where(known, points, 0.0).sum(dim=1) / count
        away = torch.where(known, points - middle.unsqueeze(1), 0.0)[..., : self.measured]
        return middle, (away.square().sum(dim=(1, 2)) / count.squeeze(1)).sqrt()


@dataclass
class _Points:
    """One group of a batch: coordinates `[B, T, P, C]`, 0 where missing, and where they are known."""

    group: Group
    values: Tensor
    known: Tensor

    @classmethod
    def of(cls, group: Group, x: Tensor, known: Tensor) -> "_Points":
        shape = (len(group.points), len(group.coordinates))
        own = slice(group.start, group.stop)
        return cls(group, x[..., own].unflatten(2, shape), known[..., own].unflatten(2, shape))

    def places(self, names: tuple[str, ...]) -> list[int]:
        """Where some coordinates stand among the group's, as far as it has them."""
        return [self.group.coordinates.index(name) for name in names if name in self.group.coordinates]

    def space(self) -> Columns:
        """Positions `[B, T, P, 3]`, z being 0 where there is none, and where all of a position is known `[B, T, P]`."""
        axes = self.places(AXES)
        known = _pick(self.known, axes).all(dim=3)
        return Columns(F.pad(_pick(self.values, axes), (0, len(AXES) - len(axes))), known)

    def mean_of(self, points: tuple[str, ...]) -> Columns:
        """Mean position of some points `[B, T, 3]`, and the frames in which all of them are known `[B, T]`."""
        rows = [self.group.index(name) for name in points]
        part = _Points(self.group, self.values[:, :, rows], self.known[:, :, rows])
        values, known = part.space()
        return Columns(values.mean(dim=2), known.all(dim=2))

    def move(self, anchor: Tensor, scale: Tensor, turn: tuple[Tensor, Tensor] | None) -> None:
        """Centre the positions on `anchor [B, T, 3]`, divide by `scale` and turn; half a point becomes none."""
        space, known = self.space()
        space = _turned((space - anchor.unsqueeze(2)) / scale, turn)
        source = torch.cat([space, self.values], dim=3)
        names = self.group.coordinates
        self.values = _pick(source, [AXES.index(n) if n in AXES else len(AXES) + i for i, n in enumerate(names)])
        self.known = self.known & known.unsqueeze(3)

    def columns(self, coordinates: tuple[str, ...], kept: int) -> Columns:
        """Some coordinates of the first `kept` points, as columns."""
        own = self.places(coordinates)
        return Columns(*(_pick(part[:, :, :kept], own).flatten(2) for part in (self.values, self.known)))


class _Selected(NamedTuple):
    """A group cut down to the points that are used, and how many of them, from the first, are shown to the network."""

    group: Group
    kept: int


def _select(layout: Layout, keep: bool) -> tuple[list[_Selected], list[int]]:
    """What is used of each group, packed without gaps: the points to keep, then those that the body is placed by.

    Returns:
        The groups so packed, and the columns of the stored positions that go there.
    """
    selected, columns = [], []
    shoulders = {(group.name, point) for group, point in map(layout.find, layout.shoulders)}
    for group in layout.groups:
        points, kept = group.points, len(group.points)
        if keep and group.keep:
            placing = [p for p in group.points if p in group.anchor or (group.name, p) in shoulders]
            points, kept = tuple(dict.fromkeys([*group.keep, *placing])), len(group.keep)
        selected.append(_Selected(replace(group, points=points, start=len(columns)), kept))
        columns += [group.column(point, coordinate) for point in points for coordinate in group.coordinates]
    return selected, columns


def _turned(space: Tensor, turn: tuple[Tensor, Tensor] | None) -> Tensor:
    """`[B, T, P, 3]` turned about the y axis by minus the angle whose cosine and sine are given."""
    if turn is None:
        return space
    cos, sin = turn
    x, y, z = space.unbind(3)
    return torch.stack([x * cos + z * sin, y, z * cos - x * sin], dim=3)


def _pick(values: Tensor, places: list[int]) -> Tensor:
    """`values[..., places]`, without a copy where they follow each other."""
    start, count = places[0], len(places)
    if places == list(range(start, start + count)):
        return values[..., start : start + count]
    return values[..., places]


def _earlier(values: Tensor) -> Tensor:
    """Every frame's predecessor, `[B, T, N]`; nothing precedes the first."""
    return F.pad(values, (0, 0, 1, 0))[:, :-1]


def _join(blocks: list[Columns]) -> Columns:
    """One block after the other."""
    return Columns(torch.cat([values for values, _ in blocks], dim=2), torch.cat([known for _, known in blocks], dim=2))
