"""HTML of templates (`*.html.j2`) in the rooms beside them: whatever a template is given is text, and is escaped."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from slrcli.console import visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render(template: str, **values: object) -> str:
    """A template, such as `page/page.html.j2`, filled in."""
    return _environment().get_template(template).render(values)


def macro(template: str, name: str, *values: object) -> "Markup":
    """What a macro of a template makes of some values: a piece of HTML that stands in another as it is."""
    return getattr(_environment().get_template(template).module, name)(*values)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from jinja2.ext import Extension

    class OneLine(Extension):
        """Line breaks of a template and its indentation are for its readers: no white space of the page."""

        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            return "".join(line.strip() for line in source.splitlines())

    return Environment(
        loader=PackageLoader("slrcli.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        extensions=[OneLine],
    )


def shown(value: Any) -> Any:
    """A value as it stands in a page, before it is escaped: markup as it is, a float with two decimals at most, all
    else as text in which control and direction characters are visible."""
    if hasattr(value, "__html__"):
        return value
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return visible(str(value), keep="")
