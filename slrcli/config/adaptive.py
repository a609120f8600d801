"""What a training run chooses by its corpus, before the first step, wherever nobody says otherwise.

The units are signs and steps. How long a sign lasts (frames per gloss) says how many frames make an output frame, and
with it what a decision of the network sees; how many utterances there are says how often each has to be seen. Long
signs, once they are placed, are learnt frame by frame, which made connected signing with its short ones worse.
"""

from math import log2
from typing import Any, NamedTuple

STEPS_PER_SIGN = 5  # output frames that a sign should last
MOST_STRIDES = 3
LONG_SIGN = 36  # frames from which on signs are learnt frame by frame, once placed; connected signing hurries more
SEEN = 32_000  # utterances that a run sees in all, each as often as there are epochs
EPOCHS = (10, 120)
SMALL = 600  # utterances below which a batch is small, so that an epoch has steps enough


class Facts(NamedTuple):
    """What is known of a corpus before the first step.

    Attributes:
        utterances: in train.
        glosses: tokens in train.
        frames: in train.
        sentences: different ones in train.
        sensors: whether its columns are a few sensors' (gloves), neither points nor a network's features.
        hands: whether it shows two hands and no body.
    """

    utterances: int
    glosses: int
    frames: int
    sentences: int
    sensors: bool = False
    hands: bool = False

    @property
    def sign_frames(self) -> float:
        """Frames per gloss: how long a sign lasts, the way to it included."""
        return self.frames / max(self.glosses, 1)


class Choice(NamedTuple):
    """A setting (`section.key...`), its value, and what of the corpus it follows from."""

    setting: str
    value: Any
    reason: str


def choices(facts: Facts, arch: str) -> list[Choice]:
    """What fits a corpus. The architecture's own options are chosen where it has them."""
    batch = 4 if facts.utterances < SMALL else 8
    epochs = min(max(round(SEEN / max(facts.utterances, 1)), EPOCHS[0]), EPOCHS[1])
    why = f"{facts.utterances:,} utterances"
    found = [Choice("optim.epochs", epochs, why), Choice("optim.batch_size", batch, why)]
    if arch == "tcn":
        steps = max(facts.sign_frames / STEPS_PER_SIGN, 1)  # an empty corpus is for others to speak of
        strides = min(max(round(log2(steps)), 1), MOST_STRIDES)
        lasting = f"{facts.sign_frames:.1f} frames per gloss"
        found.insert(0, Choice("model.options.strides", strides, lasting))
        if facts.sign_frames >= LONG_SIGN and not facts.sensors:
            found.append(Choice("loss.frames", 1.0, lasting))
    if facts.sensors:
        why = "columns of sensors"
        found += [Choice("model.options.frontend.centre", True, why), Choice("augment.point_drop", 0.05, why)]
    if facts.hands:
        why = "hands without a body"
        found += [Choice("augment.hand_rotate", 15.0, why), Choice("augment.hand_scale", 0.15, why)]
    return found
