"""The picture: medians by question and size, against the target and the peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.questions import Kind
from bench.targets import limit

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.results import Asked, Run

_INK: Final = "#22313f"
_GRID: Final = "#e3e8ec"
_STYLES: Final = {
    "Datasette": {"color": "#d97b29", "marker": "s"},
    "ROAPI": {"color": "#8e5ea2", "marker": "D"},
    "engine alone": {"color": "#7f8c96", "marker": "_", "linestyle": (0, (2, 2))},
    "Turnout, as served": {"color": "#0b6e8f", "marker": "o", "markerfacecolor": "white", "linestyle": (0, (4, 2))},
    "Turnout, anew": {"color": "#0b6e8f", "marker": "o", "linewidth": 2.4, "markersize": 7},
}
_TARGET: Final = "within the target"


def draw(run: Run, path: Path) -> None:
    """Write the picture of a run as SVG (or PNG, by the path's suffix); the same run makes the same bytes."""
    settings = {"svg.hashsalt": "turnout", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(10, 6.4), layout="constrained", facecolor="white")
        axes = figure.subplots(2, -(-len(Kind) // 2), sharex=True, sharey=True)
        for panel, kind in zip(axes.flat, Kind, strict=False):
            _panel(panel, kind, [asked for asked in run.asked if asked.kind == kind], run)
        for row in axes:
            row[0].set_ylabel("median, ms (log)", color=_INK)
        figure.suptitle(
            f"Time to answer over HTTP, one connection, {run.rows:,} rows of 200 providers", color=_INK, fontsize=13
        )
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(
            handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels), frameon=False, labelcolor=_INK
        )
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def _panel(axes: Axes, kind: str, asked: list[Asked], run: Run) -> None:
    places = range(len(asked))
    axes.set_title(kind, loc="left", color=_INK, fontsize=11, fontweight="bold")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b8c2ca")
    axes.tick_params(colors=_INK, which="both", length=3)
    axes.set_xticks(places, [f"{one.size}\n{_short(run.sizes[one.size])}" for one in asked])
    axes.margins(x=0.15)
    axes.fill_between(
        places,
        [limit(one) for one in asked],
        [0.01] * len(asked),
        color="#0b6e8f",
        alpha=0.10,
        linewidth=0,
        label=_TARGET,
    )
    for name, style in _STYLES.items():
        values = [_median(one, name) for one in asked]
        if None not in values:
            axes.plot(places, values, label=name, **{"linewidth": 1.4, "markersize": 5, **style})
    axes.set_ylim(*_ends(run))


def _median(asked: Asked, name: str) -> float | None:
    if name == "Turnout, anew":
        return asked.anew.one.p50
    if name == "Turnout, as served":
        return asked.as_served.one.p50
    if name == "engine alone":
        return asked.engine.p50
    return asked.peers[name].one.p50 if name in asked.peers else None


def _ends(run: Run) -> tuple[float, float]:
    """Where the scale begins and ends: around all values shown in any panel."""
    found = [_median(asked, name) for asked in run.asked for name in _STYLES]
    values = [value for value in found if value is not None]
    return min(values) / 1.6, max(values) * 1.6


def _short(rows: int) -> str:
    if rows >= 1_000_000:
        return f"{rows / 1e6:.1f} M"
    return f"{rows / 1e3:.0f} k"
