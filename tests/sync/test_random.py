"""Whatever changes at the source while it is read, after a last quiet sync both sides are equal."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from databases import examples
from sync.published import START, Published, attendance
from sync.sides import Here, there
from turnout.sync.errors import SyncError
from turnout.sync.passes import Copy

# A change of the source: how many answers come before it, which rows it writes, and how far its clock goes on (seconds).
Change = tuple[int, list[int], float]
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.lists(st.integers(1, 400), min_size=1, max_size=130, unique=True),
        st.sampled_from([0.0, 0.0005, 0.4, 30.0, 4000.0]),
    ),
    max_size=12,
)
STOPS = st.lists(st.integers(1, 12), max_size=3)


class Moving:
    """A service whose data changes between its answers. All rows of one change have one `updated_at`."""

    def __init__(self, service: Published, changes: list[Change]) -> None:
        self.service = service
        self.clock = START
        self.left = [(before, ids, seconds) for before, ids, seconds in changes]
        self.wait = 0

    def __call__(self, _asked: int) -> None:
        self.wait += 1
        if self.left and self.wait > self.left[0][0]:
            _, ids, seconds = self.left.pop(0)
            self.wait = 0
            # Time goes on: two changes of one row are never of one moment.
            self.clock += timedelta(seconds=seconds, milliseconds=2)
            self.service.put(*(attendance(id_, self.clock, "attended") for id_ in ids))


class Direct:
    """The service without a connection, which is what takes the time."""

    def __init__(self, service: Published) -> None:
        self.service = service

    def __call__(self, request):
        import httpx

        query: dict[str, list[str]] = {}
        for name, value in request.url.params.multi_items():
            query.setdefault(name, []).append(value)
        self.service.asked.append(query)
        self.service.on_request(len(self.service.asked))
        fault = self.service.faults.popleft() if self.service.faults else None
        if fault:
            return httpx.Response(fault[1])
        return httpx.Response(200, json=self.service.page(query))


@settings(max_examples=examples(25))
@given(first=st.integers(0, 260), changes=CHANGES, stops=STOPS, digits=st.sampled_from([6, 3]))
def test_the_sides_become_equal(first, changes, stops, digits):
    import httpx

    from turnout.sync.source import Source

    service = Published()
    service.digits = digits
    service.put(*(attendance(id_, START - timedelta(minutes=1)) for id_ in range(1, first + 1)))
    service.on_request = Moving(service, changes)
    with tempfile.TemporaryDirectory() as directory:
        here = Here(Path(directory))
        try:

            def sync() -> None:
                with Source("http://stub", "t", 1, transport=httpx.MockTransport(Direct(service))) as source:
                    Copy(source, here.target).run()

            for stop in stops:
                service.faults.extend([None] * stop + [("status", 403, {}, None)])
                try:
                    sync()
                except SyncError:
                    service.faults.clear()
            service.faults.clear()
            sync()
            while service.on_request.left:
                service.on_request(0)
            sync()
            if digits == 6:
                assert here.seen() == there(service)
            found = {id_: row[1:] for id_, row in here.seen().items()}
            assert found == {id_: row[1:] for id_, row in there(service).items()}
        finally:
            here.store.close()
