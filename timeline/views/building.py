"""Views built beside the file they are to replace, and swapped in when they are complete.

Indexes that the fold itself does not need are made after the rows: at a million events that makes an import more than
twice as fast, since an index that grows in random order touches a page for each row. Readers see the old views until
the rename; what an interruption leaves is one file that the next building removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from timeline.log import Record
from timeline.views.firsts import First
from timeline.views.projector import no_log
from timeline.views.store import Read, Views, remove

LATER: Final = ("event_order", "lane_order")

WORTH: Final = 20_000
"""Fewest records for which it pays to build beside."""


class Building:
    """Views on their way; `views` can be written to and asked what the fold asks until `finish`."""

    def __init__(self, path: Path, origin: str, read: Read = no_log) -> None:
        """Begin with empty views of the log named `origin`, to become the file at `path`."""
        self._path = path
        self._fresh = path.with_name(f"{path.name}.new")
        remove(self._fresh)
        self.views = Views(self._fresh, origin, read)
        execute = self.views.connection.execute
        execute("PRAGMA synchronous = OFF")
        names = ",".join(f"'{name}'" for name in LATER)
        rows = execute(f"SELECT sql FROM sqlite_master WHERE type = 'index' AND name IN ({names})")
        self._later = [row[0] for row in rows]
        for name in LATER:
            execute(f"DROP INDEX {name}")

    def finish(self) -> int:
        """Make the indexes, sync the file and swap it in. Gives the position the views have reached."""
        try:
            execute = self.views.connection.execute
            execute("PRAGMA temp_store = FILE")  # what is sorted for an index must not have to fit into memory
            for statement in self._later:
                execute(statement)
            execute("PRAGMA synchronous = FULL")
            execute("PRAGMA wal_checkpoint(TRUNCATE)")
            position = self.views.position
        finally:
            self.views.close()
        remove(self._path, keep_main=True)
        self._fresh.replace(self._path)
        remove(self._fresh)
        return position


def rebuild(
    path: Path, origin: str, records: Iterable[Record | First], progress: Callable[[int], None] = lambda _: None,
    read: Read = no_log,
) -> int:
    """Build the views anew beside the old file and swap them in. Gives the position they reach."""
    building = Building(path, origin, read)
    try:
        building.views.catch_up(records, progress)
    except BaseException:
        building.views.close()
        raise
    return building.finish()


__all__ = ["WORTH", "Building", "rebuild"]
