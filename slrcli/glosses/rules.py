"""A gloss normaliser: named rules under a name and a version, each of which can be asked what it changed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Glosses = Sequence[str]


@dataclass(frozen=True)
class Rule:
    """One step of a normaliser.

    Attributes:
        name: short and stable, such as `zeigen`; what explanations are counted by.
        says: one line for people.
        apply: glosses of one utterance -> the glosses that remain, in order; the input is left as it is.
    """

    name: str
    says: str
    apply: Callable[[Glosses], list[str]]


@dataclass(frozen=True)
class Change:
    """What a rule made of one utterance.

    Attributes:
        rule: name of the rule.
        before: glosses before it.
        after: glosses after it.
    """

    rule: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def removed(self) -> int:
        """Tokens fewer than before; joining two letters into one token removes one."""
        return len(self.before) - len(self.after)


@dataclass(frozen=True)
class Normaliser:
    """A list of rules under a name.

    Attributes:
        name: what the user types.
        version: counts the changes of its rules, from 1.
        rules: applied one after the other.
        description: one line for people.
    """

    name: str
    version: int
    rules: tuple[Rule, ...]
    description: str

    @property
    def signature(self) -> str:
        """Name and version, such as `phoenix2014-ctm@1`: what vocabularies and results carry."""
        return f"{self.name}@{self.version}"

    def normalise(self, glosses: Glosses) -> list[str]:
        """The glosses of one utterance that remain, in order."""
        kept = list(glosses)
        for rule in self.rules:
            kept = rule.apply(kept)
        return kept

    def explain(self, glosses: Glosses) -> list[Change]:
        """What each rule that had an effect did to the glosses of one utterance, in order."""
        changes, kept = [], list(glosses)
        for rule in self.rules:
            after = rule.apply(kept)
            words = tuple(filter(None, kept)), tuple(filter(None, after))
            if words[0] != words[1]:
                changes.append(Change(rule.name, *words))
            kept = after
        return changes


# What rules are made of.


def replaced(*pairs: tuple[str, str]) -> Callable[[Glosses], list[str]]:
    """Put one text for another wherever it stands in a gloss; a gloss of which nothing is left goes."""

    def apply(glosses: Glosses) -> list[str]:
        return squeezed([_replace(gloss, pairs) for gloss in glosses])

    return apply


def rewritten(pattern: str, replacement: str) -> Callable[[Glosses], list[str]]:
    """Replace a regular expression in each gloss; a gloss of which nothing is left goes."""
    compiled = re.compile(pattern)

    def apply(glosses: Glosses) -> list[str]:
        return squeezed([compiled.sub(replacement, gloss) for gloss in glosses])

    return apply


def rewritten_line(*patterns: tuple[str, str]) -> Callable[[Glosses], list[str]]:
    """Replace regular expressions, one after the other, in the glosses written as one line with single spaces.

    A gloss of which nothing is left stays as an empty one, two spaces in the line, until `squeezed` takes it out:
    scripts that work on lines do so as well, and their rules about neighbours do not look across the gap.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in patterns]

    def apply(glosses: Glosses) -> list[str]:
        line = " ".join(glosses)
        for pattern, replacement in compiled:
            line = pattern.sub(replacement, line)
        return line.split(" ")

    return apply


def squeezed(glosses: Glosses) -> list[str]:
    """Without empty glosses."""
    return [gloss for gloss in glosses if gloss]


def without(unwanted: Callable[[str], bool]) -> Callable[[Glosses], list[str]]:
    """Leave out whole glosses."""
    return lambda glosses: [gloss for gloss in glosses if not unwanted(gloss)]


def without_repeats(glosses: Glosses) -> list[str]:
    """Of equal glosses next to each other, the first."""
    return [gloss for index, gloss in enumerate(glosses) if index == 0 or gloss != glosses[index - 1]]


def holds_any(gloss: str, parts: Sequence[str]) -> bool:
    """Whether one of `parts` stands anywhere in the gloss."""
    return any(part in gloss for part in parts)


def _replace(gloss: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        gloss = gloss.replace(old, new)
    return gloss
