"""One value of a row, checked exactly: as JSON has it, and as a CSV cell has it (contract sections 5 and 9).

Every function returns the value to store, None for 'none', or raises `ValueError` with a reason for the user, which
names the value, what was expected, and the nearest right thing. Instants are microseconds since 1970 in UTC.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.types import MAX_ID, Kind, Member
from turnout.errors import did_you_mean, shown
from turnout.ingest.faults import MOST_FAULTS
from turnout.ingest.fields import PERSON, TEXT_OR_OBJECT, ZONES
from turnout.query.instants import load_zone, parse_instant
from turnout.query.values import boolean, choice

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from turnout.ingest.faults import Limits

FIRST_INSTANT: Final = -62_135_596_800_000_000
LAST_INSTANT: Final = 253_402_300_799_999_999
"""The years 1 to 9999 in UTC."""

BETWEEN_NAMES: Final = "; "

_AN_ID: Final = f"an integer from 1 to {MAX_ID} is expected"
_DIGITS: Final = re.compile(r"[0-9]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# No id has more digits, and int() of very many is refused or slow. Leading zeros do not count.
_MOST_DIGITS: Final = 19
_MOST_SHOWN: Final = 80


def expected(member: Member) -> str:
    """What a member's value has to be, in words."""
    match member.kind:
        case Kind.INTEGER:
            return _AN_ID
        case Kind.INSTANT:
            return "a date-time is expected, such as 2026-10-01T10:00:00Z"
        case Kind.CHOICE:
            return f"one of these is expected: {', '.join(member.choices)}"
        case Kind.BOOLEAN:
            return "true or false is expected"
        case Kind.PEOPLE:
            return "a list of {id, name} is expected"
        case Kind.TEXT:
            return (
                "a text or an object {id, name} is expected"
                if member.storage in TEXT_OR_OBJECT
                else "a text is expected"
            )


def found(value: object) -> str:
    """A JSON value in words."""
    match value:
        case str():
            return f"the text {shown(value)}"
        case dict():
            return "an object"
        case list():
            return "a list"
        case bool() | None:
            return json.dumps(value)
        case _:
            text = str(value)
            return f"the number {text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'}"


class CellChecker:
    """Checks values for one provider: `zone` is where its naive date-times are local."""

    def __init__(self, zone: ZoneInfo, limits: Limits) -> None:
        self._zone = zone
        self._limits = limits

    def json(self, value: object, member: Member) -> Any:
        """The value of a JSON member. Empty text is none."""
        if value is None:
            return None
        match member.kind:
            case Kind.INTEGER:
                return json_id(value)
            case Kind.BOOLEAN if isinstance(value, bool):
                return value
            case Kind.PEOPLE if isinstance(value, list):
                return self._people(value)
            case Kind.TEXT | Kind.CHOICE | Kind.INSTANT if isinstance(value, str):
                return self._from_text(value, member) if value else None
        hint = _bare_boolean(value) if member.kind is Kind.BOOLEAN else ""
        raise ValueError(f"found {found(value)}; {expected(member)}.{hint}")

    def cell(self, text: str, member: Member) -> Any:
        """The value of a CSV cell. An empty cell is none."""
        if not text:
            return None
        match member.kind:
            case Kind.INTEGER:
                return csv_id(text)
            case Kind.BOOLEAN:
                return boolean(text)
            case Kind.PEOPLE:
                return [{"id": None, "name": self._name_in_list(name, text)} for name in text.split(BETWEEN_NAMES)]
            case _:
                return self._from_text(text, member)

    def _from_text(self, text: str, member: Member) -> Any:
        match member.kind:
            case Kind.CHOICE:
                # The nearest choice to a very long text takes very long to find.
                return choice(text[: _MOST_SHOWN + 1], member.choices)
            case Kind.INSTANT:
                return self.instant(text)
        self.text(text)
        if member.storage in ZONES:
            load_zone(text)
        return text

    def text(self, text: str) -> str:
        """A text that may be stored as it is."""
        if "\0" in text:
            raise ValueError(f"{shown(text)} has a NUL character, which no text may have.")
        if _SURROGATE.search(text):
            raise ValueError(f"{shown(text)} has half a surrogate pair, which is no character.")
        if len(text) > self._limits.text:
            raise ValueError(f"{shown(text)} has {len(text)} characters; the most is {self._limits.text}.")
        return text

    def instant(self, text: str) -> int:
        """A date-time within the years that can be stored."""
        micros = parse_instant(text, self._zone)
        if not FIRST_INSTANT <= micros <= LAST_INSTANT:
            raise ValueError(f"{shown(text)} is outside the years 1 to 9999 in UTC.")
        return micros

    def text_or_object(self, value: object, member: Member) -> dict[str, Any]:
        """The members `id` and `name` that a text, an object or null states; the id of null is not stated."""
        if not isinstance(value, dict):
            return {"name": self.json(value, member)}
        return self._thing(value)

    def _people(self, elements: list[Any]) -> list[dict[str, Any]] | None:
        people = []
        faults = []
        for position, element in enumerate(elements, start=1):
            try:
                people.append(self._person(element))
            except ValueError as fault:
                faults.append(f"element {position}: {fault}")
        if faults:
            raise ValueError(" ".join(faults[:MOST_FAULTS]))
        return people or None

    def _person(self, element: object) -> dict[str, Any]:
        if not isinstance(element, dict):
            raise ValueError(f"found {found(element)}; an object {{id, name}} is expected.")  # noqa: TRY004 - a fault
        stated = self._thing(element)
        if "name" in stated:
            stated["name"] = stated["name"] or ""  # staged so, null says 'none'; see `staging.STAGING`
        person = {key: stated.get(key) for key in PERSON}
        if not any(person.values()):
            raise ValueError("an id or a name is needed.")
        return person

    def _thing(self, value: dict[str, Any]) -> dict[str, Any]:
        """What an object {id, name} states."""
        stated: dict[str, Any] = {}
        for key, said in value.items():
            if key == "id":
                stated[key] = None if said is None else json_id(said)
            elif key == "name":
                stated[key] = self._name(said)
            else:
                hint = did_you_mean(key, PERSON)
                raise ValueError(f"{shown(key)} is not one of its members: {', '.join(PERSON)}.{hint}")
        return stated

    def _name(self, value: object) -> str | None:
        if value is not None and not isinstance(value, str):
            raise ValueError(f"found {found(value)} as the name; a text is expected.")
        return self.text(value) if value else None

    def _name_in_list(self, name: str, text: str) -> str:
        if not name:
            raise ValueError(f"{shown(text)} has an empty name; names are joined with {BETWEEN_NAMES!r}.")
        return self.text(name)


def json_id(value: object) -> int:
    """An id from a JSON value: an integer, not a float, a text or a boolean."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 1 <= value <= MAX_ID:
            return value
        raise ValueError(f"found {found(value)}; {_AN_ID}.")
    hint = ""
    if isinstance(value, str) and _in_range(value.strip()):
        hint = f" Did you mean {int(value.strip())}, without quotes?"
    if isinstance(value, float) and value.is_integer() and 1 <= value <= MAX_ID:
        hint = f" Did you mean {int(value)}?"
    raise ValueError(f"found {found(value)}; {_AN_ID}.{hint}")


def _bare_boolean(value: object) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    return f" Did you mean {text}, without quotes?" if text in ("true", "false") else ""


def csv_id(text: str) -> int:
    """An id from a cell: ASCII decimal digits."""
    if _in_range(text):
        return int(text.lstrip("0"))
    bare = text.strip().removesuffix(".0").replace(",", "")
    hint = f" Did you mean {int(bare)}?" if _in_range(bare) and bare != text else ""
    raise ValueError(f"{shown(text)} is not an id; {_AN_ID}.{hint}")


def _in_range(text: str) -> bool:
    if not _DIGITS.fullmatch(text) or len(text.lstrip("0")) > _MOST_DIGITS:
        return False
    return 1 <= int(text.lstrip("0") or "0") <= MAX_ID
