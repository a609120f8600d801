"""What a model remembers and repeats: evaluation twice the same, all of it in a checkpoint, fresh weights by seed."""

import copy
from collections.abc import Callable, Iterator

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.model.probe import BATCH, ModelContext, forward, frames_of
from slrcli.findings import Finding

STATE_CHECKS = Checks()


@STATE_CHECKS.add("SLR-M18", "evaluation repeats itself", needs=("SLR-M01",))
def evaluation_repeats(context: ModelContext) -> Iterator[Finding]:
    """The same clips give the same bits twice in evaluation: no dropout, no noise, nothing remembered."""
    network = context.network()
    first, again = _valid(network, context), _valid(network, context)
    if not torch.equal(first.nan_to_num(), again.nan_to_num()):
        off = (first - again).abs().max().item()
        random = [name for name, part in network.named_modules() if part.training]
        yield error(
            f"in evaluation, the same clips give log-probabilities that differ by {off:.2g}",
            some(random) if random else "",
            "let eval() reach every module: F.dropout(x, training=self.training), no noise, nothing kept between calls",
        )
    else:
        yield note("two evaluations agree bit for bit")


def _valid(network: nn.Module, context: ModelContext) -> Tensor:
    with torch.no_grad():
        out = forward(network, *context.clips(BATCH))
    return torch.cat(frames_of(out.log_probs, out.lengths))


@STATE_CHECKS.add("SLR-M20", "a checkpoint or a seed determines the whole model", needs=("SLR-M03", "SLR-M18"))
def round_trip(context: ModelContext) -> Iterator[Finding]:
    """Weights and buffers, written to safetensors and read into a fresh model, give the same output."""
    model = copy.deepcopy(context.model).cpu().float().eval()
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    try:
        read = load(save(tensors))
    except (RuntimeError, ValueError) as problem:
        yield error(
            f"the weights cannot be written: {some(str(problem).strip().splitlines(), 1)}",
            some(_shared(tensors)),
            "register one module in one place and call it twice, or tie weights by computing one from the other",
        )
        return
    size = sum(tensor.nbytes for tensor in read.values())
    if context.build is None:
        yield note(f"{many(len(read), 'tensor')} ({size / 2**20:.2f} MB) were written and read")
        return
    yield from _seeded(context, context.build)
    torch.manual_seed(context.seed + 1)  # other weights than those that are to be read
    fresh = context.build().cpu().float().eval()
    try:
        fresh.load_state_dict(read)
    except RuntimeError as problem:
        reason = " ".join(str(problem).split())
        yield error(f"a fresh model does not take the weights: {reason}", fix="make all parameters in __init__")
        return
    off = (_valid(model, context) - _valid(fresh, context)).abs().nan_to_num().max().item()
    if off:
        kept = [name for name in _outside(model) if name not in read]
        yield error(
            f"a fresh model that read the weights gives log-probabilities that differ by {off:.2g}",
            some(kept),
            "register what is drawn or learnt as a parameter or a persistent buffer",
        )
    else:
        yield note(f"{many(len(read), 'tensor')} ({size / 2**20:.2f} MB) give a fresh model the same output")


def _shared(tensors: dict[str, Tensor]) -> list[str]:
    """Names of tensors that lie in memory where another lies."""
    places: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        places.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    return [" = ".join(names) for names in places.values() if len(names) > 1]


def _outside(model: nn.Module) -> Iterator[str]:
    """Tensors that a model holds, registered or not."""
    for name, part in model.named_modules():
        prefix = f"{name}." if name else ""
        yield from (prefix + key for key in part._buffers)
        yield from (prefix + key for key, value in vars(part).items() if isinstance(value, Tensor))


def _seeded(context: ModelContext, build: Callable[[], nn.Module]) -> Iterator[Finding]:
    """Whether two models made after the same seed are equal in every weight."""
    states = []
    for _ in range(2):
        torch.manual_seed(context.seed)
        states.append(build().state_dict())
    differing = [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]
    if differing:
        yield warning(
            f"{many(len(differing), 'tensor')} differ between two models of the same seed",
            some(differing),
            "initialise all weights with torch's generator, not with numpy's, random's or the clock's",
        )
