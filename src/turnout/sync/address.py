"""The address of a source: where its report is."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from turnout.errors import shown

_REPORT: Final = ("api", "v2", "reports", "attendances", "data")


def report_address(text: str) -> str:
    """The report's address, from a server's address or anything up to the report's path (contract section 9).

    A `ValueError` has the reason why it is none. A server may lie below a path: `https://example.com/turnout`.
    """
    try:
        parts = urlsplit(text.strip())
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
        fits = plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{shown(text)} is not the address of a server, such as https://goteamup.com.")
    path = [segment for segment in parts.path.split("/") if segment]
    known = next((n for n in range(len(_REPORT), 0, -1) if tuple(path[-n:]) == _REPORT[:n]), 0)
    whole = [*path[: len(path) - known], *_REPORT]
    return urlunsplit((parts.scheme, parts.netloc.lower(), "/" + "/".join(whole), "", ""))
