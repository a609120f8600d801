"""Protocols: everything that decides the error rate of a pair of files, under a name and a version.

A protocol consists of a normaliser, the side it is applied to, the comparison and alignment of tokens, and rules for
special cases. Two error rates are comparable only if their protocols are the same.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slrcli.config import versioned
from slrcli.errors import UsageError
from slrcli.glosses import Change, Normaliser, get_normaliser
from slrcli.glosses.normalisers import without_repeats
from slrcli.scoring.align import HIT, Alignment, Edit, align_jiwer, align_sclite, align_vac
from slrcli.scoring.wer import Score, UtteranceScore, require_same_ids, scored, total

Glosses = Sequence[str]
Transcripts = Mapping[str, Glosses]

ALL = "all"  # the name of every protocol at once
EMPTY = "[EMPTY]"  # what the field's scripts put where nothing was recognised, so that sclite finds the utterance
BLANK = "\u2423"  # stands for the blank between two glosses where characters are compared
OOV = "\0"  # stands for a gloss that no system with this vocabulary can say
_EDGES = {"merge_repeats": "merge-repeats", "skip_empty": "skip-empty", "capped": "capped"}  # steps beside the rules
_UPPER = {ord(letter): ord(letter.upper()) for letter in "abcdefghijklmnopqrstuvwxyz"}


@dataclass(frozen=True)
class Protocol:
    """One way of counting errors.

    Attributes:
        name: the name on the command line.
        version: of its rules, counted from 1.
        description: one line for users.
        normaliser: name and version of the gloss normaliser.
        on_ref, on_hyp: whether it is applied to references and to hypotheses.
        aligner: pairs of token lists -> alignment.
        fold_case: whether ASCII case is ignored, as in sclite (Ä and ä remain different, as there).
        merge_repeats: whether adjacent equal glosses of the hypothesis are merged (not those of the reference).
        fill_empty: whether an empty hypothesis becomes the wrong gloss `[EMPTY]`: a substitution, not a deletion.
        skip_empty: whether utterances with an empty reference are left out, including their insertions.
        capped: whether an utterance counts at most as many errors as its reference has glosses.
        spelt: whether characters are compared instead of glosses, with the blanks between glosses.
        replaced: whether the normaliser is not the protocol's own.
        left_out: rules of the normaliser that are not applied, to measure their effect on a score.
    """

    name: str
    version: int
    description: str
    normaliser: str = "none@1"
    on_ref: bool = False
    on_hyp: bool = False
    aligner: Callable[[Glosses, Glosses], Alignment] = align_jiwer
    fold_case: bool = False
    merge_repeats: bool = False
    fill_empty: bool = False
    skip_empty: bool = False
    capped: bool = False
    spelt: bool = False
    replaced: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """Name and version, such as `sclite@1`; `sclite@1+seed-filter@1` with another normaliser."""
        return f"{self.name}@{self.version}" + (f"+{self.normaliser}" if self.replaced else "")

    @property
    def of_characters(self) -> bool:
        """Whether characters are counted instead of glosses: by the protocol, or by a normaliser that parts glosses."""
        return self.spelt or any(rule.name == "characters" for rule in self.rules.rules)

    @property
    def rate(self) -> str:
        """What its error rate is called: CER where characters are counted, else WER."""
        return "CER" if self.of_characters else "WER"

    @property
    def rules(self) -> Normaliser:
        """The gloss normaliser."""
        chosen = get_normaliser(self.normaliser)
        kept = tuple(rule for rule in chosen.rules if rule.name not in self.left_out)
        return replace(chosen, rules=kept) if self.left_out else chosen

    def with_normaliser(self, name: str) -> "Protocol":
        """The same protocol with another normaliser on both sides, which its signature shows."""
        chosen = get_normaliser(name)
        return replace(self, normaliser=chosen.signature, on_ref=True, on_hyp=True, replaced=True)

    def reference(self, glosses: Glosses) -> list[str]:
        """A reference, prepared for alignment."""
        return self._folded(self.rules.normalise(glosses) if self.on_ref else list(glosses))

    def hypothesis(self, glosses: Glosses) -> list[str]:
        """A hypothesis, prepared for alignment."""
        kept = self._folded(self.rules.normalise(glosses) if self.on_hyp else list(glosses))
        if self.merge_repeats:
            kept = without_repeats(kept)
        return [EMPTY] if self.fill_empty and not kept else kept

    def score(self, refs: Transcripts, hyps: Transcripts) -> Score:
        """Score hypotheses against references, both `id -> glosses`.

        Raises:
            DataError: the two sides do not hold the same ids.
        """
        require_same_ids(refs, hyps)
        pairs = ((id, self.reference(ref), self.hypothesis(hyps[id])) for id, ref in refs.items())
        return total(
            self._edge(scored(id, self._align(ref, hyp))) for id, ref, hyp in pairs if ref or not self.skip_empty
        )

    def floor(self, refs: Transcripts, vocabulary: Collection[str] | None = None) -> Score:
        """The error floor: the errors of perfect recognition, with the reference itself as the hypothesis.

        Args:
            refs: the references.
            vocabulary: glosses of the system; every other gloss of the reference is a certain error.
        """
        if vocabulary is None:
            return self.score(refs, refs)
        known = set(vocabulary)
        return self.score(refs, {id: [g if g in known else OOV for g in ref] for id, ref in refs.items()})

    def _align(self, ref: Glosses, hyp: Glosses) -> Alignment:
        """Equal sides are all hits to every aligner: the floor of large files is then counted in no time."""
        return Alignment(tuple(Edit(HIT, gloss, gloss) for gloss in ref)) if ref == hyp else self.aligner(ref, hyp)

    def _folded(self, glosses: list[str]) -> list[str]:
        folded = [gloss.translate(_UPPER) for gloss in glosses] if self.fold_case else glosses
        return list(BLANK.join(folded)) if self.spelt else folded

    def _edge(self, utterance: UtteranceScore) -> UtteranceScore:
        """Errors beyond the cap are insertions: substitutions and deletions never outnumber the reference."""
        if not self.capped or utterance.errors <= utterance.ref_tokens:
            return utterance
        return replace(utterance, insertions=utterance.ref_tokens - utterance.substitutions - utterance.deletions)


def get_protocol(name: str) -> Protocol:
    """The protocol with this name, optionally with a version and another normaliser, as in signatures.

    Examples: `sclite`, `sclite@1`, `sclite+seed-filter`, `sclite@1+seed-filter@1`.

    Raises:
        UsageError: the name (with the nearest one) or the version is unknown.
    """
    fix = "Use the version of slr that computed the score, or score with the present version of the protocol."
    own, plus, normaliser = name.partition("+")
    found = versioned("protocol", own, PROTOCOLS, fix, f" (or: {ALL})")
    return found.with_normaliser(normaliser) if plus else found


def get_protocols(name: str) -> list[Protocol]:
    """The protocol with a name, or all protocols that count glosses for `all`.

    Raises:
        UsageError: as `get_protocol`, or `all` is combined with a version or a normaliser.
    """
    if name != ALL and re.match(rf"{ALL}\W", name):
        fix = "Use all on its own, or name one protocol, such as sclite+seed-filter."
        raise UsageError("Every protocol has its own version and normaliser.", f"--protocol {name}", fix)
    return [item for item in PROTOCOLS.values() if not item.spelt] if name == ALL else [get_protocol(name)]


def changes(protocol: Protocol, refs: Transcripts, hyps: Transcripts) -> Iterator[tuple[int, str, Change]]:
    """Every change by a rule: side (0 reference, 1 hypothesis), id, change."""
    for side, (wanted, transcripts) in enumerate(((protocol.on_ref, refs), (protocol.on_hyp, hyps))):
        for id, glosses in transcripts.items() if wanted else ():
            yield from ((side, id, change) for change in protocol.rules.explain(glosses))


def removed_by_rule(protocol: Protocol, refs: Transcripts, hyps: Transcripts) -> dict[str, tuple[int, int]]:
    """Tokens that each step removes from references and hypotheses: rule -> (references, hypotheses).

    Rules without an effect are left out; rules that only rewrote tokens have 0.
    """
    sides: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for side, _, change in changes(protocol, refs, hyps):
        sides[side][change.rule] += change.removed
    if protocol.merge_repeats:
        plain = replace(protocol, merge_repeats=False)
        merged = sum(len(plain.hypothesis(hyp)) - len(protocol.hypothesis(hyp)) for hyp in hyps.values())
        if merged:
            sides[1][_EDGES["merge_repeats"]] = merged
    names = dict.fromkeys([*(rule.name for rule in protocol.rules.rules), *_EDGES.values()])
    return {name: (sides[0][name], sides[1][name]) for name in names if name in sides[0] or name in sides[1]}


def errors_by_step(protocol: Protocol, refs: Transcripts, hyps: Transcripts) -> dict[str, int]:
    """Errors that each step adds, or hides if negative: the errors of the protocol minus those without this step.

    Steps without an effect are left out. The differences do not add up to that of all steps together, since one step
    may hide the errors of another.
    """
    touched: dict[str, dict[str, None]] = {}  # only utterances that a rule changes can count otherwise without it
    for _, id, change in changes(protocol, refs, hyps):
        touched.setdefault(change.rule, {})[id] = None
    variants: list[tuple[str, Iterable[str], Protocol]] = [
        (name, ids, replace(protocol, left_out=(name,))) for name, ids in touched.items()
    ]
    for edge, name in _EDGES.items():
        if getattr(protocol, edge):
            off: dict[str, Any] = {edge: False}
            variants.append((name, refs, replace(protocol, **off)))
    found = {}
    for name, ids, without in variants:
        sides = [{id: side[id] for id in ids} for side in (refs, hyps)]
        found[name] = protocol.score(*sides).errors - without.score(*sides).errors
    return {name: errors for name, errors in found.items() if errors}


PROTOCOLS: dict[str, Protocol] = {
    item.name: item
    for item in (
        Protocol("plain", 1, "Edit distance over unchanged tokens, as counted by jiwer."),
        Protocol("sclite", 1, "NIST sclite: weights 3/3/4, ASCII case folded.", aligner=align_sclite, fold_case=True),
        Protocol(
            "phoenix2014-sclite",
            1,
            "Phoenix-2014's script: token rules on the hypothesis, then sclite.",
            normaliser="phoenix2014-ctm@1",
            on_hyp=True,
            aligner=align_sclite,
            fold_case=True,
            fill_empty=True,
        ),
        Protocol(
            "vac",
            1,
            "VAC's Python scorer: the same token rules, repeats merged only in the hypothesis, 3/3/4.",
            normaliser="phoenix2014-ctm@1",
            on_hyp=True,
            aligner=align_vac,
            merge_repeats=True,
            fill_empty=True,
        ),
        Protocol(
            "phoenix2014-sentence",
            1,
            "The sentence-level port for Phoenix-2014 (slt, TwoStream, MSKA): both sides, 3/3/4.",
            normaliser="phoenix2014-sentence@1",
            on_ref=True,
            on_hyp=True,
            aligner=align_sclite,
        ),
        Protocol(
            "phoenix2014t-sentence",
            1,
            "The same port's rules for 2014-T: both sides, 3/3/4.",
            normaliser="phoenix2014t@1",
            on_ref=True,
            on_hyp=True,
            aligner=align_sclite,
        ),
        Protocol(
            "forerunner",
            1,
            "Lightweight-CSLR: seed-filter on both sides, empty references skipped, an utterance at most 100 %.",
            normaliser="seed-filter@1",
            on_ref=True,
            on_hyp=True,
            skip_empty=True,
            capped=True,
        ),
        Protocol(
            "cer",
            1,
            "Character error rate, as counted by jiwer: code points, with one blank between glosses.",
            spelt=True,
        ),
    )
}
