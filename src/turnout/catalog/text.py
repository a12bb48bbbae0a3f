"""How texts compare: by their folded form, then by their own code points (contract sections 2.3 and 9)."""

from __future__ import annotations

from unicodedata import category, normalize


def fold(text: str) -> str:
    """Decompose (NFKD), remove the characters of Unicode category Mn, case-fold.

    The result is compared by code point. For ASCII text it equals `text.lower()`.
    """
    if text.isascii():
        return text.lower()
    kept = (c for c in normalize("NFKD", text) if c.isascii() or category(c) != "Mn")
    return "".join(kept).casefold()
