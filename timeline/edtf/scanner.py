"""A cursor over the text that knows where it stands, so that every error can show a caret."""

from timeline.edtf.errors import EdtfError

DIGITS = "0123456789"
MASKED = "0123456789X"

# What people write instead, by the character that stopped us; the 2012 draft is still all over catalogues.
_MEANT = {
    " ": "EDTF has no spaces",
    "u": "the 'u' of the 2012 draft is now 'X', as in 199X",
    "x": "write a capital X",
    "y": "write a capital Y",
    "t": "write a capital T",
    "z": "write a capital Z",
    "W": "week dates are not EDTF: write the days, as in 2025-08-11/2025-08-17",
    "+": "EDTF years have no plus sign: after 9999 write Y12345",
    "^": "the qualified seasons of the 2012 draft are gone: southern seasons are 29 to 32",
    "(": "the parentheses of the 2012 draft are gone: put the mark beside its component, as in 2025-~08",
    ")": "the parentheses of the 2012 draft are gone: put the mark beside its component, as in 2025-~08",
    "\\": "an interval has a slash, as in 2012/2013",
    ".": "EDTF seconds are whole: leave the fraction out",
    "\N{HYPHEN}": "write a plain hyphen (-)",
    "\N{NON-BREAKING HYPHEN}": "write a plain hyphen (-)",
    "\N{EN DASH}": "write a plain hyphen (-), or a slash between two dates",
    "\N{EM DASH}": "write a plain hyphen (-), or a slash between two dates",
    "\N{MINUS SIGN}": "write a plain hyphen (-)",
}


class Scanner:
    """Reads ``text[at:end]`` from left to right. ``rfc3339`` also lets lower-case t and z and fractions pass."""

    __slots__ = ("at", "begin", "end", "field_at", "marks", "rfc3339", "text")

    def __init__(self, text: str, begin: int, end: int, *, rfc3339: bool = False) -> None:
        self.text = text
        self.begin = self.at = self.field_at = begin
        self.end = end
        self.marks = ""
        self.rfc3339 = rfc3339

    @property
    def part(self) -> str:
        """The whole text between ``begin`` and ``end``."""
        return self.text[self.begin : self.end]

    def peek(self) -> str:
        """Next character, or nothing at the end."""
        return self.text[self.at] if self.at < self.end else ""

    def take(self, chars: str) -> str:
        """Next character where it is one of ``chars``, consumed; otherwise nothing."""
        char = self.peek()
        if char and char in chars:
            self.at += 1
            return char
        return ""

    def letter(self, capital: str) -> str:
        """Next character where it is this letter, consumed; in RFC 3339 its case does not matter (5.6)."""
        return self.take(capital + capital.lower() if self.rfc3339 else capital)

    def run(self, chars: str) -> str:
        """All the next characters that are among ``chars``, consumed."""
        begin = self.at
        while self.take(chars):
            pass
        return self.text[begin : self.at]

    def field(self, width: int, name: str, chars: str = MASKED) -> str:
        """Consume exactly ``width`` of ``chars``, at ``field_at``; EdtfError where there are more or fewer."""
        begin = self.field_at = self.at
        found = self.run(chars)
        if len(found) == width:
            return found
        if len(found) > width:
            raise self.error(f"the {name} has more than {width} digits", _shorter(name, found), begin + width)
        if found and (not self.peek() or self.peek() in "-/,.:]}?~%"):
            raise self.error(f"the {name} needs {width} digits", _longer(found, width), begin)
        raise self.wrong(f"the {name} needs {width} digits", f"write {'00' if width == 2 else '2025'}")

    def wrong(self, reason: str, hint: str) -> EdtfError:
        """Blame the next character; where people are known to mean something by it, say what to write."""
        return self.error(reason, _MEANT.get(self.peek(), hint), self.at)

    def error(self, reason: str, hint: str, offset: int) -> EdtfError:
        """Blame the character at ``offset`` of the whole text."""
        return EdtfError(self.text, offset, reason, hint)


def _shorter(name: str, found: str) -> str:
    if name == "year":
        like_a_day = len(found) == 8 and "01" <= found[4:6] <= "12" and "01" <= found[6:] <= "31"
        hyphens = f"write {found[:4]}-{found[4:6]}-{found[6:]}" if like_a_day else "put hyphens around the month"
        return f"{hyphens}, or Y{found} for a year after 9999"
    if name == "month":
        return "day-of-year dates are not EDTF: write month and day, as in 2025-08-15"
    return f"write {found[:2]}"


def _longer(found: str, width: int) -> str:
    return (
        f"write {found.zfill(width)}" if width == 2 else f"write {found.zfill(4)}, or {found.ljust(4, 'X')} for a span"
    )
