"""Files: which there are, how they are opened, and what syntax they are in.

The kind of a file is decided by what it holds; its name decides only where that is not enough.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from timeline.errors import Malformed, NotFound

EXTENSIONS: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".geojson": "json", ".csv": "csv",
                     ".tsv": "csv", ".ics": "ics"}
BOM: Final = b"\xef\xbb\xbf"
MAX_LINE: Final = 16 * 1024 * 1024
CHANGE: Final = 1000
"""Bytes that few changes exceed."""

HOLDERS: Final = ("items", "events", "features")
"""Members of a document that hold its items."""

ARCHIVES: Final = {b"PK\x03\x04": "a spreadsheet (.xlsx, .ods) or an archive", b"\x1f\x8b": "packed (gzip)",
                   b"%PDF": "a PDF", b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls)"}


@dataclass(slots=True)
class File:
    """One file to read, and how much of it has been read.

    `kind` is its syntax, `format` what it is, in words for people; both are known once its beginning has been read.
    """

    path: Path | None
    size: int | None
    read: int = 0
    ignored: int = 0
    kind: str = ""
    format: str = ""

    @property
    def name(self) -> str:
        """How messages call it."""
        return "standard input" if self.path is None else str(self.path)

    @property
    def stem(self) -> str:
        """Its name without folder and extension."""
        return "stdin" if self.path is None else self.path.stem

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


def expected(files: Iterable[File]) -> int:
    """Guess, rather too low, how many changes some files hold; what size is not known counts for nothing."""
    return sum(file.size or 0 for file in files) // CHANGE


def _directory(path: Path) -> list[File]:
    inside = sorted(
        each for each in path.iterdir()
        if each.is_file() and not each.name.startswith(".") and each.suffix.lower() in EXTENSIONS
    )
    if not inside:
        raise NotFound(f"there is nothing to import in {path}: expected files *{', *'.join(EXTENSIONS)}")
    return [File(each, each.stat().st_size) for each in inside]


def sniff(file: File, stream: BinaryIO) -> tuple[Iterator[bytes], str]:
    """Give a file's lines, and its kind: ``ndjson``, ``json``, ``csv``, ``ics`` or ``log``.

    Raises:
        Malformed: it is no text, but a spreadsheet or an archive.

    """
    lines = _lines(file, stream)
    kept: list[bytes] = []
    for line in lines:
        kept.append(line)
        if line.strip():
            break
    first = kept[-1].strip() if kept else b""
    for magic, what in ARCHIVES.items():
        if first.startswith(magic):
            raise Malformed(f"this is {what}: unpack it, or save the table as “CSV UTF-8”")
    file.kind = _kind(first, EXTENSIONS.get(file.path.suffix.lower(), "") if file.path else "")
    return chain(kept, lines), file.kind


def _lines(file: File, stream: BinaryIO) -> Iterator[bytes]:
    first = True
    while line := stream.readline(MAX_LINE):
        file.read += len(line)
        yield line.removeprefix(BOM) if first else line
        first = False


def _kind(first: bytes, named: str) -> str:
    if first.upper().startswith(b"BEGIN:VCALENDAR"):
        return "ics"
    if not first.startswith((b"[", b"{")):
        return (named or "csv") if first else "ndjson"
    if first.startswith(b"["):
        return "json"
    try:
        value = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # whoever reads it says what is wrong
        whole = named == "ndjson" or (named != "json" and first.endswith(b"}"))
        return "ndjson" if whole else "json"
    if "header" in value and "parts" in value:
        return "log"
    whole = value.get("type") == "Feature" or any(isinstance(value.get(member), list) for member in HOLDERS)
    return "json" if whole else "ndjson"


__all__ = ["EXTENSIONS", "MAX_LINE", "File", "find", "sniff"]
