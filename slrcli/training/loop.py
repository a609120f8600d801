"""The training loop: a generator that yields what happens and never prints, so that anyone can drive it.

With it stand the optimiser, its learning rate, and the EMA of the weights.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from slrcli.checkpoints.meta import Meta
from slrcli.config import SIGN_BONUS, DecodeConfig, OptimConfig
from slrcli.console import finite
from slrcli.corpus.clips import Batch, Clips
from slrcli.decoding.decoder import make_decoder
from slrcli.errors import SHOWN_IDS, SlrError
from slrcli.evaluation.evaluate import Evaluation, evaluate
from slrcli.features.recombine import SignBank
from slrcli.findings import Finding
from slrcli.models.base import Output, SignModel, device_of
from slrcli.parallel import distributed
from slrcli.parallel.threads import cores_left, torch_threads
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.training.batches import TrainBatches
from slrcli.training.locate import due, first_epoch, locate, sign_lengths
from slrcli.training.loss.criterion import Criterion, Teacher
from slrcli.training.start import Anchor
from slrcli.training.watch.diagnostics import NOT_FINITE, NOT_FINITE_FIX, not_finite
from slrcli.training.watch.history import EpochNumbers
from slrcli.training.watch.run_diagnostics import RunDiagnostics


def make_optimiser(model: nn.Module, options: OptimConfig, device: torch.device) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019), fused where the device has it; biases and norms are not decayed."""
    trained = [item for item in model.parameters() if item.requires_grad]
    groups = [
        {"params": [item for item in trained if item.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [item for item in trained if item.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.lr, fused=device.type in ("cpu", "cuda"))


def learning_rate(progress: float, options: OptimConfig) -> float:
    """The learning rate after `progress` epochs (a fraction counts): a linear rise, then the decay of the schedule.

    The schedule is one of `slrcli.config.names.SCHEDULES`, which `check_bounds` makes sure of.
    """
    warmup = min(options.warmup_epochs, options.epochs / 4)
    if progress < warmup:
        return options.lr * max(progress / warmup, 1e-3)
    done = min((progress - warmup) / max(options.epochs - warmup, 1e-9), 1.0)
    share = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[options.schedule]
    return options.lr * (options.final_lr + (1 - options.final_lr) * share)


STEPS = "steps"  # name of the count beside the weights
SOON = 10.0  # steps: after n of them the window is about n / 10 long, until it has its full length


class EMA:
    """The averaged twin of a model, which makes fewer errors than the weights of any single step.

    After every step each averaged weight moves a small part of the way to the trained one (Polyak & Juditsky 1992, with
    an exponential window). Early in a run the window is short, so that the average does not hang on to the beginning.
    Running statistics of normalisations are taken over as they are.

    Args:
        model: the one that is trained; the twin starts from its weights.
        decay: share of the average that a step leaves as it is, below 1; 0 makes the twin follow the model.

    Attributes:
        model: the twin.
        steps: updates so far.
    """

    def __init__(self, model: SignModel, decay: float):
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + SOON))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for own, other in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(other)

    def state(self) -> dict[str, Tensor]:
        """What `restore` takes."""
        return self.model.state_dict() | {STEPS: torch.tensor(self.steps)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `state` was taken, or begin with a model's own weights."""
        self.steps = int(tensors.get(STEPS, 0))
        self.model.load_state_dict({name: item for name, item in tensors.items() if name != STEPS})


@dataclass(frozen=True)
class Step:
    """One training step is done. `loss` is the main head's CTC loss per gloss; `frames` are without padding."""

    epoch: int
    step: int
    loss: float
    grad_norm: float
    lr: float
    frames: int
    seconds: float


@dataclass(frozen=True)
class Skipped:
    """A step left the model as it was, since its loss or the norm of its gradient is not finite.

    Attributes:
        count: steps of this epoch so far that were skipped.
        utterances: ids of its first ones, for people.
    """

    epoch: int
    step: int
    count: int
    loss: float
    grad_norm: float
    utterances: str


@dataclass(frozen=True)
class WentBack:
    """After several skipped steps in a row the epoch begins again, at `share` of the learning rate of the schedule."""

    epoch: int
    share: float
    utterances: str


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is over and dev has been evaluated; `improved`: better than before, `chosen`: to be kept as the best."""

    numbers: EpochNumbers
    evaluation: Evaluation
    findings: list[Finding]
    improved: bool
    chosen: bool
    seconds: float
    frames_per_second: float
    terms: dict[str, float] = field(default_factory=dict)  # means of the loss's terms beside the last head's


@dataclass(frozen=True)
class SignsLocated:
    """The signs of the training clips have been located, so that they can be exchanged from this epoch on."""

    epoch: int
    share: float  # of all of them, whose place is believed
    seconds: float


@dataclass(frozen=True)
class FramewiseBegun:
    """From this epoch on frames learn which gloss they belong to, and clips are read by `decode`; what was best before
    was read otherwise, and the best is chosen among what follows."""

    epoch: int
    decode: DecodeConfig
    seconds: float


@dataclass(frozen=True)
class Stopped:
    """The loop has ended before its last epoch; `reason` is `interrupted`, `patience`, or `lost` where another process
    is gone: the model stands as it was after its last whole step."""

    reason: str


Event = Step | Skipped | WentBack | EpochEnd | SignsLocated | FramewiseBegun | Stopped


class NotFiniteError(SlrError):
    """The loss or its gradient is NaN or infinite, and stays so: nothing can be learnt from here on."""


def numbers_of(event: EpochEnd) -> dict[str, Any]:
    """The numbers of an epoch as plain values, for metrics and checkpoints; what is not a number is None."""
    rates = {"frames_per_second": round(event.frames_per_second), "seconds": round(event.seconds, 2)}
    return finite({**asdict(event.numbers), **event.terms, **rates})


IN_A_ROW = 5  # skipped steps after which it is the weights that are at fault, and no single batch
AGAIN = 3  # times that an epoch begins again before the run gives up
SLOWER = 0.5  # of the learning rate is left each time

AVERAGE = "average."  # before the names of its tensors in the training state
WEIGHTS = "model."  # the same of the weights
BEGUN = "begun."  # the same of all of them as the epoch began
SIGNS = "signs"  # in the training state: where the signs of the training clips are
TERM = "term_"  # before the names of the other terms of the loss among the sums of an epoch
SUMS = ("loss", "norm", "norm_max", "frames", "seconds", "steps")  # over an epoch; the second norm is its maximum


@dataclass
class Progress:
    """How far a run has come; with weights, optimiser and random state it is all that going on needs."""

    epoch: int = 1
    step: int = 0
    best_wer: float = float("inf")
    best_loss: float = float("inf")
    epochs_since_best: int = 0
    best: dict[str, Any] = field(default_factory=dict)  # numbers of the epoch that is chosen
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SUMS, 0.0))
    history: list[dict[str, Any]] = field(default_factory=list)  # numbers of all epochs, as `metrics.jsonl` has them
    said: list[str] = field(default_factory=list)  # codes of the diagnostics that were given
    signs: list[float] = field(default_factory=list)  # median length and spread, once frames learn their gloss
    begun: int = 0  # epochs before that
    skipped: int = 0  # steps of this epoch, in whichever attempt
    in_a_row: int = 0  # the last of them, without a step between
    culprits: str = ""  # utterances of the last one
    attempts: int = 0  # times that this epoch has begun again
    share: float = 1.0  # of the learning rate, which is lowered when an epoch begins again


class _Network(nn.Module):
    """The network of a step: all of a model, or what is left of it behind a frontend that has been applied."""

    def __init__(self, model: SignModel):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, lengths: Tensor, features: Tensor | None) -> Output:
        """Of a batch; see `Batch`."""
        return self.model(x, lengths) if features is None else self.model.after_frontend(features, lengths)


class Trainer:
    """Trains one model, alone or together with other processes, each of which runs the same loop over its part of every
    batch (`slrcli.parallel.distributed`).

    Args:
        model: on its device, its frontend's statistics set.
        batches: the train split.
        dev: the split that chooses the best epoch.
        meta: the configuration, and what the model reads and writes.
        teacher: whose posteriors to learn from as well.
        anchor: the weights that a run started from, if it did.

    Attributes:
        ema: the EMA of the weights, where one is asked for.
    """

    def __init__(
        self,
        model: SignModel,
        batches: TrainBatches,
        dev: Clips,
        meta: Meta,
        teacher: Teacher | None = None,
        anchor: Anchor | None = None,
    ):
        self.anchor = anchor
        self.model, self.batches, self.dev, self.meta = model, batches, dev, meta
        self.config = config = meta.config
        self.ema = EMA(model, config.optim.ema) if config.optim.ema else None
        self.device = device_of(model)
        self._network: nn.Module = _Network(model)
        batches.pinned = self.device.type == "cuda"
        # On a CPU a small network spends a third of a step in its frontend, and another core may do that.
        batches.frontend = model.frontend if self.device.type == "cpu" and model.is_parted else None
        self.criterion = Criterion(config, teacher)
        self.optimiser = make_optimiser(model, config.optim, self.device)
        self.progress = Progress()
        self._begun: Moment | None = None  # as the epoch began; in the training state, too
        precision = config.run.precision
        self.half = precision == "bf16" or (precision == "auto" and self.device.type == "cuda")

    @cached_property
    def recogniser(self) -> Recogniser:
        """What is evaluated and kept: the EMA, else the model itself, perhaps averaged with what it started from."""
        model = copy.deepcopy(self._averaged) if self._blends else self._averaged
        return Recogniser(model, self.meta.vocabulary, self.meta)

    @property
    def _averaged(self) -> SignModel:
        return self.ema.model if self.ema else self.model

    @property
    def _blends(self) -> bool:
        return self.anchor is not None and self.config.start.blend < 1

    def _blend(self) -> None:
        """Bring what is evaluated and kept up to date where it is an average of its own."""
        if self.anchor and self._blends:
            self.anchor.blend(self.recogniser.model, self._averaged, self.config.start.blend)

    def run(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train until the last epoch, until patience runs out, or until `interrupted()` after a step."""
        try:
            self._network = self._joined()
            yield from self._run(interrupted)
        except RuntimeError as error:
            if not distributed.lost(error):
                raise
            yield Stopped("lost")

    def _run(self, interrupted: Callable[[], bool]) -> Iterator[Event]:
        progress = self.progress
        while progress.epoch <= self.config.optim.epochs:
            if self.out_of_patience:
                yield Stopped("patience")
                return
            if self._location_due():
                yield self._locate()
            if self._framewise_due():
                yield self._place()
            self.model.train()
            if not progress.step:
                self._begun = self._moment()
            for batch in () if self._is_stuck else self.batches.epoch(progress.epoch, progress.step):
                with self._whole(), torch_threads(cores_left(1)):
                    step = self._step(batch)
                yield step
                if distributed.anyone(interrupted(), self.device):
                    yield Stopped("interrupted")
                    return
                if self._is_stuck:
                    break
            if self._is_stuck or not self._has_finite_weights():
                yield self._go_back()
            else:
                yield self._close_epoch()

    @property
    def out_of_patience(self) -> bool:
        """Whether the WER on dev has not improved for as many epochs as `optim.patience` allows."""
        patience, progress = self.config.optim.patience, self.progress
        return bool(patience) and not progress.step and progress.epochs_since_best >= patience

    def _joined(self) -> nn.Module:
        """The network whose gradients are the means over all processes; it begins with what the first one holds."""
        network = _Network(self.model)
        if distributed.size() == 1:
            return network
        device_ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A step among several processes is done whole or not at all, should one of them be lost on the way.

        All but the first draw their random numbers from the step's place in the run, so that a resumed run draws the
        same; the first one's are kept in the training state.
        """
        if distributed.size() == 1:
            yield
            return
        if not distributed.first():
            place = [self.config.run.seed, self.progress.epoch, self.progress.step, distributed.rank()]
            torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        drawn, buffers = torch.get_rng_state(), {name: item.clone() for name, item in self.model.named_buffers()}
        try:
            yield
        except RuntimeError:
            torch.set_rng_state(drawn)
            for name, item in self.model.named_buffers():
                item.copy_(buffers[name])
            raise

    def _location_due(self) -> bool:
        """In the middle of an epoch the signs stay where they were."""
        options, progress = self.config.augment, self.progress
        return (
            options.recombine > 0
            and not (progress.step or progress.attempts)
            and due(progress.epoch, self.config.optim.epochs, options.recombine_from)
        )

    def _locate(self) -> SignsLocated:
        started = time.perf_counter()
        spans = locate(self.recogniser, self.batches.clips, self.batches.targets)
        self._fill_sign_bank(spans)
        return SignsLocated(self.progress.epoch, float((spans[:, 1] > 0).mean()), time.perf_counter() - started)

    def _fill_sign_bank(self, spans: np.ndarray) -> None:
        signers = [item.signer for item in self.batches.clips.utterances]
        self.batches.sign_bank = SignBank(signers, self.batches.targets, spans)

    def _framewise_due(self) -> bool:
        options, progress = self.config.loss, self.progress
        return (
            options.frames > 0
            and not progress.signs
            and progress.epoch >= first_epoch(self.config.optim.epochs, options.frames_from)
        )

    def _place(self) -> FramewiseBegun:
        started, progress = time.perf_counter(), self.progress
        lengths = sign_lengths(self.recogniser, self.batches.clips, self.batches.targets)
        progress.signs, progress.begun = [lengths.frames, lengths.spread], progress.epoch - 1
        progress.best_wer = progress.best_loss = float("inf")
        progress.epochs_since_best = 0
        return FramewiseBegun(progress.epoch, self._read_by_lengths(), time.perf_counter() - started)

    @property
    def decode(self) -> DecodeConfig:
        """How clips are read: by best path, or as rows of signs once it is known how long these last."""
        if not self.progress.signs:
            return DecodeConfig()
        frames, spread = self.progress.signs
        return DecodeConfig(sign_frames=frames, sign_spread=spread, insertion_bonus=SIGN_BONUS)

    def _read_by_lengths(self) -> DecodeConfig:
        self.recogniser.decoder = make_decoder(self.decode, self.recogniser.vocabulary)
        self.criterion.framewise = True
        return self.decode

    def _step(self, batch: Batch) -> Step | Skipped:
        started, progress = time.perf_counter(), self.progress
        lr = self._rate_of(progress.step)
        before = [item.clone() for item in self.model.buffers()]
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        loss, terms = self._losses(batch.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        (loss * batch.share).backward()
        limit = self.config.optim.clip_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        # all numbers in one read: a device is waited for once a step, when its work is queued
        norm, *found = torch.stack([norm, *terms.values()]).detach().tolist()
        value, frames, *others = self._of_all(batch, found)
        progress.step += 1
        if not all(map(math.isfinite, (value, norm, *others))):
            # the CTC loss may be finite where another term is not
            spoilt = next((item for item in (value, *others) if not math.isfinite(item)), value)
            return self._skip(batch, before, spoilt, norm)
        self.optimiser.step()
        if self.ema:
            self.ema.update(self.model)
        seconds = time.perf_counter() - started
        progress.in_a_row = 0
        parts = {f"{TERM}{name}": value for name, value in zip(list(terms)[1:], others, strict=True)}
        own = {"loss": value, "norm": norm, "frames": frames, "seconds": seconds, "steps": 1}
        for key, amount in {**own, **parts}.items():
            progress.sums[key] = progress.sums.get(key, 0.0) + amount
        progress.sums["norm_max"] = max(progress.sums["norm_max"], norm)
        return Step(progress.epoch, progress.step, value, norm, lr, int(frames), seconds)

    def _rate_of(self, step: int) -> float:
        """The learning rate of a step of this epoch, from 0."""
        done = self.progress.epoch - 1 + step / len(self.batches)
        return self.progress.share * learning_rate(done, self.config.optim)

    def _of_all(self, batch: Batch, terms: Sequence[float]) -> list[float]:
        """Of all processes: the mean CTC loss (the first term), the frames, the means of the other terms."""
        ctc, *others = (term * batch.share / distributed.size() for term in terms)
        ctc, frames, *others = distributed.totals([ctc, int(batch.lengths.sum()), *others], self.device)
        return [ctc, frames, *others]

    def _losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum to be learnt from, and its terms."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            output = Output(*self._network(batch.x, batch.lengths, batch.features))
        return self.criterion(output, batch)

    def _skip(self, batch: Batch, before: list[Tensor], loss: float, norm: float) -> Skipped:
        """Leave the model as it was before the step: the running statistics of normalisations have seen the batch.

        All processes come to this together, since loss and gradient are those of all.
        """
        progress = self.progress
        for own, kept in zip(self.model.buffers(), before, strict=True):
            own.copy_(kept)
        self.optimiser.zero_grad(set_to_none=True)
        ids = ", ".join(self.batches.clips.utterances[index].id for index in dict.fromkeys(batch.index[:SHOWN_IDS]))
        progress.skipped, progress.in_a_row = progress.skipped + 1, progress.in_a_row + 1
        progress.culprits = ", ".join(distributed.gathered(ids))
        return Skipped(progress.epoch, progress.step, progress.skipped, loss, norm, progress.culprits)

    @property
    def _is_stuck(self) -> bool:
        return self.progress.in_a_row >= min(IN_A_ROW, len(self.batches))

    def _has_finite_weights(self) -> bool:
        return all(bool(torch.isfinite(item).all()) for item in self.model.parameters())

    def _go_back(self) -> WentBack:
        """Begin the epoch again as it began, at a lower learning rate.

        What makes weights explode is a learning rate that is too high for them; one unlucky batch alone is skipped.
        The draws stay those of the epoch, so that the same seed gives the same run.

        Raises:
            NotFiniteError: that was done as often as makes sense.
        """
        progress = self.progress
        if progress.attempts == AGAIN or self._begun is None:
            raise NotFiniteError(
                f"{not_finite.code}: {NOT_FINITE}, although the epoch was begun {AGAIN} times more at a lower learning "
                "rate.",
                f"epoch {progress.epoch}, step {progress.step}, utterances {progress.culprits}",
                NOT_FINITE_FIX
                if not self.config.loss.own
                else f"Check the loss {self.config.loss.own} first. {NOT_FINITE_FIX}",
            )
        kept = {name: getattr(progress, name) for name in ("skipped", "culprits")}
        attempts, share = progress.attempts + 1, progress.share * SLOWER
        tensors, values = self._begun
        self._return_to(tensors, values)
        for name, value in {**kept, "attempts": attempts, "share": share}.items():
            setattr(progress, name, value)
        return WentBack(progress.epoch, share, progress.culprits)

    def _close_epoch(self) -> EpochEnd:
        started, progress, sums = time.perf_counter(), self.progress, self.progress.sums
        self._blend()
        evaluation = evaluate(self.recogniser, self.dev)
        score, steps = evaluation.score, max(sums["steps"], 1)
        numbers = EpochNumbers(
            progress.epoch, sums["loss"] / steps, evaluation.loss, score.wer, score.emission, score.distinct_hyp,
            score.distinct_ref, evaluation.blank_share, sums["norm"] / steps, sums["norm_max"], score.top_share_hyp,
            score.top_share_ref, evaluation.spike_frames, self._rate_of(progress.step - 1), progress.skipped,
        )  # fmt: skip
        findings = self._findings(numbers)
        # where the WER is the same (as it is while nothing but blanks comes out) the loss decides
        improved = (score.wer, evaluation.loss) < (progress.best_wer, progress.best_loss)
        progress.epochs_since_best = 0 if score.wer < progress.best_wer else progress.epochs_since_best + 1
        if improved:
            progress.best_wer, progress.best_loss = score.wer, evaluation.loss
        chosen = improved or self.config.optim.choose == "last"
        if chosen:
            progress.best = asdict(numbers)
        terms = {key.removeprefix(TERM): value / steps for key, value in sums.items() if key.startswith(TERM)}
        seconds, rate = sums["seconds"], sums["frames"] / max(sums["seconds"], 1e-9)
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, Progress().sums
        progress.skipped = progress.in_a_row = progress.attempts = 0
        seconds += time.perf_counter() - started
        end = EpochEnd(numbers, evaluation, findings, improved, chosen, seconds, rate, terms)
        progress.history.append(numbers_of(end))
        return end

    def _findings(self, numbers: EpochNumbers) -> list[Finding]:
        """What there is to say of the run now; what has been said is part of the progress, so that it is said once."""
        progress, optim = self.progress, self.config.optim
        warmup = min(optim.warmup_epochs, optim.epochs / 4)
        # what is learnt frame by frame has another loss: the epochs before are not to be compared with
        epochs = map(EpochNumbers.from_dict, progress.history[progress.begun :])
        monitor = RunDiagnostics(self.config.model.arch, warmup, epochs, progress.said)
        findings = monitor.observe(numbers)
        progress.said = monitor.said
        return findings

    def _moment(self) -> "Moment":
        """Copies of everything that changes in training: tensors on the CPU, and the progress as plain values."""
        tensors = {"random": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        tensors |= {f"{WEIGHTS}{name}": item for name, item in self.model.state_dict().items()}
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{key}": torch.as_tensor(value) for key, value in state.items()}
        if self.ema:
            tensors |= {f"{AVERAGE}{name}": tensor for name, tensor in self.ema.state().items()}
        return {name: item.detach().to("cpu", copy=True) for name, item in tensors.items()}, asdict(self.progress)

    def _return_to(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Be again as at a moment, whose tensors may be used once more; raises like `_optimiser_at`."""
        state = self._optimiser_at(tensors)
        if weights := below(WEIGHTS, tensors):
            self.model.load_state_dict(weights)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
        if self.ema:
            self.ema.restore(below(AVERAGE, tensors) or self.model.state_dict())
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        for name, value in copy.deepcopy(progress).items():
            setattr(self.progress, name, value)
        self.progress.sums = Progress().sums | self.progress.sums  # what an older state lacks begins at zero

    def _optimiser_at(self, tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
        """The state of the optimiser at a moment, copied, by the number of its parameter.

        Raises:
            RuntimeError: it is of another model.
        """
        parameters = [item for group in self.optimiser.param_groups for item in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in below("optimiser.", tensors).items():
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = tensor.clone()
        for place, kept in state.items():
            shapes = {key: item.shape for key, item in kept.items()}
            own = parameters[place].shape if 0 <= place < len(parameters) else None
            if shapes != {"step": torch.Size(), "exp_avg": own, "exp_avg_sq": own}:
                raise RuntimeError(f"the optimiser's state of parameter {place} is not of its shape")
        return state

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and values from which `restore` goes on as if nothing had happened."""
        tensors, progress = self._moment()
        values = {"progress": progress, "batches": len(self.batches)}
        if self.batches.sign_bank:
            tensors[SIGNS] = torch.from_numpy(self.batches.sign_bank.spans)
        if self.progress.step and self._begun:
            tensors |= {f"{BEGUN}{name}": tensor for name, tensor in self._begun[0].items()}
            values["begun"] = self._begun[1]
        if self.anchor and self._blends:
            tensors |= self.anchor.state()
        return tensors, values

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises:
            SlrError: the state belongs to other data or another batch size.
            RuntimeError: it belongs to another model.
            KeyError, TypeError, ValueError: it is damaged.
        """
        if values["batches"] != len(self.batches):
            raise SlrError(
                f"The run had {values['batches']} steps per epoch, but there are {len(self.batches)} now.",
                "--resume",
                "Resume with the same data and batch size, or start a new run.",
            )
        self.progress = Progress()
        require_progress(values["progress"])
        self._return_to(tensors, values["progress"])
        if "begun" in values:
            require_progress(values["begun"])
            self._begun = below(BEGUN, tensors), values["begun"]
            self._optimiser_at(self._begun[0])
        self.anchor = Anchor.restored(tensors)
        self._blend()
        if SIGNS in tensors and len(tensors[SIGNS]) == sum(map(len, self.batches.targets)):  # else the glosses changed
            self._fill_sign_bank(tensors[SIGNS].numpy())
        if self.progress.signs:
            self._read_by_lengths()


Moment = tuple[dict[str, Tensor], dict[str, Any]]  # of a run: tensors, and the progress as plain values


def require_progress(values: dict[str, Any]) -> None:
    """TypeError where plain values of a progress are not of the kinds that it has, ValueError for impossible ones."""
    for name, value in values.items():
        usual = getattr(Progress(), name, value)
        if not isinstance(value, int | float if isinstance(usual, float) else type(usual)):
            raise TypeError(f"{name} is {value!r:.80}")
        if isinstance(usual, int) and value < 0:
            raise ValueError(f"{name} is {value}")
    if not 0 < values.get("share", 1.0) <= 1:
        raise ValueError(f"the share of the learning rate is {values['share']}")
    for value in (*values.get("sums", {}).values(), *values.get("signs", ())):
        if not isinstance(value, int | float):
            raise TypeError(f"a sum is {value!r:.80}")
    for numbers in values.get("history", ()):
        if not isinstance(numbers, dict):
            raise TypeError(f"the numbers of an epoch are {numbers!r:.80}")


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
