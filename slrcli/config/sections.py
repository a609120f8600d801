"""The defaults of a training run: frozen dataclasses, a section of the TOML file each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from slrcli.config.names import (
    ARCHITECTURES,
    BLANKS,
    CORPUS_FORMATS,
    DEVICES,
    EPOCHS_KEPT,
    GLOSSES_KEPT,
    LAYOUTS,
    NORMALISERS,
    ORDERS,
    PRECISIONS,
    SCHEDULES,
    STATISTICS,
)
from slrcli.config.values import as_begun, check_section, merge, setting, without_all_retired
from slrcli.errors import UsageError

DEFAULT_ARCH = "tcn"
RUNS = Path("runs")
SIZE_BUDGET_MB = 100.0
FRAMES_PER_SECOND = 25.0
DEV_SHARE = 0.1


@dataclass(frozen=True)
class DataConfig:
    """Which corpus, and how its annotations and features are read."""

    data_dir: str = setting(
        "", "Folder of the corpus, or the address of a packed one (s3://...).", flags=("--data-dir", "-d")
    )
    format: str = setting("auto", "Corpus format.", listed=CORPUS_FORMATS)
    annotations: str = setting("", "Annotation table, if it is not found by itself.")
    features: str = setting("", "Folder of the feature files, if it is not inside the corpus.")
    columns: dict[str, Any] = setting(
        {}, "Names of columns that are not recognised: id, glosses, signer, path or split.",
        flags=("--column",), metavar="KEY=NAME",
    )  # fmt: skip
    exclude: str = setting(
        "", "File with the ids of utterances to leave out, one per line (what follows a tab is a remark)."
    )
    layout: str = setting("auto", "Layout of the features: auto, a shipped name, or a TOML file.", listed=LAYOUTS)
    vocab: str = setting("", "Vocabulary file. Without it, the vocabulary is built from the train split.")
    normaliser: str = setting("none", "Gloss normaliser for the annotations.", listed=NORMALISERS)
    min_count: int = setting(1, "Minimum count in train of a gloss in the vocabulary; rarer ones are dropped.", least=0)
    dev_share: float = setting(
        DEV_SHARE, "Share of train held out as dev, if the corpus has no dev split. 0: train on all of it and monitor "
        "a tenth of it (requires optim.choose=last).", least=0, most=0.9,
    )  # fmt: skip
    max_frames: int = setting(
        0, "Maximum length of a training utterance in frames; longer ones are skipped. 0: no limit.", least=0
    )
    fps: float = setting(
        0.0, "Frames per second of the features. 0: as the files or the layout say.", least=0, most=1000
    )
    max_gap: int = setting(
        5, "Maximum length in frames of a gap of missing points that is interpolated. 0: no interpolation.", least=0
    )
    assign_hands: bool = setting(True, "Track each hand in a slot of its own, for layouts with two hands and no body.")

    @property
    def preparation(self) -> dict[str, Any]:
        """How clips are prepared, as arguments of `slrcli.features.recording.prepare`."""
        return {"max_gap": self.max_gap, "hands": self.assign_hands}


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    arch: str = setting(DEFAULT_ARCH, "Architecture.", listed=ARCHITECTURES, flags=("--arch", "-a"))
    dropout: float = setting(0.2, "Dropout probability, below 1.", least=0)
    options: dict[str, Any] = setting({}, "Options of the architecture itself, such as model.options.width.")


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are optimised."""

    lr: float = setting(2e-3, "Peak learning rate of AdamW.", flags=("--lr", "--learning-rate"))
    weight_decay: float = setting(1e-4, "Weight decay of AdamW.", least=0)
    warmup_epochs: float = setting(1.0, "Epochs of linear learning-rate warm-up.", least=0)
    schedule: str = setting("cosine", "Learning-rate schedule after the warm-up.", choices=SCHEDULES)
    final_lr: float = setting(0.02, "Final learning rate, as a share of the peak.", least=0, most=1)
    epochs: int = setting(
        40, "Passes over the train split.", least=1, flags=("--epochs", "-e"), shown="fitted to the corpus"
    )
    batch_size: int = setting(
        4, "Utterances per step.", least=1, flags=("--batch-size", "-b"), shown="fitted to the corpus"
    )
    order: str = setting(
        "auto", "Order of the clips of an epoch: any clip anywhere (shuffled), or a few shards of a packed corpus at a "
        "time (shards). auto: shards from 16 GB on.", choices=ORDERS,
    )  # fmt: skip
    clip_norm: float = setting(5.0, "Maximum gradient norm. 0: no clipping.", least=0)
    ema: float = setting(
        0.998, "EMA decay of the weights that are evaluated and saved, per step. 0: no EMA.", least=0, most=0.99999
    )
    aux_weight: float = setting(
        0.5, "Weight of the CTC loss of auxiliary heads, if the architecture has them.", least=0
    )
    choose: str = setting(
        "best", "Checkpoint selection: the epoch with the lowest dev WER (best), or the last one (dev is only "
        "monitored).", choices=EPOCHS_KEPT,
    )  # fmt: skip
    patience: int = setting(0, "Early stopping after this many epochs without a lower dev WER. 0: never.", least=0)


@dataclass(frozen=True)
class LossConfig:
    """Training objectives beside the CTC loss. Zero turns one off."""

    frames: float = setting(
        0.0, "Weight of the frame-wise cross-entropy against the model's own forced alignment; the CTC loss has the "
        "rest. Clips are then decoded by sign durations.",
        least=0, most=1,
    )  # fmt: skip
    frames_from: float = setting(
        0.4, "Share of the epochs before the frame-wise cross-entropy starts.", least=0, most=1
    )
    consistency: float = setting(
        0.0, "Weight of the consistency between two augmented views of each clip. Doubles the time per step.", least=0
    )
    own: str = setting(
        "", "Loss of your own: package.module:function, or the name under which a package registers one.",
        flags=("--loss",), metavar="LOSS",
    )  # fmt: skip
    own_weight: float = setting(
        1.0, "Weight of the loss of your own; the CTC loss has the rest. 1: in its place.", least=0, most=1
    )


@dataclass(frozen=True)
class DistillConfig:
    """Distillation from another recogniser, beside the annotations."""

    teacher: str = setting("", "Teacher: a checkpoint, a run, or a folder of log-probabilities (ID.npy).")
    weight: float = setting(0.7, "Weight of the distillation loss; the annotations have the rest.", least=0, most=1)
    temperature: float = setting(3.0, "Softmax temperature of teacher and student.", least=0.1)
    blanks: str = setting(
        "all",
        "Frames compared: all, or the teacher's glosses with one blank frame on either side (symmetric).",
        choices=BLANKS,
    )
    sequence: float = setting(0.0, "Weight of the CTC loss on the teacher's hypotheses.", least=0)


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of the training clips, drawn anew in every epoch. Zero (or 1 to 1) turns one off."""

    resample: tuple[float, float] = setting((0.7, 1.4), "Random resampling: shortest and longest relative duration.")
    warp: float = setting(0.3, "Maximum local change of speed: 0.3 is up to 1.3 times faster or slower.", least=0)
    warp_frames: int = setting(12, "Frames between two changes of speed.", least=1)
    time_masks: int = setting(2, "Maximum number of masked spans of frames.", least=0)
    time_mask_share: float = setting(0.08, "Maximum length of a masked span, as a share of the clip.", least=0, most=1)
    rotate: float = setting(20.0, "Maximum rotation in the image plane, in degrees.")
    scale: float = setting(0.2, "Maximum change of scale, as a share.", least=0, most=0.99)
    shear: float = setting(0.2, "Maximum shear of x by y.")
    hand_rotate: float = setting(0.0, "Maximum rotation of each hand about its wrist, in degrees.")
    hand_scale: float = setting(
        0.0, "Maximum change of each hand's width and height about its wrist, as a share.", least=0, most=0.99
    )
    point_drop: float = setting(0.0, "Probability of dropping a point throughout the clip.", least=0, most=1)
    mirror: float = setting(0.0, "Probability of mirroring left and right.", least=0, most=1)
    recombine: float = setting(
        0.0, "Probability of replacing signs of a clip with the same signer's signs from other clips.",
        least=0, most=1,
    )  # fmt: skip
    added: tuple[str, ...] = setting((), "Names of augmentations of other packages, in the order of their use.")
    recombine_from: float = setting(0.3, "Share of the epochs before recombination starts.", least=0, most=1)


@dataclass(frozen=True)
class StartConfig:
    """The recogniser whose weights a run starts from, if it does not start from nothing."""

    init: str = setting("", "Run or checkpoint whose weights to start from.", metavar="RUN")
    partial: bool = setting(
        False, "Initialise at random what no weights of the other recogniser fit, such as those of new points.",
        flags=("--init-partial",),
    )  # fmt: skip
    glosses: str = setting(
        "joined", "Vocabulary: that of the other recogniser with the new glosses of train (joined), or that of train "
        "alone (corpus).", choices=GLOSSES_KEPT,
    )  # fmt: skip
    statistics: str = setting(
        "kept", "Mean and deviation of the features: those of the other recogniser, or measured on train.",
        choices=STATISTICS,
    )  # fmt: skip
    blend: float = setting(
        1.0, "Share of the trained weights in their average with those that the run started from; the average is "
        "evaluated and saved. 1: no average.", least=0.01, most=1, shown="fitted to the corpus",
    )  # fmt: skip
    freeze: tuple[str, ...] = setting((), "Parts of the network that stay as they are. Repeatable.", metavar="PART")


@dataclass(frozen=True)
class RunConfig:
    """Where and on what a run happens."""

    output_dir: str = setting("", "Folder of the run. Without it, runs/DATE-TIME-NAME.", flags=("--output-dir", "-o"))
    device: str = setting("auto", "Device; cuda:N is the N-th GPU.", listed=DEVICES)
    precision: str = setting("auto", "Floating-point precision. CTC is always computed in fp32.", choices=PRECISIONS)
    seed: int = setting(1, "Random seed.", least=0)
    gradient_checkpointing: bool = setting(False, "Recompute activations in the backward pass to save memory.")
    cache_mb: int = setting(4096, "Memory for cached feature arrays, in megabytes.")
    tracker: tuple[str, ...] = setting(
        (), "Tracker of an installed package that is told of the run. Repeatable.", metavar="NAME"
    )


@dataclass(frozen=True)
class Config:
    """Everything that a training run was told."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    start: StartConfig = field(default_factory=StartConfig)
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
    """UsageError for a value that its setting does not allow."""
    for section in fields(config):
        check_section(getattr(config, section.name), f"{section.name}.")
    low, high = config.augment.resample
    if not 0 < config.optim.lr < float("inf"):
        raise UsageError(f"--lr must be above 0, not {config.optim.lr}.", "--lr")
    if not config.model.dropout < 1:
        raise UsageError(f"--dropout must be at least 0 and below 1, not {config.model.dropout}.", "--dropout")
    if not 0 < low <= high:
        raise UsageError(f"The rates must ascend and be above 0, but are {low} to {high}.", "augment.resample")


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
