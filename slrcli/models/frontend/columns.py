"""Columns of a batch with a mask of what is known beside them, and what is computed of them along time.

`Cache` is what a causal network has seen of a clip so far, so that a clip may come in parts.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

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
