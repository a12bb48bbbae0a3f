"""Statements: SQL text and the values bound to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `?` placeholders, and their values in order."""

    sql: str
    values: tuple[Any, ...]
