"""From a sentence to the course of both hands: signs, the transitions between them, rest before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slrcli.demo.synth.lexicon import HANDSHAPES, ORIENTATIONS, PLACES, Sign
from slrcli.demo.synth.signer import Signer
from slrcli.errors import UsageError

# Frames at 25 frames/s, for a signer of speed 1: shortest and longest.
SIGN_FRAMES = (11.0, 18.0)
TRANSITION_FRAMES = (4.0, 8.0)
REST_FRAMES = (3, 7)
LONGER = 1.3  # a sign that goes there and back, or round twice, takes so much longer
HOLD = 0.12  # share of a sign's time that the hand stands still at either end


@dataclass(frozen=True)
class Track:
    """What two hands do, in the signer's frame: index 0 is the signing hand, 1 the other one.

    wrist: [T, 2, 3] outward (from the midline to that hand's side), down, forward of the middle of the shoulders;
        shoulder widths.
    shape: [T, 2, 6] finger flexions and spread as in `HANDSHAPES`.
    angles: [T, 2, 3] roll, pitch, tilt in degrees as in `ORIENTATIONS`.
    """

    wrist: np.ndarray
    shape: np.ndarray
    angles: np.ndarray

    def __len__(self) -> int:
        return len(self.wrist)


def place_of(name: str, signer: Signer) -> np.ndarray:
    """The place [3] (outward, down, forward) on this signer's body, in shoulder widths."""
    place = PLACES[name]
    down = place.down * signer.trunk if place.anchor == "trunk" else place.down * signer.head - signer.neck
    return np.array([place.outward, down, place.forward])


def sign_track(sign: Sign, signer: Signer, frames: int) -> Track:
    """The sign alone, without neighbours and without noise, over `frames` frames."""
    u = np.clip(np.linspace(-HOLD, 1 + HOLD, frames), 0, 1)
    habit = np.array([signer.habit_outward, signer.habit_down, 0.0])
    wrist = place_of(sign.place, signer) + habit + signer.size * sign.movement.offsets(u)
    active = _hand(wrist, sign.handshape, sign.orientation, signer)
    return _join(active, active if sign.both_hands else _resting(frames, signer))


def sentence_track(signs: Sequence[Sign], signer: Signer, rng: np.random.Generator) -> Track:
    """Rest, the signs with transitions between the end of one and the start of the next, rest; lightly smoothed."""

    def draw(span: tuple[float, float]) -> int:
        return max(3, round(rng.uniform(*span) / signer.speed))

    rest = _join(_resting(1, signer), _resting(1, signer))
    parts = [_repeat(rest, int(rng.integers(*REST_FRAMES)))]
    for sign in signs:
        frames = round(draw(SIGN_FRAMES) * LONGER ** (sign.movement.legs - 1))
        part = varied(sign_track(sign, signer, frames), sign, rng)
        parts += [_blend(parts[-1], part, draw(TRANSITION_FRAMES)), part]
    parts += [_blend(parts[-1], rest, draw(TRANSITION_FRAMES)), _repeat(rest, int(rng.integers(*REST_FRAMES)))]
    wrist, shape, angles = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("wrist", "shape", "angles")
    )
    return Track(_smooth(wrist), _smooth(shape), _smooth(angles))


def paced(track: Track, frames: int) -> Track:
    """The same course in `frames` frames, evenly faster or slower; first and last pose stay, the rest is interpolated.

    Raises:
        UsageError: fewer than two frames.
    """
    if frames < 2:
        raise UsageError(f"A movement cannot be signed in {frames} frames.", "frames", "Use 2 or more.")
    at = np.linspace(0, len(track) - 1, frames)
    before = np.minimum(at.astype(int), max(len(track) - 2, 0))
    after = np.minimum(before + 1, len(track) - 1)
    share = (at - before)[:, None, None]
    return Track(*((1 - share) * x[before] + share * x[after] for x in (track.wrist, track.shape, track.angles)))


def _hand(wrist: np.ndarray, handshape: str, orientation: str, signer: Signer) -> tuple[np.ndarray, ...]:
    """Wrist [T, 3], shape [T, 6] and angles [T, 3] of one hand that keeps its handshape and orientation."""
    shape = np.array(HANDSHAPES[handshape])
    shape[:5] = np.clip(shape[:5] + signer.fold, 0, 1.1)
    angles = np.array(ORIENTATIONS[orientation]) + np.array([signer.roll, 0.0, 0.0])
    return wrist, np.tile(shape, (len(wrist), 1)), np.tile(angles, (len(wrist), 1))


def _resting(frames: int, signer: Signer) -> tuple[np.ndarray, ...]:
    return _hand(np.tile(place_of("rest", signer), (frames, 1)), "relaxed", "hanging", signer)


def _join(active: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> Track:
    return Track(*(np.stack(pair, axis=1) for pair in zip(active, other, strict=True)))


def _repeat(track: Track, frames: int) -> Track:
    """The last frame of `track`, held for `frames` frames."""
    return Track(*(np.repeat(array[-1:], frames, axis=0) for array in (track.wrist, track.shape, track.angles)))


def varied(track: Track, sign: Sign, rng: np.random.Generator) -> Track:
    """Nobody makes a sign twice alike: a small offset of place, shape and orientation for the hands that sign."""
    hands = np.array([1.0, float(sign.both_hands)])[:, None]
    return Track(
        track.wrist + hands * rng.normal(0, 0.04, 3),
        track.shape + hands * rng.normal(0, 0.05, 6),
        track.angles + hands * rng.normal(0, 6.0, 3),
    )


def _blend(before: Track, after: Track, frames: int) -> Track:
    """A transition from the last pose of `before` to the first of `after`, starting and ending slowly."""
    u = np.arange(1, frames + 1) / (frames + 1)
    weight = (u * u * (3 - 2 * u))[:, None, None]
    return Track(
        *(
            (1 - weight) * getattr(before, name)[-1] + weight * getattr(after, name)[0]
            for name in ("wrist", "shape", "angles")
        )
    )


def _smooth(x: np.ndarray) -> np.ndarray:
    """A moving average over three frames: a hand on its way to the next sign does not quite finish this one."""
    padded = np.concatenate([x[:1], x, x[-1:]])
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3
