"""What `slr train` does: corpus in, a run's folder with checkpoints, log and metrics out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from slrcli.checkpoints.runs import CONFIG, new_run, point_latest, require_no_run, run_folder
from slrcli.config import Config, check_bounds, to_toml
from slrcli.console import Console
from slrcli.errors import SlrError
from slrcli.features.store import address_of
from slrcli.files import atomic_write_text
from slrcli.models.base import SignModel, device_of
from slrcli.models.registry import ARCHITECTURES, build_model, read_options
from slrcli.models.trust import allow
from slrcli.parallel import distributed
from slrcli.training.data import TrainingData, load_training_data
from slrcli.training.loss.teach import without_pace
from slrcli.training.session import Session, TrainResult
from slrcli.training.start import TABLE, Past, Source, start_from


def train(
    config: Config,
    console: Console,
    dry_run: bool = False,
    newest: bool = True,
    place: AbstractContextManager[Path] | None = None,
    require: Callable[["Session"], None] = lambda session: None,
) -> TrainResult:
    """Train a new model.

    Args:
        config: resolved; `data.data_dir` is required.
        console: progress and notes go there.
        dry_run: one batch of each phase, nothing written.
        newest: let `runs/latest` mean this run.
        place: gives the folder of the run; None: a new one, as `run.output_dir` says.
        require: raises an error where the data are not those that are wanted; called when they have been read.

    Raises:
        SlrError: data, options or memory that do not allow it.
    """

    def begin() -> tuple[Config, TrainingData, SignModel, Past]:
        check_bounds(config)
        if config.run.output_dir and place is None and not dry_run:
            require_no_run(Path(config.run.output_dir))  # before anything of the corpus is read
        if config.model.arch not in ARCHITECTURES:
            allow(config.model.arch)
        require_added(config)
        settled = with_every_option(with_absolute_paths(config))
        if config.distill.teacher:
            settled = without_pace(settled, console)
        return settled, *fresh(settled, console)

    config, data, model, past = distributed.agreed(begin)
    session = Session(config, data, model, console, past)
    if not distributed.first():
        return session.follow()
    session.describe()
    session.set_statistics(4 * config.optim.batch_size if dry_run else 0)
    require(session)
    if dry_run:
        return session.dry_run()
    with place or new_run(config.run.output_dir, config.model.arch) as run:
        if newest:
            point_latest(run)
        atomic_write_text(run / CONFIG, to_toml(config))
        session.data.vocabulary.save(run / "vocab.json")
        if past.table:
            atomic_write_text(run / TABLE, past.table)
        return session.run(run)


def require_added(config: Config) -> None:
    """SlrError where a loss of the user's own or a tracker is not there, before a run is made."""
    if config.loss.own:
        from slrcli.training.loss.own import find_loss

        find_loss(config.loss.own)
    if config.run.tracker:
        from slrcli.training.watch.trackers import find_tracker

        for name in config.run.tracker:
            find_tracker(name)


def fresh(config: Config, console: Console) -> tuple[TrainingData, SignModel, Past]:
    """The data of a run, and a new model for them on its device: its weights are decided by the seed, or come from the
    recogniser that the run starts from.
    """
    torch.manual_seed(config.run.seed)
    device = distributed.choose_device(config.run.device)
    source = Source.open(config.start.init) if config.start.init else None
    data = load_training_data(config, console, source=source)
    model = build_model(
        config.model.arch, data.layout, len(data.vocabulary.tokens),
        dropout=config.model.dropout, options=config.model.options,
    )  # fmt: skip
    past = start_from(source, model, data.vocabulary, data.held_out, config, console) if source else Past()
    model.freeze(config.start.freeze)
    model = model.to(device)
    require_precision(model, config.run.precision)
    return data, model, past


def require_precision(model: nn.Module, precision: str) -> None:
    """SlrError where a model with LSTMs is to learn in bf16 on a processor whose kernels have none; asked by trying."""
    lstm = next((part for part in model.modules() if isinstance(part, nn.LSTM)), None)
    if precision != "bf16" or lstm is None or device_of(model).type != "cpu":
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
            probe = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
            probe(torch.ones(1, 2, lstm.input_size))[0].float().sum().backward()
    except RuntimeError as error:
        fix = "Use --precision fp32, or an architecture without LSTMs: --arch tcn."
        raise SlrError("This CPU cannot train an LSTM in bf16.", "--precision bf16", fix) from error


def with_absolute_paths(config: Config) -> Config:
    """The configuration with paths that mean the same from every directory, as it is written down."""
    data = config.data
    layout = str(Path(data.layout).resolve()) if data.layout.endswith(".toml") else data.layout
    named = ("data_dir", "annotations", "features", "exclude", "vocab")
    paths: dict[str, Any] = {
        key: address_of(value) or str(Path(value).resolve()) for key in named if (value := getattr(data, key))
    }
    teacher = config.distill.teacher and str(run_folder(Path(config.distill.teacher)).resolve())
    init = config.start.init and str(run_folder(Path(config.start.init)).resolve())
    return replace(
        config,
        data=replace(data, layout=layout, **paths),
        distill=replace(config.distill, teacher=teacher),
        start=replace(config.start, init=init),
    )


def with_every_option(config: Config) -> Config:
    """The configuration with all options of its architecture written out, so that a checkpoint outlives a default."""
    options = asdict(read_options(config.model.arch, config.model.options))
    return replace(config, model=replace(config.model, options=options))
