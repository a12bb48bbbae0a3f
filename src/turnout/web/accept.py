"""What a client prefers: `Accept` (RFC 9110, section 12.5.1) and `Prefer: handling` (RFC 7240)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from turnout.errors import TurnoutError
from turnout.query.raw import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from turnout.output.formats import Format

_HIGHEST_WEIGHT: Final = 1.0
_MOST_NAMED: Final = 100


def preferred_format(accept: Iterable[str], formats: Sequence[Format]) -> Format:
    """The format that the `Accept` headers prefer; the first of `formats` where they have no preference.

    Parameters of a media type are ignored. On equal weights the type that is named more specifically wins.
    Raises `TurnoutError("not_acceptable")` where every format has weight 0.
    """
    ranges = list(_weighted(accept))
    if not ranges:
        return formats[0]
    best, best_rank = formats[0], (0.0, 0)
    for format_ in formats:
        rank = _rank(format_.media_type, ranges)
        if rank > best_rank:
            best, best_rank = format_, rank
    if not best_rank[0]:
        raise TurnoutError("not_acceptable")
    return best


def names_type(accept: Iterable[str], media_type: str) -> bool:
    """Whether the `Accept` headers name the type itself, as browsers name HTML, and do not refuse it."""
    return any(name == media_type and weight > 0 for name, weight in _weighted(accept))


def _rank(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """The weight that the most specific matching range gives, and how specific it is."""
    specificity = {"*/*": 1, media_type.split("/", maxsplit=1)[0] + "/*": 2, media_type: 3}
    matching = [(specificity[name], weight) for name, weight in ranges if name in specificity]
    if not matching:
        return (0.0, 0)
    most, weight = max(matching)
    return (weight, most)


def _weighted(headers: Iterable[str]) -> Iterator[tuple[str, float]]:
    """The media ranges and their weights. A weight that cannot be read counts as the highest."""
    for element in (element for header in headers for element in header.split(",") if element.strip()):
        name, *parameters = (part.strip().lower() for part in element.split(";"))
        weight = _HIGHEST_WEIGHT
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = _weight(value)
        yield name, weight


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return _HIGHEST_WEIGHT
    return weight if 0 <= weight <= _HIGHEST_WEIGHT else _HIGHEST_WEIGHT


@dataclass(frozen=True, slots=True)
class Handling:
    """Whether unknown parameters are ignored, and what the answer says of that in `Preference-Applied`, if anything."""

    lenient: bool
    applied: str | None

    def headers(self, ignored: Sequence[str]) -> dict[str, str]:
        """The headers that say what was ignored, and why."""
        named = [quote(printable(name), safe="") for name in ignored[:_MOST_NAMED]]
        return {
            **({"X-Ignored-Parameters": ", ".join(named)} if named else {}),
            **({"Preference-Applied": self.applied} if self.applied else {}),
        }


def handling_of(prefer: Iterable[str], default: str) -> Handling:
    """How a request's unknown parameters are handled. `default` is the setting `unknown_parameters`."""
    preference = handling(prefer)
    lenient = preference == "lenient" or (preference != "strict" and default == "ignore")
    return Handling(lenient, f"handling={preference}" if preference else None)


def handling(prefer: Iterable[str]) -> str | None:
    """`lenient` or `strict` where a `Prefer` header asks for it; the first one that does counts."""
    for element in (element for header in prefer for element in header.split(",")):
        name, _, value = element.split(";")[0].partition("=")
        if name.strip().lower() == "handling":
            wanted = value.strip().strip('"').lower()
            return wanted if wanted in {"lenient", "strict"} else None
    return None
