"""TimelineJS3 spreadsheets, saved as CSV (NUKnightLab/TimelineJS3, `ConfigFactory.js` and `DateUtil.js`).

Column names are exact and their case matters. Years are counted as historians do, -44 is 44 BC; digits may hold spaces
and commas. Texts are HTML. A row is an event, or by its Type the title slide or an era, which are no events here.
There is no column for an id: an event goes by its headline.

Of version 1 there are still sheets with `Tag`, `Start Date` and `End Date`. TimelineJS reads 10/5/2025 there as
5 October; so does this, unless `day_first` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from timeline.edtf import parse
from timeline.errors import Fault, Invalid
from timeline.formats.markup import picture
from timeline.importing.drafts import Draft, Link, Mention, Reading, Unread
from timeline.importing.readers import dates, html

COLUMNS: Final = (
    "Year", "Month", "Day", "Time", "End Year", "End Month", "End Day", "End Time", "Display Date", "Headline", "Text",
    "Media", "Media Credit", "Media Caption", "Media Thumbnail", "Alt Text", "Type", "Group", "Background",
    "Tag", "Start Date", "End Date",
)
"""Every documented column; the last three are those of version 1."""

LOST: Final = {"Media Thumbnail": "media thumbnails", "Background": "backgrounds"}
TITLE: Final = "title slide"
ERAS: Final = "eras"

_PARTS: Final = ("Year", "Month", "Day")
_ISO: Final = re.compile(r"([+-]?[0-9]+)(?:-([0-9]{2}))?(?:-([0-9]{2}))?")
_TIME: Final = re.compile(
    r"([0-9]{1,2})(?:[.:]?([0-9]{2})(?:(:[0-9]{2})(?:[:.,]([0-9]{1,9}))?)?)?(\s*[AaPp]\.?[Mm]\.?)?"
)
_ADDRESS: Final = re.compile(r"(?:https?:)?//[^\s<>\"]+", re.IGNORECASE)
_EMBEDDED: Final = re.compile(r"\b(?:src|href|cite)\s*=\s*[\"']((?:https?:)?//[^\s<>\"']+)[\"']", re.IGNORECASE)
_TITLE_LENGTH: Final = 120

Cells = Mapping[str, str]


def recognises(header: list[str]) -> bool:
    """Say whether these are the columns of such a sheet: a date and a text of it, by their exact names."""
    names = {name.strip() for name in header}
    return bool(names & {"Year", "Start Date"}) and bool(names & {"Headline", "Text"})


def read(header: list[str], rows: Iterable[tuple[int, list[str]]], reading: Reading) -> Iterator[Draft | Unread]:
    """Read the rows below a header, each with its line."""
    names = [name.strip() for name in header]
    if reading.day_first is None and "Year" not in names:
        # The losses and notes stay those of the caller: only how dates are read differs.
        reading = replace(reading, day_first=False)
    titles = 0
    for line, row in rows:
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False) if cell.strip()}
        type_ = cells.get("Type", "").lower()
        titles += type_ == "title"
        if type_ == "era" or (type_ == "title" and titles == 1):  # a second title slide is an event to TimelineJS too
            reading.skipped[ERAS if type_ == "era" else TITLE] += 1
            continue
        try:
            if any(cell.strip() for cell in row[len(names) :]):
                raise Invalid(f"the row has {len(row)} cells and the first line {len(names)}: name every column there")
            yield _draft(line, cells, reading)
        except Invalid as error:
            yield Unread(line, error)


def _draft(line: int, cells: Cells, reading: Reading) -> Draft:
    title, title_links = _title(cells)
    summary, links = html.plain(cells.get("Text", ""))
    draft = Draft(line, {"title": title, "when": _when(cells, reading)}, links=[*title_links, *links])
    if summary.strip() and summary.strip() != title:
        draft.event["summary"] = summary.strip()
    if reading.tz and not parse(draft.event["when"]).zoned:
        draft.event["tz"] = reading.tz
    if phrase := _phrase(cells, draft.event["when"], reading):
        draft.event["phrase"] = phrase
    name = _line(cells.get("Group") or cells.get("Tag", ""))
    if name:
        draft.actors.append(Mention(name))
    _add_media(draft, cells, reading)
    _count(cells, reading)
    return draft


def _title(cells: Cells) -> tuple[str, list[Link]]:
    """Give the headline; where there is none, the beginning of the text."""
    text, links = html.plain(cells.get("Headline", ""))
    title = " ".join(text.split())
    if title:
        return title, links
    first = next((line.strip() for line in html.plain(cells.get("Text", ""))[0].splitlines() if line.strip()), "")
    if not first:
        raise _wrong("Headline", "it is empty, and so is Text: an event needs a headline")
    title = " ".join(first.split())
    if len(title) > _TITLE_LENGTH:
        title = title[:_TITLE_LENGTH].rpartition(" ")[0] or title[:_TITLE_LENGTH]
        return f"{title} …", links
    return title, links


def _line(markup: str) -> str:
    return " ".join(html.plain(markup)[0].split())


def _wrong(column: str, detail: str) -> Invalid:
    return Invalid(f"{column}: {detail}", faults=(Fault(column, detail),))


# ---------------------------------------------------------------------------------------------- dates

def _when(cells: Cells, reading: Reading) -> str:
    start = _date("", cells, reading)
    if start is None:
        column = "Year" if "Start Date" not in cells else "Start Date"
        raise _wrong(column, "it is empty: an event needs a date, and TimelineJS does not show one without a year")
    end = _date("End ", cells, reading)
    if end is None:
        if any(f"End {name}" in cells for name in ("Month", "Day", "Time")):
            reading.losses["ends without a year, which TimelineJS drops too"] += 1
        return start
    try:
        return dates.join(start, end, reading)
    except Invalid as error:
        raise _wrong("End Year" if "End Year" in cells else "End Date", error.detail) from None


def _date(prefix: str, cells: Cells, reading: Reading) -> str | None:
    """Give the date of the columns with a prefix, None where there is none: a start with a month needs a year."""
    year = cells.get(f"{prefix}Year")
    whole = cells.get("End Date" if prefix else "Start Date")
    if year is None and whole is not None:
        return _whole_date("End Date" if prefix else "Start Date", whole, reading)
    if year is None and (prefix or not any(name in cells for name in ("Month", "Day", "Time"))):
        return None
    parts = {name.lower(): cells.get(prefix + name) for name in _PARTS}
    return _timed(prefix, _from_parts(prefix, parts), cells.get(f"{prefix}Time"), reading)


def _from_parts(prefix: str, parts: Mapping[str, object]) -> str:
    try:
        return dates.from_parts(parts)
    except Invalid as error:
        part = error.faults[0].pointer.removeprefix("/").capitalize() if error.faults else "Year"
        raise _wrong(prefix + part, error.detail) from None


def _timed(prefix: str, date: str, time: str | None, reading: Reading) -> str:
    if time is None:
        return date
    if date.count("-", 1) < 2:
        raise _wrong(f"{prefix}Day", f"it is empty, and a time of day ({time}) needs one")
    try:
        return f"{date}T{dates.read_time(_clock(time), reading)}"
    except Invalid as error:
        raise _wrong(f"{prefix}Time", error.detail) from None


def _clock(time: str) -> str:
    """Write a time as `parseTime` takes it: 1130 and 11.30 are 11:30, 11 is a full hour, 11:30:15:5 has a fraction."""
    match = _TIME.fullmatch(time)
    if match is None:
        return time
    hour, minute, second, fraction, half = match.groups(default="")
    return f"{hour}:{minute or '00'}{second}{f'.{fraction}' if fraction else ''}{half}"


def _whole_date(column: str, cell: str, reading: Reading) -> str:
    """Read a cell of version 1: 5/10/2025 is 10 May, -44 is 44 BC."""
    match = _ISO.fullmatch(re.sub(r"[\s,]", "", cell))
    try:
        if match:
            return dates.from_parts(dict(zip(("year", "month", "day"), match.groups(), strict=True)))
        return dates.read_date(cell, reading)
    except Invalid as error:
        raise _wrong(column, error.detail) from None


def _phrase(cells: Cells, when: str, reading: Reading) -> str:
    """Give the words that are shown for the date, where they say something else or more than the date."""
    words = _line(cells.get("Display Date", ""))
    if not words:
        return ""
    try:
        return "" if dates.read_date(words, replace(reading, losses=type(reading.losses)())) == when else words
    except Invalid:
        return words


# ---------------------------------------------------------------------------------------------- media

def _add_media(draft: Draft, cells: Cells, reading: Reading) -> None:
    """Add a picture to the event; whatever else has an address becomes a link."""
    given = cells.get("Media", "")
    texts = {"caption": cells.get("Media Caption", ""), "credit": cells.get("Media Credit", ""),
             "alt": cells.get("Alt Text", "")}
    plain = {name: html.plain(text) for name, text in texts.items()}
    draft.links += [link for _, links in plain.values() for link in links]
    words = {name: " ".join(text.split()) for name, (text, _) in plain.items() if text.strip()}
    url = _address(given)
    if url and picture({"media": [{"url": url}]}):
        draft.event["media"] = [{"url": url, **words}]
        return
    if url:
        draft.links.append(Link(url, words.pop("caption", "")))
    elif given:
        reading.losses["media without an address of http or https"] += 1
    reading.losses.update(f"media {name}s without a picture" if name != "alt" else "alt texts without a picture"
                          for name in words)


def _address(media: str) -> str:
    """Give the address of a medium, or the one that an embedded frame or quotation shows; "" where there is none."""
    embedded = _EMBEDDED.search(media) if "<" in media else None
    url = embedded[1] if embedded else media.replace(" ", "%20")
    if not _ADDRESS.fullmatch(url):
        return ""
    url = f"https:{url}" if url.startswith("//") else url
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}" if len(url) <= 2000 else ""


def _count(cells: Cells, reading: Reading) -> None:
    reading.losses.update(what for column, what in LOST.items() if column in cells)
    reading.losses.update(f"column {name!r}" for name in cells if name not in COLUMNS)
    type_ = cells.get("Type", "").lower()
    if type_ not in ("", "title", "event"):
        reading.losses[f"type {type_[:40]!r}"] += 1


__all__ = ["COLUMNS", "read", "recognises"]
