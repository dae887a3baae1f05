"""`erase`: take content away for a lawful reason, and leave the fact that it was there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import rich_click as click

from timeline.cli.opening import present
from timeline.cli.options import as_json
from timeline.cli.output import note, print_json, say
from timeline.errors import Malformed

if TYPE_CHECKING:
    from timeline.cli.root import Settings

GOES = {
    "body": "everything they say, in every revision: title, summary, names, quotes, places",
    "quotes": "the words that citations repeat from their sources, and the digests of those words",
    "text": "the stored text of the source",
}


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--part", required=True, type=click.Choice(tuple(GOES)),
              help="What to erase; the body takes the quotes along.")
@click.option("--of", type=click.Choice(("event", "actor", "source")), default="event", show_default=True,
              help="What ID is the id of.")
@click.option("--reason", required=True, help="Why; shown to readers. Do not repeat in it what is to be erased.")
@click.option("--ground", help="Legal ground, such as: GDPR Art. 17.")
@click.option("--yes", is_flag=True, help="Do not ask: what is erased cannot be brought back.")
@as_json
@click.pass_obj
def erase(
    settings: Settings, /, *, id_: str, part: str, of: str, reason: str, ground: str | None, yes: bool, as_json: bool
) -> None:
    """Erase a part of an event, actor or source in all its revisions. It cannot be undone.

    The log still verifies: headers, hashes and positions stay, and a record says what went, when, why and by whom.
    Events merged into the event go with it. Backups, exports, published files and caches elsewhere must be purged by
    hand.

    \b
    timeline erase leaked-letter --part quotes --reason "the letter is under seal" --ground "court order 12/2026"
    timeline erase afp-2025-08-18 --of source --part text --reason "licence ended"
    timeline --url https://news.example erase a-name --part body --reason "right to be forgotten" --yes
    """
    if not yes:
        _confirm(id_, of, part)
    done = _there(settings, id_, of, part, reason, ground) if settings.url else (
        _here(settings, id_, of, part, reason, ground))
    if as_json:
        print_json(done)
        return
    if not done["new"]:
        say(f"there is nothing left to erase: {of} {id_} has lost its {part} before")
        return
    say(f"erased: the {part} of {of} {id_}; the record at position {done['position']} says so")
    if not done["purged"]:
        note("somebody is reading the files: their last bytes go when that has ended and the log is opened again")
    note("not reached from here: backups, exports, published bundles, copies and caches elsewhere")


def _confirm(id_: str, of: str, part: str) -> None:
    if not sys.stdin.isatty():
        raise Malformed("--yes: say that you mean it; what is erased cannot be brought back")
    click.confirm(f"Erase of {of} {id_}: {GOES[part]}. This cannot be undone. Go on?", abort=True, err=True)


def _here(settings: Settings, id_: str, of: Any, part: str, reason: str, ground: str | None) -> dict[str, Any]:  # noqa: ANN401
    from timeline.chronicle import Timeline

    with Timeline.open(present(settings.db)) as timeline:
        done = timeline.erase(id_, part, reason=reason, of=of, ground=ground)
        return {"id": id_, "of": of, "part": part, "position": done.position, "new": done.new,
                "purged": timeline.is_purged}


def _there(settings: Settings, id_: str, of: str, part: str, reason: str, ground: str | None) -> dict[str, Any]:
    from timeline.cli.remote import Remote

    wanted = {"id": id_, "of": of, "part": part, "reason": reason, "ground": ground}
    with Remote(settings.url or "", settings.token) as remote:
        return remote.erase({name: value for name, value in wanted.items() if value is not None})
