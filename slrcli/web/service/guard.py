"""What stands before the service: whom it answers, what its answers forbid browsers to do, and one line per request."""

import hmac
import ipaddress
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from slrcli.console import Console, visible
from slrcli.errors import SlrError, shortened
from slrcli.web.service.answers import refusal
from slrcli.web.service.refusals import Forbidden, Refused, Unauthorised

COOKIE = "slr_page"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
OPEN = ("/health",)  # says nothing that needs a token
MOST_SHOWN = 80  # letters of a path in the log


def is_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Stands around an application.

    Without a token only programs of this machine reach the service, and of those browsers too: a page of somebody else
    may send requests, or give its own name the address of this machine. Hence only names of this machine are answered,
    and no request that a page from elsewhere sends.

    Args:
        app: what answers.
        console: for the log.
        token: that requests must carry; "": none.
    """

    def __init__(self, app: ASGIApp, console: Console, token: str = ""):
        self._app, self._console = app, console
        self._token = token.encode()
        self._cookie = secrets.token_urlsafe(32)  # what a browser keeps in place of the token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begin, told = time.monotonic(), _Told(send)
        try:
            answer = self._answer(HTTPConnection(scope))
            if answer is None:
                await self._app(scope, receive, told)
            elif scope["type"] == "websocket":
                await WebSocket(scope, receive, told).send_denial_response(answer)
            else:
                await answer(scope, receive, told)
        except Exception as error:
            self._console.error(SlrError("A request failed, a defect of slr.", f"{type(error).__name__}: {error}"))
            if not told.status and scope["type"] == "http":
                await refusal_of_defect()(scope, receive, told)
        finally:
            self._log(scope, told.status, time.monotonic() - begin)

    def _answer(self, request: HTTPConnection) -> Response | None:
        """What is said in place of the application; None where that answers."""
        try:
            require_own(request.headers, local=not self._token)
            return self._admit(request) if self._token else None
        except Refused as error:
            return refusal(error)

    def _admit(self, request: HTTPConnection) -> Response | None:
        """See `_answer`; a browser that brings the token gets a cookie for what the page loads, and leaves it behind.

        Raises:
            Unauthorised: no token, or a wrong one.
        """
        path, is_socket = request.url.path, request.scope["type"] == "websocket"
        if path in OPEN:
            return None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return None
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1")))
        if is_socket and self._is_token(query.get("token", "")):
            return None
        if not is_socket and request.scope["method"] in ("GET", "HEAD"):
            if hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._cookie.encode()):
                return None
            if path == "/" and self._is_token(query.get("token", "")):
                answer = RedirectResponse("/", 303)
                answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict")
                return answer
        fix = "Send the header 'Authorization: Bearer TOKEN'; a stream or the page: ?token=TOKEN."
        raise Unauthorised("The token is missing or wrong.", "", fix)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        """One line, without the query: it may hold the token or the name of a clip."""
        client = (scope.get("client") or ("-",))[0]
        path = visible(shortened(scope["path"], MOST_SHOWN), keep="")
        kind = scope.get("method", "WS")
        self._console.note(f"{client} {visible(kind, keep='')} {path} {status or '-'} {seconds:.3f} s")


def require_own(headers: Headers, local: bool) -> None:
    """Refuse what a page from elsewhere sends, and, where only this machine is answered, any other name.

    Raises:
        Forbidden: either.
    """
    host = headers.get("host", "")
    if local and not is_loopback(host.rpartition(":")[0] if _has_port(host) else host):
        raise Forbidden("Only names of this machine are answered.", "Host", "Use 127.0.0.1 or localhost.")
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        raise Forbidden("Pages from elsewhere are not answered.", "Origin", "Use the page that the service serves.")


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and not host.endswith("]") and (host.count(":") == 1 or "]:" in host)


def refusal_of_defect() -> Response:
    """What a client is told of an error that nobody foresaw: nothing of it."""
    answer = refusal(SlrError("An unexpected error occurred, a defect of slr."))
    answer.status_code = 500
    return answer


class _Told:
    """Passes on what an application says, with headers for browsers; the status stays known."""

    def __init__(self, send: Send):
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> Any:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
            headers.setdefault("Cache-Control", "no-store")
        elif message["type"] == "websocket.accept":
            self.status = 101
        await self._send(message)
