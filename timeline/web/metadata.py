"""What a page says of itself to programs: its addresses, feeds and formats, Open Graph, oEmbed and schema.org.

An address in a head is absolute where the server was told its public address. Where it was not, links stay relative, as
a reader behind any proxy needs them, and only what is useless otherwise (Open Graph, oEmbed, what people copy) is made
from the host that the request was sent to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from timeline.formats import FORMATS
from timeline.query import BY_NAME, MAX_LIMIT, Query
from timeline.web.filters import Asked, Pair, url
from timeline.web.show import Scene, View

FEEDS: Final = ("atom", "jsonfeed", "ics")
"""Formats that are subscribed to: what is newest comes first, so that a limit cuts off what is oldest."""

NAMES: Final = {"json": "JSON", "atom": "Atom", "jsonfeed": "JSON Feed", "ics": "iCalendar"}
LOCALES: Final = {"en": "en_GB", "fr": "fr_FR"}
LONGEST: Final = 200
"""Characters of a description; whoever shows one cuts it at about as many."""

OEMBED_TYPES: Final = {"json": "application/json+oembed", "xml": "text/xml+oembed"}
_RANK: Final = {name: number for number, name in enumerate(BY_NAME)}
_PARTS: Final = {"actors": "actor", "topics": "topic"}

Frozen = Callable[[Query, int | None], Mapping[str, Any] | None]
"""Finds the newest published snapshot of a question, of one position where that is given."""


def _nothing(_: Query, __: int | None) -> None:
    """Know no snapshots."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where pages are served.

    `base` is scheme, host and port; empty where nobody can tell. It is `fixed` where the server was told it, and else
    the host of one request, which must not be kept for others. `frozen` finds published snapshots.
    """

    base: str = ""
    fixed: bool = False
    frozen: Frozen = _nothing

    def absolute(self, path: str) -> str:
        """Give the absolute address of a path; empty where nobody can tell."""
        return f"{self.base}{path}" if self.base else ""

    def link(self, path: str) -> str:
        """Give the address of a path for a link: absolute where the server was told its own."""
        return f"{self.base}{path}" if self.fixed else path


# ---------------------------------------------------------------------------------------------- addresses

def readable(asked: Asked) -> list[Pair]:
    """List the parameters of a page that could be read, in one order whatever order they came in."""
    kept = [pair for pair in asked.given if pair[0] not in asked.faults]
    return sorted(kept, key=lambda pair: (_RANK.get(pair[0], len(_RANK)), pair[1]))


def question_pairs(path: str, pairs: Sequence[Pair]) -> list[Pair] | None:
    """Give the parameters of a question about events that means what a page shows; None where it shows no such list.

    >>> question_pairs("/topics/crimea", [("at", "9")])
    [('at', '9'), ('topic', 'crimea')]
    """
    if path == "/":
        return list(pairs)
    kind, _, name = path.strip("/").partition("/")
    if name and kind in _PARTS:
        return [*(pair for pair in pairs if pair[0] != _PARTS[kind]), (_PARTS[kind], name)]
    return None


def api_address(path: str, pairs: Sequence[Pair], format_: str = "") -> str | None:
    """Give the address of what a page shows in the API, in a format; without one, in the API's own."""
    f = [("f", format_)] if format_ else []
    kind, _, name = path.strip("/").partition("/")
    if name and kind == "actors":
        return url(f"/v1/actors/{name}/timeline", [*(pair for pair in pairs if pair[0] != "actor"), *f])
    question = question_pairs(path, pairs)
    return None if question is None else url("/v1/events", [*question, *f])


def feed_address(path: str, pairs: Sequence[Pair], format_: str) -> str | None:
    """Give the address of a feed of what a page shows: whole up to the API's limit, and the newest where it is not."""
    given = {name for name, _ in pairs}
    more = [(name, value) for name, value in (("order", "desc"), ("limit", str(MAX_LIMIT))) if name not in given]
    return api_address(path, [*pairs, *more], format_)


def embed_address(path: str, pairs: Sequence[Pair]) -> str | None:
    """Give the address to put into a frame for a page; None for pages that cannot be embedded.

    >>> embed_address("/actors/axios", [("at", "9")]), embed_address("/events/note-g", []), embed_address("/docs", [])
    ('/embed?at=9&actor=axios', '/embed/events/note-g', None)
    """
    kind, _, name = path.strip("/").partition("/")
    if kind == "embed":
        return url(path, pairs)
    if name and kind in ("events", "snapshots"):
        return url(f"/embed/{kind}/{name}", pairs)
    question = question_pairs(path, pairs)
    return None if question is None else url("/embed", question)


# ---------------------------------------------------------------------------------------------- the head of a page

def head_view(site: Site, path: str, asked: Asked, scene: Scene, about: Mapping[str, str]) -> View:
    """Give what stands in the head of a page. `about` has its `title`, and may have `description` and `json_ld`."""
    pairs = readable(asked)
    own = url(path, pairs)
    return {
        "canonical": site.link(own),
        "alternates": [*_alternates(site, path, pairs, about["title"]), *_oembed(site, path, own)],
        "description": shortened(about.get("description") or scene.t("tagline")),
        "properties": _open_graph(site, path, own, scene, about),
        "json_ld": about.get("json_ld", ""),
    }


def _alternates(site: Site, path: str, pairs: Sequence[Pair], title: str) -> list[View]:
    """Link to the same in other formats: all of the question is kept, its position too. Readers list them by title."""
    if path.startswith("/events/"):
        kept = [pair for pair in pairs if pair[0] != "reported_by"]  # which the API's address of one event has not
        return [{"type": "application/json", "title": f"{title} (JSON)",
                 "href": site.link(url(f"/v1{path}", kept))}]
    rest = [pair for pair in pairs if pair[0] != "cursor"]
    shown = [("json", api_address(path, rest)), *((name, feed_address(path, rest, name)) for name in FEEDS)]
    return [{"type": FORMATS[name].media_type.partition(";")[0], "title": f"{title} ({NAMES[name]})",
             "href": site.link(address)} for name, address in shown if address is not None]


def _oembed(site: Site, path: str, own: str) -> list[View]:
    """Say where the oEmbed answer is (oEmbed 1.0, section 4)."""
    if not site.base or embed_address(path, []) is None:
        return []
    asked = site.absolute(own)
    return [{"type": media_type, "title": "oEmbed",
             "href": site.link(url("/oembed", [("url", asked), ("format", name)]))}
            for name, media_type in OEMBED_TYPES.items()]


def _open_graph(site: Site, path: str, own: str, scene: Scene, about: Mapping[str, str]) -> list[Pair]:
    """Give Open Graph properties (https://ogp.me); the address only where it is absolute."""
    article = path.startswith(("/events/", "/snapshots/"))
    found = [
        ("og:title", about["title"]),
        ("og:description", shortened(about.get("description") or scene.t("tagline"))),
        ("og:type", "article" if article else "website"),
        ("og:url", site.absolute(own)),
        ("og:site_name", scene.t("site")),
        ("og:locale", LOCALES[scene.lang]),
    ]
    return [pair for pair in found if pair[1]]


def shortened(text: str) -> str:
    """Cut a text at a word, and make one line of it.

    >>> shortened("a b  c"), len(shortened("word " * 99))
    ('a b c', 195)
    """
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    cut = line[: LONGEST - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut else cut}…"


__all__ = ["FEEDS", "NAMES", "OEMBED_TYPES", "Frozen", "Site", "api_address", "embed_address", "feed_address",
           "head_view", "question_pairs", "readable", "shortened"]
