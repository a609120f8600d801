"""Training: ours against the forerunner's loop written the plain way, in turn, in one run.

    python tests/benchmarks/training_speed.py [--clips 64] [--rounds 3] [--threads 1] [--device cpu] [--part race ...]

The corpus is generated: clips as long as Phoenix-2014's, 1,296 classes. The plain loop
(`tests/support/plain_training.py`) reads 6,516 stored floats a frame, draws batches of 4 at random, and computes in
float32; ours is the `Trainer` that `slr train` runs, which reads 1,629 positions a frame (no clip is kept in memory
between epochs) and derives the rest. Each contender is a process of its own; they take turns epoch by epoch. Frames are
counted without padding. The machine may be shared, so that beside the clock (`wall`) stands the processor time (`cpu`),
which other people's work does not lengthen as much.

Parts: `parity` (identical batches, no dropout), `race`, `memory`, `profile`, `waits` (how often a step waits for it).
On a GPU, its memory and its matrix products count, and the networks compiled by torch join the race.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import torch
from support.generated_corpus import GeneratedCorpus, generate
from support.plain_training import PlainLoop, StoredClips, plain_twin
from torch.utils.flop_counter import FlopCounterMode

from slrcli.checkpoints.meta import Meta
from slrcli.config import AugmentConfig, Config, ModelConfig, OptimConfig, RunConfig
from slrcli.config.sections import DEFAULT_ARCH, NO_VARIATION
from slrcli.corpus.clips import Clips
from slrcli.errors import SlrError
from slrcli.features.layout import load_layout
from slrcli.models.registry import build_model
from slrcli.training.batches import TrainBatches, feature_statistics
from slrcli.training.loop import Step, Trainer
from slrcli.training.run import require_precision

CLASSES, POSITIONS, DERIVATIVES = 1296, 1629, 3
DROPOUT = 0.3
STATISTICS_FROM = 8  # clips
GEMM = 2048
PARTS = ("parity", "race", "memory", "profile", "waits")


@dataclass(frozen=True)
class Contender:
    """One way to train; `arch` "" is the plain loop."""

    name: str
    arch: str = ""
    precision: str = "fp32"
    batch_size: int = 4
    varied: bool = False
    layout: str = "mediapipe-1629"
    compiled: bool = False


PLAIN = Contender("plain loop, fp32, batches of 4")
RACERS = (
    PLAIN,
    Contender("ours, bf16, batches of 4", "mobilenetv3", "bf16"),
    Contender("ours, bf16, batches of 16", "mobilenetv3", "bf16", 16),
    Contender("ours, fp32, batches of 4", "mobilenetv3", "fp32"),
    Contender("ours, bf16, batches of 4, varied anew", "mobilenetv3", "bf16", 4, True),
    Contender("default recogniser, fp32, batches of 4", DEFAULT_ARCH, "fp32", 4, True),
    Contender("default recogniser, bf16, batches of 4", DEFAULT_ARCH, "bf16", 4, True),
)
COMPILED = (
    Contender("ours, bf16, batches of 16, compiled", "mobilenetv3", "bf16", 16, compiled=True),
    Contender("default recogniser, bf16, batches of 4, compiled", DEFAULT_ARCH, "bf16", 4, True, compiled=True),
)


@dataclass
class Epoch:
    """What one pass cost: unpadded frames, seconds by the clock and of the processor, share spent waiting for data."""

    frames: int
    wall: float
    cpu: float
    waited: float = 0.0


@dataclass
class Spent:
    """All passes of a contender, and what it took of memory (MiB) and arithmetic."""

    epochs: list[Epoch] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    peak: int = 0
    flops_a_frame: float = 0.0

    def rate(self, clock: str) -> list[float]:
        """Frames a second of each pass."""
        return [item.frames / getattr(item, clock) for item in self.epochs]


def trainer_of(contender: Contender, corpus: GeneratedCorpus, device: str = "cpu") -> Trainer:
    """The trainer of `slr train` on a generated corpus; every epoch reads its clips anew."""
    torch.manual_seed(1)
    layout = load_layout(contender.layout)
    config = Config(
        model=ModelConfig(arch=contender.arch, dropout=DROPOUT),
        optim=OptimConfig(batch_size=contender.batch_size),
        augment=AugmentConfig(**({} if contender.varied else NO_VARIATION)),
        run=RunConfig(precision=contender.precision),
    )
    model = build_model(contender.arch, layout, CLASSES, dropout=DROPOUT)
    some = Clips(corpus.positions[:STATISTICS_FROM], layout)
    model.frontend.set_statistics(*feature_statistics(some, model.frontend))
    clips = Clips(corpus.positions, layout)
    batches = TrainBatches(clips, corpus.targets, config.augment, model.output_length, contender.batch_size, 1)
    if contender.compiled:
        model.after_frontend = torch.compile(model.after_frontend, dynamic=True)  # type: ignore[method-assign]
    return Trainer(model.to(device), batches, clips, Meta(config, corpus.vocabulary, layout))


def our_epochs(contender: Contender, corpus: GeneratedCorpus, device: str) -> Iterator[Epoch]:
    """One pass after the other by the trainer; what dev costs after each is left out."""
    trainer = trainer_of(contender, corpus, device)
    while True:
        trainer.progress.step, events = 0, trainer.run()
        wall, cpu, frames, computed = time.perf_counter(), time.process_time(), 0, 0.0
        for _ in range(len(trainer.batches)):
            step = next(events)
            assert isinstance(step, Step)
            frames, computed = frames + step.frames, computed + step.seconds
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        events.close()
        trainer.progress.epoch += 1
        yield Epoch(frames, wall, cpu, 1 - computed / wall)


def plain_epochs(corpus: GeneratedCorpus, device: str) -> Iterator[Epoch]:
    """One pass after the other by the plain loop."""
    optim = OptimConfig()
    twin = plain_twin(trainer_of(RACERS[1], corpus).model, DROPOUT).to(device)
    loop = PlainLoop(twin, optim.lr, optim.weight_decay, optim.clip_norm)
    clips = StoredClips(corpus.stored, corpus.targets)
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        frames = sum(loop.epoch(clips, PLAIN.batch_size))
        yield Epoch(frames, time.perf_counter() - wall, time.process_time() - cpu)


def flops_a_frame(contender: Contender, corpus: GeneratedCorpus) -> float:
    """Floating-point operations of a training step for each unpadded frame, recurrences counted by hand."""
    trainer = trainer_of(contender, corpus)
    batch = next(trainer.batches.epoch(1))
    trainer.model.train()
    with FlopCounterMode(display=False) as counter:
        trainer._losses(batch)[0].backward()
    frames = int(batch.lengths.sum())
    rate = trainer.model.output_length(1000) / 1000 * batch.x.shape[1] * len(batch.lengths) / frames
    recurrent = sum(item.weight_ih_l0.numel() + item.weight_hh_l0.numel()
                    for item in trainer.model.modules() if isinstance(item, torch.nn.LSTM))  # fmt: skip
    # a multiplication and an addition a weight and step, forward; twice that backward
    return counter.get_total_flops() / frames + 6 * recurrent * rate


def memory_of(field_name: str) -> int:
    """`VmRSS` or `VmHWM` of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field_name)).split()[1]) // 1024


def contend(contender: Contender, corpus: GeneratedCorpus, threads: int, device: str, connection: Connection) -> None:
    """A process that does one epoch whenever it is told to, and answers what it cost."""
    torch.set_num_threads(threads)
    if contender.arch:
        from slrcli.parallel.memory import keep_freed_memory

        keep_freed_memory()  # as `slr train` does
        epochs = our_epochs(contender, corpus, device)
    else:
        epochs = plain_epochs(corpus, device)
    while connection.recv():
        epoch = next(epochs)
        if device == "cpu":
            connection.send((epoch, memory_of("VmRSS"), memory_of("VmHWM")))
        else:
            kept, most = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
            connection.send((epoch, kept // 2**20, most // 2**20))


class Rival:
    """The process of a contender, as a context."""

    def __init__(self, contender: Contender, corpus: GeneratedCorpus, threads: int, device: str):
        context = multiprocessing.get_context("spawn")
        if contender.arch:
            os.environ["THP_MEM_ALLOC_ENABLE"] = "1"  # torch looks at it before we can say so in there
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=contend, args=(contender, corpus, threads, device, theirs), daemon=True)
        self.process.start()
        os.environ.pop("THP_MEM_ALLOC_ENABLE", None)
        theirs.close()
        self.contender, self.spent = contender, Spent()

    def epoch(self) -> None:
        """Let it do one."""
        self.connection.send(True)
        epoch, resident, peak = self.connection.recv()
        self.spent.epochs.append(epoch)
        self.spent.resident.append(resident)
        self.spent.peak = peak

    def __enter__(self) -> "Rival":
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.send(False)
        self.process.join()


def gemm_peak(dtype: torch.dtype, device: str, times: int = 6) -> float:
    """The best of some products of square matrices, in floating-point operations a second of the processor or GPU."""
    size, clock = (GEMM, time.process_time) if device == "cpu" else (4 * GEMM, time.perf_counter)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(times):
        before = clock()
        torch.mm(a, b)
        if device != "cpu":
            torch.cuda.synchronize(device)
        best = min(best, clock() - before)
    return 2 * size**3 / best


def can_train(contender: Contender, corpus: GeneratedCorpus, device: str) -> bool:
    """Whether this processor has what the precision of a contender needs; said where it has not."""
    try:
        require_precision(trainer_of(contender, corpus, device).model, contender.precision)
    except SlrError as error:
        print(f"{contender.name}: left out. {error.what}")
        return False
    return True


def race(corpus: GeneratedCorpus, rounds: int, threads: int, device: str) -> None:
    """Everybody in turn, round by round; the first round only warms up."""
    found: dict[Contender, Spent] = {}
    peaks: dict[str, list[float]] = {"fp32": [], "bf16": []}
    racers = RACERS if device == "cpu" else RACERS + COMPILED
    racers = tuple(item for item in racers if not item.arch or can_train(item, corpus, device))
    rivals = [Rival(item, corpus, threads, device) for item in racers]
    for number in range(rounds + 1):
        for rival in rivals:
            rival.epoch()
            last = rival.spent.epochs[-1]
            print(f"round {number}: {rival.contender.name}: {last.frames} frames, {last.wall:.2f} s wall, "
                  f"{last.cpu:.2f} s cpu, waited {last.waited:.1%}", flush=True)  # fmt: skip
            if not number:
                rival.spent.epochs.clear()
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            peaks[name].append(gemm_peak(dtype, device))
    for contender, rival in zip(racers, rivals, strict=True):
        with rival:
            found[contender] = rival.spent
    peak = {name: max(values) for name, values in peaks.items()}
    print(f"matrix product: fp32 {peak['fp32'] / 1e9:.0f}, bf16 {peak['bf16'] / 1e9:.0f} GFLOP/s ({device})")
    print(f"{'':40}{'frames/s wall':>14}{'cpu':>7}{'x wall':>8}{'x cpu':>7}{'waits':>7}{'peak MiB':>9}{'of gemm':>8}")
    base = found[PLAIN]
    for contender, spent in found.items():
        wall, cpu = spent.rate("wall"), spent.rate("cpu")
        ratios = [
            statistics.median(own / other for own, other in zip(spent.rate(clock), base.rate(clock), strict=True))
            for clock in ("wall", "cpu")
        ]
        waited = f"{statistics.median(item.waited for item in spent.epochs):.1%}" if contender.arch else ""
        work = flops_a_frame(contender if contender.arch else RACERS[3], corpus)
        share = f"{max(cpu if device == 'cpu' else wall) * work / peak[contender.precision]:.0%}"
        print(f"{contender.name:40}{max(wall):14.0f}{max(cpu):7.0f}{ratios[0]:8.2f}{ratios[1]:7.2f}{waited:>7}"
              f"{spent.peak:9}{share:>8}")  # fmt: skip
    print("x: median over the rounds of the ratio to the plain loop in the same round; frames/s: the best round")


def memory(corpus: GeneratedCorpus, epochs: int, threads: int, device: str) -> None:
    """Resident memory after each epoch."""
    for contender in (RACERS[1], RACERS[5]):
        with Rival(contender, corpus, threads, device) as rival:
            for _ in range(epochs):
                rival.epoch()
        sizes = " ".join(map(str, rival.spent.resident))
        print(f"resident after each epoch, MiB: {contender.name}: {sizes}; peak {rival.spent.peak}")


def parity(folder: Path) -> None:
    """One step of both on the same batch of clips of one length; how far apart they are."""
    from support.plain_parity import apart

    for precision in ("fp32", "bf16"):
        found = apart(folder / precision, precision, layout="mediapipe-1629", frames=140, classes=CLASSES)
        print(f"parity, {precision}: loss {found.loss:.1e}, gradient {found.gradient:.1e}, "
              f"weights after the step {found.weights:.1e} (relative)")  # fmt: skip
        if found.halved:
            print(f"  the plain loop's own gradient moves by {found.halved:.1e} under torch's autocast to {precision}")


def profile(corpus: GeneratedCorpus) -> None:
    """Where the time of one step goes."""
    torch.set_num_threads(1)
    for contender in (RACERS[1], RACERS[5]):
        trainer = trainer_of(contender, corpus)
        trainer.model.train()
        first, second, *_ = trainer.batches.epoch(1)
        trainer._step(first)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
            trainer._step(second)
        entries = [item for item in found.key_averages() if item.self_cpu_time_total]
        total = sum(item.self_cpu_time_total for item in entries)
        print(f"one step of {contender.name}: {total / 1000:.0f} ms, {second.x.shape[1]} frames of 4 clips")
        for item in sorted(entries, key=lambda item: -item.self_cpu_time_total)[:12]:
            print(f"  {item.key:40}{item.self_cpu_time_total / 1000:8.1f} ms{item.self_cpu_time_total / total:7.1%}"
                  f"{item.count:6} calls")  # fmt: skip


def waits(corpus: GeneratedCorpus, device: str) -> None:
    """How often a step waits until a GPU has done what is queued."""
    if device == "cpu":
        print("steps wait for a GPU: there is none")
        return
    for contender in (RACERS[1], RACERS[5]):
        trainer = trainer_of(contender, corpus, device)
        trainer.model.train()
        first, second, *_ = trainer.batches.epoch(1)
        trainer._step(first)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            trainer._step(second)
        torch.cuda.set_sync_debug_mode("default")
        waited = [item for item in found if "synchroniz" in str(item.message)]
        print(f"one step of {contender.name} waits {len(waited)} times for {device}")


def machine(threads: int) -> str:
    """Processor, cores and torch, and how busy it is with other things."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    half = "avx512_bf16" if "avx512_bf16" in "\n".join(lines) else "no avx512_bf16"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{name} ({half}), {os.cpu_count()} cores, torch {torch.__version__}, {threads} thread(s), load {load}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6, help="of the memory's part")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--part", action="append", choices=PARTS)
    options = parser.parse_args()
    parts = options.part or PARTS
    torch.set_num_threads(options.threads)
    where = "" if options.device == "cpu" else f", {torch.cuda.get_device_name(options.device)}"
    print(machine(options.threads) + where, flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = generate(folder, options.clips, POSITIONS, CLASSES, DERIVATIVES)
        print(
            f"{options.clips} clips, {corpus.frames} frames, V {CLASSES}, D {POSITIONS * (1 + DERIVATIVES)}", flush=True
        )
        if "parity" in parts:
            parity(folder)
        if "race" in parts:
            race(corpus, options.rounds, options.threads, options.device)
        if "memory" in parts:
            memory(corpus, options.epochs, options.threads, options.device)
        if "profile" in parts:
            profile(corpus)
        if "waits" in parts:
            waits(corpus, options.device)
    print(machine(options.threads))


if __name__ == "__main__":
    main()
