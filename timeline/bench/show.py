"""The report: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from timeline.bench.figures import Figure, Series


def table(figures: Sequence[Figure]) -> Table:
    """Lay figures out, a section for each subject."""
    shown = Table(title=None, box=None, pad_edge=False)
    shown.add_column("measured")
    shown.add_column("ours", justify="right")
    shown.add_column("spread", justify="right", style="dim")
    shown.add_column("limit", justify="right")
    shown.add_column("spread", justify="right", style="dim")
    shown.add_column("unit")
    shown.add_column("ratio", justify="right", style="bold")
    shown.add_column("the limit is", style="dim")
    subject = ""
    for figure in figures:
        if figure.subject != subject:
            subject = figure.subject
            shown.add_section()
            shown.add_row(subject, style="bold")
        ratio = figure.ratio
        shown.add_row(
            f"  {figure.name}", _number(figure.ours.median), _spread(figure.ours),
            _number(figure.limit.median) if figure.limit else "", _spread(figure.limit) if figure.limit else "",
            figure.unit, "" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}", figure.limit_name,
        )
    return shown


def heading(about: Mapping[str, Any], repeat: int) -> str:
    """Say on what was measured, and how to read the table."""
    machine = ", ".join(f"{name} {value}" for name, value in about.items())
    return (f"{machine}\nMedians of {repeat} repeats, with the least and the greatest; ours and its limit in turns. "
            "Ratio: how fast as a multiple of the limit.\n")


def as_json(figures: Sequence[Figure], about: Mapping[str, Any]) -> bytes:
    """Give everything that was measured as JSON."""
    lines = []
    for figure in figures:
        line: dict[str, Any] = msgspec.to_builtins(figure)
        lines.append({**line, "median": figure.ours.median, "ratio": figure.ratio})
    return msgspec.json.format(msgspec.json.encode({"machine": about, "figures": lines}), indent=2)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _spread(series: Series) -> str:
    if len(series.values) < 2:
        return ""
    return f"{_number(min(series.values))}-{_number(max(series.values))}"


def progress_console() -> Console:
    """Give the console that progress goes to: standard error, so that the report can be piped."""
    return Console(stderr=True)
