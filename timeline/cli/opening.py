"""Opening a log for reading, also while a server is writing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from timeline.errors import Busy, NotFound

if TYPE_CHECKING:
    from timeline.chronicle import ReadOnlyTimeline, Timeline


def present(path: Path) -> Path:
    """Give the path back, or say how to make a log there."""
    if not path.is_file():
        raise NotFound(f"there is no log at {path}: `timeline import FILE` makes one, --db chooses another")
    return path


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
