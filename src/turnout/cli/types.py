"""The types of option values that click does not have. What is wrong with a value is said before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from turnout.catalog.types import MAX_ID, Value
from turnout.errors import TurnoutError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.catalog.types import Parameter, Report


# int() of a much longer text is slow, or refused.
_MOST_DIGITS: Final = 40


def not_one_of(value: str, choices: Sequence[str]) -> str:
    """What is wrong with a text that is none of the choices."""
    return f"{shown(value)} is not one of: {', '.join(choices)}.{did_you_mean(value, choices)}"


class OneOf(click.ParamType[str]):
    """One of some texts, exactly as written; a wrong one is answered with the list."""

    name = "choice"

    def __init__(self, choices: Sequence[str]) -> None:
        self.choices = choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002 - click's signature
        return f"[{'|'.join(self.choices)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            self.fail(not_one_of(value, self.choices), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


class Form(OneOf):
    """One of some texts, of which a wrong one is told together with what else is wrong (`report_options.check`)."""

    name = "form"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        return str(value)

    def faults(self, value: str) -> list[str]:
        """What is wrong with a value."""
        return [] if value in self.choices else [not_one_of(value, self.choices)]


class Id(click.ParamType[int]):
    """An id: ASCII decimal digits, 1 to 2^63-1 (contract section 1)."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if (number := _number(str(value), 1, MAX_ID)) is None:
            self.fail(f"{shown(str(value))} is not an id: a whole number from 1 to {MAX_ID}.", param, ctx)
        return number


class Count(click.ParamType[int]):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = _number(str(value).replace("_", "").replace(",", ""), self.least, self.most)
        if number is None:
            self.fail(f"{shown(str(value))} is not a whole number from {self.least:,} to {self.most:,}.", param, ctx)
        return number


def _number(text: str, least: int, most: int) -> int | None:
    """A number in ASCII digits within bounds, else None."""
    text = text.strip()
    fits = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and least <= int(text) <= most
    return int(text) if fits else None


class FileName(click.Path):
    """The name of a file, as a `Path`; an empty text would be that of the directory at hand."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("It is empty; the name of a file is expected.", param, ctx)
        return super().convert(value, param, ctx)


class Lifetime(click.ParamType[str]):
    """How long a token lives, such as `90d`."""

    name = "lifetime"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from turnout.admin import parse_lifetime  # noqa: PLC0415 - the help needs no administration

        try:
            parse_lifetime(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Zone(click.ParamType[str]):
    """An IANA time zone."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from turnout.query.instants import load_zone  # noqa: PLC0415 - the help needs no time zones

        try:
            load_zone(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        from zoneinfo import available_timezones  # noqa: PLC0415 - as above

        return [CompletionItem(zone) for zone in sorted(available_timezones()) if zone.startswith(incomplete)]


class StoreUrl(click.ParamType[str]):
    """Where a store is: a file, or a database that there is a store for."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from turnout.store.open import is_file  # noqa: PLC0415 - the help needs no store

        try:
            is_file(value)
        except TurnoutError as error:
            self.fail(error.message, param, ctx)
        return str(value)


class ServerUrl(click.ParamType[str]):
    """The address of a server: `http://` or `https://`, and a host."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from urllib.parse import urlsplit  # noqa: PLC0415 - as above

        try:
            parts = urlsplit(value.strip())
            plain = not (parts.username or parts.password or parts.query or parts.fragment)
            fits = plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits:
            self.fail(f"{shown(value)} is not the address of a server, such as http://127.0.0.1:8000.", param, ctx)
        return str(value).strip().rstrip("/")


class Address(click.ParamType[str]):
    """The address of a source: a server's, or anything up to its report."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from turnout.sync.address import report_address  # noqa: PLC0415 - the help needs no addresses

        try:
            return report_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Share(click.ParamType[float]):
    """A part of a whole in per cent, such as `5%`; from 0 to 1."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip().removesuffix("%").strip()
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 100:  # noqa: PLR2004 - per cent
            self.fail(f"{shown(str(value))} is not a share from 0% to 100%.", param, ctx)
        return number / 100


@dataclass(frozen=True)
class CatalogueValue(click.ParamType[str]):
    """A value of a report parameter. It is text here; the report's own parser checks it. This completes it.

    `reports` are those that have the parameter.
    """

    reports: tuple[Report, ...]
    parameter: Parameter

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.parameter.value.value

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002 - click's signature
        if self.parameter.value is Value.CHOICE:
            return f"[{'|'.join(self.parameter.choices)}]"
        return _METAVARS[self.parameter.value]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        before, comma, last = incomplete.rpartition(",") if self.parameter.is_list else ("", "", incomplete)
        return [CompletionItem(before + comma + word) for word in self._words() if word.startswith(last)]

    def _words(self) -> tuple[str, ...]:
        match self.parameter.value:
            case Value.COLUMN:
                return tuple(dict.fromkeys(name for report in self.reports for name in report.by_name))
            case Value.SORT_KEY:
                keys = dict.fromkeys(c.key for report in self.reports for c in report.columns if c.sortable)
                return (*keys, *(f"-{key}" for key in keys))
            case Value.BOOLEAN:
                return ("true", "false")
            case _:
                return self.parameter.choices


_METAVARS: Final = {
    Value.INTEGER: "N",
    Value.ID_OR_NONE: "ID|none",
    Value.BOOLEAN: "[true|false]",
    Value.INSTANT: "TIME",
    Value.TIMEFRAME: "TIMEFRAME",
    Value.ZONE: "ZONE",
    Value.COLUMN: "COLUMN",
    Value.SORT_KEY: "[-]COLUMN",
    Value.CURSOR: "CURSOR",
}
