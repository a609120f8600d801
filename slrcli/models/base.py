"""The interface of every architecture: features and lengths in, log-probabilities and lengths out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from slrcli.config import nearest
from slrcli.errors import UsageError
from slrcli.models.frontend import Frontend
from slrcli.models.layers import Frames, statistics_held

INNER_SHARE = 0.8  # weight of the inner heads in placing a gloss; the last head keeps it consistent with recognition


class Output(NamedTuple):
    """The output of a model for a batch.

    Attributes:
        log_probs: log-probabilities of the classes, float32 `[B, T', V]`; undefined in the padding.
        lengths: valid output frames per clip, int64 `[B]`.
        aux: log-probabilities of the inner heads, each of the same shape and lengths as `log_probs`; may be empty.
        members: log-probabilities of the members of an ensemble, each like `log_probs`, which is their mean. The loss
            is computed on them instead of on `log_probs`. Empty for a single network.
    """

    log_probs: Tensor
    lengths: Tensor
    aux: tuple[Tensor, ...] = ()
    members: tuple[Tensor, ...] = ()

    @property
    def learnt(self) -> tuple[Tensor, ...]:
        """Log-probabilities of the last heads, each of which has its own loss: the members', or `log_probs` alone."""
        return self.members or (self.log_probs,)

    @property
    def local(self) -> Tensor:
        """Log-probabilities for the alignment of known glosses, `[B, T', V]`.

        The last head has context and may emit a gloss away from its sign; inner heads have a narrow receptive field.
        The result is therefore a weighted geometric mean, renormalised, in which the inner heads weigh most. Without
        inner heads, it is `log_probs`.
        """
        if not self.aux:
            return self.log_probs
        inner = sum(self.aux) / len(self.aux)
        return log_softmax(INNER_SHARE * inner + (1 - INNER_SHARE) * self.log_probs)


class SignModel(nn.Module):
    """The base class of architectures: `forward(x [B, T, D], lengths [B]) -> Output`.

    A subclass gives `after_frontend` (or `forward`) and sets `recurrence`, the first module with context beyond single
    moments. Checks inspect its input to see whether the time axis is still intact there.

    Attributes:
        frontend: converts stored features into the input of the network.
        vocab_size: number of classes, including the blank.
        recurrence: see above; its first input is `[B, T', C]`.
        gradient_checkpointing: recompute the parts passed to `stage` in the backward pass instead of storing their
            activations: less memory, more time, the same result.
        late: delay of an output frame in input frames, rounded: from the centre of its receptive field to the centre of
            the span that it stands for (`slrcli.decoding.hypothesis.input_span`). Times are corrected by it.
        frozen: children whose weights and running statistics stay as they are; see `freeze`.
        lookahead: future frames that an output frame of an otherwise causal network depends on; None for a network
            that may use the whole clip.
    """

    if TYPE_CHECKING:  # a property here would hide the module that a subclass sets

        @property
        def recurrence(self) -> nn.Module: ...

    late = 0
    lookahead: int | None = None
    frozen: tuple[str, ...] = ()

    def __init__(self, frontend: Frontend, vocab_size: int):
        super().__init__()
        self.frontend = frontend
        self.vocab_size = vocab_size
        self.gradient_checkpointing = False

    def output_length(self, frames: Frames) -> Frames:
        """Output frames T' of clips of `frames` input frames, a number or a tensor."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        """Features float32 `[B, T, D]`, NaN where a point is missing, and lengths int64 `[B]`, each at least 1."""
        return self.after_frontend(self.frontend(x, lengths), lengths)

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        """`forward` from what the frontend makes of the features on, x `[B, T, F]`.

        Training lets another thread apply the frontend, which learns nothing; so a network of this package gives this
        method instead of `forward`.
        """
        raise NotImplementedError

    @property
    def is_parted(self) -> bool:
        """Whether `forward` is the frontend and then `after_frontend`; a network of a user's own need not be."""
        return type(self).forward is SignModel.forward

    def stage(self, function: Callable[..., Tensor], *inputs) -> Tensor:
        """The value of `function(*inputs)`, recomputed in the backward pass if gradient checkpointing is on."""
        if self.gradient_checkpointing and self.training:
            return checkpoint(function, *inputs, use_reentrant=False, context_fn=self._recomputation)
        return function(*inputs)

    def _recomputation(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        """Contexts of the first and the second computation: a batch must not update running statistics twice."""
        return nullcontext(), statistics_held(self)

    def freeze(self, parts: Sequence[str]) -> None:
        """Keep the weights and running statistics of the named children as they are.

        Raises:
            UsageError: there is no such child with weights.
        """
        known = [name for name, part in self.named_children() if any(True for _ in part.parameters())]
        for name in parts:
            if name not in known:
                raise UsageError(f"The network has no part '{name}'.", "--freeze", nearest(name, known))
            getattr(self, name).requires_grad_(False)
        self.frozen = tuple(parts)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """See `torch.nn.Module.train`; frozen parts stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    @property
    def parameter_count(self) -> int:
        """Number of parameters, whether trained or frozen."""
        return sum(p.numel() for p in self.parameters())


def device_of(model: nn.Module) -> torch.device:
    """Where the weights are."""
    return next(model.parameters()).device


def log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax over the classes `[..., V]`, always in float32: half precision is too coarse for the CTC loss."""
    return logits.float().log_softmax(dim=-1)
