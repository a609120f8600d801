"""`slr train`: a recogniser from a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.checkpoints.runs import CONFIG, PLAN
from slrcli.cli.options.common import (
    Annotations,
    ConfigFile,
    Device,
    Features,
    Format,
    Json,
    LayoutName,
    NormaliserName,
    OptionalDataDir,
    Preset,
    VocabFile,
    option,
    overrides,
)
from slrcli.cli.options.processes import among_processes, in_each, several
from slrcli.cli.options.several import (
    Folds,
    FoldSplits,
    Jobs,
    ScoreSplit,
    Seeds,
    go_on_with_folds,
    require_several,
    start_folds,
)
from slrcli.config import read_toml
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.parallel.memory import keep_freed_memory


@among_processes
def train(
    console: Console,
    data_dir: OptionalDataDir = None,
    lr: Annotated[float | None, option("optim.lr", "--lr", "--learning-rate")] = None,
    arch: Annotated[str | None, option("model.arch", "--arch", "-a")] = None,
    epochs: Annotated[int | None, option("optim.epochs", "--epochs", "-e")] = None,
    batch_size: Annotated[int | None, option("optim.batch_size", "--batch-size", "-b")] = None,
    dropout: Annotated[float | None, option("model.dropout", "--dropout")] = None,
    lookahead: Annotated[
        int | None,
        typer.Option(
            "--lookahead", min=0, help="Frames that --arch streaming waits for, a multiple of 4; 0 waits for none."
        ),
    ] = None,
    weight_decay: Annotated[float | None, option("optim.weight_decay", "--weight-decay")] = None,
    warmup_epochs: Annotated[float | None, option("optim.warmup_epochs", "--warmup-epochs")] = None,
    patience: Annotated[int | None, option("optim.patience", "--patience")] = None,
    max_frames: Annotated[int | None, option("data.max_frames", "--max-frames")] = None,
    output_dir: Annotated[Path | None, option("run.output_dir", "--output-dir", "-o")] = None,
    seed: Annotated[int | None, option("run.seed", "--seed")] = None,
    device: Device = None,
    precision: Annotated[str | None, option("run.precision", "--precision")] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        option("run.gradient_checkpointing", "--gradient-checkpointing/--no-gradient-checkpointing"),
    ] = None,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    layout: LayoutName = None,
    vocab: VocabFile = None,
    normaliser: NormaliserName = None,
    teacher: Annotated[str | None, option("distill.teacher", "--teacher")] = None,
    config: ConfigFile = None,
    preset: Preset = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, such as optim.schedule=linear; see a run's config.toml."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Go on with a run, such as runs/latest, where it stopped.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One batch of each phase, to see that all fits; writes nothing.")
    ] = False,
    folds: Folds = None,
    fold_splits: FoldSplits = None,
    seeds: Seeds = None,
    score_split: ScoreSplit = None,
    jobs: Jobs = None,
    as_json: Json = False,
) -> int:
    """Train a recogniser. The folder of the corpus is all that it needs.

    Example: slr train --data-dir DIR --lr 3e-4

    Example: slr train --data-dir DIR --arch mobilenetv3 --output-dir runs/mine

    Example: slr train --data-dir DIR --set model.options.width=128 --set augment.point_drop=0.1

    Example: slr train --data-dir DIR --arch streaming --lookahead 8

    Example: slr train --data-dir DIR --teacher runs/large --set model.options.width=64

    Example: slr train --resume runs/latest

    Example: slr train --data-dir DIR --epochs 30 --folds signer --jobs 2

    Example: torchrun --nproc-per-node 2 -m slrcli train --data-dir DIR

    With folds, the score is that after the last epoch: the best epoch would be chosen by the very utterances that are
    held out, so its score stands beside it, marked as optimistic. The vocabulary of a fold is of what it learns from; a
    gloss that it lacks is an error. --resume goes on with the folder of several runs, too.
    """
    chosen = overrides(
        data__data_dir=data_dir, data__format=format, data__annotations=annotations, data__features=features,
        data__layout=layout, data__vocab=vocab, data__normaliser=normaliser, data__max_frames=max_frames,
        model__arch=arch, model__dropout=dropout,
        optim__lr=lr, optim__epochs=epochs, optim__batch_size=batch_size, optim__weight_decay=weight_decay,
        optim__warmup_epochs=warmup_epochs, optim__patience=patience,
        run__output_dir=output_dir, run__seed=seed, run__device=device, run__precision=precision,
        run__gradient_checkpointing=gradient_checkpointing, distill__teacher=teacher,
    )  # fmt: skip
    runs = {"--folds": folds, "--fold-splits": fold_splits, "--seeds": seeds, "--score-split": score_split}
    if resume is not None:
        fixed = {"--lookahead": None if lookahead is None else str(lookahead),
                 "--preset": preset, "--config": config, "--set": settings, "--arch": arch, "--output-dir": output_dir,
                 "--dropout": dropout, "--vocab": vocab, "--layout": layout, "--normaliser": normaliser,
                 "--teacher": teacher, "--dry-run": dry_run, **runs}  # fmt: skip
        given = ", ".join(flag for flag, value in fixed.items() if value not in (None, "", False))
        if given:
            raise UsageError(
                "A run goes on with its own settings.", f"--resume, {given}", "Leave it out, or start anew."
            )
    if resume is not None and (resume / PLAN).is_file():
        if chosen:
            what = "Several runs go on with the settings that they began with."
            raise UsageError(what, "--resume", "Give --jobs at most, or start anew.")
        return go_on_with_folds(console, resume, jobs)
    if not (folds or seeds):
        require_several({**runs, "--jobs": jobs})
    elif several():
        what = "Several runs are not trained by several processes that train together."
        raise UsageError(what, "--folds, --seeds", "Start them without torchrun, with --jobs N.")
    if resume is None:
        if lookahead is not None:
            settings = [f"model.options.lookahead={lookahead}", *(settings or ())]
        from slrcli.training.data import settle

        settled = in_each(lambda: settle(console, chosen, preset, config, settings or ()))
        if lookahead is not None and settled.model.arch != "streaming":
            raise UsageError(f"{settled.model.arch} looks at whole clips.", "--lookahead", "Add --arch streaming.")
        if not settled.data.data_dir:
            raise UsageError("No corpus is named.", "--data-dir", "slr train --data-dir DIR")
        if folds or seeds:
            return start_folds(console, settled, runs, jobs, dry_run)
    keep_freed_memory()
    from slrcli.training.run import resume as go_on
    from slrcli.training.run import train as start

    result = go_on(resume, chosen, console) if resume is not None else start(settled, console, dry_run)
    if as_json:
        console.json({"run": result.run, "checkpoint": result.checkpoint, "epochs": result.epochs,
                      "stopped": result.stopped, "best": result.metrics})  # fmt: skip
    elif not dry_run and result.metrics:
        console.result(f"best: WER {result.metrics['wer']:.2f} % on dev at epoch {result.metrics['epoch']}")
        console.result(f"checkpoint: {result.checkpoint}")
        corpus = read_toml(Path(result.run) / CONFIG)["data"]["data_dir"]
        console.note(f"Next: slr eval {result.run} --data-dir {corpus}, slr decode FILES --model {result.run}")
    return result.exit_code
