"""One parameter value from its text, by the declared form (contract section 2.2).

Every function takes cleaned text and returns the value, or raises `ValueError` with a reason for the user.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from turnout.errors import did_you_mean, shown

if TYPE_CHECKING:
    from turnout.catalog.types import Parameter

_DIGITS: Final = re.compile(r"[0-9]+")
_NEGATIVE: Final = re.compile(r"-0*[1-9][0-9]*")
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
# Longer digit runs than this cannot be an id whatever they say, and int() of millions of digits is slow.
_MOST_DIGITS: Final = 400


def integer(text: str, parameter: Parameter) -> int:
    """An integer of ASCII decimal digits within the parameter's bounds."""
    if _NEGATIVE.fullmatch(text):
        raise ValueError(f"{shown(text)} is too small; the least is {parameter.minimum}.")
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{shown(text)} is not an integer; decimal digits are expected.")
    number = int(text) if len(text) <= _MOST_DIGITS else parameter.maximum + 1
    if number > parameter.maximum:
        raise ValueError(f"{shown(text)} is too large; the most is {parameter.maximum}.")
    if number < parameter.minimum:
        raise ValueError(f"{shown(text)} is too small; the least is {parameter.minimum}.")
    return number


def boolean(text: str) -> bool:
    """`true`, `false`, `1` or `0`, in any case."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError(f"{shown(text)} is not a boolean; 'true', 'false', '1' or '0' is expected.")
    return value


def text(text: str) -> str:
    """Any text but one with a NUL, which no store can hold."""
    if "\0" in text:
        raise ValueError(f"{shown(text)} has a character that is part of no text: NUL.")
    return text


def choice(text: str, choices: tuple[str, ...]) -> str:
    """One of the choices, exactly as written."""
    if text not in choices:
        listed = ", ".join(choices)
        raise ValueError(f"{shown(text)} is not one of the choices: {listed}.{did_you_mean(text, choices)}")
    return text


def id_or_none(text: str, parameter: Parameter) -> int | None:
    """An id, or None for the word `none`."""
    if text == "none":
        return None
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{shown(text)} is neither an id nor 'none'.{did_you_mean(text, ['none'])}")
    return integer(text, parameter)
