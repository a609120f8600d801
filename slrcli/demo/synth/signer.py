"""The people who sign: builds, habits and the camera in front of them."""

from dataclasses import dataclass, fields

import numpy as np

# Ranges of the uniform distributions that signers are drawn from. Lengths are in the signer's own shoulder widths,
# places in the picture are shares of its (square) side, angles in degrees, x to the right and y downwards.
_RANGES: dict[str, tuple[float, float]] = {
    "shoulders": (0.12, 0.18),  # width in the picture
    "centre_x": (0.42, 0.58),
    "centre_y": (0.19, 0.25),
    "camera_roll": (-4.0, 4.0),
    "turn": (-15.0, 15.0),  # about the vertical
    "upper_arm": (0.72, 0.92),
    "forearm": (0.66, 0.84),
    "trunk": (1.20, 1.50),
    "head": (0.52, 0.64),  # height of the face
    "neck": (0.22, 0.32),
    "hand": (0.44, 0.54),
    "legs": (1.85, 2.15),
    "speed": (0.85, 1.25),
    "size": (0.80, 1.15),  # of movements
    "habit_outward": (-0.08, 0.08),  # where this person puts every sign, against the textbook
    "habit_down": (-0.08, 0.08),
    "fold": (-0.08, 0.10),  # added to the flexion of every finger
    "roll": (-12.0, 12.0),  # degrees, added to every orientation
}


@dataclass(frozen=True)
class Signer:
    """One person in front of one camera; the meaning of the numbers stands in `_RANGES`."""

    name: str
    left_handed: bool
    shoulders: float
    centre_x: float
    centre_y: float
    camera_roll: float
    turn: float
    upper_arm: float
    forearm: float
    trunk: float
    head: float
    neck: float
    hand: float
    legs: float
    speed: float
    size: float
    habit_outward: float
    habit_down: float
    fold: float
    roll: float


def draw_signers(count: int, left_handed: int, rng: np.random.Generator) -> tuple[Signer, ...]:
    """`count` people, spread evenly over every range (a Latin hypercube); the first `left_handed` are left-handed."""
    columns = {}
    for field in fields(Signer)[2:]:
        low, high = _RANGES[field.name]
        strata = (rng.permutation(count) + rng.random(count)) / count
        columns[field.name] = low + (high - low) * strata
    return tuple(
        Signer(
            f"Signer{index + 1:02d}",
            index < left_handed,
            **{name: float(column[index]) for name, column in columns.items()},
        )
        for index in range(count)
    )
