"""Many clients read and write a few events at once, and one order of all this has to explain what each was told."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from typing import Final

from timeline.torture.clients import BROKEN, Connection, Heard, Server, started, token_for
from timeline.torture.judging import judge
from timeline.torture.linear import Operation, violation
from timeline.torture.nursery import SOON
from timeline.torture.verdicts import Run, Verdict

CLIENTS: Final = 64
REGISTERS: Final = 4
EACH: Final = 12
"""Operations of each client in a round."""

History = dict[str, list[Operation]]


class Client(threading.Thread):
    """Reads, records and revises a few events, and writes down when it asked and what it was told."""

    def __init__(self, server: Server, number: int, registers: list[str], seed: int) -> None:
        """Remember what to do; each client has its own chances."""
        super().__init__(daemon=True)
        self.history: list[tuple[str, Operation]] = []
        self.strange: list[str] = []
        self._server, self._number, self._registers = server, number, registers
        self._chance = random.Random(seed)  # noqa: S311 - chosen to be repeatable
        self._seen: dict[str, int] = dict.fromkeys(registers, 0)

    def run(self) -> None:
        """Ask until it is done, or nobody answers."""
        with closing(self._server.connect()) as connection:
            for count in range(EACH):
                register = self._chance.choice(self._registers)
                if not self._step(connection, register, f"{register} by {self._number}-{count}"):
                    return

    def _step(self, connection: Connection, register: str, value: str) -> bool:
        """Do one thing; False where there was no answer."""
        seen = self._seen[register]
        reads = self._chance.random() < 0.45
        expected = None if seen and self._chance.random() < 0.1 else seen
        begin = time.monotonic()
        try:
            heard = _read(connection, register) if reads else _write(connection, register, value, expected)
        except BROKEN:
            if not reads:
                self._note(register, Operation("write", begin, begin, value, expected=expected, outcome="unknown",
                                               client=self._number))
            return False
        end = time.monotonic()
        found = _read_of(heard, begin, end) if reads else _write_of(heard, begin, end, value, expected)
        if found is None:
            self.strange.append(f"{'a read' if reads else 'a write'} was answered with {heard.status} {heard.detail}")
            return True
        if found.outcome == "done":
            self._seen[register] = found.revision
        elif found.outcome == "mismatch":
            self._seen[register] = int(heard.body.get("current", 0)) or self._seen[register] or 1
        self._note(register, replace(found, client=self._number))
        return True

    def _note(self, register: str, operation: Operation) -> None:
        self.history.append((register, operation))


def _read(connection: Connection, register: str) -> Heard:
    return connection.ask("GET", f"/v1/events/{register}")


def _write(connection: Connection, register: str, value: str, expected: int | None) -> Heard:
    """Record the event where it has not been seen, else revise it: as it was seen, or as it may be."""
    if expected == 0:
        return connection.ask("POST", "/v1/events", {"id": register, "title": value}, If_None_Match="*")
    patch = {"title": value, "reason": "to see who is first"}
    return connection.ask("PATCH", f"/v1/events/{register}", patch,
                          **({} if expected is None else {"If_Match": f'"{expected}"'}))


def _read_of(heard: Heard, begin: float, end: float) -> Operation | None:
    if heard.status == 404:
        return Operation("read", begin, end, "")
    if heard.status != 200:
        return None
    return Operation("read", begin, end, heard.body["title"], heard.body["revision"]["number"])


def _write_of(heard: Heard, begin: float, end: float, value: str, expected: int | None) -> Operation | None:
    if heard.status in (200, 201):
        return Operation("write", begin, end, value, heard.body["revision"]["number"], expected)
    if heard.status in (409, 412) and expected is not None:
        return Operation("write", begin, end, value, 0, expected, "mismatch")
    return None


def registers(run: Run) -> Verdict:
    """Let clients read and write a few events; every other round the server is killed in the middle of it."""
    verdict = Verdict(trial="linear", what=f"{CLIENTS} clients, {REGISTERS} events: POST, PATCH with If-Match, GET; "
                                           "kill -9 every other round; linearizable?")
    path = run.fresh() / "timeline.db"
    token = token_for(path)
    server, operations = started(run.nursery, path, token), 0
    while run.goes_on(verdict):
        names = [f"r{verdict.rounds}-{number}" for number in range(REGISTERS)]
        clients = [Client(server, number, names, run.chance.getrandbits(32)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        if verdict.rounds % 2 == 0:
            time.sleep(run.chance.random() / 3)
            server.child.kill()
            server.child.end()
        for client in clients:
            client.join(SOON)
        if verdict.rounds % 2 == 0:
            server = started(run.nursery, path, token)
        history = _history(verdict, clients)
        _last_look(server, names, history)
        operations += _check(verdict, history)
    server.child.kill()
    server.child.end()
    judge(verdict, path, [])
    verdict.note(f"{operations:,} operations checked")
    return verdict


def _history(verdict: Verdict, clients: Iterable[Client]) -> History:
    history: History = defaultdict(list)
    for client in clients:
        for register, operation in client.history:
            history[register].append(operation)
            verdict.acknowledged += operation.kind == "write" and operation.outcome == "done"
        for sentence in client.strange:
            verdict.fault("lies", sentence)
    return history


def _last_look(server: Server, names: Iterable[str], history: History) -> None:
    """Read everything once more, when all is quiet: what was lost is missed now."""
    with closing(server.connect()) as connection:
        for name in names:
            begin = time.monotonic()
            heard = _read(connection, name)
            if (found := _read_of(heard, begin, time.monotonic())) is not None:
                history[name].append(found)


def _check(verdict: Verdict, history: History) -> int:
    for register, operations in history.items():
        if (sentence := violation(operations)) is not None:
            verdict.fault("lies", f"{register}: {sentence}")
    return sum(map(len, history.values()))


__all__ = ["registers"]
