"""What a person reads when a page was written."""

from pathlib import Path
from typing import Protocol


class Page(Protocol):
    """What `slrcli.web.page` writes."""

    @property
    def folder(self) -> Path: ...

    @property
    def assets(self) -> str: ...

    @property
    def difference(self) -> float: ...

    @property
    def megabytes(self) -> float: ...


def page_lines(page: Page) -> str:
    """Where the page is, and what to do to see it."""
    steps = [f"cd {page.folder}", *(["npm ci --ignore-scripts"] if page.assets == "node_modules" else [])]
    show = " && ".join([*steps, "python3 -m http.server --bind 127.0.0.1 8000"])
    return (
        f"page: {page.folder} ({page.megabytes:.1f} MB, off torch by {page.difference:.1g} nats)\n"
        f"To see it: {show}\n"
        "Then open http://127.0.0.1:8000. Elsewhere browsers grant the camera to HTTPS alone."
    )
