"""The input of every network: normalised positions, their derivatives and their presence, standardised.

Training, decoding and export all normalise stored features here. It consists of tensor operations that can be
exported: values are carried along with a mask of the known ones, and there is no loop over frames. Gaps have been
filled before, in `slrcli.features.recording`.

With `body`, the position, size and orientation of the signer are removed:

* Each group is centred, frame by frame, on its anchor (the pose on the shoulders, a hand on its wrist, the face on the
  nose). A missing anchor is taken from the nearest frame in time that has one.
* Positions are divided by the mean shoulder width over the clip, those of a hand by the mean length of its palm.
* If the layout has `turn`, each frame is rotated about the vertical axis so that the shoulders, averaged over the
  neighbouring frames, lie along x.

With `causal`, statistics over the clip are replaced by statistics over the frames so far, so that a running clip can be
normalised (`StreamingOrigin`).

A clip without shoulders is scaled by the spread of its points, and one without an anchor is centred on their mean.
Distances include depth only where it is measured (metres). Groups of kind `features` pass unchanged. Visibilities pass
unchanged beside the positions of their group, without derivatives.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.features.layout import Layout
from slrcli.features.layout.layout import AXES, CONFIDENCES, Group
from slrcli.models.layers import mask

NOWHERE = 1 << 30  # a frame number beyond the end of any clip


class Columns(NamedTuple):
    """Columns `[B, T, N]` and the mask of their known values, bool `[B, T, N]`; the others are arbitrary."""

    values: Tensor
    known: Tensor


class Cache:
    """The state carried from chunk to chunk of a clip. A new one stands for the beginning of a clip.

    Each causal operation keeps its state under its own name and must be called exactly once per chunk. The results do
    not depend on the chunks: sums continue in the same order, in double precision.

    Attributes:
        frames: frames in the chunks before, counted by the frontend.
    """

    def __init__(self, frames: int = 0, kept: dict[str, Tensor] | None = None):
        self.frames = frames
        self._kept: dict[str, Tensor] = kept or {}

    @property
    def kept(self) -> dict[str, Tensor]:
        """The state of each operation by its name. Before a clip, zeros (false) in their places mean the same."""
        return self._kept

    def before(self, name: str, values: Tensor, count: int) -> Tensor:
        """The `count` frames before this chunk followed by `values [B, T, ...]`, `[B, count + T, ...]`.

        Zeros (false) precede the first frame of a clip.
        """
        earlier = self._kept.get(name)
        if earlier is None:
            earlier = values.new_zeros((values.shape[0], count, *values.shape[2:]))
        joined = torch.cat([earlier, values], dim=1)
        self._kept[name] = joined[:, joined.shape[1] - count :]
        return joined

    def totals(self, name: str, values: Tensor) -> Tensor:
        """Cumulative sums `[B, T, ...]` from the first frame of the clip, float64 where the device supports it."""
        values = values if values.device.type == "mps" else values.double()
        total = self._kept.get(name)
        if total is not None:
            values = torch.cat([total, values], dim=1)
        sums = values.cumsum(dim=1)
        self._kept[name] = sums[:, -1:]
        return sums if total is None else sums[:, 1:]

    def sums(self, name: str, values: Tensor, frames: int) -> Tensor:
        """Sums `[B, T, ...]` over a window of `frames` frames that ends at each frame; see `totals`."""
        totals = self.totals(name, values)
        return totals - self.before(f"{name} before", totals, frames)[:, : values.shape[1]]

    def latest(self, name: str, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The last known value up to each frame, `[B, T, C]`, and whether there is one, bool `[B, T]`.

        Args:
            name: key of the state.
            values: `[B, T, C]`, arbitrary in unknown frames.
            known: mask of the known frames, bool `[B, T]`.
        """
        last, there = self._kept.get(name), self._kept.get(f"{name} known")
        values = torch.cat([torch.zeros_like(values[:, :1]) if last is None else last, values], dim=1)
        known = torch.cat([torch.zeros_like(known[:, :1]) if there is None else there, known], dim=1)
        number = known.long().cumsum(dim=1)  # of the last known frame; 0: none
        here = torch.arange(known.shape[1], device=known.device).expand_as(number)
        # The index of each known frame by its number; unknown frames go to the end, which is never read.
        table = F.pad(torch.zeros_like(number), (0, 2))
        table = table.scatter(1, torch.where(known, number, known.shape[1] + 1), here)
        place = table.gather(1, number).unsqueeze(2).expand_as(values)
        held, there = values.gather(1, place), number > 0
        self._kept[name], self._kept[f"{name} known"] = held[:, -1:], there[:, -1:]
        return held[:, 1:], there[:, 1:]


def differences(positions: Columns, count: int, cache: Cache) -> list[Columns]:
    """The differences over time of orders 1 to `count`, each of the shape of the positions.

    In the first n frames of a clip, the n-th difference is 0, and known wherever the position is.

    Args:
        positions: positions in the current chunk.
        count: number of orders.
        cache: state before the chunk.
    """
    blocks, (values, known) = [], positions
    frame = cache.frames + torch.arange(values.shape[1], device=values.device)
    for order in range(1, count + 1):
        first = (frame < order).view(1, -1, 1)
        earlier = cache.before(f"difference {order}", values, 1)[:, :-1]
        there = cache.before(f"difference {order} known", known, 1)[:, :-1]
        values = torch.where(first, 0.0, values - earlier)
        known = known & (first | there)
        blocks.append(Columns(values, known))
    return blocks


def nearest(values: Tensor, known: Tensor) -> Tensor:
    """`values [B, T, C]` in which unknown frames are replaced by the known frame nearest in time.

    A clip without any known frame gets arbitrary values. The cost is linear in T: a running count numbers the known
    frames, and a table maps the number to the frame.

    Args:
        values: `[B, T, C]`, arbitrary in unknown frames.
        known: mask of the known frames, bool `[B, T]`.
    """
    frames = values.shape[1]
    number = known.long().cumsum(dim=1)  # of the last known frame; the next one has this and one more
    here = torch.arange(frames, device=values.device).expand_as(number)
    # Number 0 and those after the last are nowhere; unknown frames go to the end, which is never read.
    table = F.pad(torch.full_like(number, NOWHERE), (0, 3), value=NOWHERE)
    table = table.scatter(1, torch.where(known, number, frames + 2), here)
    before = torch.where(number > 0, table.gather(1, number), -NOWHERE)
    after = table.gather(1, number + 1)
    chosen = torch.where(here - before <= after - here, before, after).clamp(0, frames - 1)
    return values.gather(1, chosen.unsqueeze(2).expand_as(values))


def pick(values: Tensor, places: list[int]) -> Tensor:
    """`values[..., places]`, as a view if the places are consecutive."""
    start, count = places[0], len(places)
    if places == list(range(start, start + count)):
        return values[..., start : start + count]
    return values[..., places]


def join(blocks: list[Columns]) -> Columns:
    """The blocks concatenated along the columns."""
    return Columns(torch.cat([values for values, _ in blocks], dim=2), torch.cat([known for _, known in blocks], dim=2))


def sums_around(values: Tensor, known: Tensor, frames: int) -> Tensor:
    """Sums of the known `values [B, T, C]` (`known [B, T]`) in a window of `frames` (odd) centred on each frame."""
    there = torch.where(known.unsqueeze(2), values, 0.0).transpose(1, 2)
    return frames * F.avg_pool1d(there, frames, stride=1, padding=frames // 2).transpose(1, 2)


SMALLEST_SCALE = 1e-6  # in the layout's unit; a smaller body has no usable size
SHORTEST_BONE = 1e-4  # relative to the body; a shorter bone has no direction


@dataclass
class Points:
    """One group of a batch: coordinates `[B, T, P, C]`, 0 where missing, and the mask of the known ones."""

    group: Group
    values: Tensor
    known: Tensor

    @classmethod
    def of(cls, group: Group, x: Tensor, known: Tensor) -> "Points":
        shape = (len(group.points), len(group.coordinates))
        own = slice(group.start, group.stop)
        return cls(group, x[..., own].unflatten(2, shape), known[..., own].unflatten(2, shape))

    def places(self, names: tuple[str, ...]) -> list[int]:
        """Indices of those of the named coordinates that the group has."""
        return [self.group.coordinates.index(name) for name in names if name in self.group.coordinates]

    def space(self) -> Columns:
        """Positions `[B, T, P, 3]`, with z = 0 if there is none, and the mask of the complete ones, `[B, T, P]`."""
        axes = self.places(AXES)
        known = pick(self.known, axes).all(dim=3)
        return Columns(F.pad(pick(self.values, axes), (0, len(AXES) - len(axes))), known)

    def mean_of(self, points: tuple[str, ...]) -> Columns:
        """Mean position of the named points, `[B, T, 3]`, and the frames in which all are known, `[B, T]`."""
        rows = [self.group.index(name) for name in points]
        part = Points(self.group, self.values[:, :, rows], self.known[:, :, rows])
        values, known = part.space()
        return Columns(values.mean(dim=2), known.all(dim=2))

    def move(self, anchor: Tensor, scale: Tensor, turn: tuple[Tensor, Tensor] | None) -> None:
        """Centre the positions on `anchor [B, T, 3]`, divide by `scale` and rotate; drop incomplete points."""
        space, known = self.space()
        space = _turned((space - anchor.unsqueeze(2)) / scale, turn)
        source = torch.cat([space, self.values], dim=3)
        names = self.group.coordinates
        self.values = pick(source, [AXES.index(n) if n in AXES else len(AXES) + i for i, n in enumerate(names)])
        self.known = self.known & known.unsqueeze(3)

    def directions(self, bones: tuple[tuple[int, int], ...], axes: tuple[str, ...]) -> Columns:
        """Unit vectors along the bones, as columns; unknown if an end is missing or both ends coincide."""
        first, second = torch.tensor(bones, device=self.values.device).T
        places = pick(self.values, self.places(axes))
        there = pick(self.known, self.places(axes)).all(dim=3)
        way = places.index_select(2, second) - places.index_select(2, first)
        length = way.norm(dim=3, keepdim=True)
        known = there.index_select(2, first) & there.index_select(2, second) & (length.squeeze(3) > SHORTEST_BONE)
        known = known.unsqueeze(3).expand(way.shape)
        return Columns((way / length.clamp(min=SHORTEST_BONE)).flatten(2), known.flatten(2))

    def columns(self, coordinates: tuple[str, ...], kept: int) -> Columns:
        """The named coordinates of the first `kept` points, as columns."""
        own = self.places(coordinates)
        return Columns(*(pick(part[:, :, :kept], own).flatten(2) for part in (self.values, self.known)))


class Selected(NamedTuple):
    """A group reduced to the points in use.

    Attributes:
        group: the reduced group.
        kept: number of points, from the first, that the network sees.
        bones: pairs of indices of points: limbs of the pose and the hands that end in a kept point, and for a hand also
            the pairs of its anchor with each fingertip and knuckle.
    """

    group: Group
    kept: int
    bones: tuple[tuple[int, int], ...] = ()


def select(layout: Layout, keep: bool) -> tuple[list[Selected], list[int]]:
    """The points in use of each group, packed without gaps: kept points first, then those that only place the body.

    Args:
        layout: layout of the stored features.
        keep: whether to use the `keep` lists of the layout; otherwise all points are kept.

    Returns:
        The packed groups, and the source columns among the stored positions.
    """
    selected: list[Selected] = []
    columns: list[int] = []
    shoulders = {(group.name, point) for group, point in map(layout.find, layout.shoulders)}
    for group in layout.groups:
        points, kept = group.points, len(group.points)
        if keep and group.keep:
            placing = [p for p in group.points if p in group.anchor or (group.name, p) in shoulders]
            points, kept = tuple(dict.fromkeys([*group.keep, *placing])), len(group.keep)
        cut = replace(group, points=points, start=len(columns))
        selected.append(Selected(cut, kept, _bones(layout, cut, kept)))
        columns += [group.column(point, coordinate) for point in points for coordinate in group.coordinates]
    return selected, columns


class Origin:
    """Transforms the points of a batch into body coordinates, with statistics over the whole clip.

    Such statistics have a single frame, `[B, 1, ...]`.
    """

    def __init__(self, layout: Layout, selected: list["Selected"], turn_frames: int):
        self.groups = [group for group, *_ in selected if group.spatial]
        anchored = [group for group in self.groups if group.anchor]
        # The origin of the body is the anchor of the pose. Hands alone have no body: they are placed in the picture.
        hands_alone = all(group.kind == "hand" for group in self.groups)
        self.in_picture = hands_alone and bool(anchored)
        self.body = next((group for group in anchored if group.kind == "pose"), anchored[0] if anchored else None)
        self.palms = {group.name: palm for group, *_ in selected if (palm := _palm(layout, group))}
        self.shoulders = [layout.find(name) for name in layout.shoulders]
        self.turn_frames = turn_frames if layout.turn else 0
        self.measured = len(layout.measured_axes)

    def normalise(self, parts: dict[str, "Points"], frames: Tensor, cache: Cache) -> dict[str, Columns]:
        """Centre, scale and rotate `parts` in place.

        Args:
            parts: points by the name of their group.
            frames: mask of the valid frames, bool `[B, T]`.
            cache: state before the chunk, used only by `StreamingOrigin`.

        Returns:
            Per group with an anchor, the anchor's position relative to the body, `[B, T, 3]`, and its mask, `[B, T]`.
        """
        middle, spread = self._cloud(parts, cache)
        across = self._across(parts) if self.shoulders else None
        scale = self._scale(across, spread, cache)
        turn = self._turn(across, cache) if across is not None and self.turn_frames else None
        middle = middle.expand(-1, frames.shape[1], -1)
        body = self._anchor("body", parts[self.body.name], middle, cache).values if self.body else middle
        away = scale
        if self.in_picture:
            body, away = torch.zeros_like(body), torch.ones_like(scale)
        places = {}
        for group in self.groups:
            anchor = body
            if group.anchor:
                anchor, known = self._anchor(f"anchor of {group.name}", parts[group.name], middle, cache)
                place = _turned((anchor - body).unsqueeze(2) / away, turn).squeeze(2)
                places[group.name] = Columns(place, known)
            parts[group.name].move(anchor, self._size(parts[group.name], scale, cache), turn)
        return places

    def _anchor(self, name: str, part: "Points", middle: Tensor, cache: Cache) -> Columns:
        """The anchor of a group in every frame, `[B, T, 3]`, filled where it is missing, and its mask before that."""
        anchor, known = part.mean_of(part.group.anchor)
        held, there = self._held(name, anchor, known, cache)
        return Columns(torch.where(there.unsqueeze(2), held, middle), known)

    def _held(self, name: str, values: Tensor, known: Tensor, cache: Cache) -> Columns:
        """`values [B, T, C]` with unknown frames filled from known ones, and whether there was one to fill from."""
        return Columns(nearest(values, known), known.any(dim=1, keepdim=True))

    def _across(self, parts: dict[str, "Points"]) -> Columns:
        """The vector from the first shoulder to the second, `[B, T, 3]`, and its mask, `[B, T]`."""
        (first, there), (second, also) = (parts[group.name].mean_of((point,)) for group, point in self.shoulders)
        return Columns(second - first, there & also)

    def _scale(self, across: Columns | None, spread: Tensor, cache: Cache) -> Tensor:
        """Size of the body, `[B, 1, 1, 1]`: its mean shoulder width, else the spread of its points."""
        if across is not None:
            width = self._width(across, cache)
            spread = torch.where(width > SMALLEST_SCALE, width, spread)
        return torch.where(spread > SMALLEST_SCALE, spread, 1.0)[..., None, None]

    def _size(self, part: "Points", scale: Tensor, cache: Cache) -> Tensor:
        """Size of a group, `[B, 1, 1, 1]`: for a hand, the mean length of its palm; otherwise that of the body."""
        palm = self.palms.get(part.group.name)
        if palm is None:
            return scale
        (first, there), (second, also) = part.mean_of(part.group.anchor), part.mean_of(palm)
        length = self._width(Columns(second - first, there & also), cache, f"palm of {part.group.name}")
        length = length[..., None, None]
        return torch.where(length > SMALLEST_SCALE, length, scale)

    def _width(self, across: Columns, cache: Cache, name: str = "width") -> Tensor:
        """Mean length of a vector over the clip, `[B, 1]`, such as the shoulder width; 0 if it is never known."""
        width = torch.where(across.known, across.values[..., : self.measured].norm(dim=2), 0.0)
        return width.sum(dim=1, keepdim=True) / across.known.sum(dim=1, keepdim=True).clamp(min=1)

    def _turn(self, across: Columns, cache: Cache) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the angle between the x axis and the smoothed shoulder line, each `[B, T, 1]`."""
        x, _, z = self._held("turn", self._around(across, cache), across.known, cache).values.split(1, dim=2)
        length = (x * x + z * z).sqrt()
        level = length > SMALLEST_SCALE
        length = torch.where(level, length, 1.0)
        return torch.where(level, x / length, 1.0), torch.where(level, z / length, 0.0)

    def _around(self, across: Columns, cache: Cache) -> Tensor:
        """The sum of the shoulder vectors in the window around each frame, `[B, T, 3]`."""
        return sums_around(across.values, across.known, self.turn_frames)

    def _cloud(self, parts: dict[str, "Points"], cache: Cache) -> tuple[Tensor, Tensor]:
        """Mean position of all points of a clip, `[B, 1, 3]`, and their RMS distance from it, `[B, 1]`."""
        spaces = [parts[group.name].space() for group in self.groups]
        points = torch.cat([values.flatten(1, 2) for values, _ in spaces], dim=1)
        known = torch.cat([there.flatten(1, 2) for _, there in spaces], dim=1).unsqueeze(2)
        count = known.sum(dim=1).clamp(min=1)
        middle = torch.where(known, points, 0.0).sum(dim=1) / count
        away = torch.where(known, points - middle.unsqueeze(1), 0.0)[..., : self.measured]
        return middle.unsqueeze(1), (away.square().sum(dim=(1, 2)).unsqueeze(1) / count).sqrt()


def _bones(layout: Layout, group: Group, kept: int) -> tuple[tuple[int, int], ...]:
    """The bones of `Selected`. The trunk, which identifies the signer and not the sign, drops out with its points."""
    if group.kind not in ("pose", "hand"):
        return ()
    here = {f"{group.name}.{point}": place for place, point in enumerate(group.points)}
    names = layout.point_names
    ends = [(here.get(names[a]), here.get(names[b])) for a, b in layout.limbs]
    bones = [(a, b) for a, b in ends if a is not None and b is not None and min(a, b) < kept]
    return (*bones, *_rays(group, bones))


def _rays(group: Group, bones: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs of a hand's anchor with its fingertips, where one limb ends, and its knuckles, where three meet."""
    if group.kind != "hand" or len(group.anchor) != 1:
        return []
    wrist, meeting = group.index(group.anchor[0]), Counter(point for bone in bones for point in bone)
    ends = [point for point, limbs in sorted(meeting.items()) if limbs != 2 and point != wrist]
    return [(wrist, point) for point in ends if (wrist, point) not in bones and (point, wrist) not in bones]


def _palm(layout: Layout, group: Group) -> tuple[str, ...]:
    """The points joined to a hand's anchor by a limb, whose distance from it hardly depends on the fingers."""
    if group.kind != "hand" or len(group.anchor) != 1:
        return ()
    names, wrist = layout.point_names, f"{group.name}.{group.anchor[0]}"
    ends = [(names[a], names[b]) for a, b in layout.limbs]
    joined = [b if a == wrist else a for a, b in ends if wrist in (a, b)]
    return tuple(p for name in dict.fromkeys(joined) if (p := name.partition(".")[2]) in group.points)


def _turned(space: Tensor, turn: tuple[Tensor, Tensor] | None) -> Tensor:
    """Positions `[B, T, P, 3]` rotated about the y axis by minus the angle whose cosine and sine are given."""
    if turn is None:
        return space
    cos, sin = turn
    x, y, z = space.unbind(3)
    return torch.stack([x * cos + z * sin, y, z * cos - x * sin], dim=3)


MEMORY = 250  # frames for size and centre: the signer may come nearer, or give way to another one
LARGEST = 1e6  # beyond any body in any unit; larger values would never leave the running sums


class StreamingOrigin(Origin):
    """The causal `Origin`, for a running clip.

    Size, centre and spread are means over the last `MEMORY` frames, the rotation uses past frames only, and a missing
    anchor stays at its last known position.
    """

    def _cloud(self, parts: dict[str, Points], cache: Cache) -> tuple[Tensor, Tensor]:
        spaces = [parts[group.name].space() for group in self.groups]
        points = torch.cat([values for values, _ in spaces], dim=2)
        known = torch.cat([there for _, there in spaces], dim=2).unsqueeze(3)
        points = torch.where(known, points, 0.0).clamp(-LARGEST, LARGEST)
        squares = points[..., : self.measured].square().sum(dim=(2, 3)).unsqueeze(2)
        columns = torch.cat([points.sum(dim=2), squares, known.sum(dim=2)], dim=2)
        sums, count = cache.sums("cloud", columns, MEMORY).split([4, 1], dim=2)
        means, _ = cache.latest("cloud mean", sums / count.clamp(min=1), count.squeeze(2) > 0)
        middle, square = means.split([3, 1], dim=2)
        around = square.squeeze(2) - middle[..., : self.measured].square().sum(dim=2)
        return middle.to(points.dtype), around.clamp(min=0).sqrt().to(points.dtype)

    def _width(self, across: Columns, cache: Cache, name: str = "width") -> Tensor:
        width = across.values[..., : self.measured].norm(dim=2).clamp(max=LARGEST)
        width = torch.where(across.known, width, 0.0)
        sums = cache.sums(name, torch.stack([width, across.known.to(width.dtype)], dim=2), MEMORY)
        width, count = sums.split(1, dim=2)
        mean, _ = cache.latest(f"{name} mean", width / count.clamp(min=1), count.squeeze(2) > 0)
        return mean.squeeze(2).to(across.values.dtype)

    def _around(self, across: Columns, cache: Cache) -> Tensor:
        there = torch.where(across.known.unsqueeze(2), across.values, 0.0)
        joined = cache.before("across", there, self.turn_frames - 1).transpose(1, 2)
        return self.turn_frames * F.avg_pool1d(joined, self.turn_frames, stride=1).transpose(1, 2)

    def _held(self, name: str, values: Tensor, known: Tensor, cache: Cache) -> Columns:
        return Columns(*cache.latest(name, values, known))


LIMIT = 10.0  # standardised values are clipped to so many standard deviations
RAW_LIMIT = 1e4  # clips values that are not standardised
CONSTANT = 1e-5  # a standard deviation below this share of the mean is rounding, not variation
SMALLEST_DEVIATION = 1e-12


@dataclass(frozen=True)
class FrontendOptions:
    """The stored features that a network sees, and their form.

    Attributes:
        body: centre, scale and (if the layout has `turn`) rotate the body; see the module.
        keep: use only the points in the `keep` lists of the layout.
        hands: add the position of each hand's anchor (the wrist) relative to the body; needs `body`.
        bones: add unit vectors along the limbs of pose and hands, which do not depend on the length of anybody's arms;
            needs `body`.
        turn_frames: window in frames, odd, over which the direction of the shoulders is averaged for the rotation. In a
            single frame it is as noisy as the depth of a shoulder.
        causal: make each frame independent of later ones, as a running stream requires; see the module.
        centre: subtract from each column of the groups of kind `features` its mean over the clip (with `causal`, over
            the frames so far). This removes offsets of a sensor or a session, like cepstral mean subtraction in speech
            (Atal 1974), but also whatever is constant throughout a clip.
        derivatives: orders of differences over time of the positions, 0 to 3. Stored ones are used if the positions
            are used as stored, that is without `body` and `keep`.
        presence: add the share of each group that is not missing.
        standardise: subtract the mean and divide by the standard deviation of the training data.
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
    """Stored features `[B, T, D]` -> network input `[B, T, F]`.

    The columns form blocks: one per kind of group in the order of the layout (`pose`, `hand` with all hands, `face`,
    `features`), then `temporal` (all first differences, then all second, ...) and `presence`, as far as they exist.

    Attributes:
        layout: layout of the stored features.
        options: see `FrontendOptions`.
        groups: widths of the blocks by name, in order.
        width: F, the sum of these widths.
        mean, std: statistics of the training data, float32 `[F]`; 0 and 1 until `set_statistics`.
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
        self._chosen = columns
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

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, faults) -> None:
        """Refuse numbers of columns that are not those of the layout: others may lie beyond a clip's."""
        stored = state_dict.get(f"{prefix}columns")
        if self.columns is not None and stored is not None and stored.tolist() != self._chosen:
            faults.append(f"{prefix}columns are not those of the layout {self.layout.name}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, faults)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set the mean and the standard deviation for standardisation, each `[F]`.

        Constant columns are only centred, and presence is not standardised.

        Raises:
            ValueError: a value is not finite.
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
        """Whether `step` is available: no frame depends on later ones or on stored derivatives."""
        whole = self.origin is not None or self.options.centre
        return (self.options.causal or not whole) and not self.stored

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The network input, float32 `[B, T, F]`, 0 where nothing is known and in the padding.

        Args:
            x: float32 `[B, T, D]`, NaN where a point is missing.
            lengths: frames of each clip, int64 `[B]`.
        """
        return self._standardised(*self._columns(x, lengths, Cache()))

    def step(self, frames: Tensor, cache: Cache) -> Tensor:
        """The network input for the next chunk, float32 `[T, F]`, equal to what `forward` gives for the whole clip.

        Args:
            frames: float32 `[T, D]`, NaN where a point is missing; T is 1 or more.
            cache: state before the chunk, new at the beginning of a clip; updated.

        Raises:
            ValueError: the frontend needs whole clips.
        """
        if not self.runs:
            raise ValueError("this frontend needs whole clips; only a causal one takes a clip in parts")
        found = self._columns(frames.unsqueeze(0), torch.tensor([len(frames)], device=frames.device), cache)
        cache.frames += len(frames)
        return self._standardised(*found)[0]

    def _standardised(self, values: Tensor, known: Tensor) -> Tensor:
        limit = RAW_LIMIT
        if self.options.standardise:
            values, limit = (values - self.mean) / self.std, LIMIT
        return torch.where(known, torch.nan_to_num(values).clamp(-limit, limit), 0.0)

    def raw(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The features before standardisation.

        Returns:
            The features `[B, T, F]`, NaN where nothing is known and in the padding, and the mask of the known values,
            bool `[B, T, F]`.
        """
        values, known = self._columns(x, lengths, Cache())
        known = known & values.isfinite()
        return torch.where(known, values, torch.nan), known

    def _place_axes(self, group: Group) -> list[int]:
        """Axes for a hand's position relative to the body; MediaPipe's depth of a hand is relative to its own wrist."""
        if self.origin is None or not self.options.hands or group.kind != "hand" or not group.anchor:
            return []
        return [AXES.index(axis) for axis in group.axes if axis in self.layout.measured_axes]

    def _mean(self, part: Points, cache: Cache) -> Tensor:
        """Mean of the known values of each column over the clip, `[B, 1, P, C]`, or with `causal` up to each frame."""
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
        """Axes of a bone's direction: all for a hand; for a pose only the measured ones, as depth may be a guess."""
        return group.axes if group.kind == "hand" else tuple(a for a in group.axes if a in self.layout.measured_axes)

    def _widths(self) -> dict[str, int]:
        """Widths of the blocks of columns from `_columns`."""
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

    def names(self) -> dict[str, list[str]]:
        """Names of the columns of each block, in the order of `_columns`; the same name has the same meaning wherever
        the same options are used.
        """
        positions: dict[str, list[str]] = {kind: [] for kind in self.kinds}
        confidences: dict[str, list[str]] = {kind: [] for kind in self.kinds}
        anonymous = self.layout.meaningless
        place = "in the picture" if self.origin is not None and self.origin.in_picture else "from the body"
        for group, kept, bones in self.selected:
            # the first of four numbers is not the first of five where nobody knows what they are
            points = tuple(f"{p} of {self.layout.width}" for p in group.points) if anonymous else group.points
            there = positions[group.kind]
            there += [f"{group.name}.{point}.{axis}" for point in points[:kept] for axis in group.axes]
            there += [f"{group.name} {place} {AXES[axis]}" for axis in self._place_axes(group)]
            if bones and self._looks_at_bones:
                axes = self._bone_axes(group)
                there += [f"{group.name}.{points[a]} to {points[b]} {axis}" for a, b in bones for axis in axes]
            seen = len(group.coordinates) - len(group.axes)
            confidences[group.kind] += [f"{group.name}.{p} seen {n}" for p in points[:kept] for n in range(seen)]
        found = {kind: positions[kind] + confidences[kind] for kind in self.kinds}
        moving = [name for kind in self.kinds for name in positions[kind]]
        if self.stored:
            layout = self.layout
            moving = [f"{g.name}.{p}.{c}" for g in layout.groups for p in g.points for c in g.coordinates]
        if self.options.derivatives:
            orders = range(1, self.options.derivatives + 1)
            found["temporal"] = [f"difference {order} of {name}" for order in orders for name in moving]
        if self.options.presence:
            found["presence"] = [f"share of {group.name}" for group, *_ in self.selected]
        return found

    def _columns(self, x: Tensor, lengths: Tensor, cache: Cache) -> "Columns":
        """All columns before standardisation, `[B, T, F]`."""
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
