"""Calibrated confidences: of the glosses with a confidence of 80 %, about 80 % should be right.

A model's own confidence c is mapped to sigmoid(scale * logit(c) + shift), two numbers fitted by maximum likelihood to
recognised glosses of which it is known whether they are right (Platt 1999, with his smoothed targets; `scale` alone is
the inverse of the temperature of Guo et al. 2017). The order of the confidences stays as it is.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError, understood
from slrcli.files import atomic_write_text, file_hash, read_json

SUFFIX = ".calibration.json"  # beside the file that it belongs to
WEIGHTS = ".safetensors"  # a checkpoint, whose head may be rewritten while the weights stay
KIND = "slr-calibration"
NEEDED = 20  # recognised glosses; two numbers can be fitted to so many, not to fewer
SURE = 1e-4  # confidences are kept this far from 0 and 1, whose logits are infinite
STEPS = 100
FLATTEST = 1e-3  # a scale of 0 or below would turn the order of the confidences over

Outcome = tuple[float, bool]  # a confidence, and whether the gloss was right


@dataclass(frozen=True)
class Calibration:
    """What confidences are mapped by, and what it was fitted to.

    Attributes:
        scale, shift: the two numbers of the map.
        decoder: whose confidences it is for.
        checkpoint: whose confidences they are, see `weights_hash`.
        split: of the corpus.
        glosses: recognised glosses that it was fitted to.
    """

    scale: float
    shift: float
    decoder: str
    checkpoint: str
    split: str
    glosses: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """The calibration whose fields are `values`, whatever else stands there.

        Raises:
            KeyError, TypeError, ValueError: there is something missing, or numbers that make no sense.
        """
        found = cls(**{item.name: values[item.name] for item in fields(cls)})
        if not (math.isfinite(found.scale + found.shift) and found.scale > 0):
            raise ValueError("scale and shift must be finite and the scale positive")
        return found

    def of(self, confidence: float) -> float:
        """A confidence, calibrated."""
        return float(_mapped(np.array([confidence]), self.scale, self.shift)[0])

    def applied(self, hypothesis: Hypothesis) -> Hypothesis:
        """A hypothesis with calibrated confidences, and those that follow it."""
        sure, others = map(self.of, hypothesis.confidences), map(self.applied, hypothesis.others)
        return replace(hypothesis, confidences=tuple(sure), others=tuple(others))


def fit(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Scale and shift that make these glosses most probable.

    Raises:
        DataError: too few glosses.
    """
    if len(outcomes) < NEEDED:
        raise DataError(
            f"{len(outcomes)} recognised glosses are too few for a calibration.",
            fix=f"Use a split in which at least {NEEDED} glosses are recognised.",
        )
    x = _logit(np.array([value for value, _ in outcomes]))
    right = np.array([hit for _, hit in outcomes])
    hits = int(right.sum())
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))
    features = np.stack([x, np.ones_like(x)], axis=1)
    numbers = np.array([1.0, 0.0])
    for _ in range(STEPS):
        found = _sigmoid(features @ numbers)
        curvature = (features * (found * (1 - found))[:, None]).T @ features + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, features.T @ (found - targets))
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))  # far from the optimum Newton's steps are too long
        numbers = numbers - step
        if np.abs(step).max() < 1e-9:
            break
    return max(float(numbers[0]), FLATTEST), float(numbers[1])


def held_out(outcomes: Sequence[Sequence[Outcome]], folds: int = 5) -> list[list[Outcome]]:
    """The glosses of every utterance with the confidences that a fit to the other utterances gives them.

    Raises:
        DataError: too few glosses in what a fold leaves.
    """
    result: list[list[Outcome]] = []
    maps = [
        fit([pair for place, own in enumerate(outcomes) if place % folds != fold for pair in own])
        for fold in range(folds)
    ]
    for place, own in enumerate(outcomes):
        values = _mapped(np.array([value for value, _ in own]), *maps[place % folds])
        result.append([(float(value), hit) for value, (_, hit) in zip(values, own, strict=True)])
    return result


def weights_hash(path: Path) -> str:
    """SHA-256 of a file's weights, 12 hexadecimal digits: all behind the head of a checkpoint, else the whole file.

    It stays the same when decoder or calibration are written into a checkpoint.
    """
    with path.open("rb") as file:
        head = int.from_bytes(file.read(8), "little")
        if path.suffix != WEIGHTS or head + 8 > path.stat().st_size:
            return file_hash(path)
        file.seek(8 + head)
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def save_calibration(checkpoint: Path, calibration: Calibration) -> Path:
    """Write it beside the file that it belongs to, where it cannot stand within; its name."""
    path = checkpoint.with_suffix(SUFFIX)
    atomic_write_text(path, json.dumps({"kind": KIND, "version": 1, **asdict(calibration)}, indent=1) + "\n")
    return path


def load_calibration(checkpoint: Path, decoder: str) -> Calibration | None:
    """The calibration beside a file; None where there is none, or one of another decoder or of other weights.

    Raises:
        DataError: the file is damaged.
    """
    path = checkpoint.with_suffix(SUFFIX)
    if not path.is_file():
        return None
    fix = "Remove it, or write it again with slr eval --calibrate."
    with understood("The calibration is damaged", path, fix):
        values = read_json(path)
        if values["kind"] != KIND or values["version"] != 1:
            raise ValueError("not a calibration of this version")
        found = Calibration.from_dict(values)
    mine = found.decoder == decoder and found.checkpoint in (weights_hash(checkpoint), file_hash(checkpoint))
    return found if mine else None


def _mapped(confidences: np.ndarray, scale: float, shift: float) -> np.ndarray:
    return _sigmoid(scale * _logit(confidences) + shift)


def _logit(confidences: np.ndarray) -> np.ndarray:
    kept = np.clip(confidences, SURE, 1 - SURE)
    return np.log(kept) - np.log1p(-kept)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
