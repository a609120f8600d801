"""`slr check overfit`: can the model memorise a handful of utterances?"""

from typing import TYPE_CHECKING, Annotated, cast

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import (
    ConfigFile,
    Corpus,
    Device,
    Json,
    NormaliserName,
    Preset,
    Settings,
    VocabFile,
    option,
    overrides,
)
from slrcli.config import OverfitConfig
from slrcli.console import Console

if TYPE_CHECKING:
    from slrcli.doctor.overfit.checks import OverfitContext

DEFAULTS = OverfitConfig()
WIDEST = 60  # characters of a curve
BESIDE = 50  # characters of a terminal's line that its name and its numbers take


def overfit(
    console: Console,
    *,
    corpus: Corpus,
    vocab: VocabFile,
    normaliser: NormaliserName,
    arch: Annotated[str | None, option("model.arch")],
    preset: Preset,
    lr: Annotated[float | None, option("check.lr")],
    utterances: Annotated[int, option("overfit.utterances")] = DEFAULTS.utterances,
    seconds: Annotated[float, option("overfit.seconds")] = DEFAULTS.seconds,
    steps: Annotated[int, option("overfit.steps")] = DEFAULTS.steps,
    seed: Annotated[int | None, option("run.seed")],
    device: Device,
    config: ConfigFile,
    settings: Settings,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Overfit a handful of your own utterances, which every sound set-up can, in two minutes at most.

    Examples:
        slr check overfit --data-dir corpus --arch mobilenetv3 --seconds 300
    """
    given = overrides(
        **{f"data__{name}": value for name, value in corpus.items()}, data__vocab=vocab, data__normaliser=normaliser,
        model__arch=arch, optim__lr=lr, run__seed=seed, run__device=device,
    )  # fmt: skip
    from slrcli.doctor.overfit.overfit import OverfitTarget
    from slrcli.training.data import settle

    settled = settle(console, given, preset, config, settings or (), sections=("model",))
    target = OverfitTarget(settled, OverfitConfig(utterances, seconds, steps))
    return check(
        console,
        target,
        wanted,
        lambda found: _picture(console, cast("OverfitContext", found.context)),
    )


def _picture(console: Console, attempt: "OverfitContext") -> list[str]:
    """Loss and WER over the steps: drawn where the terminal can, else as a table."""
    from slrcli.report.text.curve import curve, table

    if not console.draws:
        rows = [(point.step, point.loss, point.wer, 100 * point.blank_share) for point in attempt.points]
        return table(("step", "loss", "WER %", "blank %"), rows)
    width = max(10, min(console.width - BESIDE, WIDEST))
    steps, rates = [point.step for point in attempt.points], [point.wer for point in attempt.points]
    return [
        curve("loss per gloss by step", range(1, len(attempt.losses) + 1), attempt.losses, width),
        curve("WER in % by step      ", steps, rates, width),
    ]
