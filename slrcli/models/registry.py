"""The architectures by name, and how one is built from a layout and its options.

To add one: a file beside this one with a `SignModel` and its options, and a line in `ARCHITECTURES`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slrcli.config import merge_section, nearest, renamed
from slrcli.errors import UsageError
from slrcli.features.layout import Layout
from slrcli.models.base import SignModel
from slrcli.models.collapsed import Collapsed
from slrcli.models.conformer import Conformer, ConformerOptions
from slrcli.models.conv_bilstm import ConvBiLSTM, ConvBiLSTMOptions
from slrcli.models.ensemble import Ensemble, EnsembleOptions
from slrcli.models.frontend import Frontend
from slrcli.models.mobilenetv3 import MobileNetV3, MobileNetV3Options
from slrcli.models.streaming import Streaming, StreamingOptions
from slrcli.models.tcn import TCN, TCNOptions


class Architecture(NamedTuple):
    """A model class, the dataclass of its options, and what it is in a few words."""

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
    """A model with fresh weights.

    Args:
        arch: a name in `ARCHITECTURES`.
        layout: the meaning of the features' columns.
        vocab_size: classes, the blank included.
        dropout: share of channels zeroed in training.
        options: fields of the architecture's options; `frontend` is a table of the frontend's own.

    Raises:
        UsageError: no architecture or option has that name, or a value does not fit.
    """
    architecture = find_architecture(arch)
    chosen = read_options(arch, options)
    return architecture.model(Frontend(layout, chosen.frontend), vocab_size, dropout, chosen)


def find_architecture(name: str) -> Architecture:
    """An architecture by its name; UsageError names the nearest."""
    if name not in ARCHITECTURES:
        raise UsageError(f"There is no architecture '{name}'.", "--arch", nearest(name, ARCHITECTURES))
    return ARCHITECTURES[name]


def read_options(arch: str, options: Mapping[str, Any] | None = None) -> Any:
    """The architecture's options, defaults where `options` says nothing; UsageError for unknown names and values."""
    return merge_section(
        find_architecture(arch).options(), renamed("model.options", options or {}), f"options of {arch}"
    )
