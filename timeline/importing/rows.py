"""Files to rows: what is in them, one change a row with the place it came from.

NDJSON and CSV are read line by line, so a file of any size needs no memory; a JSON document and a calendar are read
whole. What other tools wrote goes through `kinds` and `foreign`.
"""

from __future__ import annotations

import csv
import json
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import accumulate, chain
from typing import Any, NamedTuple

import msgspec

from timeline.errors import Fault, Invalid, Malformed, TimelineError
from timeline.formats.csv import COLUMNS, IGNORED, READABLE, read_row
from timeline.importing import kinds
from timeline.importing.drafts import Draft, Reading, Unread
from timeline.importing.files import MAX_LINE, File
from timeline.importing.foreign import Adopter, corrected
from timeline.importing.readers import ics, timesketch
from timeline.model import decode_hook
from timeline.records import (
    MAX_DEPTH,
    AnyChange,
    EventRecorded,
    check_depth,
    convert_change,
    decode,
    decode_change,
    merge,
    plain,
)
from timeline.views.projector import EXTRAS

Correction = Callable[[dict[str, Any]], dict[str, Any]]
"""Gives an event as a row would have it, from the event as it is in the log."""


class Row(NamedTuple):
    """One change and the line it stands on; or what is wrong there.

    `correct` is there where the file's format says less than an event holds: then the rest stays as it is.
    """

    line: int
    change: AnyChange | None = None
    error: TimelineError | None = None
    correct: Correction | None = None


@dataclass(slots=True)
class Open:
    """A file being read: what it is said to be, how it is to be read, and who makes changes of what is in it."""

    file: File
    adopter: Adopter
    wanted: str = ""
    reading: Reading = field(default_factory=Reading)


def rows(opened: Open, lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield the changes of a file of any kind but a log's, from the lines that `sniff` gave."""
    file = opened.file
    if file.kind == "csv":
        yield from _csv(opened, lines)
    elif file.kind == "json":
        yield from _json(opened, b"".join(lines))
    elif file.kind == "ics":
        file.format = "iCalendar"
        yield from _calendar(opened, b"".join(lines))
    else:
        yield from _ndjson(opened, lines)


# ---------------------------------------------------------------------------------------------- foreign

def _adopted(opened: Open, drafts: Iterable[Draft | Unread], broken: list[Row] | None = None) -> Iterator[Row]:
    """Make rows of drafts; `broken` are rows that never got to the reader, in the order they were met."""
    for draft in drafts:
        yield from broken or ()
        if broken:
            broken.clear()
        if isinstance(draft, Unread):
            yield Row(draft.line, error=draft.error)
            continue
        try:
            changes = opened.adopter.changes(draft, opened.file.stem)
        except TimelineError as error:
            yield Row(draft.line, error=error)
            continue
        for change in changes:
            yield Row(draft.line, change, correct=_correction(change) if isinstance(change, EventRecorded) else None)
    yield from broken or ()


def _correction(change: EventRecorded) -> Correction:
    return lambda old: corrected(old, plain(change.event))


def _calendar(opened: Open, data: bytes) -> Iterator[Row]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        yield Row(data.count(b"\n", 0, error.start) + 1, error=Malformed(f"not UTF-8: byte {data[error.start]:#04x}"))
        return
    yield from _adopted(opened, ics.read(text, opened.reading))


def _places(data: bytes, members: Iterable[str]) -> Callable[[int], int]:
    """Tell at which line the items of a document begin; they are looked up once, when the first is asked for."""
    found: list[int] = []

    def place(index: int) -> int:
        if not found:
            found.extend(_item_lines(data, members))
        return found[index] if index < len(found) else 1

    return place


def _item_lines(data: bytes, members: Iterable[str]) -> Iterator[int]:
    breaks = list(accumulate((len(line) for line in data.splitlines(keepends=True)), initial=0))
    offset = 0
    for item in _held(data, members):
        offset = data.find(item, offset)
        yield bisect(breaks, offset)
        offset += len(item)


def _held(data: bytes, members: Iterable[str]) -> list[bytes]:
    raw = data
    if not data.lstrip().startswith(b"["):
        holder = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        raw = next((bytes(holder[member]) for member in members if member in holder), b"[]")
    return [bytes(item) for item in msgspec.json.decode(raw, type=list[msgspec.Raw])]


# ---------------------------------------------------------------------------------------------- JSON

_decoder: msgspec.json.Decoder[AnyChange] = msgspec.json.Decoder(AnyChange, dec_hook=decode_hook)
_encode = msgspec.json.Encoder().encode


def _ndjson(opened: Open, lines: Iterable[bytes]) -> Iterator[Row]:
    file = opened.file
    numbered: Iterator[tuple[int, bytes]] = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    numbered = chain([first], numbered)
    if opened.wanted or _is_foreign(first[1]):
        file.format = "Timesketch JSONL"
        broken: list[Row] = []
        yield from _adopted(opened, timesketch.read_jsonl(_objects(numbered, broken), opened.reading), broken)
        return
    for number, line in numbered:
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            yield Row(number, error=Malformed(f"a line longer than {MAX_LINE // 2**20} MB: is this NDJSON?"))
            return
        yield _row(file, number, line.strip())


def _is_foreign(line: bytes) -> bool:
    try:
        return timesketch.recognises(msgspec.json.decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _objects(numbered: Iterable[tuple[int, bytes]], broken: list[Row]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in numbered:
        try:
            yield number, decode(line.strip(), dict[str, Any])
        except TimelineError as error:
            broken.append(Row(number, error=error))


def _json(opened: Open, data: bytes) -> Iterator[Row]:
    """Read a list, a page with items, or one object; where a second object follows it is NDJSON after all."""
    file = opened.file
    try:
        whole = bytes(msgspec.json.decode(data, type=msgspec.Raw))
        value = _looked_at(whole)
        if reader := kinds.document(value, opened.wanted):
            file.format = reader.description
            yield from _adopted(opened, reader.read(value, opened.reading, _places(data, reader.members)))
            return
        items = _items(whole)
    except Malformed as error:
        yield Row(1, error=error)
        return
    except RecursionError:
        yield Row(1, error=Malformed(f"JSON nested deeper than {MAX_DEPTH} levels"))
        return
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "trailing" in str(error) and data.lstrip().startswith(b"{"):
            yield from _ndjson(opened, data.splitlines())
        else:
            yield _broken(data, error)
        return
    place = line = 0
    for item in items:
        found = data.find(item, place)
        line += data.count(b"\n", place, found)
        place = found
        yield _row(file, line + 1, item)


def _looked_at(whole: bytes) -> Any:  # noqa: ANN401 - decoded JSON
    """Decode a document to see what it is; one that nests too deeply is not looked at."""
    check_depth(whole)
    return msgspec.json.decode(whole)


def _items(data: bytes) -> list[bytes]:
    if data.startswith(b"["):
        return [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])]
    page = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    if "items" in page and "title" not in page:
        return [bytes(raw) for raw in msgspec.json.decode(page["items"], type=list[msgspec.Raw])]
    return [data]


def _broken(data: bytes, error: Exception) -> Row:
    """Say where a JSON document is broken; the standard library's parser knows the line."""
    try:
        json.loads(data)
    except json.JSONDecodeError as exact:
        detail = f"malformed JSON: {exact.msg[0].lower()}{exact.msg[1:]} at column {exact.colno}"
        return Row(exact.lineno, error=Malformed(detail))
    except UnicodeDecodeError as exact:
        line = data.count(b"\n", 0, exact.start) + 1
        return Row(line, error=Malformed(f"not UTF-8: byte {data[exact.start]:#04x} cannot stand here"))
    except (ValueError, RecursionError):
        pass
    return Row(1, error=Malformed(f"malformed JSON: {error}"))


def _row(file: File, line: int, raw: bytes) -> Row:
    try:
        return Row(line, _change(file, raw))
    except TimelineError as error:
        return Row(line, error=error)


def _change(file: File, raw: bytes) -> AnyChange:
    """Read a change or a bare event. Clean lines go the short way; anything else the way that explains."""
    if raw.startswith(b'{"type":"'):
        try:
            check_depth(raw)
            change = _decoder.decode(raw)
            again = _encode(msgspec.json.decode(raw))
            if again in (raw, msgspec.json.format(raw, indent=-1)):  # no member stands twice: the last would win
                return change
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        return decode_change(raw)
    if not raw.startswith(b"{"):
        decode(raw, msgspec.Raw)
        raise Malformed("expected a JSON object: a change, or an event")
    values = decode(raw, dict[str, Any])
    if "type" in values:
        return decode_change(raw)
    return event_change(file, values)


def event_change(file: File, values: dict[str, Any]) -> AnyChange:
    """Make the recording of a bare event; what a view derives is left out and counted."""
    key = values.pop("key", None)
    if any(name in values for name in EXTRAS):
        file.ignored += 1
        values = {name: value for name, value in values.items() if name not in EXTRAS}
    change = {"type": "event.recorded", "event": values} | ({} if key is None else {"key": key})
    try:
        return convert_change(change)
    except TimelineError as error:
        faults = tuple(Fault(fault.pointer.removeprefix("/event"), fault.detail) for fault in error.faults)
        raise type(error)(error.detail.replace("/event/", "/", 1), faults=faults) from None


# ---------------------------------------------------------------------------------------------- CSV

def _csv(opened: Open, lines: Iterable[bytes]) -> Iterator[Row]:
    file, texts = opened.file, _texts(lines)
    skipped = 0
    try:
        while not (header_line := next(texts, "\0")).strip():
            skipped += 1
        delimiter = max(",;\t", key=header_line.count)
        reader = csv.reader(chain([header_line], texts), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader, [])]
        table = kinds.table(header, opened.wanted)
    except (csv.Error, Malformed) as error:
        yield Row(1, error=error if isinstance(error, TimelineError) else Malformed(f"malformed CSV: {error}"))
        return
    broken: list[Row] = []
    numbered = _cells(reader, skipped, broken)
    if table is not None:
        file.format = table.description
        fitting = ((line, [*cells, *[""] * (len(header) - len(cells))]) for line, cells in numbered)
        yield from _adopted(opened, table.read(header, fitting, opened.reading), broken)
        return
    if faults := tuple(_header_faults(header)):
        yield Row(1, error=Invalid(faults[0].detail, faults=faults))
        return
    for line, cells in numbered:
        yield _csv_row(file, line, header, cells)
    yield from broken


def _cells(reader: Any, skipped: int, broken: list[Row]) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401 - csv.reader
    """Yield rows that are not empty with the line they begin at; what ends them early goes to `broken`."""
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader, None)
        except (csv.Error, Malformed) as error:
            broken.append(Row(line, error=error if isinstance(error, TimelineError) else Malformed(
                f"malformed CSV: {error}")))
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"not UTF-8: byte {line[error.start]:#04x} at column {error.start + 1}; "
                            "save the file as “CSV UTF-8”") from None


def _header_faults(header: list[str]) -> Iterator[Fault]:
    known = {*READABLE, *IGNORED}
    for name in header:
        if name not in known:
            close = get_close_matches(name.lower(), known, 1)
            meant = f", did you mean {close[0]}?" if close else f": expected {', '.join(READABLE)}"
            yield Fault(name, f"unknown column {name!r}{meant}")
        elif header.count(name) > 1:
            yield Fault(name, f"column {name!r} stands twice")
    if "title" not in header:
        yield Fault("title", "there is no column title: the first line names the columns")


def _csv_row(file: File, line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return Row(line, error=Malformed(f"expected {len(header)} cells as in the first line, got {len(cells)}"))
    row = dict(zip(header, cells, strict=True))
    try:
        return Row(line, event_change(file, read_row(row)), correct=lambda event: _corrected(event, row))
    except TimelineError as error:
        faults = tuple(Fault(column(fault.pointer), fault.detail) for fault in error.faults)
        detail = f"{faults[0].pointer}: {faults[0].detail}" if faults else error.detail
        return Row(line, error=type(error)(detail, faults=faults))


def _corrected(event: dict[str, Any], cells: dict[str, str]) -> dict[str, Any]:
    """Give an event as a row of CSV would have it: what a cell does not say, or cannot carry, stays as it is."""
    for each in COLUMNS:
        cell = cells.get(each.name, "").strip()
        if each.read is not None and cell and cell != each.write(event).strip():
            event = merge(event, each.read(cell))
    return event


def column(pointer: str) -> str:
    """Name the column a pointer into an event stands for.

    >>> column("/actors/0/role"), column("/translations/fr/title"), column("/place/id"), column("/event/when")
    ('actors', 'title_fr', 'place_id', 'when')
    """
    steps = pointer.removeprefix("/event").split("/")[1:]
    match steps:
        case ["translations", lang, field, *_]:
            return f"{field}_{lang}"
        case ["place", "id", *_]:
            return "place_id"
        case [name, *_]:
            return name
        case _:
            return pointer


__all__ = ["Correction", "Open", "Row", "column", "event_change", "rows"]
