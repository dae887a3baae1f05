"""`snapshot`: freeze the answer to a question, look at it, and check it anywhere."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from timeline.cli.keys import signing
from timeline.cli.opening import present, readable
from timeline.cli.options import as_json, asked, query_options, taken
from timeline.cli.output import advance, console, note, print_json, progress, say
from timeline.cli.reading import replacing
from timeline.errors import Corrupt, Invalid, Malformed, NotFound

if TYPE_CHECKING:
    from timeline.cli.root import Settings
    from timeline.snapshots import Bundle, Check, Published, Report, Snapshot

PRESENTATION: Final = ("cursor", "lang", "limit", "order")
ID_DIGITS: Final = 64
KINDS: Final = ("bundle", "content")


@click.group()
def snapshot() -> None:
    """Freeze an answer so that it can be cited: the same bytes on any machine, verifiable offline.

    \b
    timeline snapshot create --actor karoline-leavitt -o leavitt.bundle.json
    timeline snapshot verify leavitt.bundle.json
    timeline snapshot show leavitt.bundle.json
    """


@snapshot.command("create")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write the bundle to.")
@click.option("--write", "kind", type=click.Choice(KINDS), default="bundle", show_default=True,
              help="What to write: all that offline verification needs, or the snapshot's own bytes alone.")
@click.option("--publish/--no-publish", default=True, show_default=True,
              help="Append a record that names the snapshot, so that the log itself dates it.")
@as_json
@query_options(without=PRESENTATION)
@click.pass_obj
def create(
    settings: Settings, /, *, output: Path | None, kind: str, publish: bool, as_json: bool, **options: Any  # noqa: ANN401
) -> None:
    """Freeze the whole answer to a question, publish it and write a bundle.

    The same question at the same position is the same snapshot, however often it is made.

    \b
    timeline snapshot create --topic us-troops --reported-by 2025-08-18 -o troops.bundle.json
    timeline snapshot create --at 120 --from 2025-08 --no-publish --write content -o august.json
    """
    pairs = taken(options)
    if output is None and not publish:
        raise Malformed("--no-publish: then say where to write it (--output FILE), or nothing is made")
    if settings.url:
        about, data = _create_there(settings, pairs, kind, publish=publish)
    else:
        about, data = _create_here(settings, pairs, kind, publish=publish)
    if output is not None:
        with replacing(output) as stream:
            stream.write(data)
    if as_json:
        print_json(about)
        return
    say(f"snapshot  {about['id']}")
    say(f"content   {about['content']}  {about['entries']} events at position {about['log']['size']}")
    if "published" in about:
        say(f"published at position {about['published']['position']}")
    if output is not None:
        note(f"wrote {output}: check it with `timeline snapshot verify {output}`")


def _create_here(settings: Settings, pairs: list[tuple[str, str]], kind: str, *, publish: bool
                 ) -> tuple[dict[str, Any], bytes]:
    from timeline import snapshots

    query = asked(pairs)
    with signing(settings) as timeline:
        for actor in query.actors:
            timeline.body("actor", actor)
        if not publish:
            made = snapshots.freeze(timeline, query)
            return _about(made, None), _written(timeline, made, None, kind)
        from timeline.chronicle import Timeline
        from timeline.errors import Busy

        if not isinstance(timeline, Timeline):
            raise Busy(f"{settings.db.name} is being written by a server: publish through it with --url, or add "
                       "--no-publish")
        published = snapshots.publish(timeline, query)
        data = _written(timeline, published.snapshot, published.position, kind)
        return _about(published.snapshot, published), data


def _written(timeline: Any, made: Snapshot, position: int | None, kind: str) -> bytes:  # noqa: ANN401 - a timeline
    from timeline.snapshots import make_bundle

    return made.content() if kind == "content" else make_bundle(timeline, made, position).encoded()


def _create_there(settings: Settings, pairs: list[tuple[str, str]], kind: str, *, publish: bool
                  ) -> tuple[dict[str, Any], bytes]:
    from timeline.cli.remote import Remote

    if not publish:
        raise Malformed("--no-publish: a server gives the snapshots it has published")
    with Remote(settings.url or "", settings.token) as remote:
        about = remote.publish(pairs)
        return about, remote.snapshot(about["id"], "bundle" if kind == "bundle" else "json")


def _about(made: Snapshot, published: Published | None) -> dict[str, Any]:
    from timeline.snapshots import digest

    about: dict[str, Any] = {
        "id": made.id, "content": digest(made.content()), "entries": len(made.entries), "query": made.query,
        "log": {"origin": made.log.origin, "root": made.log.root, "size": made.log.size},
    }
    if published is not None:
        about["published"] = {"position": published.position, "recorded_at": published.recorded_at,
                              "author": published.author}
    return about


@snapshot.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--id", "id_", metavar="ID", help="The snapshot that was cited: 64 hexadecimal digits.")
@click.option("--key", "vkey", metavar="VKEY", help="The log's public key, as you know it (`timeline key show`).")
@click.option("--log/--no-log", "with_log", default=None,
              help="Also rebuild it from the log (--db or --url). Default: where one of them was given.")
@as_json
@click.pass_context
def verify(
    context: click.Context, /, *, file: Path, id_: str | None, vkey: str | None, with_log: bool | None, as_json: bool
) -> None:
    """Check a bundle without network or database; with the log, also rebuild every byte of it. Exit code 7 if it fails.

    \b
    timeline snapshot verify leavitt.bundle.json
    timeline snapshot verify leavitt.bundle.json --id 27e8… --key timeline.local/…+1f0c…
    timeline --db timeline.db snapshot verify leavitt.bundle.json
    timeline --url http://localhost:8000 snapshot verify leavitt.bundle.json
    """
    settings: Settings = context.obj
    rebuild = with_log or (with_log is None and bool(settings.url or settings.chosen))
    report = _verified(settings, file.read_bytes(), _wanted(id_), vkey, rebuild=rebuild)
    if as_json:
        print_json(report.plain())
    else:
        _print(report)
    context.exit(0 if report.verdict == "ok" else Corrupt.exit_code)


def _verified(settings: Settings, data: bytes, wanted: str | None, vkey: str | None, *, rebuild: bool) -> Report:
    """Check the bytes of a bundle or of a snapshot alone, which nothing but the log can prove."""
    from timeline.snapshots import Check, Report, verify_bundle

    try:
        made, bundle = _read(data)
    except (Malformed, Invalid) as error:
        return Report("that cannot be read", (Check("form", "failed", error.detail),))
    report = Report(made.id, (_form(made), _cited(made, wanted)))
    if bundle is not None:
        report = verify_bundle(bundle, id_=wanted, vkey=vkey)
    if rebuild or bundle is None:
        report = report._replace(checks=(*report.checks, _with_log(settings, made)))
    return report


def _wanted(id_: str | None) -> str | None:
    if id_ is not None and (len(id_) != ID_DIGITS or set(id_) - set("0123456789abcdef")):
        raise Malformed("--id: expected 64 lower-case hexadecimal digits, the id that was cited")
    return id_


def _read(data: bytes) -> tuple[Snapshot, Bundle | None]:
    """Read a bundle, or a snapshot without evidence."""
    from timeline.snapshots import decode_bundle, decode_snapshot

    if b'"format":"timeline.bundle/' in data:
        bundle = decode_bundle(data)
        return bundle.snapshot, bundle
    return decode_snapshot(data), None


def _form(made: Snapshot) -> Check:
    from timeline.snapshots import Check

    return Check("form", "ok", f"{len(made.entries)} events at position {made.log.size} of {made.log.origin}, in "
                               "canonical form; no evidence beside them")


def _cited(made: Snapshot, wanted: str | None) -> Check:
    from timeline.snapshots import Check

    if wanted is None:
        return Check("id", "unknown", "computed from what it holds: compare it with the citation")
    if wanted != made.id:
        return Check("id", "failed", f"this is snapshot {made.id}, not the one that was cited")
    return Check("id", "ok", "computed from what it holds: it is the one that was cited")


def _with_log(settings: Settings, made: Snapshot) -> Check:
    """Rebuild a snapshot from the log."""
    from timeline.snapshots import compare_with_log

    size = made.log.size
    with progress("rebuilding", size) as bar:
        if settings.url:
            from timeline.cli.remote import Remote

            with Remote(settings.url, settings.token) as remote:
                return compare_with_log(made, remote.origin(), remote.records(size), remote.record,
                                        lambda position: advance(bar, position))
        from timeline.log.sqlite import LogFile

        with closing(LogFile(present(settings.db))) as log:
            return compare_with_log(made, log.origin, log.read(0, size), lambda at: next(log.read(at - 1, 1), None),
                                    lambda position: advance(bar, position))


def _print(report: Report) -> None:
    from rich.text import Text

    styles = {"ok": "green", "FAILED": "bold red", "not": "yellow"}
    out = console()
    for line in report.lines():
        text = Text(line)
        words = line.split()
        if line.startswith("  ") and words and words[0] in styles:
            text.stylize(styles[words[0]], 2, 12)
        out.print(text)
    out.print(_verdict(report))


def _verdict(report: Report) -> Any:  # noqa: ANN401 - a Text; importing it here would be slow
    from rich.text import Text

    failed = [check for check in report.checks if check.state == "failed"]
    if failed:
        return Text(f"not verified: {failed[0].detail}", "bold red")
    unknown = [check.name for check in report.checks if check.state == "unknown"]
    return Text(f"verified, but for what is not known: {', '.join(unknown)}" if unknown else "verified", "green")


@snapshot.command("show")
@click.argument("what", metavar="FILE|ID")
@as_json
@click.pass_obj
def show(settings: Settings, /, *, what: str, as_json: bool) -> None:
    """Show what a snapshot holds: a file, or the id of a published one.

    \b
    timeline snapshot show leavitt.bundle.json
    timeline snapshot show 27e810199bf38924efe2d6ea738677831cf8e976e8ada64f5c8fb1f1c14547b6
    """
    made = _found(settings, what)
    if as_json:
        import msgspec

        print_json(msgspec.Raw(made.content()))
        return
    from timeline.cli.tables import events_table

    names = {actor["id"]: actor.get("name", actor["id"]) for actor in made.actors}
    gone = [entry for entry in made.entries if "title" not in entry.event]
    shown = [entry.event | ({"retracted": entry.retracted} if entry.retracted else {})
             for entry in made.entries if "title" in entry.event]
    if shown:
        console().print(events_table(shown, names))
    for entry in gone:
        say(f"{entry.event['id']}: erased")
    say(f"snapshot {made.id}\n{len(made.entries)} events at position {made.log.size} of {made.log.origin}")


def _found(settings: Settings, what: str) -> Snapshot:
    from timeline.snapshots import decode_bundle, find

    if Path(what).is_file():
        return _read(Path(what).read_bytes())[0]
    if len(what) != ID_DIGITS:
        raise NotFound(f"there is no file {what}, and an id has {ID_DIGITS} hexadecimal digits")
    if settings.url:
        from timeline.cli.remote import Remote

        with Remote(settings.url, settings.token) as remote:
            return decode_bundle(remote.snapshot(what, "bundle")).snapshot
    with readable(settings.db) as timeline:
        return find(timeline, what).snapshot


@snapshot.command("list")
@as_json
@click.pass_obj
def list_(settings: Settings, /, *, as_json: bool) -> None:
    """List the snapshots that were published, newest first.

    \b
    timeline snapshot list
    """
    if settings.url:
        from timeline.cli.remote import Remote

        with Remote(settings.url, settings.token) as remote:
            items = remote.snapshots()
    else:
        from timeline.snapshots import listed

        with readable(settings.db) as timeline:
            items = listed(timeline, 2**62, 1_000)
    if as_json:
        print_json(items)
        return
    for item in items:
        published = item["published"]
        say(f"{item['id']}  {item['entries']:>5} events at {item['log']['size']:>7}  {published['recorded_at'][:16]}Z")
    if not items:
        say("no snapshot was published yet: `timeline snapshot create` publishes one")
