"""Figures: what was measured, several times, beside the limit it is compared with."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

PACKAGES: Final = ("timeline", "litestar", "granian", "uvloop", "msgspec", "datasette", "eventsourcing")
SYNCS: Final = 50


class Series(msgspec.Struct, frozen=True):
    """The same thing measured several times."""

    values: list[float]

    @property
    def median(self) -> float:
        """The value that half of them reach."""
        return statistics.median(self.values)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `limit` was measured in the same run, in turns with `ours`.

    `size` is how many events the log holds, where it matters. `curve` names what a plot against size shows; figures
    without it are in no plot. `aim` is the ratio that is aimed at, whether it is reached or not.
    """

    subject: str
    name: str
    unit: str
    ours: Series
    limit: Series | None = None
    limit_name: str = ""
    size: int | None = None
    curve: str = ""
    aim: float | None = None

    @property
    def title(self) -> str:
        """What was measured, and with how many events."""
        return self.name if self.size is None else f"{self.size:,} events: {self.name}"

    @property
    def ratios(self) -> list[float]:
        """How fast we are as a multiple of the limit, in each turn: above 1 is faster, be it a rate or a time.

        Where the two were not measured equally often there is one, of the medians.
        """
        if self.limit is None:
            return []
        paired = len(self.ours.values) == len(self.limit.values)
        pairs = zip(self.ours.values, self.limit.values, strict=True) if paired else [
            (self.ours.median, self.limit.median)]
        shares = [ours / limit for ours, limit in pairs if ours and limit]
        return shares if self.unit.endswith("/s") else [1 / share for share in shares]

    @property
    def ratio(self) -> float | None:
        """The ratio that half of the turns reach."""
        return statistics.median(ratios) if (ratios := self.ratios) else None


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

    skipped: list[str] = field(default_factory=list)
    """What was not measured, why, and what would help."""

    failed: bool = False
    """Whether something that should have been measured was not."""

    scratch: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="timeline-bench-")))

    def amount(self, quick: int, full: int) -> int:
        """Choose how much to measure."""
        return max(20, int((quick if self.quick else full) * self.scale))

    def skip(self, reason: str) -> None:
        """Say once that something is not measured."""
        if reason not in self.skipped:
            self.skipped.append(reason)

    def fail(self, reason: str) -> None:
        """Say that something went wrong."""
        self.failed = True
        self.skip(reason)

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


def machine(folder: Path) -> dict[str, Any]:
    """Say on what this is measured, and how busy it is with other things (the load of the last minute).

    How long the disk beneath `folder` takes for a sync is said too: "one commit each" costs little else, so ratios to
    it can be compared between machines that agree on this only.
    """
    return {
        "processor": _processor(), "cores": _cores(), "load": round(os.getloadavg()[0], 1),
        "sync_us": round(_sync(folder / "sync")),
        "system": f"{platform.system()} {platform.release()}", "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version, **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _sync(path: Path) -> float:
    """Give the microseconds that it takes to write a page and sync it: the median of some."""
    taken = []
    with path.open("wb", buffering=0) as stream:
        for _ in range(SYNCS):
            begin = time.perf_counter()
            stream.write(b"x" * 4096)
            os.fsync(stream.fileno())
            taken.append((time.perf_counter() - begin) * 1e6)
    path.unlink()
    return statistics.median(taken)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
