"""`turnout demo`: a realistic data set to try things with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import rich_click as click

from turnout.cli.base import Command, where
from turnout.cli.types import Count, Id

if TYPE_CHECKING:
    from turnout.store.base import Merged, Store

ROWS: Final = 200_000
MOST_ROWS: Final = 10_000_000
PROVIDER: Final = 1
SEED: Final = 1


@click.command(
    "demo",
    cls=Command,
    local=True,
    examples="""
    turnout demo
    turnout demo --rows 1000 --seed 7
    turnout --database demo.duckdb demo --provider 3
    """,
)
@click.option("--rows", type=Count(1, MOST_ROWS), default=ROWS, show_default=True, help="How many attendances.")
@click.option("--seed", type=Count(0, 2**63 - 1), default=SEED, show_default=True, help="Another seed, other rows.")
@click.option("--provider", type=Id(), default=PROVIDER, show_default=True, help="The provider to fill.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(*, rows: int, seed: int, provider: int, as_json: bool) -> None:
    """Fill a provider with a studio's invented attendances of some years, up to today and beyond.

    The same seed makes the same rows on the same day. The provider is made where there is none; one that has rows
    is left alone.
    """
    where().local_only("demo")

    from turnout.cli.connect import open_here  # noqa: PLC0415 - the help needs no store
    from turnout.cli.render import write_json  # noqa: PLC0415 - as above

    began = time.monotonic()
    with open_here(where().settings(), "demo", create=True) as store:
        made = load(store, provider, rows, seed)
    if as_json:
        write_json({"provider": provider, "seed": seed, "created": made.created})
    else:
        click.echo(f"Made {made.created:,} rows for provider {provider} ({time.monotonic() - began:.1f} s)")


def load(store: Store, provider: int, rows: int, seed: int) -> Merged:
    """Load the demonstration data, with a progress bar on a terminal."""
    from turnout.cli.render import progress  # noqa: PLC0415 - as above
    from turnout.imports import load_demo  # noqa: PLC0415 - as above

    with progress("Making demonstration data", rows) as report:
        now = time.time_ns() // 1000
        return load_demo(store, provider, rows=rows, seed=seed, now=now, progress=lambda done, _: report(done))
