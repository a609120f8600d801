"""`slr check overfit`: can the model memorise a handful of utterances?"""

from typing import Annotated

import typer

from slrcli.cli.check.common import Only, Skip, Strict, Verbose, Wanted, check
from slrcli.cli.options.common import (
    Annotations,
    ConfigFile,
    DataDir,
    Device,
    Features,
    Format,
    Json,
    LayoutName,
    NormaliserName,
    Preset,
    VocabFile,
    option,
    overrides,
)
from slrcli.config import OptimConfig, OverfitConfig
from slrcli.console import Console

DEFAULTS = OverfitConfig()
WIDEST = 70  # characters of a curve
LR = OptimConfig().lr


def overfit(
    console: Console,
    data_dir: DataDir,
    arch: Annotated[str | None, option("model.arch", "--arch", "-a")] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", "--learning-rate", help="Learning rate, constant.", show_default=str(LR))
    ] = None,
    utterances: Annotated[
        int, typer.Option("--utterances", "-n", help="How many utterances of train to memorise.")
    ] = DEFAULTS.utterances,
    seconds: Annotated[
        float, typer.Option("--seconds", help="Give up after so many seconds of training.")
    ] = DEFAULTS.seconds,
    steps: Annotated[int, typer.Option("--steps", help="Give up after so many steps.")] = DEFAULTS.steps,
    seed: Annotated[int | None, option("run.seed", "--seed")] = None,
    device: Device = None,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    layout: LayoutName = None,
    vocab: VocabFile = None,
    normaliser: NormaliserName = None,
    config: ConfigFile = None,
    preset: Preset = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting, such as model.options.width=128.")
    ] = None,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> int:
    """Overfit a handful of your own utterances, which every sound set-up can, in two minutes at most.

    Example: slr check overfit --data-dir corpus --arch mobilenetv3 --seconds 300
    """
    given = overrides(
        data__data_dir=data_dir, data__format=format, data__annotations=annotations, data__features=features,
        data__layout=layout, data__vocab=vocab, data__normaliser=normaliser, model__arch=arch, optim__lr=lr,
        run__seed=seed, run__device=device,
    )  # fmt: skip
    from slrcli.doctor.overfit.overfit import OverfitTarget
    from slrcli.training.adapt import settle

    settled = settle(console, given, preset, config, settings or (), sections=("model",))
    target = OverfitTarget(settled, OverfitConfig(utterances, seconds, steps))
    return check(console, target, Wanted(only, skip, strict, verbose), lambda found: _picture(console, found.context))


def _picture(console: Console, attempt) -> list[str]:
    """Loss and WER over the steps: drawn where the terminal can, else as a table."""
    from slrcli.report.text.curve import curve, table

    if not console.draws:
        rows = [(point.step, point.loss, point.wer, 100 * point.blank_share) for point in attempt.points]
        return table(("step", "loss", "WER %", "blank %"), rows)
    width = min(console.width - 12, WIDEST)
    lines = curve("loss per gloss, by step", range(1, len(attempt.losses) + 1), attempt.losses, width)
    steps, rates = [point.step for point in attempt.points], [point.wer for point in attempt.points]
    return lines + curve("WER in percent, by step", steps, rates, width)
