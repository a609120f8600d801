"""Several systems under several protocols, as papers compare them: rates, their parts, intervals, significance."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slrcli.scoring.protocols import Protocol
from slrcli.scoring.stats import Comparison, Interval, compare, interval
from slrcli.scoring.wer import Score

Sides = Sequence[Mapping[str, list[str]]]


@dataclass(frozen=True)
class SystemScore:
    """One system under one protocol.

    Attributes:
        system: its name.
        protocol: how it was scored.
        score: its errors.
        interval: the 95 % interval of its rate, over utterances.
        comparison: with the first system under the same protocol; None for that system itself.
    """

    system: str
    protocol: Protocol
    score: Score
    interval: Interval
    comparison: Comparison | None

    @property
    def shares(self) -> tuple[float, float, float]:
        """Substitutions, deletions and insertions in percent of the reference tokens; NaN without any."""
        share = 100.0 / self.score.ref_tokens if self.score.ref_tokens else math.nan
        return self.score.substitutions * share, self.score.deletions * share, self.score.insertions * share

    def to_dict(self) -> dict[str, Any]:
        """Plain values: rates in percent, differences in points; what compares is None for the first system."""
        found = self.comparison
        return {
            "system": self.system,
            "protocol": self.protocol.signature,
            "rate": self.protocol.rate,
            "wer": self.score.wer,
            **dict(zip(("sub", "del", "ins"), self.shares, strict=True)),
            "low": self.interval.low,
            "high": self.interval.high,
            "difference": found.difference if found else None,
            "p_bootstrap": found.p_bootstrap if found else None,
            "p_matched": found.p_matched if found else None,
        }


SYSTEM_COLUMNS: dict[str, type] = {
    **dict.fromkeys(("system", "protocol", "rate"), str),
    **dict.fromkeys(("wer", "sub", "del", "ins", "low", "high", "difference", "p_bootstrap", "p_matched"), float),
}


def system_scores(
    names: Sequence[str], protocols: Sequence[Protocol], refs: Mapping[str, list[str]], sides: Sides, seed: int
) -> tuple[SystemScore, ...]:
    """Every system under every protocol, protocol by protocol, the first system first.

    Args:
        names: of the systems.
        protocols: how they are scored.
        refs: the references.
        sides: the hypotheses of each system, of the same ids.
        seed: of the bootstrap.
    """
    found = []
    for protocol in protocols:
        scores = [protocol.score(refs, side) for side in sides]
        for number, (name, score) in enumerate(zip(names, scores, strict=True)):
            compared = compare(scores[0], score, seed=seed) if number else None
            found.append(SystemScore(name, protocol, score, interval(score, seed=seed), compared))
    return tuple(found)


def system_names(paths: Sequence[Path]) -> list[str]:
    """Names of systems: the stems of their files; with the suffix or with folders, as short as tells them apart.

    The same file named twice has a number behind its name.
    """
    forms = [_forms(path) for path in paths]
    level = [0] * len(paths)
    while True:
        names = [form[min(own, len(form) - 1)] for form, own in zip(forms, level, strict=True)]
        counts = Counter(names)
        stuck = [n for n, name in enumerate(names) if counts[name] > 1 and level[n] < len(forms[n]) - 1]
        if not stuck:
            break
        for number in stuck:
            level[number] += 1
    used: set[str] = set()
    for number, name in enumerate(names):
        own, count = name, 1
        while own in used or (count > 1 and own in counts):
            count += 1
            own = f"{name} ({count})"
        names[number] = own
        used.add(own)
    return names


def _forms(path: Path) -> list[str]:
    """What a file can be called, from the shortest on."""
    stem = path.name if path.is_dir() else path.stem
    folders = path.parts[:-1]
    ends = [folders[number:] for number in range(len(folders) - 1, -1, -1)]
    longer = ["/".join((*end, name)).replace("//", "/") for end in ends for name in (stem, path.name)]
    return [name for name in dict.fromkeys([stem, path.name, *longer]) if name] or [str(path)]
