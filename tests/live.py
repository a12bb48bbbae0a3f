"""A server under test: the real program in a process of its own, and a small client that shows answers as they are."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from databases import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TURNOUT = str(Path(sys.executable).with_name("turnout"))
REPORT = "/api/v2/reports/attendances/data"
GROUPED = "/api/v2/reports/attendances.grouped/data"
PATIENCE = 30.0


def environment(**settings: object) -> dict[str, str]:
    """The environment of a program under test: none of the settings of whoever runs the tests, and `settings`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TURNOUT_")}
    return clean | {f"TURNOUT_{name.upper()}": str(value) for name, value in settings.items()}


def turnout(
    *arguments: str, database: Path, stdin: bytes = b"", check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    done = subprocess.run(
        [TURNOUT, *arguments],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE * 4,
        env=environment(**settings_of(database)),
        cwd=database.parent,
    )
    if check and done.returncode:
        raise AssertionError(f"turnout {' '.join(arguments)}: {done.returncode}\n{done.stderr.decode()}")
    return done


@dataclass(frozen=True)
class Answer:
    """One response. Names of headers are in lower case; a header that came twice is joined with a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; a name that stands twice in one object is an error."""
        return json.loads(self.body, object_pairs_hook=_without_repeats)

    @property
    def links(self) -> dict[str, str]:
        """The targets of the `Link` header by relation."""
        found = {}
        for part in filter(None, self.headers.get("link", "").split(", <")):
            target, _, rest = part.removeprefix("<").partition(">")
            found[rest.partition('rel="')[2].partition('"')[0]] = target
        return found

    def error(self) -> tuple[int, str, set[str]]:
        """Status, code, and the names under which faults stand; checks the envelope of section 4."""
        assert self.headers["content-type"].partition(";")[0] == "application/json"
        document = self.json
        assert set(document) == {"code", "type", "message", "field_errors"}, document
        assert all(isinstance(document[name], str) and document[name] for name in ("code", "type", "message"))
        faults = document["field_errors"]
        assert "non_field_errors" in faults
        assert all(isinstance(text, str) and text for texts in faults.values() for text in texts)
        return self.status, document["code"], {name for name, texts in faults.items() if texts}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


class Asking:
    """What asks a server: `send` is up to those who know how."""

    base: Mapping[str, str]

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """One request for a target as it stands. A header of `base` is left out where it is given as ''."""
        raise NotImplementedError

    def get(
        self,
        parameters: Iterable[tuple[str, str]] | Mapping[str, object] | str = "",
        headers: Mapping[str, str] | None = None,
        path: str = REPORT,
        method: str = "GET",
    ) -> Answer:
        query = parameters if isinstance(parameters, str) else _query(parameters)
        return self.send(method, f"{path}?{query}" if query else path, headers)

    def follow(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for an address that the server gave."""
        parts = urlsplit(url)
        return self.send("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers)

    def _sent(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {name: value for name, value in {**self.base, **(headers or {})}.items() if value}


def identity(token: str | None, provider: int | None) -> dict[str, str]:
    """The headers that say who asks."""
    named = {"Authorization": f"Token {token}" if token else "", "TeamUp-Provider-ID": str(provider or "")}
    return {name: value for name, value in named.items() if value}


class Client(Asking):
    """One kept-alive connection with one token."""

    def __init__(self, url: str, token: str | None = None, provider: int | None = None) -> None:
        parts = urlsplit(url)
        self.base = identity(token, provider)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        for last in (False, True):
            try:
                self._connection.request(method, target, body=body, headers=self._sent(headers))
                response = self._connection.getresponse()
                content = response.read()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A kept-alive connection that the server has closed meanwhile: once more, on a new one.
                self._connection.close()
                if last:
                    raise
        return Answer(response.status, joined(response.getheaders()), content)

    def close(self) -> None:
        self._connection.close()


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _query(parameters: Iterable[tuple[str, str]] | Mapping[str, object]) -> str:
    pairs = parameters.items() if hasattr(parameters, "items") else parameters
    return urlencode([(name, str(value)) for name, value in pairs], quote_via=quote)


def raw(url: str, request: bytes) -> bytes:
    """Send bytes on a new connection and read all that comes until the server closes it."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        found = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                found += part
        return bytes(found)


def parsed(answer: bytes) -> Answer:
    """The first response among raw bytes, whose connection was closed after it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


class Server:
    """A running `turnout serve`; `program` is what stands in for `turnout`."""

    def __init__(self, database: Path, *, program: Sequence[str] = (TURNOUT,), **settings: object) -> None:
        self.database = database
        self.log = database.with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "serve", "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(**settings_of(database), **settings),
                cwd=database.parent,
            )
        self.url = self._read_url()
        self._clients: dict[tuple[str | None, int | None], Client] = {}

    def _read_url(self) -> str:
        """The one line that says where the server listens; it comes when requests are accepted."""
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline().decode() if ready else ""
        if "http://" not in line:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not start: {line!r}\n{self.log.read_text()[-4000:]}")
        return "http://" + line.partition("http://")[2].split()[0].rstrip("/")

    def client(self, token: str | None = None, provider: int | None = None) -> Client:
        """A client, the same one for the same identity; closed when the server is."""
        return self._clients.setdefault((token, provider), Client(self.url, token, provider))

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self._clear()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._clear()

    def _clear(self) -> None:
        for client in self._clients.values():
            client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@contextlib.contextmanager
def served(database: Path, **settings: object) -> Iterator[Server]:
    """A server for the length of a block, which then has to end well."""
    server = Server(database, **settings)
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    status = server.stop()
    assert status == 0, f"the server ended with {status}:\n{server.log.read_text()[-4000:]}"


def until(deadline: float = PATIENCE) -> Iterator[None]:
    """Turns of a loop that waits for something, at most for so many seconds; then the test fails."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        yield
        time.sleep(0.005)
    raise AssertionError(f"it did not happen within {deadline} seconds")
