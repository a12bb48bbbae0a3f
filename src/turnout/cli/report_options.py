"""The options of `turnout report` and `turnout export`, made from the catalogue: one for each parameter.

Which report is asked for follows from what is given: the grouped one (contract section 7) where a column or a parameter
is given that only it has, or `--group-by`.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED, PERIODS, REPORTS
from turnout.catalog.exports import EXPORTS, PAGES
from turnout.catalog.types import Parameter, Report, Value
from turnout.cli.types import CatalogueValue
from turnout.errors import TurnoutError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from turnout.cli.pages import Pairs

OWN: Final = "format"
"""The one parameter that the command has an option of its own for: it knows the form `table` as well."""
GROUP_BY: Final = "group_by"
"""The option, no parameter of a report, that is short for the columns to group by and their count."""

_SIZES: Final = frozenset({"limit", "page_size"})
_PLACES: Final = frozenset({"offset", "page", "cursor"})
COUNT: Final = next(column.key for column in ATTENDANCES_GROUPED.columns if column.counts)
_ONLY_GROUPED: Final = ATTENDANCES_GROUPED.parameter.keys() - ATTENDANCES.parameter.keys()

_FILTERS, _SELECTION, _GROUPS, _PAGES, _FORM = PANELS = (
    "Which attendances",
    "Columns and order",
    "Counts",
    "Which page",
    "Form",
)


def _panel(parameter: Parameter) -> str:
    if parameter.op is not None:
        return _FILTERS
    if parameter.name in _SIZES | _PLACES:
        return _PAGES
    if parameter.name in _ONLY_GROUPED:
        return _GROUPS
    return _SELECTION if parameter.value in (Value.COLUMN, Value.SORT_KEY) else _FORM


def report_options(reports: Sequence[Report] = REPORTS) -> list[click.Parameter]:
    """One option for each parameter, with the catalogue's help. A list may be repeated, or separated by commas."""
    having = {name: tuple(r for r in reports if name in r.parameter) for report in reports for name in report.parameter}
    return [_group_by(), *(_option(found, found[0].parameter[name]) for name, found in having.items() if name != OWN)]


def export_options() -> list[click.Parameter]:
    """One option for each parameter of an export; those of pages are known, hidden, and refused by `check`."""
    pages = [click.RichOption([name, f"--{name.replace('_', '-')}"], multiple=True, hidden=True) for name in PAGES]
    return [*report_options(tuple(EXPORTS.values())), *pages]


def _option(reports: tuple[Report, ...], parameter: Parameter) -> click.Parameter:
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
        type=CatalogueValue(reports, parameter),
        multiple=True,
        help=" ".join(facts),
        panel=_panel(parameter),
        **extra,
    )


def _group_by() -> click.Parameter:
    return click.RichOption(
        [GROUP_BY, "--group-by"],
        type=CatalogueValue((ATTENDANCES_GROUPED,), ATTENDANCES_GROUPED.parameter["columns"]),
        multiple=True,
        help="Count the attendances that have the same values of these columns: short for --columns with 'count' at "
        "its end. (list)",
        panel=_GROUPS,
    )


def pairs_of(given: dict[str, tuple[str, ...]]) -> Pairs:
    """The values of the options as the parameters of a request."""
    pairs = [(name, value) for name, values in given.items() for value in values if name != GROUP_BY]
    by = given.get(GROUP_BY, ())
    if by and "columns" in dict(pairs):
        raise click.UsageError(f"--group-by is short for --columns with {COUNT!r} at its end; give one of the two.")
    return [*pairs, *(("columns", value) for value in (*by, COUNT) if by)]


def report_of(pairs: Pairs) -> Report:
    """The report that is asked for."""
    names = _names(pairs, "columns") + [name.removeprefix("-") for name in _names(pairs, "sort")]
    only = ATTENDANCES_GROUPED.by_name.keys() - ATTENDANCES.by_name.keys()
    grouped = any(name in only or name.startswith(f"{PERIODS}.") for name in names)
    return ATTENDANCES_GROUPED if grouped or any(name in _ONLY_GROUPED for name, _ in pairs) else ATTENDANCES


def check(report: Report, pairs: Pairs, now: int, others: Mapping[str, Sequence[str]] | None = None) -> None:
    """Raise `Misuse` with every fault that the report's own parser finds, and `others`, before anything is opened.

    The provider's zone is not known yet, and no fault depends on it. A cursor only the server can open, and only it
    knows on which day weeks begin.
    """
    from turnout.cli.problems import Misuse  # noqa: PLC0415 - the help needs no parser
    from turnout.query.cursor import CursorBox  # noqa: PLC0415 - as above
    from turnout.query.request import Scope, parse  # noqa: PLC0415 - as above

    if report.grouped:
        _refuse_single(pairs)
    own = [(name, value) for name, value in pairs if name not in ("cursor", "sort")]
    own += [("sort", name) for name in _names(pairs, "sort") if not name.lstrip("-").startswith(f"{PERIODS}.")]
    found = {name: list(texts) for name, texts in (others or {}).items() if texts}
    try:
        parse(report, own, Scope(1, UTC), now=now, box=CursorBox(bytes(64)))
    except TurnoutError as error:
        for name, texts in error.fields.items():
            found.setdefault(name, []).extend(texts)
    if found:
        raise Misuse(TurnoutError("parameter_invalid").message, fields=found)


def _refuse_single(pairs: Pairs) -> None:
    """Refuse what only a report of single attendances has, with what makes this one a report of counts."""
    choices = ", ".join(column.key for column in ATTENDANCES_GROUPED.columns if not column.counts)
    single = ATTENDANCES.by_name.keys() - ATTENDANCES_GROUPED.by_name.keys()
    for option in ("columns", "sort"):
        wrong = [name for name in _names(pairs, option) if name.removeprefix("-") in single]
        if wrong:
            raise click.UsageError(
                f"--{option} {shown(wrong[0])} is of single attendances, and does not go with {_reason(pairs)}, which "
                f"asks for counts of attendances. Counts go by: {choices}."
            )


def _reason(pairs: Pairs) -> str:
    """What makes it the grouped report."""
    only = ATTENDANCES_GROUPED.by_name.keys() - ATTENDANCES.by_name.keys()
    names = [name for name in _names(pairs, "columns") + _names(pairs, "sort") if name.removeprefix("-") in only]
    options = [f"--{name.replace('_', '-')}" for name, _ in pairs if name in _ONLY_GROUPED]
    return (*map(repr, names), *options, f"a period such as '{PERIODS}.2026-10'")[0]


def _names(pairs: Pairs, parameter: str) -> list[str]:
    return [name.strip() for key, value in pairs if key == parameter for name in value.split(",") if name.strip()]


def check_every(pairs: Pairs) -> None:
    """Refuse, of pairs that `check` took, what would make a part of every row, or none."""
    for name, value in pairs:
        if name in _PLACES and value.strip():
            raise click.UsageError(f"--all has every row, from the first one on; leave out --{name}.")
        if name in _SIZES and value.strip() and not int(value):
            raise click.UsageError(f"--all has every row, and --{name.replace('_', '-')} {value} none.")


def asked_for(report: Report, pairs: Pairs) -> list[str]:
    """The keys of the columns that `--columns` names; none where it is not given."""
    return [column.key for name in _names(pairs, "columns") for column in report.by_name.get(name, ())]
