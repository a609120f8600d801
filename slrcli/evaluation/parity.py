"""What `slr export` does: a checkpoint becomes one file that decodes without torch, and is compared with torch."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from slrcli.checkpoints.runs import find_checkpoint, shown
from slrcli.config import DataConfig
from slrcli.console import Console, Task
from slrcli.corpus.clips import Clips
from slrcli.errors import UsageError
from slrcli.evaluation.checkpoint import open_split
from slrcli.evaluation.evaluate import EVAL_BATCH
from slrcli.features.clip import padded
from slrcli.files import atomic_write_bytes, file_hash, temporary_folder
from slrcli.recognition.export import Graph, export, largest_difference, quantised
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.from_onnx import ExportedRecogniser
from slrcli.recognition.load import EXPORTED, attach_decoder
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DecoderOptions, carried
from slrcli.scoring.wer import score

DEV = "dev"


@dataclass(frozen=True)
class Parity:
    """One form of a model beside torch's.

    Attributes:
        weights: `torch`, `float32` or `int8`.
        megabytes: of its file.
        difference: the largest one of a log-probability from torch's, on made-up clips; 0 for torch itself.
        dev_difference: the same on dev; None without a corpus, as the next two.
        wer: as the checkpoint is decoded, in percent.
        milliseconds: a clip of dev, on average, batches of them together.
    """

    weights: str
    megabytes: float
    difference: float
    dev_difference: float | None = None
    wer: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares: torch, float32 and, where it was asked for, int8."""

    checkpoint: Path
    path: Path
    parity: tuple[Parity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "checkpoint": str(self.checkpoint),
            "exported": str(self.path),
            "parity": [asdict(item) for item in self.parity],
        }


@dataclass(frozen=True)
class _Form:
    """A recogniser to compare, and what is known of it so far."""

    weights: str
    recogniser: ClipRecogniser
    size: int
    difference: float


def export_checkpoint(
    console: Console,
    checkpoint: Path | None,
    target: Path,
    int8: bool = False,
    data: DataConfig | None = None,
    batch_size: int = EVAL_BATCH,
) -> Exported:
    """Export a checkpoint and compare what was written with torch.

    Args:
        checkpoint: file or run; None is the newest run, which a note names.
        target: a file that ends in `.onnx`; it is there once it was found to agree with torch.
        int8: write the weights of linear layers and LSTMs as 8-bit integers.
        data: a corpus on whose dev split the forms are compared.

    Raises:
        SlrError: no such checkpoint or corpus, an extra that is not installed, or a network that cannot be exported.
    """
    if target.suffix != EXPORTED:
        what = f"The name of an exported model ends in {EXPORTED}."
        raise UsageError(what, str(target), f"Give a name with the suffix {EXPORTED}.")
    path = find_checkpoint(checkpoint)
    if path.suffix == EXPORTED:
        raise UsageError("The model is already exported.", str(path), "Name the checkpoint that it was made from.")
    if checkpoint is None:
        console.note(f"model: {shown(path)} (the newest run)")
    recogniser = as_it_decodes(console, path, target)
    clips = open_split(console, path, data, DEV, "cpu").clips if data else None
    forms = [_Form("torch", recogniser, path.stat().st_size, 0.0)]
    hashed = file_hash(path)
    with console.progress("exporting", 2 if int8 else 1) as task, temporary_folder() as folder:
        graph = export(recogniser, hashed)
        forms.append(_form("float32", graph, folder, recogniser))
        task.advance()
        if int8:
            graph = quantised(recogniser, graph, hashed)
            forms.append(_form("int8", graph, folder, recogniser))
            task.advance()
        atomic_write_bytes(target, graph.data)
    if clips is None:
        return Exported(path, target, tuple(_parity(form) for form in forms))
    with console.progress("comparing on dev", len(clips)) as task:
        return Exported(path, target, tuple(_compared(forms, clips, batch_size, task)))


def as_it_decodes(console: Console, checkpoint: Path, target: Path) -> Recogniser:
    """The recogniser of a checkpoint; its meta carries decoder and calibration as the checkpoint is decoded where it
    lies, with what stands beside it, for a file `target` that is to do the same."""
    recogniser = Recogniser.from_checkpoint(checkpoint)
    attach_decoder(console, recogniser, checkpoint, DecoderOptions())
    meta = recogniser.meta
    options = DecoderOptions().settings(checkpoint, meta)
    tuned = carried(options, target.parent) if options != meta.decode else None
    recogniser.meta = replace(meta, tuned=tuned, calibration=recogniser.calibration or meta.calibration)
    return recogniser


def _form(weights: str, graph: Graph, folder: Path, original: Recogniser) -> _Form:
    """What was exported, as it decodes."""
    file = folder / f"{weights}{EXPORTED}"
    file.write_bytes(graph.data)
    exported = ExportedRecogniser.open(file)
    exported.decoder = original.decoder
    return _Form(weights, exported, len(graph.data), graph.difference)


def _parity(form: _Form, *on_dev: float) -> Parity:
    return Parity(form.weights, form.size / 2**20, form.difference, *on_dev)


def _compared(forms: list[_Form], clips: Clips, batch_size: int, task: Task) -> list[Parity]:
    """Every form on the same batches; the first is what the others are compared with."""
    differences, seconds = [0.0] * len(forms), [0.0] * len(forms)
    read: list[dict[str, list[str]]] = [{} for _ in forms]
    for part in clips.batches(batch_size):
        x, frames = padded([clips[index] for index in part])
        names, first = [clips.utterances[index].id for index in part], None
        for place, form in enumerate(forms):
            start = time.perf_counter()
            found = form.recogniser.log_probs(x, frames)
            seconds[place] += time.perf_counter() - start
            first = first or found
            differences[place] = max(differences[place], largest_difference(first, found))
            hypotheses = form.recogniser.hypotheses(*found, frames, names)
            read[place] |= {name: list(item.glosses) for name, item in zip(names, hypotheses, strict=True)}
        task.advance(len(part))
    references = {item.id: list(item.glosses) for item in clips.utterances}
    return [
        _parity(form, difference, score(references, glosses).wer, 1000 * spent / len(clips))
        for form, difference, glosses, spent in zip(forms, differences, read, seconds, strict=True)
    ]
