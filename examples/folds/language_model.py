"""What a language model adds to recognisers that were trained in folds by sentences (`slr train --folds sentence:3`).

Of every fold the held-out sentences are decoded by best path, by beam search, and by beam search with an n-gram model
of the glosses that the fold learnt from. Which weight and bonus count for a fold is chosen on the other folds' held-out
sentences, so that no sentence has a say in its own score. All folds' errors are pooled; the intervals are of paired
bootstraps over utterances.

Usage: python examples/folds/language_model.py CORPUS RUNS/DATE-sentence-folds
       python examples/folds/language_model.py FOLDS RUNS [--split test]    (of `both_new.py`, a run RUNS/NAME each)
"""

import argparse
import itertools
from pathlib import Path

from slrcli.corpus import Corpus, open_corpus
from slrcli.corpus.clips import Clips, by_length, collate
from slrcli.decoding.beam import BeamSearch
from slrcli.decoding.greedy import greedy_batch
from slrcli.decoding.scorer import Fusion
from slrcli.errors import SlrError
from slrcli.language import BoundModel, estimate, perplexity
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.scoring.stats import compare, interval
from slrcli.scoring.wer import Score, score

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
BONUSES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
BATCH = 8


class Fold:
    """A fold's recogniser, what it makes of the held-out clips, and a language model of what it learnt from.

    Args:
        name: what to call it.
        corpus: what the fold learns from, and what is held out.
        run: the fold's folder, such as `fold-1-seed1`.
        split: the held-out utterances.
        order: of the language model.
    """

    def __init__(self, name: str, corpus: Corpus, run: Path, split: str, order: int):
        self.name = name
        self.recogniser = Recogniser.from_checkpoint(run / "last.safetensors")
        meta = self.recogniser.meta
        opened = corpus.normalised(meta.vocabulary.normaliser)
        self.held_out = opened.require_features(split)
        self.references = {item.id: list(item.glosses) for item in self.held_out}
        model, _ = estimate([item.glosses for item in opened.split("train")], order)
        self.perplexity = perplexity(model, self.references.values())
        self.language = BoundModel(model, meta.vocabulary)
        clips = Clips(self.held_out, meta.layout, **meta.config.data.preparation)
        self.batches = [self._look(clips, part) for part in by_length(clips.frames, BATCH)]

    def _look(self, clips: Clips, part: list[int]):
        batch = collate([clips[index] for index in part], [()] * len(part), part)
        output = self.recogniser.posteriors(batch)
        ids = [self.held_out[index].id for index in part]
        return ids, output.log_probs.float().numpy(), output.lengths.tolist(), batch.lengths.tolist()

    def decoded(self, decoder) -> dict[str, list[str]]:
        """Utterance id -> glosses, by a decoder of batches."""
        stride = self.recogniser.stride
        found = {}
        for ids, log_probs, lengths, input_lengths in self.batches:
            for id, item in zip(ids, decoder(log_probs, lengths, stride, input_lengths), strict=True):
                found[id] = list(item.glosses)
        return found

    def greedy(self) -> dict[str, list[str]]:
        """What best-path decoding gives."""
        vocabulary = self.recogniser.vocabulary
        return self.decoded(
            lambda table, lengths, stride, frames: greedy_batch(table, lengths, stride, vocabulary, frames)
        )

    def beam(self, width: int, weight: float, bonus: float) -> dict[str, list[str]]:
        """What a beam search gives; weight 0 leaves the language model out."""
        vocabulary = self.recogniser.vocabulary
        scorer = Fusion([(self.language, weight)], len(vocabulary), bonus) if weight or bonus else None
        return self.decoded(BeamSearch(vocabulary, width, scorer=scorer))


def folds_of(corpus: Path, runs: Path, split: str, order: int, seed: int) -> list[Fold]:
    """The folds of `slr train --folds`, or those of `both_new.py` where each is a corpus of its own."""
    own = runs / "annotations"
    if own.is_dir():
        tables = sorted(path for path in own.iterdir() if path.is_dir())
        parts = [
            (path.name, open_corpus(corpus, "table", path), runs / f"fold-{path.name}-seed{seed}") for path in tables
        ]
    else:
        names = sorted(path.name for path in corpus.iterdir() if (runs / path.name).is_dir())
        parts = [(name, open_corpus(corpus / name), runs / name) for name in names]
    return [Fold(name, opened, run, split, order) for name, opened, run in parts]


def chosen(errors: dict[tuple[float, float], list[int]], fold: int) -> tuple[float, float]:
    """The setting with the fewest errors on the other folds; of equals the one of less weight."""
    return min(errors, key=lambda setting: (sum(errors[setting]) - errors[setting][fold], setting))


def pooled(folds: list[Fold], found: list[dict[str, list[str]]]) -> Score:
    """All folds as one score."""
    references = {id: glosses for fold in folds for id, glosses in fold.references.items()}
    return score(references, {id: glosses for own in found for id, glosses in own.items()})


def report(name: str, own: Score, other: Score | None = None) -> None:
    """A line about a system, with the interval of its difference from another."""
    sure = interval(own)
    errors = f"S {own.substitutions:3} D {own.deletions:3} I {own.insertions:3}"
    print(f"{name:44} {own.wer:6.2f} % [{sure.low:5.1f}, {sure.high:5.1f}]  {errors}", end="")
    if other is not None:
        found = compare(other, own)
        print(f"  {found.difference:+6.2f} [{found.interval.low:+.2f}, {found.interval.high:+.2f}]", end="")
    print()


def main() -> None:
    """Decode every fold in every setting, choose, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path, help="folder that slr train --folds wrote, or of a run for each fold")
    parser.add_argument("--split", default="dev", help="what is held out")
    parser.add_argument("--order", type=int, default=2, help="of the n-gram model")
    parser.add_argument("--beam", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the runs")
    given = parser.parse_args()
    folds = folds_of(given.corpus, given.runs, given.split, given.order, given.seed)
    for fold in folds:
        seen = fold.perplexity
        print(
            f"fold {fold.name}: {seen.sentences} sentences held out, perplexity {seen.including_unknown:.1f}, "
            f"{seen.excluding_unknown:.1f} without the {seen.unknown.total()} OOV glosses of {seen.tokens}"
        )
    settings = list(itertools.product(WEIGHTS, BONUSES))
    found = {setting: [fold.beam(given.beam, *setting) for fold in folds] for setting in settings}
    errors = {
        setting: [score(fold.references, own).errors for fold, own in zip(folds, each, strict=True)]
        for setting, each in found.items()
    }
    bonus_alone = {setting: counts for setting, counts in errors.items() if not setting[0]}
    best_path = pooled(folds, [fold.greedy() for fold in folds])
    report("best path", best_path)
    plain = pooled(folds, found[0.0, 0.0])
    report(f"beam {given.beam}", plain)
    scores = {}
    for name, among in (("bonus for each gloss", bonus_alone), ("language model and bonus", errors)):
        picks = [chosen(among, place) for place in range(len(folds))]
        scores[name] = pooled(folds, [found[pick][place] for place, pick in enumerate(picks)])
        report(f"  + {name}, against the beam alone", scores[name], plain)
        print(f"    weight and bonus by fold: {', '.join(f'{weight:g} {bonus:g}' for weight, bonus in picks)}")
    bonus, language = scores.values()
    weight, bonus_of_all = min(errors, key=lambda setting: (sum(errors[setting]), setting))
    whole = pooled(folds, found[weight, bonus_of_all])
    print(f"    fewest errors on all folds: weight {weight:g}, bonus {bonus_of_all:g} ({whole.wer:.2f} %)")
    report("  language model and bonus, against the bonus", language, bonus)
    report("  language model and bonus, against best path", language, best_path)


if __name__ == "__main__":
    try:
        main()
    except SlrError as error:
        raise SystemExit(str(error)) from error
