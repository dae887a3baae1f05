"""Opening a log for reading, also while a server is writing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timeline.cli.output import advance, note, progress
from timeline.errors import Busy, Conflict, NotFound

if TYPE_CHECKING:
    from timeline.chronicle import ReadOnlyTimeline, Timeline

LARGE: Final = 20_000
"""Records from which on building views takes seconds."""


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
    from timeline.chronicle import Timeline
    from timeline.connections import may_write

    timeline: Timeline | ReadOnlyTimeline
    if may_write(present(path)):
        try:
            timeline = Timeline.open(path)
        except (Busy, PermissionError):
            timeline = _read_only(path)
    else:
        timeline = _read_only(path)
    with timeline:
        yield timeline


def _read_only(path: Path) -> ReadOnlyTimeline:
    """Open a log that is written by others, or by nobody; say so where its views take a while to build."""
    from timeline.chronicle import ReadOnlyTimeline
    from timeline.log.reading import LogFile

    with closing(LogFile(path)) as log:
        size = log.size()
    built = False

    def told(position: int) -> None:
        nonlocal built
        built = True
        advance(bar, position)

    with progress("building views", size) as bar:
        timeline = ReadOnlyTimeline.open(path, progress=told)
    if built and size >= LARGE:
        note(f"note: nothing can be kept beside {path.name}, so its views were built for this command alone: a copy in "
             "a folder of your own is quicker")
    return timeline
