"""Several recognisers on the same utterances, as papers compare them: rates, intervals, paired tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.errors import DataError
from slrcli.evaluation.checkpoint import EvalResult, evaluate_checkpoint
from slrcli.evaluation.evaluate import EVAL_BATCH
from slrcli.frames import frame_of
from slrcli.models.trust import allow, allowed
from slrcli.parallel.cluster import pool
from slrcli.parallel.workers import as_they_end
from slrcli.recognition.settings import DecoderOptions
from slrcli.scoring.protocols import get_protocols
from slrcli.scoring.systems import SystemScore, system_names, system_scores

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Compared:
    """What several recognisers make of one split.

    Attributes:
        names: of the recognisers, the first of which the others are compared with.
        results: what each makes of it.
        systems: every recogniser under every protocol.
    """

    names: tuple[str, ...]
    results: tuple[EvalResult, ...]
    systems: tuple[SystemScore, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A row per utterance of each recogniser."""
        pairs = zip(self.names, self.results, strict=True)
        return [{"system": name, **row} for name, result in pairs for row in result.rows()]

    def to_frame(self) -> "pandas.DataFrame":
        """`rows` as a data frame.

        Raises:
            DependencyError: pandas is not installed.
        """
        return frame_of(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        first = self.results[0]
        return {
            "split": first.split,
            "checkpoints": {
                name: str(result.checkpoint) for name, result in zip(self.names, self.results, strict=True)
            },
            "systems": [item.to_dict() for item in self.systems],
        }


def compare_checkpoints(
    console: Console,
    checkpoints: Sequence[Path],
    data: DataConfig,
    split: str = "",
    fps: float = 0.0,
    batch_size: int = EVAL_BATCH,
    device: str = "auto",
    protocol: str = "plain",
    decoder: DecoderOptions | None = None,
    seed: int = 1,
    cluster: str = "",
) -> Compared:
    """Score several recognisers on the same split, each with its own decoder; arguments as in `evaluate_checkpoint`.

    Args:
        seed: of the bootstrap.
        cluster: address of a Dask scheduler whose workers recognise, each with one of them; "": this process.

    Raises:
        SlrError: as `evaluate_checkpoint` says.
        DataError: their references differ, because their normalisers do.
    """
    work = partial(
        _evaluated, trusted=allowed(), data=data, split=split, fps=fps, batch_size=batch_size, device=device,
        protocol=protocol, decoder=decoder,
    )  # fmt: skip
    if cluster:
        results = _on_cluster(cluster, work, checkpoints, Path(data.data_dir), console)
    else:
        results = tuple(work(path, console=console) for path in checkpoints)
    refs = results[0].evaluation.references
    for path, result in zip(checkpoints, results, strict=True):
        if result.evaluation.references != refs:
            pair = f"{results[0].meta.vocabulary.normaliser} and {result.meta.vocabulary.normaliser}"
            what = f"The references of the recognisers differ: they were trained with the normalisers {pair}."
            raise DataError(what, str(path), "Compare recognisers of the same normaliser, or score them one by one.")
    names = tuple(system_names(checkpoints))
    sides = [result.evaluation.glosses for result in results]
    return Compared(names, results, system_scores(names, get_protocols(protocol), refs, sides, seed))


def _evaluated(
    path: Path,
    *,
    trusted: tuple[str, ...],
    console: Console | None = None,
    data: DataConfig,
    split: str,
    **settings: Any,
) -> EvalResult:
    """What one of them makes of the split; in a worker without a word."""
    for name in trusted:
        allow(name)
    return evaluate_checkpoint(console or Console(quiet=True), path, data, split, timed=False, **settings)


def _on_cluster(
    cluster: str, work: Callable[[Path], EvalResult], paths: Sequence[Path], corpus: Path, console: Console
) -> tuple[EvalResult, ...]:
    """The same work for all recognisers, on the workers of a cluster."""
    with pool(cluster, 1, corpus) as workers, console.progress("recognisers", len(paths)) as task:
        jobs = [workers.submit(work, path) for path in paths]
        for _ in as_they_end(jobs):
            task.advance(1)
        return tuple(job.result() for job in jobs)
