"""The customers as a crowd: who joins when, how often they come, when they lapse, who returns, what they pay with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from turnout.ingest.demo.chance import Bools, Floats, Ints, Purpose, generator
from turnout.ingest.demo.days import SEASON_SLICES, Calendar
from turnout.ingest.demo.studio import MEMBERSHIP_SHARE, MEMBERSHIP_SLICES, PERSONAL, TRIAL, Venues
from turnout.ingest.demo.timetable import APPOINTMENT_CIRCLE, CIRCLES

if TYPE_CHECKING:
    from turnout.ingest.demo.records import Records

MEMBER: Final = 0
DROPIN: Final = 1
TASTER: Final = 2

_LOYAL: Final = 30
"""So many of the founding customers never lapse: there is always somebody to fill an event with."""
_RATE: Final = 5.0
"""The bookings in a slice of a customer of weight 1."""
_NEVER: Final = 9_999
_LATECOMERS: Final = 0.04
"""A studio always finds some new customers, relative to its crowd, however many it has."""
USUAL_DROPINS: Final = 0.45
WAVE_DROPINS: Final = 0.7
_TASTERS: Final = 0.12
_WAVE: Final = 0.12
_STAY_ON: Final = (0.22, 0.06)
"""Of those who pay each visit, the shares that come for another slice, and for one more."""
_RETURNING: Final = 0.2
_TRYING: Final = 0.35
_CHANGING: Final = 0.35
_MEMBERS_STAY: Final = ((0.3, 1.3), (0.8, 9.0), (1.0, 45.0))
"""Up to this share of the members, and the slices they stay on average beyond the first: some give up soon (the new
year's resolutions), most stay for some seasons, some for good."""
_CIRCLE_SHARE: Final = (0.10, 0.12, 0.14, 0.22, 0.20, 0.15, 0.07)
_RENEWALS: Final = 40
_PHASES: Final = 4

CUSTOMER: Final = np.dtype(
    [
        ("id", np.int64),
        ("segment", np.int8),
        ("joined", np.int16),
        ("until", np.int16),  # the first slice without them, of the first time and of the second
        ("back", np.int16),
        ("until_again", np.int16),
        ("weight", np.float64),
        ("fading", np.float64),
        ("venue", np.int16),
        ("circle", np.int8),
        ("trial", np.bool_),
        ("kind", np.int8, 3),  # the membership at first, after a change, after a return
        ("change", np.int16),
        ("unsteady", np.float64),
    ],
    align=True,
)


def cohort(
    rng: np.random.Generator, venues: Venues, *, first_id: int, size: int, joined: int, dropins: float
) -> Records:
    """Draw `size` customers who join in slice `joined`; `dropins` is the share of those who pay each visit."""
    crowd = np.zeros(size, dtype=CUSTOMER)
    crowd["id"] = np.arange(first_id, first_id + size)
    crowd["joined"] = joined
    segment = np.searchsorted((1.0 - dropins - _TASTERS, 1.0 - _TASTERS), rng.random(size), side="right")
    crowd["segment"] = np.array((MEMBER, DROPIN, TASTER))[segment]
    _lives(rng, crowd)
    _habits(rng, crowd, venues)
    _memberships(rng, crowd)
    return crowd


def _lives(rng: np.random.Generator, crowd: Records) -> None:
    size = len(crowd)
    up_to, stay = (np.array(values) for values in zip(*_MEMBERS_STAY, strict=True))
    mean = stay[np.searchsorted(up_to, rng.random(size))]
    member_life = 1.0 + rng.exponential(1.0, size) * mean
    short_life = 1.0 + (rng.random((2, size)) < np.array(_STAY_ON)[:, None]).sum(axis=0)
    member = crowd["segment"] == MEMBER
    life = np.where(member, member_life, np.where(crowd["segment"] == DROPIN, short_life, 1.0))
    until = crowd["joined"] + life.astype(np.int64)
    returns = member & (rng.random(size) < _RETURNING)
    back = until + rng.integers(2, 14, size)
    again = back + 1 + rng.exponential(5.0, size).astype(np.int64)
    crowd["until"] = until.clip(max=_NEVER)
    crowd["back"] = np.where(returns, back, _NEVER).clip(max=_NEVER)
    crowd["until_again"] = np.where(returns, again, _NEVER).clip(max=_NEVER)
    keen = rng.lognormal(-0.15, 0.55, size).clip(0.15, 2.6)
    crowd["weight"] = np.select([member, crowd["segment"] == DROPIN], [keen, 0.12 + 0.25 * keen], 0.2)
    crowd["fading"] = np.where(member, rng.exponential(0.035, size), 0.0)
    crowd["unsteady"] = rng.lognormal(-0.2, 0.6, size)


def _habits(rng: np.random.Generator, crowd: Records, venues: Venues) -> None:
    size = len(crowd)
    season = int(crowd["joined"][0]) // SEASON_SLICES if size else 0
    share = np.cumsum(venues.crowd * (venues.opens <= season))
    crowd["venue"] = np.searchsorted(share / share[-1], rng.random(size), side="right")
    crowd["circle"] = np.searchsorted(np.cumsum(_CIRCLE_SHARE[:-1]), rng.random(size), side="right")


def _memberships(rng: np.random.Generator, crowd: Records) -> None:
    share = np.cumsum(MEMBERSHIP_SHARE)
    kinds = np.searchsorted(share / share[-1], rng.random((len(crowd), 3)), side="right")
    kinds[crowd["circle"] == APPOINTMENT_CIRCLE, 0] = PERSONAL
    crowd["kind"] = kinds
    crowd["trial"] = rng.random(len(crowd)) < _TRYING
    changes = rng.random(len(crowd)) < _CHANGING
    crowd["change"] = np.where(changes, rng.integers(3, 20, len(crowd)), _NEVER)


def present(crowd: Records, number: int) -> Bools:
    """Tell who comes in a slice."""
    first = (crowd["joined"] <= number) & (number < crowd["until"])
    return first | ((crowd["back"] <= number) & (number < crowd["until_again"]))


def gone(crowd: Records, number: int) -> Bools:
    """Tell who does not come in a slice nor in any later one."""
    returns = crowd["back"] < _NEVER
    return np.where(returns, crowd["until_again"], crowd["until"]) <= number


def weights(crowd: Records, number: int) -> Floats:
    """Weigh how often each comes in a slice, relative: keen at first, then less and less."""
    since = np.where(number >= crowd["back"], number - crowd["back"], number - crowd["joined"])
    often: Floats = crowd["weight"] * np.exp(-crowd["fading"] * since) * np.where(since == 0, 1.2, 1.0)
    return often


def membership(crowd: Records, number: int) -> tuple[Ints, Ints]:
    """Find by customer the membership that would pay in a slice, and the id of the customer's instance of it."""
    age = number - crowd["joined"]
    returned = number >= crowd["back"]
    on_trial = crowd["trial"] & (age == 0)
    phase = np.select([on_trial, returned, age >= crowd["change"]], [0, 3, 2], 1)
    kind = np.where(on_trial, TRIAL, crowd["kind"][np.arange(len(crowd)), np.maximum(phase - 1, 0)])
    since = np.where(returned, number - crowd["back"], age)
    renewal = np.minimum(since // np.array(MEMBERSHIP_SLICES)[kind], _RENEWALS - 1)
    return kind, (crowd["id"] * _PHASES + phase) * _RENEWALS + renewal


def founders(rng: np.random.Generator, size: int, venues: Venues) -> Records:
    """Draw the customers of the first slice."""
    crowd = cohort(rng, venues, first_id=1, size=max(size, _LOYAL + 10), joined=0, dropins=0.3)
    crowd["until"][:_LOYAL] = _NEVER
    crowd["fading"][:_LOYAL] = 0.0
    return crowd


def cohort_sizes(calendar: Calendar, venues: Venues, seed: int) -> tuple[Ints, Bools]:
    """Plan by slice how many join, so that the crowd keeps up with the demand, and whether a wave of drop-ins does."""
    rng = generator(seed, Purpose.SAMPLE)
    wave = rng.random(calendar.slices + 1) < _WAVE
    wave[-1] = False  # whoever joins after today has booked nothing yet
    sample = cohort(rng, venues, first_id=1, size=4096, joined=0, dropins=USUAL_DROPINS)
    staying = np.array([(weights(sample, age) * present(sample, age)).mean() for age in range(calendar.slices + 1)])
    target = calendar.wanted / _RATE
    sizes = np.zeros(calendar.slices + 1, dtype=np.int64)
    for number in range(calendar.slices):
        left = float(sizes[:number] @ staying[number:0:-1])
        sizes[number] = int(max(target[number] - left, _LATECOMERS * target[number]) / staying[0])
    return np.where(wave, sizes * 3 // 2 + (target * wave * 0.4).astype(np.int64), sizes), wave


def circle_code(zone: Ints, venue: Ints, circle: Ints, venues: int) -> Ints:
    """Number the circles so that they stand in the order of zone, venue and circle."""
    return (zone * venues + venue) * CIRCLES + circle
