"""A torn or bent end of the WAL: what comes back is a beginning of what was committed, in whole batches.

Needs nothing of the system. The log is small enough that nothing of its WAL has been carried over into the main file
(SQLite synchronises the WAL before it does that, so a disk that keeps its word cannot lose such a part of it).
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any, Final

from timeline.chronicle import Timeline
from timeline.torture.judging import judge, root_at
from timeline.torture.verdicts import Run, Verdict

LEAST: Final = 10
MOST: Final = 60
"""Requests appended before the kill: far fewer than fill a WAL."""

EACH: Final = 4
"""Tears of what one kill left."""


def tails(run: Run) -> Verdict:
    """Kill a child that appends, and tear the end of the WAL it left, in several ways."""
    verdict = Verdict(trial="wal", what="end of the WAL cut off, zeroed, bent or grown at a random place")
    source, heard = Path(), list[list[Any]]()
    while run.goes_on(verdict, run.rounds * 2):
        if verdict.rounds % EACH == 1:
            source, heard = _left(run)
            verdict.acknowledged += len(heard)
        path = run.fresh() / "timeline.db"
        shutil.copyfile(source, path)
        wal = bytearray(source.with_name(f"{source.name}-wal").read_bytes())
        how = tear(run.chance, wal)
        path.with_name(f"{path.name}-wal").write_bytes(wal)
        _judge(verdict, path, heard, how)
    return verdict


def _left(run: Run) -> tuple[Path, list[list[Any]]]:
    """Give what a killed child left, and what it said: `[number, positions, size, root]`."""
    path = run.fresh() / "timeline.db"
    Timeline.open(path).close()  # what a log is made of is in the main file, not in the WAL
    child = run.nursery.child("append", path=str(path), name="a", count=MOST + 1)
    for _ in range(run.chance.randrange(LEAST, MOST)):
        child.hear()
    child.kill()
    child.end()
    return path, [line[1:] for line in child.said if line[0] == "ok"]


def tear(chance: random.Random, wal: bytearray) -> str:
    """Do something to the end of a WAL; says what."""
    at = chance.randrange(len(wal))
    how = chance.choice(("cut off", "zeroed", "bent", "grown"))
    match how:
        case "cut off":
            del wal[at:]
        case "zeroed":
            wal[at:] = bytes(len(wal) - at)
        case "bent":
            wal[at] ^= 1 << chance.randrange(8)
        case _:
            wal += chance.randbytes(chance.randrange(1, 9_000))
    return f"{how} at {at}" if how != "grown" else how


def _judge(verdict: Verdict, path: Path, heard: list[list[Any]], how: str) -> None:
    """Look whether what came back is one of the states that were committed, with the root it had then."""
    size = judge(verdict, path, [])
    roots = {told[2]: told[3] for told in heard}
    unheard = heard[-1][2] + len(heard) % 5 + 1 if heard else 1
    if size in roots and root_at(path, size) != roots[size]:
        verdict.fault("unsound", f"{how}: the root at size {size} is not the one that was told")
    elif size not in roots and size not in (0, unheard):
        verdict.fault("torn", f"{how}: {size} records came back, and no batch ends there")
    if how == "grown" and heard and size < heard[-1][2]:
        verdict.fault("lost", f"{how}: {heard[-1][2]} records were acknowledged and {size} came back")


__all__ = ["tails", "tear"]
