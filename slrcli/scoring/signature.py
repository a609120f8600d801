"""One line that says how a score was computed, so that others can reproduce it."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from slrcli import __version__
from slrcli.scoring.protocols import Protocol
from slrcli.scoring.wer import Score


def transcripts_hash(transcripts: Mapping[str, Sequence[str]]) -> str:
    """The first 12 hexadecimal digits of SHA-256 over ids and glosses, independent of file and order."""
    lines = json.dumps(sorted((id, list(glosses)) for id, glosses in transcripts.items()), ensure_ascii=True)
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def signature(
    protocol: Protocol, score: Score, refs: Mapping[str, Sequence[str]], hyps: Mapping[str, Sequence[str]], **more: str
) -> str:
    """Such as `slr:0.1.0|protocol:plain@1|normaliser:none@1|utterances:540|tokens:5540|refs:...|hyps:...`.

    Args:
        protocol: how it was scored.
        score: the result.
        refs, hyps: both sides as read, before any rule.
        more: further fields, such as `decoder` and `checkpoint`; empty values are left out.
    """
    parts = {
        "slr": __version__,
        "protocol": protocol.signature,
        "normaliser": protocol.normaliser,
        "utterances": len(score.utterances),
        "tokens": score.ref_tokens,
        "refs": transcripts_hash(refs),
        "hyps": transcripts_hash(hyps),
        **more,
    }
    return "|".join(f"{name}:{value}" for name, value in parts.items() if value != "")
