"""The use cases: what the web, the command line and jobs ask for, each in one function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from turnout.query.cursor import KEY_NAME, CursorBox
from turnout.query.groups import groups_statement, page_of, settled
from turnout.query.instants import local_date
from turnout.query.look_ups import look_up_statement, values_of
from turnout.query.plan import Plan, place_of, plan, position
from turnout.query.sql import count_statement, extent_statement, follows_statement, page_statement
from turnout.query.timeframe import echo
from turnout.query.window import DEEP_OFFSET, WHOLE, extent_of, guesses, has_windows, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout.output.formats import Format
    from turnout.query.look_ups import LookUp
    from turnout.query.raw import Pairs
    from turnout.query.request import ReportRequest
    from turnout.query.window import Extent, Window
    from turnout.store.base import Snapshot, Store

Row = tuple[Any, ...]
_PLACES: Final = frozenset({"cursor", "offset", "page"})


@dataclass(frozen=True, slots=True)
class Page:
    """One answered page: its bytes, the total of all matching rows, and the parameters of its neighbours by `rel`."""

    body: bytes
    format: Format
    total: int
    links: dict[str, Pairs]
    file_name: str
    timeframe: str | None


def cursor_box(store: Store) -> CursorBox:
    """The box that seals this store's cursors."""
    return CursorBox(store.secret(KEY_NAME))


def report_page(
    store: Store,
    request: ReportRequest,
    format_: Format,
    box: CursorBox,
    *,
    on_snapshot: Callable[[Snapshot], None] = lambda _: None,
    on_read: Callable[[Snapshot], None] | None = None,
) -> Page:
    """Answer one page. Total and rows are of one snapshot.

    `on_snapshot` gets to see it, so that it can cancel it; `on_read` may ask it for more when the page has been read.
    """
    with store.snapshot(request.scope.provider_id) as snapshot:
        on_snapshot(snapshot)
        request = settled(request, snapshot.rows, snapshot.dialect)
        the_plan = plan(request, snapshot.dialect)
        read = _read_groups if the_plan.grouping else _read
        found = read(snapshot, request, the_plan, last=on_read is None)
        if on_read:
            on_read(snapshot)
    return Page(
        body=b"".join(format_.write(request, the_plan, found.total, [found.rows])),
        format=format_,
        total=found.total,
        links=_links(request, the_plan, found, box),
        file_name=file_name(request, format_),
        timeframe=echo(request.timeframe, request.reading_zone) if request.timeframe else None,
    )


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a filter that occur: how many, a page of (value, label, count), and the attendances without one."""

    total: int
    values: list[Row]
    missing: int


def look_up(store: Store, asked: LookUp, *, on_snapshot: Callable[[Snapshot], None] = lambda _: None) -> Values:
    """The values of a filter, the most frequent first, then by label; all figures are of one snapshot."""
    with store.snapshot(asked.scope.provider_id) as snapshot:
        on_snapshot(snapshot)
        total, missing, found = values_of(snapshot.rows(look_up_statement(asked, snapshot.dialect)))
    return Values(total, found, missing)


def file_name(request: ReportRequest, format_: Format) -> str:
    """The name of a downloaded file; the day is the provider's today."""
    return f"{request.report.file_stem}-{local_date(request.now, request.scope.zone)}.{format_.extension}"


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a page in the report's order, and whether there are rows before and after them."""

    total: int
    rows: list[Row]
    before: bool
    after: bool


def _read(snapshot: Snapshot, request: ReportRequest, the_plan: Plan, *, last: bool) -> _Found:
    asked = [extent_statement(the_plan)]
    if not has_windows(the_plan) and the_plan.limit > 0 and the_plan.offset < DEEP_OFFSET:
        asked.append(page_statement(the_plan, WHOLE))  # a database is gone to once for both
    at_once = len(asked) > 1 or the_plan.limit == 0
    ((bounds,), *pages) = snapshot.together(asked, last=last and at_once and not the_plan.backwards)
    extent = extent_of(bounds)
    total = extent.rows
    if the_plan.limit == 0 or total == 0:
        return _Found(total, [], before=False, after=False)
    if the_plan.offset >= total:
        # Nothing is there; and an offset may be larger than an engine's integers.
        return _Found(total, [], before=True, after=False)
    rows = pages[0] if pages else _rows(snapshot, the_plan, extent)
    more = len(rows) > the_plan.limit
    rows = rows[: the_plan.limit]
    if the_plan.position is None:
        return _Found(total, rows, before=the_plan.offset > 0, after=more)
    if not the_plan.backwards:
        return _Found(total, rows, before=bool(rows), after=more)
    rows.reverse()
    return _Found(total, rows, before=more, after=_follows(snapshot, request, the_plan, rows))


def _read_groups(snapshot: Snapshot, _: ReportRequest, the_plan: Plan, *, last: bool) -> _Found:
    (found,) = snapshot.together([groups_statement(the_plan)], last=last)
    total, ahead, rows = page_of(found)
    more = len(rows) > the_plan.limit
    rows = rows[: the_plan.limit]
    behind = the_plan.offset > 0 if the_plan.position is None else ahead < total
    if not the_plan.backwards:
        return _Found(total, rows, before=behind, after=more)
    rows.reverse()
    return _Found(total, rows, before=more, after=behind)


def _rows(snapshot: Snapshot, the_plan: Plan, extent: Extent) -> list[Row]:
    """The rows of a page and the one after it, in the direction of reading."""
    if the_plan.offset >= DEEP_OFFSET:

        def count(window: Window) -> int:
            return int(snapshot.rows(count_statement(the_plan, window))[0][0])

        return snapshot.rows(page_statement(the_plan, search(the_plan, extent, count)))
    rows: list[Row] = []
    for window in guesses(the_plan, extent):
        rows = snapshot.rows(page_statement(the_plan, window))
        if len(rows) > the_plan.limit:
            break
    return rows


def _follows(snapshot: Snapshot, request: ReportRequest, the_plan: Plan, rows: list[Row]) -> bool:
    """Whether any row comes after a page that was read backwards: the row that it came from may be gone."""
    if not rows:
        return True
    last = position(the_plan.order, place_of(request, the_plan, rows[-1], backwards=False).values)
    return bool(snapshot.rows(follows_statement(the_plan, last)))


def _links(request: ReportRequest, the_plan: Plan, found: _Found, box: CursorBox) -> dict[str, Pairs]:
    """The parameters of the neighbouring pages (section 2.3). They repeat what was given, beside the place."""
    if not request.limit or not found.total:
        return {}
    given: Pairs = [(name, ",".join(texts)) for name, texts in request.cleaned.texts.items() if name not in _PLACES]

    def at(row: Row, *, backwards: bool) -> Pairs:
        place = place_of(request, the_plan, row, backwards=backwards)
        return [*given, ("cursor", box.seal(place, request.belongs_to))]

    links = {"first": given}
    if found.after:
        links["next"] = at(found.rows[-1], backwards=False) if found.rows else given
    if found.before:
        last_page = [*given, ("offset", str(max(found.total - request.limit, 0)))]
        links["prev"] = at(found.rows[0], backwards=True) if found.rows else last_page
    return links
