"""Cost against size as one SVG document that needs nothing else: light and dark by the reader's own setting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from timeline.bench.plot import Curve, Panel, Point, amount, count

WIDTH: Final = 900
LEFT: Final = 76
RIGHT: Final = 350
"""Room for the names of the curves, which stand where the curves end."""

TOP: Final = 82
HEIGHT: Final = 260
GAP: Final = 74
LINE: Final = 17
"""Pixels between two names."""

HOW: Final = "Medians, with the least and the greatest. Dashed: what it is compared with. Both axes are logarithmic."
COLOURS: Final = (("#0b62a4", "#6cb6f5"), ("#b3450a", "#f39a5e"), ("#0a7a5a", "#4fcfa6"), ("#8a3f86", "#d99ad5"),
                  ("#7a6200", "#e0c341"), ("#525a63", "#a9b4c0"))
"""Each on white and on near black: a contrast of 4.5 and more, told apart by colour-blind people as well."""

STYLE: Final = """\
svg{{color-scheme:light dark;background:#fff;font:13px system-ui,sans-serif}}
text{{fill:#1d2329}} .faint{{fill:#59636e}} .grid{{stroke:#d8dee4}} .heading{{font-size:17px;font-weight:600}}
.panel{{font-weight:600}} path{{fill:none;stroke-width:2}} .limit{{stroke-dasharray:5 4}} .spread{{stroke-width:1}}
{light}
@media (prefers-color-scheme:dark){{svg{{background:#0d1117}} text{{fill:#e6edf3}} .faint{{fill:#9aa5b1}}
.grid{{stroke:#30363d}}
{dark}}}"""


def document(panels: Sequence[Panel], about: str) -> str:
    """Draw panels one under another. `about` says on what was measured; everything it holds is text."""
    height = TOP + len(panels) * (HEIGHT + GAP)
    summary = "; ".join(f"{panel.title}: {_told(curve, panel.unit)}" for panel in panels for curve in panel.curves)
    body = "\n".join(line for number, panel in enumerate(panels)
                     for line in _panel(panel, TOP + 30 + number * (HEIGHT + GAP)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="title about">\n<title id="title">Timeline: cost against size of the log</title>\n'
        f'<desc id="about">{escape(summary)}</desc>\n<style>{_style()}</style>\n'
        f'<text class="heading" x="16" y="28">Cost against size of the log</text>\n'
        f'<text class="faint" x="16" y="48" font-size="12">{escape(about)}</text>\n'
        f'<text class="faint" x="16" y="65" font-size="12">{HOW}</text>\n'
        f"{body}\n</svg>\n"
    )


def _style() -> str:
    def rules(side: int) -> str:
        return "\n".join(f".c{number}{{stroke:{colours[side]}}} .c{number} text,text.c{number}{{stroke:none;"
                         f"fill:{colours[side]}}} circle.c{number}{{fill:{colours[side]};stroke:none}}"
                         for number, colours in enumerate(COLOURS))

    return STYLE.format(light=rules(0), dark=rules(1))


def _told(curve: Curve, unit: str) -> str:
    first, last = curve.points[0], curve.points[-1]
    return (f"{curve.name} {amount(first.median, unit)} at {count(first.size)} events, "
            f"{amount(last.median, unit)} at {count(last.size)}")


def _panel(panel: Panel, top: float) -> Iterator[str]:
    """Draw one panel: grid, curves with their spread, and their names where they end."""
    yield f'<text class="panel" x="16" y="{top - 14:g}">{escape(panel.title.capitalize())}</text>'
    yield from _grid(panel, top)
    ends = []
    number = -1
    for curve in panel.curves:
        number += not curve.limit or number < 0
        colour = f"c{number % len(COLOURS)}"
        places = [(_x(panel, point.size), _y(panel, top, point.median)) for point in curve.points]
        line = " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path class="{colour}{" limit" if curve.limit else ""}" d="M{line}"/>'
        for point, (x, y) in zip(curve.points, places, strict=True):
            yield _spread(panel, top, point, colour)
            yield f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 if curve.limit else 3.5}"/>'
        ends.append((places[-1][1], colour, f"{curve.name}: {amount(curve.points[-1].median, panel.unit)}"))
    yield from _names(ends, top)


def _grid(panel: Panel, top: float) -> Iterator[str]:
    low, high = panel.decades
    right, bottom = WIDTH - RIGHT, top + HEIGHT
    for power in range(low, high + 1):
        y = _y(panel, top, 10.0**power)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (f'<text class="faint" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="12">'
               f'{amount(10.0**power, panel.unit)}</text>')
    for size in sorted({point.size for curve in panel.curves for point in curve.points}):
        x = _x(panel, size)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:g}" y2="{bottom:g}"/>'
        yield (f'<text class="faint" x="{x:.1f}" y="{bottom + 18:g}" text-anchor="middle" font-size="12">'
               f'{count(size)}</text>')
    yield (f'<text class="faint" x="{(LEFT + right) / 2:g}" y="{bottom + 36:g}" text-anchor="middle" font-size="12">'
           'events in the log</text>')


def _names(ends: Sequence[tuple[float, str, str]], top: float) -> Iterator[str]:
    """Write each name beside the end of its curve, moved apart where they would lie on one another."""
    ordered = sorted(ends)
    heights: list[float] = []
    for y, _, _ in ordered:
        heights.append(max(y, heights[-1] + LINE) if heights else max(y, top))
    excess = max(0.0, heights[-1] - (top + HEIGHT + LINE))
    for index in range(len(heights) - 1, -1, -1):  # what was pushed out below is pushed up again
        most = heights[index + 1] - LINE if index + 1 < len(heights) else heights[index] - excess
        heights[index] = min(heights[index], most)
    for (y, colour, name), height in zip(ordered, heights, strict=True):
        x = WIDTH - RIGHT
        yield f'<path class="{colour} spread" d="M{x + 6} {y:.1f} L{x + 18} {height:.1f}"/>'
        yield f'<text class="{colour}" x="{x + 22}" y="{height + 4:.1f}" font-size="12">{escape(name)}</text>'


def _spread(panel: Panel, top: float, point: Point, colour: str) -> str:
    x = _x(panel, point.size)
    least, greatest = _y(panel, top, point.least), _y(panel, top, point.greatest)
    return f'<path class="{colour} spread" d="M{x:.1f} {least:.1f} L{x:.1f} {greatest:.1f}"/>'


def _x(panel: Panel, size: int) -> float:
    first, last = (math.log10(each) for each in panel.sizes)
    return LEFT + (math.log10(size) - first) / (last - first) * (WIDTH - RIGHT - LEFT)


def _y(panel: Panel, top: float, cost: float) -> float:
    low, high = panel.decades
    return top + (high - math.log10(cost)) / (high - low) * HEIGHT
