"""Raw parameters: from a query string or pairs to cleaned texts by declared parameter (contract section 2.2).

Cleaning strips blanks, splits lists, drops empty values, understands `name[]`, and refuses what is unknown or given
twice with different values. No value is interpreted here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from turnout.errors import NON_FIELD, Faults, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from turnout.catalog.types import Parameter

MOST_VALUES: Final = 1000
# A request may be wrong in thousands of places; a suggestion costs a third of a millisecond.
MOST_FAULTS: Final = 20
# Half a character of UTF-16, which is no text, and where Python keeps bytes that are none.
_HALVES: Final = re.compile("[\ud800-\udfff]")
_BYTES: Final = 0xDC00
# As in `updated-since`, `updated.since` and `updatedSince`.
_BETWEEN_WORDS: Final = re.compile("[-.]|(?<=[a-z])(?=[A-Z])")
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The texts given for each known parameter, never empty, and the names of unknown ones that were ignored."""

    texts: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()


def pairs_of(query_string: bytes) -> Pairs:
    """Split a query string into decoded pairs; bytes that are not UTF-8 become lone surrogates, refused by `clean`."""
    pairs = []
    for part in query_string.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return pairs


def _decode(part: bytes) -> str:
    return unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8", "surrogateescape")


def clean(
    known: Mapping[str, Parameter], pairs: Iterable[tuple[str, str]], faults: Faults, *, lenient: bool = False
) -> Cleaned:
    """Group, strip and split the pairs by parameter; add a fault for each thing that is wrong with their form."""
    texts: dict[str, list[str]] = {}
    ignored: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for raw_name, value in pairs:
        name = raw_name.removesuffix("[]")
        parameter = known.get(name)
        if parameter is None or (raw_name != name and not parameter.is_list):
            (ignored if lenient else unknown)[raw_name] = None
            continue
        if not _is_utf8(value):
            faults.add(name, f"{_quoted(value)} is not valid UTF-8.")
            continue
        parts = value.split(",") if parameter.is_list else [value]
        texts.setdefault(name, []).extend(part for part in map(str.strip, parts) if part)
    for raw_name in list(unknown)[:MOST_FAULTS]:
        faults.add(printable(raw_name), _unknown(known, raw_name))
    if len(unknown) > MOST_FAULTS:
        faults.add(NON_FIELD, f"{len(unknown) - MOST_FAULTS} more parameters are not known.")
    cleaned = {}
    for name, values in texts.items():
        if not known[name].is_list and len(set(values)) > 1:
            given = " and ".join(shown(value) for value in dict.fromkeys(values))
            faults.add(name, f"It was given more than once, with different values: {given}.")
        elif len(values) > MOST_VALUES:
            faults.add(name, f"It has {len(values)} values; the most is {MOST_VALUES}.")
        elif values:
            cleaned[name] = tuple(values) if known[name].is_list else (values[0],)
    return Cleaned(cleaned, tuple(ignored))


def _unknown(known: Mapping[str, Parameter], raw_name: str) -> str:
    name = raw_name.removesuffix("[]")
    if name in known:
        return f"{_quoted(raw_name)} is not a known parameter: {name!r} takes one value. Did you mean {name!r}?"
    words = _BETWEEN_WORDS.sub("_", name.strip()).lower()
    called = next((parameter.name for parameter in known.values() if words in parameter.called), words)
    return f"{_quoted(raw_name)} is not a known parameter.{did_you_mean(called, known)}"


def _is_utf8(text: str) -> bool:
    return not _HALVES.search(text)


def _quoted(text: str) -> str:
    return shown(printable(text))


def printable(text: str) -> str:
    r"""The text as it can stand in a JSON document: a byte that is not UTF-8 as `\\xNN`, half a pair as `\\uNNNN`."""
    return _HALVES.sub(_written_out, text[:200])


def _written_out(half: re.Match[str]) -> str:
    code = ord(half[0])
    # A byte of a query string is kept as one of these; the others can only come from JSON.
    return f"\\x{code - _BYTES:02x}" if _BYTES + 0x80 <= code <= _BYTES + 0xFF else f"\\u{code:04x}"
