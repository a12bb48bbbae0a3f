"""The folded form of a text (contract sections 2.3 and 9)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.catalog.text import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Zoë", "zoe"),
        ("Zoe\u0308", "zoe"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁt", "fit"),
        ("\uff21\uff4e\uff4e\uff41", "anna"),
        ("\u212bsa", "asa"),
        ("İzmir", "izmir"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("각", "\u1100\u1161\u11a8"),
        ("\u0301", ""),
        ("", ""),
        # A spacing mark is no combining mark of category Mn.
        ("\u0903", "\u0903"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_is_decompose_remove_and_casefold(text: str) -> None:
    kept = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
    assert fold(text) == kept.casefold()
