"""Taking a question elsewhere: every format, feeds to subscribe to, a frame to embed, an address to cite.

All of it is made from the question a page shows, and keeps its filters. Nothing here needs a script.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from timeline.chronicle import Timeline
from timeline.formats import FORMATS
from timeline.formats.markup import text as escaped
from timeline.query import MAX_LIMIT, Query, parse_query
from timeline.web.filters import Asked, Pair, url
from timeline.web.metadata import (
    FEEDS,
    NAMES,
    Site,
    api_address,
    embed_address,
    feed_address,
    question_pairs,
    readable,
)
from timeline.web.past import moment
from timeline.web.show import Scene, View, topic_name
from timeline.web.words import FORMATS_IN_FRENCH
from timeline.wording import deslug

WIDTH: Final = 600
HEIGHT: Final = 480
"""CSS pixels of a frame, where nobody asks for others."""

SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
"""What a frame may do: open its links in a tab of their own. No script, no form, no origin."""

ROOT_DIGITS: Final = 16
NAMED: Final = 4
"""Things that a title names; more of them make no title."""

_PINS: Final = ("at", "as_of", "cursor")
_SHOWN: Final = ("lang", "limit", "order", *_PINS)
"""Parameters that a snapshot has none of, or gets as a position."""


def frame(address: str, title: str, width: int | str = WIDTH, height: int = HEIGHT) -> str:
    """Write the HTML that puts an address into a page of somebody else's.

    >>> frame("https://t.example/embed?a=1&b", 'Say "so"', 300, 200).partition(" width")[0]
    '<iframe src="https://t.example/embed?a=1&amp;b" title="Say &quot;so&quot;"'
    """
    return (f'<iframe src="{escaped(address)}" title="{escaped(title)}" width="{width}" height="{height}" '
            f'sandbox="{SANDBOX}" referrerpolicy="no-referrer" loading="lazy" '
            'style="border:0;max-width:100%"></iframe>')


def subject(scene: Scene, query: Query) -> str:
    """Name what a question is about: its actors, topics and places; the site where it asks about everything."""
    names = [*map(scene.lookup.name, query.actors), *map(topic_name, query.topics),
             *(deslug(place).title() for place in query.places)]
    return " · ".join(names[:NAMED]) + ("…" if len(names) > NAMED else "") or scene.t("site")


def share_view(timeline: Timeline, site: Site, path: str, asked: Asked, scene: Scene) -> View:
    """Give the panel of a page that shows the answer to a question."""
    pairs = [pair for pair in readable(asked) if pair[0] != "cursor"]
    question = question_pairs(path, pairs) or []
    query = parse_query(question)
    title = subject(scene, query)
    frame_address = site.absolute(embed_address(path, pairs) or "")
    return {
        "formats": _formats(site, path, pairs, scene.lang), "most": MAX_LIMIT,
        "feeds": _feeds(site, path, [pair for pair in pairs if pair[0] not in _PINS]),
        "snippet": frame(frame_address, title, "100%") if frame_address else "",
        "preview": embed_address(path, pairs),
        "cite": _cite(timeline, site, path, asked, scene, title) if asked.position else None,
        "command": _command(site, question, asked.position),
        "frozen": _frozen(site, query, asked, scene),
    }


def _formats(site: Site, path: str, pairs: Sequence[Pair], lang: str) -> list[View]:
    """Link to the answer in every format, as whole as one request can give it."""
    whole = pairs if any(name == "limit" for name, _ in pairs) else [*pairs, ("limit", str(MAX_LIMIT))]
    found = []
    for name, format_ in FORMATS.items():
        known = FORMATS_IN_FRENCH.get(name) if lang == "fr" else None
        description, loses = known or (format_.description, format_.loses)
        found.append({"name": name, "href": site.link(api_address(path, whole, name) or ""),
                      "type": format_.media_type.partition(";")[0], "description": description, "loses": loses,
                      "lang": None if known or lang == "en" else "en"})
    return found


def _feeds(site: Site, path: str, pairs: Sequence[Pair]) -> View:
    """Give what can be subscribed to. It follows the log: a feed of one position would never have news."""
    addresses = {name: feed_address(path, pairs, name) or "" for name in FEEDS}
    calendar = site.absolute(addresses["ics"])
    return {
        "webcal": f"webcal:{calendar.partition(':')[2]}" if calendar else "",
        "others": [{"name": NAMES[name], "href": site.link(address),
                    "type": FORMATS[name].media_type.partition(";")[0]}
                   for name, address in addresses.items() if name != "ics" or not calendar],
    }


def _cite(timeline: Timeline, site: Site, path: str, asked: Asked, scene: Scene, title: str) -> View:
    """Give the address of this state of the page, and a text to cite it by."""
    rest = [pair for pair in readable(asked) if pair[0] not in _PINS]
    pinned = url(path, [*rest, ("at", str(asked.position))])
    address = site.absolute(pinned) or pinned
    recorded = timeline.reader().recorded_at(asked.position)
    return {
        "href": pinned, "address": address,
        "text": scene.t("cite-text", title=title, origin=timeline.origin, position=asked.position,
                        when=moment(recorded, scene.lang) if recorded else "—", url=address,
                        root=timeline.root_at(asked.position).hex()[:ROOT_DIGITS]),
    }


def _command(site: Site, question: Sequence[Pair], position: int) -> str:
    """Write the command that publishes a snapshot of the question, as the page shows it."""
    options = [*(pair for pair in question if pair[0] not in _SHOWN), ("at", str(position))]
    server = ["--url", site.base] if site.base else []
    words = ["timeline", *server, "snapshot", "create"]
    for name, value in options:
        option = "--" + name.replace("_", "-")
        words += [f"{option}={value}"] if value.startswith("-") else [option, value]
    return shlex.join([*words, "-o", "timeline.bundle.json"])


def _frozen(site: Site, query: Query, asked: Asked, scene: Scene) -> View | None:
    """Link to the newest published snapshot of the question; on a page of the past, to one of that very position."""
    found = site.frozen(query, asked.position if asked.final else None)
    if found is None:
        return None
    return {"href": timeless(scene, f"/snapshots/{found['id']}"), "id": found["id"], "position": found["size"]}


def timeless(scene: Scene, path: str) -> str:
    """Link to a page that has its own time: only the language is kept."""
    return url(path, [pair for pair in scene.kept if pair[0] == "lang"])


__all__ = ["HEIGHT", "SANDBOX", "WIDTH", "frame", "share_view", "subject", "timeless"]
