"""What a request that brings rows may say beside them (contract section 5)."""

from __future__ import annotations

from typing import Final

from turnout.catalog.types import Parameter, Value

INGEST: Final[tuple[Parameter, ...]] = (
    Parameter(
        "partial",
        Value.BOOLEAN,
        "With bad rows, merge the good ones nevertheless; the others are listed in `rejected`.",
        default="false",
    ),
    Parameter("dry_run", Value.BOOLEAN, "Say what would be done, and change nothing.", default="false"),
)

LISTING: Final[tuple[Parameter, ...]] = (
    Parameter("id_gt", Value.INTEGER, "Attendances with a greater id.", default="0"),
)
"""What a request for the ids of attendances may say."""
