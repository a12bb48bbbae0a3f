"""Why a target is missed, for people; shown on the page with those groups in which one is missed."""

from __future__ import annotations

from typing import Final

NOTES: Final[dict[str, str]] = {}
