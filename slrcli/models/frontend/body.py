"""The points of a batch by group, and the body's own coordinates: centred, turned to the front, scaled."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from slrcli.features.layout import Layout
from slrcli.features.layout.layout import AXES, Group
from slrcli.models.frontend.columns import Cache, Columns, nearest, pick, sums_around

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
