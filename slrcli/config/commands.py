"""The defaults of single commands, which no training run has."""

from dataclasses import dataclass

from slrcli.config.names import COMPOSE_SPLITS, LAYOUTS, SHARD_MB, STORED_TYPES
from slrcli.config.sections import FRAMES_PER_SECOND, NO_VARIATION
from slrcli.config.values import check_section, setting
from slrcli.errors import UsageError

FOLD_SPLITS = ("train", "dev")  # which splits are pooled to be parted into folds
NGRAM_ORDER = 3  # glosses of the longest n-grams of a language model
MOST_SEEDS = 20  # a larger number of seeds is rather the name of one
PAUSE = 1.0  # seconds without a sign between two utterances
HELD_OUT = 0.1  # share of the utterances for dev, and for test, where a corpus is divided


@dataclass(frozen=True)
class OverfitConfig:
    """How `slr check overfit` overfits a handful of utterances."""

    utterances: int = setting(8, "Utterances of train to overfit.", least=1, flags=("--utterances", "-n"))
    seconds: float = setting(120.0, "Maximum training time in seconds.", least=1)
    steps: int = setting(2000, "Maximum number of steps.", least=1)
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
    "loss": {"frames": 0.0, "consistency": 0.0, "own": ""},
    "distill": {"teacher": ""},
    "augment": NO_VARIATION,
    "run": {"gradient_checkpointing": False},
}


@dataclass(frozen=True)
class ComposeConfig:
    """What sentences `slr compose` makes; the same settings and clips give the same bytes (with one numpy)."""

    name: str = setting("composed", "First part of every id.")
    sentences: int = setting(1000, "Sentences in all splits together.", least=1, flags=("--sentences", "-n"))
    signs: tuple[int, int] = setting((3, 6), "Fewest and most signs per sentence.", metavar="FEWEST MOST")
    bridge: tuple[int, int] = setting(
        (3, 8), "Fewest and most frames of the transition between two signs.", metavar="FEWEST MOST"
    )
    rest: float = setting(
        0.15, "Speed, as a share of a clip's full speed, below which its ends are cut off. 0: nothing is cut.",
        least=0, most=0.99,
    )  # fmt: skip
    every: int = setting(1, "Keep every n-th frame of a clip.", least=1)
    split_by: str = setting(
        "auto", "How clips are assigned to splits: as the clips say (given), by signer or by clip. auto: the first of "
        "these that the clips allow.", choices=("auto", *COMPOSE_SPLITS),
    )  # fmt: skip
    dev: float = setting(HELD_OUT, "Share of dev: of signers (or clips) and sentences. 0: no dev.", least=0, most=0.99)
    test: float = setting(HELD_OUT, "Share of test, likewise. 0: no test.", least=0, most=0.99)
    seed: int = setting(1, "Random seed.", least=0)


@dataclass(frozen=True)
class ExtractConfig:
    """How videos become landmarks."""

    layout: str = setting("mediapipe-1629", "Layout of the arrays: a MediaPipe layout, or a TOML file.", listed=LAYOUTS)
    fps: float = setting(0.0, "Frames per second of the landmarks. 0: those of the video.", least=0, most=1000)
    square: bool = setting(
        True,
        "Normalise coordinates by the square around the picture, in which x and y have one scale, rather than by its "
        "width and height.",
    )
    max_side: int = setting(1280, "Maximum side of the pictures in pixels; larger ones are scaled down.", least=64)
    picture_fps: float = setting(
        FRAMES_PER_SECOND, "Frames per second of clips that are folders of pictures.", least=0.1, most=1000
    )


@dataclass(frozen=True)
class RecordConfig:
    """How `slr record` records the sentences of a table."""

    signer: str = setting("", "Signer, as the annotations are to name them.", metavar="NAME")
    takes: int = setting(1, "Takes of each sentence.", least=1, flags=("--takes", "-n"))
    split: str = setting("train", "Split of the takes.", flags=("--split", "-s"))
    seconds: float = setting(
        0.0, "Seconds per take, without keys: good takes are kept, bad ones are recorded again. 0: a key ends a take.",
        least=0, most=600,
    )  # fmt: skip
    countdown: float = setting(3.0, "Seconds from the prompt to the beginning of the take.", least=0, most=60)


@dataclass(frozen=True)
class LiveConfig:
    """How a running stream of frames is recognised."""

    window: float = setting(4.0, "Length of the sliding window in seconds.", least=0.5, most=60)
    hop: float = setting(0.5, "Step of the sliding window in seconds.", least=0.1, most=60)
    settle: float = setting(1.0, "Seconds after its end at which a gloss is final.", least=0, most=30)
    fps: float = setting(
        0.0, "Frames per second that the recogniser is given. 0: those of the stream.", least=0, most=1000
    )
    drop: bool = setting(True, "Drop frames that come faster than they are processed.")
    patience: float = setting(10.0, "Seconds without growth after which a file has ended.", least=0, most=1e6)


@dataclass(frozen=True)
class PackConfig:
    """How the clips of a corpus are packed."""

    dtype: str = setting(STORED_TYPES[0], "Stored type; float16 keeps three digits.", choices=STORED_TYPES)
    tolerance: float = setting(
        0.0,
        "Maximum deviation at which stored derivatives are dropped and computed again from the positions.",
        least=0,
        most=1e6,
    )
    shard_mb: int = setting(SHARD_MB, "Size in MB at which another shard begins.", least=1, most=1 << 20)


DEFAULT_BEAM = 10


@dataclass(frozen=True)
class DecodeConfig:
    """How the posteriors of a clip become glosses."""

    beam: int = setting(
        0,
        f"Beam width. 0: best path, or a beam of {DEFAULT_BEAM} if another option needs one.",
        least=0,
    )
    nbest: int = setting(1, "Hypotheses per clip, best first.", least=1)
    token_cut: float = setting(
        6.0, "Maximum distance of a gloss from the most probable class of a frame (nats).", least=0, most=1e4
    )
    margin: float = setting(12.0, "Maximum distance of a prefix from the best one (nats).", least=0, most=600)
    lm: str = setting("", "Language model (ARPA file, also .gz).")
    lm_weight: float = setting(0.5, "Language-model weight.", least=0, most=20)
    insertion_bonus: float = setting(0.0, "Insertion bonus (nats).", least=-50, most=50)
    hot_words: tuple[str, ...] = setting(
        (), "Hot word: a gloss, or a phrase of several glosses. Repeatable.", flags=("--hot-word",)
    )
    hot_word_weight: float = setting(2.0, "Bonus per gloss of a hot word (nats).", least=-50, most=50)
    sign_frames: float = setting(
        0.0, "Mean sign length in frames, for decoding by sign durations. 0: best path or beam search.",
        least=0, most=1e4,
    )  # fmt: skip
    sign_spread: float = setting(0.3, "Standard deviation of the logarithm of the sign length.", least=0.01, most=3)
    length_weight: float = setting(0.5, "Weight of the sign-length prior.", least=0, most=100)

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


@dataclass(frozen=True)
class ServeConfig:
    """What the service listens to, and its limits."""

    host: str = setting("127.0.0.1", "Address to listen on. Any but a loopback address requires a token.")
    port: int = setting(8000, "Port to listen on. 0: a free one, which is printed.", least=0, most=65_535)
    most_mb: float = setting(64.0, "Maximum size of a clip that is sent, in megabytes.", least=0.001, most=4096)
    most_frames: int = setting(15_000, "Maximum length of a clip in frames.", least=1, most=1_000_000)
    timeout: float = setting(
        60.0,
        "Seconds in which a request must have arrived, and after which a silent stream is closed.",
        least=0.1,
        most=86_400,
    )
    work: float = setting(
        600.0, "Seconds that reading one clip, or finding the landmarks of one video, may take.", least=0.1, most=86_400
    )
    connections: int = setting(
        256, "Maximum number of connections; a quarter of them may be streams.", least=4, most=65_536
    )
    batch: int = setting(16, "Maximum number of clips that are recognised together.", least=1, most=1024)


SIGN_BONUS = -3.0  # insertion_bonus of a run that reads clips by how long signs last: a sign has to be worth it

# Section, as `help_of` names it -> its settings.
OF_ONE_COMMAND: dict[str, type] = {
    "compose": ComposeConfig,
    "extract": ExtractConfig,
    "record": RecordConfig,
    "decode": DecodeConfig,
    "live": LiveConfig,
    "pack": PackConfig,
    "serve": ServeConfig,
    "overfit": OverfitConfig,
}


def check_compose(options: ComposeConfig) -> None:
    """UsageError for settings that make no corpus."""
    check_section(options, "--")
    for flag, (low, high), least in (("--signs", options.signs, 1), ("--bridge", options.bridge, 0)):
        if not least <= low <= high:
            raise UsageError(f"The range must ascend from {least} or more, but is {low} to {high}.", flag)
    if options.dev + options.test >= 1:
        raise UsageError("The shares leave no train split.", "--dev, --test", "Let them add up to less than 1.")


def check_pack(options: PackConfig) -> None:
    """UsageError for settings under which nothing can be packed."""
    check_section(options, "--")


def check_live(options: LiveConfig) -> None:
    """UsageError for settings under which glosses would be lost between two looks."""
    check_section(options, "live.")
    if options.hop + options.settle >= options.window:
        both = f"{options.hop:g} + {options.settle:g} s"
        what = f"Hop and settle ({both}) must be shorter together than the window ({options.window:g} s)."
        raise UsageError(what, "--window", "Use a longer window, or a shorter hop.")
