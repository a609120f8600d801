"""Every code there is, found where checks and diagnostics are registered, and the page that explains it."""

import importlib
import pkgutil
from collections.abc import Iterable
from importlib import resources

import slrcli.doctor
from slrcli.doctor.choice import ALL, Choice, full_code, nearest_code
from slrcli.doctor.context import Checks
from slrcli.errors import UsageError
from slrcli.training.watch.diagnostics import DIAGNOSTICS

PAGES = "pages"


def catalogue() -> dict[str, str]:
    """Code -> title of all checks and of the diagnostics on training, in the order of the codes."""
    titles = {diagnostic.code: diagnostic.title for diagnostic in DIAGNOSTICS}
    for module in pkgutil.walk_packages(slrcli.doctor.__path__, f"{slrcli.doctor.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Checks):
                titles |= {check.code: check.title for check in value}
    return dict(sorted(titles.items()))


def chosen(only: Iterable[str], skip: Iterable[str], strict: bool) -> Choice:
    """The checks that are wanted; codes are read as by `Choice.of`.

    Raises:
        UsageError: a code that no check has.
    """
    if not only and not skip and not strict:
        return ALL
    choice = Choice.of(only, skip, strict)
    choice.require_known(catalogue())
    return choice


def pages() -> dict[str, str]:
    """Code -> text of its page."""
    folder = resources.files(slrcli.doctor) / PAGES
    files = (file for file in folder.iterdir() if file.name.endswith(".md"))
    return {file.name.removesuffix(".md"): file.read_text(encoding="utf-8") for file in files}


def explain(text: str) -> str:
    """The page of a code, however it is written.

    Raises:
        UsageError: no check has that code; the nearest is named.
    """
    code, known = full_code(text), pages()
    if code not in known:
        raise UsageError(f"No check has the code {code}.", "--explain", nearest_code(code, known))
    return known[code]
