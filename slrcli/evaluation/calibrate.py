"""What `slr eval --calibrate` does: confidences fitted to what was right, kept beside the checkpoint."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slrcli.decoding.calibration import Calibration, fit, held_out, save_calibration
from slrcli.evaluation.checkpoint import EvalResult
from slrcli.files import file_hash
from slrcli.scoring.breakdown import calibration_classes, calibration_error, confidence_outcomes


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and what it does.

    Attributes:
        calibration: fitted to all recognised glosses of the split.
        before: the expected calibration error of the model's own confidences, in percent points.
        after: that of confidences calibrated on other utterances than their own (five folds).
        path: the file beside the checkpoint; None where `after` is no better, so that nothing is kept.
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
    found = Calibration(scale, shift, result.decoder, file_hash(result.checkpoint), result.split, len(together))
    before, after = (calibration_error(calibration_classes(pairs)) for pairs in (together, others))
    path = save_calibration(result.checkpoint, found) if after < before else None
    return Calibrated(found, before, after, path)
