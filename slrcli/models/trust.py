"""Whose code a file may start: that of the package, of installed packages that register it, and what the user names.

A checkpoint of a user-defined model names `package.module:factory`. Opening it would import that module, so it is
opened only once somebody has named the factory. Torch is not needed.
"""

import os

from slrcli.errors import CheckpointError

_allowed: set[str] = set()


def is_own(target: str) -> bool:
    """Whether `target` has the form `package.module:factory` and is not an existing path."""
    module, colon, attribute = target.partition(":")
    return (
        bool(colon)
        and not os.path.exists(target)
        and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))
    )


def allow(target: str | None) -> None:
    """From now on, files may start this model or loss of the user's own; nothing for any other name."""
    if target and is_own(target):
        _allowed.add(target)


def allowed() -> tuple[str, ...]:
    """The models that may be opened, for a process that works for this one."""
    return tuple(sorted(_allowed))


def require_allowed(target: str, where: str) -> None:
    """CheckpointError for a file that names a factory which nobody has named before."""
    _require(target, "The checkpoint is of a model", "--arch", where)


def require_allowed_run(arch: str, loss: str, where: str) -> None:
    """CheckpointError for a run that is to go on with a network or a loss which nobody has named before."""
    _require(arch, "The run is of a model", "--arch", where)
    _require(loss, "The run learns from a loss", "--loss", where)


def _require(target: str, what: str, flag: str, where: str) -> None:
    if is_own(target) and target not in _allowed:
        what = f"{what} of somebody's own, {target}, whose code a file alone does not start."
        raise CheckpointError(what, where, f"If you trust that code, add {flag} {target}.")
