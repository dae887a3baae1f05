"""First versions of events, drawn ahead by other processes where views are built anew.

Nearly every record is of a new event, and says by itself all that its rows need. So other processes read the log in
pieces, decode and draw; this one numbers the rows and writes them. Any other record, or one that has lost a part, is
folded here, in its place, by the one fold there is: see `ahead`.

A process of ours is a plain child that speaks through pipes. (`multiprocessing` would run the caller's main module
again, and a script without a guard would start itself over and over.)
"""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from timeline.log import Header, Record
from timeline.log.reading import LogFile
from timeline.records import EventRecorded
from timeline.views.erasing import change_in
from timeline.views.versions import Drawn, Versions, draw

PIECE: Final = 2_000
"""Records read and drawn at a time (2 to 3 MB)."""

WORTH: Final = 50_000
"""Fewest records for which it pays to start processes (each takes 0.2 s to be ready)."""

MOST: Final = 4
"""Most processes: numbering and writing rows keeps up with no more."""

Read = Callable[[int, int], Iterator[Record]]


class First(NamedTuple):
    """The first version of an event as rows, and what else the fold takes from its header."""

    position: int
    recorded_at: str
    digest: bytes
    id: str
    kind: str
    status: str
    streams: Sequence[str]
    drawn: Drawn


def first_of(record: Record) -> First | None:
    """Draw the record of a new event; None for any other, and for one that has lost something."""
    header = record.header
    if record.erased or header.type != "event.recorded":
        return None
    change = change_in(record)
    if not isinstance(change, EventRecorded):
        return None
    found: list[First] = []

    def put(event_id: str, new: Any, header: Header, extra: dict[str, Any]) -> None:  # noqa: ANN401 - a Current
        drawn = draw(new, header, extra, lambda position: {"position": position})
        streams = [name for name, _, _ in header.streams[1:]]
        found.append(First(record.position, header.recorded_at, sha256(record.header_bytes).digest(), event_id,
                           new.event.kind, new.event.status, streams, drawn))

    Versions(_none, put).apply(header, change, {})
    return found[0]


def _none(event_id: str) -> Any:  # noqa: ANN401 - never called: a first version has none before it
    raise LookupError(event_id)


# ---------------------------------------------------------------------------------------------- this process

def ahead(path: Path, size: int, read: Read, cores: int | None = None) -> Iterator[Record | First]:
    """Yield the first `size` records of a log in order: drawn already where they can be.

    `read(after, limit)` reads them here: those that are not drawn ahead, everything where the log is small or there is
    one core, and what a process that has died leaves.
    """
    workers = min(MOST, (cores or len(os.sched_getaffinity(0))) - 1)
    children = _started(path, workers) if workers > 0 and size >= WORTH and sys.executable else []
    if not children:
        yield from read(0, size)
        return
    with _asked(children) as ask:
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        starts = iter(range(0, size, PIECE))
        for after in starts:
            waiting.append((after, ask(after, min(PIECE, size - after))))
            if len(waiting) > len(children):
                yield from _piece(*waiting.popleft(), size, read)
        while waiting:
            yield from _piece(*waiting.popleft(), size, read)


def _piece(after: int, answer: Future[bytes], size: int, read: Read) -> Iterator[Record | First]:
    data = answer.result()
    count = min(PIECE, size - after)
    if not data:
        yield from read(after, count)
        return
    for position, row in enumerate(marshal.loads(data), after + 1):  # noqa: S302 - from a child of ours
        if row is None:
            yield from read(position - 1, 1)
        else:
            yield First._make((*row[:-1], Drawn._make(row[-1])))


def _started(path: Path, count: int) -> list[subprocess.Popen[bytes]]:
    """Start processes, or as many as the system lets us."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", f"from {__name__} import main; main()", str(path.absolute())]
    children: list[subprocess.Popen[bytes]] = []
    with suppress(OSError):
        while len(children) < count:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603
            children.append(child)
    return children


@contextmanager
def _asked(children: list[subprocess.Popen[bytes]]) -> Iterator[Callable[[int, int], Future[bytes]]]:
    """Ask processes in turn, each through a thread that waits for it. No bytes: the process has died."""
    count = len(children)
    threads = [ThreadPoolExecutor(1, thread_name_prefix="timeline-ahead") for _ in children]
    asked = 0

    def ask(after: int, limit: int) -> Future[bytes]:
        nonlocal asked
        number, asked = asked % count, asked + 1
        return threads[number].submit(_ask, children[number], after, limit)

    try:
        yield ask
    finally:
        for child in children:
            child.kill()
        for thread in threads:
            thread.shutdown(cancel_futures=True)
        for child in children:
            child.communicate()


def _ask(child: subprocess.Popen[bytes], after: int, limit: int) -> bytes:
    try:
        _pipe(child.stdin).write(b"%d %d\n" % (after, limit))
        _pipe(child.stdin).flush()
        length = int.from_bytes(_pipe(child.stdout).read(8))
        data = _pipe(child.stdout).read(length)
    except OSError:
        return b""
    return data if len(data) == length else b""


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise OSError("no pipe")
    return pipe


# ---------------------------------------------------------------------------------------------- the other process

def serve(path: Path, questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer questions until there are no more: after which position, and how many records."""
    with closing(LogFile(path)) as log:
        for line in questions:
            after, limit = map(int, line.split())
            data = marshal.dumps([_plain(first_of(record)) for record in log.read(after, limit)])
            answers.write(len(data).to_bytes(8))
            answers.write(data)
            answers.flush()


def _plain(first: First | None) -> tuple[Any, ...] | None:
    """Make plain tuples of named ones: `marshal` knows no others."""
    if first is None:
        return None
    *known, drawn = first
    return (*known, tuple(drawn))


def main() -> None:
    """Be a process that draws ahead. Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)


__all__ = ["First", "ahead", "first_of", "main"]
