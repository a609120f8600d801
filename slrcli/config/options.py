"""Options of the command line: those that are settings (`optim.lr`), and those that one command or another has besides.

What an option is called, what it stands at, what it may be and what help says of it is written here or at its setting,
and nowhere else. `slrcli.cli.options` makes of it what the command line needs.
"""

from dataclasses import fields
from typing import Any, NamedTuple

from slrcli.config.commands import FOLD_SPLITS, HELD_OUT, NGRAM_ORDER, OF_ONE_COMMAND, PAUSE
from slrcli.config.names import (
    CLIP_FILES,
    DIVISIONS,
    LAYOUTS,
    NORMALISERS,
    OUTPUTS,
    PAIRINGS,
    PEOPLE,
    PROTOCOLS,
    RUN_ORDERS,
    TRANSCRIPTS,
)
from slrcli.config.resolve import PRESETS
from slrcli.config.sections import FRAMES_PER_SECOND, SIZE_BUDGET_MB, Config, OptimConfig

GUESS = f"{FRAMES_PER_SECOND:g}"


class Option(NamedTuple):
    """An option.

    Attributes:
        flags: its names, the long one first.
        text: its description, whole sentences.
        default: its value where nobody says otherwise.
        shown: what stands for the default in help, where that follows from something else.
        least, most: bounds of a number, both inclusive.
        listed: values that help and shell completion show: themselves, or the name of their registry.
        metavar: what stands for its value in help, in place of its type.
        folder: whether it is a path that no file may have.
    """

    flags: tuple[str, ...]
    text: str
    default: Any = None
    shown: str = ""
    least: float | None = None
    most: float | None = None
    listed: str | tuple[str, ...] = ()
    metavar: str | None = None
    folder: bool = False


def _jobs(text: str, default: int = 0, shown: str = "") -> Option:
    return Option(("--jobs", "-j"), text, default, shown, least=0, metavar="N")


def _cluster(what: str, default: str | None = "") -> Option:
    text = f"{what} on the workers of the Dask scheduler at this address, or of this scheduler file (.json)."
    return Option(("--cluster",), text, default, metavar="ADDRESS")


def _out(text: str, shown: str = "") -> Option:
    return Option(("--out", "-o"), text, shown=shown)


def _fps(text: str, shown: str) -> Option:
    return Option(("--fps",), text, 0.0, shown, least=0.0)


def _switch(flag: str, text: str) -> Option:
    return Option((flag,), text, False)


def _transcript(flag: str, side: str) -> Option:
    return Option((flag,), f"Format of {side}. auto: by the suffix.", "auto", listed=TRANSCRIPTS)


def _protocol(text: str) -> Option:
    return Option(("--protocol", "-p"), text, "plain", listed=PROTOCOLS)


_FULL = _switch("--full", "Read all feature files of a large corpus, rather than a seeded sample.")
_WORST = Option(("--worst",), "Number of worst utterances shown.", 5, least=0)

OPTIONS: dict[str, Option] = {
    # of many commands
    "quiet": Option(("--quiet", "-q"), "No notes and no progress: results and errors alone.", False),
    "debug": _switch("--debug", "Show the traceback of an error."),
    "json": _switch("--json", "Print the result as one JSON document on stdout."),
    "config": Option(("--config", "-c"), "TOML file of settings, such as a run's config.toml."),
    "preset": Option(("--preset",), "Named settings.", "", listed=tuple(PRESETS)),
    "set": Option(
        ("--set",),
        "Any other setting, such as optim.schedule=linear (see examples/settings.md). Repeatable.",
        metavar="KEY=VALUE",
    ),
    "own": Option(
        ("--arch",),
        "Network of your own that a checkpoint is of: its code runs only if it is named.",
        metavar="PACKAGE:FACTORY",
    ),
    "model": Option(
        ("--model", "-m"),
        "Checkpoint, run, exported model, or asl-cafe, which comes along.",
        shown="the newest run",
    ),
    "decoder": Option(
        ("--decoder",),
        "TOML file with a section [decode].",
        shown="decode.toml beside the checkpoint, if there is one",
    ),
    "output.format": Option(
        ("--format", "-f"),
        "Output format. eaf, srt and vtt make one file per clip, the others one file for all. Repeatable.",
        listed=OUTPUTS,
    ),
    "output.out": _out("File, whose suffix gives the format, or folder.", "stdout"),
    "output.table": Option(
        ("--table",), "Write a row per utterance with its errors: .csv, .md, .tex or .parquet.", metavar="FILE"
    ),
    "output.fps": _fps(
        "Frames per second of feature files that do not say it.",
        f"as the corpus or the recogniser's training says, else {GUESS}",
    ),
    # of one command
    "align.glosses": Option(("--glosses", "-g"), "Glosses of the file, in the order they are signed.", ""),
    "align.split": Option(("--split", "-s"), "Split of the corpus to align.", "train"),
    "compose.out": _out("Folder of the new corpus."),
    "compose.sentences_from": Option(
        ("--sentences-from",),
        "Gloss sentences (a text, a table or a corpus) whose bigrams give the order of signs.",
        shown="all signs alike",
    ),
    "compose.jobs": _jobs("Processes that write sentences. 0: one per core.", 1),
    "compose.cluster": _cluster("Write the sentences"),
    "compose.signer_pattern": Option(
        ("--signer-pattern",),
        "Regular expression that finds the signer in a clip's name (its first group, if it has one).",
        "",
        metavar="REGEX",
    ),
    "convert.layout": Option(
        ("--layout",), "Target layout of the points: a shipped name, or a TOML file.", listed=LAYOUTS
    ),
    "convert.to": Option(("--to",), "Type of the files in a folder.", "npz", listed=CLIP_FILES),
    "convert.people": Option(
        ("--people",), "If several people are in the picture: follow the largest, or fail.", "largest", listed=PEOPLE
    ),
    "convert.size": Option(
        ("--size",), "Size of the picture in pixels, if the file does not say.", metavar="WIDTHxHEIGHT"
    ),
    "convert.fps": Option(("--fps",), "Frames per second, if the file does not say.", 0.0, least=0),
    "convert.to_fps": Option(
        ("--to-fps",), "Frame rate to which clips are resampled. 0: they keep their own.", 0.0, least=0, most=1000
    ),
    "convert.mirror": _switch("--mirror", "Mirror the clips: left and right points are swapped, and x is reflected."),
    "convert.stop_on_error": _switch("--stop-on-error", "Stop at the first clip that fails."),
    "corpus.fps": _fps("Frames per second, for durations.", f"as the files or the layout say, else {GUESS}"),
    "corpus.split_by": Option(
        ("--split-by",), "Split the corpus anew, so that no two splits share a signer (or a sentence).", "",
        listed=DIVISIONS,
    ),
    "corpus.dev": Option(("--dev",), "Share of dev.", shown=str(HELD_OUT), least=0.0, most=0.99),
    "corpus.test": Option(("--test",), "Share of test.", shown=str(HELD_OUT), least=0.0, most=0.99),
    "corpus.out": _out(
        "Folder for tables in the Phoenix-2014 format; features stay where they are, but those of annotations are cut."
    ),
    "corpus.tier": Option(
        ("--tier", "-t"), "Tier of glosses in ELAN files: one per hand and signer. Repeatable.", metavar="TIER"
    ),
    "corpus.sentences": Option(
        ("--sentences",),
        "Tier whose annotations are the sentences; one per signer. If it is the tier of glosses, each annotation is a "
        "sentence and its words are the glosses. Repeatable.",
        metavar="TIER",
    ),
    "corpus.pause": Option(
        ("--pause",), "Seconds without a sign that end an utterance.", shown=f"{PAUSE:g} for ELAN files without "
        "--sentences; a cue of subtitles is an utterance", least=0.0, metavar="SECONDS",
    ),
    "corpus.full": _FULL,
    "corpus.jobs": _jobs("Processes that read features.", shown="one per core"),
    "decode.fps": Option(
        ("--fps",),
        "Frames per second of feature files and streams that do not say it, and of the landmarks of videos. Clips are "
        "resampled to the rate of the training data.",
        shown="as in the training data, else those of the video", least=0.0, most=1000.0,
    ),
    "decode.jobs": _jobs("Processes for the landmarks of videos and for beam search.", shown="one per core"),
    "decode.camera": _switch("--camera", "Decode a camera until Ctrl-C."),
    "decode.camera_index": Option(("--camera-index",), "Number of the camera, if there are several.", 0, least=0),
    "decode.pipe": _switch("--pipe", "Decode a video stream from stdin; the file '-' does the same."),
    "decode.raw": Option(
        ("--raw",), "The stream is raw RGB frames of this size and rate, such as 640x480@25.", "",
        metavar="WIDTHxHEIGHT@FPS",
    ),
    "decode.stream": _switch(
        "--stream",
        "Decode feature frames as they arrive, from stdin or a growing file: headerless float32, .npy, or one line of "
        "text per frame.",
    ),
    "demo.keep": Option(("--keep",), "Keep corpus, vocabulary and run in this folder."),
    "demo.small": _switch(
        "--small", "The smallest size, done in a minute or less: it shows that all works, not that it learns."
    ),
    "eval.split": Option(("--split", "-s"), "Split to score.", "", "test, or dev if there is no test"),
    "eval.out": _out("Write the hypotheses: .ctm, .csv, .tsv, .stm, .trn, .jsonl or .txt. Repeatable."),
    "eval.report": Option(("--report",), "Folder for an error report, index.html, for the browser.", folder=True),
    "eval.worst": _WORST,
    "eval.fps": _fps(
        "Frames per second of feature files that do not say it. Clips are resampled to the rate of the training data; "
        "times in CTM files and reports stay those of the clip.",
        f"as the corpus or the recogniser's training says, else {GUESS}",
    ),
    "eval.calibrate": _switch(
        "--calibrate", "Calibrate the confidences on dev (or --split), and keep that in the checkpoint."
    ),
    "eval.tune": _switch(
        "--tune",
        "Tune beam width, language-model weight and insertion bonus on dev (or --split), and keep the best in "
        "decode.toml beside the checkpoint. Options that are given stay fixed.",
    ),
    "eval.batch_size": Option(("--batch-size", "-b"), "Clips per batch.", 16, least=1),
    "eval.protocol": _protocol("Scoring protocol; all shows them side by side."),
    "eval.cluster": _cluster("Evaluate several recognisers"),
    "eval.jobs": _jobs("Processes of a beam search. 0: one per core.", 1),
    "export.int8": _switch("--int8", "Quantise the weights of linear layers and LSTMs to 8-bit integers."),
    "export.web": Option(("--web",), "Write a page for browsers to this new folder, not a file."),
    "export.assets": Option(
        ("--assets",), "A node_modules folder from which the page's libraries are copied into it."
    ),
    "export.cdn": _switch("--cdn", "Let the page load its libraries from cdn.jsdelivr.net instead."),
    "extract.out": _out("Folder of the landmark files and the manifest."),
    "extract.jobs": _jobs("Processes.", shown="one per core"),
    "extract.cluster": _cluster("Extract"),
    "extract.part": Option(
        ("--part",), "Extract only this part of the clips: 2/8 is the second of eight.", metavar="I/N"
    ),
    "extract.preview": _switch("--preview", "Draw some frames of every clip as a PNG."),
    "extract.overwrite": _switch("--overwrite", "Extract again what is done, and replace any file."),
    "extract.stop_on_error": _switch("--stop-on-error", "Stop at the first failure."),
    "layout.points": _switch("--points", "List every point with its columns."),
    "lm.order": Option(("--order", "-n"), "Order of the n-gram model.", NGRAM_ORDER, least=1),
    "lm.out": _out("Write the model to this ARPA file."),
    "lm.test": Option(("--test",), "Compute the perplexity of this file. Repeatable."),
    "lm.perplexity": Option(
        ("--perplexity",), "Evaluate this model instead of estimating one.", metavar="ARPA"
    ),
    "pack.out": _out("Folder of the packed corpus."),
    "pack.jobs": _jobs("Processes that read.", shown="one per core; a single one for .npy"),
    "pack.partial": _switch("--partial", "Finish without the clips that fail."),
    "pack.overwrite": _switch("--overwrite", "Replace stores that were made from other clips."),
    "pack.verify": Option(
        ("--verify",), "Check a packed folder or store against its hashes, instead of packing.", metavar="PACKED"
    ),
    "record.out": _out("Folder of the corpus of takes; one that was begun goes on."),
    "record.run": Option(
        ("--from",), "Record each gloss of this recogniser, in its layout and at its frame rate.", metavar="RUN"
    ),
    "record.fps": _fps("Frames per second of the landmarks.", "as the folder or the recogniser says, else the camera"),
    "record.layout": Option(
        ("--layout",), "Layout of the landmarks: a MediaPipe layout, or a TOML file.",
        shown="as the folder or the recogniser says, else mediapipe-1629", listed=LAYOUTS,
    ),
    "record.camera": Option(("--camera",), "Number of the camera.", 0, least=0),
    "runs.sort": Option(("--sort",), "What the runs are sorted by.", "wer", listed=RUN_ORDERS),
    "score.protocol": _protocol("Scoring protocol; all shows them side by side."),
    "score.normaliser": Option(
        ("--normaliser",), "Gloss normaliser for both sides, instead of the protocol's.", "", listed=NORMALISERS
    ),
    "score.by": Option(("--by",), "Pair utterances by id or by line.", "id", listed=PAIRINGS),
    "score.partial": _switch("--partial", "Score only the utterances that both sides have."),
    "score.missing_as_empty": _switch(
        "--missing-as-empty", "Count references without a hypothesis as deleted, as if nothing was recognised."
    ),
    "score.ref_format": _transcript("--ref-format", "REF"),
    "score.hyp_format": _transcript("--hyp-format", "HYP"),
    "score.vocab": Option(("--vocab",), "Vocabulary of the system; glosses outside it count to the error floor."),
    "score.signers_from_ids": _switch(
        "--signers-from-ids", "Read the signer from the id, up to the first - or _, as in sclite's trn."
    ),
    "score.table": Option(
        ("--table",),
        "Write systems by protocols with rates, their parts, intervals and significance; of a single system, a row per "
        "utterance. .csv, .md, .tex or .parquet.",
        metavar="FILE",
    ),
    "score.utterances": Option(
        ("--utterances",),
        "Write a row per utterance of every system with its errors: .csv, .md, .tex or .parquet.",
        metavar="FILE",
    ),
    "score.explain": _switch("--explain", "Show which rule changed what."),
    "score.worst": _WORST,
    "score.details": _switch("--details", "Show glosses, confusions, lengths, positions and calibration."),
    "serve.page": Option(("--page",), "Folder of a page that slr export --web wrote, served as well.", folder=True),
    "serve.token": Option(
        ("--token",), "Token that every request must carry; better in the environment variable SLR_TOKEN.", "",
        metavar="TEXT",
    ),
    "show.out": _out("A page (.html) or an animation (.gif).", "the clip's name with .html"),
    "show.fps": _fps("Frames per second.", f"as the file or the layout says, else {GUESS}"),
    "show.aspect": Option(
        ("--aspect",), "Aspect ratio of the picture (width by height), for normalised coordinates.", 0.0,
        "as the file says, else 1", least=0.0,
    ),
    "show.clip": Option(("--clip",), "Clip to draw from a file that holds several.", "", metavar="ID"),
    "train.lookahead": Option(
        ("--lookahead",), "Lookahead of --arch streaming in frames, a multiple of 4.", least=0
    ),
    "train.resume": Option(("--resume",), "Resume a run, such as runs/latest.", metavar="RUN"),
    "train.from_run": Option(
        ("--from-run",),
        "Train a run again from the beginning: its settings, seed and corpus. What differs from then is an error or "
        "a warning.",
        metavar="RUN",
    ),
    "train.dry_run": _switch("--dry-run", "Run one batch of each phase as a test; nothing is written."),
    "train.folds": Option(
        ("--folds",),
        "Cross-validation: signer holds out every signer in turn, K or sentence:K makes K folds that share no "
        "sentence, and utterance:K folds that share no utterance.",
        metavar="SCHEME",
    ),
    "train.fold_splits": Option(
        ("--fold-splits",), "Splits that are pooled for the folds.", shown=",".join(FOLD_SPLITS),
        metavar="SPLIT[,SPLIT]",
    ),
    "train.seeds": Option(
        ("--seeds",),
        "Number of seeds, counted from --seed, or the seeds themselves. The folds are drawn by --seed.",
        metavar="N|S,S,...",
    ),
    "train.score_split": Option(
        ("--score-split",), "Split that several seeds without folds are scored on.", shown="dev", metavar="SPLIT"
    ),
    "train.sweep": Option(
        ("--sweep",),
        "Values of a setting to train with, such as optim.lr=1e-3,2e-3; with --search also LOW..HIGH. Several sweeps "
        "are combined. Repeatable.",
        metavar="KEY=VALUES",
    ),
    "train.search": Option(
        ("--search",), "Trials, whose values Optuna draws from the sweeps.", least=1, metavar="N"
    ),
    "train.study": Option(
        ("--study",), "Optuna study that several searches share: a journal file, or the address of a database.",
        shown="one of its own", metavar="FILE|URL[#NAME]",
    ),
    "train.cluster": _cluster("Train the runs", None),
    "train.jobs": Option(
        ("--jobs", "-j"),
        "Parallel runs, each in one process with one thread unless OMP_NUM_THREADS says otherwise. 0: one per core.",
        shown="1", least=0, metavar="N",
    ),
    "vocab.out": _out("Write the vocabulary to this JSON file."),
    "vocab.show": Option(("--show",), "Show this vocabulary file."),
    "vocab.import": Option(("--import",), "Import a gloss_dict.npy; nothing in it is executed."),
    "vocab.lookup": Option(("--lookup",), "Look up a gloss or an id. Repeatable."),
    "vocab.special": Option(("--special",), "Add a token that occurs nowhere, such as '<unk>'. Repeatable."),
    "check.only": Option(
        ("--only",), "Run these checks alone, such as M03, or D for all of that letter.", metavar="CODE[,CODE]"
    ),
    "check.skip": Option(("--skip",), "Skip these checks.", metavar="CODE[,CODE]"),
    "check.strict": _switch("--strict", "Let warnings fail too."),
    "check.verbose": Option(("--verbose", "-v"), "Show every note, not only their number.", False),
    "check.explain": Option(
        ("--explain",), "Explain a code and its remedy; `list` shows all codes.", metavar="CODE"
    ),
    "check.vocab_size": Option(
        ("--vocab-size",), "Classes of an architecture, including the blank.", shown="101", least=2
    ),
    "check.layout": Option(
        ("--layout",), "Features of an architecture: a shipped layout, generic-N, or a TOML file.",
        shown="mediapipe-1629", listed=LAYOUTS,
    ),
    "check.budget": Option(("--budget",), "Maximum size of the weights in megabytes.", SIZE_BUDGET_MB, least=0.0),
    "check.profile": _switch("--profile", "Show how much temporal variation each layer keeps."),
    "check.full": _FULL,
    "check.jobs": _jobs("Processes that read features.", shown="one per core"),
    "check.stride": Option(
        ("--stride",), "Input frames per output frame of your recogniser; clips too short for it are errors.", 0,
        "1, and warnings up to 4", least=0,
    ),
    "check.signer_independent": _switch(
        "--signer-independent", "Require that no signer of train is in another split."
    ),
    "check.flagged": Option(
        ("--flagged",), "Write the clips that warnings and errors name, each with the reason, to this file, which "
        "--exclude takes.", metavar="FILE",
    ),
    "check.lr": Option(("--lr", "--learning-rate"), "Constant learning rate.", shown=f"{OptimConfig().lr:g}"),
    "check.output_dir": Option(("--output-dir", "-o"), "Folder of the runs.", shown="./runs"),
    "check.markdown": _switch("--markdown", "Print a Markdown table for a bug report."),
}  # fmt: skip


def option_of(name: str) -> Option:
    """The option of that name: one of `OPTIONS`, or a setting such as `optim.lr`."""
    if name in OPTIONS:
        return OPTIONS[name]
    section, key = name.split(".")
    part = OF_ONE_COMMAND[section]() if section in OF_ONE_COMMAND else getattr(Config(), section)
    told = {item.name: item for item in fields(part)}[key].metadata
    flags = told["flags"] or (f"--{key.replace('_', '-')}",)
    if isinstance(getattr(part, key), bool):
        flags = (f"{flags[0]}/--no-{flags[0][2:]}",)
    return Option(flags, told["help"], getattr(part, key), told["shown"], told["least"], told["most"], told["listed"],
                  told["metavar"])  # fmt: skip
