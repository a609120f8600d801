"""`slr check data`: the annotations and feature files of a corpus."""

from collections.abc import Iterator
from typing import Annotated

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import Corpus, Json, NormaliserName, VocabFile, data_of, option
from slrcli.config import Config
from slrcli.console import Console


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
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Check annotations and feature files of a corpus, and whether they match.

    Examples:
        slr check data --data-dir corpus --vocab vocab.json
    """
    from slrcli.doctor.data.target import DataTarget
    from slrcli.report.text.histograms import draw

    def drawn(examination) -> Iterator[str]:
        if wanted.verbose and not console.quiet:
            yield from draw(examination.context.distributions, console.can_show)
            yield ""

    settled = data_of(**corpus, vocab=vocab, normaliser=normaliser)
    target = DataTarget(settled, seed, full, jobs, stride, independent)
    return check(console, target, wanted, drawn)
