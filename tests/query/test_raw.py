"""Very wrong requests are refused quickly, and with an answer of bounded size."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest

from turnout.catalog.attendances import ATTENDANCES
from turnout.errors import NON_FIELD, TurnoutError
from turnout.query.cursor import CursorBox
from turnout.query.raw import MOST_FAULTS, pairs_of
from turnout.query.request import Scope, parse


def refused(query: bytes) -> dict[str, list[str]]:
    with pytest.raises(TurnoutError) as caught:
        parse(ATTENDANCES, pairs_of(query), Scope(1, ZoneInfo("UTC")), now=0, box=CursorBox(bytes(32)))
    assert len(msgspec.json.encode(caught.value.document())) < 20_000
    return caught.value.fields


def test_thousands_of_unknown_parameters() -> None:
    fields = refused(b"&".join(b"event_strt_%d=1" % number for number in range(4_500)))
    assert len(fields) == MOST_FAULTS + 1
    assert fields[NON_FIELD] == [f"{4_500 - MOST_FAULTS} more parameters are not known."]


@pytest.mark.parametrize("name", [b"columns", b"sort", b"status", b"customers"])
def test_thousands_of_bad_values(name: bytes) -> None:
    fields = refused(name + b"=" + b",".join(b"custmer.name%d" % number for number in range(1_000)))
    assert len(fields[name.decode()]) == MOST_FAULTS + 1
