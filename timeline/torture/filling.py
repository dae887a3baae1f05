"""A disk that is full, or fails: while a server writes, the system refuses its writes, and later takes them again."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final

from timeline.torture.clients import BROKEN, Connection, Heard, Server, request_of, send, sending, started, token_for
from timeline.torture.judging import Sent, judge
from timeline.torture.tracing import traced, why_not
from timeline.torture.verdicts import Run, Verdict

CLIENTS: Final = 4
ROOM: Final = (0, 4_096, 9_000, 30_000)
"""Bytes a file may still grow: the refusal comes at the first write, or in the middle of a commit."""

PATIENCE: Final = 10.0
"""Seconds in which appends must work again once the system takes writes."""

Trouble = Callable[[Run, Server, Path], AbstractContextManager[object]]


@contextmanager
def _limited(run: Run, server: Server, folder: Path) -> Iterator[None]:
    """Let no file grow beyond a size (setrlimit(2), RLIMIT_FSIZE; the signal is ignored, so that it is an error)."""
    largest = max(file.stat().st_size for file in folder.iterdir() if not file.name.endswith("-shm"))
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(server.child.pid, resource.RLIMIT_FSIZE, (largest + run.chance.choice(ROOM), unlimited))
    try:
        yield
    finally:
        resource.prlimit(server.child.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


def _no_space(run: Run, server: Server, _: Path) -> AbstractContextManager[object]:
    """Make writes fail as on a full disk (ENOSPC), from one chosen by chance on."""
    begin = f"when={run.chance.randrange(1, 20)}+"
    return traced(server.child.pid, "-e", "trace=pwrite64", "-e", f"inject=pwrite64:error=ENOSPC:{begin}")


def _no_sync(run: Run, server: Server, _: Path) -> AbstractContextManager[object]:
    """Make fdatasync fail (EIO): what was written may be on the disk or not."""
    begin = f"when={run.chance.randrange(1, 4)}+"
    return traced(server.child.pid, "-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:{begin}")


TROUBLES: Final[dict[str, Trouble]] = {
    "files may not grow (RLIMIT_FSIZE)": _limited, "ENOSPC": _no_space, "EIO of fdatasync": _no_sync,
}


def disks(run: Run) -> Verdict:
    """Refuse the writes of a server, look what it says, let it write again, kill it, and look what is there."""
    verdict = Verdict(trial="disk", what="full or failing disk under a server, then room again")
    if not hasattr(resource, "prlimit"):
        verdict.skipped = "this system cannot limit the files of a running process (prlimit(2), Linux)"
        return verdict
    troubles = dict(TROUBLES)
    if reason := why_not():
        verdict.note(f"only the limit on the size of files: {reason}")
        troubles = dict([*TROUBLES.items()][:1])
    sentences: set[str] = set()
    while run.goes_on(verdict):
        name = list(troubles)[(verdict.rounds - 1) % len(troubles)]
        _round(run, verdict, name, troubles[name], sentences)
    for sentence in sorted(sentences):
        verdict.note(f"it says: {sentence}")
    verdict.note(f"troubles: {', '.join(troubles)}")
    return verdict


def _round(run: Run, verdict: Verdict, name: str, trouble: Trouble, sentences: set[str]) -> None:
    folder = run.fresh()
    path = folder / "timeline.db"
    token = token_for(path)
    server, sent = started(run.nursery, path, token), []
    failures: list[Heard] = []
    with closing(server.connect()) as connection:
        first, changes = request_of("first", 0)
        send(connection, first, changes)
        with trouble(run, server, folder):
            with sending(server, "during", CLIENTS, lambda _, heard: failures.append(heard)) as senders:
                _until(lambda: len(failures) >= 5 * CLIENTS)
            _read_on(verdict, connection, first, name)
        sent = [first, *(request for sender in senders for request in sender.sent)]
        _heard(verdict, failures, sentences, name)
        sent.append(_goes_on(verdict, connection, name))
    server.child.kill()
    server.child.end()
    verdict.acknowledged += sum(request.positions is not None for request in sent)
    judge(verdict, path, sent)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)


def _read_on(verdict: Verdict, connection: Connection, known: Sent, name: str) -> None:
    """Read while nothing can be written."""
    try:
        status = connection.ask("GET", f"/v1/events/{known.ids[0]}").status
    except BROKEN as error:
        verdict.fault("lies", f"{name}: no answer to a reader ({type(error).__name__})")
        return
    if status != 200:
        verdict.fault("lies", f"{name}: a reader got {status}")


def _heard(verdict: Verdict, failures: list[Heard], sentences: set[str], name: str) -> None:
    """Look what those were told whose appends were not taken: that it is the disk, and that they may come again."""
    if not failures:
        verdict.note(f"{name}: no append was refused in round {verdict.rounds}")
    for heard in failures:
        sentences.add(heard.detail)
        if heard.status != 503 or not any(word in heard.detail for word in ("full", "cannot be written")):
            verdict.fault("lies", f"{name}: an append was answered with {heard.status} {heard.detail!r}")


def _goes_on(verdict: Verdict, connection: Connection, name: str) -> Sent:
    """Append once there is room again; it may take a moment, but no new start."""
    request, changes = request_of("after", 4)

    def done() -> bool:
        try:
            send(connection, request, changes)
        except BROKEN:
            connection.close()  # and connect anew
        return request.positions is not None

    _until(done)
    if request.positions is None:
        verdict.fault("lies", f"{name}: no append is taken although there is room again")
    return request


__all__ = ["disks"]
