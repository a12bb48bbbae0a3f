"""Writes docs/reference/ from the catalogue, the errors and the settings: `make docs`. A test fails where it is stale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from turnout.catalog.attendances import ATTENDANCES, ATTENDANCES_GROUPED, PERIODS
from turnout.catalog.look_ups import LOOK_UP
from turnout.errors import ERRORS
from turnout.query.timeframe import FORMS
from turnout.settings import settings_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from turnout.catalog.types import Column, Parameter

HERE = Path(__file__).parent / "reference"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    names = list(head)
    return "\n".join([line(names), "|" + "---|" * len(names), *map(line, rows)])


def code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _parameter(parameter: Parameter) -> list[str]:
    form = f"list of {parameter.value}" if parameter.is_list else str(parameter.value)
    if parameter.choices:
        form += ": " + ", ".join(map(code, parameter.choices))
    default = "needed" if parameter.needed else code(parameter.default)
    return [code(parameter.name), form, default, "yes" if parameter.extension else "", parameter.help]


def parameters() -> str:
    head = ["name", "form", "default", "extension", "meaning"]
    own = [p for p in ATTENDANCES_GROUPED.parameters if p not in ATTENDANCES.parameters]
    looking = [p for p in LOOK_UP.parameters if p not in ATTENDANCES.parameters]
    return f"""# Parameters of the reports

`GET {ATTENDANCES.path}`

Lists are accepted repeated (`status=a&status=b`), comma-separated (`status=a,b`) and with brackets (`status[]=a`). The values of one list are
alternatives; different parameters narrow. An unknown parameter is an error.

{table(head, map(_parameter, ATTENDANCES.parameters))}

Date-times are RFC 3339. Without an offset they are local to the provider (or to `timezone`); a date alone is the start of that day for
`_gte`, and the whole day for `_lte`.

## Counts of attendances

`GET {ATTENDANCES_GROUPED.path}` has the same ones; of these it has its own, or another meaning:

{table(head, map(_parameter, own))}

## What can be filtered by

`GET {LOOK_UP.values_path}` has all filters, and `timezone`; of its own it has:

{table(head, map(_parameter, looking))}

## Timeframes

```
{FORMS}
```
"""


def _column(column: Column, *, by_default: bool) -> list[str]:
    kind = str(column.kind) + (": " + ", ".join(map(code, column.choices)) if column.choices else "")
    named = "Only when named." if by_default and column.extension else ""
    always = "Always there." if column.required else ""
    return [
        code(column.key),
        code(column.other_name),
        column.label,
        kind,
        "yes" if column.sortable else "no",
        " ".join(filter(None, (column.help, always, named))),
    ]


def columns() -> str:
    head = ["key", "other name", "label", "type", "sortable", "meaning"]
    flat, grouped = (", ".join(f"`{group.key}`" for group in r.groups) for r in (ATTENDANCES, ATTENDANCES_GROUPED))
    return f"""# Columns of the attendances report

In this order, which is the default order. A group selects all of its columns: {flat}.

{table(head, (_column(each, by_default=True) for each in ATTENDANCES.columns))}

## Columns of the grouped report

None of them is there by default. A group selects all of its columns: {grouped}. With a `pivot`, further columns
`{PERIODS}.PERIOD` follow.

{table(head, (_column(each, by_default=False) for each in ATTENDANCES_GROUPED.columns))}
"""


def errors() -> str:
    rows = ([code(name), str(kind.status), code(kind.type), kind.message] for name, kind in ERRORS.items())
    return f"""# Errors

Every error, on every path, is JSON. All faults of a request are reported together, each under its parameter's name.

```json
{{"code": "parameter_invalid", "type": "invalid_request_error", "message": "Your request was invalid.",
 "field_errors": {{"sort": ["'custmer.name' is not a column. Did you mean 'customer.name'?"], "non_field_errors": []}}}}
```

{table(["code", "status", "type", "message"], rows)}
"""


def settings() -> str:
    rows = ([code(s.name), s.expects, code(s.default), s.meaning] for s in settings_reference())
    return f"""# Settings

Given as `TURNOUT_NAME` in the environment, in `turnout.toml`, or as options of a command; the later in this list wins.
`turnout doctor` shows each setting's value and where it came from.

{table(["name", "value", "default", "meaning"], rows)}
"""


PAGES: dict[str, Callable[[], str]] = {
    "parameters.md": parameters,
    "columns.md": columns,
    "errors.md": errors,
    "settings.md": settings,
}


def main() -> None:
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
