"""Whether what many clients saw of one register could have been seen one after the other (linearizability).

The search of Wing and Gong (1993), "Testing and verifying concurrent objects": take an operation that no other had
ended before, see whether it fits the state, go on with the rest; where none fits, there is no such order. Operations
that do not change the state are taken as soon as they fit, which loses no order; and what was seen is remembered
(Lowe 2017), so that a dead end is met once.

The register is an event: a revision number and a value. A write names the revision it expects or none, and the value it
writes is its own, so that a read says whose write it saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Literal

ABSENT: Final = (0, "")
"""The state before anything was written: no revision."""

State = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one register, with the times it was sent and answered (seconds; any clock that never goes back).

    `outcome` of a write: ``done`` (`revision` is what it was told it became), ``mismatch`` (412: the revision was not
    `expected`) or ``unknown`` (nobody heard: it may have happened any time after it was sent, or never, and `end` is
    not looked at). A read is ``done``: it saw `revision` and `value`.
    """

    kind: Literal["read", "write"]
    begin: float
    end: float
    value: str
    revision: int = 0
    expected: int | None = None
    outcome: Literal["done", "mismatch", "unknown"] = "done"
    client: int = 0

    @property
    def limit(self) -> float:
        """The time by which it had happened, if it did."""
        return inf if self.outcome == "unknown" else self.end

    def changes(self) -> bool:
        """Whether it makes another state."""
        return self.kind == "write" and self.outcome != "mismatch"

    def after(self, state: State) -> State | None:
        """Give the state after it, or None where it cannot have happened in this state."""
        revision = state[0]
        if self.kind == "read":
            return state if (self.revision, self.value) == state else None
        fits = self.expected is None or self.expected == revision
        if self.outcome == "mismatch":
            return None if fits else state
        if not fits or (self.outcome == "done" and self.revision != revision + 1):
            return None
        return revision + 1, self.value

    def __str__(self) -> str:
        """Say it as a person would."""
        when = f"client {self.client} at {self.begin:.6f} to {self.end:.6f}"
        if self.kind == "read":
            return f"a read of revision {self.revision} {self.value!r} by {when}"
        told = f"done as revision {self.revision}" if self.outcome == "done" else self.outcome
        return f"a write of {self.value!r} expecting {self.expected} ({told}) by {when}"


def violation(operations: Iterable[Operation], start: State = ABSENT) -> str | None:
    """Give None if there is an order that explains everything, else a sentence about the first that nothing explains.

    Operations of unknown outcome may be left out of the order.
    """
    history = sorted(operations, key=lambda operation: (operation.begin, operation.end))
    search = _Search(history)
    return None if search.succeeds(0, start) else search.told()


class _Search:
    """A search by depth, over sets of operations taken (bits of a number) and the state they lead to."""

    def __init__(self, history: Sequence[Operation]) -> None:
        self.history = history
        self.needed = sum(1 << number for number, each in enumerate(history) if each.outcome != "unknown")
        self.seen: set[tuple[int, State]] = set()
        self.furthest, self.stuck = -1, (0, ABSENT)

    def succeeds(self, taken: int, state: State) -> bool:
        stack = [(taken, state)]
        while stack:
            taken, state = stack.pop()
            taken, minimal = self._settle(taken, state)
            if taken & self.needed == self.needed:
                return True
            if (taken, state) in self.seen:
                continue
            self.seen.add((taken, state))
            if taken.bit_count() > self.furthest:
                self.furthest, self.stuck = taken.bit_count(), (taken, state)
            for number in reversed(minimal):
                after = self.history[number].after(state) if self.history[number].changes() else None
                if after is not None:
                    stack.append((taken | 1 << number, after))
        return False

    def _settle(self, taken: int, state: State) -> tuple[int, list[int]]:
        """Take whatever fits and changes nothing; give what may come next."""
        while True:
            minimal = self._minimal(taken)
            fitting = [number for number in minimal
                       if not self.history[number].changes() and self.history[number].after(state) is not None]
            if not fitting:
                return taken, minimal
            for number in fitting:
                taken |= 1 << number

    def _minimal(self, taken: int) -> list[int]:
        """List what no other untaken operation had ended before."""
        found, limit = [], inf
        for number, each in enumerate(self.history):
            if each.begin > limit:
                break
            if not taken >> number & 1:
                found.append(number)
                limit = min(limit, each.limit)
        return found

    def told(self) -> str:
        taken, state = self.stuck
        left = [each for number, each in enumerate(self.history)
                if not taken >> number & 1 and each.outcome != "unknown"]
        return f"after revision {state[0]} {state[1]!r}, nothing explains {min(left, key=lambda each: each.end)}"


__all__ = ["ABSENT", "Operation", "violation"]
