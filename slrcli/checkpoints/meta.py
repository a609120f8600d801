"""What a recogniser knows beside its weights: how it was trained, its vocabulary, its layout. Torch is not needed."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from slrcli import __version__
from slrcli.config import Config, DecodeConfig, changed_settings, merge_section
from slrcli.corpus.utterances import sentence_hash
from slrcli.decoding.calibration import Calibration
from slrcli.features.layout import Layout
from slrcli.glosses.vocabulary import Vocabulary


@dataclass(frozen=True)
class Meta:
    """What a checkpoint knows beside its weights.

    Attributes:
        config: everything that the training run was told.
        vocabulary: gloss <-> id.
        layout: meaning of the columns of the features it takes.
        metrics: of the epoch it was written after, such as `{"epoch": 12, "wer": 23.4}`.
        data_hash: of the annotations it was trained on.
        versions: of what it was trained with.
        utterances: marks of the training utterances, before their glosses were normalised (see `Utterance.mark`);
            empty where that is unknown.
        sentences: hashes of the sentences it learnt from (`slrcli.corpus.utterances`); empty: not known.
        decode: how clips are read, as far as training found it out: rows of signs of a usual length.
        tuned: how they are read since the decoder was tuned; None where it was not. A language model stands in it
            itself, or, where it is large, as a path relative to the checkpoint.
        calibration: of the confidences of one decoder; None where there is none.
        rate: frames per second at which the training clips were read; 0: not known.
        ancestry: the recognisers whose weights it started from, the oldest first: file, SHA-256, glosses and hash of
            the annotations. Their utterances and sentences are among its own.
    """

    config: Config
    vocabulary: Vocabulary
    layout: Layout
    metrics: dict[str, Any] = field(default_factory=dict)
    data_hash: str = ""
    versions: dict[str, str] = field(default_factory=lambda: versions())
    utterances: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    tuned: DecodeConfig | None = None
    calibration: Calibration | None = None
    rate: float = 0.0
    ancestry: tuple[dict[str, Any], ...] = ()

    @property
    def fps(self) -> float:
        """Frames per second of what it was trained on, as the corpus, else its files, else the layout says; 0: unknown.

        Clips whose own rate is known are read at this one.
        """
        return self.rate or self.config.data.fps or self.layout.fps

    def saw(self, glosses: Sequence[str]) -> bool | None:
        """Whether it learnt from this sentence of normalised glosses; None where that is not known."""
        return sentence_hash(glosses) in self._seen if self.sentences else None

    @cached_property
    def _seen(self) -> frozenset[str]:
        return frozenset(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "config": self.config.to_dict(),
            "vocabulary": self.vocabulary.to_dict(),
            "layout": self.layout.to_dict(),
            "metrics": self.metrics,
            "data_hash": self.data_hash,
            "versions": self.versions,
            "utterances": list(self.utterances),
            **({"sentences": list(self.sentences)} if self.sentences else {}),
            **({"decode": changed} if (changed := changed_settings(self.decode)) else {}),
            **({"tuned": decoder_values(self.tuned)} if self.tuned else {}),
            **({"calibration": asdict(self.calibration)} if self.calibration else {}),
            **({"rate": self.rate} if self.rate else {}),
            **({"ancestry": list(self.ancestry)} if self.ancestry else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Meta":
        """The opposite of `to_dict`."""
        return cls(
            Config.from_dict(_typed(values, "config", dict), where, trained=True),
            Vocabulary.from_dict(values["vocabulary"], where),
            Layout.from_dict(values["layout"], where),
            _typed(values, "metrics", dict),
            _typed(values, "data_hash", str),
            {name: _typed(values["versions"], name, str) for name in _typed(values, "versions", dict)},
            tuple(map(str, values.get("utterances", ()))),
            tuple(map(str, values.get("sentences", ()))),
            merge_section(DecodeConfig(), values.get("decode", {}), where),
            merge_section(DecodeConfig(), values["tuned"], where) if "tuned" in values else None,
            Calibration.from_dict(values["calibration"]) if "calibration" in values else None,
            float(values.get("rate", 0.0)),
            tuple(values.get("ancestry", ())),
        )


def _typed(values: dict[str, Any], key: str, kind: type) -> Any:
    """A value by its name; KeyError where it is missing, TypeError where it is something else."""
    if not isinstance(values[key], kind):
        raise TypeError(f"{key} is {type(values[key]).__name__}, not {kind.__name__}")
    return values[key]


def decoder_values(options: DecodeConfig) -> dict[str, Any]:
    """Settings of a decoder that are not at their defaults, and the beam, which says that they were chosen at all."""
    changed = {"beam": options.beam, **changed_settings(options)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in changed.items()}


def versions() -> dict[str, str]:
    """Versions, threads and processes: what the bits of a result depend on."""
    import torch  # only what trains asks for it; what decodes an exported model may not have it

    from slrcli.parallel import distributed

    return {
        "slrcli": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "processes": str(distributed.size()),
        "machine": platform.machine(),
    }
