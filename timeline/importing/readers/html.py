"""HTML to plain text: what a widget would show of a cell or a member that holds markup, and where it links to."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Final

from timeline.importing.drafts import Link

LONGEST: Final = 50_000
"""Characters that are read as HTML: more than twice what a summary may hold. Anything longer is refused later, unread;
the standard library's parser takes the square of the length where tags never end inside quotes."""

_MARKUP: Final = re.compile(r"<[a-zA-Z/!?]|&(?:#|[a-zA-Z])")
_TAG: Final = re.compile(r"<[^<>]*>")
_DROPPED: Final = re.compile(r"<!--.*?(?:-->|\Z)|<[!?][^>]*>?", re.DOTALL)
_UNCLOSED: Final = re.compile(r"<(?=[^<>]*(?:<|\Z))")
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HIDDEN: Final = frozenset({"script", "style", "template", "noscript", "head", "title"})
_PARAGRAPHS: Final = frozenset({
    "address", "article", "aside", "blockquote", "div", "dl", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
})
_LINES: Final = frozenset({"br", "dd", "dt", "figcaption", "li", "tr"})
_CELLS: Final = frozenset({"td", "th"})


def plain(markup: str) -> tuple[str, list[Link]]:
    r"""Give the text of some HTML, and its links to http and https addresses in order, each once. Never raises.

    Paragraphs are set apart by an empty line, ``<br>`` and list items begin a line. Scripts and styles are dropped.
    Line breaks of the source are spaces, as in HTML, unless it has no blocks at all. Text without any markup stays
    as it is.

    >>> plain("<p>One &amp; <b>two</b><br>three</p><p>See <a href='https://example.org/a'>this</a>.</p>")
    ('One & two\nthree\n\nSee this.', [Link(url='https://example.org/a', title='this', exact='')])
    >>> plain("a < b")
    ('a < b', [])
    """
    if not _MARKUP.search(markup) or len(markup) > LONGEST:
        return markup, []
    reader = _Reader()
    try:
        # The parser refuses some declarations, and a row of tags that never end takes it the square of their number.
        reader.feed(_UNCLOSED.sub("&lt;", _DROPPED.sub("", markup)))
        reader.close()
    except AssertionError:  # the parser's answer to a declaration that is none
        return _CONTROLS.sub("", unescape(_TAG.sub("", markup))).strip(), []
    reader.end_link()
    return reader.text(), reader.links


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[Link] = []
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._blocks = False
        self._href = ""
        self._from = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag == "a":
            self.end_link()
            href = (dict(attrs).get("href") or "").strip()
            self._href = href if _ADDRESS.fullmatch(href) and len(href) <= 2000 else ""
            self._from = len(self._parts)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in self._hidden:
            self._hidden.remove(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            self._hidden.remove(tag)
        elif tag == "a":
            self.end_link()
        elif tag not in _LINES:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # A vertical tab and a form feed never come from the text: controls go. They stand for our own breaks.
            self._parts.append(_CONTROLS.sub("", data.replace("\r\n", "\n").replace("\r", "\n")))

    def end_link(self) -> None:
        """Keep the link that is open, with the text since it began."""
        if self._href and all(link.url != self._href for link in self.links):
            title = " ".join("".join(self._parts[self._from :]).split())
            self.links.append(Link(self._href, title[:500]))
        self._href = ""

    def text(self) -> str:
        """Give what was read so far."""
        space = r"[ \t\n\xa0]+" if self._blocks else r"[ \t\xa0]+"
        flowing = re.sub(space, " ", "".join(self._parts))
        broken = re.sub(r" ?([\n\v\f]) ?", r"\1", flowing)
        lines = re.sub(r"[\n\v]*\f[\n\v\f]*", "\n\n", broken)
        return lines.replace("\v", "\n").strip()

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._blocks = True
            self._parts.append("\f")
        elif tag in _LINES:
            self._blocks = True
            self._parts.append("\v")
        elif tag in _CELLS:
            self._parts.append(" ")


__all__ = ["plain"]
