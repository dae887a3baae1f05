"""Positions over time as a picture: one row an actor, one bar as long as a stance is known to have held.

A stance is known from when it was taken; until its holder takes another one it is only not known to have changed, so
the bar thins out to the right. Where the day is unsure, a hatched stretch spans all days it may have been, and the bar
begins where it was certainly taken; a stance said again gets a mark and no new name. The table below the picture says
the same in words: the picture is hidden from screen readers, and from narrow screens, where nobody could read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from timeline.edtf import parse, ymd
from timeline.web.show import Scene, View
from timeline.wording import when_in_words

WIDTH: Final = 1000
ROW: Final = 46
TOP: Final = 8
STEP: Final = 17
"""Height of one line of labels."""

DAY: Final = 86_400
LETTER: Final = 9
"""Width of a letter of a label, in units of the picture: what decides whether two labels fit beside each other."""

TICKS: Final = 5


class Step(NamedTuple):
    """One stance: bounds of when it was taken, in seconds, None where open; and what it was."""

    earliest: int | None
    latest: int | None
    word: str
    turn: bool

    @property
    def sure(self) -> bool:
        """Whether the day is known: then where in the day it began does not matter."""
        return self.earliest is not None and self.latest is not None and self.latest - self.earliest < DAY

    @property
    def certain(self) -> int | None:
        """When it had certainly been taken, as far as anybody can tell: of a known day, that day."""
        return self.earliest if self.sure or self.latest is None else self.latest


def stance_chart(scene: Scene, entries: Sequence[Mapping[str, Any]]) -> View | None:
    """Lay a topic's positions out; None where there is nothing to draw: no dated stance."""
    people: dict[str, list[Step]] = {}
    for entry in entries:
        if entry.get("when"):
            date = parse(entry["when"])
            step = Step(date.earliest, date.latest, entry["position"], "changed_from" in entry)
            if step.certain is not None:
                people.setdefault(entry["actor"], []).append(step)
    if not people:
        return None
    bounds = [bound for steps in people.values() for step in steps for bound in step[:2] if bound is not None]
    scale = _Scale.over(min(bounds), max(bounds))
    rows, top = [], TOP
    for actor, steps in people.items():
        row = _row(scene, scale, actor, steps, top)
        rows.append(row)
        top = row["bottom"]
    return {"width": WIDTH, "height": top + 30, "axis": top + 6, "rows": rows, "ticks": _ticks(scene, scale)}


class _Scale(NamedTuple):
    """Seconds to units of the picture."""

    start: int
    end: int

    @classmethod
    def over(cls, first: int, last: int) -> _Scale:
        """Leave room at both sides: something came before, and something will come after."""
        room = max(DAY, (last - first) // 12)
        return cls(first - room // 2, last + 2 * room)

    def x(self, second: int | None, otherwise: float) -> float:
        """Place a second; `otherwise` where there is none."""
        if second is None:
            return otherwise
        return round((second - self.start) * WIDTH / (self.end - self.start), 1)


def _row(scene: Scene, scale: _Scale, actor: str, steps: Sequence[Step], top: int) -> View:
    begins = _begins([scale.x(step.certain, 0) for step in steps])
    bars: list[View] = []
    labels: list[tuple[int, View]] = []
    ends = [0.0]
    for step, x, end in zip(steps, begins, [*begins[1:], float(WIDTH)], strict=True):
        first = scale.x(step.earliest, 0)
        again = bool(bars) and bars[-1]["word"] == step.word
        bars.append({"word": step.word, "x": x, "width": round(max(end - x, 1), 1), "turn": step.turn, "again": again,
                     "unsure_x": min(first, x), "unsure": 0 if step.sure else round(max(x - first, 0), 1),
                     "open": step.earliest is None, "last": len(bars) == len(steps) - 1})
        if not again:
            name = scene.label("position", step.word)["name"]
            text = f"→ {name}" if step.turn else name
            place = min(x, WIDTH - LETTER * len(text))
            labels.append((_free_line(ends, place, place + LETTER * (len(text) + 1)),
                           {"x": round(place, 1), "text": text, "turn": step.turn, "word": step.word}))
    base = top + STEP + len(ends) * STEP
    named = [{**each, "y": base - 6 - line * STEP} for line, each in labels]
    return {"name": scene.lookup.name(actor), "page": scene.link(f"/actors/{actor}"), "top": top + 13, "y": base,
            "bars": bars, "labels": named, "bottom": base + ROW - 18}


def _begins(places: Sequence[float]) -> list[float]:
    """Let no stance begin after the one that followed it: an unsure one is drawn as early as it must have been."""
    found = list(places)
    for number in range(len(found) - 2, -1, -1):
        found[number] = min(found[number], found[number + 1])
    return found


def _free_line(ends: list[float], start: float, end: float) -> int:
    """Find the lowest line on which a label from `start` to `end` meets no other; make one where there is none."""
    for number, taken in enumerate(ends):
        if start >= taken:
            ends[number] = end
            return number
    ends.append(end)
    return len(ends) - 1


def _ticks(scene: Scene, scale: _Scale) -> list[View]:
    days = (scale.end - scale.start) // DAY
    step = max(1, days // TICKS)
    first = -(-scale.start // DAY)
    ticks = []
    for day in range(first, scale.end // DAY, step):
        words = when_in_words(_date(day * DAY, fine=days < 400 * TICKS), scene.lang)
        x = scale.x(day * DAY, 0)
        if x + LETTER * len(words) * .8 < WIDTH:
            ticks.append({"x": x, "text": words})
    return ticks


def _date(second: int, *, fine: bool) -> str:
    """Write a day, or its month, as EDTF; of years with more than four digits the year alone."""
    year, month, day = ymd(second)
    if not -9999 <= year <= 9999:
        return f"Y{year}"
    return f"{'-' if year < 0 else ''}{abs(year):04}-{month:02}" + (f"-{day:02}" if fine else "")


__all__ = ["stance_chart"]
