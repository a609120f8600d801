"""The teacher of a run: found, audited, and put down beside the run's checkpoints."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slrcli.checkpoints.learnt import require_unlearnt
from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import find_checkpoint, run_folder
from slrcli.config import Config
from slrcli.console import Console, finite
from slrcli.corpus.clips import Clips
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import UsageError
from slrcli.evaluation.evaluate import evaluate
from slrcli.scoring.align import align
from slrcli.training.data import TrainingData
from slrcli.training.loss.criterion import Teacher
from slrcli.training.loss.teacher import CheckpointTeacher, StoredTeacher

HOPELESS = 90.0  # WER in percent above which nothing can be learnt from a teacher


@dataclass(frozen=True)
class Audit:
    """A teacher and what is known of it.

    Attributes:
        teacher: gives posteriors of training batches.
        hypotheses: its hypotheses on dev, by id; empty where they are unknown.
        facts: plain values for `teacher.json`.
    """

    teacher: Teacher
    hypotheses: dict[str, Hypothesis]
    facts: dict[str, Any]


def stored_folder(name: str) -> Path | None:
    """The folder of log-probabilities that a teacher's name means; None where it means a checkpoint."""
    folder = run_folder(Path(name))
    stored = folder.is_dir() and any(folder.glob("*.npy"))
    return folder if stored else None


def without_pace(config: Config, console: Console) -> Config:
    """The configuration as a teacher of stored log-probabilities allows it: clips keep their own pace."""
    if stored_folder(config.distill.teacher) is None:
        return config
    augment = replace(config.augment, resample=(1.0, 1.0), warp=0.0)
    if augment != config.augment:
        console.note("The teacher's log-probabilities belong to the original speed of the clips, so it is not varied.")
    return replace(config, augment=augment)


def load_teacher(
    config: Config, data: TrainingData, clips: Clips, dev: Clips, device: torch.device, console: Console
) -> Audit:
    """The run's teacher, once its WER on dev is known.

    Raises:
        DataError: it does not fit the corpus, or was trained on utterances held out from the student.
        CheckpointError: there is no such teacher, or it is damaged.
        UsageError: it makes so many errors that nothing can be learnt from it.
    """
    name, vocabulary = config.distill.teacher, data.vocabulary
    folder = stored_folder(name)
    if folder is not None:
        if config.augment.recombine:
            what = "The teacher's log-probabilities belong to the original clips, so signs cannot be exchanged."
            raise UsageError(what, "augment.recombine", "Leave it at 0, or name the teacher's checkpoint.")
        console.note(f"teacher: log-probabilities of {len(clips)} training utterances in {folder}; not audited")
        return Audit(StoredTeacher(folder, vocabulary, clips, device), {}, {"teacher": str(folder)})
    path = find_checkpoint(Path(name))
    teacher = CheckpointTeacher(path, vocabulary, clips.layout, device)
    require_untaught(teacher.recogniser.meta, data.held_out, path, console)
    with console.progress("auditing the teacher on dev", len(dev)) as task:
        found = evaluate(teacher.recogniser, dev, advance=task.advance)
    console.note(
        f"teacher: {path}, {teacher.recogniser.model.parameter_count:,} parameters, WER {found.score.wer:.2f} % on dev "
        f"(protocol plain), {found.blank_share:.0%} of the frames blank, {found.spike_frames:.1f} frames per gloss"
    )
    if found.score.wer > HOPELESS:
        what = f"The teacher has {found.score.wer:.1f} % errors on dev; nothing can be learnt from it."
        raise UsageError(what, str(path), "Check that it was trained on this corpus: slr eval CHECKPOINT.")
    facts = {
        "teacher": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "wer": found.score.wer,
        "errors": found.score.errors, "tokens": found.score.ref_tokens, "blank_share": found.blank_share,
        "spike_frames": found.spike_frames,
    }  # fmt: skip
    return Audit(teacher, found.hypotheses, finite(facts))


def require_untaught(meta: Meta, held_out: Iterable[str], path: Path, console: Console) -> None:
    """DataError where a teacher was trained on utterances held out from its student (marks, see `Utterance.mark`)."""
    what = "utterances held out from the student"
    fix = "Use a teacher trained on the same train split (the same --seed where dev is a share of train)."
    require_unlearnt(meta, held_out, what, str(path), fix, console, of="The teacher")


def spike_offset(student: dict[str, Hypothesis], teacher: dict[str, Hypothesis]) -> tuple[float, float] | None:
    """How many input frames later the student spikes than its teacher, and how many apart, on average.

    Over the glosses that both read alike, by the middles of their spans; None where there are none.
    """
    apart: list[float] = []
    for id in student.keys() & teacher.keys():
        one, other = teacher[id], student[id]
        i = j = 0
        for step in align(one.glosses, other.glosses).edits:
            if step.ref is not None and step.ref == step.hyp:
                apart.append((sum(other.spans[j]) - sum(one.spans[i])) / 2)
            i, j = i + (step.ref is not None), j + (step.hyp is not None)
    return (float(np.mean(apart)), float(np.mean(np.abs(apart)))) if apart else None
