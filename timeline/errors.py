"""The few ways a request can fail, each with a stable code and an HTTP status.

Why so few: a caller can act on only a handful of outcomes. Everything that is not one of these is a bug, is logged
with its traceback and is shown to nobody as anything but "internal error". Adapters map a class to their own
language once (HTTP status and problem type, exit code of the command line).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """One thing wrong with what was sent.

    `pointer` is an RFC 6901 JSON pointer into the body (``/actors/0/id``), or ``?name`` for a query parameter.
    """

    pointer: str
    detail: str


class TimelineError(Exception):
    """Base of every error this package raises on purpose; `str()` is a sentence fit to show to the user."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Error"
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str, *, faults: tuple[Fault, ...] = (), **members: object) -> None:
        """Keep the sentence, the faults behind it and any extra members a problem document should carry."""
        super().__init__(detail)
        self.detail = detail
        self.faults = faults
        self.members = members

    def at(self, prefix: str) -> TimelineError:
        """Return the same error with every pointer moved below `prefix` (an item of a batch, a line of a file)."""
        faults = tuple(Fault(prefix + fault.pointer, fault.detail) for fault in self.faults)
        detail = prefix + self.detail if self.detail.startswith("/") else self.detail
        return type(self)(detail, faults=faults or (Fault(prefix, self.detail),), **self.members)


class Malformed(TimelineError):
    """The bytes are not what they claim to be: broken JSON, a wrong parameter, a bad cursor."""

    code, status, title, exit_code = "malformed", 400, "Malformed request", 2


class Invalid(TimelineError):
    """Well-formed, but it says something that cannot be: a wrong type, an unknown field, an unknown actor."""

    code, status, title, exit_code = "invalid", 422, "Invalid content", 2


class NotFound(TimelineError):
    """There is nothing of that name (at that position)."""

    code, status, title, exit_code = "not-found", 404, "Not found", 3


class Conflict(TimelineError):
    """It contradicts what the log already holds: the name is taken, the key was used for something else."""

    code, status, title, exit_code = "conflict", 409, "Conflict", 4


class VersionMismatch(TimelineError):
    """Somebody else changed it since it was read (RFC 9110 section 13.1.1, If-Match)."""

    code, status, title, exit_code = "version-mismatch", 412, "Changed since it was read", 4


class Forbidden(TimelineError):
    """The token is good but does not carry the scope this needs; or a file or medium is read-only."""

    code, status, title, exit_code = "forbidden", 403, "Not allowed", 5


class Unauthorized(TimelineError):
    """No token, or one that is unknown, expired or revoked."""

    code, status, title, exit_code = "unauthorized", 401, "Token needed", 5


class TooCostly(TimelineError):
    """The question would take longer than the time a single question may take."""

    code, status, title, exit_code = "too-costly", 503, "Question too costly", 6


class Busy(TimelineError):
    """Another process is the writer of this log, or the writer cannot take more work now."""

    code, status, title, exit_code = "busy", 503, "Busy", 6


class Corrupt(TimelineError):
    """The stored bytes contradict their own hashes. `position` names the first bad record, if one can be named."""

    code, status, title, exit_code = "corrupt", 500, "The log is damaged", 7
