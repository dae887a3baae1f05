"""What a verification found, in plain words: what was checked, what each level proves, and what nobody can prove."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

State = Literal["ok", "failed", "unknown"]

PROVES: Final = {
    "form": "The file is exactly as a program wrote it: no byte of it was changed by hand.",
    "id": "It is the snapshot that this id cites: the same question, the same events, formed by the same records.",
    "content": "It says what it said when it was published.",
    "checkpoint": "The log's keeper vouched for this size and root.",
    "tree": "Every record used here is in the log of that root; none was altered since.",
    "parts": "What the records say is what was committed to when they were recorded.",
    "entries": "Each event follows from its records alone.",
    "complete": "Nothing that the question means was left out.",
    "published": "The log itself dates this snapshot.",
    "log": "The log at hand gives the same bytes today.",
}
"""Check -> what it proves where it holds."""

NOBODY: Final = (
    "Nobody can prove that a source told the truth, that a report which never entered existed, or that the log's "
    "clock was right. That everybody is shown the same history takes a second party: a witness, or a checkpoint "
    "kept elsewhere."
)


class Check(NamedTuple):
    """One thing looked at, and what was found: a sentence."""

    name: str
    state: State
    detail: str


class Report(NamedTuple):
    """A verification: what was checked, and what has been erased since."""

    id: str
    checks: tuple[Check, ...]
    erased: tuple[dict[str, Any], ...] = ()

    @property
    def verdict(self) -> State:
        """Failed where anything failed; otherwise ok."""
        return "failed" if any(check.state == "failed" for check in self.checks) else "ok"

    def plain(self) -> dict[str, Any]:
        """Give the report as JSON values."""
        return {
            "snapshot": self.id, "verdict": self.verdict,
            "checks": [{**check._asdict(), "proves": PROVES[check.name]} for check in self.checks],
            "erased": list(self.erased), "nobody_can_prove": NOBODY,
        }

    def lines(self) -> Iterator[str]:
        """Give the report as lines of text."""
        marks = {"ok": "ok     ", "failed": "FAILED ", "unknown": "not known"}
        yield f"snapshot {self.id}"
        for check in self.checks:
            yield f"  {marks[check.state]:<10}{check.name:<11}{check.detail}"
            if check.state == "ok":
                yield f"  {'':<21}{PROVES[check.name]}"
        for erasure in self.erased:
            yield f"  erased    {erasure['event']}: {', '.join(erasure['parts'])}"
        yield NOBODY


__all__ = ["NOBODY", "PROVES", "Check", "Report", "State"]
