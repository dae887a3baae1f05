"""A log at hand against a checkpoint kept elsewhere: cut short, another root, or rewritten."""

from __future__ import annotations

from collections.abc import Callable

from timeline.errors import Conflict, Corrupt
from timeline.following.evidence import Evidence, Fork
from timeline.following.reading import Shown, read, read_key
from timeline.tlog import Checkpoint


def against(
    checkpoint: str | bytes, head_size: int, root_at: Callable[[int], bytes], origin: str, vkey: str | None = None
) -> str:
    """Compare a log with a checkpoint of it (a signed note or the bare text) and say what that shows.

    `head_size` is the number of records the log has; `root_at` gives the root of its first n of them.

    Raises:
        Malformed: the checkpoint or the key cannot be read.
        Invalid: the checkpoint has no good signature of the key.
        Conflict: it is a checkpoint of another log.
        Corrupt: the log has fewer records than the checkpoint: it was cut short, or the file is an older one.
        Fork: the log's first records are not those the checkpoint was made of.

    """
    kept = read(checkpoint, None if vkey is None else read_key(vkey))
    size = kept.checkpoint.size
    if kept.checkpoint.origin != origin:
        raise Conflict(f"the checkpoint is of another log: {kept.checkpoint.origin!r}, and this is {origin!r}")
    if size > head_size:
        raise Corrupt(
            f"the log has {head_size:,} records and the checkpoint {size:,}: the log was cut short, or the file is an "
            "older one"
        )
    found = root_at(size)
    if found != kept.checkpoint.root:
        raise Fork(_difference(kept, head_size, found), evidence=Evidence(
            kept.note, Checkpoint(origin, size, found).text, None))
    return _agreement(kept, head_size)


def _difference(kept: Shown, head_size: int, found: bytes) -> str:
    size = kept.checkpoint.size
    roots = f"the checkpoint has the root {kept.checkpoint.root.hex()}, the log {found.hex()}"
    if size == head_size:
        return f"the log has the size of the checkpoint, {size:,}, and another root: {roots}"
    return f"the history was rewritten: the first {size:,} of the {head_size:,} records are others: {roots}"


def _agreement(kept: Shown, head_size: int) -> str:
    size = kept.checkpoint.size
    who = "signed " if kept.signed else ""
    if size == 0:
        return f"the {who}checkpoint is of an empty log: every log of that name agrees with it, so it shows nothing"
    if size == head_size:
        return f"the log agrees with the {who}checkpoint: all {size:,} records are the same"
    return f"the log agrees with the {who}checkpoint: its first {size:,} of {head_size:,} records are the same"
