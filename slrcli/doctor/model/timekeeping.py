"""How much of time is left in what a layer sees: two measurements that no recurrence behind it can fool.

The output's own variance says nothing, since an LSTM makes variance out of constant input. So both look at the last
layer that sees single moments (`slrcli.doctor.model.probe.last_view_of_moments`).
"""

from typing import NamedTuple

from torch import Tensor

from slrcli.doctor.model.layers import changed_in_the_middle, responses, variances
from slrcli.doctor.model.probe import ModelContext, View, last_view_of_moments

CLIPS, FRAMES = 6, 192  # of the batch that is looked at


class Timekeeping(NamedTuple):
    """What was measured.

    Attributes:
        name: the layer whose input was looked at.
        variation: variance over time divided by variance over clips; 0 where all frames of a clip look alike.
        near: mean change of the layer near a local change of the input.
        far: the same far from it.
        alive: whether the layer differs at all, between clips or over time.
    """

    name: str
    variation: float
    near: float
    far: float
    alive: bool

    @property
    def contrast(self) -> float:
        """Near against far; infinite where nothing far away changes."""
        if self.near == 0:
            return 0.0
        return self.near / self.far if self.far else float("inf")


def measure(context: ModelContext) -> Timekeeping | None:
    """Both measurements on made-up clips; None where no layer can be found to look at."""
    network = context.network()
    x, lengths = context.clips([FRAMES] * CLIPS)
    before = last_view_of_moments(network, x, lengths, context.vocab_size)
    after = last_view_of_moments(network, changed_in_the_middle(x), lengths, context.vocab_size)
    if before is None or after is None or not _fits(before):
        return None
    over_time, over_clips = variances(before.values)
    near, far = responses((after.values - before.values).abs().mean(dim=(0, 2)), FRAMES)
    alive = over_time + over_clips > 0
    return Timekeeping(before.name, over_time / max(over_clips, 1e-30), near, far, alive)


def _fits(view: View) -> bool:
    return isinstance(view.values, Tensor) and view.values.dim() == 3 and len(view.values) == CLIPS
