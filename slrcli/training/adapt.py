"""The settings of a run that fit its corpus: measured before the first step, overruled by whatever was said."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slrcli.config import Config, Facts, choices, resolve, sections_of
from slrcli.console import Console
from slrcli.corpus import told
from slrcli.corpus.opening import choose_layout, open_data
from slrcli.features.hands import free_hands
from slrcli.features.readers import feature_shape

FITTED = ("model", "optim", "loss", "augment")
MOST_SENSORS = 64  # columns; a network's features of a frame are more


def settle(
    console: Console,
    overrides: Mapping[str, Mapping[str, Any]],
    preset: str = "",
    file: Path | None = None,
    assignments: Iterable[str] = (),
    sections: Sequence[str] = FITTED,
) -> Config:
    """One configuration out of all sources, the corpus among them; what the corpus chose is said, a line each.

    The order, the later winning: the defaults, what the corpus says of itself (`corpus.toml`), what fits it
    (`slrcli.config.choices`, as far as it is in `sections`), and then as `resolve` has it. A preset is meant as it
    stands: nothing is fitted to it.

    Raises:
        SlrError: the corpus cannot be opened, or a setting is wrong.
    """
    given = overrides, preset, file, tuple(assignments)
    first = resolve_told(*given)
    if preset or not first.data.data_dir:
        return first
    fitting = [c for c in choices(measure(first), first.model.arch) if c.setting.partition(".")[0] in sections]
    chosen = sections_of({choice.setting: choice.value for choice in fitting})
    config = resolve_told(*given, chosen)
    plain = config.to_dict()
    for choice in fitting:
        if valued(plain, choice.setting) == choice.value:
            console.note(f"{choice.setting} = {json.dumps(choice.value)}: {choice.reason}")
    return config


def resolve_told(
    overrides: Mapping[str, Mapping[str, Any]],
    preset: str = "",
    file: Path | None = None,
    assignments: Iterable[str] = (),
    base: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """`resolve`, with what the corpus says of itself put over the defaults first. Raises like `settle`."""
    given = {"overrides": overrides, "preset": preset, "file": file, "assignments": tuple(assignments)}
    own = told(resolve(**given).data.data_dir)
    return resolve(**given, base={**(base or {}), "data": own})


def measure(config: Config) -> Facts:
    """What is known of the train split without reading more than its tables and the headers of its files."""
    corpus = open_data(config.data)
    train = corpus.require_features("train")
    layout = choose_layout(config.data.layout, train)
    return Facts(
        utterances=len(train),
        glosses=sum(len(item.glosses) for item in train),
        frames=sum(feature_shape(item.features, layout)[0] for item in train),
        sentences=len({item.glosses for item in train}),
        hands=free_hands(layout) is not None,
        sensors=not layout.spatial and layout.width <= MOST_SENSORS,
    )


def valued(sections: Mapping[str, Any], setting: str) -> Any:
    """The value of `section.key...` in nested tables; None where there is none."""
    found: Any = sections
    for key in setting.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
