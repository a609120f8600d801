"""`slr check vocab`, `checkpoint` and `env`: what to look at, and the checks that go with it."""

from dataclasses import replace
from pathlib import Path

from slrcli.checkpoints import runs
from slrcli.config import RUNS, DataConfig, DecodeConfig
from slrcli.console import Console
from slrcli.corpus import Corpus
from slrcli.corpus.clips import Clips
from slrcli.corpus.opening import open_data
from slrcli.decoding.decoder import make_decoder
from slrcli.doctor.check import normaliser_for
from slrcli.doctor.checkpoint import CHECKPOINT_CHECKS, CheckpointContext
from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.data.context import DataContext
from slrcli.doctor.data.vocabulary import DATA_VOCAB_CHECKS, VOCAB_CHECKS
from slrcli.doctor.machine.checks import ENV_CHECKS
from slrcli.doctor.machine.environment import EnvContext
from slrcli.doctor.order_checks import ORDER_CHECKS
from slrcli.doctor.run import Examination, examine
from slrcli.errors import DataError
from slrcli.evaluation.checkpoint import open_split
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DecoderOptions

GLOSS_DICT = ".npy"  # suffix of the field's own kind of vocabulary
METRICS, VOCABULARY = "metrics.jsonl", "vocab.json"


def check_vocab(path: Path, data: DataConfig, choice: Choice = ALL) -> Examination:
    """Examine a vocabulary, and where a corpus is named, whether the two go together.

    Args:
        path: a vocabulary of ours (JSON) or a `gloss_dict.npy`.
        data: the corpus, if `data_dir` names one. The vocabulary's normaliser applies unless another is named.
        choice: which checks are wanted.

    Raises:
        DataError, UsageError: there is no corpus to be read, or an option names what does not exist.
    """
    vocabulary, problem = None, None
    try:
        vocabulary = read_vocabulary(path, data.normaliser)
    except DataError as error:
        problem = error
    corpus, lists = Corpus("none", Path(), {}), (VOCAB_CHECKS,)
    normaliser = normaliser_for(data, vocabulary)
    if data.data_dir:
        corpus, lists = open_data(data).normalised(normaliser), (VOCAB_CHECKS, DATA_VOCAB_CHECKS)
    signature = get_normaliser(normaliser).signature
    context = DataContext(corpus, {}, vocabulary=vocabulary, vocabulary_problem=problem, normaliser=signature)
    beside = f" with corpus {corpus.root}" if data.data_dir else ""
    return examine(f"Vocabulary {runs.shown(path)}{beside}", context, *lists, choice=choice)


def read_vocabulary(path: Path, normaliser: str) -> Vocabulary:
    """A vocabulary of either kind; the table of the field does not say by which normaliser it was made."""
    if path.suffix == GLOSS_DICT:
        return Vocabulary.from_gloss_dict(path, normaliser)
    return Vocabulary.load(path)


def check_checkpoint(
    path: Path | None,
    seed: int = 1,
    choice: Choice = ALL,
    data: DataConfig | None = None,
    console: Console | None = None,
) -> Examination:
    """Examine a checkpoint and what lies beside it, and where a corpus is named, whether it reads signs or recites.

    Args:
        path: the file, or the folder of a run, whose best one is meant; None: the newest run.
        seed: of the made-up clips, and of new orders of signs.
        choice: which checks are wanted.
        data: the corpus whose dev is recognised; None: none.
        console: what opening it has to say goes there.

    Raises:
        CheckpointError: there is none.
    """
    checkpoint = runs.find_checkpoint(path)

    def beside(name: str) -> Path | None:
        file = checkpoint.with_name(name)
        return file if file.is_file() else None

    is_last = checkpoint.name == runs.LAST
    of_run = checkpoint.name in (runs.BEST, runs.LAST)
    state = beside(runs.STATE) if of_run else None
    context = CheckpointContext(
        checkpoint, state, is_last, beside(VOCABULARY), beside(METRICS) if of_run else None, seed
    )
    lists = (CHECKPOINT_CHECKS,)
    if data is not None:
        context.open_dev = lambda: open_dev(console or Console(quiet=True), checkpoint, data)
        lists = (CHECKPOINT_CHECKS, ORDER_CHECKS)
    found = examine(f"Checkpoint {runs.shown(checkpoint)}", context, *lists, choice=choice)
    return replace(found, measured=context.measured)


def open_dev(console: Console, checkpoint: Path, data: DataConfig) -> tuple[ClipRecogniser, Clips]:
    """A checkpoint's recogniser, without a search or a language model, and the clips of dev.

    Raises:
        SlrError: there is no dev, or features are missing or do not fit.
    """
    found = open_split(console, checkpoint, data, "dev", "auto")
    settings = DecoderOptions().settings(checkpoint, found.recogniser.meta)
    alone = settings if settings.sign_frames else DecodeConfig()
    found.recogniser.decoder = make_decoder(alone, found.recogniser.vocabulary)
    return found.recogniser, found.clips


def check_env(runs_folder: Path | None = None, choice: Choice = ALL) -> tuple[Examination, EnvContext]:
    """Examine the machine; also what was gathered about it.

    Args:
        runs_folder: where runs go; None: where they go from here.
        choice: which checks are wanted.
    """
    context = EnvContext.here(runs_folder or RUNS)
    return examine("This machine", context, ENV_CHECKS, choice=choice), context
