"""Pages to be put into a frame on somebody else's page: a list of events, one event, or a snapshot.

An embed is compact, needs no script, and opens its links in a tab of their own: the pages they lead to refuse to be
framed. What it cannot show it says within the frame, under the same policy, where the reader of that page sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from timeline.chronicle import Timeline
from timeline.errors import NotFound
from timeline.query import BY_NAME, Pairs
from timeline.web.filters import url
from timeline.web.metadata import OEMBED_TYPES, Site, readable
from timeline.web.page import ONE, Asset, Page, Sheet, listed, open_sheet, render, version_at
from timeline.web.past import moment
from timeline.web.share import subject, timeless
from timeline.web.show import View, event_view
from timeline.web.snapshot import groups_of, title_of, travel

MOST: Final = 100
"""Events of a snapshot that one frame shows; of a question, `limit` says."""


@dataclass(slots=True)
class Embedded:
    """What one embed shows. `more` counts the events it leaves out, None where nobody has counted them."""

    sheet: Sheet
    title: str
    events: list[View]
    whole: str
    whole_words: str = "embed-whole"
    more: int | None = 0
    single: bool = False
    detail: str = ""
    frozen: bool = False

    @property
    def pinned(self) -> bool:
        """Whether it shows one state of the log, and no later one."""
        return self.frozen or self.sheet.asked.final

    @property
    def address(self) -> str:
        """Give its own address, from the first slash: all of what it was asked, and so pinned if that was."""
        return url(self.sheet.path, readable(self.sheet.asked))

    def page(self) -> Page:
        """Render it."""
        sheet = self.sheet
        code = 404 if self.detail else sheet.asked.status
        recorded = sheet.scene.lookup.timeline.reader().recorded_at(sheet.asked.position) if self.pinned else None
        site = sheet.site or Site()
        made = {
            "events": self.events, "whole": self.whole, "whole_words": self.whole_words, "more": self.more,
            "single": self.single, "detail": self.detail, "pinned": self.pinned, "canonical": site.link(self.whole),
            "recorded": moment(recorded, sheet.scene.lang) if recorded else "", "oembed": self._oembed(site),
        }
        html = render("embed.html", sheet.asset, sheet.scene.lang, title=self.title, scene=sheet.scene,
                      asked=sheet.asked, made=made)
        return Page(code, html, sheet.asked.position, sheet.asked.final and code == 200)

    def _oembed(self, site: Site) -> list[View]:
        own = site.absolute(self.address)
        return [{"type": media_type, "title": "oEmbed",
                 "href": site.link(url("/oembed", [("url", own), ("format", name)]))}
                for name, media_type in OEMBED_TYPES.items()] if own and not self.detail else []


def question_embedded(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = (),
                      site: Site | None = None) -> Embedded:
    """Show the answer to a question: every parameter of ``/`` means the same here."""
    sheet = open_sheet(timeline, "/embed", parameters, BY_NAME, asset, languages, site=site)
    shown = listed(timeline, sheet)
    events = [event for group in shown["groups"] for event in group["events"]]
    more = None if shown["next"] else 0
    if shown["next"] and shown["count"] is not None and sheet.asked.query.after is None:
        more = shown["count"] - len(events)
    whole = url("/", [pair for pair in readable(sheet.asked) if pair[0] not in ("limit", "cursor")])
    return Embedded(sheet, subject(sheet.scene, sheet.asked.query), events, whole, more=more)


def event_embedded(timeline: Timeline, event_id: str, parameters: Pairs, *, asset: Asset,
                   languages: Sequence[str] = (), site: Site | None = None) -> Embedded:
    """Show one event, with its summary."""
    sheet = open_sheet(timeline, f"/embed/events/{event_id}", parameters, ONE, asset, languages, site=site)
    whole = url(f"/events/{event_id}", readable(sheet.asked))
    try:
        body, _ = version_at(timeline, sheet, event_id)
    except NotFound as error:
        return Embedded(sheet, sheet.scene.t("not-found"), [], url("/", sheet.asked.kept()), detail=error.detail)
    view = event_view(sheet.scene, body)
    return Embedded(sheet, view["title"]["text"], [view], whole, "embed-whole-event", single=True)


def snapshot_embedded(timeline: Timeline, made: Mapping[str, Any], parameters: Pairs, *, asset: Asset,
                      languages: Sequence[str] = (), site: Site | None = None) -> Embedded:
    """Show a published snapshot; what was erased since is not there any more."""
    sheet = open_sheet(timeline, f"/embed/snapshots/{made['id']}", parameters, ("lang",), asset, languages, site=site)
    whole = timeless(sheet.scene, f"/snapshots/{made['id']}")
    question = travel(timeline, sheet, made)
    groups = groups_of(sheet.scene, made["events"][:MOST])
    events = [event for group in groups for event in group["events"]]
    return Embedded(sheet, title_of(sheet.scene, question), events, whole, "embed-whole-snapshot",
                    max(0, len(made["events"]) - MOST), frozen=True)


__all__ = ["Embedded", "event_embedded", "question_embedded", "snapshot_embedded"]
