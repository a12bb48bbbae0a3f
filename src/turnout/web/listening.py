"""The sockets that a server listens on, and how the processes of one server share an address."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BACKLOG: Final = 2048
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - how an address is shown, not bound
_EVENLY: Final = sys.platform == "linux"
"""Whether the system spreads connections over sockets of one address. Elsewhere the last of them would get all."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of `host` that this machine has; with port 0, on the same free port of all of them.

    Raises `conflict` where another process listens there, or it cannot be.
    """
    bound: list[socket.socket] = []
    missing: OSError | None = None
    with _refusing(host, port, bound):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(_bound(family, (address[0], chosen, *address[2:]), v6_only=host != "::"))
            except OSError as error:
                # A name may stand for addresses that this machine does not have: ::1 in many containers.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if missing and not bound:
            raise missing
        for listening in bound:
            # Until somebody listens on it, another process may bind the same address, and would fail much later.
            listening.listen(BACKLOG)
    return bound


def shared(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """In place of sockets that listen, ones of the same addresses for several processes, each of which calls `own`.

    On one socket that all of them listen on, whichever process wakes first takes all connections that wait, and a
    client's lasting ones may all come to one process (docs/adr/0015-processes.md).
    """
    return _again(sockets) if _EVENLY else list(sockets)


def own(sockets: Sequence[socket.socket], *, at_once: bool) -> list[socket.socket]:
    """In place of `shared` sockets, those of this process, to which the system brings its part of the connections.

    They listen `at_once` where nobody does yet; else when the process is ready to answer.
    """
    if not _EVENLY:
        return list(sockets)
    made = _again(sockets)
    for listening in made if at_once else ():
        listening.listen(BACKLOG)
    return made


def url_of(listening: socket.socket, host: str) -> str:
    """Where a server that listens there can be asked."""
    shown = _WILDCARDS.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listening.getsockname()[1]}"


def _again(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    addresses = [(each.family, each.getsockname(), _is_v6_only(each)) for each in sockets]
    for each in sockets:
        each.close()
    bound: list[socket.socket] = []
    for family, address, v6_only in addresses:
        host, port = address[:2]
        with _refusing(host, port, bound):
            bound.append(_bound(family, address, v6_only=v6_only, evenly=True))
    return bound


def _bound(family: int, address: tuple[Any, ...], *, v6_only: bool, evenly: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if evenly:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # The address :: alone takes IPv4 as well; beside others, each family has its own.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only))
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _is_v6_only(bound: socket.socket) -> bool:
    return bound.family == socket.AF_INET6 and bool(bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


@contextmanager
def _refusing(host: str, port: int, bound: Sequence[socket.socket]) -> Iterator[None]:
    """Turns what keeps an address from being listened on into `conflict`, and closes what was bound before."""
    try:
        yield
    except OSError as error:
        for each in bound:
            each.close()
        if error.errno == errno.EADDRINUSE:
            message = f"Cannot listen on {host}: port {port} is in use by another process; --port takes another one."
            raise TurnoutError("conflict", message) from error
        reason = error.strerror or str(error)
        raise TurnoutError("conflict", f"Cannot listen on {host}, port {port}: {reason}.") from error
