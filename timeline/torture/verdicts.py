"""What a trial found, in counts that mean the same in every trial, and how far a run may go."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from timeline.torture.nursery import Nursery

KEPT: Final = 12
"""Sentences kept about each trial; all faults are counted."""

FAULTS: Final = ("lost", "torn", "twice", "unsound", "differing", "lies")
"""The counts that have to be 0."""


class Verdict(msgspec.Struct, kw_only=True):
    """What became of one trial. The counts of `FAULTS` are all 0 where the program kept its word."""

    trial: str
    what: str
    rounds: int = 0
    acknowledged: int = 0
    """Requests that were answered as done (a batch is one)."""

    lost: int = 0
    """Acknowledged requests that were not there afterwards, or not at the positions they were told."""

    torn: int = 0
    """Batches of which only a part was there."""

    twice: int = 0
    """Requests that were there more than once."""

    unsound: int = 0
    """Logs that did not verify, or had another root than the one that was kept."""

    differing: int = 0
    """Views that were not what a fold of the log gives."""

    lies: int = 0
    """Anything else that was not as it was said: a wrong answer, silence about a fault, a refusal to go on."""

    seconds: float = 0.0
    findings: list[str] = []
    """What was wrong, in sentences."""

    notes: list[str] = []
    """What else there is to know."""

    skipped: str = ""
    """Why the trial was not held."""

    def fault(self, kind: str, sentence: str) -> None:
        """Count a fault and keep the sentence that says what it was."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.findings) < KEPT:
            self.findings.append(f"{kind}, round {self.rounds}: {sentence}")

    def note(self, sentence: str) -> None:
        """Keep a sentence, once."""
        if sentence not in self.notes and len(self.notes) < KEPT:
            self.notes.append(sentence)

    @property
    def good(self) -> bool:
        """Whether nothing was lost and nothing was said that is not so."""
        return not any(getattr(self, name) for name in FAULTS)


@dataclass(slots=True)
class Run:
    """How much a run may do and where; `progress(text, done, total)` shows a bar.

    The works of the nursery are what is tested: tests put faulty ones there, to see that they are found.
    """

    scratch: Path
    nursery: Nursery
    rounds: int = 6
    seconds: float = 3.0
    """After so many seconds a trial begins no new round; each has one round at least."""

    seed: int = 0
    progress: Callable[[str, int, int], None] = lambda *_: None
    chance: random.Random = field(init=False)
    _begun: float = field(init=False, default=0.0)
    _folders: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Make the chances of this run: the same for the same seed, as far as the system lets them be."""
        self.chance = random.Random(self.seed)  # noqa: S311 - chosen to be repeatable

    def begin(self) -> None:
        """Start the clock of a trial."""
        self._begun = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the trial began."""
        return time.monotonic() - self._begun

    def goes_on(self, verdict: Verdict, most: int | None = None) -> bool:
        """Whether there is another round, which is then counted. `most` is given where rounds are not `rounds`."""
        total = self.rounds if most is None else most
        self.progress(verdict.what, verdict.rounds, total)
        if verdict.rounds >= total or (verdict.rounds and self.spent > self.seconds):
            return False
        verdict.rounds += 1
        return True

    def fresh(self) -> Path:
        """Give a new folder in the scratch directory; a log in it is called ``timeline.db``."""
        self._folders += 1
        folder = self.scratch / f"{self._folders}-{os.getpid()}"
        folder.mkdir()
        return folder


__all__ = ["FAULTS", "Run", "Verdict"]
