"""What `slr serve` does: a recogniser behind HTTP and WebSockets, until a signal ends it."""

import errno
import importlib.util
import socket
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from slrcli.config import ServeConfig, check_section
from slrcli.console import Console
from slrcli.errors import DependencyError, SlrError, UsageError, reason_of, with_extra
from slrcli.parallel.workers import usable_cores
from slrcli.recognition.load import open_recogniser
from slrcli.recognition.settings import DecoderOptions

LIBRARIES = ("starlette", "uvicorn", "h11", "websockets")


def serve(
    console: Console,
    model: Path | None,
    device: str,
    decoder: DecoderOptions,
    options: ServeConfig,
    page: Path | None = None,
    token: str = "",
) -> int:
    """Serve a recogniser until a signal asks for an end; what is under way then is finished.

    Args:
        console: for the address and the log.
        model: run, checkpoint or exported model; None is the newest run.
        device: where a checkpoint is run.
        decoder: settings of the decoder given by the user.
        options: address and limits.
        page: folder of a page that is served as well.
        token: that every request must carry; "": none, on a loopback address alone.

    Raises:
        SlrError: no such recogniser, page or address; the port is taken; an address that others reach has no token.
        KeyboardInterrupt: a signal ended it.
    """
    need_libraries()
    from slrcli.web.service.app import Service
    from slrcli.web.service.guard import is_loopback
    from slrcli.web.service.server import Server
    from slrcli.web.service.site_files import require_page

    check_section(options, "serve.")
    if not token and not is_loopback(options.host):
        what = f"{options.host} is an address that others reach, and there is no token."
        fix = "Set SLR_TOKEN to a long secret text, or listen on 127.0.0.1."
        raise UsageError(what, f"--host {options.host}", fix)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("The token can only hold printable ASCII characters without spaces.", "--token")
    if page is not None:
        require_page(page)
    with ExitStack() as stack:
        listener = stack.enter_context(closing(listening(options.host, options.port)))
        recogniser = open_recogniser(console, model, device, replace(decoder, jobs=usable_cores()), stack)
        server = Server(console, Service(recogniser, options, page), token)
        console.result(address(listener))
        console.flush()
        console.note("Ctrl-C ends the service.")
        server.serve_until_signalled(listener)
    return 0


def need_libraries() -> None:
    """Raise a DependencyError where a library of the extra `serve` is not installed."""
    for name in LIBRARIES:
        if importlib.util.find_spec(name) is None:
            raise DependencyError(
                f"slr serve needs the library {name}, which is not installed.", fix=with_extra("serve")
            )


def listening(host: str, port: int) -> socket.socket:
    """A socket that clients can connect to from now on, though nobody answers yet.

    Raises:
        SlrError: there is no such address here, or the port is taken or reserved.
    """
    where = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SlrError(
            f"There is no address {host}: {reason_of(error)}.", where, "Name another with --host."
        ) from error
    family, kind, protocol, _, place = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where the other option would let two listen
            made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen()
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise _unbound(error, host, port, where) from error
    return made


def _unbound(error: OSError, host: str, port: int, where: str) -> SlrError:
    """What to say where a socket cannot be bound."""
    if error.errno == errno.EADDRINUSE:
        return SlrError(f"Port {port} is in use.", where, "Name another with --port, or any free one with --port 0.")
    if error.errno == errno.EACCES:
        return SlrError(f"Port {port} is reserved.", where, "Name one above 1023 with --port.")
    if error.errno == errno.EADDRNOTAVAIL:
        return SlrError(f"{host} is no address of this machine.", where, "Name another with --host.")
    return SlrError(
        f"Nothing can listen there: {error.strerror or error}.", where, "Name another with --host or --port."
    )


def address(listener: socket.socket) -> str:
    """Where a browser on this machine finds the service."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
