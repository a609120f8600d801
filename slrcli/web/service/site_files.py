"""The page of `slr export --web` as the service serves it: the files of one folder, with their types."""

from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from slrcli.errors import UsageError

# What the system's own table may lack or call otherwise; browsers run no module and compile no program of another type.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
}
OTHER = "application/octet-stream"


class SiteFiles(StaticFiles):
    """The files of a folder, and nothing outside of it: links that lead out of it are not followed."""

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        """See `StaticFiles`."""
        answer = super().file_response(full_path, *args, **kwargs)
        answer.headers["Content-Type"] = TYPES.get(Path(full_path).suffix.lower(), OTHER)
        answer.headers["Content-Security-Policy"] = "frame-ancestors 'none'"  # its own one stands in the page
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    def lookup_path(self, path: str) -> tuple[str, Any]:
        """See `StaticFiles`; hidden files are none of the page, and old versions of it fail at a NUL."""
        hidden = "\0" in path or any(part.startswith(".") for part in Path(path).parts)
        return ("", None) if hidden else super().lookup_path(path)


def require_page(folder: Path) -> Path:
    """The folder; UsageError where it holds no page."""
    if not (folder / "index.html").is_file():
        raise UsageError("The folder holds no page.", f"--page {folder}", "Make one with slr export RUN --web FOLDER.")
    return folder
