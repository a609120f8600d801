"""`slr check data`: the annotations and feature files of a corpus."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import Corpus, Json, NormaliserName, VocabFile, data_of, option
from slrcli.config import Config
from slrcli.console import Console
from slrcli.files import require_place

if TYPE_CHECKING:
    from slrcli.doctor.data.context import DataContext
    from slrcli.doctor.run import Examination


def data(
    console: Console,
    *,
    corpus: Corpus,
    vocab: VocabFile,
    normaliser: NormaliserName,
    full: Annotated[bool, option("check.full")],
    jobs: Annotated[int, option("check.jobs")],
    stride: Annotated[int, option("check.stride")],
    independent: Annotated[bool, option("check.signer_independent")],
    flagged: Annotated[Path | None, option("check.flagged")],
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Check annotations and feature files of a corpus, and whether they match.

    Examples:
        slr check data --data-dir corpus --vocab vocab.json
        slr check data --data-dir corpus --full --flagged bad.txt
    """
    from slrcli.doctor.data.target import DataTarget
    from slrcli.report.text.histograms import draw

    def drawn(examination) -> Iterator[str]:
        if wanted.verbose and not console.quiet:
            yield from draw(examination.context.distributions, console.can_show)
            yield ""

    def written(examination) -> None:
        if flagged is not None:
            write_flagged(console, flagged, examination, settled.exclude)

    if flagged is not None:
        require_place(flagged)
    settled = data_of(**corpus, vocab=vocab, normaliser=normaliser)
    target = DataTarget(settled, seed, full, jobs, stride, independent)
    return check(console, target, wanted, drawn, written)


def write_flagged(console: Console, path: Path, examination: "Examination", exclude: str) -> None:
    """The clips that warnings and errors name, beside those that were excluded already, as a list for --exclude."""
    from slrcli.corpus.opening import read_exclusion, write_exclusion
    from slrcli.doctor.context import many

    before = read_exclusion(Path(exclude)) if exclude else {}
    flagged = examination.flagged
    write_exclusion(path, before | flagged)
    kept = f", and {many(len(before), 'id')} of {exclude}" if before else ""
    console.note(f"Written: {path} ({many(len(flagged), 'clip')}{kept}). Leave them out with --exclude {path}.")
    context = cast("DataContext", examination.context)
    unread = sum(facts.problem is None and not facts.read_fully for facts in context.files.values())
    if unread:
        console.warn(f"{many(unread, 'file was', 'files were')} not read through: --full reads all.")
