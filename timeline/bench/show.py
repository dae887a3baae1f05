"""The report: a table and curves for people, JSON for programs."""

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
    shown.add_column("spread", justify="right", style="dim")
    shown.add_column("aim", justify="right")
    shown.add_column("the limit is", style="dim")
    subject = ""
    for figure in figures:
        if figure.subject != subject:
            subject = figure.subject
            shown.add_section()
            shown.add_row(subject, style="bold")
        shown.add_row(*_row(figure))
    return shown


def _row(figure: Figure) -> list[str]:
    limit, ratio = figure.limit, figure.ratio
    return [
        f"  {figure.title}", _number(figure.ours.median), _spread(figure.ours),
        _number(limit.median) if limit else "", _spread(limit) if limit else "", figure.unit,
        "" if ratio is None else _share(ratio), _shares(figure.ratios),
        "" if figure.aim is None else f">= {_share(figure.aim)}", figure.limit_name,
    ]


def heading(about: Mapping[str, Any], repeat: int) -> str:
    """Say on what was measured, and how to read the table."""
    machine = ", ".join(f"{name} {value}" for name, value in about.items())
    busy = "" if about["load"] < about["cores"] / 2 else (
        f"\nOther programs keep this machine busy (load {about['load']} on {about['cores']} cores): measure again when "
        "they do not.")
    return (f"{machine}{busy}\nMedians of {repeat} repeats, with the least and the greatest; ours and its limit in "
            "turns. Ratio: how fast as a multiple of the limit, turn by turn. Aim: what we want it to be.\n")


def as_json(figures: Sequence[Figure], about: Mapping[str, Any], skipped: Sequence[str]) -> bytes:
    """Give everything that was measured as JSON."""
    lines = []
    for figure in figures:
        line: dict[str, Any] = msgspec.to_builtins(figure)
        lines.append({**line, "median": figure.ours.median, "ratio": figure.ratio, "ratios": figure.ratios})
    report = {"machine": about, "figures": lines, "skipped": list(skipped)}
    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def _share(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _spread(series: Series) -> str:
    if len(series.values) < 2:
        return ""
    return f"{_number(min(series.values))}-{_number(max(series.values))}"


def _shares(ratios: Sequence[float]) -> str:
    return f"{_share(min(ratios))}-{_share(max(ratios))}" if len(ratios) > 1 else ""


def progress_console() -> Console:
    """Give the console that progress goes to: standard error, so that the report can be piped."""
    return Console(stderr=True)
