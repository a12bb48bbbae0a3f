"""Running: the server of `turnout serve`, and the owner's socket for the length of one command (contract section 5)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

import uvicorn

from turnout.errors import TurnoutError
from turnout.store.open import is_file
from turnout.web import listening
from turnout.web.app import Application, create_app
from turnout.web.interpreter import settle
from turnout.web.logs import configure_logging
from turnout.web.opening import open_own
from turnout.web.protocol import protocol_for
from turnout.web.shutdown import Ending
from turnout.web.unix import OwnerSocket, bind_socket, short_path, socket_of
from turnout.web.workers import divide

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

    from turnout.settings import Settings
    from turnout.store.base import Store
    from turnout.web.once import Once

__all__ = ["in_thread", "owner", "serve", "short_path", "socket_of"]

_log: Final = logging.getLogger("turnout.server")

# Longer than the proxies' own, so that it is they who close connections, and never into a request.
_KEEP_ALIVE: Final = 75
_CANCELLED_WITHIN: Final = 0.7
_ABORTED_WITHIN: Final = 0.5
_LOOK_AGAIN: Final = 0.01
_LAST_LINES_WITHIN: Final = 0.3
# For whoever has connected to be let in, and then, for so many looks at most, to ask what it came for.
_LET_IN: Final = 0.05
_LOOKS: Final = 100


class Listener(uvicorn.Server):
    """uvicorn's server on sockets that are bound already; its signals, lifespan and end are ours."""

    def __init__(self, application: Application, app: ASGIApp, sockets: Sequence[socket.socket], proxies: bool) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_for(application),
                ws="none",
                loop="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=proxies,
                forwarded_allow_ips=list(application.services.settings.trusted_proxies),
                timeout_keep_alive=_KEEP_ALIVE,
                backlog=listening.BACKLOG,
                workers=1,
            )
        )
        self._sockets = list(sockets)
        self._ticking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Accept connections from here on."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.on_tick(0)
        await self.startup(sockets=self._sockets)
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Keep the `Date` header right."""
        while True:
            await asyncio.sleep(1)
            await self.on_tick(0)

    async def end(self) -> None:
        """Accept no more connections, close the idle ones, and wait until the requests that run are answered."""
        if self._ticking:
            self._ticking.cancel()
        # Whoever has connected before now waits to be let in.
        await asyncio.sleep(_LET_IN)
        for _ in range(_LOOKS):
            if all(getattr(connection, "cycle", True) for connection in self.server_state.connections):
                break  # each has asked something
            await asyncio.sleep(_LOOK_AGAIN)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - see below
            await asyncio.sleep(_LOOK_AGAIN)  # as uvicorn does: nothing tells when a connection is gone

    def abort(self) -> None:
        """Close every connection, and stop whatever works for it."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def serve(
    settings: Settings,
    *,
    prepare: Callable[[Store], None] | None = None,
    announce: Callable[[str], None] | None = None,
    once: Once | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, and return; within 10 seconds of the signal, whatever happens.

    `prepare` gets the open store before anyone else. `announce` gets the server's address when it accepts requests;
    by default it is printed. `once` takes the codes of links that sign in. Raises `TurnoutError` where the address is
    taken, or the store cannot be opened.
    """
    if settings.workers > 1 and is_file(settings.database):
        message = "The embedded store is one process's; several workers need a database: --database postgresql://..."
        raise TurnoutError("conflict", message)
    sockets = listening.bind(settings.host, settings.port)
    worker = None
    if settings.workers > 1:
        sockets = listening.shared(sockets)
        worker = divide(settings)
        sockets = listening.own(sockets, at_once=worker.first)
    announce = announce or _print
    if worker:
        prepare, announce = worker.part(prepare, announce)
    log = configure_logging(settings)
    with Ending(lambda: log.close(_LAST_LINES_WITHIN)) as ending, ExitStack() as stack:
        # Left last: it waits for threads that work for requests, which end with the store.
        runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory()))
        store = open_own(settings)
        stack.callback(store.close)
        if prepare:
            prepare(store)
        application = create_app(store, settings, worker=worker, once=once)
        stack.callback(application.services.close)
        for background in application.services.background:
            stack.callback(background.close)
        owned = bind_socket(worker.socket) if worker else None if store.shared else _bind_owner(application)
        if owned:
            # At the latest; see `_serve`.
            stack.callback(owned.remove)
        stack.callback(settle())
        runner.run(_serve(application, sockets, owned, ending, announce))
    log.close()


async def _serve(
    application: Application,
    sockets: Sequence[socket.socket],
    owned: OwnerSocket | None,
    ending: Ending,
    announce: Callable[[str], None],
) -> None:
    settings = application.services.settings
    listeners = [Listener(application, application, sockets, bool(settings.trusted_proxies))]
    if owned:
        listeners.append(Listener(application, application.trusted, [owned.socket], False))
    asked = asyncio.Event()
    ending.when_asked(asyncio.get_running_loop(), asked)
    for listener in listeners:
        await listener.begin()
    if application.services.auth.key_source:
        # So that a key set that cannot be read is said now, and not when the first JWT comes.
        application.services.auth.key_source.begin()
    url = listening.url_of(sockets[0], settings.host)
    announce(url)
    _log.info("serving", extra={"fields": {"url": url, "pid": os.getpid()}})
    for background in application.services.background:
        background.start()
    await asked.wait()
    _log.info("stopping")
    for background in application.services.background:
        background.stop()
    if owned:
        # Before the last ones are let in, so that nobody comes after them.
        owned.remove()
    await _finish(application, listeners, settings.shutdown_timeout)


async def _finish(application: Application, listeners: Sequence[Listener], patience: float) -> None:
    """Let requests finish; then cancel their queries, so that they are answered; then close their connections."""
    done = asyncio.ensure_future(asyncio.gather(*(listener.end() for listener in listeners), return_exceptions=True))
    await asyncio.wait([done], timeout=patience)
    if not done.done():
        _log.warning("requests are cancelled")
        application.services.workers.stop()
        await asyncio.wait([done], timeout=_CANCELLED_WITHIN)
    if not done.done():
        for listener in listeners:
            listener.abort()
        await asyncio.wait([done], timeout=_ABORTED_WITHIN)
    done.cancel()
    with suppress(asyncio.CancelledError):
        for error in filter(None, await done):
            _log.error("a listener did not end well", exc_info=error)


@contextmanager
def owner(store: Store, settings: Settings, path: Path, *, command: str) -> Iterator[None]:
    """Serve the owner's socket at `path` from a thread of its own, while the block lasts.

    So a command that owns the store answers the commands that run meanwhile, and asks itself the way it would ask a
    server. `command` is what it calls itself: `turnout import`. Raises `storage_unavailable` where there is no socket.
    """
    owned = bind_socket(path)
    # Commands that come from here on wait to be let in, instead of being told that the store is taken.
    owned.socket.listen(listening.BACKLOG)
    try:
        application = create_app(store, settings, command=command, metrics=False, pages=[])
        with in_thread(application, application.trusted, [owned.socket]):
            try:
                yield
            finally:
                # Before the last ones are let in, so that nobody comes after them.
                owned.remove()
                application.services.jobs.stop()
    finally:
        owned.remove()
        owned.socket.close()


@contextmanager
def in_thread(application: Application, app: ASGIApp, sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Serve bound sockets from a thread of its own, while the block lasts; requests that run are finished."""
    loop = _loop_factory()()
    asked = asyncio.Event()
    ready = threading.Event()
    failed: list[BaseException] = []

    async def main() -> None:
        listener = Listener(application, app, sockets, bool(application.services.settings.trusted_proxies))
        await listener.begin()
        ready.set()
        await asked.wait()
        await _finish(application, [listener], application.services.settings.shutdown_timeout)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(main())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the block begins
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="turnout-server", daemon=True)
    thread.start()
    ready.wait()
    try:
        if failed:
            raise failed[0]
        yield
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(asked.set)
        thread.join()
        application.services.close()
        application.services.jobs.close()


def _bind_owner(application: Application) -> OwnerSocket | None:
    """The owner's socket. Where there can be none, the server does without, and says so."""
    try:
        return bind_socket(socket_of(application.services.settings.database))
    except TurnoutError as error:
        fault = f"Commands on this machine cannot reach this server: {error.message}"
        application.services.faults.append(fault)
        _log.warning(fault)
        return None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _print(url: str) -> None:
    sys.stdout.write(f"Turnout serves {url}\n")
    sys.stdout.flush()
