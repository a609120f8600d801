"""Every default of every command, in one place: frozen dataclasses, read from and written to TOML.

A `Config` is resolved once, in this order, the later winning: the defaults of `sections`, the recommended settings of
the architecture, a named preset, a TOML file, options of the command line. Every run writes back what it used.
"""

from slrcli.config.commands import (
    COMPOSE_SPLITS,
    FOLD_SPLITS,
    HELD_OUT,
    MOST_SEEDS,
    NGRAM_ORDER,
    OVERFIT_FIXED,
    OVERFIT_SETTINGS,
    ComposeConfig,
    ExtractConfig,
    LiveConfig,
    OverfitConfig,
    check_compose,
    check_live,
)
from slrcli.config.resolve import ARCH_SETTINGS, PRESETS, help_of, resolve, to_toml
from slrcli.config.sections import (
    DEFAULT_ARCH,
    FRAMES_PER_SECOND,
    NO_AUGMENTATION,
    NO_VARIATION,
    RUNS,
    SIZE_BUDGET_MB,
    AugmentConfig,
    Config,
    DataConfig,
    DistillConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    check_bounds,
)
from slrcli.config.text import read_assignments, read_toml
from slrcli.config.values import check_section, merge, merge_section, nearest, versioned

__all__ = [
    "ARCH_SETTINGS",
    "COMPOSE_SPLITS",
    "DEFAULT_ARCH",
    "FOLD_SPLITS",
    "FRAMES_PER_SECOND",
    "HELD_OUT",
    "MOST_SEEDS",
    "NGRAM_ORDER",
    "NO_AUGMENTATION",
    "NO_VARIATION",
    "OVERFIT_FIXED",
    "OVERFIT_SETTINGS",
    "PRESETS",
    "RUNS",
    "SIZE_BUDGET_MB",
    "AugmentConfig",
    "ComposeConfig",
    "Config",
    "DataConfig",
    "DistillConfig",
    "ExtractConfig",
    "LiveConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "OverfitConfig",
    "RunConfig",
    "check_bounds",
    "check_compose",
    "check_live",
    "check_section",
    "help_of",
    "merge",
    "merge_section",
    "nearest",
    "read_assignments",
    "read_toml",
    "resolve",
    "to_toml",
    "versioned",
]
