"""`GET /admin/v1/backup`: a whole, consistent copy of the store (an extension)."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, BinaryIO, Final

from starlette.responses import Response, StreamingResponse

from turnout.errors import TurnoutError
from turnout.web.context import ask, context_of
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

_log: Final = logging.getLogger("turnout.admin")

_BLOCK: Final = 1 << 20


async def backup(request: Request) -> Response:
    """A copy of the store as it is now. For the store's owner, and for who may administer every provider in it.

    The copy is made whole before it is sent, so that a slow client keeps nobody waiting.
    """
    context = context_of(request)
    services = context.services
    credential = await services.auth.administrator(request)
    if credential.reach is not None and not credential.reach.issuperset(
        await ask(services.store, services.store.providers)
    ):
        raise TurnoutError(
            "permission_denied", "A backup holds every provider's data; the token does not cover them all."
        )
    headers = {**API_HEADERS, "Cache-Control": "no-store", "Content-Type": "application/vnd.duckdb"}
    if request.method == "HEAD":
        return Response(headers=headers)

    def made() -> BinaryIO:
        # What is in the log cannot get into the file while an export reads what was there before.
        with services.jobs.aside():
            return services.store.upkeep.copy()

    copy = await services.writing.run(made)
    size = os.fstat(copy.fileno()).st_size
    by = "owner" if credential.trusted else credential.subject.partition(" ")[0]
    _log.info("backup made", extra={"fields": {"id": context.id, "by": by, "bytes": size}})
    return StreamingResponse(_blocks(copy), headers={**headers, "Content-Length": str(size)})


def _blocks(copy: BinaryIO) -> Iterator[bytes]:
    with copy:
        while block := copy.read(_BLOCK):
            yield block
