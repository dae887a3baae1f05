"""`verify`, `rebuild` and `doctor`: whether the log is sound, and the views, and the machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import rich_click as click

from timeline.cli.opening import present
from timeline.cli.options import as_json
from timeline.cli.output import advance, console, note, print_json, progress, say
from timeline.errors import Corrupt, Malformed, NotFound, TimelineError

if TYPE_CHECKING:
    from timeline.cli.checks import Check
    from timeline.cli.root import Settings
    from timeline.following import Evidence
    from timeline.log.verify import Finding, Report

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
            evidence = None if fork.evidence is None else _written(fork.evidence, path)
            told = f"{fork.detail}\nthe evidence is in {evidence}" if evidence else fork.detail
            return Compared(fork.detail, proves=False, error=Fork(told, evidence=fork.evidence), evidence=evidence)
        except Corrupt as error:
            return Compared(error.detail, proves=False, error=error)
    return Compared(statement, proves=read(kept).checkpoint.size > 0)


def _written(evidence: Evidence, path: Path) -> str | None:
    """Write evidence beside the log, or here where that cannot be written; the finding counts, written or not."""
    for place in (path.with_name(evidence.name), Path(evidence.name)):
        try:
            return evidence.write(place).name
        except OSError as error:
            note(f"note: the evidence cannot be written to {place}: {error.strerror}")
    return None


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


@click.command()
@as_json
@click.pass_context
def doctor(context: click.Context, /, *, as_json: bool) -> None:
    """Look at the log, its views and the machine; say what is wrong and what to do. Exit code 1 where something fails.

    Changes nothing, and works while a server is writing the log.

    \b
    timeline doctor
    """
    from timeline.cli.checks import examine

    settings: Settings = context.obj
    checks = list(examine(settings.db, settings.key))
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        console().print(_checks_table(checks))
    context.exit(1 if any(check.state == "fail" for check in checks) else 0)


def _checks_table(checks: Sequence[Check]) -> Any:  # noqa: ANN401 - a Table; importing it here would be slow
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
