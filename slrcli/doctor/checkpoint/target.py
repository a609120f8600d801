"""`slr check checkpoint`: a checkpoint, what lies beside it in its run, and a corpus if one is named."""

from dataclasses import dataclass
from pathlib import Path

from slrcli.checkpoints import runs
from slrcli.config import DataConfig, DecodeConfig
from slrcli.console import Console
from slrcli.corpus.clips import Clips
from slrcli.decoding.decoder import make_decoder
from slrcli.doctor.checkpoint.checks import CHECKPOINT_CHECKS, CheckpointContext
from slrcli.doctor.checkpoint.order_checks import ORDER_CHECKS
from slrcli.doctor.context import Check
from slrcli.evaluation.checkpoint import open_split
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DecoderOptions

METRICS, VOCABULARY = "metrics.jsonl", "vocab.json"


@dataclass(frozen=True)
class CheckpointTarget:
    """A checkpoint to be examined, and where a corpus is named, whether it reads signs or recites sentences.

    Attributes:
        path: the file, or the folder of a run, whose best one is meant; None: the newest run.
        seed: of the synthetic clips, and of new orders of signs.
        data: the corpus whose dev is recognised; None: none.
    """

    path: Path | None = None
    seed: int = 1
    data: DataConfig | None = None

    @property
    def checks(self) -> list[Check]:
        """Of the file and its run, and of the order of signs if there is a corpus."""
        return [*CHECKPOINT_CHECKS, *ORDER_CHECKS] if self.data is not None else [*CHECKPOINT_CHECKS]

    def open(self, console: Console) -> tuple[str, CheckpointContext]:
        """Find it; the checks read it.

        Raises:
            CheckpointError: there is none.
        """
        checkpoint = runs.find_checkpoint(self.path)

        def beside(name: str) -> Path | None:
            file = checkpoint.with_name(name)
            return file if file.is_file() else None

        of_run = checkpoint.name in (runs.BEST, runs.LAST)
        context = CheckpointContext(
            checkpoint,
            beside(runs.STATE) if of_run else None,
            checkpoint.name == runs.LAST,
            beside(VOCABULARY),
            beside(METRICS) if of_run else None,
            self.seed,
        )
        if (data := self.data) is not None:
            context.open_dev = lambda: open_dev(console, checkpoint, data)
        return f"Checkpoint {runs.shown(checkpoint)}", context


def open_dev(console: Console, checkpoint: Path, data: DataConfig) -> tuple[ClipRecogniser, Clips]:
    """A checkpoint's recogniser, without a search or a language model, and the clips of dev.

    Raises:
        SlrError: there is no dev, or features are missing or do not fit.
    """
    found = open_split(console, checkpoint, data, "dev", "auto")
    settings = DecoderOptions().settings(checkpoint, found.recogniser.meta)
    alone = settings if settings.sign_frames else DecodeConfig()
    found.recogniser.decoder = make_decoder(alone, found.recogniser.vocabulary)
    return found.recogniser, found.clips
