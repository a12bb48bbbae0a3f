"""Limits: how often a client may ask, how much it may send, and what the disk takes of it."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil, floor
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.types import Scope

    from turnout.settings import Rate
    from turnout.store.base import Store
    from turnout.store.together import Together

_TICKS: Final = 1_000_000
_MOST_KEYS: Final = 10_000
_SLACK: Final = 1e-6
"""So much of one a rounded number may be away from a whole one."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate after one more request. `reset` and `retry_after` are whole seconds, rounded up."""

    allowed: bool
    remaining: int
    reset: int
    retry_after: int


class Limiter:
    """A rate for each key, by the generic cell rate algorithm: a burst of `count`, then one each `seconds / count`.

    It keeps one number for each of the 10,000 keys that were last used. Time is counted in microseconds times
    `count`, so that no share of the rate is lost to rounding.
    """

    def __init__(self, rate: Rate, monotonic: Callable[[], float], most_keys: int = _MOST_KEYS) -> None:
        self.rate = rate
        self._monotonic = monotonic
        self._most_keys = most_keys
        self._full_at: OrderedDict[str, int] = OrderedDict()

    @property
    def keys(self) -> int:
        """How many keys it remembers."""
        return len(self._full_at)

    def spend(self, key: str) -> Allowance:
        """Take one from what `key` has left, if it has any."""
        cost = self.rate.seconds * _TICKS
        burst = cost * self.rate.count
        now = int(self._monotonic() * _TICKS) * self.rate.count
        full_at = max(self._full_at.get(key, now), now)
        over = full_at + cost - now - burst
        if over > 0:
            return Allowance(False, 0, self._seconds(full_at - now), self._seconds(over))
        full_at += cost
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most_keys:
            self._full_at.popitem(last=False)
        return Allowance(True, (burst - (full_at - now)) // cost, self._seconds(full_at - now), 0)

    def _seconds(self, ticks: int) -> int:
        return -(-ticks // (_TICKS * self.rate.count))


class SharedLimiter:
    """The same for all processes that share a database: it is the store that counts, under keys that begin with `name`.

    Asking it takes time.
    """

    def __init__(self, rate: Rate, together: Together, name: str) -> None:
        self.rate = rate
        self._together = together
        self._name = name

    def spend(self, key: str) -> Allowance:
        """Take one from what `key` has left, if it has any."""
        rate = self.rate
        spent = self._together.spend(f"{self._name} {key}", rate.count, rate.seconds)
        each = rate.seconds / rate.count
        left = floor((rate.seconds - spent.full_in) / each + _SLACK)
        late = ceil(spent.full_in + each - rate.seconds)
        return Allowance(
            spent.allowed, left if spent.allowed else 0, ceil(spent.full_in), 0 if spent.allowed else max(1, late)
        )


def limiter_of(
    rate: Rate | None, store: Store, name: str, monotonic: Callable[[], float]
) -> Limiter | SharedLimiter | None:
    """What limits to a rate, for all who use the store; None where there is no rate."""
    if rate is None:
        return None
    return SharedLimiter(rate, store.together, name) if store.together else Limiter(rate, monotonic)


def client_key(scope: Scope) -> str:
    """Whose failures are counted together: an IPv4 address, or an IPv6 network of 64 bits, which one client has."""
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def check_announced(scope: Scope, most: int) -> None:
    """Refuse a body that says in its `Content-Length` that it is too large, before any of it is read."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > most:
            raise too_large(most)


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request; `request_too_large` as soon as it has more than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large(most)
    return bytes(body)


@contextmanager
def kept_on_disk() -> Iterator[None]:
    """What is sent is written to files in the block: `storage_unavailable` where the disk does not take it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TurnoutError("storage_unavailable", f"What was sent cannot be kept: {reason}.") from error


def too_large(most: int, *, unpacked: bool = False) -> TurnoutError:
    what = "The unpacked body" if unpacked else "The body"
    return TurnoutError("request_too_large", f"{what} is larger than {most} bytes.")
