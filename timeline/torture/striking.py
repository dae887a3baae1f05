"""SIGKILL at chosen system calls: in the middle of a commit, a checkpoint, an erasure, a rebuild, a close."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from timeline.chronicle import Timeline
from timeline.errors import Conflict
from timeline.torture.children import changes_of
from timeline.torture.judging import Sent, judge
from timeline.torture.killing import file_of
from timeline.torture.nursery import Child
from timeline.torture.tracing import CALLS, counted, traced, why_not
from timeline.torture.verdicts import Run, Verdict

REQUESTS: Final = 12
IMPORTED: Final = 300
ERASED: Final = 1
"""The request whose first event is erased (`timeline.torture.children.toil`)."""

CHECKPOINT: Final = 16
"""Pages after which the log's WAL is checkpointed while requests are appended: often, to be killed in it."""


def syscalls(run: Run) -> Verdict:
    """Let a child do everything that touches files, and kill it at the entry of its n-th call of one kind."""
    verdict = Verdict(trial="syscalls", what="kill -9 at a chosen system call of append, import, erase, rebuild")
    if reason := why_not():
        verdict.skipped = reason
        return verdict
    file, calls = file_of(run, IMPORTED), ",".join(CALLS)
    trace = run.scratch / "calls.txt"
    _toil(run, run.fresh(), file, "-e", f"trace={calls}", output=trace)
    points = [(call, number) for call, most in sorted(counted(trace.read_text().splitlines()).items())
              for number in range(1, most + 1)]
    chosen = _spread(run, points)
    reached = 0
    while run.goes_on(verdict, min(run.rounds, len(chosen))):
        call, number = chosen[verdict.rounds - 1]
        folder = run.fresh()
        child = _toil(run, folder, file, "-e", f"trace={call}",
                      "-e", f"inject={call}:signal=KILL:when={number}")
        reached += child.status == -signal.SIGKILL
        _judge(verdict, child, folder / "timeline.db", f"{call} {number}")
    verdict.note(f"{len(points):,} points found, {reached} of {verdict.rounds} struck: {', '.join(CALLS)}")
    return verdict


def _spread(run: Run, points: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Put the points in an order in which every kind of call has its turn, its points by chance."""
    kinds = {call: [point for point in points if point[0] == call] for call, _ in points}
    for each in kinds.values():
        run.chance.shuffle(each)
    most = max(map(len, kinds.values()))
    return [each[turn] for turn in range(most) for each in kinds.values() if turn < len(each)]


def _toil(run: Run, folder: Path, file: Path, *options: str, output: Path | None = None) -> Child:
    """Have a child work under the eyes of strace until it has done or is dead."""
    child = run.nursery.child("toil", path=str(folder / "timeline.db"), name="a", count=REQUESTS, file=str(file),
                          checkpoint=CHECKPOINT, traced=True)
    with traced(child.await_pid(), *options, output=output):
        child.end()
    return child


def _judge(verdict: Verdict, child: Child, path: Path, where: str) -> None:
    heard = {line[1]: line[2] for line in child.said if line[0] == "ok"}
    verdict.acknowledged += len(heard)
    requests = []
    for number in range(REQUESTS):
        changes, key = changes_of("a", number)
        requests.append(Sent(f"{key} ({where})", [change["event"]["id"] for change in changes], heard.get(number)))
    if child.status not in (0, -signal.SIGKILL):
        verdict.fault("lies", f"{where}: the child ended with {child.status}: {child.said[-1:]}")
    if path.exists() or heard:
        judge(verdict, path, requests)
        _repeat(verdict, path, requests, where)


def _repeat(verdict: Verdict, path: Path, requests: list[Sent], where: str) -> None:
    """Send everything again under its keys: each request is then there once."""
    with Timeline.open(path) as timeline:
        for number, request in enumerate(requests):
            changes, key = changes_of("a", number)
            try:
                positions = [answer.position for answer in timeline.append(changes, key=key)]
            except Conflict as error:
                if number != ERASED or "erased" not in error.detail:
                    verdict.fault("lies", f"{where}: {key} sent again: {error.detail}")
                continue  # the key of something erased is refused for ever
            if request.positions not in (None, positions):
                verdict.fault("lies", f"{where}: {key} sent again: {request.positions} became {positions}")
            request.positions = positions
    judge(verdict, path, requests)


__all__ = ["syscalls"]
