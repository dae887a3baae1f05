"""Children that can be killed: one process imports everything once, and forks a child for each piece of work.

``python -m timeline.torture.nursery MODULE`` reads a line of JSON for each child, ``[number, work, arguments]``, and
writes lines of JSON, ``[number, word, ...]``: ``pid`` first, what the child says, and ``dead`` with its exit status
last. A fork takes milliseconds where a start of Python takes seconds, so hundreds of deaths can be afforded.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from timeline.errors import TimelineError

SOON: Final = 60.0
"""Seconds in which whatever should happen has happened, on a slow and busy machine too."""

READY: Final = -1
"""Stands for the nursery itself, which has imported everything."""

PR_SET_PTRACER: Final = 0x59616D61
Say = Callable[..., None]
Work = Callable[[Say, Mapping[str, Any]], None]


class Child:
    """A process that works until it has done, or is killed."""

    def __init__(self, number: int) -> None:
        """Remember which it is; the nursery says the rest."""
        self.number = number
        self.pid = 0
        self.status: int | None = None
        self.said: list[list[Any]] = []
        self._lines: queue.Queue[list[Any]] = queue.Queue()

    def put(self, line: list[Any]) -> None:
        """Take a line the nursery read."""
        self._lines.put(line)

    def hear(self, seconds: float = SOON) -> list[Any] | None:
        """Wait for the next thing it says, `[word, ...]`; None once it is dead.

        Raises:
            TimeoutError: it says nothing and does not die.

        """
        if self.status is not None:
            return None
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"a child of the nursery said nothing for {seconds:g} s") from None
        if line[0] == "dead":
            self.status = int(line[1])
            return None
        if line[0] == "pid":
            self.pid = int(line[1])
            return self.hear(seconds)
        self.said.append(line)
        return line

    def await_pid(self) -> int:
        """Give its process id as soon as it has one."""
        if not self.pid:
            line = self._lines.get(timeout=SOON)
            self.pid = int(line[1])
        return self.pid

    @property
    def is_dead(self) -> bool:
        """Whether it has died; what it said until then can be looked at."""
        while self.status is None and not self._lines.empty():
            self.hear()
        return self.status is not None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, SIGKILL unless another is given."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.await_pid(), number)

    def end(self, seconds: float = SOON) -> int:
        """Hear the rest and give its exit status, as `os.waitstatus_to_exitcode` has it: -9 for a SIGKILL."""
        while self.hear(seconds) is not None:
            pass
        return self.status if self.status is not None else -1


class Nursery:
    """Makes children; all of them end with it."""

    def __init__(self, works: str, errors: Path) -> None:
        """Start the process that forks; what it and its children print to standard error goes to a file."""
        command = [sys.executable, "-m", "timeline.torture.nursery", works]
        self._errors = errors.open("ab")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,  # noqa: S603 - our own
                                         stderr=self._errors)
        self._children: dict[int, Child] = {}
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(SOON) or self._process.poll() is not None:
            raise RuntimeError(f"what makes children did not start: see {errors.name} in the folder given to --keep")

    def child(self, work: str, **arguments: Any) -> Child:  # noqa: ANN401 - what the work takes
        """Have a child do a work of the module."""
        number = len(self._children)
        child = self._children[number] = Child(number)
        assert self._process.stdin is not None  # noqa: S101 - it was asked for above
        self._process.stdin.write(json.dumps([number, work, arguments]).encode() + b"\n")
        self._process.stdin.flush()
        return child

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for above
        for line in self._process.stdout:
            number, *rest = json.loads(line)
            if number == READY:
                self._ready.set()
                continue
            self._children[number].put(rest)
        for child in self._children.values():
            child.put(["dead", -1])
        self._ready.set()

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        """End every child, then the nursery."""
        for child in self._children.values():
            if child.status is None and child.pid:
                child.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(SOON)
        self._reader.join(SOON)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()


# ---------------------------------------------------------------------------------------------- in the nursery

def _tell(number: int, *words: Any) -> None:  # noqa: ANN401 - anything JSON can say
    os.write(1, json.dumps([number, *words]).encode() + b"\n")  # one write: lines of several children do not mix


def _reap(numbers: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _tell(numbers.pop(pid), "dead", os.waitstatus_to_exitcode(status))


def _traceable() -> None:
    """Let any process of ours trace this one, where the system wants that said (Yama)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)


def await_tracer() -> None:
    """Do nothing until somebody traces this process."""
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        if "TracerPid:\t0\n" not in Path("/proc/self/status").read_text():
            return
        time.sleep(0.002)


def _work(module: Any, number: int, work: str, arguments: dict[str, Any]) -> None:  # noqa: ANN401 - a module
    def say(*words: Any) -> None:  # noqa: ANN401 - anything JSON can say
        _tell(number, *words)

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    say("pid", os.getpid())
    code = 0
    try:
        if arguments.pop("traced", False):
            _traceable()
            await_tracer()
        getattr(module, work)(say, arguments)
    except TimelineError as error:
        say("refused", type(error).__name__, error.detail)
        code = error.exit_code
    except BaseException as error:  # noqa: BLE001 - a child says why it dies and does not go on as its parent
        say("failed", type(error).__name__, str(error))
        code = 1
    os._exit(code)


def main(module: str) -> None:
    """Fork a child for each line of standard input."""
    works = importlib.import_module(module)
    numbers: dict[int, int] = {}
    signal.signal(signal.SIGCHLD, lambda *_: _reap(numbers))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts the trial ends this by closing its input
    _tell(READY)
    for line in sys.stdin:
        number, work, arguments = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # its number is known before its death is told
        if (pid := os.fork()) == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            _work(works, number, work, arguments)
        numbers[pid] = number
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for pid in list(numbers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while numbers:
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1])
