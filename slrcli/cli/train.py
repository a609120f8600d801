"""`slr train`: a recogniser from a corpus."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from slrcli.checkpoints.runs import CONFIG, PLAN, SWEEP, holds_several
from slrcli.cli.options.common import (
    ConfigFile,
    Device,
    Json,
    NormaliserName,
    OptionalCorpus,
    Preset,
    Settings,
    VocabFile,
    option,
    overrides,
)
from slrcli.cli.options.several import (
    Folds,
    FoldSplits,
    Jobs,
    OnCluster,
    ScoreSplit,
    Seeds,
    Study,
    Sweeps,
    Trials,
    among_processes,
    go_on_with_folds,
    in_each,
    require_several,
    several,
    start_folds,
)
from slrcli.cli.options.sweeps import Asked, go_on_with_sweep, require_sweep, start_sweep
from slrcli.config import Config, option_of, read_assignments, read_toml, resolve, sections_of
from slrcli.config.values import joined
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.models.trust import allow, is_own
from slrcli.parallel.memory import keep_freed_memory

if TYPE_CHECKING:
    from slrcli.training.session import TrainResult


@among_processes
def train(
    console: Console,
    *,
    corpus: OptionalCorpus,
    vocab: VocabFile,
    normaliser: NormaliserName,
    max_frames: Annotated[int | None, option("data.max_frames")],
    arch: Annotated[str | None, option("model.arch")],
    preset: Preset,
    dropout: Annotated[float | None, option("model.dropout")],
    loss: Annotated[str | None, option("loss.own")],
    lookahead: Annotated[int | None, option("train.lookahead")],
    teacher: Annotated[str | None, option("distill.teacher")],
    init: Annotated[str | None, option("start.init")],
    init_partial: Annotated[bool | None, option("start.partial")],
    freeze: Annotated[list[str] | None, option("start.freeze")],
    lr: Annotated[float | None, option("optim.lr")],
    epochs: Annotated[int | None, option("optim.epochs")],
    batch_size: Annotated[int | None, option("optim.batch_size")],
    weight_decay: Annotated[float | None, option("optim.weight_decay")],
    warmup_epochs: Annotated[float | None, option("optim.warmup_epochs")],
    patience: Annotated[int | None, option("optim.patience")],
    output_dir: Annotated[Path | None, option("run.output_dir")],
    config: ConfigFile,
    settings: Settings,
    seed: Annotated[int | None, option("run.seed")],
    device: Device,
    precision: Annotated[str | None, option("run.precision")],
    gradient_checkpointing: Annotated[bool | None, option("run.gradient_checkpointing")],
    tracker: Annotated[list[str] | None, option("run.tracker")],
    resume: Annotated[Path | None, option("train.resume")],
    from_run: Annotated[Path | None, option("train.from_run")],
    dry_run: Annotated[bool, option("train.dry_run")],
    folds: Folds,
    fold_splits: FoldSplits,
    seeds: Seeds,
    score_split: ScoreSplit,
    sweep: Sweeps,
    search: Trials,
    study: Study,
    jobs: Jobs,
    cluster: OnCluster,
    as_json: Json,
) -> int:
    """Train a recogniser. The folder of the corpus is all that it needs.

    With folds, the score is that after the last epoch. The best epoch would be selected on the held-out utterances
    themselves, so its score stands beside it, marked as optimistic. The vocabulary of a fold comes from its training
    part; a gloss outside it is an error.

    With a sweep, dev chooses between the settings; test is not looked at. --resume takes the folder of several runs,
    too, and repeats none that is finished.

    Examples:
        slr train --data-dir DIR
        slr train --data-dir DIR --arch mobilenetv3 --output-dir runs/mine
        slr train --data-dir DIR --preset forerunner --lr 3e-4
        slr train --data-dir DIR --set augment.point_drop=0.1
        slr train --data-dir DIR --arch streaming --lookahead 8
        slr train --data-dir DIR --teacher runs/large
        slr train --data-dir DIR --init runs/large
        slr train --data-dir DIR --epochs 30 --folds signer --jobs 2
        slr train --data-dir DIR --sweep optim.lr=1e-3,2e-3 --jobs 2
        slr train --data-dir DIR --seeds 8 --cluster tcp://HOST:8786
        slr train --data-dir DIR --sweep optim.lr=1e-4..1e-2 --search 20
        slr train --resume runs/latest
        slr train --from-run runs/latest --output-dir runs/again
        torchrun --nproc-per-node 2 -m slrcli train --data-dir DIR
    """
    chosen = overrides(
        **{f"data__{name}": value for name, value in corpus.items()},
        data__vocab=vocab, data__normaliser=normaliser, data__max_frames=max_frames,
        model__arch=arch, model__dropout=dropout, distill__teacher=teacher,
        loss__own=loss, run__tracker=tracker or None,
        start__init=init, start__partial=init_partial, start__freeze=freeze or None,
        optim__lr=lr, optim__epochs=epochs, optim__batch_size=batch_size, optim__weight_decay=weight_decay,
        optim__warmup_epochs=warmup_epochs, optim__patience=patience,
        run__output_dir=output_dir, run__seed=seed, run__device=device, run__precision=precision,
        run__gradient_checkpointing=gradient_checkpointing,
    )  # fmt: skip
    runs = {"--folds": folds, "--fold-splits": fold_splits, "--seeds": seeds, "--score-split": score_split}
    fixed = {"--lookahead": lookahead, "--preset": preset, "--config": config, "--set": settings,
             "--arch": None if arch and is_own(arch) else arch, "--dropout": dropout, "--vocab": vocab,
             "--layout": corpus["layout"], "--normaliser": normaliser, "--teacher": teacher, "--init": init,
             "--loss": None if loss and is_own(loss) else loss, "--tracker": tracker or None,
             "--init-partial": init_partial, "--freeze": freeze, "--sweep": sweep, **runs}  # fmt: skip
    for own in filter(None, (arch, loss)):
        allow(own)
    if resume is not None:
        _refuse_with(
            "--resume", "A resumed run keeps its settings.",
            {**fixed, "--from-run": from_run, "--output-dir": output_dir, "--study": study, "--dry-run": dry_run},
        )  # fmt: skip
        for named in ("model", "loss"):  # so that its code may run
            chosen.pop(named, None)
        return _go_on(console, resume, chosen, jobs, cluster, search, as_json)
    if from_run is not None:
        learnt = {option_of(f"optim.{name}").flags[0]: value for name, value in chosen.get("optim", {}).items()}
        others = {"--search": search, "--study": study, "--jobs": jobs,
                  "--cluster": cluster, "--max-frames": max_frames, "--seed": seed,
                  "--device": device, "--precision": precision,
                  "--gradient-checkpointing": gradient_checkpointing}  # fmt: skip
        _refuse_with("--from-run", "A repeated run has the settings of the first.", {**fixed, **learnt, **others})
        for named in ("model", "loss"):  # so that its code may run
            chosen.pop(named, None)
        return _repeat(console, from_run, chosen, dry_run, as_json)
    asked = Asked(sweep or [], search, study, seeds or "", jobs, cluster, dry_run)
    _check_runs(runs, asked)
    settings = _with_lookahead(chosen, preset, config, settings or [], lookahead)
    if sweep:
        return _sweep(console, asked, chosen, preset, config, settings)
    settled = _settled(console, chosen, preset, config, settings)
    if folds or seeds:
        return start_folds(console, settled, runs, jobs, dry_run, cluster)
    keep_freed_memory()
    from slrcli.parallel.distributed import begun_again
    from slrcli.training.run import train as start

    if begun_again(settled.run.output_dir, CONFIG):
        console.note(f"Processes were lost and started again: {settled.run.output_dir} goes on.")
        return _go_on(console, Path(settled.run.output_dir), {}, None, None, None, as_json)
    return _tell(console, start(settled, console, dry_run), as_json)


def _refuse_with(flag: str, what: str, fixed: dict[str, Any]) -> None:
    """UsageError for options that a run has settled long ago."""
    given = ", ".join(flag for flag, value in fixed.items() if value is not None and value is not False and value != "")
    if given:
        raise UsageError(what, f"{flag}, {given}", "Leave it out, or start a new run.")


def _repeat(console: Console, folder: Path, chosen: dict[str, Any], dry_run: bool, as_json: bool) -> int:
    """Train a run again from its beginning."""
    if holds_several(folder):
        what = "The folder contains several runs."
        raise UsageError(what, f"--from-run {folder}", "Name one of the folders in it.")
    keep_freed_memory()
    from slrcli.training.resume import repeat

    return _tell(console, repeat(folder, chosen, console, dry_run), as_json)


def _go_on(
    console: Console,
    folder: Path,
    chosen: dict[str, Any],
    jobs: int | None,
    cluster: str | None,
    search: int | None,
    as_json: bool,
) -> int:
    """Resume a run, or several that belong together."""
    if search is not None and not (folder / SWEEP).is_file():
        raise UsageError("The folder contains no search.", f"--search, --resume {folder}", "Leave --search out.")
    if holds_several(folder):
        if chosen:
            what = "Resumed runs keep their settings."
            raise UsageError(what, "--resume", "Give only --jobs, or start new runs.")
        if not (folder / PLAN).is_file():
            return go_on_with_sweep(console, folder, jobs, search, cluster)
        return go_on_with_folds(console, folder, jobs, cluster)
    require_several({"--jobs": jobs, "--cluster": cluster})
    keep_freed_memory()
    from slrcli.training.resume import resume

    return _tell(console, resume(folder, chosen, console), as_json)


def _check_runs(runs: dict[str, str | None], asked: Asked) -> None:
    """UsageError where options for several runs stand without them, or among processes that train one."""
    if asked.sweep or asked.search is not None or asked.study is not None:
        require_sweep(asked, runs)
    elif not (runs["--folds"] or runs["--seeds"]):
        require_several({**runs, "--jobs": asked.jobs, "--cluster": asked.cluster})
        return
    if several():
        what = "Several runs cannot be trained under torchrun."
        raise UsageError(what, "--folds, --seeds, --sweep", "Start them without torchrun, with --jobs N.")


def _sweep(
    console: Console,
    asked: Asked,
    chosen: dict[str, dict[str, Any]],
    preset: str,
    file: Path | None,
    settings: list[str],
) -> int:
    """Train several runs that differ in some settings."""

    def resolved(values: Mapping[str, Any]) -> Config:
        return resolve(joined(chosen, sections_of(values)), preset, file, settings)

    def fitted(values: Mapping[str, Any]) -> Config:
        return _settled(console, joined(chosen, sections_of(values)), preset, file, settings)

    return start_sweep(console, asked, joined(chosen, read_assignments(settings)), resolved, fitted)


def _with_lookahead(
    chosen: dict[str, Any], preset: str, file: Path | None, settings: list[str], lookahead: int | None
) -> list[str]:
    """The assignments of `--set` with what `--lookahead` means before them."""
    if lookahead is None:
        return settings
    arch = resolve(chosen, preset, file, settings).model.arch
    if arch != "streaming":
        raise UsageError(f"{arch} needs whole clips.", "--lookahead", "Add --arch streaming.")
    return [f"model.options.lookahead={lookahead}", *settings]


def _settled(console: Console, chosen: dict[str, Any], preset: str, file: Path | None, settings: list[str]) -> Config:
    """The configuration of a new run out of all that was said, completed by what fits the corpus."""
    from slrcli.training.data import settle

    config = in_each(lambda: settle(console, chosen, preset, file, settings))
    if not config.data.data_dir:
        raise UsageError("No corpus is named.", "slr train", "Name one with --data-dir DIR.")
    return config


def _tell(console: Console, result: "TrainResult", as_json: bool) -> int:
    """Hand the result of a run to the console; the exit code."""
    if as_json:
        console.json({"run": result.run, "checkpoint": result.checkpoint, "epochs": result.epochs,
                      "stopped": result.stopped, "best": result.metrics})  # fmt: skip
    elif result.run is not None and result.metrics:
        console.result(f"best: WER {result.metrics['wer']:.2f} % on dev at epoch {result.metrics['epoch']}")
        console.result(f"checkpoint: {result.checkpoint}")
        corpus = read_toml(Path(result.run) / CONFIG)["data"]["data_dir"]
        console.note(f"Next:\n  slr eval {result.run} --data-dir {corpus}\n  slr decode FILES --model {result.run}")
    return result.exit_code
