"""Cost against size: what the figures of several sizes say about growth, as curves, and those in a terminal.

Three panels, as the units cannot be compared: time of one answer, time for each event of a log, memory. Both axes are
logarithmic: what does not grow is level, and what doubles with the log rises by one decade in each decade.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from timeline.bench.figures import Figure, Series

WIDTH: Final = 64
HEIGHT: Final = 16
MARKS: Final = "abcdefghijklmnopqrstuvwxyz"
_FACTORS: Final = {"us": 1e-6, "ms": 1e-3, "MB": 1.0}
_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


class Point(NamedTuple):
    """The cost at one size: median, least, greatest; seconds, or MB."""

    size: int
    median: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The same thing at several sizes. A `limit` is what others need for it."""

    name: str
    points: tuple[Point, ...]
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that have an axis in common: seconds, or MB."""

    title: str
    unit: str
    curves: tuple[Curve, ...]

    @property
    def sizes(self) -> tuple[int, int]:
        """The smallest and the largest log."""
        sizes = [point.size for curve in self.curves for point in curve.points]
        return min(sizes), max(sizes)

    @property
    def decades(self) -> tuple[int, int]:
        """The powers of ten that all costs lie between."""
        points = [point for curve in self.curves for point in curve.points]
        low = math.floor(math.log10(min(point.least for point in points)))
        return low, max(low + 1, math.ceil(math.log10(max(point.greatest for point in points))))


def panels(figures: Sequence[Figure]) -> list[Panel]:
    """Make panels of those figures that were measured at two sizes or more."""
    of_one: list[Figure] = []
    of_each: list[Figure] = []
    of_memory: list[Figure] = []
    for figure in figures:
        if figure.curve and figure.size is not None:
            (of_memory if figure.unit == "MB" else of_each if figure.unit.endswith("/s") else of_one).append(figure)
    kinds = (("time of one answer", "s", of_one), ("time for each event or record of the log", "s", of_each),
             ("resident memory", "MB", of_memory))
    found = [Panel(title, unit, _curves(some)) for title, unit, some in kinds]
    return [panel for panel in found if panel.curves]


def _curves(figures: Sequence[Figure]) -> tuple[Curve, ...]:
    """Make curves, each followed by its limits; what has several limits, or is one elsewhere, is drawn once."""
    points: dict[tuple[str, str], dict[int, Point]] = {}
    for figure in figures:
        if figure.size is None:
            continue
        points.setdefault((figure.curve, ""), {})[figure.size] = _point(figure.size, figure.unit, figure.ours)
        if figure.limit is not None:
            limit = _point(figure.size, figure.unit, figure.limit)
            points.setdefault((figure.curve, figure.limit_name), {})[figure.size] = limit
    made: dict[tuple[Point, ...], Curve] = {}
    for (name, limit_name), found in points.items():
        if len(found) > 1:
            ordered = tuple(sorted(found.values()))
            made.setdefault(ordered, Curve(limit_name or name, ordered, limit=bool(limit_name)))
    return tuple(made.values())


def _point(size: int, unit: str, series: Series) -> Point:
    """Make a cost of a rate or of a time; the greatest rate is the least cost."""
    costs = [1 / value if unit.endswith("/s") else value * _FACTORS[unit] for value in series.values]
    middle = 1 / series.median if unit.endswith("/s") else series.median * _FACTORS[unit]
    return Point(size, middle, min(costs), max(costs))


def amount(value: float, unit: str) -> str:
    """Write a cost so that people can read it."""
    if unit != "s":
        return f"{value:,.3g} {unit}" if value < 1_000 else f"{value:,.0f} {unit}"
    factor, name = next(((factor, name) for factor, name in _TIMES if value >= factor * 0.9995), _TIMES[-1])
    return f"{value / factor:.3g} {name}"


def count(size: float) -> str:
    """Write a number of events: ``10 k``, ``1 M``."""
    for factor, name in ((1_000_000, " M"), (1_000, " k")):
        if size >= factor:
            return f"{size / factor:g}{name}"
    return f"{size:g}"


def text(panel: Panel, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Draw a panel in characters: a letter for each curve, capital where it is a limit, and `*` where several meet."""
    (first, last), (low, high) = panel.sizes, panel.decades
    grid = [[" "] * width for _ in range(height)]
    marks = _marks(panel.curves)
    for curve, mark in zip(panel.curves, marks, strict=True):
        for column, row in _cells(curve, (math.log10(first), math.log10(last)), (low, high), (width, height)):
            there = grid[row][column]
            grid[row][column] = mark if there in (" ", mark) else "*"
    lines = [panel.title]
    labels = {round((height - 1) * (high - power) / (high - low)): amount(10.0**power, panel.unit)
              for power in range(low, high + 1)}
    lines += [f"{labels.get(number, ''):>9} |{''.join(row).rstrip()}" for number, row in enumerate(grid)]
    lines.append(f"{'':>9} +{'-' * width}")
    lines.append(f"{'':>11}{count(first)}{count(last) + ' events':>{width - len(count(first))}}")
    for curve, mark in zip(panel.curves, marks, strict=True):
        begin, end = curve.points[0].median, curve.points[-1].median
        lines.append(f"{'':>11}{mark}  {curve.name}: {amount(begin, panel.unit)} to {amount(end, panel.unit)}")
    return "\n".join(lines) + "\n"


def _marks(curves: Sequence[Curve]) -> list[str]:
    """Give each curve of ours a letter, and its limit the same as a capital; a second limit has one of its own."""
    letters = iter(MARKS)
    found: list[str] = []
    for curve in curves:
        capital = found[-1].upper() if found else ""
        if not curve.limit:
            found.append(next(letters))
        else:
            found.append(capital if capital not in ("", *found) else next(letters).upper())
    return found


def _cells(
    curve: Curve, across: tuple[float, float], up: tuple[int, int], room: tuple[int, int],
) -> list[tuple[int, int]]:
    """Give the cells of a curve: straight lines between its points, in a grid whose first row is the top."""
    width, height = room
    wide = across[1] - across[0]

    def place(size: float, cost: float) -> tuple[float, float]:
        x = (math.log10(size) - across[0]) / wide * (width - 1)
        return x, (up[1] - math.log10(cost)) / (up[1] - up[0]) * (height - 1)

    cells = []
    places = [place(point.size, point.median) for point in curve.points]
    for (left, top), (right, bottom) in pairwise(places):
        for column in range(round(left), round(right) + 1):
            share = (column - left) / (right - left)
            cells.append((column, round(top + share * (bottom - top))))
    return cells
