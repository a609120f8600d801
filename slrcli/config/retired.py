"""Settings that were removed or renamed: what was written with them still loads.

Asking for a removed one is an error that says why it went; a renamed one is read under its new name.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from slrcli.errors import UsageError


class Retired(NamedTuple):
    """`off` is the value at which the setting did nothing, `reason` why it went."""

    off: Any
    reason: str


_NOTHING = "It made no corpus better."

RETIRED: dict[str, Retired] = {
    "optim.mean_from": Retired(1.0, f"{_NOTHING} optim.ema keeps an EMA of the weights."),
    "loss.prior": Retired(0.0, _NOTHING),
    "loss.blank_penalty": Retired(0.0, _NOTHING),
    "distill.readings": Retired(4, "Four readings of the teacher always count."),
    "augment.turn": Retired(0.0, _NOTHING),
    "augment.noise": Retired(0.0, _NOTHING),
    "augment.hand_drop": Retired(0.0, f"{_NOTHING} augment.point_drop leaves points out."),
    "augment.finger_drop": Retired(0.0, f"{_NOTHING} augment.point_drop leaves points out."),
    "augment.face_drop": Retired(0.0, f"{_NOTHING} augment.point_drop leaves points out."),
}


RENAMED: dict[str, str] = {"optim.average": "ema", "model.options.halvings": "strides"}


def renamed(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section under the names that its settings have now, those of tables within it as well."""
    return {
        RENAMED.get(f"{section}.{key}", key): renamed(f"{section}.{key}", value)
        if isinstance(value, Mapping)
        else value
        for key, value in values.items()
    }


def without_retired(section: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a section that is still to be used, less the retired settings that were off.

    Raises:
        UsageError: a retired setting that is on; nothing does any more what it asks for.
    """
    for key, value in values.items():
        gone = RETIRED.get(f"{section}.{key}")
        if gone and (isinstance(value, bool) or value != gone.off):
            fix = f"{gone.reason} Leave it out."
            raise UsageError(f"The setting '{section}.{key}' was removed.", where, fix)
    return {key: value for key, value in values.items() if f"{section}.{key}" not in RETIRED}


# Settings that came later, with what was done before: what was trained without them was trained so.
CAME_LATER: dict[str, Any] = {"data.assign_hands": False}


def as_begun(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a run as they were when it began: settings that came later stand there as what was done then."""
    told = dict(sections)
    for name, before in CAME_LATER.items():
        section, key = name.split(".")
        told[section] = {key: before, **told.get(section, {})}
    return told


def without_all_retired(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of what was trained long ago, less all retired settings: they have done what they did."""
    return {
        section: {key: value for key, value in values.items() if f"{section}.{key}" not in RETIRED}
        if isinstance(values, Mapping)
        else values
        for section, values in sections.items()
    }
