"""What the studio offers and where: classes, appointments, memberships, booking sources, venues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from turnout.ingest.demo.days import Calendar, along

if TYPE_CHECKING:
    from turnout.ingest.demo.chance import Floats, Ints


class Style(NamedTuple):
    """One kind of event. `seats` is its usual capacity, `appeal` how much it is asked for, relative to others."""

    name: str
    offering_type: str | None
    minutes: int
    seats: int
    appeal: float
    led: bool = True


CLASSES: Final = (
    Style("Vinyasa Flow", "Yoga", 60, 18, 1.3),
    Style("Morning Flow", "Yoga", 45, 16, 1.0),
    Style("Yin Yoga", "Yoga", 75, 18, 1.0),
    Style("Ashtanga Basics", "Yoga", 75, 14, 0.8),
    Style("Prenatal Yoga", "Yoga", 60, 10, 0.5),
    Style("Mat Pilates", "Pilates", 50, 16, 1.1),
    Style("Reformer Pilates", "Pilates", 50, 8, 1.4),
    Style("Kettlebell", "Strength", 45, 12, 0.9),
    Style("Strength Basics", "Strength", 60, 12, 0.9),
    Style("Barbell Club", "Strength", 75, 10, 0.7),
    Style("HIIT Express", "Conditioning", 30, 20, 1.1),
    Style("Indoor Cycling", "Conditioning", 45, 22, 1.3),
    Style("Bootcamp", "Conditioning", 50, 20, 0.9),
    Style("Rücken fit", "Mobility", 45, 16, 0.8),
    Style("Stretch & Relax", "Mobility", 50, 20, 0.8),
    Style("Salsa für Anfänger", "Dance", 60, 20, 0.8),
    Style("Contemporary", "Dance", 75, 16, 0.6),
    Style("Box Technik", "Martial Arts", 60, 14, 0.8),
    Style("Open Gym", "Open Studio", 75, 24, 0.6, led=False),
    Style("Community Circle", None, 60, 24, 0.3),
)
APPOINTMENTS: Final = (
    Style("Personal Training", "Personal Training", 60, 1, 1.0),
    Style("Personal Training (45 min)", "Personal Training", 45, 1, 0.5),
    Style("Physio Check", "Consultation", 30, 1, 0.4),
    Style("Nutrition Consultation", "Consultation", 45, 1, 0.2),
)
STYLES: Final = CLASSES + APPOINTMENTS
OFFERING_TYPES: Final = tuple(dict.fromkeys(s.offering_type for s in STYLES if s.offering_type))

TRIAL: Final = 0
PERSONAL: Final = 1
MEMBERSHIPS: Final = (
    "Kennenlern-Angebot (14 Tage)",
    "Personal Training 5-Pack",
    "Unlimited Monthly",
    "8 Classes a Month",
    "4 Classes a Month",
    "10-Class Pack",
    "Annual Unlimited",
    "Student Monthly",
    "Off-Peak",
    "Firmenfitness",
)
MEMBERSHIP_SHARE: Final = (0.0, 0.0, 0.26, 0.20, 0.12, 0.16, 0.10, 0.07, 0.05, 0.04)
MEMBERSHIP_SLICES: Final = (1, 2, 99, 99, 99, 2, 13, 99, 99, 13)
"""After so many slices the customer buys the same membership anew, and has another instance of it."""

SOURCES: Final = ("Nordlicht App", "Website Widget", "FitFinder Marketplace")

_HERE: Final = (
    "Altstadt", "Riverside", "Am Park", "Hauptbahnhof", "Fabrik 12", "Hafen", "Südtor", "Weststadt", "Marktplatz",
    "Galerie", "Nordring", "Kaiserhof", "Seeufer", "Messe", "Universität", "Ostkreuz", "Schloßgarten", "Brauerei",
    "Bergpark", "Tivoli",
)  # fmt: skip
_AWAY: Final = {
    "Europe/London": (
        "London Shoreditch", "London Bankside", "London Camden", "London Brixton", "London Hackney", "London Angel",
        "London Clapham", "London Fulham",
    ),
    "America/New_York": (
        "New York Chelsea", "New York SoHo", "Brooklyn Heights", "Williamsburg", "Astoria", "Harlem", "Park Slope",
        "New York Midtown",
    ),
}  # fmt: skip
_VENUES: Final = ((0.0, 2), (4.3, 2), (5.3, 4), (6.0, 9), (7.0, 28))
"""log10 of the rows, and the venues."""
ONLINE_SHARE: Final = 0.07


@dataclass(frozen=True)
class Venues:
    """The venues, largest first within each zone; after the last one stands 'online', which is no venue of the rows."""

    names: tuple[str, ...]
    zone: Ints
    """Which of the calendar's zones each is in; 'online' is in the provider's."""
    crowd: Floats
    """The share of the business of each; the sum is 1."""
    opens: Ints
    """The season in which each opens."""
    room: Floats
    """How large its rooms are, relative to a style's usual seats."""

    @property
    def online(self) -> int:
        return len(self.names)


def make_venues(rows: int, calendar: Calendar) -> Venues:
    """Choose the venues of a studio of so many rows: most in the provider's zone, some in the other one."""
    count = int(along(_VENUES, np.log10(rows)))
    away = max(1, round(count * 0.28))
    here = count - away
    crowd = np.concatenate([1.0 / np.sqrt(np.arange(here) + 1.0), 0.55 / np.sqrt(np.arange(away) + 1.0)])
    share = np.append(crowd / crowd.sum() * (1.0 - ONLINE_SHARE), ONLINE_SHARE)
    # The first venue of each zone is there from the start; the others open one after the other over the years.
    rank = np.concatenate([np.arange(here) / here, np.arange(away) / away, [0.0]])
    return Venues(
        names=_HERE[:here] + _AWAY[calendar.zones[1]][:away],
        zone=np.array([0] * here + [1] * away + [0]),
        crowd=share,
        opens=(rank * 0.7 * calendar.seasons).astype(np.int64),
        room=np.append(1.0 + 0.25 * np.cos(np.arange(count) * 2.0), 1.4),
    )
