"""What `slr eval` does: a checkpoint and a split in, scores and hypotheses out."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.checkpoints.learnt import require_unlearnt
from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import find_checkpoint, require_own, shown
from slrcli.config import FRAMES_PER_SECOND, DataConfig
from slrcli.console import Console
from slrcli.corpus import default_split, split_name
from slrcli.corpus.clips import Clips, note_rates, warn_empty
from slrcli.corpus.opening import open_data, require_distinct, with_dev
from slrcli.evaluation.evaluate import EVAL_BATCH, Evaluation, evaluate
from slrcli.features.rate import usual_rate
from slrcli.files import file_hash
from slrcli.frames import frame_of
from slrcli.recognition.load import attach_decoder, load_recogniser
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DecoderOptions
from slrcli.recognition.timing import require_effect
from slrcli.scoring.breakdown import Familiarity, breakdown, calibration, calibration_error, familiarity
from slrcli.scoring.protocols import get_protocols
from slrcli.scoring.score import ProtocolScore, intervals_of, score_protocol
from slrcli.scoring.stats import Interval, intervals_dict
from slrcli.scoring.table import COLUMNS, table_rows
from slrcli.scoring.wer import Score, by_signer
from slrcli.transcripts import TimedClip, format_of, write_transcripts

if TYPE_CHECKING:
    import pandas

UNKNOWN_SENTENCES = "The checkpoint does not record its training sentences, so known ones are not scored separately"


@dataclass(frozen=True)
class OpenSplit:
    """A checkpoint and the split that it is to recognise, opened."""

    path: Path
    recogniser: ClipRecogniser
    split: str
    clips: Clips


@dataclass(frozen=True)
class EvalResult:
    """What a checkpoint makes of a split.

    Attributes:
        checkpoint: the file.
        recogniser: what it holds.
        split: name of the split.
        clips: what was recognised.
        evaluation: scores and hypotheses.
        signers: utterance id -> signer.
        oov: tokens of the references that are not in the vocabulary, each a certain error.
        written: where hypotheses were written.
        protocol_scores: the same hypotheses under the protocols that were asked for, `plain` if none was.
        decoder: its signature.
        fps: frames per second of the clips; the median of different rates.
    """

    checkpoint: Path
    recogniser: ClipRecogniser
    split: str
    clips: Clips
    evaluation: Evaluation
    signers: dict[str, str]
    oov: int
    written: tuple[Path, ...] = ()
    protocol_scores: tuple[ProtocolScore, ...] = ()
    decoder: str = "greedy"
    fps: float = FRAMES_PER_SECOND

    @property
    def meta(self) -> Meta:
        """What the checkpoint knows of itself."""
        return self.recogniser.meta

    @property
    def by_signer(self) -> dict[str, Score]:
        """A score for every signer; empty where the table names none."""
        return by_signer(self.score, self.signers)

    @property
    def score(self) -> Score:
        """The errors under the first protocol."""
        return self.protocol_scores[0].score

    @cached_property
    def calibration(self) -> list[tuple[float, float, int, float, float]]:
        """Confidences against hits; see `slrcli.scoring.breakdown.calibration`."""
        return calibration(self.score, {id: item.confidences for id, item in self.evaluation.hypotheses.items()})

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals of the WER, as `slrcli.scoring.score` names them."""
        return intervals_of(self.score, self.signers, self.meta.config.run.seed)

    @cached_property
    def seen(self) -> dict[str, bool | None]:
        """Utterance id -> whether its sentence was trained on; None where the checkpoint does not record it."""
        return {id: self.meta.saw(glosses) for id, glosses in self.evaluation.references.items()}

    @cached_property
    def familiarity(self) -> Familiarity | None:
        """The errors on known and on unknown sentences; None where the checkpoint does not record its sentences."""
        return familiarity(self.score, self.seen, self.meta.config.run.seed) if self.meta.sentences else None

    def rows(self) -> list[dict[str, Any]]:
        """A row per utterance under the first protocol; see `slrcli.scoring.table`."""
        return table_rows(self.score, self.signers)

    def to_frame(self) -> "pandas.DataFrame":
        """The same as a data frame.

        Raises:
            DependencyError: pandas is not installed.
        """
        return frame_of(self.rows(), COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        scores = self.score.to_dict(self.by_signer, utterances=True)
        rows = [{**row, "seen": self.seen[row["id"]]} for row in scores["per_utterance"]]
        return {
            "checkpoint": str(self.checkpoint),
            "split": self.split,
            "normaliser": self.meta.vocabulary.normaliser,
            "vocabulary": self.meta.vocabulary.hash,
            "data": self.meta.data_hash,
            "versions": self.meta.versions,
            "decoder": self.decoder,
            "oov_tokens": self.oov,
            "blank_share": self.evaluation.blank_share,
            "ctc_loss": self.evaluation.loss,
            "signature": self.protocol_scores[0].signature,
            "protocols": [item.to_dict() for item in self.protocol_scores],
            "intervals": intervals_dict(self.intervals),
            "breakdown": breakdown(self.score).to_dict(),
            "calibration": [list(row) for row in self.calibration],
            "calibration_error": calibration_error(self.calibration),
            **scores,
            "per_utterance": rows,
            **(self.familiarity.to_dict() if self.familiarity else {"seen": None, "unseen": None}),
            "hypotheses": {id: " ".join(glosses) for id, glosses in self.evaluation.glosses.items()},
        }


def evaluate_checkpoint(
    console: Console,
    checkpoint: Path | None,
    data: DataConfig,
    split: str = "",
    outputs: tuple[Path, ...] = (),
    fps: float = 0.0,
    batch_size: int = EVAL_BATCH,
    device: str = "auto",
    protocol: str = "plain",
    calibrated: bool = True,
    fitting: str = "",
    decoder: DecoderOptions | None = None,
    timed: bool = True,
) -> EvalResult:
    """Score a checkpoint on a split of a corpus.

    Args:
        checkpoint: file or run; None is the newest run.
        data: which corpus; its annotations are normalised as the checkpoint's vocabulary is.
        split: its name; "" is test, else dev.
        outputs: files for the hypotheses, the format by the suffix.
        fps: frames per second of feature files that do not say it; 0: as the corpus says, else as in the training data,
            else 25. Clips whose rate is known are read at that of the training data.
        protocol: how errors are counted: a name, or "all".
        calibrated: confidences as the checkpoint's calibration has them, if it has one; else the model's own.
        fitting: the flag that wants to fit something to the split; "" where nothing is fitted.
        decoder: settings of the decoder given by the user.
        timed: whether anything else than `outputs` shows times, so that `fps` matters in any case.

    Raises:
        SlrError: no such checkpoint, split or features, features that do not fit, a split to fit something to that
            the checkpoint was trained on, or an `fps` without effect.
    """
    protocols = get_protocols(protocol)
    for file in outputs:
        format_of(file, many=True)  # a mistake in a name should not cost the whole evaluation
    found = open_split(console, checkpoint, data, split, device, fitting, fps)
    path, recogniser, name, clips = found.path, found.recogniser, found.split, found.clips
    require_effect(fps, [clips.own_rate(index) for index in range(len(clips))], recogniser.meta.fps, timed or outputs)
    with ExitStack() as stack:
        signature = attach_decoder(console, recogniser, path, decoder or DecoderOptions(), stack, calibrated)
        with console.progress(f"recognising {name}", len(clips)) as task:
            evaluation = evaluate(recogniser, clips, batch_size, task.advance)
    warn_empty(clips, name, console)
    vocabulary, utterances = recogniser.vocabulary, clips.utterances
    oov = sum(vocabulary.unknown([item.glosses for item in utterances]).values())
    signers = {item.id: item.signer for item in utterances}
    rates = [clips.rate(index) or recogniser.meta.fps or FRAMES_PER_SECOND for index in range(len(clips))]
    lasting = zip(utterances, clips.own_frames, rates, strict=True)
    spoken = {u.id: TimedClip(u.id, n, evaluation.hypotheses[u.id], rate, signer=u.signer) for u, n, rate in lasting}
    for file in outputs:
        write_transcripts(file, spoken)
    refs, hyps = evaluation.references, evaluation.glosses
    made_by = {"decoder": signature, "checkpoint": file_hash(path), "split": name}
    protocol_scores = tuple(score_protocol(item, refs, hyps, vocabulary.glosses, **made_by) for item in protocols)
    usual = usual_rate(rates)
    return EvalResult(
        path, recogniser, name, clips, evaluation, signers, oov, outputs, protocol_scores, signature, usual
    )


def open_split(
    console: Console,
    checkpoint: Path | None,
    data: DataConfig,
    split: str,
    device: str,
    fitting: str = "",
    fps: float = 0.0,
) -> OpenSplit:
    """Open a checkpoint and what it is to recognise; arguments and errors as `evaluate_checkpoint` has them."""
    path = find_checkpoint(checkpoint)
    if fitting:
        require_own(path)
    recogniser = load_recogniser(path, device)
    meta = recogniser.meta
    corpus = open_data(data)
    for note in corpus.notes:
        console.note(note)
    if (split_name(split) == "dev") if split else not corpus.splits.get("test"):
        corpus = with_dev(corpus, meta.config.data.dev_share, meta.config.run.seed, console)
    name = split_name(split) if split else default_split(corpus)
    marks = [item.mark for item in corpus.split(name)]
    corpus = corpus.normalised(meta.vocabulary.normaliser)
    console.note(f"checkpoint: {shown(path)}, split {name}{'' if split else ' (the default; --split names another)'}")
    utterances = corpus.require_features(name)
    require_distinct(utterances, name)
    if fitting:
        fix = "Name a split that it was not trained on with --split, or train with a dev split."
        require_unlearnt(meta, marks, f"utterances of {name}", fitting, fix, console)
    clips = Clips(utterances, meta.layout, **meta.config.data.preparation, to=meta.fps, fps=fps or data.fps)
    note_rates(clips, name, "the training data", console)
    return OpenSplit(path, recogniser, name, clips)
