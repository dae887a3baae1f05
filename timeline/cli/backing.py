"""`backup` and `restore`: a copy that is good because it was restored, and the way back, whole or to a position."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from timeline.cli.opening import present
from timeline.cli.options import as_json
from timeline.cli.output import note, print_json, progress, say
from timeline.errors import Malformed

if TYPE_CHECKING:
    from timeline.backup.copying import Progress
    from timeline.cli.root import Settings


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--tokens/--no-tokens", default=True, show_default=True,
              help="Whether the tokens come along: their digests, scopes and dates, never their secrets.")
@as_json
@click.pass_obj
def backup(settings: Settings, /, *, target: Path, tokens: bool, as_json: bool) -> None:
    """Copy the log and its tokens into the new folder TARGET, also while a server is writing.

    The copy is restored for a trial, read from the first record to the last, and its root is derived anew and compared
    with the log's; only then does the folder get its name. Needs room for two copies. Views are not copied (a restore
    builds them), nor is the key that signs checkpoints: keep that apart.

    \b
    timeline backup backups/2026-11-21
    timeline backup "/mnt/elsewhere/$(date -u +%Y-%m-%dT%H%MZ)" --no-tokens
    """
    _here(settings, "backup")
    from timeline.backup import back_up
    from timeline.tokens import tokens_path

    begin = time.perf_counter()
    path = present(settings.db)
    with progress("copying", None) as bar:
        made = back_up(path, target, tokens=tokens_path(path) if tokens else None, progress=_shown(bar))
    seconds = time.perf_counter() - begin
    if as_json:
        print_json({"backup": str(target), "origin": made.origin, "size": made.head.size, "root": made.head.root.hex(),
                    "parts": made.parts, "erased": made.erased, "tokens": made.tokens, "seconds": round(seconds, 3)})
        return
    say(f"backed up {path.name} to {target}: {made.head.size:,} records, {made.parts:,} parts"
        + (", and its tokens" if made.tokens else ", no tokens"))
    say(f"size {made.head.size}  root {made.head.root.hex()}")
    say(f"restored for a trial, every record read, the root derived anew: the same ({seconds:.1f} s)")
    note("not in it: the views, which a restore builds, and the key that signs checkpoints (NAME.key)")


@click.command()
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--db", "path", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file that the log becomes; it must not be there.")
@click.option("--at", type=int, metavar="POSITION", help="Stop at this position: the log as it was then.")
@click.option("--tokens/--no-tokens", default=True, show_default=True, help="Whether its tokens come along.")
@as_json
@click.pass_obj
def restore(settings: Settings, /, *, source: Path, path: Path, at: int | None, tokens: bool, as_json: bool) -> None:
    """Bring a BACKUP back as a new log: copied, read from the first record to the last, its views built, then named.

    BACKUP is a folder that `timeline backup` made, or the file of a log that something else saved (Litestream, a copy
    of the disk). Nothing is overwritten. A damaged backup is refused, with its first bad position; --at one before
    that saves the records that are sound.

    With --at, the root is the one that the log had at that position. What was erased later stays erased. A log that
    goes on from there is another history under the same name: whoever kept a later checkpoint will see a fork.

    \b
    timeline restore backups/2026-11-21 --db restored.db
    timeline restore backups/2026-11-21 --db before-the-mistake.db --at 59
    """
    _here(settings, "restore")
    from timeline.backup import restore as bring_back
    from timeline.tokens import tokens_path

    begin = time.perf_counter()
    with progress("copying", None) as bar:
        done = bring_back(source, path, tokens=tokens_path(path) if tokens else None, at=at, progress=_shown(bar))
    seconds = time.perf_counter() - begin
    if as_json:
        print_json({"db": str(path), "origin": done.origin, "size": done.head.size, "root": done.head.root.hex(),
                    "at": done.at, "root_at": done.root.hex(), "tokens": done.tokens, "redeclared": done.redeclared,
                    "later_checkpoints": done.later, "damage": done.damage, "seconds": round(seconds, 3)})
        return
    say(f"restored {path}: {done.head.size:,} records, views built" + (", and its tokens" if done.tokens else ""))
    say(f"size {done.at}  root {done.root.hex()}")
    _tell(done)
    say(f"every record was read, the root derived anew ({seconds:.1f} s)")


def _tell(done: Any) -> None:  # noqa: ANN401 - a Restored; importing it here would be slow
    """Say what is not as it was."""
    if done.redeclared:
        say(f"size {done.head.size}  root {done.head.root.hex()}")
        note(f"what was erased after position {done.at} stays erased: {done.redeclared:,} records after it say so")
    if done.later:
        note(f"{done.later:,} checkpoints of a longer history were handed out: whoever holds one will call this log, "
             "once it goes on, a fork")
    if done.damage:
        note(f"{done.damage}; what was restored comes before that, and is sound")


def _here(settings: Settings, name: str) -> None:
    if settings.url:
        raise Malformed(f"--url: {name} works on files: run it on the machine where the log is")


def _shown(bar: Any) -> Progress:  # noqa: ANN401 - a Progress, or nothing to show
    def show(what: str, done: int, total: int) -> None:
        if bar is not None:
            bar.update(bar.task_ids[0], description=what, completed=done, total=total)

    return show
