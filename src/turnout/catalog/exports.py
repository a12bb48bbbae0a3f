"""What can be exported, and what may be asked of an export (contract sections 8 and 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from turnout.catalog.attendances import REPORTS
from turnout.catalog.types import Parameter, Report, Value

FILE_FORMATS: Final = ("csv", "json", "ndjson", "xlsx", "parquet")
"""The forms of a whole report, the default first."""


def exported(report: Report) -> Report:
    """The same report as it is exported: whole, and so without the parameters of pages, in one of `FILE_FORMATS`."""
    kept = (parameter for parameter in report.parameters if not parameter.paging)
    return replace(report, parameters=tuple(_of_a_file(parameter) for parameter in kept))


def _of_a_file(parameter: Parameter) -> Parameter:
    if parameter.name != "format":
        return parameter
    return replace(parameter, help="The form of the file.", choices=FILE_FORMATS, default=FILE_FORMATS[0])


PAGES: Final = frozenset(parameter.name for report in REPORTS for parameter in report.parameters if parameter.paging)
"""The parameters of pages, which an export has none of."""


def no_page(name: str) -> str:
    """What is wrong with a parameter of a page that is given for an export."""
    return f"An export holds every row that matches; leave out {name!r}."


EXPORTS: Final[dict[str, Report]] = {report.name: exported(report) for report in REPORTS}
"""Every report by its name, as it is exported."""

LISTING: Final[tuple[Parameter, ...]] = (
    Parameter("limit", Value.INTEGER, "How many jobs to answer at most.", default="50", maximum=100, paging=True),
    Parameter("offset", Value.INTEGER, "How many jobs to pass over.", default="0", paging=True),
)
"""What a request for the list of jobs may say."""
