"""A score as programs want it: the figures, and its utterances, confusions and signers as data frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.errors import DataError, UsageError
from slrcli.frames import frame_of
from slrcli.listening import Listening
from slrcli.scoring.breakdown import breakdown
from slrcli.scoring.ids import same_ids
from slrcli.scoring.protocols import get_protocols
from slrcli.scoring.score import ProtocolScore, filled, note_ids, score_files, score_protocol
from slrcli.scoring.table import COLUMNS, COUNTS, table_rows
from slrcli.scoring.wer import Score, by_signer
from slrcli.transcripts.words import Glosses, words_of

if TYPE_CHECKING:
    import pandas

Transcripts = str | Path | Mapping[str, Glosses] | Sequence[Glosses]


@dataclass(frozen=True, repr=False)
class Scored:
    """Hypotheses against references.

    Attributes:
        protocol_scores: under each protocol that was asked for.
        signers: utterance id -> signer; empty where nobody says.
        filled_in: ids without a hypothesis that count as deleted; only where that was asked for.
    """

    protocol_scores: tuple[ProtocolScore, ...]
    signers: Mapping[str, str]
    filled_in: tuple[str, ...] = field(default=(), kw_only=True)

    def __repr__(self) -> str:
        """The first protocol's figures, not all that they were made of."""
        one, rate = self.score, self.protocol_scores[0].protocol.rate
        return f"{type(self).__name__}({rate} {one.wer:.2f} %, {len(one.utterances)} utterances, {self.signature})"

    @property
    def score(self) -> Score:
        """The errors under the first protocol, with the alignment of every utterance."""
        return self.protocol_scores[0].score

    @property
    def wer(self) -> float:
        """Error rate in percent, of words or (protocol `cer`) of characters; NaN without a reference token."""
        return self.score.wer

    @property
    def signature(self) -> str:
        """One line that says how the score was made."""
        return self.protocol_scores[0].signature

    @property
    def seen(self) -> Mapping[str, bool | None]:
        """Utterance id -> whether its sentence was learnt from; what is missing is not known."""
        return {}

    def to_frame(self) -> "pandas.DataFrame":
        """A row per utterance: id, signer, reference, hypothesis, its tokens, the errors of each kind, and
        seen_in_train, which is NA where that is not known."""
        pairs = zip(table_rows(self.score, self.signers), self.score.utterances, strict=True)
        rows = [{**row, "tokens": one.ref_tokens, "seen_in_train": self.seen.get(one.id)} for row, one in pairs]
        texts = [name for name in COLUMNS if name not in COUNTS]
        return frame_of(rows, (*texts, "tokens", *COUNTS, "seen_in_train")).astype({"seen_in_train": "boolean"})

    @property
    def confusions(self) -> "pandas.DataFrame":
        """Glosses that were taken for another one: reference, hypothesis, count, the most frequent first."""
        return frame_of(breakdown(self.score).confusions, ("reference", "hypothesis", "count"))

    @property
    def by_signer(self) -> "pandas.DataFrame":
        """A row per signer: utterances, tokens, the errors of each kind and wer; empty where no signer is named."""
        rows = [
            (name, len(one.utterances), one.ref_tokens, *(getattr(one, kind) for kind in COUNTS), one.wer)
            for name, one in by_signer(self.score, self.signers).items()
        ]
        return frame_of(rows, ("signer", "utterances", "tokens", *COUNTS, "wer")).set_index("signer")


def score_sides(references: Transcripts, hypotheses: Transcripts, protocol: str, missing_as_empty: bool) -> Scored:
    """Score two files, or two sides that are glosses; arguments and errors as `slrcli.score` has them."""
    console = Listening()
    if isinstance(references, str | Path) and isinstance(hypotheses, str | Path):
        paths = Path(references), [Path(hypotheses)]
        found = score_files(console, *paths, protocol, missing_as_empty=missing_as_empty)
        return Scored(found.protocol_scores, found.signers, filled_in=found.filled_in[0])
    protocols = get_protocols(protocol)
    refs, hyps = sides_of(references, hypotheses)
    same = same_ids(refs, hyps)
    note_ids(console, same, "the hypotheses")
    hyps = {same.get(id, id): glosses for id, glosses in hyps.items()}
    hyps, filled_in = filled(refs, hyps, "The table of hypotheses", console) if missing_as_empty else (hyps, ())
    scores = tuple(score_protocol(item, refs, hyps, None) for item in protocols)
    return Scored(scores, {}, filled_in=filled_in)


def sides_of(references: Any, hypotheses: Any) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Both sides as tables id -> glosses."""
    sides = references, hypotheses
    if all(isinstance(side, Mapping) for side in sides):
        first, second = ({str(id): words_of(glosses) for id, glosses in side.items()} for side in sides)
        return first, second
    if any(isinstance(side, str | Path | Mapping) for side in sides):
        fix = "Give two files, two tables id -> glosses, or two lists."
        raise UsageError("References and hypotheses are of different kinds.", "score", fix)
    first, second = ({str(n): words_of(glosses) for n, glosses in enumerate(side, 1)} for side in sides)
    if len(first) != len(second):
        what = f"There are {len(first)} references and {len(second)} hypotheses."
        raise DataError(what, "score", "Give one hypothesis for each reference.")
    return first, second
