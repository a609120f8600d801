"""The body's own coordinates from what is known so far: nothing of them changes when more frames come."""

import torch
import torch.nn.functional as F
from torch import Tensor

from slrcli.models.frontend.body import Origin, Points
from slrcli.models.frontend.columns import Cache, Columns

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
