"""`show`, `export` and `history`: what a timeline says, as a table, in a format, or revision by revision."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import rich_click as click

from timeline.cli.opening import present, readable
from timeline.cli.options import as_json, asked, query_options, taken
from timeline.cli.output import console, note, print_json, say, write
from timeline.errors import Malformed, NotFound

if TYPE_CHECKING:
    from timeline.cli.root import Settings
    from timeline.formats import Sheet

FORMAT_NAMES = ("json", "ndjson", "csv", "timelinejs", "vis", "fullcalendar", "ics", "jsonfeed", "atom", "timesketch",
                "geojson", "jsonld", "html", "log")


@click.command()
@query_options()
@as_json
@click.pass_obj
def show(settings: Settings, /, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - options of the table
    """Show events as a table in the terminal, oldest first.

    \b
    timeline show
    timeline show --actor karoline-leavitt --from 2025-08-19
    timeline show --topic us-troops --lang fr
    timeline show --q '"boots on the ground"' --json
    """
    import msgspec

    from timeline.cli.tables import events_table

    pairs = taken(options)
    query = asked(pairs)
    names: dict[str, str] = {}
    if settings.url:
        from timeline.cli.remote import Remote

        with Remote(settings.url, settings.token) as remote:
            page = remote.page(pairs)
        events = [msgspec.json.decode(item) for item in page.items]
        position, cursor = page.position, _cursor(page.next)
    else:
        with readable(settings.db) as timeline:
            for actor in query.actors:
                timeline.body("actor", actor)  # or NotFound, with the nearest name
            answer = timeline.ask(query)
            events = [msgspec.json.decode(body) for body in answer.bodies]
            position, cursor = answer.position, answer.cursor
            names = _names(timeline, events, answer.position)
    if as_json:
        print_json({"items": events, "position": position} | ({"cursor": cursor} if cursor else {}))
        return
    if events:
        console().print(events_table(events, names, query.lang or "en"))
    say(f"{len(events)} event{'' if len(events) == 1 else 's'} as of position {position}"
        + (f"; more with the same options and --cursor {cursor}" if cursor else ""))


def _names(timeline: Any, events: Iterable[dict[str, Any]], position: int) -> dict[str, str]:  # noqa: ANN401
    """Give the names of the actors in some events."""
    names = {}
    for actor in {part["id"] for event in events for part in event.get("actors", [])}:
        with suppress(NotFound):
            names[actor] = timeline.actor(actor, position)["name"]
    return names


def _cursor(following: str | None) -> str | None:
    from urllib.parse import parse_qs, urlsplit

    return None if following is None else parse_qs(urlsplit(following).query).get("cursor", [None])[0]


@click.command()
@click.option("-f", "--format", "format_", type=click.Choice(FORMAT_NAMES), default="ndjson", show_default=True,
              help="`log` writes the records themselves, byte for byte; the others write events.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-",
              help="File to write; it is complete or not there at all. Default: standard output.")
@query_options(without=("cursor",))
@click.pass_obj
def export(settings: Settings, /, *, format_: str, output: Path, **options: Any) -> None:  # noqa: ANN401
    """Write events in a format for other programs, or the whole log.

    All events of the question are written, unless --limit says how many.

    \b
    timeline export -f csv -o events.csv
    timeline export -f ndjson --topic us-troops > troops.ndjson
    timeline export -f ics --actor keir-starmer -o starmer.ics
    timeline export -f log -o backup.log.ndjson
    """
    pairs = taken(options)
    with ExitStack() as stack:
        if format_ == "log":
            _deliver(_log_chunks(settings, pairs, stack), output)
            return
        from timeline.formats import FORMATS

        sheet = _sheet(settings, pairs, stack)
        _deliver(FORMATS[format_].stream(sheet), output)
    for sentence in sheet.losses.sentences():
        note(sentence)


def _deliver(chunks: Iterator[bytes], output: Path) -> None:
    if str(output) == "-":
        for chunk in chunks:
            write(chunk)
        return
    with replacing(output) as stream:
        for chunk in chunks:
            stream.write(chunk)
    note(f"wrote {output}")


def _sheet(settings: Settings, pairs: list[tuple[str, str]], stack: ExitStack) -> Sheet:
    from dataclasses import replace
    from functools import cache, partial

    from timeline.formats import Sheet, actor_name, localised
    from timeline.query import MAX_LIMIT

    query = asked(pairs)
    limit = query.limit if any(key == "limit" for key, _ in pairs) else None
    if settings.url:
        from timeline.cli.remote import Remote

        remote = stack.enter_context(Remote(settings.url, settings.token))
        position, bodies = remote.everything([pair for pair in pairs if pair[0] != "limit"])
        origin, describe = remote.origin(), remote.actor
    else:
        timeline = stack.enter_context(readable(settings.db))
        for actor in query.actors:
            timeline.body("actor", actor)
        position, _ = timeline.resolve(query)
        bodies = timeline.bodies(replace(query, at=position, as_of=None, limit=MAX_LIMIT))
        origin, describe = timeline.origin, partial(timeline.body, "actor")
    shown = (each for body in bodies for each in localised([body], query.lang)) if query.lang else bodies
    name_of = cache(lambda id_: actor_name(describe(id_, position), query.lang))
    return Sheet(islice(shown, limit), position, origin=origin, name_of=name_of)


def _log_chunks(settings: Settings, pairs: list[tuple[str, str]], stack: ExitStack) -> Iterator[bytes]:
    from timeline.importing import write_log
    from timeline.log.sqlite import LogFile

    if pairs:
        raise Malformed(f"--{pairs[0][0].replace('_', '-')}: a log is exported whole, without a question")
    if settings.url:
        raise Malformed("a log is exported where it is: leave out --url")
    log = LogFile(present(settings.db))
    stack.callback(log.close)
    return write_log(log)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes its place when it is complete; until then, what was there stays."""
    if not path.absolute().parent.is_dir():
        raise NotFound(f"there is no directory {path.parent} to write {path.name} in")
    if path.exists() and not path.is_file():  # a pipe or a device has no place to take
        with path.open("wb") as stream:
            yield stream
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@click.command()
@click.argument("event", metavar="EVENT")
@as_json
@click.pass_obj
def history(settings: Settings, /, *, event: str, as_json: bool) -> None:
    """Show every revision of an event: who said what, when, why, and what changed.

    \b
    timeline history alaska-summit
    timeline history alaska-summit --json
    """
    from timeline.cli.tables import history_lines

    if settings.url:
        from timeline.cli.remote import Remote

        with Remote(settings.url, settings.token) as remote:
            versions = remote.history(event)
    else:
        with readable(settings.db) as timeline:
            versions = timeline.history(event)
    if as_json:
        print_json(versions)
        return
    out = console()
    for line in history_lines(versions):
        out.print(line)
