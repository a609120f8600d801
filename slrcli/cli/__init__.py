"""The command line: one thin file per command, one line here for each."""

import typer

from slrcli import __version__
from slrcli.cli.lazily import Commands, Place

EXAMPLES = """
A first look, nothing needed:  [bold]slr demo[/bold]

Your own data:

    slr vocab --data-dir DIR
    slr check data --data-dir DIR
    slr train --data-dir DIR --lr 3e-4
    slr eval runs/latest --data-dir DIR
    slr decode clip.npy
    slr align clip.npy --glosses "HELLO YOU" --out clip.eaf
    slr lm --data-dir DIR --out lm.arpa
    slr score references.stm hypotheses.ctm
    slr convert clip.pose clip.npy --layout mediapipe-258
"""

COMMANDS = {
    "demo": Place(
        "demo",
        "demo",
        "Make a small synthetic corpus and run vocab, check, train, eval and decode on it. Under three minutes.",
    ),
    "vocab": Place(
        "vocab", "vocab", "Build a vocabulary from the train split of a corpus, show one, or look something up in it."
    ),
    "corpus": Place(
        "corpus",
        "corpus",
        "What a corpus holds: utterances, glosses, signers, hours, lengths, what is seen, and what its splits share.",
    ),
    "lm": Place(
        "lm", "lm", "Estimate an n-gram model of glosses (modified Kneser-Ney, as KenLM's lmplz), or measure one."
    ),
    "compose": Place(
        "compose",
        "compose",
        "Make a corpus of sentences from clips of single signs, to start a recogniser where nothing else is recorded.",
    ),
    "pack": Place(
        "pack",
        "pack",
        "Pack a corpus: the clips of each split in one file that is mapped into memory, opened in no time.",
    ),
    "check": Place(
        "check.check", "", "Find what breaks training before it costs a night. Exit code 1 if there is an error."
    ),
    "train": Place("train", "train", "Train a recogniser. The folder of the corpus is all that it needs."),
    "eval": Place(
        "evaluate",
        "evaluate",
        "Score a checkpoint: WER with substitutions, deletions and insertions, per signer, the worst utterances aligned.",  # noqa: E501
    ),
    "score": Place(
        "score",
        "score",
        "Score hypotheses against references: named protocols, intervals, significance, a signature to repeat it from.",
    ),
    "extract": Place(
        "extract",
        "extract",
        "Find the landmarks of people in videos, with MediaPipe Holistic, offline; needs the extra 'video'.",
    ),
    "decode": Place(
        "decode",
        "decode",
        "Write the glosses of clips: one line each, the file and its glosses parted by a tab (one file: no name).",
    ),
    "align": Place(
        "align",
        "align",
        "Place known glosses in their clips: the most probable alignment to what a recogniser sees there.",
    ),
    "export": Place(
        "export", "export", "Write a recogniser as one ONNX file, which slr decode --model takes without loading torch."
    ),
    "convert": Place(
        "convert", "convert", "Convert clips: points are matched by their names, and what was not seen is NaN."
    ),
    "layout": Place(
        "layout", "layout", "List the layouts of points that come along, show one, or check one that you wrote."
    ),
    "show": Place(
        "show",
        "show",
        "Draw a clip: its skeleton in motion, and for each part over time what is seen of it and how fast it moves.",
    ),
}

app = typer.Typer(
    name="slr",
    cls=Commands.at(COMMANDS),
    help="Continuous sign-language recognition from landmarks: train, check, score and decode.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"slr {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Show the version and stop."
    ),
) -> None:
    """Nothing but the options that come before a command."""
