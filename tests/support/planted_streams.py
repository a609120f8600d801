"""Clips with holes, and a streaming network that says a lot, for the tests of streams."""

from itertools import pairwise

import numpy as np
import torch

from slrcli.checkpoints.meta import Meta
from slrcli.config import Config
from slrcli.features.layout import load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model
from slrcli.recognition.from_checkpoint import Recogniser

VOCABULARY = Vocabulary(("<blank>", *"ABCDE"), (0, 1, 1, 1, 1, 1))


def clip(name: str, frames: int, seed: int = 0, missing: float = 0.3) -> np.ndarray:
    """A clip whose points go missing for stretches of frames."""
    layout, rng = load_layout(name), np.random.default_rng([seed, frames])
    x = rng.normal(0.5, 0.2, (frames, layout.width)).astype(np.float32)
    for group in layout.groups:
        step = len(group.coordinates)
        for start in range(group.start, group.stop, step):
            gone = np.repeat(rng.random(-(-frames // 4)) < missing, rng.integers(1, 9))[:frames]
            x[: len(gone)][gone, start : start + step] = np.nan
    return x


def parts_of(x, cuts):
    """What may be cut, cut in these places, which need be neither sorted nor within it."""
    edges = [0, *sorted(cut % (len(x) + 1) for cut in cuts), len(x)]
    return [x[a:b] for a, b in pairwise(edges)]


def recogniser(name: str, lookahead: int = 4, max_gap: int = 5, **frontend) -> Recogniser:
    """A streaming network that says a lot: over a clip of noise all classes are as likely."""
    torch.manual_seed(3)
    options = {"width": 24, "lookahead": lookahead, "scale": 9.0, "frontend": frontend}
    model = build_model("streaming", load_layout(name), len(VOCABULARY), options=options)
    model.eval()
    with torch.no_grad():
        log_probs = model(torch.from_numpy(clip(name, 400))[None], torch.tensor([400])).log_probs[0]
        model.classifier.bias -= log_probs.mean(dim=0)
    sections = {"model": {"arch": "streaming", "options": options}, "data": {"max_gap": max_gap}}
    return Recogniser(model, VOCABULARY, Meta(Config.from_dict(sections), VOCABULARY, load_layout(name)))
