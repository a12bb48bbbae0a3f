"""Columns of texts are what a page writes value by value (contract sections 2.5 and 9)."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.output import texts as written
from turnout.output.shape import instant_writer
from turnout.output.texts import Form, Odd, data_of, instants, joined, lines, names, text_parts, texts
from turnout.query.instants import utc_text, zone_text

EPOCH = datetime(1970, 1, 1)
YEAR = 31_556_952
ZONES = sorted(available_timezones() - {"localtime"})
MOMENTS = st.lists(
    st.one_of(st.none(), st.datetimes(), st.datetimes(datetime(1890, 1, 1), datetime(2100, 1, 1))), min_size=1
)


def stamps(moments: list[datetime | None]) -> pa.Array:
    return pa.array(moments, pa.timestamp("us"))


@pytest.fixture(params=[True, False], ids=["one by one", "each different one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of few different values are written in another way than others: both with any."""
    monkeypatch.setattr(
        written, "_mostly_different", lambda values: request.param and not pa.types.is_dictionary(values.type)
    )


SAME_WAY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("way")
@given(MOMENTS, st.sampled_from(ZONES))
@SAME_WAY
def test_instants(moments: list[datetime | None], name: str) -> None:
    zone = ZoneInfo(name)
    assert instants(stamps(moments), None, Form()).to_pylist() == [one and utc_text(one) for one in moments]
    wanted = [one and zone_text(one, zone) for one in moments]
    assert instants(stamps(moments), zone, Form()).to_pylist() == wanted
    form = Form("<", ">")
    assert instants(stamps(moments), zone, form).to_pylist() == [one and f"<{one}>" for one in wanted]


@pytest.mark.parametrize("zone", [None, ZoneInfo("Asia/Kathmandu")])
def test_many_instants_of_rows(zone: ZoneInfo | None) -> None:
    """More different ones than are known by heart, in turn with one that is."""
    write = instant_writer(zone)
    moments = [EPOCH + timedelta(hours=hour, microseconds=1) for hour in range(25_000)]
    for moment in (*moments, *moments[::-7]):
        assert write(moment) == (utc_text(moment) if zone is None else zone_text(moment, zone))
        assert write(EPOCH) == ("1970-01-01T00:00:00Z" if zone is None else "1970-01-01T05:30:00+05:30")
    known = write.__self__  # type: ignore[attr-defined]
    assert len(known) <= 10_000


@pytest.mark.parametrize("name", ZONES)
def test_every_zone(name: str) -> None:
    """Instants of two and a half centuries, and each hour of some days on which clocks change in one zone or another."""
    chance = random.Random(name)
    days = [EPOCH + timedelta(seconds=chance.randrange(-120 * YEAR, 130 * YEAR), microseconds=1) for _ in range(300)]
    for day in (
        datetime(1916, 4, 30),
        datetime(1945, 4, 2),
        datetime(2011, 12, 29),
        datetime(2024, 3, 10),
        datetime(2024, 10, 27),
    ):
        days += [day + timedelta(minutes=30 * half) for half in range(96)]
    zone = ZoneInfo(name)
    assert instants(stamps([*days]), zone, Form()).to_pylist() == [zone_text(day, zone) for day in days]


@pytest.mark.usefixtures("way")
@given(
    st.lists(st.one_of(st.none(), st.text()), min_size=1),
    st.binary(max_size=3).map(lambda some: bytes(one for one in some if one < 128)),
    st.sampled_from([b"", b"=", b"=+-@"]),
    st.booleans(),
)
@SAME_WAY
def test_texts(values: list[str | None], inside: bytes, first: bytes, coded: bool) -> None:
    """Odd ones are written one by one, all others as they are, and missing ones stay so."""

    def write(text: str | None) -> str | None:
        if text is None:
            return None
        odd = set(text.encode()) & set(inside) or text.encode()[:1] in {bytes([one]) for one in first}
        return f"<{'odd' if odd else text}>"

    array = pa.array(values, pa.string())
    if coded:
        array = array.dictionary_encode()
    given = (array, Form("<", ">"), Odd(inside, first), lambda _: "odd")
    assert texts(*given).to_pylist() == list(map(write, values))
    assert lines(text_parts(*given), missing="null").to_pylist() == [write(text) or "null" for text in values]
    bare = texts(array, Form(), Odd(b""), str).to_pylist()
    assert bare == values


@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=4), min_size=1), st.integers(0, 3))
def test_names(lists: list[list[str | None]], passed_over: int) -> None:
    array = pa.array([["before", None]] * passed_over + lists, pa.list_(pa.string()))[passed_over:]
    assert names(array, "; ").to_pylist() == ["; ".join(filter(None, one)) for one in lists]


def test_the_bytes_of_a_part_of_a_column() -> None:
    whole = joined(pa.array(["one", "two", "three", "four"]), "\n")
    assert bytes(data_of(whole[1:3])) == b"two\nthree\n"
    assert bytes(data_of(pa.array(["", ""]))) == b""
