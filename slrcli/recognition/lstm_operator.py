"""LSTMs as single operators of a graph, whatever the number of frames.

Torch's exporter takes an LSTM apart into its steps, whose number it then knows by heart, or finds its way around that
in some versions and on some occasions. So while a network is traced, its LSTMs are an operator of ours, which becomes
ONNX's own, `LSTM`. Its weights stand in ONNX's order of the gates: input, output, forget, cell.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

TO_ONNX = (0, 3, 1, 2)  # of torch's input, forget, cell, output
TO_TORCH = (0, 2, 3, 1)


@torch.library.custom_op("slrcli::lstm", mutates_args=())
def lstm(x: Tensor, weights: Tensor, recurrent: Tensor, biases: Tensor, hidden: int) -> Tensor:
    """One layer in one direction, started from zero.

    Args:
        x: `[B, T, I]`.
        weights: of the input, `[1, 4 * hidden, I]`.
        recurrent: of the state, `[1, 4 * hidden, hidden]`.
        biases: of the input, then of the state, `[1, 8 * hidden]`.
        hidden: channels that come out.

    Returns:
        `[B, T, hidden]`.
    """
    zeros = x.new_zeros(1, len(x), hidden)
    of_input, of_state = biases[0].chunk(2)
    flat = [_ordered(part, TO_TORCH) for part in (weights[0], recurrent[0], of_input, of_state)]
    return torch.lstm(x, (zeros, zeros), flat, True, 1, 0.0, False, False, True)[0]


@lstm.register_fake
def _(x: Tensor, weights: Tensor, recurrent: Tensor, biases: Tensor, hidden: int) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], hidden)


class LstmOperator(nn.Module):
    """An `nn.LSTM` of ours or anybody's, batch first and in one direction, by way of `lstm`."""

    def __init__(self, module: nn.LSTM):
        super().__init__()
        if module.bidirectional or module.proj_size or not module.batch_first or not module.bias:
            raise ValueError("only LSTMs with biases, batch first, in one direction and without projection")
        self.hidden, self.layers = module.hidden_size, module.num_layers
        for layer in range(self.layers):
            of_input, of_state, *biases = (_ordered(part.detach(), TO_ONNX) for part in module.all_weights[layer])
            self.register_buffer(f"weights_{layer}", of_input[None])
            self.register_buffer(f"recurrent_{layer}", of_state[None])
            self.register_buffer(f"biases_{layer}", torch.cat(biases)[None])

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """x `[B, T, I]` -> `[B, T, hidden]`, and no state."""
        for layer in range(self.layers):
            weights = (getattr(self, f"{name}_{layer}") for name in ("weights", "recurrent", "biases"))
            x = lstm(x, *weights, self.hidden)
        return x, None


def with_operators(model: nn.Module) -> nn.Module:
    """A copy of a model whose LSTMs are `LstmOperator`s; ValueError for one that cannot be."""
    model = copy.deepcopy(model)
    for part in list(model.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.LSTM):
                setattr(part, name, LstmOperator(child))
    return model


def translations() -> dict:
    """What the exporter makes of the operator."""
    from onnxscript import opset18 as op  # of the extra `export`

    def translated(x, weights, recurrent, biases, hidden: int):
        found, _, _ = op.LSTM(op.Transpose(x, perm=[1, 0, 2]), weights, recurrent, biases, hidden_size=hidden)
        directions: Any = op.Constant(value_ints=[1])
        return op.Transpose(op.Squeeze(found, directions), perm=[1, 0, 2])

    return {torch.ops.slrcli.lstm.default: translated}


def _ordered(gates: Tensor, order: tuple[int, ...]) -> Tensor:
    """The four gates, which follow each other along the first axis, in another order."""
    parts = gates.chunk(4)
    return torch.cat([parts[place] for place in order])
