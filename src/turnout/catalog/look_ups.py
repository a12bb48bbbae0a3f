"""Looking up what a report can be filtered by: which values occur, and how many attendances have each."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from turnout.catalog.attendances import ATTENDANCES
from turnout.catalog.types import Parameter, Report, Value


def looked_up(report: Report) -> Report:
    """The same report as the values of its filters are looked up: under all of its filters, page by page."""
    filters = tuple(parameter for parameter in report.parameters if parameter.op is not None)
    names = tuple(parameter.name for parameter in filters if parameter.listed)
    own = (
        Parameter(
            OF,
            Value.CHOICE,
            "The filter whose values are listed. What it is given itself does not narrow them.",
            needed=True,
            choices=names,
            example="venues",
        ),
        Parameter(
            "search",
            Value.TEXT,
            "Values whose label has this text in it, without regard to case and accents; where there is no label, "
            "the value itself.",
        ),
    )
    paging = (
        Parameter("limit", Value.INTEGER, "How many values to answer at most.", default="50", maximum=100, paging=True),
        Parameter("offset", Value.INTEGER, "How many values to pass over.", default="0", paging=True),
    )
    return replace(report, parameters=(*own, *filters, report.parameter["timezone"], *paging))


OF: Final = "of"
"""The parameter that says what is looked up."""

LOOK_UP: Final = looked_up(ATTENDANCES)
"""The report whose filters' values can be looked up."""
