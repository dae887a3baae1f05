"""`import`: files into the log, on this machine or through a server."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from timeline.cli.opening import named
from timeline.cli.options import as_json
from timeline.cli.output import advance, console, note, print_json, progress, say
from timeline.errors import Malformed, TimelineError
from timeline.model import SLUG_PATTERN
from timeline.records import plain

if TYPE_CHECKING:
    from timeline.cli.root import Settings
    from timeline.importing import File, Manner, Outcome, Target

FORMATS: Final = ("timelinejs", "timesketch", "vis", "fullcalendar", "geojson", "ics")
"""`timeline.importing.NAMES`, without the time that importing it takes."""

SMALL: Final = 200 * 1024 * 1024
"""A log of at most this size is copied for a dry run."""


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--revise", metavar="REASON", help="Correct events that say something else in the log, for this reason.")
@click.option("--dry-run", is_flag=True, help="Check everything against a copy of the log; write nothing.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="What another tool's file is, where its content "
              "does not tell.")
@click.option("--day-first/--month-first", default=None, help="How another tool's file means 10.5.2025; without it "
              "such a date is refused.")
@click.option("--tz", metavar="ZONE", help="IANA zone of the dates in another tool's file, such as Europe/Paris.")
@click.option("--id-prefix", default="", metavar="PREFIX", help="Begin the ids of another tool's events with this.")
@as_json
@click.pass_obj
def import_(
    settings: Settings, /, *, files: tuple[str, ...], dry_run: bool, as_json: bool, format_: str | None,
    id_prefix: str, **how: Any,  # noqa: ANN401 - revise, day_first and tz
) -> None:
    """Import files; a directory means the files in it, - standard input.

    Ours: NDJSON, JSON, CSV, or an exported log. Other tools': TimelineJS3 (JSON, or its spreadsheet as CSV),
    Timesketch (CSV, JSONL), iCalendar, vis-timeline, FullCalendar, GeoJSON. The format is found out from the content.
    Importing again changes nothing, so an import that was cut off is simply repeated. A batch with a fault in it is
    not written: the error names file, line and field. What a file says that cannot be carried over is told.

    With --revise, a row of CSV or of another tool's file changes only what it says: an empty cell, and what the format
    cannot carry, leave things as they are.

    \b
    timeline import seeds/
    timeline import events.csv --dry-run
    cat changes.ndjson | timeline import -
    timeline import corrected.csv --revise "the ministry corrected the date"
    timeline import sheet.csv --day-first --tz Europe/Paris --dry-run
    timeline --url http://127.0.0.1:8000 import new.ndjson        (with TIMELINE_TOKEN)
    """
    from timeline.importing import Manner, find

    manner = Manner(format=format_ or "", prefix=checked_prefix(id_prefix), **how)
    if settings.url and (manner.revise or dry_run):
        raise Malformed(f"{'--revise' if manner.revise else '--dry-run'} works on a log on this machine: leave out "
                        "--url")
    outcome = _import(settings, find(files), manner, dry_run=dry_run)
    if as_json:
        print_json({"read": outcome.read, "new": outcome.new, "unchanged": outcome.unchanged,
                    "revised": outcome.revised, "position": outcome.position, "notes": outcome.notes,
                    "dry_run": dry_run} | ({"sample": [plain(event) for event in outcome.sample]} if dry_run else {}))
        return
    if dry_run:
        _preview(outcome)
    for each in outcome.notes:
        note(f"note: {each}")
    say(f"{'would import' if dry_run else 'imported'} {outcome.new:,} changes"
        + (f", {outcome.unchanged:,} were there already" if outcome.unchanged else "")
        + (f", {outcome.revised:,} of them corrections" if outcome.revised else ""))


def checked_prefix(prefix: str) -> str:
    """Give a prefix with its hyphen; `Malformed` where no id could begin with it."""
    if prefix and not re.fullmatch(SLUG_PATTERN, prefix.removesuffix("-")):
        raise Malformed(f"--id-prefix: expected lower-case letters, digits and single hyphens, got {prefix!r}")
    return f"{prefix.removesuffix('-')}-" if prefix else ""


def _preview(outcome: Outcome) -> None:
    """Show the first events as they would stand."""
    from timeline.cli.tables import events_table

    rows = [{"id": "(the id is made of the title)", **plain(event)} for event in outcome.sample]
    if rows:
        console().print(events_table(rows, {}))


def _import(settings: Settings, files: list[File], manner: Manner, *, dry_run: bool) -> Outcome:
    if settings.url:
        from timeline.cli.remote import Remote

        with Remote(settings.url, settings.token) as remote:
            return run(remote, files, manner)
    if dry_run:
        return _try(settings.db, files, manner)
    named(settings.db, settings.origin)
    with writing(settings.db, files) as target:
        return run(target, files, manner)


def run(target: Target, files: list[File], manner: Manner) -> Outcome:
    """Import with a progress bar; an interruption says what is in."""
    from timeline.importing import Importer

    total = sum(file.size or 0 for file in files) if all(file.size is not None for file in files) else None
    with progress("importing", total, bytes_=True) as bar:
        importer = Importer(target, manner, progress=_meter(bar, files))
        try:
            return importer.run(files)
        except KeyboardInterrupt:
            note(f"interrupted: imported {importer.outcome.settled:,} changes; run the same command again to go on")
            raise


def _meter(bar: Any, files: list[File]) -> Callable[[Outcome], None]:  # noqa: ANN401 - a Progress or None
    return lambda outcome: advance(bar, sum(file.read for file in files), f"{outcome.settled:,} changes")


@contextmanager
def writing(path: Path, files: Sequence[File] = ()) -> Iterator[Target]:
    """Open a log to import files into. Closing it may take a while: the views of a large import get their indexes."""
    from timeline.chronicle import Timeline
    from timeline.importing import Local, expected

    with Timeline.open(path, expecting=expected(files)) as timeline:
        with closing(Local(timeline)) as target:
            timeline.bulk(active=True)
            try:
                yield target
            finally:
                timeline.bulk(active=False)
        with progress("making the indexes of the views" if timeline.is_building else "closing", None):
            timeline.close()


def _try(path: Path, files: list[File], manner: Manner) -> Outcome:
    """Import into a copy that is thrown away."""
    if path.is_file() and path.stat().st_size > SMALL:
        raise Malformed(f"{path.name} is too large to copy for a dry run: import into an empty log first (--db)")
    with tempfile.TemporaryDirectory(prefix="timeline-dry-run-") as folder:
        copy = Path(folder) / path.name
        if path.is_file():
            _copy(path, copy)
        try:
            with writing(copy, files) as target:
                return run(target, files, manner)
        except TimelineError as error:
            detail = error.detail.replace("imported", "would import", 1)
            raise type(error)(f"nothing was written; {detail}", faults=error.faults, **error.members) from None


def _copy(path: Path, copy: Path) -> None:
    """Copy a log and its views while others may be using them."""
    from timeline.connections import open_reader
    from timeline.views.store import views_path

    for old, new in ((path, copy), (views_path(path), views_path(copy))):
        if old.is_file():
            with closing(open_reader(old)) as source, closing(sqlite3.connect(new)) as target:
                source.backup(target)
