"""The use cases about a customer as a person: erasing, telling what is stored, and retention (contract section 6)."""

from __future__ import annotations

from calendar import monthrange
from contextlib import nullcontext, suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo

import msgspec

from turnout.catalog.attendances import ATTENDANCES, THINGS
from turnout.catalog.types import MAX_ID
from turnout.errors import Faults, TurnoutError, did_you_mean, shown
from turnout.output.shape import nester
from turnout.query.instants import format_utc, local_date, start_of_day
from turnout.query.plan import plan
from turnout.query.request import Scope, parse
from turnout.query.sql import all_statement, count_statement
from turnout.reports import cursor_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from turnout.settings import Period
    from turnout.store.base import Provider, Snapshot, Store
    from turnout.store.persons import Aside, Erasure, Fact

Json = dict[str, Any]

MOST_AT_ONCE: Final = 1_000
"""So many customers may be erased in one go."""
_MEMBERS: Final = ("customers", "dry_run")
_BATCH: Final = 1_000
_MONTHS: Final = 12
_FORGOTTEN: Final = "What is too old has forgotten its customers."
_PATHS: Final = {member.storage: member.path for thing in THINGS for member in thing.members}
_encode: Final = msgspec.json.Encoder().encode


def read_erasure(given: Mapping[str, object]) -> tuple[list[int], bool]:
    """The customers to erase, and whether only to tell what that would do. Raises `parameter_invalid`."""
    faults = Faults()
    for name in given:
        if name not in _MEMBERS:
            faults.add(name, f"{shown(name)} is not a known member.{did_you_mean(name, _MEMBERS)}")
    customers, dry_run = given.get("customers"), given.get("dry_run", False)
    if not isinstance(customers, list) or not 0 < len(customers) <= MOST_AT_ONCE or not all(map(_is_id, customers)):
        faults.add("customers", f"It must be a list of 1 to {MOST_AT_ONCE:,} ids of customers.")
    if not isinstance(dry_run, bool):
        faults.add("dry_run", "It must be true or false.")
    faults.raise_if_any()
    return cast("list[int]", customers), bool(dry_run)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID


def erase_customers(
    store: Store,
    provider: Provider,
    customers: Sequence[int],
    *,
    now: int,
    by: str,
    dry_run: bool = False,
    on_erased: Callable[[], None] = lambda: None,
    aside: Aside = nullcontext,
) -> list[Json]:
    """Erase customers of a provider, and overwrite what the store's files held of them; a dated receipt for each.

    All or none. `by` names who asked, by an id. `dry_run` tells what the receipts would say. `on_erased` is told when
    they are erased, before the files are overwritten; for `aside` see `Persons.overwrite`. Raises `not_found` where one
    is not known, and `storage_unavailable` where they are erased, and the files could not be overwritten yet.
    """
    erasures = store.persons.erase(provider, customers, at=now, by=by, dry_run=dry_run)
    if not dry_run:
        on_erased()
        many = f"{len(customers)} customers are" if len(customers) > 1 else f"Customer {customers[0]} is"
        _overwrite(store, aside, f"{many} erased.")
    return [receipt(erasure) for erasure in erasures]


def restore_customer(store: Store, provider: Provider, customer: int) -> None:
    """Let rows that arrive say again who an erased customer is. Raises `not_found` where they are not erased."""
    if not store.persons.restore(provider, [customer]):
        raise TurnoutError("not_found", f"Customer {customer} is not erased.")


def list_erasures(store: Store, provider: Provider) -> list[Json]:
    """The receipts of a provider's erased customers, by id."""
    return [receipt(erasure) for erasure in store.persons.erased(provider.id)]


def receipt(erasure: Erasure) -> Json:
    """What is told of an erasure, as JSON; nothing that was erased."""
    return {
        "provider": erasure.provider_id,
        "customer": erasure.customer_id,
        "erased_at": format_utc(erasure.erased_at),
        "erased_by": erasure.erased_by,
        "attendances": erasure.attendances,
    }


def export_customer(store: Store, provider: Provider, customer: int, now: int) -> Iterator[bytes]:
    """All that is stored of a customer, as pieces of one JSON document; the first one is made before this returns.

    Members: `provider`, `exported_at`, `customer` (each member with its value, when and by which attendance it was
    said), `erased` (the receipt, or null), `total`, and `attendances`, in the report's row form with every column, the
    newest event first. Raises `not_found` where there is no such customer.
    """
    pieces = _export(store, provider, customer, now)
    first = next(pieces)

    def whole() -> Iterator[bytes]:
        yield first
        yield from pieces

    return whole()


def _export(store: Store, provider: Provider, customer: int, now: int) -> Iterator[bytes]:
    columns = ",".join(column.key for column in ATTENDANCES.columns)
    asked = [("columns", columns), ("customers", str(customer)), ("include_future", "true")]
    scope = Scope(provider.id, ZoneInfo(provider.timezone), provider.week_start)
    request = parse(ATTENDANCES, asked, scope, now=now, box=cursor_box(store))
    with store.snapshot(provider.id, long=True) as snapshot:
        the_plan = plan(request, snapshot.dialect)
        ((total,),) = snapshot.rows(count_statement(the_plan))
        head = _head(store, snapshot, provider, customer, now) | {"total": total}
        yield _encode(head)[:-1] + b',"attendances":['
        nest = nester(request, the_plan)
        between = b""
        for batch in snapshot.stream(all_statement(the_plan), _BATCH):
            yield between + _encode([nest(row) for row in batch])[1:-1]
            between = b","
        yield b"]}"


def _head(store: Store, snapshot: Snapshot, provider: Provider, customer: int, now: int) -> Json:
    facts = store.persons.facts(snapshot, provider.id, customer)
    if facts is None:
        raise TurnoutError("not_found", f"There is no customer {customer}.")
    erased = (receipt(one) for one in store.persons.erased(provider.id) if one.customer_id == customer)
    members = {_PATHS[fact.member].rpartition(".")[2]: _fact(fact) for fact in facts}
    return {
        "provider": {"id": provider.id, "name": provider.name},
        "exported_at": format_utc(now),
        "customer": {"id": customer, **members},
        "erased": next(erased, None),
    }


def _fact(fact: Fact) -> Json:
    said_at = None if fact.said_at is None else format_utc(fact.said_at)
    return {"value": fact.value, "said_at": said_at, "said_by_attendance": fact.said_by}


# Retention


def retain(
    store: Store,
    period: Period | None,
    now: int,
    *,
    go_on: Callable[[], bool] = lambda: True,
    on_changed: Callable[[int], None] = lambda _: None,
) -> None:
    """Carry out the retention of every provider. What the store's files held of it is still to be overwritten.

    `go_on` is asked between short transactions; what it stops goes on the next time. `on_changed` is told each provider
    some of whose attendances changed.
    """
    marked = {one.provider_id for one in store.persons.retention()}
    for provider in store.providers().values():
        if not go_on():
            return
        if period is None and provider.id not in marked:
            continue
        if store.persons.retain(provider, _before(provider, period, now), at=now, go_on=go_on):
            on_changed(provider.id)


def retain_provider(
    store: Store, provider: Provider, period: Period | None, now: int, aside: Aside = nullcontext
) -> Json:
    """Let a provider's attendances whose event began longer ago than `period` show nobody (None: none is too old).

    Tells `before`, from when on they may be shown, and how many `attendances` have changed.
    """
    before = _before(provider, period, now)
    changed = store.persons.retain(provider, before, at=now, go_on=lambda: True)
    _overwrite(store, aside, _FORGOTTEN)
    return {
        "provider": provider.id,
        "before": None if before is None else format_utc(before),
        "attendances": changed,
    }


def _overwrite(store: Store, aside: Aside, done: str) -> None:
    """Overwrite what the files hold of what was forgotten. Where that fails, the error says what was `done` and not."""
    try:
        store.persons.overwrite(aside)
    except TurnoutError as error:
        room = ""
        with suppress(TurnoutError):  # what is wrong with the store may keep it from saying this as well
            room = f", for which up to {(store.status().size >> 20) + 1} MiB have to be free on the disk"
        message = (
            f"{done} Nothing of that can be read any more, but the store's file still holds it: {error.message} It is "
            f"overwritten when the command is run again, or by a server at its next try{room}; `turnout doctor` says "
            "so until it is done."
        )
        raise TurnoutError(error.code, message, retry_after=error.retry_after) from error


def _before(provider: Provider, period: Period | None, now: int) -> int | None:
    """From when on a provider's attendances may show who their customer is; by its own day of today."""
    return None if period is None else cutoff(period, now, ZoneInfo(provider.timezone))


def cutoff(period: Period, now: int, zone: tzinfo) -> int:
    """The start of the day, in a zone, that is a period before today; a day that a month lacks is the month's last."""
    today = local_date(now, zone)
    months = today.year * _MONTHS + today.month - 1 - period.months
    if months < _MONTHS:
        return start_of_day(date.min, zone)
    year, month = months // _MONTHS, months % _MONTHS + 1
    day = date(year, month, min(today.day, monthrange(year, month)[1]))
    return start_of_day(day - min(timedelta(period.days), day - date.min), zone)
