"""Figures: what was measured, several times, beside the limit it is compared with."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

PACKAGES: Final = ("timeline", "litestar", "granian", "msgspec")


class Series(msgspec.Struct, frozen=True):
    """The same thing measured several times."""

    values: list[float]

    @property
    def median(self) -> float:
        """The value that half of them reach."""
        return statistics.median(self.values)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `limit` was measured in the same run, in turns with `ours`."""

    subject: str
    name: str
    unit: str
    ours: Series
    limit: Series | None = None
    limit_name: str = ""

    @property
    def ratio(self) -> float | None:
        """How fast we are as a multiple of the limit, whether rates or times are counted: above 1 is faster."""
        if self.limit is None or not self.ours.median or not self.limit.median:
            return None
        share = self.ours.median / self.limit.median
        return share if self.unit.endswith("/s") else 1 / share


@dataclass(slots=True)
class Run:
    """What a run may do and where; `progress(text, done, total)` shows a bar."""

    sizes: list[int]
    repeat: int
    keep: Path
    quick: bool
    progress: Callable[[str, int, int], None] = lambda *_: None
    scale: float = 1
    """Tests measure a part of everything."""

    scratch: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="timeline-bench-")))

    def amount(self, quick: int, full: int) -> int:
        """Choose how much to measure."""
        return max(20, int((quick if self.quick else full) * self.scale))

    def fresh(self, name: str) -> Path:
        """Give a path in the scratch directory at which there is nothing."""
        count = len(list(self.scratch.iterdir()))
        folder = self.scratch / f"{count}"
        folder.mkdir()
        return folder / name


def in_turns(repeat: int, *measures: Callable[[], float]) -> list[Series]:
    """Measure several things in turns, so that a noisy minute is everybody's."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(repeat):
        for values, measure in zip(found, measures, strict=True):
            values.append(measure())
    return [Series(values) for values in found]


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which a share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, Any]:
    """Say on what this was measured."""
    return {
        "processor": _processor(), "cores": _cores(), "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
