"""Opening a log for reading, also while a server is writing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from timeline.errors import Busy, Conflict, NotFound

if TYPE_CHECKING:
    from timeline.chronicle import ReadOnlyTimeline, Timeline


def present(path: Path) -> Path:
    """Give the path back, or say how to make a log there."""
    if not path.is_file():
        raise NotFound(f"there is no log at {path}: `timeline import FILE` makes one, --db chooses another")
    return path


def named(path: Path, origin: str | None) -> None:
    """Make a log of that name (--origin) where there is none yet; without a name, do nothing.

    Raises:
        Conflict: there is a log, and it has another name.
        Invalid: a log cannot have that name.

    """
    if origin is None:
        return
    from timeline.log.files import checked_origin
    from timeline.log.sqlite import LogFile, SqliteLog

    if not path.exists():
        SqliteLog(path, origin=checked_origin(origin)).close()  # checked before there is a file
        return
    with closing(LogFile(path)) as log:
        if log.origin != origin:
            raise Conflict(f"--origin: this log is {log.origin}, not {origin}: a log keeps the name it was made with")


@contextmanager
def readable(path: Path) -> Iterator[Timeline | ReadOnlyTimeline]:
    """Open a log for reading: with the right to write where it is free, so that the views are up to date."""
    from timeline.chronicle import ReadOnlyTimeline, Timeline

    timeline: Timeline | ReadOnlyTimeline
    try:
        timeline = Timeline.open(present(path))
    except (Busy, PermissionError):
        timeline = ReadOnlyTimeline.open(path)
    with timeline:
        yield timeline
