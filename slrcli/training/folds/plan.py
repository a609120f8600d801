"""What is to be trained where several runs belong together: every fold with every seed, as `folds.json` has it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.checkpoints.runs import PLAN, find_checkpoint
from slrcli.config import FOLD_SPLITS, MOST_SEEDS, Config
from slrcli.console import Console
from slrcli.corpus import Corpus, Utterance
from slrcli.corpus.folds import (
    SIGNER,
    TABLE,
    UTTERANCE,
    Fold,
    folder_names,
    leave_one_signer_out,
    read_kind,
    sentence_folds,
    utterance_folds,
)
from slrcli.corpus.opening import open_data, require_distinct
from slrcli.errors import CheckpointError, DataError, UsageError
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.training.loss.teach import require_untaught, stored_folder
from slrcli.training.start import Source

FORMAT = "slr-folds-1"
ANNOTATIONS = "annotations"


@dataclass(frozen=True)
class Part:
    """A fold by its numbers; without folds there is one part, without a name, that is the corpus as it stands.

    Attributes:
        name: the signer who is held out, or the fold's number; "".
        learnt: utterances to learn from.
        held_out: utterances to be scored.
    """

    name: str = ""
    learnt: int = 0
    held_out: int = 0


@dataclass(frozen=True)
class Plan:
    """Runs that belong together.

    Attributes:
        folds: `signer`, `sentence:5`, or "" where seeds alone differ.
        splits: pooled for the folds.
        score_split: what is scored where there are no folds.
        parts: the folds.
        seeds: of every fold's runs.
        threads: of torch in every run; the numbers depend on it.
        config: settings of all runs; its seed is that of the folds.
        data_hash: of the annotations.
    """

    folds: str
    splits: tuple[str, ...]
    score_split: str
    parts: tuple[Part, ...]
    seeds: tuple[int, ...]
    threads: int
    config: Config
    data_hash: str = ""

    @property
    def runs(self) -> list[tuple[Part, int]]:
        """Part and seed of every run; all parts of the first seed go first."""
        return [(part, seed) for seed in self.seeds for part in self.parts]

    @property
    def by_signer(self) -> bool:
        """Whether signers are held out."""
        return self.folds == SIGNER

    @property
    def optimistic(self) -> bool:
        """Whether the best epoch is chosen by the very utterances that are scored."""
        return self.score_split == "dev"

    def slug(self, part: Part) -> str:
        """What the folders of a part are called."""
        names = [item.name for item in self.parts]
        return folder_names(names)[names.index(part.name)]

    def run_name(self, part: Part, seed: int) -> str:
        """The folder of a run."""
        return f"fold-{self.slug(part)}-seed{seed}" if self.folds else f"seed{seed}"

    def label(self, part: Part, seed: int) -> str:
        """A run for people."""
        what = f"signer {part.name}, " if self.by_signer else f"fold {part.name}, " if self.folds else ""
        return f"{what}seed {seed}"

    def config_of(self, folder: Path, part: Part, seed: int) -> Config:
        """The settings of a run; `folder` contains all runs."""
        run = replace(self.config.run, seed=seed, output_dir=str(folder / self.run_name(part, seed)))
        return replace(self.config, run=run, data=replace(self.config.data, **self.data_of(folder, part)))

    def data_of(self, folder: Path, part: Part) -> dict[str, Any]:
        """Settings by which a run finds the data of its part."""
        if not self.folds:
            return {}
        place = str((folder / ANNOTATIONS / self.slug(part)).resolve())
        return {"annotations": place, "format": TABLE, "exclude": ""}  # the tables lack what is left out

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"format": FORMAT, **asdict(self), "config": self.config.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Plan":
        """The opposite of `to_dict`.

        Raises:
            CheckpointError: the values are no plan.
        """
        try:
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']}")
            return cls(
                str(values["folds"]),
                tuple(map(str, values["splits"])),
                str(values["score_split"]),
                tuple(Part(**item) for item in values["parts"]),
                tuple(map(int, values["seeds"])),
                int(values["threads"]),
                Config.from_dict(values["config"], where),
                str(values["data_hash"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            fix = "Start again in a new folder."
            raise CheckpointError("The file is not a plan of several runs.", where, fix) from error


def read_plan(folder: Path) -> Plan:
    """The plan that a folder of several runs goes by.

    Raises:
        CheckpointError: damaged.
    """
    path = folder / PLAN
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fix = "Start again in a new folder."
        raise CheckpointError("The plan of the runs cannot be read.", str(path), fix) from error
    return Plan.from_dict(values, str(path))


def make_plan(
    config: Config, folds: str, splits: str, seeds: str, score_split: str, jobs: int, console: Console
) -> tuple[Plan, Corpus, list[Fold]]:
    """Settle what is to be trained, before anything is.

    Args:
        config: of all runs, paths absolute; its seed draws the folds and is the first where seeds are counted.
        folds: as `read_kind` reads them; "" for none.
        splits: names with commas between them; "" is train and dev.
        seeds: as `read_seeds` reads them; "" is that of `config`.
        score_split: what is scored where there are no folds; "" is dev.
        jobs: how many runs at a time.
        console: for what should be said of the data.

    Returns:
        The plan, the corpus, and the folds themselves; no fold where seeds alone differ.

    Raises:
        SlrError: options or data that allow no folds.
    """
    numbers = read_seeds(seeds, config.run.seed)
    kind, count = read_kind(folds) if folds else ("", 0)
    if folds and score_split:
        raise UsageError(
            "With folds, the held-out utterances are scored.", "--folds, --score-split", "Leave one of them out."
        )
    if splits and not folds:
        raise UsageError(
            "Without --folds, no folds are made of these splits.", "--fold-splits", "Use --folds signer or 5."
        )
    scored = score_split or "dev"
    if config.optim.patience and scored == "dev":
        what = "With --patience, the scored split would decide when training stops, which flatters the score."
        raise UsageError(what, "--patience", "Leave it out and set --epochs beforehand.")
    corpus = open_data(config.data)
    threads = threads_for(jobs)
    if not folds:
        corpus.require_features(scored) if scored != "dev" else None
        if config.data.dev_share and not corpus.splits.get("dev"):
            console.warn("The corpus has no dev split: each seed sets aside its own part of train.")
        return Plan("", (), scored, (Part(),), numbers, threads, config, corpus.hash), corpus, []
    names = tuple(splits.split(",")) if splits else tuple(name for name in FOLD_SPLITS if name in corpus.splits)
    made = make_folds(corpus, names, kind, count, config)
    held_out = {item.mark for fold in made for item in fold.held_out}
    if config.start.init:
        Source.open(config.start.init).require_unlearnt(held_out, console)
    if config.distill.teacher and stored_folder(config.distill.teacher) is None:
        path = find_checkpoint(Path(config.distill.teacher))
        require_untaught(load_checkpoint(path)[1], held_out, path, console)
    parts = tuple(Part(fold.name, len(fold.train), len(fold.held_out)) for fold in made)
    text = f"{kind}:{count}" if count else kind
    if config.data.vocab:
        console.warn(f"All folds use the vocabulary {config.data.vocab}, not that of their own training utterances.")
    return Plan(text, names, "dev", parts, numbers, threads, config, corpus.hash), corpus, made


def make_folds(corpus: Corpus, splits: Sequence[str], kind: str, count: int, config: Config) -> list[Fold]:
    """The folds of some splits, none of them without glosses on either side.

    Raises:
        DataError: a split or features are missing, ids occur twice, or the data do not allow such folds.
    """
    utterances = [item for name in splits for item in corpus.require_features(name)]
    require_distinct(utterances, " and ".join(splits))
    named = Vocabulary.load(Path(config.data.vocab)).normaliser if config.data.vocab else config.data.normaliser
    normalise = get_normaliser(named).normalise
    glosses = {item.id: tuple(normalise(item.glosses)) for item in utterances}

    def sentence(item: Utterance) -> tuple[str, ...]:
        return glosses[item.id]

    if kind == SIGNER:
        folds = leave_one_signer_out(utterances)
    elif kind == UTTERANCE:
        folds = utterance_folds(utterances, count, config.run.seed)
    else:
        folds = sentence_folds(utterances, count, config.run.seed, sentence)
    for fold in folds:
        for side, part in (("training", fold.train), ("held-out", fold.held_out)):
            if not any(map(sentence, part)):
                what = f"In the fold {fold.name} no {side} utterance has glosses (normaliser {named})."
                raise DataError(what, str(corpus.root), "Run slr check data, or make fewer folds.")
    return folds


def read_seeds(text: str, first: int) -> tuple[int, ...]:
    """The seeds that `--seeds` asks for: `3` are three from `first` on, `1,5` are these, "" is `first` alone.

    Raises:
        UsageError: anything else, or a number of seeds that is rather the name of one.
    """
    cells = [cell.strip() for cell in text.split(",")]
    if not text:
        return (first,)
    if not all(cell.isascii() and cell.isdigit() for cell in cells if cell) or not any(cells):
        raise UsageError(
            f"'{text}' is neither a number nor a list of seeds.",
            "--seeds",
            "Give their number, such as 3, or a list: 1,2,3.",
        )
    numbers = [int(cell) for cell in cells if cell]
    if "," in text:
        if len(set(numbers)) < len(numbers):
            raise UsageError(f"'{text}' contains a seed twice.", "--seeds", "Give each seed once.")
        return tuple(numbers)
    if not 1 <= numbers[0] <= MOST_SEEDS:
        fix = f"For the seed {numbers[0]} alone use --seed {numbers[0]}; write a list as 1,2,3."
        raise UsageError(f"There can be 1 to {MOST_SEEDS} seeds, not {numbers[0]}.", "--seeds", fix)
    return tuple(range(first, first + numbers[0]))


def threads_for(jobs: int) -> int:
    """Threads of torch in each run: side by side one, unless OMP_NUM_THREADS says otherwise."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if jobs > 1:
        return int(said) if said.isdigit() and int(said) else 1
    return torch.get_num_threads()
