"""What may not be written: files and folders that are read-only, a log that another process writes."""

from __future__ import annotations

import os
import signal
from hashlib import sha256
from pathlib import Path
from typing import Final

from timeline.chronicle import Timeline
from timeline.errors import Busy
from timeline.torture.children import changes_of
from timeline.torture.judging import Sent, judge
from timeline.torture.verdicts import Run, Verdict

WAYS: Final = {"files": (0o777, 0o444), "folder": (0o555, 0o666), "files and folder": (0o555, 0o444)}
"""What is read-only, with the modes of the folder and of the files in it."""

SENTENCES: Final = ("PermissionError", "Busy", "Conflict", "Corrupt", "Forbidden", "NotFound")
"""What the command line turns into a sentence."""

SAME: Final = 2
"""Rounds without rights: there is no chance in them."""

RIVALS: Final = 4


# ---------------------------------------------------------------------------------------------- read-only

def read_only(run: Run) -> Verdict:
    """Take the right to write away, and let somebody without rights read, verify and try to append."""
    verdict = Verdict(trial="readonly", what="read-only files, read-only folder, both")
    if not _reachable(run.scratch):
        verdict.skipped = "as administrator: a user without rights cannot reach the scratch folder (choose --keep)"
        return verdict
    while run.goes_on(verdict, min(run.rounds, SAME)):
        for way in WAYS:
            _without_rights(run, verdict, way)
    return verdict


def _reachable(folder: Path) -> bool:
    """Whether a child that gives up the administrator's rights can get there."""
    if os.geteuid() != 0:
        return True
    folder.chmod(0o755)
    return all(each.stat().st_mode & 0o001 for each in folder.resolve().parents)


def _without_rights(run: Run, verdict: Verdict, way: str) -> None:
    folder = run.fresh()
    path = folder / "timeline.db"
    changes, _ = changes_of("known", 3)
    with Timeline.open(path) as timeline:
        timeline.append(changes)
    before = _bytes(path)
    modes = WAYS[way]
    for file in folder.iterdir():
        file.chmod(modes[1])
    folder.chmod(modes[0])
    try:
        child = run.nursery.child("powerless", path=str(path), id="known-3-0")
        child.end()
    finally:
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)
    heard = {line[0]: line[1:] for line in child.said}
    _look(verdict, way, heard)
    if heard.get("append", [""])[0] != "done" and _bytes(path) != before:
        verdict.fault("lies", f"{way}: the append was refused and the log was changed")
    sent = Sent("known-3", [change["event"]["id"] for change in changes], [1, 2, 3, 4])
    verdict.acknowledged += 1
    judge(verdict, path, [sent])


def _look(verdict: Verdict, way: str, heard: dict[str, list[object]]) -> None:
    """Look what was said: done, or in a sentence why not; and nothing false about the log."""
    for work in ("append", "verify", "read"):
        word, *rest = heard.get(work, ["nothing"])
        told = str(rest[0]) if rest else ""
        if word == "done" and work == "append" and "files" in way:
            verdict.fault("lies", f"read-only {way}: an append was acknowledged")
        elif word == "done":
            told = word
        elif word not in SENTENCES or "is not a" in told:
            verdict.fault("lies", f"read-only {way}, {work}: {word} {told}")
        verdict.note(f"read-only {way}, {work}: {'no permission' if word == 'PermissionError' else told or word}")


def _bytes(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


# ---------------------------------------------------------------------------------------------- two writers

def rivals(run: Run) -> Verdict:
    """Let several processes want to write one log: one may, until it is dead, however it died."""
    verdict = Verdict(trial="writers", what=f"{RIVALS} writers at once, the one that won killed, its lock stale")
    path, sent = run.fresh() / "timeline.db", []
    while run.goes_on(verdict, run.rounds):
        sent += _rivalry(run, verdict, path)
        verdict.acknowledged += 1
        if not judge(verdict, path, sent):
            break  # nothing can be said of what comes after
    return verdict


def _rivalry(run: Run, verdict: Verdict, path: Path) -> list[Sent]:
    children = [run.nursery.child("hold", path=str(path), name=f"w{verdict.rounds}-{number}")
                for number in range(RIVALS)]
    first = [child.hear() or ["died"] for child in children]
    winners = [number for number, line in enumerate(first) if line[0] == "open"]
    if len(winners) != 1:
        verdict.fault("lies", f"{len(winners)} of {RIVALS} processes may write at once: {first}")
    for line in first:
        if line[0] != "open" and line[:2] != ["refused", "Busy"]:
            verdict.fault("lies", f"a second writer was not told that the log is being written: {line}")
    for number in winners:
        _still_shut(verdict, path, number)
    for child in children:
        child.kill(run.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
        child.end()
    return [Sent(f"hold-{verdict.rounds}-{number}", [f"w{verdict.rounds}-{number}-0-0"], first[number][1])
            for number in winners]


def _still_shut(verdict: Verdict, path: Path, winner: int) -> None:
    """Try in this process too."""
    try:
        Timeline.open(path).close()
    except Busy:
        return
    verdict.fault("lies", f"the log could be opened for writing while writer {winner} held it")


__all__ = ["read_only", "rivals"]
