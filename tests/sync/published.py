"""A stub of the published service, as its page has it: offset and limit, no `Link`, unknown parameters are ignored.

It can be told to misbehave: each fault in `faults` spoils one answer, in turn. `on_request` may change the data before
each answer.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/api/v2/reports/attendances/data"
TOKEN = "secret-of-the-source"
START = datetime(2026, 3, 1, 8, tzinfo=UTC)
DOCUMENTED = {
    *("attendance_status", "booking_methods", "booking_sources", "columns", "customer_memberships", "customers"),
    *("event_start_gte", "event_start_lte", "event_timeframe", "event_types", "format", "id_gt", "include_future"),
    *("instructors", "limit", "memberships", "offering_types", "offset", "page", "page_size", "sort", "status"),
    *("updated_at_gte", "updated_at_lte", "venues"),
}
COLUMNS = {
    *("id", "updated_at", "customer.id", "customer.name", "customer.email", "customer.thumbnail_url", "event.id"),
    *("event.starts_at", "event.ends_at", "event.name", "offering_type.id", "offering_type.name", "venue.id"),
    *("venue.name", "instructors", "booking_method", "customer_membership.id", "customer_membership.membership.id"),
    *("customer_membership.membership.name", "booking_source", "status", "checkin.ocurred_at", "is_first_attendance"),
}

Row = dict[str, Any]
Fault = tuple[Any, ...]


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def attendance(id_: int, updated: datetime, status: str = "registered", **more: Any) -> Row:
    """A row of the service; its event is an appointment where its id is odd."""
    event = id_ % 17 + 1
    starts = START + timedelta(hours=event)
    return {
        "id": id_,
        "updated_at": text(updated),
        "customer": {"id": id_ % 23 + 1, "name": f"Customer {id_ % 23 + 1}", "email": None, "thumbnail_url": None},
        "event": {
            "id": event,
            "starts_at": text(starts),
            "ends_at": text(starts + timedelta(hours=1)),
            "name": f"Event {event}",
        },
        "offering_type": {"id": 3, "name": "Yoga"},
        "venue": None,
        "instructors": [{"id": 8, "name": "Ann"}],
        "booking_method": "dropin",
        "customer_membership": None,
        "booking_source": None,
        "status": status,
        "checkin": None,
        "is_first_attendance": id_ % 23 == id_,
        **more,
    }


def type_of(row: Row) -> str:
    return "appointment" if row["event"]["id"] % 2 else "class"


class Published:
    """The service's data and what it was asked. `clock` is what its `Date` says; None: it says nothing."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.asked: list[dict[str, list[str]]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: deque[Fault | None] = deque()
        self.on_request: Callable[[int], None] = lambda _: None
        self.on_page: Callable[[dict[str, Any]], None] = lambda _: None
        self.clock: datetime | None = datetime(2030, 1, 1, tzinfo=UTC)
        self.digits = 6
        self.lock = threading.Lock()
        self.url = ""

    def put(self, *rows: Row) -> None:
        with self.lock:
            self.rows.update({row["id"]: row for row in rows})

    def remove(self, *ids: int) -> None:
        with self.lock:
            for id_ in ids:
                self.rows.pop(id_, None)

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """The answer to a request that is in order."""

        def one(name: str, default: str = "") -> str:
            return query.get(name, [default])[-1]

        with self.lock:
            found = list(self.rows.values())
        if "event_types" in query:
            found = [row for row in found if type_of(row) in query["event_types"]]
        found = [row for row in found if row["id"] > int(one("id_gt", "0"))]
        if one("updated_at_gte"):
            found = [row for row in found if moment(row["updated_at"]) >= moment(one("updated_at_gte"))]
        if one("updated_at_lte"):
            found = [row for row in found if moment(row["updated_at"]) <= moment(one("updated_at_lte"))]
        if one("include_future", "false") != "true":
            found = [row for row in found if moment(row["event"]["starts_at"]) <= START]
        found.sort(key=lambda row: row["event"]["starts_at"], reverse=True)
        for level in reversed(query.get("sort", [])):
            found.sort(key=lambda row: row[level.removeprefix("-")], reverse=level.startswith("-"))
        limit, offset = min(int(one("limit", "50")), 100), int(one("offset", "0"))
        shown = [self._shown(row, query["columns"]) for row in found[offset : offset + limit]]
        headers = [{"label": "Customer ID", "key": "customer.id", "sortable": True, "required": True}]
        return {"total": len(found), "column_headers": headers, "rows": shown}

    def _shown(self, row: Row, columns: list[str]) -> Row:
        shown = {name: value for name, value in row.items() if any(c.split(".")[0] == name for c in columns)}
        shown["customer"] = row["customer"]
        if "updated_at" in shown and moment(row["updated_at"]).tzinfo:
            # A service may show less of an instant than it compares.
            cut = row["updated_at"].removesuffix("Z")
            shown["updated_at"] = (cut[: 20 + self.digits] if self.digits else cut[:19]) + "Z"
        return shown


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Published

    def do_GET(self) -> None:
        service = self.service
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        service.asked.append(query)
        service.headers.append(dict(self.headers))
        service.on_request(len(service.asked))
        fault = service.faults.popleft() if service.faults else None
        if fault:
            getattr(self, f"_{fault[0]}")(*fault[1:])
            return
        if self.headers["Authorization"] != f"Token {TOKEN}":
            self._status(401, {}, {"code": "authentication_failed", "message": "The credential is not valid."})
            return
        if parts.path.rstrip("/") != PATH or query.get("format") != ["json"]:
            self._status(404, {}, {"detail": "Not found."})
            return
        page = service.page(query)
        service.on_page(page)
        self._status(200, {}, page)

    def _status(self, status: int, headers: dict[str, str], body: Any = None, *, cut: int = 0) -> None:
        data = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        self.send_response_only(status)
        if self.service.clock and "Date" not in headers:
            self.send_header("Date", formatdate(self.service.clock.timestamp(), usegmt=True))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) + cut))
        self.end_headers()
        self.wfile.write(data)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def _cut(self) -> None:
        """Half an answer."""
        self._status(200, {}, '{"total": 3, "rows": [{"id": 1,', cut=4000)

    def _open(self, body: str | bytes, encoding: str = "identity") -> None:
        """An answer that ends where the connection does, which may be anywhere."""
        self.send_response_only(200)
        self.send_header("Content-Encoding", encoding)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode() if isinstance(body, str) else body)

    def _drop(self) -> None:
        """No answer at all."""
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that was killed is no error of the service."""


@contextmanager
def serving(service: Published) -> Iterator[Published]:
    """Serve on a free port of the loopback while the block lasts."""
    handler = type("Handler", (_Handler,), {"service": service})
    server = _Server(("127.0.0.1", 0), handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
