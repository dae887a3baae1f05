"""Backups of a log that is being written, and the way back: a backup is good once it was restored, and not before.

`back_up` copies log and tokens as they are at one instant, restores the copy for a trial, reads every record of it and
derives its root anew; only then does the folder get its name. `restore` does the same again, builds the views, and can
stop at a position. Neither takes the name of a file that is there, and whoever is killed leaves nothing under the name
that was asked for: what is under way has a name of its own (`timeline.backup.unfinished`) and goes the next time.

Not in a backup: the views (they follow from the log) and the key that signs checkpoints.
"""

from __future__ import annotations

from timeline.backup.making import Made, back_up
from timeline.backup.manifest import LOG, MANIFEST, TOKENS, Manifest
from timeline.backup.restoring import Restored, restore

__all__ = ["LOG", "MANIFEST", "TOKENS", "Made", "Manifest", "Restored", "back_up", "restore"]
