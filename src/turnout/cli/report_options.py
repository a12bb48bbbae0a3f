"""The options of `turnout report` and `turnout export`, made from the catalogue: one for each parameter."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import Parameter, Report, Value
from turnout.cli.types import CatalogueValue
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from turnout.cli.pages import Pairs

OWN: Final = "format"
"""The one parameter that the command has an option of its own for: it knows the form `table` as well."""

_SIZES: Final = frozenset({"limit", "page_size"})
_PLACES: Final = frozenset({"offset", "page", "cursor"})


_FILTERS, _SELECTION, _PAGES, _FORM = PANELS = ("Which attendances", "Columns and order", "Which page", "Form")


def _panel(parameter: Parameter) -> str:
    if parameter.op is not None:
        return _FILTERS
    if parameter.name in _SIZES | _PLACES:
        return _PAGES
    return _SELECTION if parameter.value in (Value.COLUMN, Value.SORT_KEY) else _FORM


def report_options(report: Report = ATTENDANCES) -> list[click.Parameter]:
    """One option for each parameter, with the catalogue's help. A list may be repeated, or separated by commas."""
    return [_option(report, parameter) for parameter in report.parameters if parameter.name != OWN]


def _option(report: Report, parameter: Parameter) -> click.Parameter:
    # Every option may be repeated: that a parameter takes one value is for the report's own parser to say. A boolean
    # may stand alone, and is then true.
    extra: dict[str, Any] = {"flag_value": "true", "is_flag": False} if parameter.value is Value.BOOLEAN else {}
    facts = [parameter.help.replace("`", "'")]
    if parameter.is_list:
        facts.append("(list)")
    if parameter.default:
        facts.append(f"[default: {parameter.default}]")
    return click.RichOption(
        [parameter.name, f"--{parameter.name.replace('_', '-')}"],
        type=CatalogueValue(report, parameter),
        multiple=True,
        help=" ".join(facts),
        panel=_panel(parameter),
        **extra,
    )


def pairs_of(given: dict[str, tuple[str, ...]]) -> Pairs:
    """The values of the options as the parameters of a request."""
    return [(name, value) for name, values in given.items() for value in values]


def check(pairs: Pairs, now: int, report: Report = ATTENDANCES) -> None:
    """Raise `Failure` with every fault that the report's own parser finds, before anything is opened.

    The provider's zone is not known yet, and no fault depends on it; a cursor only the server can open.
    """
    from turnout.cli.problems import Misuse  # noqa: PLC0415 - the help needs no parser
    from turnout.query.cursor import CursorBox  # noqa: PLC0415 - as above
    from turnout.query.request import Scope, parse  # noqa: PLC0415 - as above

    own = [(name, value) for name, value in pairs if name != "cursor"]
    try:
        parse(report, own, Scope(1, UTC), now=now, box=CursorBox(bytes(64)))
    except TurnoutError as error:
        raise Misuse(error.message, fields=error.fields) from error


def check_every(pairs: Pairs) -> None:
    """Refuse, of pairs that `check` took, what would make a part of every row, or none."""
    for name, value in pairs:
        if name in _PLACES and value.strip():
            raise click.UsageError(f"--all has every row, from the first one on; leave out --{name}.")
        if name in _SIZES and value.strip() and not int(value):
            raise click.UsageError(f"--all has every row, and --{name.replace('_', '-')} {value} none.")


def asked_for(pairs: Pairs) -> list[str]:
    """The keys of the columns that `--columns` names; none where it is not given."""
    names = [name.strip() for key, value in pairs if key == "columns" for name in value.split(",")]
    return [column.key for name in names for column in ATTENDANCES.by_name.get(name, ())]
