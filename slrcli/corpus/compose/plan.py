"""Which clips make up which sentence: a seeded draw, signer by signer, with no clip in two splits."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from slrcli.config import COMPOSE_SPLITS, ComposeConfig
from slrcli.corpus import SPLITS, Utterance
from slrcli.corpus.compose.clips import UNKNOWN, Clip
from slrcli.corpus.compose.language import START, BigramModel
from slrcli.corpus.division import divide
from slrcli.errors import DataError, shortened


@dataclass(frozen=True)
class Sentence:
    """The plan of one sentence.

    Attributes:
        id: its name.
        split: its split.
        signer: the signer of all its clips.
        clips: its clips, in the order of signing.
        gaps: frames of the transition after each clip but the last.
    """

    id: str
    split: str
    signer: str
    clips: tuple[Clip, ...]
    gaps: tuple[int, ...]

    @property
    def glosses(self) -> list[str]:
        """The glosses of the sentence."""
        return [clip.gloss for clip in self.clips]


def choose_split(clips: Sequence[Clip], options: ComposeConfig) -> str:
    """How to split the clips: as requested, or the first kind that these clips allow.

    Raises:
        DataError: the requested kind is not possible.
    """
    people = {clip.signer for clip in clips}
    wanted = 1 + (options.dev > 0) + (options.test > 0)
    possible = {
        "given": any(clip.split for clip in clips),
        "signer": len(people) >= wanted and UNKNOWN not in people,
        "clip": True,
    }
    if options.split_by == "auto":
        return next(kind for kind in COMPOSE_SPLITS if possible[kind])
    if not possible[options.split_by]:
        why = {
            "given": "no clip says which split it belongs to",
            "signer": f"{wanted} splits need at least {wanted} known signers, and there are {len(people - {UNKNOWN})}",
        }
        raise DataError(
            f"The clips cannot be split by {options.split_by}: {why[options.split_by]}.", fix="Use --split-by clip."
        )
    return options.split_by


def split_clips(clips: Sequence[Clip], by: str, options: ComposeConfig) -> dict[str, list[Clip]]:
    """The clips of each split, train first; no clip is in two splits.

    By clip, every gloss gives its rounded shares to dev and test, as long as one of its clips stays in train.
    """
    if by == "given":
        found: dict[str, list[Clip]] = {}
        for clip in clips:
            found.setdefault(clip.split or "train", []).append(clip)
        if strange := [name for name in found if name not in SPLITS]:
            what = f"The clips of the split {shortened(strange[0], 80)!r} are in none of {', '.join(SPLITS)}."
            raise DataError(what, fix="Rename the split, or make new ones with --split-by.")
        return {name: found[name] for name in (*SPLITS, *found) if name in found}
    if by == "signer":
        people = [Utterance(clip.id, (clip.gloss,), signer=clip.signer) for clip in clips]
        divided = divide(people, "signer", options.dev, options.test, options.seed)
        place = {item.id: name for name, items in divided.items() for item in items}
    else:
        place = _by_clip(clips, options)
    splits: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    for clip in clips:
        splits[place[clip.id]].append(replace(clip, split=place[clip.id]))
    return {name: members for name, members in splits.items() if members}


def _by_clip(clips: Sequence[Clip], options: ComposeConfig) -> dict[str, str]:
    groups: dict[str, list[str]] = {}
    for clip in clips:
        groups.setdefault(clip.gloss, []).append(clip.id)
    place = {}
    for members in groups.values():
        drawn = sorted(members, key=lambda id: hashlib.sha256(f"{options.seed}:{id}".encode()).digest())
        test = min(round(options.test * len(drawn)), len(drawn) - 1)
        dev = min(round(options.dev * len(drawn)), len(drawn) - 1 - test)
        for number, id in enumerate(drawn):
            place[id] = "test" if number < test else "dev" if number < test + dev else "train"
    return place


def with_enough(splits: dict[str, list[Clip]], options: ComposeConfig) -> tuple[dict[str, list[Clip]], dict[str, int]]:
    """The splits without the signers who have too few clips for the longest sentence, and these signers.

    Returns:
        The splits, and `signer (split)` -> number of clips for each signer that is left out.

    Raises:
        DataError: no signer in a split has enough clips.
    """
    passed: dict[str, int] = {}
    kept: dict[str, list[Clip]] = {}
    for split, clips in splits.items():
        counts = Counter(clip.signer for clip in clips)
        scarce = {signer for signer, count in counts.items() if count < options.signs[1]}
        kept[split] = [clip for clip in clips if clip.signer not in scarce]
        if not kept[split]:
            what = f"No signer has {options.signs[1]} clips in {split}, enough for the longest sentence."
            raise DataError(what, fix="Use shorter sentences (--signs), another --split-by, or a larger share.")
        passed |= {f"{signer} ({split})": counts[signer] for signer in sorted(scarce)}
    return kept, passed


def plan(splits: dict[str, list[Clip]], options: ComposeConfig, model: BigramModel | None = None) -> Iterator[Sentence]:
    """The sentences of every split, drawn one after the other: a larger number does not change the first ones.

    The signers take turns. Without a model, all clips are used about equally often; with one, the model draws the gloss
    among those that the signer has, and the clips of a gloss take turns. No clip occurs twice in a sentence.

    Args:
        splits: as returned by `with_enough`.
        options: sizes and seed.
        model: bigram model of the order of glosses; None: uniform.
    """
    for number, split in enumerate(splits):
        people: dict[str, list[Clip]] = {}
        for clip in splits[split]:
            people.setdefault(clip.signer, []).append(clip)
        rng = np.random.default_rng([options.seed, number])
        decks = [(signer, _Deck(people[signer], rng, model)) for signer in sorted(people)]
        for index in range(share_of(options, split, splits)):
            signer, deck = decks[index % len(decks)]
            chosen = deck.sentence(*options.signs)
            gaps = rng.integers(options.bridge[0], options.bridge[1] + 1, len(chosen) - 1)
            yield Sentence(
                f"{options.name}-{split}-{index + 1:05d}", split, signer, tuple(chosen), tuple(gaps.tolist())
            )


def share_of(options: ComposeConfig, split: str, splits: dict[str, list[Clip]]) -> int:
    """Number of sentences of a split: dev and test get their shares, at least one each, and train the rest."""
    shares = {"dev": options.dev, "test": options.test}
    others = {
        name: max(1, round(shares.get(name, options.test) * options.sentences)) for name in splits if name != "train"
    }
    return others[split] if split in others else max(1, options.sentences - sum(others.values()))


class _Deck:
    """The clips of one signer in one split, dealt in turn from a shuffled pile."""

    def __init__(self, clips: Sequence[Clip], rng: np.random.Generator, model: BigramModel | None):
        self._rng = rng
        self._model = model
        self._piles: dict[str, list[Clip]] = {}
        self._left: dict[str, list[Clip]] = {}
        for clip in clips:
            self._piles.setdefault(clip.gloss if model else "", []).append(clip)

    def sentence(self, shortest: int, longest: int) -> list[Clip]:
        """The clips of one sentence, each another."""
        if self._model is None:
            length = int(self._rng.integers(shortest, longest + 1))
        else:
            length = self._model.draw_length(shortest, longest, self._rng)
        chosen: list[Clip] = []
        while len(chosen) < length:
            pile = self._next_pile(chosen)
            chosen.append(self._deal(pile, {clip.id for clip in chosen}))
        return chosen

    def _next_pile(self, chosen: Sequence[Clip]) -> str:
        """The gloss whose pile is dealt from next; without a model there is one pile for all."""
        if self._model is None:
            return ""
        used = [clip.gloss for clip in chosen]
        among = [gloss for gloss, pile in self._piles.items() if used.count(gloss) < len(pile)]
        weights = self._model.probabilities(used[-1] if used else START, among)
        return among[int(self._rng.choice(len(among), p=weights))]

    def _deal(self, pile: str, used: set[str]) -> Clip:
        """The next clip of a pile that is not in the sentence yet; an empty pile is shuffled anew."""
        left = self._left.setdefault(pile, [])
        for place, clip in enumerate(left):
            if clip.id not in used:
                return left.pop(place)
        order = self._rng.permutation(len(self._piles[pile]))
        left += [self._piles[pile][number] for number in order]
        place = next(place for place, clip in enumerate(left) if clip.id not in used)
        return left.pop(place)
