"""Views to read where none can be kept: beside a log in a folder, or on a medium, that nobody may write.

Views that are there and up to date are used. Otherwise they are built for as long as somebody reads, in a folder of
their own that goes afterwards: views hold content, and a copy kept anywhere else would outlive an erasure.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

from timeline.connections import may_write, open_reader
from timeline.errors import NotFound, TimelineError
from timeline.log import Record
from timeline.log.reading import LogFile, read_record
from timeline.views.building import rebuild
from timeline.views.store import views_path


@contextmanager
def readable(log: LogFile, progress: Callable[[int], None] = lambda _: None) -> Iterator[Path]:
    """Give the path of views of this log, good until the block ends. Those of a log that may be written stay beside it.

    Raises:
        NotFound: the log may be written and has no views yet: whoever writes it makes them.

    """
    beside = views_path(log.path)
    if may_write(log.path):
        if not beside.is_file():
            raise NotFound(f"{log.path.name} has no views yet: run `timeline rebuild`")
        yield beside
        return
    if agree(beside, log):
        yield beside
        return

    def read(position: int) -> Record | None:
        return read_record(log.connection(), position)

    with tempfile.TemporaryDirectory(prefix="timeline-views-") as folder:
        views = Path(folder) / beside.name
        rebuild(views, log.origin, log.read(), progress, read)
        yield views


def agree(views: Path, log: LogFile) -> bool:
    """Whether views can be read and stand where the log does.

    While somebody else writes the log (its shared memory is there), they may be a moment behind.
    """
    try:
        with closing(open_reader(views)) as connection:
            row = connection.execute("SELECT origin, position, header FROM state").fetchone()
    except (sqlite3.DatabaseError, TimelineError, OSError):
        return False
    if row is None or row[0] != log.origin:
        return False
    position, size = row[1], log.size()
    if not (position == size or (position < size and Path(f"{log.path}-shm").exists())):
        return False
    last = read_record(log.connection(), position)
    if last is None:
        return bool(position == 0)
    return bool(sha256(last.header_bytes).digest() == row[2])


__all__ = ["agree", "readable"]
