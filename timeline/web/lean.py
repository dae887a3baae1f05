"""Scripts as they are sent: without comments and without the spaces that only people need.

The files stay as they were written. What this reads is JavaScript's lexical grammar (ECMA-262 clause 12), as far as it
must to know where strings, templates and regular expressions are: those are never touched, and no line is joined.
"""

from __future__ import annotations

import re
from typing import Final

COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
SPACE: Final = re.compile(r"\s+")
STRING: Final = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
PATTERN: Final = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
TEMPLATE: Final = re.compile(r"[`}](?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)", re.DOTALL)
CODE: Final = re.compile(r"[\w$#]+|.", re.DOTALL)
BEFORE_PATTERN: Final = "(,=:[!&|?{};><+-*%~^\n"
"""After these a slash starts a regular expression; after a name, a number or a bracket that closes, it divides."""

WORDS_BEFORE: Final = frozenset({"case", "delete", "in", "of", "return", "typeof", "void", "yield"})
"""Names after which a slash starts a regular expression all the same."""


def lean(script: str) -> str:
    """Give a script without comments, indentation and needless spaces; strings, templates and line ends stay."""
    kept: list[str] = []
    braces: list[bool] = []  # of each open brace, whether it closes what stands inside a template
    at, gap = 0, ""
    while at < len(script):
        found = COMMENT.match(script, at) or SPACE.match(script, at)
        if found:
            gap += "\n" if "\n" in found[0] else " "
        else:
            found = _token(script, at, kept[-1] if kept else "\n", braces)
            kept += [_between(kept, gap, found[0]), found[0]]
            gap = ""
        at = found.end()
    return "".join(kept) + "\n"


def _token(script: str, at: int, before: str, braces: list[bool]) -> re.Match[str]:
    """Find the token that starts here, and keep count of the braces."""
    here = script[at]
    if here in "'\"":
        found = STRING.match(script, at)
    elif here == "/" and (before[-1] in BEFORE_PATTERN or before in WORDS_BEFORE):
        found = PATTERN.match(script, at)
    elif here == "`" or (here == "}" and braces and braces.pop()):
        found = TEMPLATE.match(script, at)
        if found and found[0].endswith("${"):
            braces.append(True)
    else:
        found = CODE.match(script, at)
        if here == "{":
            braces.append(False)
    if found is None:
        raise ValueError(f"a string, template or pattern does not end: {script[at:at + 40]!r}")
    return found


def _between(kept: list[str], gap: str, token: str) -> str:
    """Say what must stay between two tokens: a line end, or a space where they would become one."""
    if not kept or not gap:
        return ""
    if "\n" in gap:
        return "\n"
    pair = kept[-1][-1:] + token[0]
    return " " if re.fullmatch(r"[\w$#]{2}|\+\+|--|//|/\*", pair) else ""


__all__ = ["lean"]
