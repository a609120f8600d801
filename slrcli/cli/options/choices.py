"""The values that an option lists, which registries know; a registry is opened when help or the shell asks for it."""

from collections.abc import Callable

from slrcli.config.names import LAYOUTS, NORMALISERS, PROTOCOLS


def _layouts() -> list[str]:
    from slrcli.features.layout import list_layouts

    return [*list_layouts()[:-1], "generic-N"]


def _normalisers() -> list[str]:
    from slrcli.glosses import NORMALISERS as KNOWN

    return [*KNOWN]


def _protocols() -> list[str]:
    from slrcli.scoring.protocols import ALL
    from slrcli.scoring.protocols import PROTOCOLS as KNOWN

    return [*KNOWN, ALL]


_REGISTRIES: dict[str, Callable[[], list[str]]] = {
    LAYOUTS: _layouts,
    NORMALISERS: _normalisers,
    PROTOCOLS: _protocols,
}


def listed(values: str | tuple[str, ...]) -> list[str]:
    """The values themselves, or those that the registry of that name knows."""
    return _REGISTRIES[values]() if isinstance(values, str) else [*values]


def completion(values: str | tuple[str, ...]) -> Callable[[str], list[str]]:
    """What the shell completes: those of the values that begin as what is typed."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in listed(values) if value.startswith(incomplete)]

    return complete
