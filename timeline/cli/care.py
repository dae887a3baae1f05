"""`verify`, `rebuild` and `doctor`: whether the log is sound, and the views, and the machine."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import rich_click as click

from timeline.cli.opening import present
from timeline.cli.options import as_json
from timeline.cli.output import advance, console, print_json, progress, say
from timeline.errors import Corrupt, Malformed, NotFound, TimelineError

if TYPE_CHECKING:
    from timeline.cli.root import Settings
    from timeline.log.verify import Finding, Report

SAFE_SQLITE: Final = (3, 51, 3)
QUICK: Final = 20_000
"""Records that doctor re-reads; the rest is for `timeline verify`."""

PROVED: Final = """\
This proves that the file agrees with itself: every record with its hash, its place, its streams and the Merkle tree.
It does not prove that nobody rewrote or cut the file as a whole: for that, give a checkpoint that was kept elsewhere
(`timeline checkpoint` prints one): `timeline verify --against FILE`. Nor that a source told the truth: nobody can
prove that."""

PROVED_AGAINST: Final = """\
This proves that the file agrees with itself: every record with its hash, its place, its streams and the Merkle tree.
And that its history up to that checkpoint is the one it had when the checkpoint was made: nothing of it was rewritten
or cut off since. What came later, that checkpoint does not speak of. It does not prove that others were shown the
same log (witnesses do: `timeline checkpoint --witness`), nor that a source told the truth: nobody can prove that."""
UNSIGNED: Final = """\
The checkpoint's signature was not verified: it is as good as the place it was kept in (--key VKEY verifies it)."""
MAX_CHECKPOINT: Final = 128 * 1024


@click.command()
@click.option("--against", metavar="FILE_OR_TEXT", help="A checkpoint of this log that was kept elsewhere, signed or "
                                                        "not: the log has to begin with what it was made of.")
@click.option("--key", "vkey", metavar="VKEY", help="The log's public key, from somebody you trust: the checkpoint has "
                                                    "to be signed by it.")
@as_json
@click.pass_context
def verify(context: click.Context, /, *, against: str | None, vkey: str | None, as_json: bool) -> None:
    """Read the whole log again and check it against its own hashes; exit code 7 where it is damaged.

    With --against, check too that it still has the history it had when that checkpoint was made. Where it has not,
    the exit code is 7, and what shows it is written to a file fork-*.txt beside the log.

    Works while a server is writing the log.

    \b
    timeline verify
    timeline verify --against checkpoint.txt --key "news.example/log+1a2b3c4d+AbC..."
    timeline verify --json > report.json
    """
    settings: Settings = context.obj
    if vkey is not None and against is None:
        raise Malformed("--key: there is no signature to check without a checkpoint: add --against FILE")
    kept = None if against is None else _kept(against)
    report = _verified(settings.db)
    compared = None if kept is None or not report.sound else _compared(settings.db, report, kept, vkey)
    if as_json:
        print_json(_as_json(report, compared))
        context.exit(0 if report.sound and (compared is None or compared.error is None) else Corrupt.exit_code)
    if report.finding is not None:
        raise _damage(settings.db, report.finding)
    if compared is not None and compared.error is not None:
        raise compared.error
    say(f"{settings.db.name} is sound: {report.head.size:,} records, {report.parts:,} parts")
    say(f"size {report.head.size}  root {report.head.root.hex()}")
    for text in [PROVED] if compared is None else _told(compared, vkey):
        say(text)


class Compared(NamedTuple):
    """What a checkpoint kept elsewhere showed: that the log agrees, or how it does not."""

    statement: str
    proves: bool
    """An empty log agrees with every log of its name: that shows nothing."""
    error: TimelineError | None = None
    evidence: str | None = None


def _damage(path: Path, finding: Finding) -> Corrupt:
    where = f"at position {finding.position:,}" if finding.position else "in what is stored beside the records"
    before = f"; the {finding.position - 1:,} records before it are sound" if finding.position > 1 else ""
    return Corrupt(f"{path.name} is damaged {where}: {finding.detail} (check: {finding.check}){before}")


def _as_json(report: Report, compared: Compared | None) -> dict[str, Any]:
    finding = report.finding
    shown: dict[str, Any] = {
        "sound": report.sound, "size": report.head.size, "root": report.head.root.hex(), "parts": report.parts,
        "recorded_at": report.head.recorded_at,
        "finding": None if finding is None else
        {"position": finding.position, "check": finding.check, "detail": finding.detail},
    }
    if compared is not None:
        shown["against"] = {"agrees": compared.error is None, "detail": compared.statement,
                            **({"evidence": compared.evidence} if compared.evidence else {})}
    return shown


def _told(compared: Compared, vkey: str | None) -> Iterator[str]:
    yield compared.statement
    yield ""
    yield PROVED_AGAINST if compared.proves else PROVED
    if vkey is None:
        yield UNSIGNED


def _kept(text: str) -> str | bytes:
    """Give the checkpoint: a file's content, or the text itself, which has three lines at least."""
    if "\n" in text:
        return text if text.endswith("\n") else text + "\n"  # $(...) in a shell takes the last line feed away
    path = Path(text)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CHECKPOINT + 1)
    except FileNotFoundError:
        raise NotFound(f"--against: there is no file {path.name}") from None
    if len(content) > MAX_CHECKPOINT:
        raise Malformed(f"--against: {path.name} is larger than any checkpoint: at most {MAX_CHECKPOINT} bytes")
    return content


def _compared(path: Path, report: Report, kept: str | bytes, vkey: str | None) -> Compared:
    """Compare a sound log with a checkpoint; stored hashes may be used, as they were just checked.

    Raises:
        Malformed: the checkpoint or the key cannot be read.
        Invalid: the checkpoint has no good signature of the key.
        Conflict: it is a checkpoint of another log.

    """
    from timeline import merkle
    from timeline.following import Fork, against
    from timeline.following.reading import read
    from timeline.log.sqlite import LogFile, stored_hashes

    with closing(LogFile(path)) as log:
        connection = log.connection()

        def root_at(size: int) -> bytes:
            return merkle.root_at(size, lambda level, start, stop: stored_hashes(connection, level, start, stop))

        try:
            statement = against(kept, report.head.size, root_at, log.origin, vkey)
        except Fork as fork:
            evidence = None if fork.evidence is None else fork.evidence.write(path.with_name(fork.evidence.name)).name
            told = f"{fork.detail}\nthe evidence is in {evidence}" if evidence else fork.detail
            return Compared(fork.detail, proves=False, error=Fork(told, evidence=fork.evidence), evidence=evidence)
        except Corrupt as error:
            return Compared(error.detail, proves=False, error=error)
    return Compared(statement, proves=read(kept).checkpoint.size > 0)


def _verified(path: Path) -> Report:
    from timeline.chronicle import verify_file
    from timeline.log.sqlite import LogFile

    try:
        with closing(LogFile(present(path))) as log:
            size = log.size()
    except sqlite3.DatabaseError:
        raise Corrupt(f"{path.name} is damaged: SQLite cannot read it") from None
    with progress("verifying", size) as bar:
        return verify_file(path, lambda position: advance(bar, position))


@click.command()
@as_json
@click.pass_obj
def rebuild(settings: Settings, /, *, as_json: bool) -> None:
    """Build the views anew from the log. Safe at any time, and safe to interrupt: the old ones stay until the end.

    \b
    timeline rebuild
    """
    from timeline.chronicle import rebuild_views
    from timeline.log.sqlite import LogFile

    with closing(LogFile(present(settings.db))) as log:
        size = log.size()
    with progress("rebuilding", size) as bar:
        position = rebuild_views(settings.db, lambda position: advance(bar, position))
    if as_json:
        print_json({"position": position})
    else:
        say(f"the views stand at position {position:,}")


class Check(NamedTuple):
    """One thing looked at: ok, warn or fail, and what to do about it."""

    name: str
    state: str
    detail: str


@click.command()
@as_json
@click.pass_context
def doctor(context: click.Context, /, *, as_json: bool) -> None:
    """Look at the log, its views and the machine, and say what is wrong; exit code 1 where something fails.

    \b
    timeline doctor
    """
    settings: Settings = context.obj
    checks = list(examine(settings.db))
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        console().print(_checks_table(checks))
    context.exit(1 if any(check.state == "fail" for check in checks) else 0)


def _checks_table(checks: list[Check]) -> Any:  # noqa: ANN401 - a Table; importing it here would be slow
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Check", "", "What"):
        table.add_column(name, overflow="fold")
    for check in checks:
        table.add_row(Text(check.name), Text(check.state, style=styles[check.state]), Text(check.detail))
    return table


def examine(path: Path) -> Iterator[Check]:
    """Look at everything; no check stops the others."""
    yield _sqlite()
    yield _zones()
    yield _disk(path)
    if not path.is_file():
        yield Check("log", "warn", f"there is no log at {path}: `timeline demo` or `timeline import FILE` makes one")
        return
    try:
        yield from _log(path)
    except TimelineError as error:
        yield Check("log", "fail", error.detail)
    except sqlite3.DatabaseError:
        yield Check("log", "fail", "SQLite cannot read the file: restore it from a backup or an export")


def _sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("SQLite", "ok", version)
    return Check("SQLite", "ok", f"{version}: before 3.51.3 two writing connections could corrupt a WAL; the lock for "
                                 "one writer avoids that, so do not write the file with other programs")


def _zones() -> Check:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo("America/Anchorage")
    except (LookupError, ValueError, OSError):
        return Check("time zones", "fail", "no IANA data: install the package tzdata")
    return Check("time zones", "ok", "IANA data found")


def _disk(path: Path) -> Check:
    folder = path.absolute().parent
    if not folder.is_dir():
        return Check("disk", "fail", f"there is no directory {folder}")
    free = shutil.disk_usage(folder).free
    size = path.stat().st_size if path.is_file() else 0
    enough = free > max(3 * size, 100 * 2**20)
    return Check("disk", "ok" if enough else "warn", f"{free / 2**30:.1f} GB free, the log has {size / 2**20:.1f} MB"
                 + ("" if enough else ": too little to rebuild the views in safety"))


def _log(path: Path) -> Iterator[Check]:
    from timeline.log.sqlite import LogFile
    from timeline.log.verify import verify as pass_over

    with closing(LogFile(path)) as log:
        size = log.size()
        yield Check("log", "ok", f"{log.origin}, {size:,} records")
        yield _writer(path)
        yield _views(path, log.origin, size)
        if size > QUICK:
            yield Check("hashes", "warn", f"not checked: more than {QUICK:,} records; run `timeline verify`")
            return
        finding = pass_over(log.connection()).finding
        if finding is None:
            yield Check("hashes", "ok", "every record agrees with its hashes")
        else:
            yield Check("hashes", "fail", f"position {finding.position}: {finding.detail}")


def _writer(path: Path) -> Check:
    from timeline.connections import WriterLock
    from timeline.errors import Busy

    try:
        WriterLock(Path(f"{path}.lock")).release()
    except Busy as error:
        return Check("writer", "ok", error.detail)
    except PermissionError:
        return Check("writer", "warn", "no permission to write here: reading only")
    return Check("writer", "ok", "nobody is writing")


def _views(path: Path, origin: str, size: int) -> Check:
    from timeline.connections import open_reader
    from timeline.views.store import views_path

    views = views_path(path)
    if not views.is_file():
        return Check("views", "warn", "not there: the next command builds them")
    try:
        with closing(open_reader(views)) as connection:
            row = connection.execute("SELECT origin, position FROM state").fetchone()
    except sqlite3.DatabaseError:
        return Check("views", "fail", f"{views.name} cannot be read: run `timeline rebuild`")
    if row is None or row[0] != origin:
        return Check("views", "warn", f"{views.name} belongs to another log: the next command builds it anew")
    behind = size - row[1]
    state = "ok" if behind == 0 else "warn" if behind > 0 else "fail"
    told = {"ok": "up to date", "warn": f"{behind:,} records behind, caught up by the next command that writes",
            "fail": "ahead of the log: run `timeline rebuild`"}
    return Check("views", state, f"{views.name}, position {row[1]:,}: {told[state]}")
