"""Tiles: a log's hashes and entries as files that never change (C2SP tlog-tiles 0.1.0).

A tile of level l and index n holds the hashes of the complete nodes [256 n, 256 n + width) at tree level 8 l; a bundle
holds the entries behind a level-0 tile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from timeline.merkle import MAX_SIZE, TILE, Hashes

WIDTH: Final = 1 << TILE
"""Hashes in a full tile."""

MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 0xFFFF
"""Bytes in an entry: its length is a uint16."""

_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TileError(ValueError):
    """There is no such tile, or the bytes are not a bundle; `str()` is a sentence fit to be shown."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: `level` 0 to 63, None for a bundle of entries; `width` 1 to 256, less than 256 for a partial one."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix (see `tile_path`)."""
        return tile_path(self.level, self.index, self.width)


def tile_path(level: int | None, index: int, width: int = WIDTH) -> str:
    """Give ``tile/<L>/<N>[.p/<W>]``, without a slash before it (C2SP tlog-tiles, "Merkle Tree" and "Log entries").

    >>> tile_path(0, 1234067), tile_path(None, 273, 112)
    ('tile/0/x001/x234/067', 'tile/entries/273.p/112')

    Raises:
        TileError: no tile has such a level, index or width.

    """
    if level is not None and not 0 <= level <= MAX_LEVEL:
        raise TileError(f"the level of a tile must be from 0 to {MAX_LEVEL}, got {level}")
    if not 0 <= index <= MAX_SIZE:
        raise TileError(f"the index of a tile must be from 0 to 2^63 - 1, got {index}")
    if not 1 <= width <= WIDTH:
        raise TileError(f"the width of a tile must be from 1 to {WIDTH}, got {width}")
    number, rest = f"{index % 1000:03d}", index // 1000
    while rest:
        number, rest = f"x{rest % 1000:03d}/{number}", rest // 1000
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{number}{partial}"


def parse_tile_path(path: str) -> Tile:
    """Read a path that `tile_path` wrote; each tile has one path only.

    Raises:
        TileError: it is not the path of a tile.

    """
    match = _PATH.fullmatch(path)
    if match:
        level, number, width = match.groups()
        tile = Tile(
            None if level == "entries" else int(level),
            int(number.replace("x", "").replace("/", "")),
            int(width or WIDTH),
        )
        if _is_path_of(tile, path):
            return tile
    raise TileError("a tile's path must be tile/<level>/<index>[.p/<width>], such as tile/0/x001/x234/067.p/8")


def _is_path_of(tile: Tile, path: str) -> bool:
    """Whether `path` is how the tile is written: no level 64, no level 01, no x000/000, no .p/256."""
    try:
        return tile.path == path
    except TileError:
        return False


def width_at(level: int | None, index: int, size: int) -> int:
    """Give the width of a tile in a tree of `size` leaves: 0 (there is none) to 256.

    >>> [width_at(0, 273, 70_000), width_at(1, 1, 70_000), width_at(2, 0, 70_000), width_at(3, 0, 70_000)]
    [112, 17, 1, 0]
    """
    return max(0, min(WIDTH, (size >> TILE * (level or 0)) - index * WIDTH))


def tiles_at(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree of `size` leaves, level by level, then every bundle of entries."""
    for level in range((max(size, 1).bit_length() - 1) // TILE + 1):
        yield from _row(level, level, size)
    yield from _row(None, 0, size)


def _row(name: int | None, level: int, size: int) -> Iterator[Tile]:
    count = size >> TILE * level
    yield from (Tile(name, index, width_at(level, index, size)) for index in range(-(-count // WIDTH)))


def tile_bytes(tile: Tile, hashes: Hashes) -> bytes:
    """Give the contents of a tile of hashes: 32 bytes for each. Ask `width_at` first whether the log has it.

    Raises:
        TileError: it is a bundle of entries, or the reader gave fewer hashes than the tile is wide.

    """
    if tile.level is None:
        raise TileError("a bundle of entries holds no hashes: ask for the tile of level 0")
    start = tile.index * WIDTH
    row = hashes(tile.level * TILE, start, start + tile.width)
    if len(row) != tile.width:
        raise TileError(f"there is no tile {tile.path} in a log of this size")
    return b"".join(row)


def entry_bundle(entries: Iterable[bytes]) -> bytes:
    """Join the entries behind one tile, each with its length as a big-endian uint16 (C2SP tlog-tiles, "Log entries").

    Raises:
        TileError: there are none or more than 256, or one is longer than 65,535 bytes.

    """
    items = list(entries)
    if not 1 <= len(items) <= WIDTH:
        raise TileError(f"a bundle must hold from 1 to {WIDTH} entries, got {len(items)}")
    for item in items:
        if len(item) > MAX_ENTRY:
            raise TileError(f"an entry must have at most {MAX_ENTRY} bytes, got {len(item)}")
    return b"".join(len(item).to_bytes(2, "big") + item for item in items)


def read_entry_bundle(data: bytes) -> list[bytes]:
    """Split a bundle into its entries.

    Raises:
        TileError: it is cut off, is empty, or holds more than 256.

    """
    entries, at = [], 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data):
            raise TileError("the bundle of entries is cut off")
        entries.append(data[start:at])
    if not 1 <= len(entries) <= WIDTH:
        raise TileError(f"a bundle must hold from 1 to {WIDTH} entries, got {len(entries)}")
    return entries
