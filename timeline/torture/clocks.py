"""A clock that jumps: back by hours, forward by years, within a run and between two."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from timeline.chronicle import Timeline
from timeline.log import timestamp
from timeline.log.sqlite import LogFile
from timeline.torture.children import changes_of
from timeline.torture.judging import Sent, judge
from timeline.torture.verdicts import Run, Verdict

START: Final = datetime(2025, 8, 15, 12, tzinfo=UTC)
JUMPS: Final = (-31_536_000.0, -7_200.0, -3_600.0, -1.0, -0.000_001, 0.0, 0.001, 1.0, 60.0, 86_400.0)
"""Seconds from one reading of the clock to the next."""

REQUESTS: Final = 12


def clocks(run: Run) -> Verdict:
    """Append by a clock that jumps. It is handed in where the program takes its clock: the system's is not touched."""
    verdict = Verdict(trial="clock", what="clock jumping back and forth, within a run and between runs")
    while run.goes_on(verdict):
        path, sent = run.fresh() / "timeline.db", []
        for opening in range(3):
            with Timeline(path, clock=_jumping(run.chance)) as timeline:
                for number in range(REQUESTS):
                    changes, key = changes_of(f"c{opening}", number)
                    answers = timeline.append(changes, key=key)
                    sent.append(Sent(key, [each["event"]["id"] for each in changes],
                                     [answer.position for answer in answers]))
        verdict.acknowledged += len(sent)
        judge(verdict, path, sent)
        _judge_times(verdict, path)
    return verdict


def _jumping(chance: random.Random) -> Callable[[], str]:
    now = [START + timedelta(seconds=chance.randrange(10**6))]

    def read() -> str:
        now[0] = max(START - timedelta(days=3650), now[0] + timedelta(seconds=chance.choice(JUMPS)))
        return timestamp(now[0])

    return read


def _judge_times(verdict: Verdict, path: Path) -> None:
    """Look whether times never decrease, and a time leads to the last position that was recorded by then."""
    with closing(LogFile(path)) as log:
        times = [(record.header.recorded_at, record.position) for record in log.read()]
    if times != sorted(times):
        verdict.fault("lies", "recorded_at decreases along the log")
    last = dict(times)
    with Timeline.open(path) as timeline:
        for moment, position in last.items():
            if (found := timeline.reader().position_at(moment)) != position:
                verdict.fault("lies", f"as of {moment} is position {found}, and not {position}")
                return


__all__ = ["clocks"]
