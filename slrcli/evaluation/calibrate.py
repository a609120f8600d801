"""What `slr eval --calibrate` does: confidences fitted to what was right, kept by the checkpoint."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slrcli.checkpoints.checkpoint import amend_checkpoint
from slrcli.decoding.calibration import Calibration, fit, held_out, save_calibration, weights_hash
from slrcli.evaluation.checkpoint import EvalResult
from slrcli.recognition.load import EXPORTED
from slrcli.scoring.breakdown import calibration_classes, calibration_error, confidence_outcomes


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and what it does.

    Attributes:
        calibration: fitted to all recognised glosses of the split.
        before: the expected calibration error of the model's own confidences, in percent points.
        after: that of confidences calibrated on other utterances than their own (five folds).
        path: the file that holds it, the checkpoint itself or, of an exported model, one beside it; None where `after`
            is no better, so that nothing is kept.
    """

    calibration: Calibration
    before: float
    after: float
    path: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            **asdict(self.calibration),
            "before": self.before,
            "after": self.after,
            "written": str(self.path) if self.path else None,
        }


def calibrate(result: EvalResult) -> Calibrated:
    """Fit a calibration to an evaluation whose confidences are the model's own; write it where it helps.

    Raises:
        DataError: too few glosses were recognised.
        SlrError: the file cannot be written.
    """
    confidences = {id: item.confidences for id, item in result.evaluation.hypotheses.items()}
    outcomes = confidence_outcomes(result.evaluation.score, confidences)
    together = [pair for own in outcomes for pair in own]
    scale, shift = fit(together)
    others = [pair for own in held_out(outcomes) for pair in own]
    found = Calibration(scale, shift, result.decoder, weights_hash(result.checkpoint), result.split, len(together))
    before, after = (calibration_error(calibration_classes(pairs)) for pairs in (together, others))
    path = keep(result.checkpoint, found) if after < before else None
    return Calibrated(found, before, after, path)


def keep(checkpoint: Path, calibration: Calibration) -> Path:
    """Write a calibration into its checkpoint, or beside an exported model; the file that holds it."""
    if checkpoint.suffix == EXPORTED:
        return save_calibration(checkpoint, calibration)
    amend_checkpoint(checkpoint, calibration=asdict(calibration))
    return checkpoint
