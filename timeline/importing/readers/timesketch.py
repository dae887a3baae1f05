"""Timesketch CSV and JSONL (google/timesketch, "Create timeline from JSONL or CSV file" and `lib/utils.py`).

A row has `message`, `datetime` and `timestamp_desc`, which says what this time is, and any columns besides. Times
without an offset are UTC, as Timesketch takes them; a day without a time stays a day. Where there is no `datetime`,
`timestamp` counts from 1970, in the unit that its size tells, as in Timesketch.

`timestamp_desc` and the columns that have no place of their own go into the note, one line each: it says which of
several times this is, not how a source words the date. Tags become topics.

Rows that `timeline.formats.timesketch` wrote, several for one event, are one event again, with its id and its date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from timeline.edtf import EdtfError, iso, parse
from timeline.errors import Fault, Invalid
from timeline.importing.drafts import Draft, Link, Mention, Reading, Unread
from timeline.importing.readers import dates
from timeline.importing.readers.calendar_dates import FRACTION
from timeline.model import slugify

FURTHER: Final = "further rows of an event"
RETRACTED: Final = "rows of retracted events"
CONTRADICTED: Final = "timestamps that contradict their datetime, which counts"
GUESSED: Final = ("there is no datetime in some rows: timestamp was read instead, as nanoseconds, microseconds, "
                  "milliseconds or seconds since 1970, by its size")
LONGEST: Final = 2000
"""Characters of a column's value that a note takes; a longer one is counted as lost."""

_TITLE: Final = 200
_NOTE: Final = 20_000
_OURS: Final = frozenset({"event_id", "kind", "status", "log_seq"})
_DESCRIPTIONS: Final = frozenset({"event earliest", "event latest", "recorded"})
_SCRUBBED: Final = frozenset({"_id", "_type", "_index", "_source", "__ts_timeline_id"})
_OWN: Final = frozenset({"message", "datetime", "timestamp", "tag", "source_url", "quote"}) | _SCRUBBED
_OWN_OF_OURS: Final = _OWN | _OURS | {"edtf", "tz", "summary", "actors", "place", "timestamp_desc"}
_URL: Final = re.compile(r"https?://[^\s<>\"]{1,1990}", re.IGNORECASE)
_UNITS: Final = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3), (0, 1))
"""From which size on a timestamp counts how many parts of a second (`lib/utils.py`)."""

Row = Mapping[str, Any]
Seen = dict[str, tuple[int, object, object]]


def recognises(value: object) -> bool:
    """Say whether a header (a list of names) or a first object (a dict) has the required fields."""
    names = {str(name).strip() for name in value} if isinstance(value, (list, dict)) else set()
    return {"message", "timestamp_desc"} <= names and bool(names & {"datetime", "timestamp"})


def read_csv(header: list[str], rows: Iterable[tuple[int, list[str]]], reading: Reading) -> Iterator[Draft | Unread]:
    """Read the rows below a header, each with its line."""
    seen: Seen = {}
    names = [name.strip() for name in header]
    for line, cells in rows:
        if any(cell.strip() for cell in cells[len(names) :]):
            detail = f"the row has {len(cells)} cells and the first line {len(names)}: name every column there"
            yield Unread(line, Invalid(detail))
            continue
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
        yield from _read(line, row, reading, seen)


def read_jsonl(objects: Iterable[tuple[int, dict[str, Any]]], reading: Reading) -> Iterator[Draft | Unread]:
    """Read objects, each with its line."""
    seen: Seen = {}
    for line, row in objects:
        yield from _read(line, row, reading, seen)


def _read(line: int, row: Row, reading: Reading, seen: Seen) -> Iterator[Draft | Unread]:
    row = {name: value for name, value in row.items() if not _empty(value)}
    try:
        draft = _ours(line, row, reading, seen) if _is_ours(row) else _draft(line, row, reading)
    except Invalid as error:
        yield Unread(line, error)
        return
    if draft is not None:
        yield draft


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def _wrong(column: str, detail: str) -> Invalid:
    return Invalid(f"{column}: {detail}", faults=(Fault(column, detail),))


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else msgspec.json.encode(value).decode()


# ---------------------------------------------------------------------------------------------- rows of any tool

def _draft(line: int, row: Row, reading: Reading) -> Draft:
    message = _message(row)
    event: dict[str, Any] = {"title": _title(message), "when": _when(row, reading)}
    if event["title"] != message:
        event["summary"] = message
    if reading.tz and not parse(event["when"]).zoned:
        event["tz"] = reading.tz
    if topics := _topics(row, reading):
        event["topics"] = topics
    links = _links(row)
    if note := _note(row, _OWN, reading, quoted=bool(links)):
        event["note"] = note
    return Draft(line, event, links=links)


def _message(row: Row) -> str:
    if "message" not in row:
        raise _wrong("message", "it is missing: a row says there what happened")
    return _text(row["message"])


def _title(message: str) -> str:
    """Give the first line of a message, cut at a word where it is long."""
    first = " ".join(message.splitlines()[0].split())
    if len(first) <= _TITLE:
        return first
    return f"{first[:_TITLE].rpartition(' ')[0] or first[:_TITLE]} …"


def _when(row: Row, reading: Reading) -> str:
    given = row.get("datetime")
    if given is None:
        return _from_timestamp(row, reading, "timestamp")
    if re.fullmatch(r"[0-9]{10,20}", _text(given)):  # too many digits for any date: Timesketch counts them too
        return _from_timestamp(row, reading, "datetime")
    try:
        found = dates.read_date(_text(given), reading)
    except Invalid as error:
        raise _wrong("datetime", error.detail) from None
    when = parse(found)
    if when.kind == "datetime" and not when.zoned:
        found = f"{found}Z"
    _check_timestamp(row, found, reading)
    return found


def _from_timestamp(row: Row, reading: Reading, column: str) -> str:
    if column not in row:
        raise _wrong("datetime", "it is missing: write it in ISO 8601, as in 2015-07-24T19:01:01+00:00")
    counted = _counted(row[column])
    if counted is None:
        raise _wrong(column, f"{_text(row[column])[:40]!r} is no number of microseconds since 1970")
    second, rest = counted
    if rest:
        reading.losses[FRACTION] += 1
    if GUESSED not in reading.notes:
        reading.notes.append(GUESSED)
    text = iso(second)
    try:
        return str(parse(text))
    except EdtfError as error:
        raise _wrong(column, f"{text} is out of reach: {error.hint}") from None


def _counted(value: object) -> tuple[int, int] | None:
    """Give the whole seconds of a timestamp and what is left of it."""
    match = re.fullmatch(r"(-?[0-9]{1,20})(?:\.([0-9]{1,20}))?", _text(value))
    if match is None:
        return None
    number = int(match[1])
    second, rest = divmod(number, next(parts for size, parts in _UNITS if abs(number) > size or not size))
    return second, rest or int(match[2] or 0)


def _check_timestamp(row: Row, found: str, reading: Reading) -> None:
    when = parse(found)
    counted = _counted(row["timestamp"]) if "timestamp" in row else None
    if counted is None or when.kind != "datetime" or when.earliest is None or when.latest is None:
        return
    if not when.earliest <= counted[0] <= when.latest:
        reading.losses[CONTRADICTED] += 1


def _topics(row: Row, reading: Reading) -> list[str]:
    tags = _tags(row.get("tag"))
    slugs = [slugify(tag, "") for tag in tags]
    if "" in slugs:
        reading.losses["tags without a Latin letter or digit"] += 1
    return list(dict.fromkeys(slug for slug in slugs if slug))


def _tags(value: object) -> list[str]:
    """Read a tag field as Timesketch does: a list, a list in JSON, names with commas, or "-" for none."""
    if isinstance(value, list):
        return [_text(tag) for tag in value if not _empty(tag)]
    text = "" if value is None else _text(value)
    if text.startswith("[") and text.endswith("]"):
        try:
            return _tags(msgspec.json.decode(text, type=list[str]))
        except msgspec.MsgspecError:
            text = text[1:-1]
    return [tag.strip(" '\"") for tag in text.split(",") if tag.strip(" '\"-")]


def _links(row: Row) -> list[Link]:
    url = _text(row.get("source_url", ""))
    return [Link(url, exact=_text(row.get("quote", "")))] if _URL.fullmatch(url) else []


def _note(row: Row, own: frozenset[str], reading: Reading, *, quoted: bool) -> str:
    """Give the columns that have no other place, one a line: "name: value"."""
    kept = own - {"source_url", "quote"} if not quoted else own
    lines: list[str] = []
    left = _NOTE
    for name in row:
        if name in kept:
            continue
        line = f"{name}: {_text(row[name])}"
        if len(line) > min(LONGEST, left):
            reading.losses[f"column {name[:40]!r}, too long for a note"] += 1
            continue
        left -= len(line) + 1
        lines.append(line)
    if _SCRUBBED & row.keys():
        reading.losses["fields of the search index"] += 1
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------------- rows we wrote

def _is_ours(row: Row) -> bool:
    return row.keys() >= _OURS and row.get("timestamp_desc") in _DESCRIPTIONS


def _ours(line: int, row: Row, reading: Reading, seen: Seen) -> Draft | None:
    """Make one event of the first of its rows; None for the others, which say the same."""
    event_id = _text(row["event_id"])
    said = (line, row.get("message"), row.get("edtf"))
    known = seen.setdefault(event_id, said)
    if known[1:] != said[1:]:
        raise _wrong("event_id", f"{event_id!r} stands in line {known[0]} with another message or date: make them the "
                     "same")
    if known is not said:
        reading.skipped[FURTHER] += 1
        return None
    if "retracted" in _tags(row.get("tag")):
        reading.skipped[RETRACTED] += 1
        return None
    return _event_of_ours(line, row, reading, event_id)


def _event_of_ours(line: int, row: Row, reading: Reading, event_id: str) -> Draft:
    title = _message(row).removeprefix(f"[{row['status']}] ")  # as `timeline.formats` marks what is disputed or planned
    event: dict[str, Any] = {"title": title, "kind": row["kind"], "status": row["status"]}
    event |= {name: row[name] for name in ("tz", "summary") if name in row}
    if "edtf" in row:
        try:
            event["when"] = str(parse(_text(row["edtf"])))
        except EdtfError as error:
            raise _wrong("edtf", f"{error.reason}; {error.hint}") from None
    if "place" in row:
        event["place"] = {"name": row["place"]}
    if topics := _topics(row, reading):
        event["topics"] = topics
    links = _links(row)
    if note := _note(row, _OWN_OF_OURS, reading, quoted=bool(links)):
        event["note"] = note
    names = [name.strip() for name in _text(row.get("actors", "")).split(",") if name.strip()]
    if names:
        reading.losses["roles of actors"] += 1
    return Draft(line, event, event_id, [Mention(name, id=name) for name in names], links)


__all__ = ["read_csv", "read_jsonl", "recognises"]
