"""Every default of every command, in one place: frozen dataclasses, read from and written to TOML.

A `Config` is resolved once, in this order, the later winning: the defaults below, the recommended settings of the
architecture, a named preset, a TOML file, options of the command line. Every run writes back what it used.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from slrcli.errors import UsageError

DEFAULT_ARCH = "conv-bilstm"
RUNS = Path("runs")
SIZE_BUDGET_MB = 100.0
FRAMES_PER_SECOND = 25.0
FOLD_SPLITS = ("train", "dev")  # which splits are pooled to be parted into folds
NGRAM_ORDER = 3  # glosses of the longest n-grams of a language model
MOST_SEEDS = 20  # a larger number of seeds is rather the name of one


def setting(default: Any, text: str, least: float | None = None, most: float | None = None) -> Any:
    """A field with its one-line description, which `--help` shows as well, and its bounds, both inclusive."""
    metadata = {"help": text, "least": least, "most": most}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class DataConfig:
    """Which corpus, and how its annotations and features are read."""

    data_dir: str = setting("", "Folder of the corpus.")
    format: str = setting(
        "auto",
        "Corpus format: auto, phoenix2014, phoenix2014-si5, phoenix2014t, csl-daily, isharah-si, isharah-us, how2sign, "
        "isl-cslrt, table.",
    )
    annotations: str = setting("", "Annotation table, where it is not found by itself.")
    features: str = setting("", "Folder of the feature files, where it is not below the corpus.")
    columns: dict[str, Any] = setting({}, "Names of columns that are not recognised: id, glosses, signer, path, split.")
    layout: str = setting("auto", "Layout of the features: auto, a shipped name, or a TOML file.")
    vocab: str = setting("", "Vocabulary file; without it the vocabulary is built from the train split.")
    normaliser: str = setting("none", "Gloss normaliser applied to annotations.")
    min_count: int = setting(
        1, "Leave glosses out of the vocabulary that occur less often than this in train.", least=0
    )
    max_frames: int = setting(
        0, "Leave training utterances out that are longer than this many frames; 0 keeps all.", least=0
    )
    max_gap: int = setting(
        5, "Fill gaps of missing points up to this many frames by interpolation; 0 fills none.", least=0
    )


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    arch: str = setting(DEFAULT_ARCH, "Architecture.")
    dropout: float = setting(0.3, "Dropout probability.")
    options: dict[str, Any] = setting({}, "The architecture's own options.")


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are found."""

    lr: float = setting(3e-4, "Peak learning rate of AdamW.")
    weight_decay: float = setting(1e-4, "Weight decay of AdamW.", least=0)
    warmup_epochs: float = setting(5.0, "Epochs over which the learning rate rises to its peak.", least=0)
    schedule: str = setting("cosine", "Learning rate after the warm-up: cosine, linear or constant.")
    final_lr: float = setting(0.02, "Where the decay ends, as a share of the peak learning rate.", least=0, most=1)
    epochs: int = setting(100, "Passes over the train split.", least=1)
    batch_size: int = setting(4, "Utterances a step.", least=1)
    clip_norm: float = setting(5.0, "Largest norm of the gradient; 0 does not clip.", least=0)
    average: float = setting(
        0.998, "Evaluate and keep a running average of the weights: share that a step leaves; 0 averages nothing.",
        least=0, most=0.99999,
    )  # fmt: skip
    aux_weight: float = setting(0.5, "Weight of the CTC loss of inner heads, where the architecture has them.", least=0)
    patience: int = setting(0, "Stop after this many epochs without a better WER on dev; 0 never stops early.", least=0)


@dataclass(frozen=True)
class LossConfig:
    """What is learnt beside, or instead of, the plain CTC loss. Zero turns a part off."""

    prior: float = setting(
        0.0, "Take so much of the labels' prior off their scores in training, against the pull of the blank.",
        least=0, most=1,
    )  # fmt: skip
    blank_penalty: float = setting(0.0, "Take this off the blank's log-probability in training.", least=0)
    consistency: float = setting(
        0.0, "Let two variants of each clip agree, with this weight; each step then takes twice the time.", least=0
    )


@dataclass(frozen=True)
class DistillConfig:
    """Learning from another recogniser as well as from the annotations."""

    teacher: str = setting("", "A checkpoint, a run, or a folder of log-probabilities (ID.npy) to learn from.")
    weight: float = setting(0.7, "Share of the teacher in the loss; the annotations have the rest.", least=0, most=1)
    temperature: float = setting(3.0, "Softens both distributions before they are compared.", least=0.1)
    blanks: str = setting("all", "Frames that are compared: all, eliminate, symmetric or span.")
    sequence: float = setting(0.0, "Weight of the CTC loss of what the teacher reads in the clip.", least=0)


@dataclass(frozen=True)
class AugmentConfig:
    """What is varied in the training clips, anew in every epoch. Zero (or 1 to 1) turns a part off."""

    resample: tuple[float, float] = setting((0.7, 1.4), "Play clips at a random rate: shortest and longest duration.")
    warp: float = setting(
        0.3, "Play parts of a clip faster and slower, at most by so much: 0.3 is 1.3 times either way.", least=0
    )
    warp_frames: int = setting(12, "Frames from one such change of pace to the next.", least=1)
    time_masks: int = setting(2, "Spans of frames set to missing, at most.", least=0)
    time_mask_share: float = setting(0.08, "Length of one such span, at most, as a share of the clip.", least=0, most=1)
    rotate: float = setting(10.0, "Turn in the picture plane, degrees, at most.")
    turn: float = setting(
        0.0, "Turn about the vertical axis where depth is measured, degrees, at most; nodding half as much.", least=0
    )
    scale: float = setting(0.1, "Change of size, at most, as a share.", least=0, most=0.99)
    shear: float = setting(0.1, "Shear of x by y, at most.")
    noise: float = setting(
        0.0, "Deviation of noise on coordinates, as a share of the body's (or column's) spread.", least=0
    )
    point_drop: float = setting(0.0, "Probability that a point is missing throughout the clip.", least=0, most=1)
    hand_drop: float = setting(0.0, "Probability that a hand is missing throughout the clip.", least=0, most=1)
    mirror: float = setting(0.0, "Probability of swapping left and right.", least=0, most=1)


@dataclass(frozen=True)
class RunConfig:
    """Where and on what a run happens."""

    output_dir: str = setting("", "Folder of the run; without it runs/<date-time-name>.")
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps.")
    precision: str = setting("auto", "auto, fp32 or bf16; CTC is always computed in fp32.")
    seed: int = setting(1, "Seed of everything random.", least=0)
    gradient_checkpointing: bool = setting(False, "Trade time for memory: recompute activations in the backward pass.")
    cache_mb: int = setting(4096, "Keep feature arrays in memory up to this many megabytes.")


@dataclass(frozen=True)
class Config:
    """Everything that a training run was told."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Sections of plain values, as TOML and JSON want them."""
        return {
            section: {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
            for section, values in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, sections: Mapping[str, Any], where: str = "configuration") -> "Config":
        """The opposite of `to_dict`; what is not named keeps its default.

        Raises:
            UsageError: an unknown section or key (with the nearest known name), or a value of the wrong type.
        """
        return merge(cls(), sections, where)


NO_AUGMENTATION = {
    "resample": (1.0, 1.0),
    "warp": 0.0,
    "time_masks": 0,
    "rotate": 0.0,
    "turn": 0.0,
    "scale": 0.0,
    "shear": 0.0,
}

NO_VARIATION = {**NO_AUGMENTATION, "noise": 0.0, "point_drop": 0.0, "hand_drop": 0.0, "mirror": 0.0}


@dataclass(frozen=True)
class OverfitConfig:
    """How `slr check overfit` learns a handful of utterances by heart."""

    utterances: int = setting(8, "How many utterances of train to learn by heart.", least=1)
    seconds: float = setting(120.0, "Give up after so many seconds of training.", least=1)
    steps: int = setting(2000, "Give up after so many steps.", least=1)
    enough: float = setting(5.0, "Word error rate in percent that counts as learnt.", least=0, most=100)


HELD_OUT = 0.1  # share of the utterances for dev, and for test, where a corpus is divided
COMPOSE_SPLITS = ("given", "signer", "clip")


@dataclass(frozen=True)
class ComposeConfig:
    """What sentences `slr compose` makes; the same settings and clips give the same bytes (with one numpy)."""

    name: str = setting("composed", "First part of every id.")
    sentences: int = setting(1000, "Sentences in all splits together.", least=1)
    signs: tuple[int, int] = setting((3, 6), "Fewest and most signs in a sentence.")
    bridge: tuple[int, int] = setting((3, 8), "Fewest and most frames of the transition between two signs.")
    rest: float = setting(
        0.15,
        "Cut the ends of a clip that are slower than this share of its full speed; 0 cuts none.",
        least=0,
        most=0.99,
    )
    every: int = setting(1, "Keep one of so many frames of a clip.", least=1)
    split_by: str = setting(
        "auto", "given (as the clips say), signer or clip; auto is the first of them that the clips allow."
    )
    dev: float = setting(
        HELD_OUT, "Share of the signers (or clips) and sentences for dev; 0 makes none.", least=0, most=0.99
    )
    test: float = setting(HELD_OUT, "The same for test.", least=0, most=0.99)
    seed: int = setting(1, "Seed of everything random.", least=0)


def check_compose(options: ComposeConfig) -> None:
    """UsageError for settings that make no corpus."""
    check_section(options, "--")
    for flag, (low, high), least in (("--signs", options.signs, 1), ("--bridge", options.bridge, 0)):
        if not least <= low <= high:
            raise UsageError(f"from {low} to {high} is no range that begins at {least} or more", flag)
    if options.dev + options.test >= 1:
        raise UsageError("the shares leave no train split", "--dev, --test", "they add up to less than 1")
    if options.split_by not in ("auto", *COMPOSE_SPLITS):
        fix = nearest(options.split_by, COMPOSE_SPLITS)
        raise UsageError(f"clips cannot be split by {options.split_by!r}", "--split-by", fix)


# What `slr check overfit` starts from: without warm-up and decay a higher learning rate than for a whole corpus. What
# an architecture or the user says goes before it; the second table nobody overrules.
OVERFIT_SETTINGS = {"optim": {"lr": 2e-3}}
OVERFIT_FIXED = {
    "model": {"dropout": 0.0},
    "optim": {"warmup_epochs": 0.0, "schedule": "constant", "weight_decay": 0.0, "patience": 0, "average": 0.0},
    "loss": {"prior": 0.0, "blank_penalty": 0.0, "consistency": 0.0},
    "distill": {"teacher": ""},
    "augment": NO_VARIATION,
    "run": {"gradient_checkpointing": False},
}

# Settings under which an architecture learns, where they differ from the defaults above. Used when the user names
# the architecture and no preset.
ARCH_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "mobilenetv3": {
        "model": {"dropout": 0.1},
        "optim": {"lr": 1e-3, "batch_size": 8, "warmup_epochs": 1.0, "epochs": 30},
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
            "average": 0.0,
        },
        "augment": NO_AUGMENTATION,
    },
}


def defaults() -> Config:
    """The configuration of a bare call."""
    return Config()


def resolve(
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    preset: str = "",
    file: Path | None = None,
    assignments: Iterable[str] = (),
    base: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """Settle one configuration from all its sources (see the module's first lines for the order).

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
    sources = [(PRESETS.get(preset, {}), f"preset {preset}")]
    if file is not None:
        values = read_toml(file)
        if isinstance(values.get("run"), dict):
            values["run"].pop("output_dir", None)  # a run's own settings serve a new run, which goes elsewhere
        sources.append((values, str(file)))
    sources += [(overrides, "command line"), (read_assignments(assignments), "--set")]
    arch = DEFAULT_ARCH
    for values, _ in sources:
        arch = values.get("model", {}).get("arch", arch)
    if not preset:
        sources.insert(0, (ARCH_SETTINGS.get(arch, {}), f"settings of {arch}"))
    config = merge(Config(), base or {}, "settings of the command")
    for values, where in sources:
        config = merge(config, values, where)
    return config


def merge(config: Config, sections: Mapping[str, Any], where: str) -> Config:
    """`config` with the values of `sections` (section -> key -> value) put over it."""
    known = {item.name for item in fields(config)}
    for section, values in sections.items():
        if section not in known:
            raise UsageError(f"There is no section [{section}].", where, nearest(section, known))
        if not isinstance(values, Mapping):
            raise UsageError(f"[{section}] is a section and wants key = value lines.", where)
        part = getattr(config, section)
        config = replace(config, **{section: merge_section(part, values, f"{where}, [{section}]")})
    return config


def merge_section(part: Any, values: Mapping[str, Any], where: str) -> Any:
    """One dataclass with some of its values replaced, their types checked; dictionaries are merged key by key.

    Raises:
        UsageError: an unknown key (with the nearest known name) or a value of the wrong type.
    """
    known = {item.name: item for item in fields(part)}
    changed = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"There is no setting '{key}'.", where, nearest(key, known))
        wanted = known[key].type
        if is_dataclass(getattr(part, key)) and isinstance(value, Mapping):
            changed[key] = merge_section(getattr(part, key), value, f"{where} {key}")
        elif isinstance(value, Mapping) and isinstance(getattr(part, key), Mapping):
            changed[key] = {**getattr(part, key), **value}
        else:
            changed[key] = coerce(value, wanted, f"{where} {key}")
    return replace(part, **changed)


def coerce(value: Any, wanted: Any, where: str) -> Any:
    """`value` as the type `wanted`; whole numbers pass as float, lists as tuple, nothing else is bent."""
    origin = get_origin(wanted)
    if origin is tuple:
        inner = [item for item in get_args(wanted) if item is not Ellipsis]
        open_ended = Ellipsis in get_args(wanted)
        if isinstance(value, list | tuple) and (open_ended or len(value) == len(inner)):
            kinds = inner * len(value) if open_ended else inner
            return tuple(coerce(item, kind, where) for item, kind in zip(value, kinds, strict=False))
        raise UsageError(f"Expected {len(inner)} values, got {value!r}.", where)
    if origin is UnionType:
        return value if value is None else coerce(value, get_args(wanted)[0], where)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or wanted
    if not isinstance(value, plain) or (plain is not bool and isinstance(value, bool)):
        raise UsageError(f"Expected {plain.__name__}, got {value!r}.", where)
    return value


def check_bounds(config: Config) -> None:
    """UsageError for a number beyond the bounds of its setting."""
    for section in fields(config):
        check_section(getattr(config, section.name), f"{section.name}.")
    low, high = config.augment.resample
    if not 0 < low <= high:
        raise UsageError(f"The rates go from a lower to a higher one above 0, not {low} to {high}.", "augment.resample")


def check_section(part: Any, prefix: str) -> None:
    """UsageError for a number of one dataclass beyond the bounds of its setting, named with `prefix` before it."""
    for item in fields(part):
        value, least, most = getattr(part, item.name), item.metadata["least"], item.metadata["most"]
        if least is not None and not least <= value <= (float("inf") if most is None else most):
            allowed = f"at least {least}" if most is None else f"from {least} to {most}"
            raise UsageError(f"{item.name} must be {allowed}, not {value}.", f"{prefix}{item.name}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a mistyped name: the nearest known one, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}."


def versioned(kind: str, name: str, known: Mapping[str, Any], fix: str, also: str = "") -> Any:
    """The one of `known` that a name means, which may carry a version (`sclite@1`).

    Args:
        kind: what they are, for people.
        name: what the user typed.
        known: name -> something with a `version` and a `signature`.
        fix: what to do where the version is another one.
        also: what else could be typed, behind the nearest name.

    Raises:
        UsageError: no such name (with the nearest one), or a version that this program does not have.
    """
    plain, _, version = name.partition("@")
    if plain not in known:
        raise UsageError(f"there is no {kind} {plain!r}", fix=f"{nearest(plain, known)}{also}")
    found = known[plain]
    if version and version != str(found.version):
        raise UsageError(f"the {kind} {name} is asked for, and this version of slr has {found.signature}", fix=fix)
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UsageError: the file is missing or is not TOML; the message carries line and column.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError("The configuration file cannot be read.", str(path), error.strerror or "") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration file is not TOML: {error}.", str(path)) from error


def read_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Sections from `section.key=value` texts, the values as TOML writes them; a bare word is a string.

    Raises:
        UsageError: a text without `=` or without a section.
    """
    sections: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        *tables, key = name.strip().split(".")
        if not equals or not tables or not key:
            fix = "Write it as section.key=value, such as optim.schedule=linear."
            raise UsageError(f"'{text}' sets nothing.", "--set", fix)
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed = value.strip()
        table = sections
        for part in tables:
            table = table.setdefault(part, {})
        table[key] = parsed
    return sections


def to_toml(config: Config) -> str:
    """The configuration as TOML text that `read_toml` reads back to the same values."""
    import tomli_w  # only needed where a run is written

    return tomli_w.dumps(config.to_dict())


def help_of(dotted: str) -> tuple[str, Any]:
    """Description and default of one setting, such as `optim.lr`, for the command line's help."""
    section, key = dotted.split(".")
    part = ComposeConfig() if section == "compose" else getattr(Config(), section)
    item = {item.name: item for item in fields(part)}[key]
    return item.metadata["help"], getattr(part, key)
