"""Annotation tables: whether they can be read, and what their glosses are like."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, groupby, pairwise

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from slrcli.corpus import Utterance
from slrcli.doctor.context import Checks, clips, error, many, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.findings import Finding
from slrcli.glosses.variants import alike, hidden, list_remains, plain, shown

TABLE_CHECKS = Checks()

FREQUENT = 5  # times that a gloss occurs in train before a rare look-alike is suspected of being its misspelling
SURE_LENGTH, LONG = 5, 9  # letters of a gloss from which one letter, two letters may be a slip
LOST = 0.25  # share of a split's tokens; a normaliser that takes more away changes the task
IN_A_ROW = 4  # times that one gloss follows itself; signers repeat twice or thrice, copying errors do not stop there


def table_line(item: Utterance) -> str:
    """Where an utterance stands: `train.corpus.csv line 12`."""
    return f"{item.table.name} line {item.line}" if item.table else item.id


def tokens_of(utterances: Iterable[Utterance]) -> list[str]:
    """All glosses of some utterances, in order."""
    return [gloss for item in utterances for gloss in item.glosses]


@TABLE_CHECKS.add("SLR-D14", "annotation tables can be read")
def sound_tables(context: DataContext) -> Iterator[Finding]:
    """Encoding, columns and ids of every line of every table; all bad lines, not the first alone."""
    found = False
    for facts in context.tables:
        kinds: dict[str, list[int]] = {}
        for line, problem in facts.damaged:
            kinds.setdefault(problem, []).append(line)
        for problem, lines in kinds.items():
            found = True
            place = f"{facts.table}, line {some(lines)}" if any(lines) else str(facts.table)
            yield error(
                f"{many(len(lines), 'line')} of {facts.table.name}: {problem}", place, "save as UTF-8, mend the lines"
            )
        if facts.twice:
            yield warning(
                f"{facts.table.name} has more than one column named {', '.join(facts.twice)}: the first is read",
                f"{facts.table}, line 1",
                "rename or remove the others",
            )
        marks = "".join([", byte order mark" * facts.marked, f", {'/'.join(facts.endings)} line ends"])
        yield note(f"{facts.table.name}: columns {', '.join(facts.columns)}{marks}")
    if context.table_problem is not None and not found:
        raise context.table_problem


@TABLE_CHECKS.add("SLR-D01", "there is a train split", needs=("SLR-D14",))
def train_split(context: DataContext) -> Iterator[Finding]:
    """Train holds utterances; how many each split has."""
    splits = context.corpus.splits
    if not splits.get("train"):
        has = f"the splits {', '.join(splits)}" if splits else "no split"
        yield error(
            f"there is no utterance to train on: the corpus has {has}",
            str(context.corpus.root),
            "name the train table train.corpus.csv (or train.csv), or give a column split",
        )
    glosses = tokens_of(splits.get("train", ()))
    sizes = ", ".join(f"{name} {len(utterances):,}" for name, utterances in splits.items())
    if splits.get("train") and not splits.get("dev"):
        yield note("there is no dev split: training holds a tenth of train back in its place")
    yield note(
        f"utterances: {sizes}; train holds {many(len(glosses), 'gloss', 'glosses')} of {len(set(glosses)):,} types"
    )


@TABLE_CHECKS.add("SLR-D09", "the normaliser leaves glosses in every utterance", needs=("SLR-D14",))
def annotated(context: DataContext) -> Iterator[Finding]:
    """Utterances without a gloss after normalisation, and how many tokens of each split it removes or changes."""
    for name, utterances in context.corpus.splits.items():
        empty = [item for item in utterances if not item.glosses]
        if empty:
            say = error if name == "train" else warning
            yield say(
                f"{many(len(empty), 'utterance')} of {name} {'has' if len(empty) == 1 else 'have'} no gloss",
                clips([(item.id, table_line(item)) for item in empty], "no gloss"),
                f"remove them from the table, or check what the normaliser {context.normaliser} removes",
            )
        if context.raw is None:
            continue
        before, after = tokens_of(context.raw.splits[name]), tokens_of(utterances)
        lost = len(before) - len(after)
        what = f"the normaliser {context.normaliser} removes {lost:,} of {len(before):,} tokens of {name}"
        if lost > LOST * len(before):
            fix = "use another normaliser, or name it with every result: it changes the task"
            yield warning(what, name, fix)
        else:
            changed = len(after) - (Counter(before) & Counter(after)).total()
            yield note(f"{what} and changes {changed:,}")


@TABLE_CHECKS.add("SLR-D11", "ids are unique within and across splits", needs=("SLR-D14",))
def unique(context: DataContext) -> Iterator[Finding]:
    """An id that occurs twice in a split, or in two splits: a clip that is trained on and then scored."""
    splits = context.corpus.splits
    for name, utterances in splits.items():
        lines: dict[str, list[Utterance]] = {}
        for item in utterances:
            lines.setdefault(item.id, []).append(item)
        twice = {id: group for id, group in lines.items() if len(group) > 1}
        if twice:
            places = [f"{id} (lines {', '.join(str(item.line) for item in group)})" for id, group in twice.items()]
            yield error(
                f"{many(len(twice), 'id occurs', 'ids occur')} more than once in {name}.",
                some(places),
                "keep one line per clip: scores are counted by id",
            )
    for one, other in combinations(splits, 2):
        shared = sorted({item.id for item in splits[one]} & {item.id for item in splits[other]})
        if shared:
            yield error(
                f"{one} and {other} share {many(len(shared), 'id')}.",
                some(shared),
                "keep each clip in one split: a score on training clips means nothing",
            )


@TABLE_CHECKS.add("SLR-D13", "every gloss is in the vocabulary", needs=("SLR-D01", "SLR-V01"))
def covered(context: DataContext) -> Iterator[Finding]:
    """Tokens outside the given vocabulary, or else that of train, and the error rate that they make inevitable."""
    counts = Counter(tokens_of(context.corpus.splits.get("train", ())))
    given = context.vocabulary
    known = {gloss for gloss in counts if counts[gloss] >= context.min_count} if given is None else given
    for name, utterances in context.corpus.splits.items():
        tokens = tokens_of(utterances)
        unseen = Counter(gloss for gloss in tokens if gloss not in known)
        if unseen:
            total = unseen.total()
            say = error if name == "train" and given is not None else warning
            yield say(
                f"{total:,} of {len(tokens):,} tokens of {name} ({many(len(unseen), 'type')}) are not in the "
                f"vocabulary: its WER cannot fall below {100 * total / len(tokens):.2f} %",
                some([f"{gloss} ({count})" for gloss, count in unseen.most_common()]),
                "check spelling and normaliser, or build the vocabulary from this corpus; keep official splits",
            )
        elif tokens and (name != "train" or given is not None):
            yield note(f"the vocabulary has every gloss of {name}")


@TABLE_CHECKS.add("SLR-D15", "every gloss is written in one way", needs=("SLR-D14",))
def one_spelling(context: DataContext) -> Iterator[Finding]:
    """Glosses that differ in case, in how Unicode composes them or by the marks of lists, and invisible characters."""
    counts = Counter(tokens_of(context.utterances))
    remains = list_remains(counts)
    if remains:
        say = error if any(set(gloss) & set("[]'\"|") for gloss in remains) else warning  # a text may have commas
        yield say(
            f"{many(len(remains), 'gloss looks', 'glosses look')} like a part of a list, or like several glosses in "
            "one: commas, brackets, quotes or bars stand beside glosses; to the recogniser they are different signs",
            some([f"{shown(gloss)} ({counts[gloss]})" for gloss in remains]),
            "separate glosses by blanks throughout the tables, or in one way in the whole column",
        )
    variants = [sorted(group, key=lambda gloss: -counts[gloss]) for group in alike(counts, plain)]
    if variants:
        listed = [" = ".join(f"{shown(gloss)} ({counts[gloss]})" for gloss in group) for group in variants]
        yield warning(
            f"{many(len(variants), 'gloss is', 'glosses are')} written in several ways that differ in case, spaces or "
            "the composition of characters alone; to the recogniser they are different signs",
            some(listed),
            "write each in one way throughout the tables",
        )
    unseen = [gloss for gloss in counts if any(hidden(char) for char in gloss)]
    if unseen:
        yield warning(
            f"{many(len(unseen), 'gloss holds', 'glosses hold')} invisible characters",
            some([shown(gloss) for gloss in unseen]),
            "remove them from the tables",
        )


@TABLE_CHECKS.add("SLR-D16", "rare glosses are no misspelt frequent ones", needs=("SLR-D01",))
def misspelt(context: DataContext) -> Iterator[Finding]:
    """Glosses that occur once and are a letter or two away from a frequent one.

    One letter changed, added, left out or swapped with its neighbour in a gloss of five letters or more is a warning;
    two in one of nine or more are noted. Glosses that differ in digits or signs are variants made on purpose.
    """
    counts = Counter(tokens_of(context.corpus.splits["train"]))
    frequent = [gloss for gloss, count in counts.items() if count >= FREQUENT and len(gloss) >= SURE_LENGTH - 1]
    once = sorted(gloss for gloss, count in counts.items() if count == 1)
    pairs: dict[int, list[str]] = {1: [], 2: []}
    for gloss in once:
        reach = 2 if len(gloss) >= LONG else 1 if len(gloss) >= SURE_LENGTH else 0
        alike = extract(gloss, frequent, scorer=OSA.distance, score_cutoff=reach, limit=3) if reach else ()
        near = [(other, distance) for other, distance, _ in alike if marks(other) == marks(gloss)]
        if near:
            other, distance = min(near, key=lambda item: (item[1], -counts[item[0]], item[0]))
            pairs.setdefault(int(distance), []).append(f"{gloss} for {other} ({counts[other]})")
    if pairs[1]:
        yield warning(
            f"{many(len(pairs[1]), 'gloss')} of train that {'occurs' if len(pairs[1]) == 1 else 'occur'} once may be "
            "misspelt: one letter away from a frequent gloss",
            some(pairs[1]),
            "watch these clips; correct the table, or leave it where both are signs",
        )
    if pairs[2]:
        yield note(
            f"{many(len(pairs[2]), 'rare gloss', 'rare glosses')} two letters away from a frequent one", some(pairs[2])
        )
    yield note(f"{len(once):,} of {many(len(counts), 'type')} occur once in train")


def marks(gloss: str) -> str:
    """All of a gloss that is no letter, by which variants are told apart on purpose."""
    return "".join(char for char in gloss if not char.isalpha())


@TABLE_CHECKS.add("SLR-D18", "glosses do not go on repeating", needs=("SLR-D14",))
def repeats(context: DataContext) -> Iterator[Finding]:
    """Glosses that follow themselves: CTC needs a frame more for each, and many in a row are slips of copying."""
    stuck = []
    shares = []
    for name, utterances in context.corpus.splits.items():
        with_repeats = sum(any(a == b for a, b in pairwise(item.glosses)) for item in utterances)
        shares.append(f"{name} {with_repeats:,} of {len(utterances):,}")
        stuck += [(item, gloss, count) for item in utterances for gloss, count in longest_run(item.glosses)]
    if stuck:
        yield warning(
            f"in {many(len(stuck), 'utterance')} a gloss stands {IN_A_ROW} times in a row or more",
            clips(
                [(item.id, f"{gloss} x {count}, {table_line(item)}") for item, gloss, count in stuck],
                "a gloss many times in a row",
            ),
            "check whether the line was copied wrongly",
        )
    if shares:
        yield note("utterances with a gloss that follows itself: " + ", ".join(shares))


def longest_run(glosses: Sequence[str]) -> list[tuple[str, int]]:
    """The gloss that follows itself most often and how often it stands there, if that is too often."""
    runs = [(gloss, len(list(members))) for gloss, members in groupby(glosses)]
    best = max(runs, key=lambda run: run[1], default=("", 0))
    return [best] if best[1] >= IN_A_ROW else []
