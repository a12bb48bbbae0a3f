"""The target of `turnout sync` as the command reaches it: through the server that has the data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.cli.api import Refused, Unreachable, call, read_json
from turnout.sync.place import Place  # noqa: TC001 - msgspec looks it up when it decodes
from turnout.sync.target import Listed, Put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import httpx


_PATH: Final = "/ingest/v1/sync"
_TRIES: Final = 8
_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429


class _Found(msgspec.Struct):
    place: Place | None


class _Listed(msgspec.Struct):
    id: int
    updated_at: int


class _Listing(msgspec.Struct):
    rows: list[_Listed]


class _Removed(msgspec.Struct):
    removed: int


class ServerTarget:
    """A provider of the server of `client`; see `sync.target.Target`. All that is asked may be asked again."""

    def __init__(self, client: httpx.Client, provider: int, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._headers = {"TeamUp-Provider-ID": str(provider)}
        self._pause = pause

    def place(self) -> Place | None:
        """The place of the last sync."""
        found: _Found = self._ask("GET", _PATH, _Found)
        return found.place

    def put(self, rows: Sequence[msgspec.Raw], place: Place, follows: str | None) -> Put:
        """Merge rows and save the place."""
        body = {"rows": rows, "place": place, "follows": follows}
        put: Put = self._ask("POST", _PATH, Put, body=body)
        return put

    def listing(self) -> Iterator[Listed]:
        """All rows by id, in parts."""
        after = 0
        while True:
            part: _Listing = self._ask("GET", f"{_PATH}/rows", _Listing, params=[("id_gt", str(after))])
            if not part.rows:
                return
            yield Listed([row.id for row in part.rows], [row.updated_at for row in part.rows])
            after = part.rows[-1].id

    def remove(self, rows: Listed) -> int:
        """Remove rows that are as they were listed."""
        body = {"rows": [_Listed(id_, at) for id_, at in zip(rows.ids, rows.updated_at, strict=True)]}
        removed: _Removed = self._ask("POST", f"{_PATH}/removals", _Removed, body=body)
        return removed.removed

    def _ask(
        self,
        method: str,
        path: str,
        type_: type[Any],
        *,
        body: Mapping[str, object] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
    ) -> Any:
        """One answer. A server that is busy or away for a moment is waited for."""
        for tried in range(1, _TRIES + 1):
            try:
                response = call(self._client, method, path, params=params, body=body, headers=self._headers)
                return read_json(response, type_)
            except (Unreachable, Refused) as error:
                passing = not isinstance(error, Refused) or error.status >= _SERVER_ERROR or error.status == _TOO_MANY
                if not passing or tried == _TRIES:
                    raise
                asked = error.retry_after if isinstance(error, Refused) else None
                self._pause(min(_PAUSE * 2**tried if asked is None else asked, _LONGEST_PAUSE))
        raise AssertionError("the last try answers or raises")
