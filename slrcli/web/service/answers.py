"""Answers of the service as JSON: plain values, and the three parts of an error with its status."""

import json
from typing import Any

from starlette.responses import Response

from slrcli.console import finite
from slrcli.errors import SlrError
from slrcli.web.service.refusals import parts_of, status_of


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain values as JSON; NaN and infinity, which JSON lacks, become null."""
    body = json.dumps(finite(value), ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
    return Response(body, status, headers, "application/json")


def refusal(error: SlrError) -> Response:
    """What a client is told of an error."""
    status = status_of(error)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status)
    return json_response(parts_of(error), status, headers)
