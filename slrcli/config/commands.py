"""The defaults of single commands, which no training run has."""

from dataclasses import dataclass

from slrcli.config.sections import FRAMES_PER_SECOND, NO_VARIATION
from slrcli.config.values import check_section, nearest, setting
from slrcli.errors import UsageError

FOLD_SPLITS = ("train", "dev")  # which splits are pooled to be parted into folds
NGRAM_ORDER = 3  # glosses of the longest n-grams of a language model
MOST_SEEDS = 20  # a larger number of seeds is rather the name of one
HELD_OUT = 0.1  # share of the utterances for dev, and for test, where a corpus is divided
COMPOSE_SPLITS = ("given", "signer", "clip")


@dataclass(frozen=True)
class OverfitConfig:
    """How `slr check overfit` overfits a handful of utterances."""

    utterances: int = setting(8, "How many utterances of train to memorise.", least=1)
    seconds: float = setting(120.0, "Give up after so many seconds of training.", least=1)
    steps: int = setting(2000, "Give up after so many steps.", least=1)
    enough: float = setting(5.0, "Word error rate in percent that counts as learnt.", least=0, most=100)


# What `slr check overfit` fixes: nobody overrules it.
OVERFIT_FIXED = {
    "model": {"dropout": 0.0},
    "optim": {
        "warmup_epochs": 0.0,
        "schedule": "constant",
        "weight_decay": 0.0,
        "patience": 0,
        "ema": 0.0,
    },
    "loss": {"frames": 0.0, "consistency": 0.0},
    "distill": {"teacher": ""},
    "augment": NO_VARIATION,
    "run": {"gradient_checkpointing": False},
}


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


@dataclass(frozen=True)
class ExtractConfig:
    """How videos become landmarks."""

    layout: str = setting("mediapipe-1629", "Layout of the arrays: a mediapipe one, or a TOML file.")
    fps: float = setting(
        0.0, "Bring every clip to this many frames a second; 0 keeps the frames of the video.", least=0, most=1000
    )
    square: bool = setting(
        True,
        "Give places as shares of the square around the picture, in which x and y count alike; otherwise of the "
        "picture itself, as MediaPipe gives them.",
    )
    max_side: int = setting(1280, "Make larger pictures this many pixels long before they are looked at.", least=64)
    picture_fps: float = setting(
        FRAMES_PER_SECOND, "Frames a second of clips that are folders of pictures.", least=0.1, most=1000
    )


@dataclass(frozen=True)
class LiveConfig:
    """How a running stream of frames is recognised."""

    window: float = setting(4.0, "Seconds of the past that are looked at together.", least=0.5, most=60)
    hop: float = setting(0.5, "Seconds between two looks.", least=0.1, most=60)
    settle: float = setting(1.0, "A gloss is certain once it ended so many seconds ago.", least=0, most=30)
    fps: float = setting(
        0.0, "Frames a second that the recogniser is given; 0: as many as the stream should have.", least=0, most=1000
    )
    drop: bool = setting(True, "Leave frames out when they come faster than they can be looked at.")
    patience: float = setting(10.0, "A file that has not grown for so many seconds is at its end.", least=0, most=1e6)


STORED_TYPES = ("float32", "float16")


@dataclass(frozen=True)
class PackConfig:
    """How the clips of a corpus are packed."""

    dtype: str = setting(STORED_TYPES[0], "Stored type: float32, or float16 with three digits.")
    tolerance: float = setting(
        0.0,
        "Leave stored differences out that deviate by up to this from those made of the positions; 0: none at all.",
        least=0,
        most=1e6,
    )


DEFAULT_BEAM = 10


@dataclass(frozen=True)
class DecodeConfig:
    """How the posteriors of a clip become glosses."""

    beam: int = setting(
        0,
        f"Prefixes that the beam search keeps; 0: best path, or {DEFAULT_BEAM} where something below asks for a beam.",
        least=0,
    )
    nbest: int = setting(1, "So many hypotheses a clip, the best first.", least=1)
    token_cut: float = setting(
        6.0, "Glosses are tried in a frame that are at most so far below its likeliest class, nats.", least=0, most=1e4
    )
    margin: float = setting(12.0, "Prefixes are kept that are at most so far below the best, nats.", least=0, most=600)
    lm: str = setting("", "Language model, an ARPA file.")
    lm_weight: float = setting(0.5, "Weight of the language model.", least=0, most=20)
    insertion_bonus: float = setting(0.0, "Added for every gloss, in nats.", least=-50, most=50)
    hot_words: tuple[str, ...] = setting((), "Wished-for gloss, or several in one string that follow each other.")
    hot_word_weight: float = setting(2.0, "Added for every gloss of a wished-for phrase, in nats.", least=-50, most=50)
    sign_frames: float = setting(
        0.0, "Read clips as a row of signs of about this many frames; 0: best path or beam search.", least=0, most=1e4
    )
    sign_spread: float = setting(
        0.3, "How much signs differ in length: the deviation of its logarithm.", least=0.01, most=3
    )
    length_weight: float = setting(0.5, "How much it counts that a sign has a usual length.", least=0, most=100)

    @property
    def searched(self) -> list[str]:
        """The settings that were given and that a beam search alone knows."""
        return [key for key in ("beam", "lm", "hot_words") if getattr(self, key)] + ["nbest"] * (self.nbest > 1)

    @property
    def width(self) -> int:
        """Prefixes that a beam search keeps; 0 where there is none."""
        if self.sign_frames:
            return 0
        needed = self.lm or self.hot_words or self.insertion_bonus or self.nbest > 1
        return self.beam or (max(DEFAULT_BEAM, self.nbest) if needed else 0)


SIGN_BONUS = -3.0  # insertion_bonus of a run that reads clips by how long signs last: a sign has to be worth it

# Section, as `help_of` names it -> its settings.
OF_ONE_COMMAND: dict[str, type] = {
    "compose": ComposeConfig,
    "extract": ExtractConfig,
    "decode": DecodeConfig,
    "live": LiveConfig,
    "pack": PackConfig,
}


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


def check_pack(options: PackConfig) -> None:
    """UsageError for settings under which nothing can be packed."""
    check_section(options, "--")
    if options.dtype not in STORED_TYPES:
        fix = nearest(options.dtype, STORED_TYPES)
        raise UsageError(f"clips cannot be stored as {options.dtype!r}", "--dtype", fix)


def check_live(options: LiveConfig) -> None:
    """UsageError for settings under which glosses would be lost between two looks."""
    check_section(options, "live.")
    if options.hop + options.settle >= options.window:
        what = (
            f"hop and settle ({options.hop:g} + {options.settle:g} s) leave nothing of a window of {options.window:g} s"
        )
        raise UsageError(what, "--window", "use a longer window, or a shorter hop")
