"""What monitors ask: whether the server lives, whether it can answer, and what it counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.responses import JSONResponse, RedirectResponse, Response

from turnout.errors import TurnoutError
from turnout.query.sql import Statement
from turnout.web.accept import names_type
from turnout.web.context import ask, context_of, is_trusted
from turnout.web.page import page
from turnout.web.siblings import gathered

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from turnout.store.base import Store

T = TypeVar("T")

_ANSWER_WITHIN: Final = 2.0
_NOT_STORED: Final = {"Cache-Control": "no-store"}


async def live(_: Request) -> Response:
    """Answer as long as the process does."""
    return JSONResponse({"status": "live"}, headers=_NOT_STORED)


async def ready(request: Request) -> Response:
    """Answer once the store answers; 503 `storage_unavailable` says why it does not."""
    services = context_of(request).services
    if services.workers.stopping:
        raise TurnoutError("storage_unavailable", "The server is stopping.")
    try:
        await asyncio.wait_for(asyncio.to_thread(_ask, services.store), _ANSWER_WITHIN)
    except TimeoutError:
        message = f"The store has not answered for {_ANSWER_WITHIN:g} seconds."
        raise TurnoutError("storage_unavailable", message) from None
    except TurnoutError as error:
        raise TurnoutError("storage_unavailable", error.message) from error
    except Exception as error:
        # Its text may say more of the machine than a stranger should read; the log has it whole.
        message = f"The store cannot answer: {type(error).__name__}."
        raise TurnoutError("storage_unavailable", message) from error
    return JSONResponse({"status": "ready"}, headers=_NOT_STORED)


def _ask(store: Store) -> None:
    with store.snapshot(None) as snapshot:
        snapshot.rows(Statement("SELECT 1", ()))


async def metrics(request: Request) -> Response:
    """Answer what Prometheus asks for."""
    services = context_of(request).services
    if services.metrics is None:
        raise TurnoutError("not_found", "The setting 'metrics' is off.")
    services.metrics.store(await _within(services.store.status))
    if standing := await _within(services.jobs.standing):
        services.metrics.exports(standing, services.clock.now())
    text = await ask(services.store, services.metrics.text)
    if services.worker and not is_trusted(request.scope):
        text = await asyncio.to_thread(gathered, text, services.worker)
    return Response(text, headers={**_NOT_STORED, "Content-Type": services.metrics.content_type})


async def _within(ask: Callable[[], T]) -> T | None:
    try:
        return await asyncio.wait_for(asyncio.to_thread(ask), _ANSWER_WITHIN)
    except Exception:  # noqa: BLE001 - that it did not answer is what the metrics say
        return None


async def root(request: Request) -> Response:
    """Show a browser the page; lead whoever else opens the server's address to its documentation."""
    if names_type(request.headers.getlist("Accept"), "text/html"):
        return await asyncio.to_thread(page, request)
    return RedirectResponse("docs", status_code=307, headers={"Vary": "Accept"})
