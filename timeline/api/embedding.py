"""Being shown elsewhere: the server's public address, who may frame it, and oEmbed 1.0 (https://oembed.com).

Consumers of oEmbed fetch an answer once and keep it, so it holds a frame for those who let one in, and the same events
as plain text for those who do not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit
from weakref import WeakKeyDictionary
from xml.etree import ElementTree as ET

import msgspec
from litestar import Response

from timeline.api.answers import REVALIDATE, respond
from timeline.api.asking import MAX_PARAMETERS, AnyRequest, number, query_pairs
from timeline.api.snapshots import described
from timeline.chronicle import Timeline
from timeline.errors import Fault, Malformed, NotFound, TimelineError
from timeline.formats.markup import text as escaped
from timeline.query import Query
from timeline.snapshots.question import normal_form
from timeline.web.embed import Embedded, event_embedded, question_embedded, snapshot_embedded
from timeline.web.metadata import Site, question_pairs
from timeline.web.share import HEIGHT, WIDTH, frame

LARGEST: Final = 10_000
"""CSS pixels that a frame may be asked to have."""

SMALLEST: Final = 280
"""CSS pixels of width that an embed is made for; a consumer with less room gets what it asks for all the same."""

LINES: Final = 20
"""Events that the text beside a frame names."""

A_DAY: Final = 86_400
SOON: Final = 300
"""Seconds after which a consumer should ask again: what is pinned changes only by an erasure."""

MATCHED: Final = 500
"""Newest published snapshots among which one of a question is looked for."""

TYPES: Final = {"json": "application/json", "xml": "text/xml"}
OWN: Final = ("url", "maxwidth", "maxheight", "format")

_NAME: Final = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST: Final = rf"(?:{_NAME}(?:\.{_NAME})*\.?|\[[0-9a-f:.]{{2,45}}\])"
_AUTHORITY: Final = re.compile(rf"({_HOST})(?::([0-9]{{1,5}}))?", re.IGNORECASE)
_SOURCE: Final = re.compile(rf"https?://(?:\*\.)?{_HOST}(?::(?:[0-9]{{1,5}}|\*))?", re.IGNORECASE)
_PORTS: Final = {"http": 80, "https": 443}
_PATH: Final = re.compile(r"/|/embed|/(?:(?:embed/)?(?:events|snapshots)|actors|topics)/[a-z0-9](?:[a-z0-9-]{0,99})")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, escaped or not (production 2)."""


class UnknownFormat(TimelineError):
    """An oEmbed answer is wanted in a format there is none in (oEmbed 1.0, section 2.3.3)."""

    code, status, title = "unknown-format", 501, "Format not implemented"


# ---------------------------------------------------------------------------------------------- addresses

@dataclass(frozen=True, slots=True)
class Embedding:
    """How a server is shown elsewhere: its public address, empty if nobody said, and the value of frame-ancestors."""

    public_url: str = ""
    ancestors: str = "*"

    @property
    def policy(self) -> str:
        """Give the Content-Security-Policy of what may be framed: a style sheet of ours, and nothing else."""
        return ("default-src 'none'; style-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; "
                f"frame-ancestors {self.ancestors}")

    @property
    def vary(self) -> str:
        """Give the request header that answers depend on where addresses are made from it."""
        return "" if self.public_url else "Host"

    def base(self, request: AnyRequest) -> str:
        """Give scheme, host and port of this server; empty where the request names none that could be one."""
        return self.public_url or _of_host(request.scope["scheme"], request.headers.get("host", ""))

    def site(self, request: AnyRequest, timeline: Timeline) -> Site:
        """Say where pages are served, for pages."""
        def frozen(query: Query, position: int | None) -> Mapping[str, Any] | None:
            return published(timeline, query, position)

        return Site(self.base(request), fixed=bool(self.public_url), frozen=frozen)


def _of_host(scheme: str, host: str) -> str:
    """Write an origin (RFC 6454 section 6.2) with a host from a Host header (RFC 9110 section 7.2), if it is one."""
    read = _AUTHORITY.fullmatch(host) if len(host) <= 260 else None
    if read is None or scheme not in _PORTS or (read[2] and not 1 <= int(read[2]) <= 65535):
        return ""
    port = "" if not read[2] or int(read[2]) == _PORTS[scheme] else f":{int(read[2])}"
    return f"{scheme}://{read[1].lower()}{port}"


def public_url(text: str) -> str:
    """Read the public address of a server: scheme, host and port, as `--public-url` takes it.

    Raises:
        Malformed: it is something else.

    >>> public_url("https://Timeline.example.org:443/")
    'https://timeline.example.org'
    """
    scheme, _, rest = text.strip().partition("://")
    found = _of_host(scheme.lower(), rest.removesuffix("/"))
    if not found:
        raise Malformed(f"--public-url: expected a scheme and a host such as https://timeline.example.org, without a "
                        f"path, got {text[:100]!r}")
    return found


def frame_ancestors(values: Iterable[str]) -> str:
    """Read who may frame embeds, as `--frame-ancestors` takes it (CSP 3, section 6.4.2), each value one or several.

    Raises:
        Malformed: one is neither a keyword nor an origin, or a keyword that allows no others stands beside others.

    >>> frame_ancestors(["https://news.example https://*.example.org", "self"])
    "https://news.example https://*.example.org 'self'"
    """
    found = list(dict.fromkeys(_ancestor(each) for value in values for each in value.split()))
    if not found:
        raise Malformed("--frame-ancestors: expected origins such as https://news.example, *, self or none")
    if len(found) > 1 and {"'none'", "*"} & set(found):
        raise Malformed("--frame-ancestors: none and * stand alone: leave out either them or the others")
    return " ".join(found)


def _ancestor(text: str) -> str:
    keyword = text.strip("'").lower()
    if keyword in ("self", "none"):
        return f"'{keyword}'"
    if text != "*" and not _SOURCE.fullmatch(text):
        raise Malformed(f"--frame-ancestors: expected an origin such as https://news.example or https://*.example.org, "
                        f"*, self or none, got {text[:100]!r}")
    return text.lower()


# ---------------------------------------------------------------------------------------------- snapshots

class _Listed(msgspec.Struct):
    id: str
    query: dict[str, Any]
    log: dict[str, Any]


_decoder = msgspec.json.Decoder(_Listed)
_kept: WeakKeyDictionary[Timeline, tuple[int, list[_Listed]]] = WeakKeyDictionary()


def published(timeline: Timeline, query: Query, position: int | None = None) -> dict[str, Any] | None:
    """Find the newest published snapshot of a question, of one position of the log where that is given."""
    form = normal_form(query)
    head, found = _kept.get(timeline, (-1, []))
    if head != timeline.position:
        head = timeline.position
        found = [_decoder.decode(body) for _, body in timeline.reader().snapshots(head + 1, MATCHED)]
        _kept[timeline] = head, found
    for each in found:
        if each.query == form and position in (None, each.log["size"]):
            return {"id": each.id, "size": each.log["size"]}
    return None


# ---------------------------------------------------------------------------------------------- oEmbed

class OEmbed:
    """The handler of ``/oembed``."""

    def __init__(self, timeline: Timeline, embedding: Embedding) -> None:
        """Answer for the pages of this timeline."""
        self._timeline = timeline
        self._embedding = embedding

    async def oembed(self, request: AnyRequest) -> Response[bytes]:
        """Say how one of our pages is embedded (oEmbed 1.0, sections 2.2 and 2.3.4.4: rich).

        Parameters nobody knows are let pass, unlike anywhere else here: consumers send their own (WordPress ``dnt``).

        Raises:
            Malformed: there is no `url`, or a size is not a number.
            NotFound: the address is none of our pages that can be embedded, or asks what cannot be read.
            UnknownFormat: the format is neither json nor xml.

        """
        own = _own(query_pairs(request))
        format_ = own.get("format", "json")
        if format_ not in TYPES:
            raise UnknownFormat("format: expected json or xml", faults=(Fault("?format", "expected json or xml"),))
        width, height = (min(most, number(name, own[name], 1, LARGEST)) if name in own else most
                         for name, most in (("maxwidth", WIDTH), ("maxheight", HEIGHT)))
        address, base = self._ours(own["url"], request)
        made = await asyncio.to_thread(self._made, address, Site(base, fixed=bool(self._embedding.public_url)))
        made["html"] = frame(made.pop("src"), made["title"], width, height) + made["html"]
        answer = {**made, "width": width, "height": height}
        content = msgspec.json.encode(answer) if format_ == "json" else _xml(answer)
        vary = ", ".join(filter(None, ("Accept-Encoding", self._embedding.vary)))
        return await respond(request, content, media_type=TYPES[format_],
                             headers={"Cache-Control": REVALIDATE, "Vary": vary})

    def _ours(self, url: str, request: AnyRequest) -> tuple[SplitResult, str]:
        """Take an address of ours apart; gives it and the origin to write addresses with.

        Where the server was not told its own, either scheme is good: a proxy may have spoken TLS for us.
        """
        try:
            parts = urlsplit(url)
            origin = "" if "@" in parts.netloc else _of_host(parts.scheme, parts.netloc)
        except ValueError:
            origin, parts = "", SplitResult("", "", "", "", "")
        known = self._embedding.public_url or (origin and _of_host(parts.scheme, request.headers.get("host", "")))
        if not origin or origin != known:
            raise NotFound("url: expected the address of a page of this server")
        if not _PATH.fullmatch(parts.path or "/"):
            raise NotFound("url: this page cannot be embedded; the timeline, events, actors, topics and snapshots can")
        return parts, origin

    def _made(self, address: SplitResult, site: Site) -> dict[str, Any]:
        path, pairs = address.path or "/", _pairs(address)
        made = self._embedded(path, pairs, site)
        if made.detail or made.sheet.asked.faults:
            raise NotFound(f"url: {made.detail or 'that page could not read ' + ', '.join(made.sheet.asked.faults)}")
        return {
            "version": "1.0", "type": "rich", "title": made.title, "provider_name": self._timeline.origin,
            "provider_url": site.absolute("/"), "cache_age": A_DAY if made.pinned else SOON,
            "src": site.absolute(made.address), "html": _outline(made, site),
        }

    def _embedded(self, path: str, pairs: list[tuple[str, str]], site: Site) -> Embedded:
        """Make what the frame would show, without its page."""
        kind, _, name = path.removeprefix("/embed").strip("/").partition("/")
        shared: dict[str, Any] = {"asset": str, "site": site}
        if kind == "events":
            return event_embedded(self._timeline, name, pairs, **shared)
        if kind == "snapshots":
            return snapshot_embedded(self._timeline, described(self._timeline, name), pairs, **shared)
        if kind == "actors":
            self._timeline.body("actor", name)
        if kind == "topics" and not self._timeline.reader().facet_ids([f"topic/{name}"]):
            raise NotFound(f"there is no topic {name}")
        question = pairs if path == "/embed" else question_pairs(path, pairs)
        return question_embedded(self._timeline, question or [], **shared)


def _own(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Take oEmbed's own parameters, each once."""
    own: dict[str, str] = {}
    for name, value in pairs:
        if name in own:
            raise Malformed(f"{name}: given more than once", faults=(Fault(f"?{name}", "given more than once"),))
        if name in OWN:
            own[name] = value
    if not own.get("url"):
        detail = "expected the address of a page of this server"
        raise Malformed(f"url: {detail}", faults=(Fault("?url", detail),))
    return own


def _pairs(address: SplitResult) -> list[tuple[str, str]]:
    """Read the parameters of an address."""
    try:
        return parse_qsl(address.query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise NotFound("url: its parameters are too many, or not UTF-8") from None


def _outline(made: Embedded, site: Site) -> str:
    """Write what a frame shows as a list, for readers and archives that let no frame in."""
    items = "".join(
        f'<li>{escaped(event["when"]["words"])}: <a href="{escaped(site.absolute(event["href"]))}">'
        f'{escaped(event["title"]["text"])}</a></li>' for event in made.events[:LINES])
    whole = f'<p><a href="{escaped(site.absolute(made.whole))}">{escaped(made.title)}</a></p>'
    return f"<noscript>{whole}<ol>{items}</ol></noscript>"


def _xml(answer: Mapping[str, Any]) -> bytes:
    """Write an answer as XML (oEmbed 1.0, section 2.3.2)."""
    root = ET.Element("oembed")
    for name, value in answer.items():
        ET.SubElement(root, name).text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return f'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n{ET.tostring(root, encoding="unicode")}'.encode()


__all__ = ["OWN", "Embedding", "OEmbed", "UnknownFormat", "frame_ancestors", "public_url", "published"]
