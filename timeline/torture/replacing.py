"""The log's file replaced by an older copy, while nobody looks and while a server writes: who notices what."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from timeline.chronicle import Timeline, verify_file
from timeline.errors import TimelineError
from timeline.following import against
from timeline.log.sqlite import LogFile
from timeline.tlog import Checkpoint
from timeline.torture.children import changes_of
from timeline.torture.clients import BROKEN, Connection, request_of, send, started, token_for
from timeline.torture.judging import Sent, judge_views, places, root_at
from timeline.torture.verdicts import Run, Verdict

BEFORE: Final = 8
AFTER: Final = 7
"""Requests in the older copy, and those that came later."""

UNNOTICED: Final = "nothing notices"


def replacements(run: Run) -> Verdict:
    """Put an older copy in the log's place, and look who notices: the server, `verify`, or a checkpoint kept elsewhere.

    That records are gone then is the doing of whoever replaced the file. It is a fault of the program where nothing
    notices, or where something is acknowledged that goes into the file that was replaced.
    """
    verdict = Verdict(trial="replaced", what="the log's file replaced by an older copy, server down and running")
    ways: dict[str, Callable[[Run, Verdict, str], None]] = {
        "while nobody writes": _down, "under a server, by rename": _running, "under a server, in place": _running,
    }
    while run.goes_on(verdict, run.rounds):
        way = [*ways][(verdict.rounds - 1) % len(ways)]
        ways[way](run, verdict, way)
    return verdict


def _grown(run: Run, verdict: Verdict) -> tuple[Path, Path, str]:
    """Make a log, copy it, let it grow; gives it, the copy, and the checkpoint that is kept elsewhere."""
    path, older = run.fresh() / "timeline.db", run.fresh() / "older.db"
    _append(path, 0, BEFORE)
    shutil.copyfile(path, older)
    checkpoint = _append(path, BEFORE, BEFORE + AFTER)
    verdict.acknowledged += BEFORE + AFTER
    return path, older, checkpoint


def _append(path: Path, first: int, last: int) -> str:
    """Append some requests; gives the checkpoint (C2SP tlog-checkpoint, unsigned) of the log then."""
    with Timeline.open(path) as timeline:
        for number in range(first, last):
            changes, key = changes_of("a", number)
            timeline.append(changes, key=key)
        head = timeline.head()
        return Checkpoint(timeline.origin, head.size, head.root).text


def noticed(path: Path, checkpoint: str, compare: Callable[..., str] = against) -> str:
    """Say what notices that the file is not what it was: opening it, `verify`, or `verify --against`."""
    try:
        report = verify_file(path)
        if not report.sound:
            return "verify: the file is damaged"
        with closing(LogFile(path)) as log:
            compare(checkpoint, report.head.size, lambda size: bytes.fromhex(root_at(path, size)), log.origin)
    except TimelineError as error:
        return f"verify --against: {type(error).__name__}"
    except sqlite3.DatabaseError:
        return "opening: SQLite cannot read it"
    return UNNOTICED


def _down(run: Run, verdict: Verdict, way: str) -> None:
    """Replace it, start: the views, which are newer than the log, are built anew; then let it grow past the size."""
    path, older, checkpoint = _grown(run, verdict)
    shutil.copyfile(older, path)
    told = noticed(path, checkpoint)
    judge_views(verdict, path)
    with Timeline.open(path) as timeline:
        for number in range(2 * AFTER):
            timeline.append(changes_of("b", number)[0])
    later = noticed(path, checkpoint)
    judge_views(verdict, path)
    verdict.note(f"{way}: {told}; grown past the checkpoint since: {later}")
    for each in (told, later):
        if each == UNNOTICED:
            verdict.fault("lies", f"{way}: {each}")


def _running(run: Run, verdict: Verdict, way: str) -> None:
    path, older, checkpoint = _grown(run, verdict)
    server = started(run.nursery, path, token_for(path))
    with closing(server.connect()) as connection:
        _try(connection, "before", 3)
        if "rename" in way:
            os.replace(older, path)  # noqa: PTH105 - what `mv` does
        else:
            shutil.copyfile(older, path)
        said, sent = "", []
        for number in range(4):
            request, detail = _try(connection, "since", number)
            sent.append(request)
            said = said or detail
    server.child.kill()
    server.child.end()
    told = noticed(path, checkpoint)
    verdict.note(f"{way}: {'the server refuses appends; ' if 'replaced' in said else ''}{told}")
    if "rename" in way and any(request.positions for request in sent):
        verdict.fault("lost", f"{way}: something was acknowledged that went into a file without a name")
    elif told == UNNOTICED and not said and not _kept(path, sent):
        verdict.fault("lies", f"{way}: {told}")


def _try(connection: Connection, name: str, number: int) -> tuple[Sent, str]:
    """Append; gives what was sent, and the sentence that refused it."""
    request, changes = request_of(name, number)
    try:
        heard = send(connection, request, changes)
    except BROKEN as error:
        connection.close()
        return request, type(error).__name__
    return request, "" if request.positions else heard.detail


def _kept(path: Path, sent: list[Sent]) -> bool:
    """Whether everything acknowledged is in the file that is there now."""
    try:
        there = places(path)
    except (TimelineError, sqlite3.DatabaseError):
        return not any(request.positions for request in sent)
    return all(id_ in there for request in sent if request.positions for id_ in request.ids)


__all__ = ["noticed", "replacements"]
