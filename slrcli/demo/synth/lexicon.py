"""The invented language of the procedural signer: what a sign is made of, and its lexicon.

A sign has the four parameters of sign phonology: a handshape, a place of articulation, a palm orientation and a
movement. A movement is a path and a course along it, so that signs which share everything but the course pass the same
poses in another order: no frame by itself tells them apart. Every sign of the lexicon has at least one such partner.
The glosses are plain words; the signs belong to no real sign language.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from slrcli.errors import UsageError

# Thumb to little finger, 0 stretched to 1 folded, then how far the fingers are spread (0 to 1).
HANDSHAPES: dict[str, tuple[float, ...]] = {
    "flat": (0.2, 0.0, 0.0, 0.0, 0.0, 0.1),
    "fist": (0.7, 1.0, 1.0, 1.0, 1.0, 0.1),
    "point": (0.8, 0.0, 1.0, 1.0, 1.0, 0.1),
    "vee": (0.9, 0.0, 0.0, 1.0, 1.0, 0.8),
    "five": (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    "claw": (0.3, 0.5, 0.5, 0.5, 0.5, 0.9),
    "horns": (0.0, 1.0, 1.0, 1.0, 0.0, 0.5),
    "relaxed": (0.3, 0.3, 0.35, 0.4, 0.45, 0.3),
}


class Place(NamedTuple):
    """Where the wrist is at the middle of the path, seen from the middle of the shoulders."""

    anchor: str  # "head": `down` counts head heights above the shoulders (negative); "trunk": trunk lengths below them
    outward: float  # shoulder widths from the midline towards the side of the signing hand
    down: float
    forward: float  # shoulder widths towards the camera


PLACES: dict[str, Place] = {
    "temple": Place("head", 0.60, -0.75, 0.45),
    "mouth": Place("head", 0.40, -0.20, 0.55),
    "shoulder": Place("trunk", 0.62, 0.12, 0.50),
    "chest": Place("trunk", 0.40, 0.38, 0.50),
    "waist": Place("trunk", 0.55, 0.72, 0.50),
    "rest": Place("trunk", 0.28, 0.92, 0.25),
}

# Degrees: roll about the forearm (0 palm to the camera, 90 to the midline, 180 to the signer), pitch (fingers tip
# towards the camera), tilt in the picture plane (fingers tip towards the midline).
ORIENTATIONS: dict[str, tuple[float, float, float]] = {
    "forward": (0.0, 0.0, 5.0),
    "inward": (90.0, 0.0, 10.0),
    "back": (180.0, 0.0, 25.0),
    "down": (0.0, 75.0, 15.0),
    "up": (180.0, 75.0, 15.0),
    "hanging": (110.0, 20.0, 110.0),
}


def _straight(s: np.ndarray, outward: float, down: float) -> np.ndarray:
    return np.stack([outward * (s - 0.5), down * (s - 0.5), np.zeros_like(s)], axis=-1)


def _arc(s: np.ndarray) -> np.ndarray:
    angle = np.pi * s
    return np.stack([-0.36 * np.cos(angle), 0.14 - 0.34 * np.sin(angle), np.zeros_like(s)], axis=-1)


def _circle(s: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * s
    return np.stack([0.28 * np.sin(angle), 0.28 * np.cos(angle), np.zeros_like(s)], axis=-1)


# Position along the path, s in 0..1 [T] -> offset from the place [T, 3] (outward, down, forward), shoulder widths.
PATHS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rise": lambda s: _straight(s, 0.0, -0.7),
    "side": lambda s: _straight(s, 0.7, 0.0),
    "arc": _arc,
    "circle": _circle,
}
CLOSED_PATHS = frozenset({"circle"})


class Movement(NamedTuple):
    """A course along a path, which is the order in which its points are passed.

    Attributes:
        path: a name in `PATHS`.
        legs: how many times from end to end, to and fro; how many laps on a closed path.
        backward: from the far end, or the other way round.
    """

    path: str
    legs: int = 1
    backward: bool = False

    def position(self, u: np.ndarray) -> np.ndarray:
        """Where on the path, s in 0..1, the hand is after the share u in 0..1 of the sign's time; shapes [T] -> [T].

        Starts and stops smoothly; the course that runs `backward` passes the same points in reversed order.
        """
        if self.path in CLOSED_PATHS:
            s = self.legs * (1 - np.cos(np.pi * u)) / 2
            s = s - np.floor(s)
        else:
            s = (1 - np.cos(self.legs * np.pi * u)) / 2
        return 1 - s if self.backward else s

    def offsets(self, u: np.ndarray) -> np.ndarray:
        """Offsets [T, 3] from the place at the times u [T], see `PATHS`."""
        return PATHS[self.path](self.position(u))


@dataclass(frozen=True)
class Sign:
    """One sign of the invented language."""

    gloss: str
    family: str  # signs of one family share everything but their movement
    handshape: str
    place: str
    orientation: str
    movement: Movement
    both_hands: bool = False  # the other hand does the same, mirrored


PARAMETERS = ("handshape", "place", "orientation", "movement")


class MinimalPair(NamedTuple):
    """Two glosses whose signs differ in one parameter alone."""

    first: str
    second: str
    parameter: str


MOVEMENTS: dict[str, Movement] = {
    "up": Movement("rise"),
    "down": Movement("rise", backward=True),
    "out": Movement("side"),
    "in": Movement("side", backward=True),
    "arc out": Movement("arc"),
    "arc in": Movement("arc", backward=True),
    "arc to and fro": Movement("arc", 2),
    "arc fro and to": Movement("arc", 2, backward=True),
    "circle": Movement("circle"),
    "circle back": Movement("circle", backward=True),
    "circle twice": Movement("circle", 2),
    "circle back twice": Movement("circle", 2, backward=True),
}

_CROSS = ("up", "down", "out", "in")
_ARCS = ("arc out", "arc in", "arc to and fro", "arc fro and to")
_CIRCLES = ("circle", "circle back", "circle twice", "circle back twice")
# Family: handshape, place, orientation, both hands, movements, glosses in their order.
_FAMILIES = {
    "time": ("flat", "shoulder", "forward", False, _CROSS, "TOMORROW YESTERDAY TODAY ALWAYS"),
    "person": ("point", "shoulder", "forward", False, _CROSS, "MOTHER FATHER FRIEND TEACHER"),
    "location": ("flat", "waist", "forward", False, _CROSS, "HOUSE SCHOOL CITY RIVER"),
    "weather": ("flat", "shoulder", "back", False, _CROSS, "RAIN SUN WIND SNOW"),
    "food": ("claw", "mouth", "inward", False, _CIRCLES, "BREAD MILK APPLE TEA"),
    "action": ("vee", "chest", "down", False, _CROSS, "GIVE TAKE WRITE READ"),
    "quality": ("five", "chest", "up", True, _ARCS, "GOOD BAD BIG SMALL"),
}
MOST_SIGNS = 4 * len(_FAMILIES)

# Handshape, place, orientation, both hands, movement: everything that can be told apart from a hand at rest.
_COMBINATIONS = tuple(
    product(
        [name for name in HANDSHAPES if name != "relaxed"],
        [name for name in PLACES if name != "rest"],
        [name for name in ORIENTATIONS if name != "hanging"],
        (False, True),
        MOVEMENTS,
    )
)
MOST_NAMED = len(_COMBINATIONS)


def lexicon(signs: int = MOST_SIGNS) -> tuple[Sign, ...]:
    """The first `signs` signs, family by family.

    Raises:
        UsageError: there are not that many, or it would be fewer than one family of four.
    """
    if not 4 <= signs <= MOST_SIGNS:
        raise UsageError(f"The lexicon cannot have {signs} signs.", "signs", f"Use 4 to {MOST_SIGNS}.")
    known = [
        Sign(gloss, family, shape, place, orientation, MOVEMENTS[movement], both)
        for family, (shape, place, orientation, both, movements, glosses) in _FAMILIES.items()
        for movement, gloss in zip(movements, glosses.split(), strict=True)
    ]
    return tuple(known[:signs])


def named_lexicon(glosses: Iterable[str], seed: int = 0) -> dict[str, Sign]:
    """A sign of its own for every one of `glosses`, none like another's; for vocabularies of a real size.

    Each draws a handshape, a place, an orientation, a movement and one or two hands from its own name and `seed`, and
    draws again where that combination is taken. The order in which glosses are given does not matter. A hand that rests
    makes no sign.

    Raises:
        UsageError: more glosses than combinations (`MOST_NAMED`).
    """
    names = sorted(set(glosses))
    if len(names) > MOST_NAMED:
        what = f"There are not enough signs for {len(names)} glosses."
        raise UsageError(what, "glosses", f"Use at most {MOST_NAMED}.")
    signs: dict[str, Sign] = {}
    taken: set[int] = set()
    for gloss in names:
        rng = np.random.default_rng([seed, *gloss.encode()])
        number = int(rng.integers(MOST_NAMED))
        while number in taken:
            number = int(rng.integers(MOST_NAMED))
        taken.add(number)
        shape, place, orientation, both, movement = _COMBINATIONS[number]
        family = f"{shape} {place} {orientation} {'both' if both else 'one'}"
        signs[gloss] = Sign(gloss, family, shape, place, orientation, MOVEMENTS[movement], both)
    return signs


def minimal_pairs(signs: tuple[Sign, ...]) -> list[MinimalPair]:
    """All pairs of `signs` that differ in exactly one of `PARAMETERS` (and use as many hands)."""
    pairs = []
    for a, b in combinations(signs, 2):
        differing = [name for name in PARAMETERS if getattr(a, name) != getattr(b, name)]
        if len(differing) == 1 and a.both_hands == b.both_hands:
            pairs.append(MinimalPair(a.gloss, b.gloss, differing[0]))
    return pairs
