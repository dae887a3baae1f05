"""Text for tools that read HTML where we mean text: every character of an event stays a character."""

from __future__ import annotations

import re
from html import escape
from typing import Any, Final

_PICTURE: Final = re.compile(r"\.(?:avif|gif|jpe?g|png|webp)(?:[?#]|$)", re.IGNORECASE)


def text(plain: str) -> str:
    """Write plain text as HTML, fit for an attribute too.

    >>> text("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return escape(plain, quote=True)


def paragraphs(*plain: str) -> str:
    """Write texts as paragraphs; an empty line begins another one, and a line stays a line."""
    blocks = [block.strip() for each in plain for block in re.split(r"\n[ \t]*\n", each)]
    return "".join(f"<p>{text(block).replace(chr(10), '<br>')}</p>" for block in blocks if block)


def picture(event: dict[str, Any]) -> dict[str, Any] | None:
    """Find the first medium that its address says is a picture: other addresses a widget would open as pages."""
    return next((each for each in event.get("media", ()) if _PICTURE.search(each["url"])), None)
