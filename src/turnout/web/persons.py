"""Customers as persons, under `/admin/v1` (an extension): erasing, what is stored of one, retention.

For the store's owner, and for tokens of role `super_admin`, for one of their providers. Logs have ids alone.
"""

from __future__ import annotations

import asyncio
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from turnout import persons
from turnout.web.admin import json_response, members, note
from turnout.web.asked import no_parameters, path_id
from turnout.web.body import SMALL
from turnout.web.context import context_of
from turnout.web.limits import kept_on_disk
from turnout.web.respond import API_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from turnout.store.base import Provider, Store
    from turnout.web.auth import Credential

_PIECE: Final = 1 << 16


async def erase_customers(request: Request) -> Response:
    """`POST /admin/v1/erasures`: erase customers; the receipts, when nothing of them is left in the store's files."""
    context = context_of(request)
    services = context.services
    credential, provider = await services.auth.writer(request)
    customers, dry_run = persons.read_erasure(await members(request))

    def erased() -> None:
        services.answers.forget(provider.id)
        services.uploads.forget(provider.id)
        note(request, credential, "customers erased", provider=provider.id, customers=customers)

    receipts = await services.writing.run(
        persons.erase_customers,
        services.store,
        provider,
        customers,
        now=context.now,
        by=_who(credential),
        dry_run=dry_run,
        on_erased=erased,
        aside=services.jobs.aside,
    )
    return json_response(receipts)


async def list_erasures(request: Request) -> Response:
    """`GET /admin/v1/erasures`: the receipts of all who are erased."""
    services = context_of(request).services
    _, provider = await services.auth.writer(request)
    no_parameters(request)
    return json_response(await asyncio.to_thread(persons.list_erasures, services.store, provider))


async def restore_customer(request: Request) -> Response:
    """`DELETE /admin/v1/erasures/{id}`: 204; rows that come from now on may say again who the customer is."""
    services = context_of(request).services
    credential, provider = await services.auth.writer(request)
    no_parameters(request)
    customer = path_id(request)
    await services.writing.run(persons.restore_customer, services.store, provider, customer)
    note(request, credential, "erasure lifted", provider=provider.id, customer=customer)
    return Response(status_code=204, headers=API_HEADERS)


async def export_customer(request: Request) -> Response:
    """`GET /admin/v1/customers/{id}`: all that is stored of a customer.

    Read whole before it is sent: a client that takes its time keeps no view of the store open.
    """
    context = context_of(request)
    services = context.services
    credential, provider = await services.auth.writer(request)
    no_parameters(request)
    customer = path_id(request)
    document = await asyncio.to_thread(_whole, services.store, provider, customer, context.now)
    note(request, credential, "customer exported", provider=provider.id, customer=customer)
    headers = {**API_HEADERS, "Cache-Control": "no-store", "Content-Type": "application/json"}
    return StreamingResponse(_pieces(document), headers=headers)


def _whole(store: Store, provider: Provider, customer: int, now: int) -> SpooledTemporaryFile[bytes]:
    """What is stored of a customer, in memory, or in a nameless file where it is much."""
    document = SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 - closed when it has been sent
    try:
        with kept_on_disk():
            document.writelines(persons.export_customer(store, provider, customer, now))
            document.seek(0)
    except BaseException:
        document.close()
        raise
    return document


def _pieces(document: SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with document:
        yield from iter(lambda: document.read(_PIECE), b"")


async def retain(request: Request) -> Response:
    """`POST /admin/v1/retention`: let what is too old forget its customers now; how many attendances did."""
    context = context_of(request)
    services = context.services
    credential, provider = await services.auth.writer(request)
    no_parameters(request)
    period = services.settings.retention
    try:
        done = await services.writing.run(
            persons.retain_provider, services.store, provider, period, context.now, services.jobs.aside
        )
    finally:
        services.answers.forget(provider.id)
    note(request, credential, "retention carried out", provider=provider.id, attendances=done["attendances"])
    return json_response(done)


def _who(credential: Credential) -> str:
    """Who asked, as a receipt says it: by an id, not by a name."""
    if credential.trusted:
        return "owner"
    return "jwt" if credential.token_id is None else f"token {credential.token_id}"
