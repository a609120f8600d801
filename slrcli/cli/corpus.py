"""`slr corpus`: what a corpus holds, and new splits for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slrcli.cli.options.common import Json, data_of, named_columns, option
from slrcli.config import HELD_OUT, Config
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from slrcli.corpus.summary import CorpusSummary

ANNOTATIONS = (".eaf", ".srt", ".vtt")
SHOWN = 5  # files that cannot be read, by name

Sources = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR|FILE...",
        help="Folder of a corpus, annotations in time (.eaf, .srt, .vtt), or pickles that hold glosses.",
        show_default=False,
    ),
]


def corpus(
    console: Console,
    *,
    sources: Sources,
    format: Annotated[str | None, option("data.format")],
    annotations: Annotated[Path | None, option("data.annotations")],
    features: Annotated[Path | None, option("data.features")],
    columns: Annotated[list[str] | None, option("data.columns")],
    exclude: Annotated[Path | None, option("data.exclude")],
    layout: Annotated[str | None, option("data.layout")],
    fps: Annotated[float, option("corpus.fps")],
    split_by: Annotated[str, option("corpus.split_by")],
    dev: Annotated[float | None, option("corpus.dev")],
    test: Annotated[float | None, option("corpus.test")],
    tier: Annotated[list[str] | None, option("corpus.tier")],
    sentences: Annotated[list[str] | None, option("corpus.sentences")],
    pause: Annotated[float | None, option("corpus.pause")],
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    out: Annotated[Path | None, option("corpus.out")],
    full: Annotated[bool, option("corpus.full")],
    jobs: Annotated[int, option("corpus.jobs")],
    as_json: Json,
) -> int:
    """Describe a corpus in figures, split it anew, or cut recordings by their annotations into one.

    Shows utterances, glosses, signers, hours, lengths, visibility of the points, and what the splits share. With
    --split-by and --out, the corpus is split into train, dev and test that share no signer (or no sentence). Only
    tables are written, and a corpus.toml that says where the features are. --out alone writes the splits as they are,
    which brings a table of your own into the usual format.

    Of ELAN files and subtitles, the features of each recording are cut into utterances, which are written with their
    tables as a new corpus. A recording is the feature file that is named as its annotations, or as the video that these
    name; without one, landmarks are extracted from the video (requires the extra 'video'). Each --tier of glosses is a
    hand of a signer; a sign that both hands make at once counts once.

    Of pickles that hold the glosses of their clips, such as those of MSKA, TwoStreamNetwork and slt, tables are written
    that refer to the clips where they are. The names of the files say the splits.

    Examples:
        slr corpus DIR --fps 25
        slr corpus DIR --split-by signer --dev 0.1 --test 0.1 --seed 1 --out DIR2
        slr corpus DIR --annotations clips.tsv --column id=Clip --out DIR2
        slr corpus *.eaf --tier GLOSS-R --tier GLOSS-L --pause 1 --out DIR
        slr corpus talk.srt --features poses --fps 25 --out DIR
        slr corpus Phoenix-2014T.train Phoenix-2014T.dev Phoenix-2014T.test --out DIR
    """
    if any(path.suffix.lower() in ANNOTATIONS and not path.is_dir() for path in sources):
        unfit = {"--format": format, "--annotations": annotations, "--column": columns, "--split-by": split_by,
                 "--dev": dev, "--test": test, "--full": full}  # fmt: skip
        refuse(unfit, "annotations in time")
        return cut(
            console, sources, needed(out, sources),
            tiers=tuple(tier or ()), sentences=tuple(sentences or ()), pause=pause, features=features,
            layout="" if layout in (None, "auto") else layout, fps=fps,
            jobs=jobs,
        )  # fmt: skip
    if tier or sentences or pause is not None:
        raise UsageError(
            "Only annotations in time have tiers.", str(sources[0]), f"Name {', '.join(ANNOTATIONS)} files."
        )
    from slrcli.corpus.bundled import bundled_corpus
    from slrcli.corpus.describe import Division, corpus_summary, divide_corpus
    from slrcli.corpus.opening import open_data, without_excluded
    from slrcli.features.readers import is_bundle

    bundles = [path for path in sources if is_bundle(path)]
    if len(sources) > 1 and len(bundles) < len(sources):
        extra = next(path for path in sources[1:] if path not in bundles)
        raise UsageError("Only one corpus can be described.", str(extra), "Name one folder.")
    data = data_of(
        data_dir=sources[0],
        format=format,
        annotations=annotations,
        features=features,
        exclude=exclude,
        layout=layout,
        columns=named_columns(columns) if columns else None,
    )
    if out is None and (split_by or dev is not None or test is not None):
        raise UsageError("New splits need an output folder.", "--split-by, --dev, --test", "Name it with --out DIR.")
    if not split_by and (dev is not None or test is not None):
        raise UsageError("Shares apply only to new splits.", "--dev, --test", "Use --split-by signer or sentence.")
    if bundles:
        unfit = {"--format": format, "--annotations": annotations, "--features": features, "--column": columns,
                 "--layout": layout, "--fps": fps, "--full": full}  # fmt: skip
        refuse(unfit, "files that hold their glosses")
        out = needed(out, sources)
    if out is not None:
        for_dev, for_test = (HELD_OUT if share is None else share for share in (dev, test))
        opened = without_excluded(bundled_corpus(bundles), data) if bundles else open_data(data)
        summary = divide_corpus(opened, Division(out, split_by, for_dev, for_test, seed))
    else:
        summary = corpus_summary(console, data, fps, seed, full, jobs)
    for text in summary.notes:
        console.note(text)
    if as_json:
        console.json(summary.to_dict())
    else:
        show(console, summary)
    tell_problems(console, summary, out)
    return EXIT_FAILURE if summary.unreadable else EXIT_OK


def refuse(options: dict[str, Any], sources: str) -> None:
    """Raise a UsageError if options are given that sources of this kind do not have."""
    given = [name for name, value in options.items() if value not in (None, "", 0, False, "auto")]
    if given:
        raise UsageError(f"This does not belong to {sources}.", ", ".join(given), "Leave it out.")


def needed(out: Path | None, files: list[Path]) -> Path:
    """The folder of a new corpus; UsageError if none is named."""
    if out is None:
        raise UsageError("The utterances need a folder to go to.", str(files[0]), "Name it with --out DIR.")
    return out


def cut(console: Console, files: list[Path], out: Path, **values: Any) -> int:
    """Recordings cut by their annotations into a new corpus."""
    from slrcli.corpus.cut import CutOptions, cut_corpus

    made = cut_corpus(console, files, CutOptions(out, **values))
    for text in made.notes:
        console.note(text)
    if console.as_json:
        console.json(made.to_dict())
    else:
        rate = f", {made.fps:g} frames/s" if made.fps else ""
        console.result(f"{made.utterances:,} utterances, {made.glosses:,} glosses, {made.frames:,} frames{rate}")
    console.note(f"Written: {out} (annotations/, features/, corpus.toml). All is train: see slr corpus --split-by.")
    return EXIT_OK


def show(console: Console, summary: "CorpusSummary") -> None:
    """The summary for people."""
    from slrcli.report.text import corpus as report
    from slrcli.report.text.histograms import draw

    for line in report.headline(summary):
        console.result(line)
    for parts in (summary.splits, summary.people):
        if parts:
            console.result()
            console.result(report.size_table(summary, parts))
    for parts in (summary.splits, summary.people):
        presence = report.presence_table(parts)
        if presence:
            console.result("\nShare of frames in which something is seen of")
            console.result(presence)
    if summary.overlaps:
        console.result(f"\n{report.SENTENCE_HEAD}")
        console.result(report.sentence_table(summary))
        console.result()
    for line in report.overlap_lines(summary):
        console.result(line)
    for line in draw(summary.distributions, console.can_show):
        console.result(line)


def tell_problems(console: Console, summary: "CorpusSummary", out: Path | None) -> None:
    """What is missing or broken, and where something was written."""
    if summary.missing:
        console.note(f"{summary.missing:,} of {summary.whole.utterances:,} utterances have no feature file.")
    for path, reason in list(summary.unreadable.items())[:SHOWN]:
        console.warn(f"{path}: {reason}")
    if summary.unreadable:
        console.warn(f"{len(summary.unreadable):,} feature files cannot be read; slr check data lists them all.")
    if out is not None:
        console.note(f"Written: {out} (annotations/, corpus.toml)")
