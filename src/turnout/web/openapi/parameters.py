"""Request parameters as OpenAPI Parameter Objects (contract sections 2.2 and 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.catalog.attendances import PERIODS
from turnout.catalog.types import MAX_ID, Column, Parameter, Report, Value
from turnout.query.pivot import PATTERN as PERIOD
from turnout.query.raw import MOST_VALUES
from turnout.query.timeframe import PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

EXTENSION: Final = "x-turnout-extension"
_EXTENSION_NOTE: Final = "An extension of the published API."

_LOCAL: Final = (
    "^([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?$"
)

ID: Final[Json] = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}
ZONE: Final[Json] = {"type": "string", "format": "iana-time-zone"}

_FIXED: Final[dict[Value, Json]] = {
    Value.BOOLEAN: {"type": "boolean"},
    Value.TEXT: {"type": "string", "pattern": r"^[^\u0000]*$"},
    Value.INSTANT: {
        "anyOf": [
            {"type": "string", "format": "date-time", "description": "An instant (RFC 3339)."},
            {
                "type": "string",
                "format": "date-time-local",
                "pattern": _LOCAL,
                "description": "Local to the provider.",
            },
            {"type": "string", "format": "date", "description": "A whole day of the provider."},
        ]
    },
    Value.TIMEFRAME: {"type": "string", "format": "timeframe", "pattern": PATTERN},
    Value.ZONE: ZONE,
    Value.CURSOR: {"type": "string", "format": "cursor", "pattern": "^[A-Za-z0-9_-]+$"},
}


def query_parameters(report: Report) -> list[Json]:
    """Every parameter of a report, in the order of its declaration."""
    return [_query_parameter(parameter, report) for parameter in report.parameters]


def declared_parameter(parameter: Parameter) -> Json:
    """A parameter that has nothing to do with a report's columns."""
    return _query_parameter(parameter, None)


def header_parameters() -> list[Json]:
    """The request headers that a report understands. OpenAPI leaves `Accept` and `Authorization` to other places."""
    return [
        PROVIDER,
        MODE,
        PREFER,
        header(
            "If-None-Match",
            "The `ETag` of an earlier answer; where nothing has changed, the answer is 304 without a body.",
            {"type": "string"},
        ),
        header("X-Request-ID", "A name for the request, repeated in the answer and in the log.", {"type": "string"}),
    ]


def header(name: str, description: str, schema: Json, *, example: Any = None) -> Json:
    """A request header."""
    extra = {} if example is None else {"examples": {"example": {"value": example}}}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema, **extra}


PROVIDER: Final = header(
    "TeamUp-Provider-ID",
    "The provider that the request is about; needed where the token covers several.",
    {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_ID},
    example=1,
)
MODE: Final = header(
    "TeamUp-Request-Mode",
    "`provider`, or left out. In `customer` mode nothing can be done here, which is answered with 403.",
    {"type": "string", "enum": ["provider", "customer"]},
)
IDEMPOTENCY_KEY: Final = header(
    "Idempotency-Key",
    "The same key with the same request within a day is carried out once, and answered alike.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
)
PREFER: Final = header(
    "Prefer",
    "`handling=lenient` ignores unknown parameters and names them in `X-Ignored-Parameters`; `handling=strict` "
    "refuses them (RFC 7240).",
    {"type": "string"},
    example="handling=lenient",
)


def _query_parameter(parameter: Parameter, report: Report | None) -> Json:
    document: Json = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.needed,
        "allowEmptyValue": not parameter.needed,
        "description": f"{parameter.help} {_EXTENSION_NOTE}" if parameter.extension else parameter.help,
        **({EXTENSION: True} if parameter.extension else {}),
        **({"style": "form", "explode": True} if parameter.is_list else {}),
        "schema": _schema(parameter, report),
    }
    if parameter.example is not None:
        value = _parsed(parameter, parameter.example)
        document["examples"] = {"example": {"value": value}}
    return document


def _schema(parameter: Parameter, report: Report | None) -> Json:
    schema = value_schema(parameter, report)
    if parameter.is_list:
        unique = {"uniqueItems": True} if parameter.value is Value.SORT_KEY else {}
        least = {"minItems": 1} if parameter.needed else {}
        return {"type": "array", "items": schema, **least, "maxItems": MOST_VALUES, **unique}
    if parameter.default is not None and parameter.name != "format":
        # `format` has no default in the sense of OpenAPI: where it is absent, `Accept` is asked first.
        schema["default"] = _parsed(parameter, parameter.default)
    return schema


def value_schema(parameter: Parameter, report: Report | None) -> Json:
    """What one value of a parameter may be."""
    match parameter.value:
        case Value.CHOICE:
            return {"type": "string", "enum": list(parameter.choices)}
        case Value.INTEGER:
            return _integer(parameter)
        case Value.ID_OR_NONE:
            return {"anyOf": [_integer(parameter), {"type": "string", "const": "none"}]}
        case Value.COLUMN if report:
            return {"type": "string", "enum": list(column_names(report))}
        case Value.SORT_KEY if report:
            names = [name for column in report.columns if column.sortable for name in _names(column)]
            keys = {"type": "string", "enum": [sign + name for name in names for sign in ("", "-")]}
            return {"anyOf": [keys, period("-?")]} if report.grouped else keys
        case fixed:
            return dict(_FIXED[fixed])


def period(before: str = "") -> Json:
    """The key of a period's column, with what may stand before it."""
    return {
        "type": "string",
        "pattern": f"^{before}{PERIODS}\\.{PERIOD}$",
        "description": "A period of the pivot: a year, a month, an ISO week, or the first day of another week.",
    }


def _integer(parameter: Parameter) -> Json:
    return {"type": "integer", "format": "int64", "minimum": parameter.minimum, "maximum": parameter.maximum}


def _parsed(parameter: Parameter, text: str) -> Any:
    """A default or an example, declared as text, as the JSON value that the schema describes."""
    if parameter.is_list:
        return [_scalar(parameter, part) for part in text.split(",")]
    return _scalar(parameter, text)


def _scalar(parameter: Parameter, text: str) -> Any:
    match parameter.value:
        case Value.INTEGER:
            return int(text)
        case Value.BOOLEAN:
            return text == "true"
        case _:
            return text


def column_names(report: Report) -> Iterator[str]:
    """Every name that selects columns, in the order of the published list: a group after its first column."""
    pending = [group.key for group in report.groups]
    for column in report.columns:
        yield from _names(column)
        for group in [key for key in reversed(pending) if column.key.startswith(key + ".")]:
            pending.remove(group)
            yield group


def _names(column: Column) -> tuple[str, ...]:
    return (column.other_name, column.key) if column.other_name and column.other_name != column.key else (column.key,)
