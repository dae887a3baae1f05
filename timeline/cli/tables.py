"""Events, revisions and positions as tables and lines for the terminal. Text from the log is text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from timeline.records import canonical
from timeline.wording import label, when_in_words

STATUS_STYLE: Final = {"confirmed": "green", "disputed": "yellow", "denied": "red", "cancelled": "red",
                       "planned": "cyan"}
MOST_ACTORS: Final = 4


def when(event: dict[str, Any], lang: str = "en") -> str:
    """Say an event's date in words."""
    expected = event.get("kind") == "plan"
    return when_in_words(event.get("when"), lang, event.get("tz"), event.get("anchor"), expected=expected)


def events_table(events: Iterable[dict[str, Any]], names: dict[str, str], lang: str = "en") -> Table:
    """Lay events out: date in words, title and id, actors, status; a question mark where the date is inferred."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("When", ratio=3, overflow="fold")
    table.add_column("What", ratio=6, overflow="fold")
    table.add_column("Who", ratio=4, overflow="fold")
    table.add_column("Status", ratio=2, overflow="fold")
    for event in events:
        what = Text(event["title"])
        if "retracted" in event or "merged_into" in event:
            what.stylize("strike")
        what.append(f"\n{event['id']}", style="dim")
        doubt = " (?)" if event.get("certainty") == "inferred" else ""
        table.add_row(Text(when(event, lang) + doubt), what, Text(_who(event, names, lang)), _status(event, lang))
    return table


def _who(event: dict[str, Any], names: dict[str, str], lang: str) -> str:
    parts = event.get("actors", [])
    shown = [f"{names.get(part['id'], part['id'])} ({label('role', part['role'], lang)})"
             for part in parts[:MOST_ACTORS]]
    if len(parts) > MOST_ACTORS:
        shown.append(f"… and {len(parts) - MOST_ACTORS} more")
    return "\n".join(shown)


def _status(event: dict[str, Any], lang: str) -> Text:
    if "retracted" in event:
        return Text("✗ retracted", style="red")
    if "merged_into" in event:
        return Text(f"merged into {event['merged_into']}", style="red")
    status = event.get("status", "")
    return Text(label("status", status, lang), style=STATUS_STYLE.get(status, ""))


def positions_table(entries: Iterable[dict[str, Any]], names: dict[str, str]) -> Table:
    """Lay out who stood where on a topic, with changes of stance and citations."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, ratio in (("When", 3), ("Who", 3), ("Position", 3), ("Event", 5), ("Citations", 7)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for entry in entries:
        position = Text(label("position", entry["position"], "en"))
        if before := entry.get("changed_from"):
            position = Text(f"{label('position', before, 'en')} → {label('position', entry['position'], 'en')}",
                            style="bold")
        cited = "\n".join(_citation(citation) for citation in entry.get("citations", []))
        who = names.get(entry["actor"], entry["actor"])
        table.add_row(Text(when(entry)), Text(who), position, Text(entry["title"]), Text(cited, style="dim"))
    return table


def _citation(citation: dict[str, Any]) -> str:
    if "start" not in citation:
        return str(citation["source"])
    return f"{citation['source']}#{citation['start']}-{citation['end']}"


def history_lines(versions: Iterable[dict[str, Any]]) -> Iterator[Text]:
    """Tell revisions one by one, each with its difference from the one before."""
    before: dict[str, Any] = {}
    for version in versions:
        revision, event = version["revision"], version["event"]
        what = label("record", revision["type"], "en")
        line = Text(f"revision {revision['number']}", style="bold")
        line.append(f" · position {revision['position']} · {revision['recorded_at']} · {what} by {revision['author']}",
                    style="dim")
        yield line
        if reason := revision.get("reason"):
            yield Text(f"  why: {reason}")
        if merged := version.get("merged_into"):
            yield Text(f"  merged into {merged}")
        if not before:
            yield from _told(event)
        for name in version.get("changes", {}):
            yield from changed_lines(name, before.get(name), event.get(name))
        before = event


def _told(event: dict[str, Any]) -> Iterator[Text]:
    yield Text(f"  {event['title']}")
    yield Text(f"  when: {event.get('when', '')} ({when(event)})")


def changed_lines(name: str, old: Any, new: Any) -> Iterator[Text]:  # noqa: ANN401 - JSON
    if isinstance(old, list) and isinstance(new, list):
        gone = [item for item in old if item not in new]
        come = [item for item in new if item not in old]
    else:
        gone, come = ([] if value is None else [value] for value in (old, new))
    yield Text(f"  {name}:")
    for item in gone:
        yield Text(f"    - {_shown(item)}", style="red")
    for item in come:
        yield Text(f"    + {_shown(item)}", style="green")


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON
    """Show a value on one line: citations and participations as their short forms."""
    match value:
        case str():
            return value
        case {"source": str(), **more}:
            said = f" “{more['phrase']}”" if "phrase" in more else ""
            return _citation(value) + said + (f" ({more['when']})" if "when" in more else "")
        case {"id": str(), "role": str(), **more} if set(more) <= {"on_behalf_of"}:
            return f"{value['id']} ({value['role']})" + "".join(f" on behalf of {who}" for who in more.values())
        case _:
            return canonical(value).decode()
