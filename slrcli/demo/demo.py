"""What `slr demo` does: a synthetic corpus, then all five commands on it, through the very code that they run."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from slrcli.checkpoints.runs import shown
from slrcli.console import Console
from slrcli.corpus import open_corpus
from slrcli.corpus.vocabulary import VocabResult, vocab
from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.doctor.data.target import DataTarget
from slrcli.doctor.model.target import ModelTarget
from slrcli.doctor.run import Examination, run
from slrcli.errors import Ended, UsageError
from slrcli.evaluation.checkpoint import EvalResult, evaluate_checkpoint
from slrcli.findings import has_errors
from slrcli.recognition.decode import Decoded, DecodeOptions, decode
from slrcli.training.data import settle
from slrcli.training.run import train
from slrcli.training.session import TrainResult

# What fits under three minutes on two cores, training included.
SETTINGS = {"optim": {"epochs": 16}}
SMALL_SETTINGS = {"optim": {"batch_size": 8, "epochs": 2, "warmup_epochs": 0.5}}


@dataclass(frozen=True)
class DemoResult:
    """What each part of the demonstration gave.

    Attributes:
        folder: where everything was written; gone unless it was to be kept.
        kept: whether it is still there.
    """

    folder: Path
    kept: bool
    vocabulary: VocabResult
    findings: Examination
    training: TrainResult
    evaluation: EvalResult
    decoded: Decoded
    reference: tuple[str, ...]
    seconds: float


def demo(console: Console, keep: Path | None = None, small: bool = False, seed: int = 1) -> DemoResult:
    """Run the demonstration.

    Args:
        keep: a folder for corpus, vocabulary and run; None is a temporary one, removed at the end.
        small: the smallest size, seconds rather than minutes; it shows that everything works, not that it learns.
        seed: of the corpus and of the training.

    Raises:
        UsageError: `keep` is not empty.
    """
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError("The folder is not empty.", str(keep), "Name a new or an empty folder with --keep.")
    folder = keep or Path(tempfile.mkdtemp(prefix="slr-demo-"))
    try:
        return _demo(console, folder, keep is not None, small, seed)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _demo(console: Console, folder: Path, kept: bool, small: bool, seed: int) -> DemoResult:
    started = time.monotonic()
    corpus = folder / "corpus"
    options = SynthOptions.tiny(seed=seed) if small else SynthOptions(seed=seed)
    console.heading("A synthetic corpus (no real sign language, no real person)")
    total = sum(options.sentences(split) for split in ("train", "dev", "test"))
    with console.progress("signing", total) as task:
        summary = write_corpus(corpus, options, task.advance)
    signers = {split: len(names) for split, names in summary.signers.items()}
    console.note(
        f"{summary.signs} signs, {total} sentences, {summary.frames:,} frames; "
        f"signers: {signers['train']} in train, {signers['test']} unseen in test"
    )
    config = settle(console, {**(SMALL_SETTINGS if small else SETTINGS), **_places(corpus, folder, seed)})
    console.heading("slr vocab")
    vocabulary = vocab(config.data, folder / "vocab.json")
    console.note(f"{vocabulary.vocabulary.size - 1} glosses, {vocabulary.tokens} tokens")
    console.heading("slr check")
    findings = run(DataTarget(config.data, seed), console)
    console.findings(findings.findings, notes=False)
    if has_errors(findings.findings):
        raise RuntimeError("the demonstration's own corpus does not pass the checks")
    target = ModelTarget(config.model.arch, vocabulary.vocabulary.size, config.data.layout, seed)
    model = run(target, console)
    console.findings(model.findings, notes=False)
    console.note("Notes are measurements; slr check data --verbose and slr check model --verbose show them.")
    console.heading(f"slr train{' (too few epochs to learn anything)' if small else ''}")
    training = train(config, console, newest=False)
    if training.stopped == "interrupted":
        raise Ended(training.signal)
    console.heading("slr eval")
    evaluation = evaluate_checkpoint(console, training.checkpoint, config.data, "test")
    console.heading("slr decode")
    clip = open_corpus(corpus).split("test")[0]
    decoded = next(iter(decode(console, [clip.file], DecodeOptions(training.checkpoint))))
    return DemoResult(
        folder, kept, vocabulary, findings, training, evaluation, decoded, clip.glosses, time.monotonic() - started
    )


def _places(corpus: Path, folder: Path, seed: int) -> dict[str, dict[str, object]]:
    return {
        "data": {"data_dir": str(corpus), "layout": "mediapipe-1629", "vocab": str(folder / "vocab.json")},
        "run": {"output_dir": str(folder / "run"), "seed": seed},
    }


def own_data_commands() -> list[str]:
    """The five commands that do the same on a person's own data."""
    return [
        "slr vocab --data-dir DIR",
        "slr check data --data-dir DIR",
        "slr train --data-dir DIR",
        "slr eval runs/latest --data-dir DIR",
        "slr decode FILE.npy",
    ]


def what_it_proves(small: bool, epochs: int) -> str:
    """What the figure of the demonstration says, and what it does not."""
    if small:
        return (
            f"This proves nothing but that everything runs: {epochs} epochs on a tiny synthetic corpus teach a model "
            "nothing, and the figure means nothing. slr demo without --small shows that it learns."
        )
    return "The corpus is synthetic: the figure says that the tool works, and nothing of real signing."


def kept_files(result: DemoResult) -> str:
    """Where things are, for the last lines."""
    if not result.kept:
        return "All files were temporary and are deleted; --keep DIR keeps corpus, vocabulary and checkpoint."
    return f"Everything is in {shown(result.folder)}: corpus/, vocab.json, run/ (best.safetensors, training.log)."
