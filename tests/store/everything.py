"""Everything that a store is asked for, of two providers: so that every statement of a backend is seen once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from store.look import OTHER, STUDIO
from store.rows import batches, many, row
from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED
from turnout.catalog.look_ups import LOOK_UP
from turnout.exports import write_file
from turnout.imports import has_rows
from turnout.ingest.demo import demo_batches
from turnout.output.files import FILES, Asked
from turnout.output.formats import FORMATS
from turnout.persons import export_customer
from turnout.query.look_ups import parse_look_up
from turnout.query.request import Scope, parse
from turnout.query.sql import listing_statement, next_statement
from turnout.reports import cursor_box, look_up, report_page
from turnout.store.base import Answered, PlaceChange, StoredPlace, Token
from turnout.store.jobs import Job, Status
from turnout.store.views import View

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.query.request import ReportRequest
    from turnout.store.base import Provider, Store

NOW = 1_790_000_000_000_000
ROWS = 1_500
BOTH = (STUDIO, OTHER)
EVERY_COLUMN = ",".join(column.key for column in ATTENDANCES.columns)
PAGES = (
    "include_future=true",
    "include_future=true&limit=7&offset=1200",
    "include_future=true&limit=7&offset=1200&sort=customer.name",
    f"include_future=true&columns={EVERY_COLUMN}&sort=-venue.name,customer.name",
    "event_timeframe=last_90_days&status=attended,no_show&instructors=1,2",
    "customers=1,2,3&include_future=true&sort=id",
    "updated_at_gte=2020-01-01&sort=updated_at&include_future=true",
    "event_start_gte=2020-01-01&event_start_lte=2030-01-01",
)
GROUPS = (
    "columns=venue.name,status,count",
    "columns=customer.name,day_of_week,count&sort=-count&include_future=true",
    "columns=venue.name,count&pivot=month&event_timeframe=last_90_days",
    "columns=day_of_week,count&pivot=week&event_timeframe=last_30_days&limit=3",
)


def request_of(
    store: Store, provider: Provider, query: str, *, grouped: bool = False, who: int | None = None
) -> ReportRequest:
    scope = Scope(provider.id, ZoneInfo(provider.timezone), provider.week_start, who)
    report = ATTENDANCES_GROUPED if grouped else ATTENDANCES
    return parse(report, parse_qsl(query), scope, now=NOW, box=cursor_box(store))


def ask_reports(store: Store, provider: Provider) -> None:
    """Pages of every kind, and those that follow them."""
    for grouped, queries in ((False, PAGES), (True, GROUPS)):
        for query in queries:
            asked = query
            for _ in range(3):
                page = report_page(
                    store, request_of(store, provider, asked, grouped=grouped), FORMATS["json"], cursor_box(store)
                )
                if "next" not in page.links:
                    break
                asked = "&".join(f"{name}={value}" for name, value in page.links["next"])
    report_page(store, request_of(store, provider, "include_future=true", who=1), FORMATS["csv"], cursor_box(store))


def ask_look_ups(store: Store, provider: Provider) -> None:
    """The values of each filter."""
    scope = Scope(provider.id, ZoneInfo(provider.timezone), provider.week_start)
    for of in LOOK_UP.parameter["of"].choices:
        look_up(store, parse_look_up(LOOK_UP, [("of", of), ("search", "a")], scope, now=NOW))


def save_views(store: Store, provider: Provider) -> None:
    view = View(provider.id, 5, "owner", "Name", "a=b", shared=True, is_default=True, updated_at=NOW)
    assert store.views.add(view, 2)
    assert store.views.add(replace(view, id=6), 2)
    assert store.views.seen_by(provider.id, "other")
    changed = replace(view, name="Other")
    assert store.views.change(changed)
    assert store.views.get(provider.id, 5) == changed
    assert store.views.remove(provider.id, 6)


def change_rows(store: Store, provider: Provider, directory: Path) -> None:
    store.put_provider(provider)
    place = PlaceChange(provider.id, None, StoredPlace("m", 5, "{}"))
    answered = Answered(f"key-{provider.id}", f"{provider.id}-x", 422, b'{"rejected":[{"row":"x"}]}', 5)
    made = demo_batches(ROWS, provider.id, NOW, zone=provider.timezone)
    store.merge_together(provider, [made], lambda _: [answered], place=place)
    store.merge_together(
        provider, [many(5, first_id=900_000)], place=replace(place, follows="m", place=StoredPlace("n", 6, "{}"))
    )
    store.merge(provider, many(5, first_id=900_000, called="Other", updated_at=9), dry_run=True)
    store.merge(provider, many(5, first_id=900_000, called="Other", updated_at=9))
    store.merge(provider, batches([row(900_100, 10)]))
    assert store.delete(provider, [900_000, 900_001, 999_999]) == 2
    assert has_rows(store, provider.id)
    store.put_provider(replace(provider, timezone="America/New_York"))
    store.put_provider(provider)
    assert store.version(provider.id)
    assert store.place(provider.id)
    for query, grouped in ((f"include_future=true&columns={EVERY_COLUMN}", False), (GROUPS[0], True)):
        for name in FILES:
            request = request_of(store, provider, query, grouped=grouped)
            write_file(store, request, FILES[name], directory / name, asked=Asked((), "UTC", NOW))
    with store.snapshot(provider.id) as snapshot:
        for statement in (
            listing_statement(provider.id, 0, 50, snapshot.dialect),
            next_statement(provider.id, "event_starts_at", NOW, snapshot.dialect),
        ):
            snapshot.rows(statement)


def forget_persons(store: Store, provider: Provider) -> None:
    with store.snapshot(provider.id) as snapshot:
        ids = [id_ for id_, *_ in snapshot.rows(listing_statement(provider.id, 0, 3, snapshot.dialect))]
    assert ids
    who = [one for one in range(1, 400) if _is_known(store, provider, one)][:2]
    list(export_customer(store, provider, who[0], NOW))
    store.persons.erase(provider, who, at=5, by="owner", dry_run=True)
    assert len(store.persons.erase(provider, who, at=5, by="owner")) == 2
    store.persons.restore(provider, who[:1])
    assert store.persons.erased(provider.id)
    for before in (NOW, NOW // 2, None, NOW // 4):
        store.persons.retain(provider, before, at=6, go_on=lambda: True)
    assert store.persons.retention()


def _is_known(store: Store, provider: Provider, customer: int) -> bool:
    with store.snapshot(provider.id) as snapshot:
        return store.persons.facts(snapshot, provider.id, customer) is not None


def work_off_jobs(store: Store, provider: Provider) -> None:
    new = Job(0, provider.id, None, "attendances", "csv", "[]", created_at=5)

    def remembered(id_: int) -> Answered:
        return Answered(f"job-{id_}", f"{provider.id}-y", 200, b"", 5)

    added = [store.jobs.add(new, most=9, most_of_provider=9, remember=remembered) for _ in range(3)]
    assert store.jobs.add(new, most=0, most_of_provider=9, remember=lambda _: None) is None
    assert added[0]
    assert store.jobs.get(provider.id, added[0].id)
    assert store.jobs.page(provider.id, None, 2, 0)[0] == 3
    begun = store.jobs.claim(7)
    assert begun
    assert store.jobs.of_status(Status.RUNNING)
    assert store.jobs.keep(begun, 3, 1)
    store.jobs.lost()
    assert store.jobs.change(begun, replace(begun, status=Status.FAILED, finished_at=8))
    assert store.jobs.standing().queued
    assert added[2]
    assert store.jobs.remove(added[2])
    store.jobs.forget(10)


def do_everything(store: Store, directory: Path) -> None:
    """All of it. Two providers, `BOTH`, are there afterwards, with rows and persons."""
    directory.mkdir(exist_ok=True)
    token = store.add_token(Token(0, "a" * 64, "tk", (1, 2), "attendances", None, 1, None, None))
    assert store.token(token.sha256) == token
    assert list(store.tokens()) == [token]
    assert store.revoke_token(token.id, 5)
    assert store.secret("one") == store.secret("one")
    for provider in BOTH:
        change_rows(store, provider, directory)
        ask_reports(store, provider)
        ask_look_ups(store, provider)
        save_views(store, provider)
        forget_persons(store, provider)
        work_off_jobs(store, provider)
    assert store.answered("key-1") is None, "it quoted what was erased"
    assert store.answered("job-2")
    store.forget_answered(6)
    assert set(store.providers()) == {provider.id for provider in BOTH}
    assert store.upkeep.layout().attendances
    assert store.status().providers == 2
    store.persons.overwrite()
    for _ in range(3):
        store.together.spend("someone", 2, 3600)
    assert store.together.lead("work", 60.0)
    store.together.expire(NOW)
