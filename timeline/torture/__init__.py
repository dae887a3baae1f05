"""`timeline torture`: hurts scratch databases on this machine, and prints what became of what was acknowledged.

Each trial kills, starves or deceives the program in rounds, and looks afterwards: is every acknowledged request there,
once, at the positions it was told; is every batch whole; does the log verify; are the views what a fold of the log
gives; was anything said that is not so. The program under test is the one that is shipped: children do what `serve` and
`import` do, and nothing in them is changed (but for how often the log's WAL is checkpointed, in two trials).

Everything happens in a folder of its own. No database of the user is opened.
"""

from __future__ import annotations

import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from timeline import __version__
from timeline.torture import (
    clocks,
    filling,
    killing,
    power,
    refusing,
    registers,
    replacing,
    show,
    striking,
    tearing,
)
from timeline.torture.nursery import Nursery
from timeline.torture.verdicts import Run, Verdict

TRIALS: Final[dict[str, Callable[[Run], Verdict]]] = {
    "kill": killing.servers,
    "import": killing.imports,
    "syscalls": striking.syscalls,
    "power": power.cuts,
    "wal": tearing.tails,
    "disk": filling.disks,
    "readonly": refusing.read_only,
    "writers": refusing.rivals,
    "clock": clocks.clocks,
    "replaced": replacing.replacements,
    "linear": registers.registers,
}
SHORT: Final = (3, 2.0)
"""Rounds of each trial, and seconds after which it begins no new one, where nothing else is asked for."""

EXIT_FAULT: Final = 7


def torture(
    names: Sequence[str] = (), *, rounds: int | None = None, seconds: float | None = None, seed: int = 0,
    keep: Path | None = None, works: str = "timeline.torture.children", show_progress: bool = False,
) -> list[Verdict]:
    """Hold trials, all of them or some, and give what each found.

    `rounds` are those of each trial; `seconds` is the time after which a trial begins no new round (where only rounds
    are given there is none). The scratch folder is removed unless it was given. `works` is what the children do.
    """
    scratch = Path(tempfile.mkdtemp(prefix="timeline-torture-", dir=keep))
    limit = seconds if seconds is not None else SHORT[1] if rounds is None else float("inf")
    try:
        with Nursery(works, scratch / "errors.txt") as nursery:
            run = Run(scratch, nursery, rounds or (SHORT[0] if seconds is None else 10**6), limit, seed)
            return _held(run, names or list(TRIALS), visible=show_progress)
    finally:
        if keep is None:
            shutil.rmtree(scratch, ignore_errors=True)


def _held(run: Run, names: Sequence[str], *, visible: bool) -> list[Verdict]:
    verdicts = []
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=show.progress_console(), transient=True, disable=not visible) as progress:
        task = progress.add_task("trials", total=len(names))
        detail = progress.add_task("", visible=False)

        def advance(text: str, done: int, total: int) -> None:
            progress.update(detail, description=f"  {text[:70]}", completed=done, total=total, visible=True)

        run.progress = advance
        for number, name in enumerate(names):
            progress.update(task, description=name, completed=number)
            verdicts.append(_hold(run, name))
    return verdicts


def _hold(run: Run, name: str) -> Verdict:
    """Hold one trial. One that breaks off found something, and does not keep the others from being held."""
    run.begin()
    begun = time.monotonic()
    try:
        verdict = TRIALS[name](run)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        verdict = Verdict(trial=name, what="broken off")
        verdict.fault("lies", f"the trial broke off: {type(error).__name__}: {error}")
    verdict.seconds = round(time.monotonic() - begun, 1)
    return verdict


def machine() -> dict[str, Any]:
    """Say on what this was."""
    return {"timeline": __version__, "python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version,
            "system": f"{platform.system()} {platform.release()}"}


__all__ = ["EXIT_FAULT", "SHORT", "TRIALS", "Run", "Verdict", "machine", "torture"]
