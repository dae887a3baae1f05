"""Power cuts: what a disk may hold that lost everything not yet synchronised, or a part of it, in any order.

A child's writes are recorded with their bytes (strace), together with what it acknowledged. At a point chosen by chance
the power fails: of each file there is what the last finished fsync covers, and of later writes none, all, the first
few, or any subset, the last of them torn at a sector. Taken as given: names, sizes and truncations are kept in the
order they were made, as journalling file systems do, and a sector of 512 bytes is written whole or not at all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from timeline.torture.children import changes_of
from timeline.torture.judging import Sent, judge, root_at
from timeline.torture.tracing import RECORDING, Change, changes, traced, why_not
from timeline.torture.verdicts import Run, Verdict

SECTOR: Final = 512
REQUESTS: Final = 60
CHECKPOINT: Final = 24
LEFT_OUT: Final = ("-shm", ".lock")
"""What no power cut survives, or nobody reads after one."""


@dataclass(slots=True)
class Disk:
    """A file as the disk has it, and what was written since it was last synchronised."""

    kept: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        """Keep everything."""
        for change in self.since:
            apply(self.kept, change)
        self.since.clear()

    def after(self, chance: random.Random, manner: str) -> bytes:
        """Give what is there when the power comes back."""
        content = bytearray(self.kept)
        first = chance.randrange(len(self.since) + 1)
        for number, change in enumerate(self.since):
            if change.kind == "truncate" or _survives(chance, manner, number, first):
                apply(content, _torn(chance, change) if manner == "some" and not chance.randrange(4) else change)
        return bytes(content)


def _survives(chance: random.Random, manner: str, number: int, first: int) -> bool:
    return {"none": False, "all": True, "first": number < first, "some": chance.random() < 0.5}[manner]


def _torn(chance: random.Random, change: Change) -> Change:
    """Give the beginning of a write, up to the end of some sector."""
    if change.kind != "write" or len(change.data) <= SECTOR:
        return change
    sectors = chance.randrange(1, -(-len(change.data) // SECTOR))
    return Change("write", change.path, change.offset, change.data[:sectors * SECTOR])


def apply(content: bytearray, change: Change) -> None:
    """Do to bytes what was done to the file."""
    end = change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if change.kind == "truncate":
        del content[change.offset:]
    else:
        content[change.offset:end] = change.data


def image(done: Iterable[Change], folder: str, chance: random.Random, manner: str) -> dict[str, bytes]:
    """Give the files of a folder as they may be after a power cut that followed these changes, by name."""
    disks: dict[str, Disk] = {}
    for change in done:
        name = change.path.removesuffix(" (deleted)")
        if not name.startswith(f"{folder}/") or name.endswith(LEFT_OUT):
            continue
        match change.kind:
            case "sync" if name in disks:
                disks[name].sync()
            case "unlink":
                disks.pop(name, None)
            case "rename":
                disks[change.to] = disks.pop(name, Disk())
            case "create":
                disks.setdefault(name, Disk())
            case "write" | "truncate" if not change.path.endswith(" (deleted)"):
                disks.setdefault(name, Disk()).since.append(change)
            case _:
                pass
    return {name.removeprefix(f"{folder}/"): disk.after(chance, manner) for name, disk in disks.items()}


def cuts(run: Run) -> Verdict:
    """Record a child's writes, and cut the power at points of it."""
    verdict = Verdict(trial="power", what="power cut: writes since the last fsync lost, in any order, torn")
    if reason := why_not():
        verdict.skipped = reason
        return verdict
    folder = run.fresh()
    done = _recorded(run, folder)
    spoken = [number for number, change in enumerate(done) if _acknowledgement(change)]
    if not spoken:
        verdict.fault("lies", "the child acknowledged nothing: see errors.txt in the folder given to --keep")
        return verdict
    while run.goes_on(verdict, run.rounds * 2):
        # half of the cuts come right after an acknowledgement: that is when a missing fsync shows
        at = run.chance.choice(spoken) + 1 if verdict.rounds % 2 else run.chance.randrange(1, len(done) + 1)
        manner = run.chance.choice(("none", "all", "first", "some", "some"))
        place = run.fresh()
        files = image(done[:at], str(folder), run.chance, manner)
        for name, content in files.items():
            (place / name).write_bytes(content)
        _judge(verdict, place / "timeline.db", done[:at], f"cut after change {at:,} of {len(done):,}, {manner} kept")
    verdict.note(f"{len(done):,} changes of files recorded, {len(spoken)} acknowledgements among them")
    return verdict


def _recorded(run: Run, folder: Path) -> list[Change]:
    trace = run.scratch / "writes.txt"
    child = run.nursery.child("append", path=str(folder / "timeline.db"), name="a", count=REQUESTS,
                              checkpoint=CHECKPOINT, traced=True)
    with traced(child.await_pid(), *RECORDING, output=trace):
        child.end()
    with trace.open(errors="replace") as lines:
        return list(changes(line.rstrip("\n") for line in lines))


def _acknowledgement(change: Change) -> list[Any] | None:
    """Give what a child said, where it acknowledged something: `[number, positions, size, root]`."""
    if change.kind != "said":
        return None
    try:
        _, word, *rest = json.loads(change.data)
    except ValueError:
        return None
    return rest if word == "ok" else None


def _judge(verdict: Verdict, path: Path, done: Sequence[Change], where: str) -> None:
    heard = [told for change in done if (told := _acknowledgement(change))]
    if not path.exists() or not path.stat().st_size:
        if heard:
            verdict.fault("lost", f"{where}: there is no log, and {len(heard)} requests were acknowledged")
        return
    known = {number: positions for number, positions, _, _ in heard}
    requests = []
    for number in range(REQUESTS):
        given, key = changes_of("a", number)
        requests.append(Sent(f"{key} ({where})", [each["event"]["id"] for each in given], known.get(number)))
    verdict.acknowledged += len(known)
    size = judge(verdict, path, requests)
    if heard and size >= heard[-1][2] and root_at(path, heard[-1][2]) != heard[-1][3]:
        verdict.fault("unsound", f"{where}: the root at size {heard[-1][2]} is not the one that was told")


__all__ = ["Disk", "apply", "cuts", "image"]
