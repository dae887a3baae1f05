"""`changes`: what was corrected since a position, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from timeline.cli.opening import readable
from timeline.cli.options import as_json, query_options, taken
from timeline.cli.output import console, print_json, say

if TYPE_CHECKING:
    from rich.text import Text

    from timeline.cli.root import Settings

WITHOUT: Final = ("at", "as_of", "order", "limit", "cursor")
STYLES: Final = {"added": "green", "restored": "green", "revised": "yellow"}
POSITION: Final = click.IntRange(0, 2**53 - 1)


@click.command()
@click.option("--since", type=POSITION, metavar="N", default=0, show_default=True,
              help="Position of the state that is known: what came after it is told.")
@click.option("--until", type=POSITION, metavar="N", help="Position up to which changes are told. Default: the newest.")
@query_options(without=WITHOUT)
@as_json
@click.pass_obj
def changes(settings: Settings, /, *, since: int, until: int | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Show what changed in the answer to a question since a position: what, who, when and why.

    \b
    timeline changes --since 100
    timeline changes --since 59 --until 120 --place alaska
    timeline changes --since 100 --actor donald-trump --json
    """
    pairs = taken(options)
    found = _asked(settings, pairs, since, until)
    if as_json:
        print_json(found)
        return
    out = console()
    for line in change_lines(found["items"]):
        out.print(line)
    say(in_words(found))


def _asked(settings: Settings, pairs: list[tuple[str, str]], since: int, until: int | None) -> dict[str, Any]:
    """Ask the log or the server, and give all there is."""
    from timeline.query import parse_query

    query = parse_query(pairs)
    if settings.url:
        from timeline.cli.remote import Remote

        span = [("since", str(since)), *([] if until is None else [("until", str(until))])]
        with Remote(settings.url, settings.token) as remote:
            return remote.changes([*pairs, *span])
    with readable(settings.db) as timeline:
        for actor in query.actors:
            timeline.body("actor", actor)  # or NotFound, with the nearest name
        found = timeline.changes(query, since, until)
    return {"items": found.items, "since": found.since, "position": found.until, "summary": found.summary}


def change_lines(items: list[dict[str, Any]]) -> Iterator[Text]:
    """Tell changes one by one, each with its reason and its difference."""
    from rich.text import Text

    from timeline.cli.tables import changed_lines, when

    for item in items:
        kind = (item["change"], f"bold {STYLES.get(item['change'], 'red')}")
        yield Text.assemble(kind, (f" {item['title']}", "bold"), (f" · {item['event']}", "dim"))
        cause = next((f" ({item[type_]})" for type_ in ("actor", "source") if type_ in item), "")
        yield Text(f"  position {item['position']} · {item['recorded_at']} · {item['type']}{cause} by {item['author']}",
                   style="dim")
        if "when" in item and "changes" not in item:
            yield Text(f"  when: {item['when']} ({when(item)})")
        if reason := item.get("reason"):
            yield Text(f"  why: {reason}")
        if merged := item.get("merged_into"):
            yield Text(f"  merged into {merged}")
        for name in item.get("changes", {}):
            yield from changed_lines(name, item["before"].get(name), item["after"].get(name))


def in_words(found: dict[str, Any]) -> str:
    """Sum up in one line."""
    summary = found["summary"]
    parts = [f"{summary[kind]} {kind}" for kind in ("added", "revised", "retracted", "removed", "merged")
             if summary[kind]]
    total = summary["events_changed"]
    said = f"{total} event{'' if total == 1 else 's'} changed" + (f" ({', '.join(parts)})" if parts else "")
    known = f"{summary['corrected']} of those known at {found['since']} corrected" if summary["corrected"] else ""
    return f"{said} from position {found['since']} to {found['position']}" + (f"; {known}" if known else "")
