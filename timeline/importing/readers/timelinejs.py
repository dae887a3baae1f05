"""TimelineJS3 JSON (NUKnightLab/TimelineJS3, "JSON Data Format"), and what all readers of JSON documents share.

* A date's precision is its smallest part; a number 0 for the hour alone is no time at all. Years count as historians
  do. `dates.from_parts` knows these; a date the widget would move (month 13) is refused.
* A start and an end make an interval, each in its own precision. EDTF has no times of day there: the days are the date,
  and the times stay as a note.
* The words of `display_date` are kept as the event's phrase where they say something else than the dates. Where they
  are the very words this package writes for an unsure date between those dates, they are that date.
* Headlines, texts and captions are HTML and become plain text; their links become sources.
* An event without a date, which the widget leaves out with a message nobody sees, is an error here.
* A repeated `unique_id` gets ``-2``, as in the widget.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from timeline.edtf import EdtfError, parse
from timeline.errors import Fault, Invalid, TimelineError
from timeline.formats.markup import picture
from timeline.importing.drafts import Draft, Link, Mention, Reading, Unread
from timeline.importing.readers import dates, html
from timeline.model import Actor, Event, Source
from timeline.records import convert, escape_pointer, settle
from timeline.wording import deslug, when_in_words

Lines = Callable[[int], int]
"""Gives the line at which an item of the document begins."""

RETRACTED: Final = "events that were retracted"
END_NOTED: Final = "times of day of an end: they stand in the note"
_MARKS: Final = re.compile(r"\[(disputed|denied|planned|cancelled|retracted)\] (?=\S)")
_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_DOUBTS: Final = ("{0}", "[{0}..{1}]", "{0}/{1}", "[..{1}]", "[{0}..]", "../{1}", "{0}/..", "{0}/", "/{1}",
                  "{0}?", "{0}~", "{0}%", "{0}?/{1}?", "{0}~/{1}~", "{0}Z")


# ---------------------------------------------------------------------------------------------- what readers share

@dataclass(frozen=True, slots=True)
class Item:
    """One object of a document, and the JSON pointer (RFC 6901) that names it in messages."""

    values: Mapping[str, Any]
    pointer: str
    reading: Reading

    def wrong(self, name: str, detail: str) -> Invalid:
        """Make the error of a member."""
        return wrong(f"{self.pointer}/{escape_pointer(name)}", detail)

    def has(self, name: str) -> bool:
        """Whether a member says anything."""
        return self.values.get(name) not in (None, "", [], {})

    def text(self, name: str) -> str:
        """Give a member that is text or a number, without space around it; "" where it is absent.

        Raises:
            Invalid: it is something else.

        """
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(name, f"expected text, got {kind_of(value)}")
        return str(value).strip()

    def markup(self, name: str) -> tuple[str, list[Link]]:
        """Give the plain text and the links of a member that is HTML."""
        return html.plain(self.text(name))

    def line(self, name: str) -> str:
        """Give the plain text of a member that is HTML, on one line."""
        return one_line(self.markup(name)[0])

    def below(self, name: str) -> Item | None:
        """Give a member that is an object; None where it is absent.

        Raises:
            Invalid: it is something else.

        """
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, f"expected an object, got {kind_of(value)}")
        return Item(value, f"{self.pointer}/{escape_pointer(name)}", self.reading)

    @contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """Let errors of what is read from a member name it, or the part of it that they name themselves."""
        try:
            yield
        except Invalid as error:
            part = error.faults[0].pointer.lstrip("/") if error.faults else ""
            where = f"{self.pointer}/{escape_pointer(name)}" + (f"/{part}" if part else "")
            raise wrong(where, error.faults[0].detail if error.faults else error.detail) from None

    def count_others(self, known: frozenset[str]) -> None:
        """Count the members that are not read, by their names."""
        self.reading.losses.update(f"member {name[:40]!r}" for name in self.values
                                   if name not in known and self.has(name))


def wrong(pointer: str, detail: str) -> Invalid:
    """Make an error that names a place in a document."""
    return Invalid(f"{pointer or 'the item'}: {detail}", faults=(Fault(pointer, detail),))


def kind_of(value: object) -> str:
    """Name the kind of a JSON value, as messages do."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
    return kinds.get(type(value), "a number")


def one_line(text: str) -> str:
    """Put text on one line."""
    return " ".join(text.split())


def each(items: object, pointer: str, reading: Reading, lines: Lines,
         read_one: Callable[[int, Item], Draft | None]) -> Iterator[Draft | Unread]:
    """Read the items of a list one by one; what an item that cannot be read would have lost is not counted."""
    if not isinstance(items, list):
        yield Unread(1, wrong(pointer, f"expected a list, got {kind_of(items)}"))
        return
    for index, values in enumerate(items):
        where = f"{pointer}/{index}"
        own = replace(reading, losses=Counter(), skipped=Counter())
        try:
            if not isinstance(values, dict):
                raise wrong(where, f"expected an object, got {kind_of(values)}")
            draft = read_one(lines(index), Item(values, where, own))
        except TimelineError as error:
            yield Unread(lines(index), error)
            continue
        reading.losses.update(own.losses)
        reading.skipped.update(own.skipped)
        if draft is not None:
            yield draft


def checked(draft: Draft, item: Item, members: Mapping[str, str]) -> Draft:
    """Give a draft back that the log would take; what it would refuse is blamed on the member of the file it is from.

    `members` maps fields (``/title``, ``/actors/name``, ``/links``) to members (``/text/headline``); "" is put before
    all others.

    Raises:
        Invalid: a text is too long or holds control characters, an address is none, a value is out of its range.

    """
    parts: list[tuple[str, dict[str, Any], type]] = [("", draft.event, Event)]
    parts += [("/actors", {"kind": each.kind or "group", "name": each.name}, Actor) for each in draft.actors]
    parts += [("/links", {"title": each.title or each.url[:500], "url": each.url}, Source) for each in draft.links]
    for part, values, type_ in parts:
        try:
            settle(convert(values, type_))
        except Invalid as error:
            where, detail = part + error.faults[0].pointer, error.faults[0].detail
            found = next((name for name in sorted(members, reverse=True) if where.startswith(name)), "")
            raise wrong(item.pointer + (members[found] if found else members.get("", "") + where), detail) from None
        except UnicodeEncodeError:
            raise wrong(item.pointer, "half of a surrogate pair: expected text in UTF-8") from None
    return draft


def unmarked(title: str) -> tuple[str, str]:
    """Take the mark off a title that our own writers put there; it is the status.

    >>> unmarked("[denied] A meeting"), unmarked("[1] A meeting")
    (('A meeting', 'denied'), ('[1] A meeting', ''))
    """
    mark = _MARKS.match(title)
    return (title[mark.end():], mark[1]) if mark else (title, "")


def put_title(event: dict[str, Any], title: str, reading: Reading) -> bool:
    """Put a title without its mark, and the status that the mark says; False for what was retracted."""
    event["title"], mark = unmarked(title)
    if mark == "retracted":
        reading.skipped[RETRACTED] += 1
        return False
    if mark:
        event["status"] = mark
    return True


def span(start: str, end: str, reading: Reading) -> dict[str, str]:
    """Give `when`, and a `note` with what EDTF cannot say: intervals have no times of day.

    An event that begins at a time is dated by that time; its end is noted.

    Raises:
        Invalid: the end is before the start.

    >>> span("2025-08-15T11:30", "2025-08-15T12:30", Reading())
    {'when': '2025-08-15T11:30', 'note': 'Ends 2025-08-15T12:30.'}
    """
    when = dates.join(start, end)
    first, last = parse(start), parse(end)
    if "datetime" not in (first.kind, last.kind):
        return {"when": when}
    if first.zoned == last.zoned and (first.earliest, first.latest) == (last.earliest, last.latest):
        return {"when": start}
    reading.losses[END_NOTED] += 1
    return {"when": start if first.kind == "datetime" else when, "note": f"Ends {end}."}


def place_tz(event: dict[str, Any], reading: Reading) -> None:
    """Give a civil date the zone that the reading has for it; a date that is none is left to `checked`."""
    if not reading.tz or "tz" in event or not isinstance(event.get("when"), str):
        return
    with suppress(EdtfError):
        if not parse(event["when"]).zoned:
            event["tz"] = reading.tz


def said_in(words: str, starts: list[str], ends: list[str]) -> str | None:
    """Find the date that these words are written for by this package, among those that begin and end so.

    >>> said_in("one unknown day between 11 and 19 August 2025", ["2025-08-11"], ["2025-08-19"])
    '[2025-08-11..2025-08-19]'
    """
    for form in _DOUBTS:
        for when in dict.fromkeys(form.format(start, end) for start in starts for end in ends):
            if any(spoken == words for spoken in _spoken(when)):
                return when
    return None


def _spoken(when: str) -> Iterator[str]:
    try:
        date = parse(when)
    except EdtfError:
        return
    for lang in ("en", "fr"):
        for expected in (False, True):
            yield when_in_words(date, lang, expected=expected)


def add_link(draft: Draft, url: str, title: str, reading: Reading) -> None:
    """Add a link to an http or https address; count any other."""
    if _URL.fullmatch(url) and len(url) <= 2000:
        scheme, _, rest = url.partition("://")
        draft.links.append(Link(f"{scheme.lower()}://{rest}", title[:500]))
    elif url:
        reading.losses["addresses that are not http or https"] += 1


def participants(item: Item) -> list[Mention]:
    """Read the actors of an event as our own formats have them: by their ids, with their roles.

    Raises:
        Invalid: they are no list of objects with an id.

    """
    parts = item.values.get("actors") or []
    if not isinstance(parts, list) or not all(isinstance(each, dict) and isinstance(each.get("id"), str)
                                              for each in parts):
        raise item.wrong("actors", 'expected a list of objects such as {"id": "a", "role": "speaker"}')
    if any(each.get("on_behalf_of") for each in parts):
        item.reading.losses["on whose behalf an actor acts"] += 1
    return [Mention(deslug(each["id"]), str(each.get("role") or "participant"), id=each["id"]) for each in parts]


# ---------------------------------------------------------------------------------------------- TimelineJS

_MEMBERS: Final = {"/title": "/text/headline", "/summary": "/text/text", "/when": "/start_date", "/tz": "/start_date",
                   "/phrase": "/display_date", "/actors": "/group", "/links": "/text/text", "/media": "/media",
                   "/note": "/end_date"}
_KNOWN: Final = frozenset({"start_date", "end_date", "text", "media", "group", "display_date", "background", "autolink",
                           "unique_id"})
_EMBEDDED: Final = re.compile(r"\b(?:src|href|cite)\s*=\s*[\"']((?:https?:)?//[^\s<>\"']+)[\"']", re.IGNORECASE)


def recognises(value: object) -> bool:
    """Say whether a document is a TimelineJS timeline: an object with `events` that are slides."""
    if not isinstance(value, dict) or not isinstance(value.get("events"), list):
        return False
    if any(isinstance(each, dict) and ("start_date" in each or isinstance(each.get("text"), dict))
           for each in value["events"]):
        return True
    title = value.get("title")
    return isinstance(value.get("eras"), list) or (isinstance(title, dict) and "text" in title)


def read(document: Mapping[str, Any], reading: Reading, lines: Lines) -> Iterator[Draft | Unread]:
    """Read the events of a timeline; its title slide and eras are counted as skipped."""
    values = document if isinstance(document, dict) else {}
    if values.get("title"):
        reading.skipped["title slide"] += 1
    if isinstance(values.get("eras"), list):
        reading.skipped["eras"] += len(values["eras"])
    seen: Counter[str] = Counter()

    def slide(line: int, item: Item) -> Draft | None:
        draft = _slide(line, item)
        if draft is not None and draft.foreign_id:
            seen[draft.foreign_id] += 1
            count = seen[draft.foreign_id]
            draft.foreign_id += f"-{count}" if count > 1 else ""
        return draft

    yield from each(values.get("events"), "/events", reading, lines, slide)


def _slide(line: int, item: Item) -> Draft | None:
    draft = Draft(line, {}, foreign_id=item.text("unique_id"))
    if not _put_text(draft, item):
        return None
    _put_dates(draft, item)
    if group := item.line("group"):
        draft.actors.append(Mention(group))
    media = item.below("media")
    if media is not None:
        _put_media(draft, media)
    if item.has("background"):
        item.reading.losses["backgrounds"] += 1
    item.count_others(_KNOWN)
    return checked(draft, item, _MEMBERS)


def _put_text(draft: Draft, item: Item) -> bool:
    text = item.below("text") or Item({}, f"{item.pointer}/text", item.reading)
    headline, links = text.markup("headline")
    summary, more = text.markup("text")
    title = one_line(headline) or next((one_line(line) for line in summary.splitlines() if line.strip()), "")
    if not title:
        raise text.wrong("headline", "it is empty, and so is text: an event needs a headline")
    draft.links += [*links, *more]
    if summary and summary != title:
        draft.event["summary"] = summary
    return put_title(draft.event, title, item.reading)


def _put_dates(draft: Draft, item: Item) -> None:
    start = _date(item, "start_date")
    if start is None:
        raise item.wrong("start_date", "it is missing: an event needs a date, and TimelineJS shows none without")
    end = _date(item, "end_date") or start
    with item.blaming("end_date"):
        draft.event["when"] = dates.join(start, end)
    if start != end and "datetime" in (parse(start).kind, parse(end).kind):
        draft.event["note"] = f"From {start} to {end}."
        item.reading.losses[END_NOTED] += 1
    words = item.line("display_date") or _shown(item)
    if words and words not in _spoken(draft.event["when"]) and not _same(words, draft.event["when"]):
        if said := said_in(words, [start, start.removesuffix("-01")], [end]):
            draft.event["when"] = said
        else:
            draft.event["phrase"] = words
    place_tz(draft.event, item.reading)


def _date(item: Item, name: str) -> str | None:
    if item.values.get(name) in (None, "", {}):
        return None
    date = item.below(name)
    if date is None:
        return None
    with item.blaming(name):
        return dates.from_parts(date.values, item.reading)


def _shown(item: Item) -> str:
    """Give the words that the dates themselves carry."""
    words = [date.line("display_date") for name in ("start_date", "end_date") if (date := item.below(name))]
    return " – ".join(filter(None, words))


def _same(words: str, when: str) -> bool:
    try:
        return dates.read_date(words, Reading()) == when
    except Invalid:
        return False


def _put_media(draft: Draft, media: Item) -> None:
    """Add a picture to the event; whatever else has an address becomes a link."""
    plain = {name: media.markup(name) for name in ("caption", "credit", "alt")}
    draft.links += [link for _, links in plain.values() for link in links]
    words = {name: one_line(text) for name, (text, _) in plain.items() if text.strip()}
    given, losses = media.text("url"), media.reading.losses
    url = _address(given)
    if url and picture({"media": [{"url": url}]}):
        draft.event["media"] = [{"url": url, **words}]
        words = {}
    elif url:
        draft.links.append(Link(url, words.pop("caption", "")[:500]))
    elif given:
        losses["media without an address of http or https"] += 1
    losses.update(f"media {name} without a picture" for name in words)
    if media.has("link"):
        add_link(draft, media.text("link"), "", media.reading)
    media.count_others(frozenset({"url", "caption", "credit", "alt", "link", "link_target"}))


def _address(media: str) -> str:
    """Give the address of a medium, or the one an embedded frame or quotation shows; "" where there is none."""
    embedded = _EMBEDDED.search(media) if "<" in media else None
    url = embedded[1] if embedded else media
    url = f"https:{url}" if url.startswith("//") else url
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}" if _URL.fullmatch(url) and len(url) <= 2000 else ""


__all__ = ["Item", "Lines", "add_link", "checked", "each", "kind_of", "one_line", "participants", "place_tz",
           "put_title", "read", "recognises", "said_in", "span", "unmarked", "wrong"]
