"""The one exception of this package, drawn with a caret under the character to blame."""

LIMIT = 120
"""Longest text that is read, in characters; the longest honest set we met has 60."""


class EdtfError(ValueError):
    """Text that is not a date, a range or a time zone we can read.

    ``text`` is the whole text, ``offset`` the index of the offending character (``len(text)`` where something is
    missing at the end), ``reason`` what is wrong and ``hint`` what would be right.

    >>> print(EdtfError("2025-13", 5, "month 13 does not exist", "write 01 to 12"))
    month 13 does not exist; write 01 to 12
      2025-13
           ^
    """

    def __init__(self, text: str, offset: int, reason: str, hint: str) -> None:
        super().__init__(text, offset, reason, hint)
        self.text = text
        self.offset = offset
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= LIMIT else self.text[:LIMIT] + "…"
        # One column for each character: a newline or a control character would move the caret.
        line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)
        return f"{self.reason}; {self.hint}\n  {line}\n  {' ' * self.offset}^"
