"""What the children do until they are killed. Each work takes a way to say something and its arguments."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from timeline.api.serve import run
from timeline.chronicle import ReadOnlyTimeline, Timeline, rebuild_views, verify_file
from timeline.importing import Importer, Local, Manner, find
from timeline.torture.nursery import Say

Arguments = Mapping[str, Any]


def changes_of(name: str, number: int) -> tuple[list[dict[str, Any]], str]:
    """Give the changes of a request, one to five events, and its key. Some fill pages of their own."""
    ids = [f"{name}-{number}-{item}" for item in range(number % 5 + 1)]
    note = "page" * (number % 7 * 120)  # one word: what is tested is the log, not the index of words
    events = [{"id": id_, "title": f"Event {id_}", "when": "2025-08", "summary": note} for id_ in ids]
    return [{"type": "event.recorded", "event": event} for event in events], f"key-{name}-{number}"


def serve(_: Say, given: Arguments) -> None:
    """Do what `timeline serve` does."""
    run(Path(given["path"]), port=given["port"])


def append(say: Say, given: Arguments) -> None:
    """Append one request after the other, and say where each is, with size and root of the log then."""
    with Timeline.open(given["path"]) as timeline:
        if pages := given.get("checkpoint"):
            with timeline._log._free():  # noqa: SLF001 - so that there are many checkpoints to be killed in
                timeline._log._connection.execute(f"PRAGMA wal_autocheckpoint = {int(pages)}")  # noqa: SLF001
        for number in range(given.get("first", 0), given.get("count", 2**40)):
            changes, key = changes_of(given["name"], number)
            answers = timeline.append(changes, key=key)
            head = timeline.head()
            say("ok", number, [answer.position for answer in answers], head.size, head.root.hex())


def import_(say: Say, given: Arguments) -> None:
    """Do what `timeline import` does, and say how much is in after each batch."""
    expecting = given.get("expecting", 0)
    with Timeline.open(given["path"], expecting=expecting) as timeline, closing(Local(timeline)) as target:
        timeline.bulk(active=True)
        importer = Importer(target, Manner(), progress=lambda outcome: say("in", outcome.settled))
        outcome = importer.run(find([Path(given["file"])]))
        timeline.bulk(active=False)
        say("imported", outcome.new, outcome.unchanged)


def toil(say: Say, given: Arguments) -> None:
    """Do everything that touches the files: make a log, append, import, erase, build the views anew, close."""
    append(say, given)
    import_(say, given)
    with Timeline.open(given["path"]) as timeline:
        timeline.erase(f"{given['name']}-1-0", "body", reason="to be killed in the middle of it")
        say("erased")
    rebuild_views(given["path"])
    say("done")


def hold(say: Say, given: Arguments) -> None:
    """Open for writing and stay."""
    with Timeline.open(given["path"]) as timeline:
        changes, key = changes_of(given["name"], 0)
        say("open", [answer.position for answer in timeline.append(changes, key=key)])
        time.sleep(3600)


def powerless(say: Say, given: Arguments) -> None:
    """Read and try to write where neither is allowed to be written; as nobody, where this is the administrator."""
    path = Path(given["path"])
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    works: dict[str, Callable[[], object]] = {
        "append": lambda: _appended(path), "verify": lambda: verify_file(path).sound,
        "read": lambda: _read(path, given["id"]),
    }
    for name, work in works.items():
        try:
            say(name, "done", work())
        except Exception as error:  # noqa: BLE001 - told to who asked
            say(name, type(error).__name__, str(error))


def _appended(path: Path) -> int:
    with Timeline.open(path) as timeline:
        return timeline.append(changes_of("powerless", 0)[0])[0].position


def _read(path: Path, id_: str) -> int:
    with ReadOnlyTimeline.open(path) as timeline:
        return len(timeline.body("event", id_))


__all__ = ["append", "changes_of", "hold", "import_", "powerless", "serve", "toil"]
