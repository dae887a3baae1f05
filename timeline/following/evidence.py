"""Evidence of a fork: two checkpoints of one log that do not belong to one history, as text anyone can check.

What it proves about the holder of the log's key is said in `timeline.following.proving`, and by `Evidence.check`.

The text is a function of the two notes and the proof, byte for byte: there is no clock in it, and reading it makes it
anew and compares. So nothing in it can be altered but the notes, which are signed, and the proof, which is recomputed.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from timeline.errors import Fault, Invalid, Malformed, TimelineError
from timeline.following.printed import Parts, read_text, write_text
from timeline.following.proving import Standing, standing
from timeline.following.reading import read, read_key
from timeline.tlog import Verifier

MAX_BYTES: Final = 1_000_000

SAME_SIZE: Final = "same-size"
NOT_EXTENDED: Final = "not-extended"
SHORTER: Final = "shorter"


class Fork(TimelineError):
    """A log has shown two histories. `evidence` holds both checkpoints."""

    code, status, title, exit_code = "fork", 409, "Two histories", 7

    def __init__(
        self, detail: str, *, evidence: Evidence | None = None, faults: tuple[Fault, ...] = (), **members: object
    ) -> None:
        """Keep the sentence and what it rests on."""
        super().__init__(detail, faults=faults, **members)
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Verdict:
    """What evidence comes to, checked against a key."""

    proved: bool
    """Whether it proves, by itself, that the holder of the key signed two histories."""
    statement: str


STATEMENTS: Final = {
    Standing.TWO_ROOTS:
        "Proved: the holder of the key {key} signed two different roots for size {new}. The two checkpoints alone show "
        "it.",
    Standing.OF_LARGER:
        "Proved: the holder of the key {key} signed checkpoints of the sizes {old} and {new}, and the larger tree does "
        "not begin with the smaller: the consistency proof leads to the larger root signed and to another smaller one.",
    Standing.OPEN:
        "Not proved by this alone: the holder of the key {key} signed checkpoints of the sizes {old} and {new}, and no "
        "consistency proof that holds is given between them. A proof may be spoilt or kept back by others. An honest "
        "log answers with one that holds; a log that cannot was rewritten or cut short.",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two checkpoints, the first shown before the second, and the proof that was to lead from one to the other."""

    first: str
    second: str
    """Notes, verbatim."""
    proof: tuple[bytes, ...] | None
    """From the smaller size to the larger; None where none was given. There is none between equal sizes."""

    @property
    def finding(self) -> str:
        """Which check failed: ``same-size``, ``not-extended`` or ``shorter``."""
        first, second = read(self.first).checkpoint.size, read(self.second).checkpoint.size
        return SAME_SIZE if first == second else NOT_EXTENDED if first < second else SHORTER

    @property
    def name(self) -> str:
        """A name for its file, made of its content."""
        return f"fork-{sha256(self.text().encode()).hexdigest()[:16]}.txt"

    def text(self) -> str:
        """Write it down: plain UTF-8, the same bytes whenever and wherever it is written."""
        return write_text(Parts(self.first, self.second, self.proof), self.finding)

    def write(self, path: Path) -> Path:
        """Write the text to a file that is new: older evidence is never overwritten. Give the path that it has."""
        content, number, place = self.text().encode(), 1, path
        while True:
            try:
                with place.open("xb") as file:
                    file.write(content)
                return place
            except FileExistsError:
                if place.is_file() and place.stat().st_size == len(content) and place.read_bytes() == content:
                    return place
            number += 1
            place = path.with_name(f"{path.stem}-{number}{path.suffix}")

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read the text back.

        Raises:
            Malformed: it is not such a text, or a word of it was altered.

        """
        if len(text) > MAX_BYTES:
            raise Malformed(f"evidence: at most {MAX_BYTES} bytes, got {len(text)}")
        try:
            decoded = text if isinstance(text, str) else text.decode()
        except UnicodeDecodeError:
            raise Malformed("evidence: expected UTF-8 text, got other bytes") from None
        found = cls(*read_text(decoded))
        if found.text() != decoded:
            raise Malformed("evidence: the text around the checkpoints was altered: it does not follow from them")
        return found

    def check(self, vkey: str | Verifier) -> Verdict:
        """Check again, offline, with the log's key, what this proves.

        Raises:
            Malformed: the key or a checkpoint cannot be read.
            Invalid: it shows no fork: a signature is not the key's, the logs are two, or nothing contradicts.

        """
        verifier = read_key(vkey) if isinstance(vkey, str) else vkey
        first, second = read(self.first, verifier).checkpoint, read(self.second, verifier).checkpoint
        if first.origin != second.origin:
            raise Invalid(f"evidence: the checkpoints are of two logs, {first.origin!r} and {second.origin!r}")
        old, new = sorted((first, second), key=lambda each: each.size)
        found = standing(self.proof, old, new)
        if found is Standing.HOLDS:
            raise Invalid("evidence: nothing contradicts: the two checkpoints belong to one history")
        statement = STATEMENTS[found].format(key=verifier.vkey, old=old.size, new=new.size)
        return Verdict(found is not Standing.OPEN, statement)
