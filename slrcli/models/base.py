"""What every architecture is: features and lengths in, log-probabilities and lengths out."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from slrcli.models.frontend import Frontend
from slrcli.models.layers import Frames, statistics_held

INNER_SHARE = 0.8  # of inner heads in where a gloss is; a little of the last keeps to what it recognises


class Output(NamedTuple):
    """What a model makes of a batch.

    Attributes:
        log_probs: log-softmax'd class scores, float32 `[B, T', V]`; what stands in the padding has no meaning.
        lengths: valid frames of each clip among the T', int64 `[B]`.
        aux: log-probabilities of inner heads, each like `log_probs` and of the same lengths; often empty.
        members: where `log_probs` is the mean of several networks, what each of them says: these are learnt instead.
    """

    log_probs: Tensor
    lengths: Tensor
    aux: tuple[Tensor, ...] = ()
    members: tuple[Tensor, ...] = ()

    @property
    def learnt(self) -> tuple[Tensor, ...]:
        """The last heads, each of which learns by itself."""
        return self.members or (self.log_probs,)

    @property
    def local(self) -> Tensor:
        """Log-probabilities by which known glosses are placed, `[B, T', V]`.

        The last head has seen the whole clip and may speak of a gloss wherever it likes; inner heads see what is near.
        So these weigh the most (a geometric mean, made to sum to one again); without them it is the last head alone.
        """
        if not self.aux:
            return self.log_probs
        inner = sum(self.aux) / len(self.aux)
        return log_softmax(INNER_SHARE * inner + (1 - INNER_SHARE) * self.log_probs)


class SignModel(nn.Module):
    """A recogniser: `forward(x [B, T, D], lengths [B]) -> Output`.

    A subclass sets `recurrence`, the module that first looks at the whole clip; what enters it is the model's last
    view of single moments, which checks look at to see whether time is kept.

    Attributes:
        frontend: turns stored features into what the network reads.
        vocab_size: classes that come out, the blank included.
        recurrence: see above; its first input is `[B, T', C]`.
        gradient_checkpointing: compute the parts passed to `stage` again in the backward pass instead of keeping what
            they made: less memory, more time, the same result.
        late: frames by which an output frame comes after what it sees: from the middle of that to the middle of those
            that it stands for (see `slrcli.decoding.hypothesis.input_span`), rounded. Times are put right by it.
        lookahead: frames after its own that an output frame of a network sees that otherwise looks back alone; None
            where it may see the whole clip.
    """

    if TYPE_CHECKING:  # a property here would hide the module that a subclass sets

        @property
        def recurrence(self) -> nn.Module: ...

    late = 0
    lookahead: int | None = None

    def __init__(self, frontend: Frontend, vocab_size: int):
        super().__init__()
        self.frontend = frontend
        self.vocab_size = vocab_size
        self.gradient_checkpointing = False

    def output_length(self, frames: Frames) -> Frames:
        """T' of a clip of `frames` frames, for one number or a tensor of them."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        """x float32 `[B, T, D]`, NaN where a point is missing; lengths int64 `[B]`, at least 1 each."""
        raise NotImplementedError

    def stage(self, function: Callable[..., Tensor], *inputs) -> Tensor:
        """`function(*inputs)`, recomputed in the backward pass where gradient checkpointing is on."""
        if self.gradient_checkpointing and self.training:
            return checkpoint(function, *inputs, use_reentrant=False, context_fn=self._recomputation)
        return function(*inputs)

    def _recomputation(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        """What surrounds the first and the second computation: one batch must not count twice in running statistics."""
        return nullcontext(), statistics_held(self)

    @property
    def parameter_count(self) -> int:
        """How many numbers are learnt, or were: a model that only recognises has as many."""
        return sum(p.numel() for p in self.parameters())


def device_of(model: nn.Module) -> torch.device:
    """Where the weights are."""
    return next(model.parameters()).device


def log_softmax(logits: Tensor) -> Tensor:
    """Over the classes, in float32 whatever the precision before: half precision ruins the CTC loss."""
    return logits.float().log_softmax(dim=-1)
