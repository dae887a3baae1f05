"""System calls: watched, counted, and struck in the middle, with strace(1), on Linux.

Nothing of the program is changed for it: strace stops a process at the entry of the n-th call of a kind and kills it
there, or makes the call fail with an error number, as the kernel would (``--inject``).
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

CALLS: Final = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "rename", "openat")
"""What SQLite and we change files with, on this system."""

WRITES: Final = ("pwrite64", "ftruncate")

_CALL: Final = re.compile(r"^(\d+)\s+(\w+)\((.*)$")
_RESUMED: Final = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$")
_RESULT: Final = re.compile(r"\)\s*=\s*(-?\d+)")
_TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR: Final = re.compile(r"^\d+<((?:\\x[0-9a-f]{2}|[^>])*)>")


def why_not() -> str:
    """Say why system calls cannot be watched here; nothing where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=getcwd:error=EPERM:when=9999", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode == 0:
        return ""
    return f"strace does not work here: {(done.stderr.strip().splitlines() or ['it says nothing'])[0][:120]}"


@contextmanager
def traced(pid: int, *options: str, output: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Trace a process and its threads in the block; it runs on by itself afterwards."""
    command = ["strace", "-f", "-qq", "-o", str(output or "/dev/null"), *options, "-p", str(pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - ours
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)  # lets go of the process


RECORDING: Final = ("-y", "-xx", "-s", "4000000", "-e", f"trace={','.join((*CALLS, 'write'))}")
"""Options that write down every change of a file with its bytes, and what a process says."""


Kind = Literal["write", "sync", "truncate", "create", "unlink", "rename", "said"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done to a file, or (`said`) something a process said to another.

    A `write` takes its place when it begins, a `sync` when it ends: in between, nobody may rely on it.
    """

    kind: Kind
    path: str = ""
    offset: int = 0
    data: bytes = b""
    to: str = ""


def changes(lines: Iterable[str]) -> Iterator[Change]:
    """Read what was recorded."""
    begun: dict[tuple[str, str], str] = {}
    for line in lines:
        if found := _RESUMED.match(line):
            pid, call, rest = found.groups()
            change = _change(call, begun.pop((pid, call), ""), rest, ended=True)
        elif found := _CALL.match(line):
            pid, call, rest = found.groups()
            if rest.endswith("<unfinished ...>"):
                begun[pid, call] = rest
                change = _change(call, rest, "", ended=False) if call in WRITES else None
            else:
                change = _change(call, rest, rest, ended=True)
        else:
            continue
        if change is not None:
            yield change


def _change(call: str, arguments: str, result: str, *, ended: bool) -> Change | None:
    """Make a change of a call. A write that was unfinished has been told already when it ends."""
    done = _RESULT.search(result)
    told = call in WRITES and ended and arguments is not result
    if told or (ended and (done is None or int(done[1]) < 0)):
        return None
    where = _path(arguments)
    texts = [bytes.fromhex(found[1].replace("\\x", "")) for found in _TEXT.finditer(arguments)]
    first = texts[0] if texts else b""
    if call in WRITES:
        kind: Kind = "write" if call == "pwrite64" else "truncate"
        return Change(kind, where, _last(arguments), first if kind == "write" else b"")
    made = {
        "fdatasync": Change("sync", where), "fsync": Change("sync", where), "write": Change("said", data=first),
        "unlink": Change("unlink", _name(first)),
        "rename": Change("rename", _name(first), to=_name(b"".join(texts[1:]))),
    }
    return Change("create", _name(first)) if call == "openat" and "O_CREAT" in arguments else made.get(call)


def _name(text: bytes) -> str:
    return text.decode(errors="replace")


def _path(arguments: str) -> str:
    found = _DESCRIPTOR.match(arguments)
    if found is None:
        return ""
    return re.sub(r"\\x([0-9a-f]{2})", lambda each: chr(int(each[1], 16)), found[1])


def _last(arguments: str) -> int:
    """Give the last number among the arguments."""
    plain = re.sub(r'"[^"]*"(\.\.\.)?|<[^>]*>', "", arguments.replace("<unfinished ...>", ""))
    inside = plain.partition(")")[0]
    return int([word for word in inside.split(",") if word.strip()][-1])


def counted(lines: Iterable[str]) -> Counter[str]:
    """Count calls by kind: for each, the most that one thread made, since strace counts for each thread."""
    each: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if found := _CALL.match(line):
            each[found[1], found[2]] += 1
    most: Counter[str] = Counter()
    for (_, call), number in each.items():
        most[call] = max(most[call], number)
    return most


__all__ = ["CALLS", "RECORDING", "Change", "changes", "counted", "traced", "why_not"]
