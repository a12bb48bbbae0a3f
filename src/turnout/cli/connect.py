"""The way from a command to the data: find the owner of the store, or become it (contract section 5).

A command speaks to a server: to the one that `--server` names, to the one that owns the store of this machine, through
the socket beside its file, or to one that it runs itself, on that same socket, for as long as it takes. So there is one
way to do a thing, whoever owns the file, and commands that run at the same time share it.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import httpx
import rich_click as click

from turnout.cli.api import LOCAL_HOST, Unreachable, call_json
from turnout.cli.problems import Failure
from turnout.cli.render import print_table, say, write_json
from turnout.errors import TurnoutError
from turnout.store.open import is_file, store_path
from turnout.store.owner import StoreOwned
from turnout.web.opening import PATIENCE, PAUSE, open_own
from turnout.web.unix import check_owner, short_path, socket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from turnout.cli.base import Where
    from turnout.settings import Settings
    from turnout.store.base import Store

HOW_TO_BEGIN: Final = "'turnout provider add' makes a store; 'turnout demo' makes one with demonstration data."

_TIMEOUT: Final = httpx.Timeout(120.0, connect=5.0)
# How many seconds the other process may take to listen, or to end: a command that listens is soon done, one that works
# on the file alone may not be, and of another program nothing is known.
_PATIENCE_WITH_LISTENERS: Final = 30.0
_WORK_ALONE: Final = frozenset({"turnout import", "turnout demo"})
# A change must not be made twice: whether it was made is for a person to look at.
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_UNANSWERED: Final = "The owner of the store ended before it answered; see whether the change was made, then try again."
_OWNERS: Final = 20


@contextmanager
def connect(where: Where, *, create: bool = False) -> Iterator[httpx.Client]:
    """A client of the server that has the data. `create` makes a store where there is none.

    Raises `Failure` where there is no store, or its owner cannot be reached.
    """
    remote = where.remote()
    if remote:
        server, token = remote
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=server, headers=headers, timeout=_TIMEOUT) as client:
            yield client
        return
    settings = where.settings()
    if not create:
        must_exist(settings)
    carrier = _Owner(settings) if is_file(settings.database) else _Own(settings, create=create)
    with httpx.Client(
        base_url=f"http://{LOCAL_HOST}",
        # What stays on this machine is not worth compressing.
        headers={"Accept-Encoding": "identity"},
        transport=carrier,
        timeout=_TIMEOUT,
    ) as client:
        yield client


def print_list(
    where: Where, path: str, heads: Sequence[str], cells: Callable[[dict[str, Any]], Sequence[object]], *, as_json: bool
) -> None:
    """Print the list that the server has at `path`, as JSON or as a table of `cells` under `heads`."""
    found = _list_from(where, path)
    if as_json:
        write_json(found)
    elif found:
        print_table(heads, [cells(one) for one in found])


def _list_from(where: Where, path: str) -> list[dict[str, Any]]:
    """The list that the server has; of a store that is not there yet, an empty one, and a word about it."""
    if not where.remote():
        database = where.settings().database
        if is_file(database) and not store_path(database).exists():
            say(f"There is no store {store_path(database)} yet. {HOW_TO_BEGIN}")
            return []
    with connect(where) as client:
        found: list[dict[str, Any]] = call_json(client, "GET", path)
        return found


@contextmanager
def open_here(settings: Settings, doing: str, *, create: bool = False) -> Iterator[Store]:
    """The store, opened in this process. Raises `Failure` where another one has it: `doing` must wait for that."""
    if not create:
        must_exist(settings)
    try:
        store = opened(settings, create=create)
    except StoreOwned as owned:
        raise Failure(f"{owned.message} Stop that process, then run 'turnout {doing}' again.") from owned
    try:
        yield store
    finally:
        store.close()


def must_exist(settings: Settings) -> Path | None:
    """The path of an embedded store; a `Failure` where there is none. None for a database: opening it tells."""
    if not is_file(settings.database):
        return None
    path = store_path(settings.database)
    if not path.exists():
        raise Failure(f"There is no store {path}. {HOW_TO_BEGIN}")
    return path


def opened(settings: Settings, *, create: bool) -> Store:
    """The store, opened in this process. Raises `StoreOwned`, and `Failure` where there is none to be made."""
    try:
        return open_own(settings, create=create)
    except TurnoutError as error:
        if error.code == "not_found":
            raise Failure(f"{error.message} {HOW_TO_BEGIN}") from error
        raise


class _Own(httpx.BaseTransport):
    """Carries requests to a server of this process, on a database that anybody may use at the same time."""

    def __init__(self, settings: Settings, *, create: bool) -> None:
        self._settings = settings
        self._create = create
        self._stack = ExitStack()
        self._inner: httpx.BaseTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._inner is None:
            store = opened(self._settings, create=self._create)
            directory = self._stack.enter_context(TemporaryDirectory(prefix="turnout-"))
            self._inner = _serve_here(self._stack, store, self._settings, Path(directory) / "own.sock")
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner = None
        self._stack.close()


def _serve_here(stack: ExitStack, store: Store, settings: Settings, path: Path) -> httpx.BaseTransport:
    """Serve the store on the socket `path`, until the stack is left; what carries requests there."""
    from turnout.web.server import owner  # noqa: PLC0415 - where there is an owner, no server is needed here

    stack.callback(store.close)
    context = click.get_current_context(silent=True)
    command = " ".join(["turnout", *context.command_path.split()[1:2]]) if context else "turnout"
    stack.enter_context(owner(store, settings, path, command=command))
    return stack.enter_context(_over(stack.enter_context(short_path(path))))


class _Owner(httpx.BaseTransport):
    """Carries requests to the owner of the store, whoever that is at the moment; where there is none, becomes it.

    An owner that is a command ends with its work: it answers the requests that it took, and takes no more. Whoever
    finds it gone looks again, and sends the request to the next one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._inner: httpx.BaseTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(_OWNERS):
            if self._inner is None:
                self._inner = self._find()
            try:
                return self._inner.handle_request(request)
            except httpx.ConnectError:
                self.close()
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                self.close()
                if request.method not in _REPEATABLE:
                    raise Unreachable(_UNANSWERED) from error
        raise Failure("The store changes hands all the time; try again when fewer commands run at once.")

    def close(self) -> None:
        self._inner = None
        self._stack.close()

    def _find(self) -> httpx.BaseTransport:
        began = time.monotonic()
        while True:
            found = self._reach()
            if found:
                return found
            try:
                return self._become()
            except StoreOwned as owned:
                if time.monotonic() - began > _patience_with(owned):
                    raise Failure(_out_of_reach(owned, self._settings)) from owned
                time.sleep(PAUSE)

    def _reach(self) -> httpx.BaseTransport | None:
        """The transport to the owner, if one listens beside the file."""
        try:
            path = self._stack.enter_context(short_path(socket_of(self._settings.database)))
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(path)
            check_owner(path, self._settings.database)
        except OSError:
            return None
        return self._stack.enter_context(_over(path))

    def _become(self) -> httpx.BaseTransport:
        # Loaded first, so that others do not find the store owned and nobody listening for longer than need be.
        import turnout.web.server  # noqa: F401, PLC0415 - as in `_serve_here`

        store = open_own(self._settings, patience=0)
        return _serve_here(self._stack, store, self._settings, socket_of(self._settings.database))


def _over(path: str) -> httpx.HTTPTransport:
    # No certificates are needed, and reading them takes a while. The environment's proxies have no say in this.
    return httpx.HTTPTransport(uds=path, verify=False, trust_env=False)


def _is_turnout(owned: StoreOwned) -> bool:
    return owned.command is not None and owned.command.split()[0] == "turnout"


def _patience_with(owned: StoreOwned) -> float:
    return _PATIENCE_WITH_LISTENERS if _is_turnout(owned) and owned.command not in _WORK_ALONE else PATIENCE


def _out_of_reach(owned: StoreOwned, settings: Settings) -> str:
    if _is_turnout(owned):
        rest = f"It does not answer on {socket_of(settings.database)}; wait for it to end, or give the address of its"
        return f"{owned.message} {rest} server: --server URL --token T."
    return f"{owned.message} If that is a server elsewhere, give its address: --server URL --token T."
