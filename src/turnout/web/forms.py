"""Bodies of parameters, in the forms that clients send them in: JSON, a form's fields, or multipart (section 8)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from turnout.errors import NON_FIELD
from turnout.query.raw import MOST_FAULTS, pairs_of, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.errors import Faults
    from turnout.query.raw import Pairs

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
MEDIA_TYPES: Final = (JSON, FORM, MULTIPART)
_EXPECTED: Final = "a text, a number, true or false is expected, or a list of these"
_NAME_MISSING: Final = "a part has no name"


class _Unreadable(Exception):  # noqa: N818 - the reason is its text
    """The body is not of the form that its media type says."""


def pairs_of_body(media_type: str, boundary: bytes, body: bytes, faults: Faults) -> Pairs:
    """The parameters in a body of one of `MEDIA_TYPES`, as texts; what is wrong with their form is added to `faults`.

    `boundary` is that of multipart. Bytes that are not UTF-8 become lone surrogates, which `raw.clean` refuses.
    """
    try:
        match media_type:
            case "application/json":
                return list(_texts(_json_members(body), faults))
            case "application/x-www-form-urlencoded":
                return pairs_of(body)
            case _:
                return list(_texts(_parts(boundary, body), faults))
    except _Unreadable as error:
        faults.add(NON_FIELD, f"The body is not {media_type}: {error}.")
        return []


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object in their order; a name may be there twice."""


class _File:
    """What stands for a file among the parts."""


def _json_members(body: bytes) -> _Object:
    """The members of the object that the body is. Numbers are left as the text that they were written in."""
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=_no_number
        )
    except RecursionError:
        raise _Unreadable("it is nested too deeply") from None
    except ValueError as error:
        raise _Unreadable(str(error)) from None
    if not isinstance(found, _Object):
        raise _Unreadable("an object with the parameters as its members is expected")
    return found


def _no_number(text: str) -> str:
    raise ValueError(f"{text} is no number")


def _texts(members: _Object, faults: Faults) -> Iterator[tuple[str, str]]:
    """The members as texts, lists one by one. null is as if it had been left out."""
    faulty = 0
    for name, value in members:
        listed = value if isinstance(value, list) and not isinstance(value, _Object) else [value]
        for one in listed:
            if isinstance(one, bool):
                yield name, str(one).lower()
            elif isinstance(one, str):
                yield name, one
            elif one is not None and faulty < MOST_FAULTS:
                faulty += 1
                what = {_Object: "An object", _File: "A file"}.get(type(one), "A list inside a list")
                faults.add(printable(name), f"{what} is no value; {_EXPECTED}.")


def _parts(boundary: bytes, body: bytes) -> _Object:
    """The fields of a multipart body. One that ends in the middle is refused: a filter may be missing."""
    if not boundary:
        raise _Unreadable("its Content-Type has no boundary, as in 'multipart/form-data; boundary=----x'")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks)  # type: ignore[arg-type] # its type wants all of them
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise _Unreadable(str(error)) from None
    if not collector.ended:
        raise _Unreadable("it ends in the middle")
    return collector.found


class _Collector:
    """Puts together what the parser tells piece by piece."""

    def __init__(self) -> None:
        self.found = _Object()
        self.ended = False
        self._header, self._value, self._data = bytearray(), bytearray(), bytearray()
        self._options: dict[bytes, bytes] = {}
        self.callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ends,
            "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
            "on_part_end": self._part_ends,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._options = {}
        self._data.clear()

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, self._options = parse_options_header(bytes(self._value))
        self._header.clear()
        self._value.clear()

    def _part_ends(self) -> None:
        if b"name" not in self._options:
            raise _Unreadable(_NAME_MISSING)
        value = _File() if b"filename" in self._options else _decoded(bytes(self._data))
        self.found.append((_decoded(self._options[b"name"]), value))

    def _end(self) -> None:
        self.ended = True


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
