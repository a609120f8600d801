"""Licences of what is installed, as a table: `python licences.py` writes name, version and licence, tab-separated."""

from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

UNSTATED = "not stated"


def licence(found: Distribution) -> str:
    """What a distribution's metadata say: the SPDX expression, else the classifiers, else the first line of text."""
    meta = found.metadata
    classifiers = [item for item in meta.get_all("Classifier") or [] if item.startswith("License ::")]
    named = [item.rpartition(" :: ")[2] for item in classifiers]
    text = (meta.get("License") or "").strip().partition("\n")[0]
    return meta.get("License-Expression") or " AND ".join(named) or text or UNSTATED


def direct(requirements: list[str]) -> list[str]:
    """The normalised names of requirements."""
    return sorted({canonicalize_name(Requirement(item).name) for item in requirements})


def needed(requirements: list[str]) -> dict[str, Distribution]:
    """The distributions that requirements bring in here, by their normalised names; what is not installed left out."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(item), "") for item in requirements]
    while waiting:
        item, extra = waiting.pop()
        name = canonicalize_name(item.name)
        if name in found or (item.marker and not item.marker.evaluate({"extra": extra})):
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += [(Requirement(line), each) for line in found[name].requires or [] for each in ("", *item.extras)]
    return found


def main() -> None:
    """Write the table of all that is installed where this runs."""
    rows = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
    for name, each in sorted(rows.items()):
        print(name, each.version, licence(each), sep="\t")


if __name__ == "__main__":
    main()
