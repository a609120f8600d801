"""Recognisers with random weights that say much: their blank is unlikely."""

from pathlib import Path
from typing import Any

import torch

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import Config, ModelConfig
from slrcli.features.layout import Layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model

Options = dict[str, Any]
OPTIONS: Options = {"width": 16, "blank_bias": -1.0, "scale": 8.0}


def write_talkative(
    folder: Path, arch: str, layout: Layout, glosses: tuple[str, ...], frontend: Options | None = None, **meta: Any
) -> Path:
    """The checkpoint of one, `best.safetensors` in a folder; `meta` is what else it knows.

    To trace all that a frontend does by default takes half a minute: `frontend` has other options.
    """
    torch.manual_seed(3)
    options = OPTIONS | ({"frontend": frontend} if frontend else {})
    vocabulary = Vocabulary(("<blank>", *glosses), (0, *range(len(glosses) + 1, 1, -1)))
    model = build_model(arch, layout, len(vocabulary), options=options)
    if arch == "streaming":
        with torch.no_grad():
            for part in model.recurrence.parameters():
                part.mul_(6)  # or its glosses would hardly change
    width = model.frontend.width
    model.frontend.set_statistics(torch.randn(width) * 0.1, torch.rand(width) + 0.5)
    known = Meta(Config(model=ModelConfig(arch=arch, options=options)), vocabulary, layout, rate=25.0, **meta)
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder / "best.safetensors", model, known)
    return folder / "best.safetensors"
