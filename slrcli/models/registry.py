"""The architectures by name, and the construction of models from a layout and options.

To add one, write a file beside this one with a `SignModel` and its options, and a line in `ARCHITECTURES`. Those of
other packages are entry points or `package.module:factory`; see `slrcli.models.own`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from slrcli import plugins
from slrcli.config import check_sizes, merge_section, nearest, renamed
from slrcli.errors import UsageError
from slrcli.features.layout import Layout
from slrcli.models.base import SignModel
from slrcli.models.collapsed import Collapsed
from slrcli.models.conformer import Conformer, ConformerOptions
from slrcli.models.conv_bilstm import ConvBiLSTM, ConvBiLSTMOptions
from slrcli.models.ensemble import Ensemble, EnsembleOptions
from slrcli.models.frontend import Frontend
from slrcli.models.mobilenetv3 import MobileNetV3, MobileNetV3Options
from slrcli.models.own import OwnOptions, find_own, own_model
from slrcli.models.streaming import Streaming, StreamingOptions
from slrcli.models.tcn import TCN, TCNOptions
from slrcli.models.trust import is_own


class Architecture(NamedTuple):
    """A model class, the dataclass of its options, and a short description."""

    model: Callable[[Frontend, int, float, Any], SignModel]
    options: type
    description: str


ARCHITECTURES = {
    "tcn": Architecture(
        TCN, TCNOptions, "convolutions only, which see a sign and its neighbours; fastest, under 0.6 M"
    ),
    "conv-bilstm": Architecture(
        ConvBiLSTM, ConvBiLSTMOptions, "two convolutions with pooling, two BiLSTM layers over the whole clip; under 1 M"
    ),
    "ensemble": Architecture(
        Ensemble,
        EnsembleOptions,
        "four narrower ones, trained independently and averaged; best on new signers, 1.6 M",
    ),
    "conformer": Architecture(
        Conformer, ConformerOptions, "strided convolutions, four conformer layers with windowed attention; under 2 M"
    ),
    "streaming": Architecture(
        Streaming, StreamingOptions, "strided convolutions and two LSTM layers that look back; answers in chunks"
    ),
    "mobilenetv3": Architecture(
        MobileNetV3, MobileNetV3Options, "an encoder per group, MobileNetV3 blocks, one BiLSTM; full frame rate, 14 M"
    ),
    "mobilenetv3-collapsed": Architecture(
        Collapsed, MobileNetV3Options, "the same with time averaged away; a control for `slr check`, not for use"
    ),
}


def build_model(
    arch: str, layout: Layout, vocab_size: int, *, dropout: float = 0.3, options: Mapping[str, Any] | None = None
) -> SignModel:
    """A model with newly initialised weights.

    Args:
        arch: a name in `ARCHITECTURES`.
        layout: layout of the features.
        vocab_size: number of classes, including the blank.
        dropout: dropout probability.
        options: options of the architecture by name; `frontend` is a table of frontend options.

    Raises:
        UsageError: an unknown architecture or option, or an invalid value.
    """
    architecture = find_architecture(arch)
    chosen = read_options(arch, options)
    return architecture.model(Frontend(layout, chosen.frontend), vocab_size, dropout, chosen)


def find_architecture(name: str) -> Architecture:
    """An architecture by name.

    Raises:
        UsageError: an unknown name; the nearest known one is suggested.
        SlrError: the module of a user-defined one cannot be imported.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    factory = find_own(name) if is_own(name) else plugins.plugin(plugins.ARCHITECTURES, name)
    if factory is None:
        raise UsageError(f"There is no architecture '{name}'.", "--arch", nearest(name, ARCHITECTURES))
    return Architecture(partial(own_model, name, factory), OwnOptions, "user-defined")


def read_options(arch: str, options: Mapping[str, Any] | None = None) -> Any:
    """The options of an architecture, with defaults for those not in `options`.

    Raises:
        UsageError: an unknown architecture or option, or an invalid value.
    """
    where = f"options of {arch}"
    chosen = merge_section(find_architecture(arch).options(), renamed("model.options", options or {}), where)
    check_sizes(chosen, where)
    return chosen
