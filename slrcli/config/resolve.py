"""One configuration out of all its sources, and the settings that fit a corpus."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

from slrcli.config.commands import OF_ONE_COMMAND
from slrcli.config.sections import DEFAULT_ARCH, NO_AUGMENTATION, Config
from slrcli.config.values import merge, nearest, read_assignments, read_toml, toml_text
from slrcli.errors import UsageError

STEPS_PER_SIGN = 5  # output frames that a sign should last
MOST_STRIDES = 3
LONG_SIGN = 36  # frames from which on signs are learnt frame by frame, once placed; connected signing hurries more
LOOKAHEADS = (8, 16)  # frames; a head that sees less of a sign than it lasts cannot tell it, and more only comes later
SEEN = 32_000  # utterances that a run sees in all, each as often as there are epochs
EPOCHS = (10, 120)
SMALL = 600  # utterances below which a batch is small, so that an epoch has steps enough


class Facts(NamedTuple):
    """What is known of a corpus before the first step.

    Attributes:
        utterances: in train.
        glosses: tokens in train.
        frames: in train.
        sentences: different ones in train.
        sensors: whether its columns are a few sensors' (gloves), neither points nor a network's features.
        hands: whether it shows two hands and no body.
    """

    utterances: int
    glosses: int
    frames: int
    sentences: int
    sensors: bool = False
    hands: bool = False

    @property
    def sign_frames(self) -> float:
        """Frames per gloss: how long a sign lasts, the way to it included."""
        return self.frames / max(self.glosses, 1)


class Choice(NamedTuple):
    """A setting (`section.key...`), its value, and what of the corpus it follows from."""

    setting: str
    value: Any
    reason: str


def choices(facts: Facts, arch: str) -> list[Choice]:
    """What fits a corpus. The architecture's own options are chosen where it has them."""
    batch = 4 if facts.utterances < SMALL else 8
    epochs = min(max(round(SEEN / max(facts.utterances, 1)), EPOCHS[0]), EPOCHS[1])
    why = f"{facts.utterances:,} utterances"
    found = [Choice("optim.epochs", epochs, why), Choice("optim.batch_size", batch, why)]
    if arch == "tcn":
        steps = max(facts.sign_frames / STEPS_PER_SIGN, 1)  # an empty corpus is for others to speak of
        strides = min(max(round(log2(steps)), 1), MOST_STRIDES)
        lasting = f"{facts.sign_frames:.1f} frames per gloss"
        found.insert(0, Choice("model.options.strides", strides, lasting))
        if facts.sign_frames >= LONG_SIGN and not facts.sensors:
            found.append(Choice("loss.frames", 1.0, lasting))
    if arch == "streaming":
        ahead = min(max(4 * int(facts.sign_frames / 4), LOOKAHEADS[0]), LOOKAHEADS[1])
        found.insert(0, Choice("model.options.lookahead", ahead, f"{facts.sign_frames:.1f} frames per gloss"))
    if facts.sensors:
        why = "columns of sensors"
        found += [Choice("model.options.frontend.centre", True, why), Choice("augment.point_drop", 0.05, why)]
    if facts.hands:
        why = "hands without a body"
        found += [Choice("augment.hand_rotate", 15.0, why), Choice("augment.hand_scale", 0.15, why)]
    return found


FINE_TUNED = 5_000  # utterances that a run sees in all which starts from another recogniser
FINE_EPOCHS = (10, 30)
EVEN = 5  # utterances of which the trained weights count as much as those started from


def fine_tuning(facts: Facts) -> list[Choice]:
    """What fits a corpus that a trained recogniser is adapted to; all else stays as it was trained."""
    epochs = min(max(round(FINE_TUNED / max(facts.utterances, 1)), FINE_EPOCHS[0]), FINE_EPOCHS[1])
    batch = 4 if facts.utterances < SMALL else 8
    why = f"{facts.utterances:,} utterances to start from a trained recogniser"
    return [
        Choice("optim.epochs", epochs, why),
        Choice("optim.batch_size", batch, why),
        Choice("optim.lr", 5e-4, "starting from a trained recogniser"),
        Choice(
            "start.blend", round(facts.utterances / (facts.utterances + EVEN), 2), f"{facts.utterances:,} utterances"
        ),
    ]


# Settings under which an architecture learns, where they differ from the defaults. Used when the user names
# the architecture and no preset.
ARCH_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "conv-bilstm": {"model": {"dropout": 0.3}},
    "ensemble": {"model": {"dropout": 0.3}},
    "conformer": {"model": {"dropout": 0.3}, "optim": {"lr": 1e-3}},
    # a clip that comes in parts cannot be looked at as a whole
    "streaming": {"model": {"dropout": 0.3}, "data": {"assign_hands": False}},
    "mobilenetv3": {
        "model": {"dropout": 0.1},
        "optim": {"lr": 1e-3, "batch_size": 8, "epochs": 30},
    },
}

# Named settings, chosen by `--preset`.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "forerunner": {
        "model": {
            "arch": "mobilenetv3",
            "dropout": 0.3,
            "options": {"init": "forerunner", "frontend": {"standardise": False}},
        },
        "optim": {
            "lr": 3e-4,
            "weight_decay": 1e-4,
            "warmup_epochs": 5.0,
            "batch_size": 4,
            "epochs": 100,
            "ema": 0.0,
        },
        "augment": NO_AUGMENTATION,
    },
}


def resolve(
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    preset: str = "",
    file: Path | None = None,
    assignments: Iterable[str] = (),
    base: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """Settle one configuration from all its sources (see the package's first lines for the order).

    Args:
        overrides: sections of values from the command line, without those that were not given.
        preset: a name in `PRESETS`, or "".
        file: a TOML file, or None.
        assignments: `section.key=value` texts, which win over all else.
        base: sections that a command puts over the defaults before anything else.

    Raises:
        UsageError: unknown preset, section or key, unreadable file, value of the wrong type.
    """
    overrides = overrides or {}
    if preset and preset not in PRESETS:
        raise UsageError(f"There is no preset '{preset}'.", "--preset", nearest(preset, PRESETS))
    sources: list[tuple[Mapping[str, Mapping[str, Any]], str]] = [(PRESETS.get(preset, {}), f"preset {preset}")]
    if file is not None:
        tables = read_toml(file)
        if isinstance(tables.get("run"), dict):
            tables["run"].pop("output_dir", None)  # a run's own settings serve a new run, which goes elsewhere
        sources.append((tables, str(file)))
    sources += [(overrides, "command line"), (read_assignments(assignments), "--set")]
    arch = DEFAULT_ARCH
    for values, _ in sources:
        model = values.get("model")
        named = model.get("arch") if isinstance(model, Mapping) else None
        arch = named if isinstance(named, str) else arch  # what is of another type is refused below
    if not preset:
        sources.insert(0, (ARCH_SETTINGS.get(arch, {}), f"settings of {arch}"))
    config = merge(Config(), base or {}, "settings of the command")
    for values, where in sources:
        config = merge(config, values, where)
    return config


def by_section(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by section: `{"epochs": 3, "run": {"seed": 2}}` becomes `{"optim": {"epochs": 3}, "run": {"seed": 2}}`.

    A setting that stands alone goes to the section that has one of that name. Paths become texts.

    Raises:
        UsageError: no section has it.
    """
    parts = {item.name: getattr(Config(), item.name) for item in fields(Config)}
    homes = {item.name: section for section, part in parts.items() for item in fields(part)}
    found: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        if name in parts and isinstance(value, Mapping):
            found.setdefault(name, {}).update(plain_settings(value))
        elif name in homes:
            found.setdefault(homes[name], {}).update(plain_settings({name: value}))
        else:
            raise UsageError(f"There is no setting '{name}'.", "train", nearest(name, [*homes, *parts]))
    return found


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with paths as texts, which is what a TOML file has."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}


def to_toml(config: Config) -> str:
    """The configuration as TOML text that `read_toml` reads back to the same values."""
    return toml_text(config.to_dict())


def help_of(dotted: str) -> tuple[str, Any]:
    """Description and default of one setting, such as `optim.lr`, for the command line's help."""
    section, key = dotted.split(".")
    part = OF_ONE_COMMAND[section]() if section in OF_ONE_COMMAND else getattr(Config(), section)
    item = {item.name: item for item in fields(part)}[key]
    return item.metadata["help"], getattr(part, key)
