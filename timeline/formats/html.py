"""HTML for people and for archives: one document that needs nothing else (HTML Living Standard).

There is no script, no picture, no font and no address that a browser would fetch by itself: media are links. Every
character of an event stays a character. The one style is named by its SHA-256 in the policy (CSP Level 3, section
2.3.1), which stands in the document, for files, and is sent as a header over HTTP: what a text might smuggle in would
be neither run nor loaded.

An event is an `article` in an ordered list. HTML can say few dates: a day, a month, a year or a moment that is sure
stands in `time`, anything else in words alone, with its EDTF text in ``data-edtf``.

Over HTTP a page is worth half of what data are (`timeline.api.asking`): browsers, which take anything, get JSON as
they always did, and a cache that overlooks Vary never gives a program a page. Ask with ``f=html``, or with an Accept
header that wants HTML most by far.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from timeline.formats.events import Entry, read
from timeline.formats.markup import paragraphs, text
from timeline.formats.sheet import Sheet
from timeline.wording import deslug, label, language

STYLE: Final = (
    "body{max-width:44rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif}"
    "ol{padding:0;list-style:none}article{border-top:1px solid;padding:.5rem 0}h2{font-size:1.15rem;margin:0}"
    "h2,p,li{overflow-wrap:anywhere}ul{padding-left:1.2rem}.when{margin:0;font-weight:bold}"
)
_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
_META_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
POLICY: Final = f"{_META_POLICY}; frame-ancestors 'none'"
"""The policy as a header; in a document `frame-ancestors` means nothing (CSP Level 3, section 3.3)."""

_HTML_DATE: Final = re.compile(
    r"(?!0000)[0-9]{4}(-(0[1-9]|1[0-2])(-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_WORDS: Final = {
    "actors": ("Actors: ", "Acteurs\u00a0: "), "place": ("Place: ", "Lieu\u00a0: "),
    "topics": ("Topics: ", "Sujets\u00a0: "), "sources": ("Sources: ", "Sources\u00a0: "),
    "media": ("Media: ", "Médias\u00a0: "), "gone": ("Withdrawn: ", "Retiré\u00a0: "),
}


def write(sheet: Sheet) -> Iterator[bytes]:
    """Write a document; its next page is linked where there is one."""
    title = text(f"Timeline {sheet.origin}")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(_META_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f"<p>Position in the log: {sheet.position}</p>\n"
    ).encode()
    count = 0
    for count, body in enumerate(sheet.bodies, 1):
        start = "<ol>\n" if count == 1 else ""
        yield f"{start}<li>{_article(read(body), sheet)}</li>\n".encode()
    yield b"</ol>\n" if count else b"<p>No events.</p>\n"
    if sheet.next is not None:
        yield f'<p><a rel="next" href="{text(sheet.base + sheet.next)}">Next page</a></p>\n'.encode()
    yield b"</main>\n</body>\n</html>\n"


def _article(entry: Entry, sheet: Sheet) -> str:
    """Write one event. What we say of it is in `lang`; its own texts are in its own language."""
    event, lang = entry.event, language(entry.event.get("lang"))
    own = f' lang="{text(event["lang"])}"' if event.get("lang", lang) != lang else ""
    parts = [
        f'<h2 dir="auto"{own}>{_linked(text(event["title"]), sheet.event_url(entry.id))}</h2>',
        _when(entry),
        f"<p>{_status(entry, lang)}</p>",
        f'<div dir="auto"{own}>{paragraphs(entry.summary)}</div>' if entry.summary else "",
        _line("actors", lang, _actors(event, sheet, lang)),
        _line("place", lang, [_isolated(event["place"]["name"])] if "place" in event else []),
        _line("topics", lang, [_isolated(deslug(topic)) for topic in event.get("topics", ())]),
        _line("sources", lang, [f"<cite>{text(source)}</cite>" for source in entry.sources]),
        _media(event, lang),
    ]
    return f'<article id="{text(entry.id)}" lang="{lang}">\n' + "\n".join(filter(None, parts)) + "\n</article>"


def _linked(title: str, url: str) -> str:
    """Link to the event's page where the world knows its address: a document may be read anywhere."""
    return f'<a href="{text(url)}">{title}</a>' if url else title


def _when(entry: Entry) -> str:
    """Say the date in words, as `time` where HTML has a way to write it and it is sure or a whole month or year."""
    words, edtf = text(entry.words), entry.event.get("when")
    if edtf is None:
        return f'<p class="when">{words}</p>'
    if _HTML_DATE.fullmatch(edtf):
        words = f'<time datetime="{edtf}">{words}</time>'
    return f'<p class="when" data-edtf="{text(edtf)}">{words}</p>'


def _status(entry: Entry, lang: str) -> str:
    """Say what it is and how sure, or why it does not stand any more."""
    event = entry.event
    said = f"{label('kind', event['kind'], lang)}, {label('status', event['status'], lang)}"
    if event.get("certainty") == "inferred":
        said += f", {label('certainty', 'inferred', lang)}"
    if entry.gone is None:
        return text(said)
    return f"{text(said)}. <strong>{_say('gone', lang)}{_isolated(entry.gone)}</strong>"


def _actors(event: dict[str, Any], sheet: Sheet, lang: str) -> list[str]:
    """Name the actors in order, each part with its role: who said that who said."""
    return [f"{_isolated(sheet.name(part['id']))} ({text(label('role', part['role'], lang))})"
            for part in event.get("actors", ())]


def _media(event: dict[str, Any], lang: str) -> str:
    """Link to media, without fetching any."""
    return _items("media", lang, [
        f'<a rel="noreferrer external" href="{text(each["url"])}">'
        f"{_isolated(each.get('caption') or each.get('alt') or each['url'])}</a>"
        + (f" ({_isolated(each['credit'])})" if each.get("credit") else "")
        for each in event.get("media", ())
    ])


def _line(name: str, lang: str, items: list[str]) -> str:
    return f"<p>{_say(name, lang)}{', '.join(items)}</p>" if items else ""


def _items(name: str, lang: str, items: list[str]) -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<p>{_say(name, lang).rstrip()}</p>\n<ul>{listed}</ul>" if items else ""


def _isolated(plain: str) -> str:
    """Write a text whose direction must not turn its neighbours' (`bdi`)."""
    return f"<bdi>{text(plain)}</bdi>"


def _say(word: str, lang: str) -> str:
    return _WORDS[word][lang == "fr"]
