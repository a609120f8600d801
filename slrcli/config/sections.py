"""The defaults of a training run: frozen dataclasses, a section of the TOML file each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from slrcli.config.values import as_begun, check_section, merge, setting, without_all_retired
from slrcli.errors import UsageError

DEFAULT_ARCH = "tcn"
RUNS = Path("runs")
SIZE_BUDGET_MB = 100.0
FRAMES_PER_SECOND = 25.0
DEV_SHARE = 0.1
CHOICES = ("best", "last")


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
    dev_share: float = setting(
        DEV_SHARE, "Where the corpus has no dev split, so much of train stands in for it; 0: all of train is learnt "
        "from, and a tenth of it watched (with optim.choose=last).", least=0, most=0.9,
    )  # fmt: skip
    max_frames: int = setting(
        0, "Leave training utterances out that are longer than this many frames; 0 keeps all.", least=0
    )
    fps: float = setting(
        0.0, "Frames per second of the features; 0: what the files or the layout say.", least=0, most=1000
    )
    max_gap: int = setting(
        5, "Fill gaps of missing points up to this many frames by interpolation; 0 fills none.", least=0
    )
    assign_hands: bool = setting(
        True, "Where a layout has two hands and no body, keep each hand in a slot of its own through the clip."
    )

    @property
    def preparation(self) -> dict[str, Any]:
        """How clips are prepared, as arguments of `slrcli.features.landmarks.prepare`."""
        return {"max_gap": self.max_gap, "hands": self.assign_hands}


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    arch: str = setting(DEFAULT_ARCH, "Architecture.")
    dropout: float = setting(0.2, "Dropout probability.")
    options: dict[str, Any] = setting({}, "The architecture's own options.")


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are found."""

    lr: float = setting(2e-3, "Peak learning rate of AdamW.")
    weight_decay: float = setting(1e-4, "Weight decay of AdamW.", least=0)
    warmup_epochs: float = setting(1.0, "Epochs over which the learning rate rises to its peak.", least=0)
    schedule: str = setting("cosine", "Learning rate after the warm-up: cosine, linear or constant.")
    final_lr: float = setting(0.02, "Where the decay ends, as a share of the peak learning rate.", least=0, most=1)
    epochs: int = setting(40, "Passes over the train split.", least=1)
    batch_size: int = setting(4, "Utterances a step.", least=1)
    clip_norm: float = setting(5.0, "Largest norm of the gradient; 0 does not clip.", least=0)
    ema: float = setting(
        0.998, "EMA decay of the weights that are evaluated and kept, per step; 0: no EMA.", least=0, most=0.99999
    )
    aux_weight: float = setting(0.5, "Weight of the CTC loss of inner heads, where the architecture has them.", least=0)
    choose: str = setting(
        "best", "The epoch that best.safetensors holds: best (the lowest WER on dev) or last (dev is only watched)."
    )
    patience: int = setting(0, "Stop after this many epochs without a better WER on dev; 0 never stops early.", least=0)


@dataclass(frozen=True)
class LossConfig:
    """What is learnt beside, or instead of, the plain CTC loss. Zero turns a part off."""

    frames: float = setting(
        0.0, "Share of the loss that says of each frame which gloss it belongs to, as the recogniser itself places "
        "the glosses by then; the CTC loss has the rest. Clips are then read by how long signs last.",
        least=0, most=1,
    )  # fmt: skip
    frames_from: float = setting(
        0.4, "Share of the epochs before that begins: the network has to find the signs by itself.", least=0, most=1
    )
    consistency: float = setting(
        0.0, "Let two variants of each clip agree, with this weight; each step then takes twice the time.", least=0
    )


@dataclass(frozen=True)
class DistillConfig:
    """Learning from another recogniser as well as from the annotations."""

    teacher: str = setting("", "A checkpoint, a run, or a folder of log-probabilities (ID.npy) to learn from.")
    weight: float = setting(0.7, "Share of the teacher in the loss; the annotations have the rest.", least=0, most=1)
    temperature: float = setting(3.0, "Softens both distributions before they are compared.", least=0.1)
    blanks: str = setting("all", "Frames that are compared: all or symmetric.")
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
    rotate: float = setting(20.0, "Turn in the picture plane, degrees, at most.")
    scale: float = setting(0.2, "Change of size, at most, as a share.", least=0, most=0.99)
    shear: float = setting(0.2, "Shear of x by y, at most.")
    hand_rotate: float = setting(0.0, "Turn of each hand about its own wrist in the picture plane, degrees, at most.")
    hand_scale: float = setting(
        0.0, "Change of each hand's width and height about its wrist, at most, as a share.", least=0, most=0.99
    )
    point_drop: float = setting(0.0, "Probability that a point is missing throughout the clip.", least=0, most=1)
    mirror: float = setting(0.0, "Probability of swapping left and right.", least=0, most=1)
    recombine: float = setting(
        0.0, "Probability of exchanging signs of a clip for others that its signer makes in other clips.",
        least=0, most=1,
    )  # fmt: skip
    recombine_from: float = setting(
        0.3, "Share of the epochs before that begins: the network has to find the signs by itself.", least=0, most=1
    )


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
    def from_dict(cls, sections: Mapping[str, Any], where: str = "configuration", trained: bool = False) -> "Config":
        """The opposite of `to_dict`; what is not named keeps its default.

        Args:
            sections: plain values.
            where: they come from, for messages.
            trained: they tell how something was trained that is only used now; retired settings may stand there, and
                settings that came later were not heeded.

        Raises:
            UsageError: an unknown section or key (with the nearest known name), or a value of the wrong type.
        """
        return merge(cls(), without_all_retired(as_begun(sections)) if trained else sections, where)


def check_bounds(config: Config) -> None:
    """UsageError for a number beyond the bounds of its setting."""
    for section in fields(config):
        check_section(getattr(config, section.name), f"{section.name}.")
    low, high = config.augment.resample
    if config.optim.choose not in CHOICES:
        raise UsageError(f"No epoch is chosen by '{config.optim.choose}'.", "optim.choose", "Use best or last.")
    if not 0 < low <= high:
        raise UsageError(f"The rates go from a lower to a higher one above 0, not {low} to {high}.", "augment.resample")


NO_AUGMENTATION = {
    "resample": (1.0, 1.0),
    "warp": 0.0,
    "time_masks": 0,
    "rotate": 0.0,
    "scale": 0.0,
    "shear": 0.0,
}

NO_VARIATION = {
    **NO_AUGMENTATION,
    "hand_rotate": 0.0,
    "hand_scale": 0.0,
    "point_drop": 0.0,
    "mirror": 0.0,
    "recombine": 0.0,
}
