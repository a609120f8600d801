"""What every network reads: positions brought into one form, their derivatives and presence, standardised.

This is the one place where stored features are normalised, for training, decoding and export alike, so it is made
of tensor operations that export can follow: values and a mask of what is there go side by side, nothing loops over
frames. Gaps are filled before, in `slrcli.features.recording`.

With `body`, points are moved and scaled so that place, size and facing of the signer no longer matter:

* each group is centred, frame by frame, on its anchor (pose on the shoulders, a hand on its wrist, the face on the
  nose). Where the anchor is missing, the nearest frame in time that has it says where it was.
* everything is divided by the clip's mean distance between the shoulders.
* where the layout says `turn`, each frame is turned about the vertical axis until the shoulders, averaged over the
  frames around it, lie along x.

With `causal`, all that is taken from the clip as a whole comes from the frames so far, so that a clip can be
normalised while it goes on (`StreamingOrigin`).

A clip without shoulders is scaled by the spread of its points, one without an anchor centred on their mean. Distances
count depth only where it is measured (metres). Groups of kind `features` pass unchanged. Visibilities stay as
they are, beside the positions of their group, and have no derivatives.
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

NOWHERE = 1 << 30  # a frame number further off than any clip is long


class Columns(NamedTuple):
    """Columns `[B, T, N]`, and where they are known, bool `[B, T, N]`; anything stands where they are not."""

    values: Tensor
    known: Tensor


class Cache:
    """What was before the frames at hand. A fresh one is the beginning of a clip.

    Whoever looks back keeps what it needs under a name of its own, and asks once for each part of the clip. What comes
    in parts gives what comes at once: sums go on in the same order, in double precision.

    Attributes:
        frames: how many came in the parts before; the frontend counts them.
    """

    def __init__(self):
        self.frames = 0
        self._kept: dict[str, Tensor] = {}

    def before(self, name: str, values: Tensor, count: int) -> Tensor:
        """`values [B, T, ...]` and in front of them the `count` frames before, `[B, count + T, ...]`.

        Zeros (false) stand before the first frame of a clip.
        """
        earlier = self._kept.get(name)
        if earlier is None:
            earlier = values.new_zeros((values.shape[0], count, *values.shape[2:]))
        joined = torch.cat([earlier, values], dim=1)
        self._kept[name] = joined[:, joined.shape[1] - count :]
        return joined

    def totals(self, name: str, values: Tensor) -> Tensor:
        """Sums `[B, T, ...]` of all values from the clip's first frame to each, float64 where the device has it."""
        values = values if values.device.type == "mps" else values.double()
        total = self._kept.get(name)
        if total is not None:
            values = torch.cat([total, values], dim=1)
        sums = values.cumsum(dim=1)
        self._kept[name] = sums[:, -1:]
        return sums if total is None else sums[:, 1:]

    def sums(self, name: str, values: Tensor, frames: int) -> Tensor:
        """Sums `[B, T, ...]` over each frame and the `frames - 1` before it; see `totals`."""
        totals = self.totals(name, values)
        return totals - self.before(f"{name} before", totals, frames)[:, : values.shape[1]]

    def latest(self, name: str, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """For each frame the last known of `values [B, T, C]` up to it, and whether there is any, bool `[B, T]`.

        Args:
            name: under which the last one is kept.
            values: anything where they are not known.
            known: bool `[B, T]`.
        """
        last, there = self._kept.get(name), self._kept.get(f"{name} known")
        values = torch.cat([torch.zeros_like(values[:, :1]) if last is None else last, values], dim=1)
        known = torch.cat([torch.zeros_like(known[:, :1]) if there is None else there, known], dim=1)
        number = known.long().cumsum(dim=1)  # of the last known frame; 0: none
        here = torch.arange(known.shape[1], device=known.device).expand_as(number)
        # By number, where each known frame stands; what is unknown goes to the end, which nobody reads.
        table = F.pad(torch.zeros_like(number), (0, 2))
        table = table.scatter(1, torch.where(known, number, known.shape[1] + 1), here)
        place = table.gather(1, number).unsqueeze(2).expand_as(values)
        held, there = values.gather(1, place), number > 0
        self._kept[name], self._kept[f"{name} known"] = held[:, -1:], there[:, -1:]
        return held[:, 1:], there[:, 1:]


def differences(positions: Columns, count: int, cache: Cache) -> list[Columns]:
    """The first `count` differences over time: each frame less the one before it, and again.

    Where the n-th difference has too few frames before it (the first n), it is 0 and known with the position.

    Args:
        positions: of the frames at hand.
        count: how many differences.
        cache: what came before.
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


def pick(values: Tensor, places: list[int]) -> Tensor:
    """`values[..., places]`, without a copy where they follow each other."""
    start, count = places[0], len(places)
    if places == list(range(start, start + count)):
        return values[..., start : start + count]
    return values[..., places]


def join(blocks: list[Columns]) -> Columns:
    """One block after the other."""
    return Columns(torch.cat([values for values, _ in blocks], dim=2), torch.cat([known for _, known in blocks], dim=2))


def sums_around(values: Tensor, known: Tensor, frames: int) -> Tensor:
    """For every frame the sum of the known `values [B, T, C]` (`known [B, T]`) among the `frames` (odd) about it."""
    there = torch.where(known.unsqueeze(2), values, 0.0).transpose(1, 2)
    return frames * F.avg_pool1d(there, frames, stride=1, padding=frames // 2).transpose(1, 2)


SMALLEST_SCALE = 1e-6  # in the layout's own unit; below it a body has no size
SHORTEST_BONE = 1e-4  # in sizes of the body; below it a bone points nowhere


@dataclass
class Points:
    """One group of a batch: coordinates `[B, T, P, C]`, 0 where missing, and where they are known."""

    group: Group
    values: Tensor
    known: Tensor

    @classmethod
    def of(cls, group: Group, x: Tensor, known: Tensor) -> "Points":
        shape = (len(group.points), len(group.coordinates))
        own = slice(group.start, group.stop)
        return cls(group, x[..., own].unflatten(2, shape), known[..., own].unflatten(2, shape))

    def places(self, names: tuple[str, ...]) -> list[int]:
        """Where some coordinates stand among the group's, as far as it has them."""
        return [self.group.coordinates.index(name) for name in names if name in self.group.coordinates]

    def space(self) -> Columns:
        """Positions `[B, T, P, 3]`, z being 0 where there is none, and where all of a position is known `[B, T, P]`."""
        axes = self.places(AXES)
        known = pick(self.known, axes).all(dim=3)
        return Columns(F.pad(pick(self.values, axes), (0, len(AXES) - len(axes))), known)

    def mean_of(self, points: tuple[str, ...]) -> Columns:
        """Mean position of some points `[B, T, 3]`, and the frames in which all of them are known `[B, T]`."""
        rows = [self.group.index(name) for name in points]
        part = Points(self.group, self.values[:, :, rows], self.known[:, :, rows])
        values, known = part.space()
        return Columns(values.mean(dim=2), known.all(dim=2))

    def move(self, anchor: Tensor, scale: Tensor, turn: tuple[Tensor, Tensor] | None) -> None:
        """Centre the positions on `anchor [B, T, 3]`, divide by `scale` and turn; half a point becomes none."""
        space, known = self.space()
        space = _turned((space - anchor.unsqueeze(2)) / scale, turn)
        source = torch.cat([space, self.values], dim=3)
        names = self.group.coordinates
        self.values = pick(source, [AXES.index(n) if n in AXES else len(AXES) + i for i, n in enumerate(names)])
        self.known = self.known & known.unsqueeze(3)

    def directions(self, bones: tuple[tuple[int, int], ...], axes: tuple[str, ...]) -> Columns:
        """Where each bone points, vectors of length 1, as columns; unknown where an end is, or where both coincide."""
        first, second = torch.tensor(bones, device=self.values.device).T
        places = pick(self.values, self.places(axes))
        there = pick(self.known, self.places(axes)).all(dim=3)
        way = places.index_select(2, second) - places.index_select(2, first)
        length = way.norm(dim=3, keepdim=True)
        known = there.index_select(2, first) & there.index_select(2, second) & (length.squeeze(3) > SHORTEST_BONE)
        known = known.unsqueeze(3).expand(way.shape)
        return Columns((way / length.clamp(min=SHORTEST_BONE)).flatten(2), known.flatten(2))

    def columns(self, coordinates: tuple[str, ...], kept: int) -> Columns:
        """Some coordinates of the first `kept` points, as columns."""
        own = self.places(coordinates)
        return Columns(*(pick(part[:, :, :kept], own).flatten(2) for part in (self.values, self.known)))


class Selected(NamedTuple):
    """A group cut down to the points that are used.

    Attributes:
        group: with those points alone.
        kept: how many of them, from the first, are shown to the network.
        bones: the limbs of pose and hands that end in a kept point, and of a hand the ways from its anchor to tips and
            knuckles, as pairs of places among the points.
    """

    group: Group
    kept: int
    bones: tuple[tuple[int, int], ...] = ()


def select(layout: Layout, keep: bool) -> tuple[list[Selected], list[int]]:
    """What is used of each group, packed without gaps: the points to keep, then those that the body is placed by.

    Returns:
        The groups so packed, and the columns of the stored positions that go there.
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
    """Brings the points of a batch into the body's own coordinates, each clip looked at as a whole.

    What is of the clip as a whole has a single frame, `[B, 1, ...]`.
    """

    def __init__(self, layout: Layout, selected: list["Selected"], turn_frames: int):
        self.groups = [group for group, *_ in selected if group.spatial]
        anchored = [group for group in self.groups if group.anchor]
        # The body stands where the pose's anchor is. Hands alone have no body: they are placed in the picture.
        hands_alone = all(group.kind == "hand" for group in self.groups)
        self.in_picture = hands_alone and bool(anchored)
        self.body = next((group for group in anchored if group.kind == "pose"), anchored[0] if anchored else None)
        self.palms = {group.name: palm for group, *_ in selected if (palm := _palm(layout, group))}
        self.shoulders = [layout.find(name) for name in layout.shoulders]
        self.turn_frames = turn_frames if layout.turn else 0
        self.measured = len(layout.measured_axes)

    def normalise(self, parts: dict[str, "Points"], frames: Tensor, cache: Cache) -> dict[str, Columns]:
        """Centre, turn and scale `parts` in place.

        Args:
            parts: the points of each group.
            frames: which frames are no padding, bool `[B, T]`.
            cache: what came before; only who looks at no clip as a whole uses it.

        Returns:
            For each group with an anchor, where that is against the body `[B, T, 3]`, and whether it is known `[B, T]`.
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
        """A group's anchor in every frame `[B, T, 3]`, another frame's where it is not known, and where it is."""
        anchor, known = part.mean_of(part.group.anchor)
        held, there = self._held(name, anchor, known, cache)
        return Columns(torch.where(there.unsqueeze(2), held, middle), known)

    def _held(self, name: str, values: Tensor, known: Tensor, cache: Cache) -> Columns:
        """`values [B, T, C]`, where they are not `known [B, T]` those of a frame that has them; and if there is one."""
        return Columns(nearest(values, known), known.any(dim=1, keepdim=True))

    def _across(self, parts: dict[str, "Points"]) -> Columns:
        """The way from the first shoulder to the second `[B, T, 3]`, and where it is known `[B, T]`."""
        (first, there), (second, also) = (parts[group.name].mean_of((point,)) for group, point in self.shoulders)
        return Columns(second - first, there & also)

    def _scale(self, across: Columns | None, spread: Tensor, cache: Cache) -> Tensor:
        """What a body measures, `[B, 1, 1, 1]`: the mean distance of its shoulders, else the spread of its points."""
        if across is not None:
            width = self._width(across, cache)
            spread = torch.where(width > SMALLEST_SCALE, width, spread)
        return torch.where(spread > SMALLEST_SCALE, spread, 1.0)[..., None, None]

    def _size(self, part: "Points", scale: Tensor, cache: Cache) -> Tensor:
        """What a hand is measured by, `[B, 1, 1, 1]`: the mean length of its palm; all else by the body's `scale`."""
        palm = self.palms.get(part.group.name)
        if palm is None:
            return scale
        (first, there), (second, also) = part.mean_of(part.group.anchor), part.mean_of(palm)
        length = self._width(Columns(second - first, there & also), cache, f"palm of {part.group.name}")
        length = length[..., None, None]
        return torch.where(length > SMALLEST_SCALE, length, scale)

    def _width(self, across: Columns, cache: Cache, name: str = "width") -> Tensor:
        """Mean distance of the shoulders `[B, 1]`; 0 where they are never seen."""
        width = torch.where(across.known, across.values[..., : self.measured].norm(dim=2), 0.0)
        return width.sum(dim=1, keepdim=True) / across.known.sum(dim=1, keepdim=True).clamp(min=1)

    def _turn(self, across: Columns, cache: Cache) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the angle from the x axis to the shoulders around each frame, each `[B, T, 1]`."""
        x, _, z = self._held("turn", self._around(across, cache), across.known, cache).values.split(1, dim=2)
        length = (x * x + z * z).sqrt()
        level = length > SMALLEST_SCALE
        length = torch.where(level, length, 1.0)
        return torch.where(level, x / length, 1.0), torch.where(level, z / length, 0.0)

    def _around(self, across: Columns, cache: Cache) -> Tensor:
        """For every frame the sum of the ways between the shoulders about it, `[B, T, 3]`."""
        return sums_around(across.values, across.known, self.turn_frames)

    def _cloud(self, parts: dict[str, "Points"], cache: Cache) -> tuple[Tensor, Tensor]:
        """Mean of all points of a clip, `[B, 1, 3]`, and their root mean square distance from it, `[B, 1]`."""
        spaces = [parts[group.name].space() for group in self.groups]
        points = torch.cat([values.flatten(1, 2) for values, _ in spaces], dim=1)
        known = torch.cat([there.flatten(1, 2) for _, there in spaces], dim=1).unsqueeze(2)
        count = known.sum(dim=1).clamp(min=1)
        middle = torch.where(known, points, 0.0).sum(dim=1) / count
        away = torch.where(known, points - middle.unsqueeze(1), 0.0)[..., : self.measured]
        return middle.unsqueeze(1), (away.square().sum(dim=(1, 2)).unsqueeze(1) / count).sqrt()


def _bones(layout: Layout, group: Group, kept: int) -> tuple[tuple[int, int], ...]:
    """See `Selected`. The trunk says who signs, not what, and goes with its points where a layout selects."""
    if group.kind not in ("pose", "hand"):
        return ()
    here = {f"{group.name}.{point}": place for place, point in enumerate(group.points)}
    names = layout.point_names
    ends = [(here.get(names[a]), here.get(names[b])) for a, b in layout.limbs]
    bones = [(a, b) for a, b in ends if a is not None and b is not None and min(a, b) < kept]
    return (*bones, *_rays(group, bones))


def _rays(group: Group, bones: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """From a hand's anchor to its tips, where one limb ends, and to its knuckles, where three meet."""
    if group.kind != "hand" or len(group.anchor) != 1:
        return []
    wrist, meeting = group.index(group.anchor[0]), Counter(point for bone in bones for point in bone)
    ends = [point for point, limbs in sorted(meeting.items()) if limbs != 2 and point != wrist]
    return [(wrist, point) for point in ends if (wrist, point) not in bones and (point, wrist) not in bones]


def _palm(layout: Layout, group: Group) -> tuple[str, ...]:
    """The points of a hand that a limb joins to its anchor: how far they are from it hardly depends on the fingers."""
    if group.kind != "hand" or len(group.anchor) != 1:
        return ()
    names, wrist = layout.point_names, f"{group.name}.{group.anchor[0]}"
    ends = [(names[a], names[b]) for a, b in layout.limbs]
    joined = [b if a == wrist else a for a, b in ends if wrist in (a, b)]
    return tuple(p for name in dict.fromkeys(joined) if (p := name.partition(".")[2]) in group.points)


def _turned(space: Tensor, turn: tuple[Tensor, Tensor] | None) -> Tensor:
    """`[B, T, P, 3]` turned about the y axis by minus the angle whose cosine and sine are given."""
    if turn is None:
        return space
    cos, sin = turn
    x, y, z = space.unbind(3)
    return torch.stack([x * cos + z * sin, y, z * cos - x * sin], dim=3)


MEMORY = 250  # frames over which size and middle are taken; a signer may come nearer, and another one take the place
LARGEST = 1e6  # no body measures as much in any unit, and what does would never leave the running sums


class StreamingOrigin(Origin):
    """`Origin` for a clip of which the rest is yet to come.

    Size, middle and spread are means over the last `MEMORY` frames, the turn goes by the frames up to each, and an
    anchor that is missing stands where it was seen last.
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
