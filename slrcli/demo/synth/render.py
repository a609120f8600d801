"""From the course of the hands to what MediaPipe Holistic would see: float32 [T, 1629], with noise and lost hands."""

import numpy as np

from slrcli.demo.synth.body import FACE_POINTS, HAND_POINTS, POSE_FACE, POSE_POINTS, elbow_point, trunk_points
from slrcli.demo.synth.face import face_template
from slrcli.demo.synth.motion import Track
from slrcli.demo.synth.signer import Signer
from slrcli.features.anatomy import about, hand_points

WIDTH = 3 * (POSE_POINTS + 2 * HAND_POINTS + FACE_POINTS)
MISSING_SPAN = 3.0  # mean length of a span of frames without a hand
# Standard deviation of a point's jitter, shoulder widths at noise 1: body, hands, face.
_JITTER = (0.004, 0.004, 0.001)


def render(
    track: Track, signer: Signer, rng: np.random.Generator, noise: float = 1.0, missing: float = 0.08
) -> np.ndarray:
    """One clip.

    Args:
        track: the course of both hands.
        signer: whose body, and where it stands.
        rng: source of all chance.
        noise: multiplies the jitter of the sensor.
        missing: share of frames in which a hand is lost; more where it moves fast.

    Returns:
        [T, 1629] float32: pose 33x3, left hand 21x3, right hand 21x3, face 468x3; x and y in shares of a square
        picture, y downwards. As MediaPipe has it, z is relative to the hips, the wrist and the centre of the face.
    """
    frames = len(track)
    camera = about(2, np.deg2rad(signer.camera_roll)) @ about(1, np.deg2rad(signer.turn)) * signer.shoulders
    origin = np.array([signer.centre_x, signer.centre_y, 0.0]) + signer.shoulders * _sway(frames, rng)
    head = _head(frames, signer, rng)
    turned = _head_turns(frames, rng)
    pose, hands = _skeleton(track, signer, head, turned)
    parts = [_seen(pose, camera, origin), *(_seen(hand, camera, origin) for hand in hands)]
    for hand in parts[1:]:
        hand[:, :, 2] -= hand[:, :1, 2].copy()
    parts.append(_face(signer, camera @ turned, origin + head @ camera.T, rng))
    out = np.concatenate([part.reshape(frames, -1) for part in parts], axis=1, dtype=np.float32)
    out += _jitter(rng, out.shape) * np.float32(noise * signer.shoulders)
    for index, side in enumerate((0, 1)):
        start = 3 * (POSE_POINTS + index * HAND_POINTS)
        speed = np.linalg.norm(np.diff(hands[side][:, 0], axis=0, prepend=hands[side][:1, 0]), axis=1)
        out[lost_frames(speed, missing, rng), start : start + 3 * HAND_POINTS] = np.nan
    return out


def hand_course(track: Track, signer: Signer) -> np.ndarray:
    """What both hands do, without a camera or noise: [T, 42, 3] in shoulder widths, the left hand first."""
    frames = len(track)
    head, turned = np.zeros((frames, 3)), np.broadcast_to(np.eye(3), (frames, 3, 3))
    return np.concatenate(_skeleton(track, signer, head, turned)[1], axis=1)


def lost_frames(speed: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Frames [T] bool in which a hand of this speed [T] is lost, more often in fast movement.

    Spans of geometric length begin as a Poisson process, so a frame is covered with probability
    1 - exp(-spans begun per frame x mean length).
    """
    frames = len(speed)
    weight = 0.3 + 0.7 * speed / max(float(speed.mean()), 1e-9) if speed.any() else np.ones(frames)
    begun = -np.log1p(-rate) / MISSING_SPAN * weight
    starts = np.flatnonzero(rng.random(frames) < begun)
    lost = np.zeros(frames, dtype=bool)
    for start, length in zip(starts, rng.geometric(1 / MISSING_SPAN, len(starts)), strict=True):
        lost[start : start + length] = True
    return lost


def _skeleton(
    track: Track, signer: Signer, head: np.ndarray, turned: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Pose [T, 33, 3] and left and right hand [T, 21, 3] in shoulder widths, before the camera."""
    frames = len(track)
    pose = np.zeros((frames, POSE_POINTS, 3))
    for number, point in trunk_points(signer).items():
        pose[:, number] = point
    pose[:, : len(POSE_FACE)] = head[:, None] + signer.head * POSE_FACE @ turned.swapaxes(1, 2)
    hands = []
    for left in (True, False):
        which = 0 if left == signer.left_handed else 1
        out = np.array([1.0 if left else -1.0, 1.0, 1.0])  # the left hand's outward is the picture's right
        wrist = track.wrist[:, which] * np.array([1.0, 1.0, -1.0])  # forward becomes away
        elbow, wrist = elbow_point(np.array([0.5, 0.0, 0.0]), wrist, signer)
        hand = wrist[:, None] + signer.hand * hand_points(track.shape[:, which], track.angles[:, which])
        first = 0 if left else 1
        pose[:, 13 + first], pose[:, 15 + first] = elbow * out, wrist * out
        for number, joint in ((17, 17), (19, 5), (21, 2)):  # knuckles of little finger, index and thumb
            pose[:, number + first] = hand[:, joint] * out
        hands.append(hand * out)
    return pose, (hands[0], hands[1])


def _seen(points: np.ndarray, camera: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Points [T, P, 3] through a camera without perspective, in shares of the picture; z keeps the scale of x."""
    return points @ camera.T + origin[:, None]


def _head(frames: int, signer: Signer, rng: np.random.Generator) -> np.ndarray:
    """Centre of the face [T, 3]: above the neck, nodding a little."""
    centre = np.array([0.0, -signer.neck - 0.5 * signer.head, -0.1])
    return centre + 0.6 * _sway(frames, rng)


def _head_turns(frames: int, rng: np.random.Generator) -> np.ndarray:
    """How the head is turned in every frame, [T, 3, 3]: looking about and nodding by a few degrees.

    A tracker fits one face as a whole, so its jitter is mostly that of the turn: points hardly shake by themselves.
    """
    degrees = 60 * _sway(frames, rng)[:, :2] + rng.normal(0, 0.2, (frames, 2))
    pitch, yaw = np.deg2rad(degrees).T
    return about(1, yaw) @ about(0, pitch)


def _face(signer: Signer, camera: np.ndarray, centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Face points [T, 468, 3] at `centre` [T, 3], seen by `camera` [T, 3, 3], the mouth opening and closing."""
    rest, opening = face_template()
    mouth = 0.03 * (1 + np.sin(2 * np.pi * (rng.uniform(0.5, 2.0) * np.arange(len(centre)) / 25 + rng.random())))
    at = centre * np.array([1.0, 1.0, 0.0])
    shape = (signer.head * (rest + mouth[:, None, None] * opening)).astype(np.float32)
    return at[:, None].astype(np.float32) + shape @ camera.swapaxes(1, 2).astype(np.float32)


def _sway(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Slow unrest [T, 3] of some hundredths: two sines an axis, below one a second."""
    rate, phase = rng.uniform(0.1, 0.8, (2, 1, 3)), rng.random((2, 1, 3))
    seconds = np.arange(frames)[:, None] / 25
    return 0.02 * np.sin(2 * np.pi * (rate * seconds + phase)).sum(axis=0)


def _jitter(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    scale = np.repeat(_JITTER, (3 * POSE_POINTS, 6 * HAND_POINTS, 3 * FACE_POINTS)).astype(np.float32)
    return rng.standard_normal(shape, dtype=np.float32) * scale
