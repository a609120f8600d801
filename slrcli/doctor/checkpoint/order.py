"""How much a recogniser leans on the order of glosses: the signs of known clips, put together in orders of their own.

Every sign is cut out of its clip and stands in for another take of the same gloss by the same signer. Sentences are
put together of such takes twice: as they are annotated, and in a new order. Both are cut and joined alike, of the very
same takes, so that what one costs more than the other is the order alone.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from slrcli.corpus.clips import Clips, by_length
from slrcli.decoding.decoder import BestPath
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.decoding.segments import segment
from slrcli.errors import DataError
from slrcli.evaluation.evaluate import EVAL_BATCH, encodable, evaluate
from slrcli.features.clip import padded
from slrcli.features.motion import active, join
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.scoring.stats import Interval, difference
from slrcli.scoring.wer import Score, score
from slrcli.training.locate import REST

BRIDGE = 3  # frames of movement between two parts
TRIES = 50  # orders that are drawn for a sentence, of which the newest is taken
SHORTEST = 2  # frames of a sign


@dataclass(frozen=True)
class Take:
    """A sign in a clip: the place of the clip, its first frame and the one after its last."""

    clip: int
    start: int
    stop: int


@dataclass(frozen=True)
class Sentence:
    """A sentence to be put together.

    Attributes:
        clip: place of the one whose rest poses stand at both ends.
        rest: the last frame of the one and the first frame of the other, counted as in `Take`.
        glosses: as annotated.
        takes: of each gloss.
        order: places of the glosses in the new order.
    """

    clip: int
    rest: tuple[int, int]
    glosses: tuple[str, ...]
    takes: tuple[Take, ...]
    order: tuple[int, ...]

    @property
    def reordered(self) -> "Sentence":
        """The same takes, signed in the new order."""
        glosses = tuple(self.glosses[place] for place in self.order)
        return replace(self, glosses=glosses, takes=tuple(self.takes[place] for place in self.order))

    def frames(self, clips: Clips) -> np.ndarray:
        """The clip that is put together, float32 `[T, width]`."""
        own = Take(self.clip, 0, self.rest[0]), Take(self.clip, self.rest[1], len(clips[self.clip]))
        parts = [part for part in (own[0], *self.takes, own[1]) if part.stop > part.start]
        pieces = [clips[part.clip][part.start : part.stop, : clips.layout.positions] for part in parts]
        return join(pieces, [BRIDGE] * (len(parts) - 1), clips.layout)[0]


@dataclass(frozen=True)
class OrderEffect:
    """What became of the clips.

    Attributes:
        whole: the score on the clips as they are, all of them.
        control: on sentences of exchanged takes, in the order that is annotated.
        reordered: on the same takes in a new order.
        difference: WER of the reordered minus that of the control, in percent points.
        interval: of that difference, by the paired bootstrap.
        exchanged: share of the signs, in percent, that come from another clip than the sentence.
        left_out: clips of which no sentence could be made.
        inner: the best path of the inner heads on the control's sentences and on the reordered; None: no inner heads.
    """

    whole: Score
    control: Score
    reordered: Score
    difference: float
    interval: Interval
    exchanged: float
    left_out: int
    inner: tuple[Score, Score] | None = None

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain values, for `--json`: error rates and shares in percent, differences in percent points."""
        control, reordered = (item.wer for item in self.inner) if self.inner else (None, None)
        return {"whole_wer": self.whole.wer, "control_wer": self.control.wer, "reordered_wer": self.reordered.wer,
                "inner_control_wer": control, "inner_reordered_wer": reordered, "difference": self.difference,
                "low": self.interval.low, "high": self.interval.high, "exchanged": self.exchanged,
                "left_out": self.left_out}  # fmt: skip


def order_effect(recogniser: ClipRecogniser, clips: Clips, seed: int = 1) -> OrderEffect | None:
    """Measure it; None where no clip has two different glosses that can be placed.

    Args:
        recogniser: is asked where the signs are (`local_log_probs`), and what all clips say.
        clips: a split whose utterances name their signers.
        seed: of what is exchanged for what, and of the new orders.
    """
    rng = np.random.default_rng(seed)
    saw = recogniser.meta.saw
    spans = sign_spans_of(recogniser, clips)
    takes = exchanged(clips, spans, rng)
    sentences = {}
    for index, own in spans.items():
        glosses = clips.utterances[index].glosses
        order = new_order(glosses, rng, saw)
        if order:
            sentences[index] = Sentence(index, (own[0].start, own[-1].stop), glosses, takes[index], order)
    if not sentences:
        return None
    sides = {False: list(sentences.values()), True: [item.reordered for item in sentences.values()]}
    control, reordered = (read(clips, side, recogniser.recognise) for side in sides.values())
    if control is None or reordered is None:
        return None
    inner, inner_reordered = (read(clips, side, inner_reader(recogniser)) for side in sides.values())
    foreign = [take.clip != item.clip for item in sentences.values() for take in item.takes]
    return OrderEffect(
        evaluate(recogniser, clips).score,
        control,
        reordered,
        *difference(control, reordered, seed=seed),
        100 * float(np.mean(foreign)),
        len(clips) - len(sentences),
        None if inner is None or inner_reordered is None else (inner, inner_reordered),
    )


def sign_spans_of(recogniser: ClipRecogniser, clips: Clips) -> dict[int, tuple[Take, ...]]:
    """Place of a clip -> where its signs are, without the rest poses; clips that cannot be parted are not there."""
    found = {}
    for part in clips.batches(EVAL_BATCH):
        arrays = [clips[index] for index in part]
        tables, lengths = recogniser.local_log_probs(*padded(arrays))
        for index, x, table, count in zip(part, arrays, tables, lengths.tolist(), strict=True):
            ids = encodable(clips.utterances[index].glosses, recogniser)
            if not (ids and clips.utterances[index].signer):
                continue
            with suppress(DataError):  # too short for its glosses
                cuts = [round(first * recogniser.stride) for first, _ in segment(table[:count], ids)] + [len(x)]
                start, stop = active(x[:, : clips.layout.positions], clips.layout, REST)
                cuts[0], cuts[-1] = min(start, cuts[1] - SHORTEST), max(stop, cuts[-2] + SHORTEST)
                takes = tuple(Take(index, max(first, 0), min(last, len(x))) for first, last in pairwise(cuts))
                if all(take.stop - take.start >= SHORTEST for take in takes):
                    found[index] = takes
    return dict(sorted(found.items()))


def exchanged(
    clips: Clips, spans: dict[int, tuple[Take, ...]], rng: np.random.Generator
) -> dict[int, tuple[Take, ...]]:
    """The takes in new places: each is used once, for its own gloss and signer, in another clip if it can be."""
    alike = defaultdict(list)
    for index, takes in spans.items():
        item = clips.utterances[index]
        for place, gloss in enumerate(item.glosses):
            alike[item.signer, gloss].append((index, place, takes[place]))
    found = {index: list(takes) for index, takes in spans.items()}
    for group in alike.values():
        drawn = [group[number] for number in rng.permutation(len(group))]
        for (index, place, _), (*_, take) in zip(drawn, drawn[1:] + drawn[:1], strict=True):
            found[index][place] = take
    return {index: tuple(takes) for index, takes in found.items()}


def new_order(
    glosses: Sequence[str], rng: np.random.Generator, saw: Callable[[Sequence[str]], bool | None]
) -> tuple[int, ...] | None:
    """An order of the places of a sentence that makes another one; None where there is none.

    Of some that are drawn, it is that which is no known sentence, puts no gloss beside itself, and keeps the fewest
    neighbours.
    """
    if len(set(glosses)) < 2:
        return None
    edges = set(pairwise((None, *glosses, None)))

    def cost(order: tuple[int, ...]) -> tuple:
        new = [glosses[place] for place in order]
        kept = sum(pair in edges for pair in pairwise((None, *new, None)))
        return new == list(glosses), bool(saw(new)), sum(a == b for a, b in pairwise(new)), kept

    drawn = [tuple(rng.permutation(len(glosses)).tolist()) for _ in range(TRIES)]
    best = min(drawn, key=cost)
    return None if cost(best)[0] else best


Says = Callable[[Sequence[np.ndarray]], Sequence[Hypothesis] | None]


def read(clips: Clips, sentences: Sequence[Sentence], says: Says) -> Score | None:
    """What is made of sentences that are put together, some at a time; None where nothing can be made of any."""
    found: dict[int, list[str]] = {}
    for part in by_length([clips.frames[item.clip] for item in sentences], EVAL_BATCH):
        said = says([sentences[number].frames(clips) for number in part])
        if said is None:
            return None
        found |= zip(part, (list(item.glosses) for item in said), strict=True)
    ids = [clips.utterances[item.clip].id for item in sentences]
    references = {id: list(item.glosses) for id, item in zip(ids, sentences, strict=True)}
    return score(references, {id: found[number] for number, id in enumerate(ids)})


def inner_reader(recogniser: ClipRecogniser) -> Says:
    """What the best path of the inner heads says of clips; None where the network has none."""
    decode = BestPath(recogniser.vocabulary)

    def says(arrays: Sequence[np.ndarray]) -> list[Hypothesis] | None:
        said = recogniser.inner_log_probs(*padded(arrays))
        return None if said is None else decode(said[0], said[1].tolist(), recogniser.stride)

    return says
