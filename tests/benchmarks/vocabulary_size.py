"""What a vocabulary of a real size costs, and which of its glosses are learnt; on a SYNTHETIC corpus.

    python tests/benchmarks/vocabulary_corpus.py write TABLES CORPUS
    slr train --data-dir CORPUS --output-dir RUNS
    slr eval RUNS/latest --data-dir CORPUS --split test --out HYPOTHESES.jsonl
    python tests/benchmarks/vocabulary_size.py frequency CORPUS --split test HYPOTHESES.jsonl [more ...]
    python tests/benchmarks/vocabulary_size.py costs CORPUS --run RUNS/latest [--sizes 100 300 1231] [--rounds 3]

`frequency` prints errors by how often a gloss stands in train. `costs` measures the same clips side by side, called by
more and by fewer glosses: the n most frequent keep their names, and every rarer one takes the name of one of them (by
rank modulo n), so that clips, frames and lengths of sentences are the same and the vocabulary alone differs. What reads
posteriors gets those of the run's network without the classifier's rows of the other glosses; its errors mean nothing
there. Times are of the processor, the least of some rounds in which the sizes take turns, one thread.
"""

import argparse
import os
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from slrcli.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from slrcli.config import Config, DataConfig, DecodeConfig, OptimConfig
from slrcli.console import Console
from slrcli.corpus import Corpus, open_corpus
from slrcli.corpus.clips import Clips
from slrcli.corpus.describe import corpus_summary
from slrcli.corpus.settings import write_settings
from slrcli.corpus.vocabulary import vocab
from slrcli.corpus.write import write_table
from slrcli.decoding.decoder import make_decoder
from slrcli.doctor.data.target import DataTarget
from slrcli.doctor.run import run
from slrcli.evaluation.checkpoint import evaluate_checkpoint
from slrcli.evaluation.page import write_report
from slrcli.glosses.vocabulary import BLANK_TOKEN, Vocabulary
from slrcli.language import estimate, read_arpa, write_arpa
from slrcli.models.base import Output
from slrcli.models.registry import build_model
from slrcli.scoring.align import DELETION, HIT
from slrcli.scoring.wer import score
from slrcli.training.batches import TrainBatches
from slrcli.training.loop import EMA, make_optimiser
from slrcli.training.loss.criterion import Criterion
from slrcli.transcripts import read_transcripts

CLASSES = (0, 1, 5, 20, 100)  # the largest count in train of each class but the last
NAMES = ("unseen", "1", "2 to 5", "6 to 20", "21 to 100", "over 100")
SPLITS = ("train", "dev", "test")


# Errors by frequency.


def frequency(root: Path, split: str, files: list[Path]) -> None:
    """Print a table for each file of hypotheses."""
    corpus = open_corpus(root)
    seen = Counter(gloss for item in corpus.split("train") for gloss in item.glosses)
    references = {item.id: list(item.glosses) for item in corpus.split(split)}
    for file in files:
        found = score(references, read_transcripts(file))
        print(f"SYNTHETIC, {split}, {file.name}: WER {found.wer:.2f} % ({found.errors} errors in {found.ref_tokens}: "
              f"{found.substitutions} S, {found.deletions} D, {found.insertions} I)")  # fmt: skip
        print(f"  {'times in train':14}{'glosses':>9}{'tokens':>8}{'right %':>9}{'replaced %':>12}{'left out %':>12}"
              f"{'said wrongly':>14}")  # fmt: skip
        tally: dict[int, Counter[str]] = {number: Counter() for number in range(len(NAMES))}
        names: dict[int, set[str]] = {number: set() for number in tally}
        for edit in (edit for item in found.utterances for edit in item.alignment.edits):
            if edit.ref is not None:
                own = bisect_left(CLASSES, seen[edit.ref])
                names[own].add(edit.ref)
                tally[own].update(("tokens", edit.op))
            if edit.op != HIT and edit.hyp is not None:
                tally[bisect_left(CLASSES, seen[edit.hyp])]["wrongly"] += 1
        for number, counts in tally.items():
            print(row(NAMES[number], len(names[number]), counts))


def row(name: str, glosses: int, counts: Counter[str]) -> str:
    """A line of `frequency`."""
    tokens = counts["tokens"]
    share = {key: 100 * counts[key] / tokens if tokens else float("nan") for key in (HIT, DELETION)}
    replaced = 100 - share[HIT] - share[DELETION]
    return (f"  {name:14}{glosses:9}{tokens:8}{share[HIT]:9.1f}{replaced:12.1f}{share[DELETION]:12.1f}"
            f"{counts['wrongly']:14}")  # fmt: skip


# Costs by the size of the vocabulary.


@dataclass
class Side:
    """The corpus called by so many glosses.

    Attributes:
        root: its tables; features stay where they are.
        checkpoint: a network with a class for each of its glosses.
        costs: what was measured, the least of all rounds.
    """

    glosses: int
    root: Path
    checkpoint: Path
    costs: dict[str, float] = field(default_factory=dict)

    def keep(self, name: str, value: float) -> None:
        """Note a cost if it is the least so far."""
        self.costs[name] = min(value, self.costs.get(name, value))

    def timed(self, name: str, work: Callable[[], Any], unit: float = 1.0) -> Any:
        """Do `work` and keep its seconds of the processor, times `unit`."""
        before = time.process_time()
        found = work()
        self.keep(name, (time.process_time() - before) * unit)
        return found


def folded(corpus: Corpus, ranks: list[str], glosses: int, out: Path) -> None:
    """Write the tables of a corpus called by its most frequent glosses alone; see the module."""
    called = {gloss: ranks[number % glosses] for number, gloss in enumerate(ranks)}
    base = corpus.split("train")[0].features.resolve().parents[1]
    for split in SPLITS:
        rows = (
            (item.id, f"{split}/{item.features.name}", item.signer, [called.get(g, ranks[0]) for g in item.glosses])
            for item in corpus.split(split)
        )
        write_table(out, split, rows)
    write_settings(out, format="phoenix2014", features=str(base))


def restricted(checkpoint: Path, root: Path, out: Path) -> None:
    """Write a checkpoint's network with the classes of another corpus's glosses alone."""
    model, meta = load_checkpoint(checkpoint)
    train = [item.glosses for item in open_corpus(root).split("train")]
    vocabulary = Vocabulary.build(train, 1, (), meta.vocabulary.normaliser, str(root))
    rows = [meta.vocabulary.id_of(token) if token != BLANK_TOKEN else 0 for token in vocabulary.tokens]
    fewer = build_model(meta.config.model.arch, meta.layout, len(rows), options=meta.config.model.options)
    weights = model.state_dict()
    for key in ("classifier.weight", "classifier.bias"):
        weights[key] = weights[key][rows]
    fewer.load_state_dict(weights)
    save_checkpoint(out, fewer, replace(meta, vocabulary=vocabulary))


def sides(root: Path, checkpoint: Path, sizes: list[int], folder: Path) -> Iterator[Side]:
    """The corpus in every size."""
    corpus = open_corpus(root)
    counts = Counter(gloss for item in corpus.split("train") for gloss in item.glosses)
    ranks = [gloss for gloss, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    for size in sizes:
        side = Side(min(size, len(ranks)), folder / str(size), folder / f"{size}.safetensors")
        folded(corpus, ranks, side.glosses, side.root)
        restricted(checkpoint, side.root, side.checkpoint)
        side.keep("checkpoint, kB", side.checkpoint.stat().st_size / 1e3)
        yield side


def step_costs(side: Side, steps: int) -> None:
    """Microseconds a frame of the parts of a training step, on batches as `slr train` makes them."""
    model, meta = load_checkpoint(side.checkpoint)
    config = Config(optim=OptimConfig(batch_size=meta.config.optim.batch_size))
    utterances = open_corpus(side.root).require_features("train")[: steps * config.optim.batch_size]
    clips = Clips(utterances, meta.layout, cache_mb=4096)
    targets = [meta.vocabulary.encode(item.glosses) for item in utterances]
    batches = TrainBatches(clips, targets, config.augment, model.output_length, config.optim.batch_size, 1)
    optimiser, ema = make_optimiser(model, config.optim, torch.device("cpu")), EMA(model, config.optim.ema)
    criterion, spent, frames = Criterion(config), Counter(), 0
    model.train()
    for batch in list(batches.epoch(1)):
        frames += int(batch.lengths.sum())
        marks = [time.process_time()]
        output = Output(*model(batch.x, batch.lengths))
        marks.append(time.process_time())
        loss, _ = criterion(output, batch)
        marks.append(time.process_time())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        marks.append(time.process_time())
        optimiser.step()
        ema.update(model)
        marks.append(time.process_time())
        for name, first, last in zip(("forward", "loss", "backward", "weights"), marks, marks[1:], strict=False):
            spent[f"step: {name}, us/frame"] += last - first
    for name, seconds in spent.items():
        side.keep(name, 1e6 * seconds / frames)
    side.keep("step: all, us/frame", 1e6 * spent.total() / frames)


def decode_costs(side: Side, clips: int) -> None:
    """Milliseconds a clip of evaluation and of the decoders."""
    model, meta = load_checkpoint(side.checkpoint)
    train = [item.glosses for item in open_corpus(side.root).split("train")]
    arpa = side.root / "bigram.arpa"
    language, _ = side.timed("bigram: estimate, s", lambda: estimate(train, 2))
    side.timed("bigram: write, s", lambda: write_arpa(arpa, language))
    side.timed("bigram: read, s", lambda: read_arpa(arpa))
    side.keep("bigram: kB", arpa.stat().st_size / 1e3)
    utterances = open_corpus(side.root).require_features("dev")[:clips]
    material = Clips(utterances, meta.layout)
    model.eval()
    posteriors = []
    with torch.inference_mode():
        for index in range(len(material)):
            x = torch.from_numpy(material[index])[None]
            posteriors.append(Output(*model(x, torch.tensor([x.shape[1]]))).log_probs.numpy())
    for name, options in {
        "best path": DecodeConfig(),
        "beam 10": DecodeConfig(beam=10),
        "beam 10 with bigram": DecodeConfig(beam=10, lm=str(arpa), lm_weight=0.5),
    }.items():
        decoder = make_decoder(options, meta.vocabulary)

        def search(decoder=decoder) -> None:
            for rows in posteriors:
                decoder(rows, [rows.shape[1]], 2.0)

        side.timed(f"{name}, ms/clip", search, 1e3 / len(posteriors))


def command_costs(side: Side, folder: Path) -> None:
    """Seconds of the commands, and the size of a report."""
    console, data = Console(quiet=True), DataConfig(data_dir=str(side.root))
    side.timed("slr vocab, s", lambda: vocab(data, out=folder / f"{side.glosses}.json"))
    side.timed("slr corpus, s", lambda: corpus_summary(console, data, jobs=1))
    side.timed("slr check data, s", lambda: run(DataTarget(data, jobs=1), console))
    result = side.timed("slr eval on dev, s", lambda: evaluate_checkpoint(console, side.checkpoint, data, "dev"))
    page = side.timed("report page, s", lambda: write_report(folder / f"{side.glosses}-report", result, 25.0))
    side.keep("report page, kB", page.stat().st_size / 1e3)


def costs(root: Path, run: Path, sizes: list[int], rounds: int, steps: int, clips: int) -> None:
    """Print a table of all costs, and how many times those of the smallest vocabulary they are."""
    checkpoint = run / "best.safetensors" if run.is_dir() else run
    with tempfile.TemporaryDirectory(prefix="slr-vocabulary-") as name:
        folder = Path(name)
        compared = list(sides(root, checkpoint, sizes, folder))
        for _ in range(rounds):
            for side in compared:
                step_costs(side, steps)
                decode_costs(side, clips)
                command_costs(side, folder)
    first = compared[0].costs
    print(f"SYNTHETIC, torch {torch.__version__}, one thread, load {os.getloadavg()[0]:.1f}, {rounds} rounds, {steps} "
          f"steps, {clips} clips of dev decoded")  # fmt: skip
    print(f"{'glosses':28}" + "".join(f"{side.glosses:10}" for side in compared) + "   ratio to the first")
    for name, value in first.items():
        found = [side.costs[name] for side in compared]
        ratios = ", ".join(f"{cost / value:.2f}" if value else "-" for cost in found[1:])
        print(f"{name:28}" + "".join(f"{cost:10.3g}" for cost in found) + f"   {ratios}")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("frequency", "costs"))
    parser.add_argument("corpus", type=Path)
    parser.add_argument("hypotheses", type=Path, nargs="*")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 1231])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--clips", type=int, default=100)
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    if options.what == "frequency":
        frequency(options.corpus, options.split, options.hypotheses or parser.error("name files of hypotheses"))
    else:
        run = options.run or parser.error("costs wants --run")
        costs(options.corpus, run, options.sizes, options.rounds, options.steps, options.clips)


if __name__ == "__main__":
    main()
