"""Files to rows: which files there are, what is in them, and one change a row with the place it came from.

NDJSON and CSV are read line by line, so a file of any size needs no memory; a JSON document is read whole. The kind of
a file is decided by what it holds; its name decides only where that is not enough.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from timeline.errors import Fault, Invalid, Malformed, NotFound, TimelineError
from timeline.formats.csv import COLUMNS, IGNORED, READABLE, read_row
from timeline.model import decode_hook
from timeline.records import AnyChange, check_depth, convert_change, decode, decode_change, merge
from timeline.views.projector import EXTRAS

EXTENSIONS: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".csv": "csv", ".tsv": "csv"}
BOM: Final = b"\xef\xbb\xbf"
MAX_LINE: Final = 16 * 1024 * 1024
HEAD: Final = 64 * 1024


class Row(NamedTuple):
    """One change and the line it stands on; or what is wrong there. `cells` are those of a row of CSV."""

    line: int
    change: AnyChange | None = None
    error: TimelineError | None = None
    cells: dict[str, str] | None = None


@dataclass(slots=True)
class File:
    """One file to read, and how much of it has been read."""

    path: Path | None
    size: int | None
    read: int = 0
    ignored: int = 0
    kind: str = ""

    @property
    def name(self) -> str:
        """How messages call it."""
        return "standard input" if self.path is None else str(self.path)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open for reading; `NotFound` where it cannot be."""
        if self.path is None:
            yield sys.stdin.buffer
            return
        try:
            stream = self.path.open("rb")
        except OSError as error:
            raise NotFound(f"{self.path} cannot be read: {error.strerror}") from None
        with stream:
            yield stream


def find(paths: Iterable[str | Path]) -> list[File]:
    """List the files meant by some paths: a directory stands for the files of known kinds in it, in order of name.

    Raises:
        NotFound: there is no such file, or nothing to import in a directory.

    """
    found: list[File] = []
    for given in paths:
        if str(given) == "-":
            found.append(File(None, None))
            continue
        path = Path(given)
        if path.is_dir():
            found += _directory(path)
        elif path.exists():
            found.append(File(path, path.stat().st_size if path.is_file() else None))
        else:
            raise NotFound(f"there is no file {path}")
    return found


def _directory(path: Path) -> list[File]:
    inside = sorted(
        each for each in path.iterdir()
        if each.is_file() and not each.name.startswith(".") and each.suffix.lower() in EXTENSIONS
    )
    if not inside:
        raise NotFound(f"there is nothing to import in {path}: expected files *{', *'.join(EXTENSIONS)}")
    return [File(each, each.stat().st_size) for each in inside]


def rows(file: File, lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield the changes of a file of any kind but a log's, from the lines that `sniff` gave."""
    kind = file.kind
    if kind == "csv":
        yield from _csv(file, lines)
    elif kind == "json":
        yield from _json(file, b"".join(lines))
    else:
        yield from _ndjson(file, lines)


def sniff(file: File, stream: BinaryIO) -> tuple[Iterator[bytes], str]:
    """Give a file's lines, and its kind: ``ndjson``, ``json``, ``csv`` or ``log``."""
    lines = _lines(file, stream)
    kept: list[bytes] = []
    for line in lines:
        kept.append(line)
        if line.strip():
            break
    first = kept[-1].strip() if kept else b""
    file.kind = _kind(first, EXTENSIONS.get(file.path.suffix.lower(), "") if file.path else "")
    return chain(kept, lines), file.kind


def _lines(file: File, stream: BinaryIO) -> Iterator[bytes]:
    first = True
    while line := stream.readline(MAX_LINE):
        file.read += len(line)
        yield line.removeprefix(BOM) if first else line
        first = False


def _kind(first: bytes, named: str) -> str:
    if not first:
        return "ndjson"
    if first.startswith(b"["):
        return "json"
    if not first.startswith(b"{"):
        return named or "csv"
    try:
        value = msgspec.json.decode(first)
    except msgspec.DecodeError:
        whole = named == "ndjson" or (named != "json" and first.endswith(b"}"))
        return "ndjson" if whole else "json"
    if "header" in value and "parts" in value:
        return "log"
    return "json" if isinstance(value.get("items"), list) else "ndjson"


# ---------------------------------------------------------------------------------------------- JSON

_decoder: msgspec.json.Decoder[AnyChange] = msgspec.json.Decoder(AnyChange, dec_hook=decode_hook)
_encode = msgspec.json.Encoder().encode


def _ndjson(file: File, lines: Iterable[bytes]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            yield Row(number, error=Malformed(f"a line longer than {MAX_LINE // 2**20} MB: is this NDJSON?"))
            return
        if text := line.strip():
            yield _row(file, number, text)


def _json(file: File, data: bytes) -> Iterator[Row]:
    """Read a list, a page with items, or one object; where a second object follows it is NDJSON after all."""
    try:
        items = _items(bytes(msgspec.json.decode(data, type=msgspec.Raw)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "trailing" in str(error) and data.lstrip().startswith(b"{"):
            yield from _ndjson(file, data.splitlines())
        else:
            yield _broken(data, error)
        return
    place = line = 0
    for item in items:
        found = data.find(item, place)
        line += data.count(b"\n", place, found)
        place = found
        yield _row(file, line + 1, item)


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

def _csv(file: File, lines: Iterable[bytes]) -> Iterator[Row]:
    texts = _texts(lines)
    skipped = 0
    try:
        while not (header_line := next(texts, "\0")).strip():
            skipped += 1
        delimiter = max(",;\t", key=header_line.count)
        reader = csv.reader(chain([header_line], texts), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader, [])]
    except (csv.Error, Malformed) as error:
        yield Row(1, error=error if isinstance(error, TimelineError) else Malformed(f"malformed CSV: {error}"))
        return
    if faults := tuple(_header_faults(header)):
        yield Row(1, error=Invalid(faults[0].detail, faults=faults))
        return
    while True:
        line = skipped + reader.line_num + 1
        try:
            cells = next(reader, None)
        except (csv.Error, Malformed) as error:
            yield Row(line, error=error if isinstance(error, TimelineError) else Malformed(f"malformed CSV: {error}"))
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _csv_row(file, line, header, cells)


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
        return Row(line, event_change(file, read_row(row)), cells=row)
    except TimelineError as error:
        faults = tuple(Fault(column(fault.pointer), fault.detail) for fault in error.faults)
        detail = f"{faults[0].pointer}: {faults[0].detail}" if faults else error.detail
        return Row(line, error=type(error)(detail, faults=faults))


def corrected(event: dict[str, Any], cells: dict[str, str]) -> dict[str, Any]:
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


__all__ = ["EXTENSIONS", "File", "Row", "column", "corrected", "event_change", "find", "rows", "sniff"]
