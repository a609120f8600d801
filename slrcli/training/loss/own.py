"""A loss of the user's own, beside the CTC loss or in its place: `package.module:function`, or a name that another
package registers under `slrcli.losses`.

It is called as torch's own CTC loss is, without a reduction,

    loss(log_probs [T, B, V], targets [sum(target_lengths)], lengths [B], target_lengths [B]) -> [B]

with normalised log-probabilities in float32, blank 0, targets of all utterances one after the other, and gives a loss
per utterance. As with CTC, each is divided by the utterance's number of glosses, and their mean is learnt from. A class
is called without arguments, and its instance is the loss.

A file that names such a function does not start its code: see `slrcli.models.trust`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from slrcli.config import nearest
from slrcli.errors import SlrError, UsageError
from slrcli.models.own import blame, find_own, own_code
from slrcli.models.trust import is_own
from slrcli.plugins import LOSSES, plugin, plugins

WHERE = "loss.own"
SHAPE = "Return a tensor with a loss per utterance, such as that of reduction='none'."


class OwnLoss:
    """A loss of the user's own as a term of the criterion.

    Args:
        name: of it.

    Raises:
        UsageError: nothing goes by that name, or it cannot be called.
        SlrError: its module cannot be imported, or its class cannot be made.
    """

    def __init__(self, name: str):
        self.name, self._call = name, find_loss(name)

    def __call__(self, log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """The mean loss per gloss.

        Args:
            log_probs: `[B, T, V]`, as models give them.
            lengths: valid frames of each clip, `[B]`.
            targets: token ids of all clips, one after the other.
            target_lengths: tokens of each clip, `[B]`.

        Raises:
            SlrError: the function fails, or gives something else than a loss per utterance.
        """
        try:
            with own_code():
                losses = self._call(log_probs.float().transpose(0, 1), targets, lengths, target_lengths)
        except (Exception, SystemExit) as problem:
            blame(problem, self.name, "The loss failed")
        self._check(losses, len(lengths))
        return (losses / target_lengths.clamp(min=1)).mean()

    def _check(self, losses: Any, count: int) -> None:
        if not isinstance(losses, Tensor):
            raise SlrError(f"The loss returns a {type(losses).__name__} instead of a tensor.", self.name, SHAPE)
        if losses.shape != (count,):
            what = f"The loss of {count} utterances has the shape {list(losses.shape)} instead of [{count}]."
            raise SlrError(what, self.name, SHAPE)
        if not losses.is_floating_point() or (torch.is_grad_enabled() and not losses.requires_grad):
            fix = "Compute it from log_probs with functions of torch, without detach() or item()."
            raise SlrError("Nothing can be learnt from the loss: it has no gradient.", self.name, fix)


def find_loss(name: str) -> Callable[..., Any]:
    """The function of a loss. Raises like `OwnLoss`."""
    found = find_own(name, "a loss") if is_own(name) else plugin(LOSSES, name)
    if found is None:
        known = plugins(LOSSES)
        fix = nearest(name, known) if known else "Write it as package.module:function, or install its package."
        raise UsageError(f"There is no loss '{name}'.", WHERE, fix)
    if inspect.isclass(found):
        try:
            with own_code():
                found = found()
        except (Exception, SystemExit) as problem:
            blame(problem, name, "The loss cannot be made without arguments")
    if not callable(found):
        raise UsageError(f"'{name}' is not a loss, but a {type(found).__name__}.", WHERE, "Name a function.")
    if isinstance(found, nn.Module) and any(True for _ in found.parameters()):
        what = "The loss has weights of its own, which would not be trained."
        raise UsageError(what, name, "Make them part of the network.")
    return found
