"""What `docs/grouped.md` shows is what is answered: each request of the page, with the answer below it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from test_examples import Studio

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = (Path(__file__).parents[1] / "docs" / "grouped.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```http\nGET (\S+)\n```\n\n```(\w+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("studio"))
    made.take("rows.ndjson")
    yield made
    made.close()


def test_every_request_of_the_page_has_an_answer() -> None:
    assert len(SHOWN) == TEXT.count("```http") == 7


@pytest.mark.parametrize(("target", "form", "wanted"), SHOWN, ids=[target.partition("?")[2] for target, _, _ in SHOWN])
def test_a_request_is_answered_as_the_page_shows(studio: Studio, target: str, form: str, wanted: str) -> None:
    answer = studio.client.send("GET", target)
    assert answer.status == 200
    if form == "json":
        assert answer.json == json.loads(wanted)
    else:
        assert answer.body.decode() == wanted.replace("\n", "\r\n")
