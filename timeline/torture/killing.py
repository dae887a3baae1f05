"""SIGKILL at random moments: of a server with clients that append, and of an import."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from timeline.chronicle import Timeline
from timeline.log.sqlite import LogFile
from timeline.torture.clients import BROKEN, Server, again, sending, started, token_for
from timeline.torture.judging import Sent, judge, judge_log, judge_views
from timeline.torture.nursery import SOON
from timeline.torture.verdicts import Run, Verdict

CLIENTS: Final = 8
LARGE: Final = 4_000
"""Records at which a new log is begun, so that looking through it stays cheap."""

SAMPLE: Final = 10
"""Acknowledged requests that are sent again after each kill; those nobody heard of are sent again all."""

IMPORTED: Final = 1_200
MANY: Final = 10**9
"""So many changes are expected in an import that is to build its views beside."""

MOMENT: Final = 0.4
"""Seconds within which the server is killed."""


def servers(run: Run) -> Verdict:
    """Kill a server while clients append single events and batches, over and over, on the same log."""
    verdict = Verdict(trial="kill", what=f"kill -9 of a server, {CLIENTS} clients appending by HTTP")
    path, token, sent, doubtful = _begun(run)
    while run.goes_on(verdict):
        requests = _killed(run, verdict, started(run.nursery, path, token), doubtful)
        sent += requests
        size = judge(verdict, path, sent)
        verdict.acknowledged += sum(request.positions is not None for request in requests)
        doubtful = _next(run, sent)
        if not verdict.good and not size:
            break  # nothing can be said of what comes after
        if size > LARGE:
            _settled(run, verdict, path, token, (sent, doubtful))
            path, token, sent, doubtful = _begun(run)
    if verdict.good:
        _settled(run, verdict, path, token, (sent, doubtful))
    return verdict


def _begun(run: Run) -> tuple[Path, str, list[Sent], list[Sent]]:
    path = run.fresh() / "timeline.db"
    return path, token_for(path), [], []


def _killed(run: Run, verdict: Verdict, server: Server, doubtful: list[Sent]) -> list[Sent]:
    """Send again what is in doubt, append, and kill it all at a random moment."""
    _repeat(verdict, server, doubtful)
    moment = run.chance.random() * MOMENT
    with sending(server, f"r{verdict.rounds}", CLIENTS) as senders:
        time.sleep(moment)
        server.child.kill()
    if server.child.end() != -signal.SIGKILL:
        verdict.fault("lies", f"the server ended by itself: {server.child.said[-1:]}")
    return [request for sender in senders for request in sender.sent]


def _next(run: Run, sent: list[Sent]) -> list[Sent]:
    """Choose what is sent again: all that nobody heard of, and some that was acknowledged."""
    known = [request for request in sent if request.positions is not None]
    unknown = [request for request in sent if request.positions is None and not request.refused]
    return [*unknown, *run.chance.sample(known, min(SAMPLE, len(known)))]


def _repeat(verdict: Verdict, server: Server, requests: list[Sent]) -> None:
    """Send requests again: what was acknowledged is answered as it was, what was in doubt is done now, once."""
    with closing(server.connect()) as connection:
        for request in requests:
            try:
                heard = again(connection, request)
            except BROKEN as error:
                verdict.fault("lies", f"{request.key} sent again: no answer ({type(error).__name__})")
                return
            if heard.positions is None or request.positions not in (None, heard.positions):
                verdict.fault("lies", f"{request.key} sent again: {request.positions} became {heard.positions}")
            request.positions = heard.positions


def _settled(run: Run, verdict: Verdict, path: Path, token: str, sent: tuple[list[Sent], list[Sent]]) -> None:
    """Start once more, send again what is in doubt, end it as one does, and look at everything for the last time."""
    server = started(run.nursery, path, token)
    _repeat(verdict, server, sent[1])
    server.child.kill(signal.SIGTERM)
    if (status := server.child.end()) != 0:
        verdict.fault("lies", f"the server was asked to end and ended with {status}")
    judge(verdict, path, sent[0])


# ---------------------------------------------------------------------------------------------- an import

def imports(run: Run) -> Verdict:
    """Kill an import at a random moment, repeat it until it is done, and once more: it converges, in whole batches."""
    verdict = Verdict(trial="import", what=f"kill -9 of an import of {IMPORTED:,} events, repeated until it is done")
    file = file_of(run, IMPORTED)
    taken, ends = _undisturbed(run, run.fresh() / "timeline.db", file)
    while run.goes_on(verdict):
        path, settled = run.fresh() / "timeline.db", 0
        for _ in range(1 + verdict.rounds % 2):
            settled = max(settled, _cut_off(run, path, file, taken, beside=verdict.rounds % 3 == 0))
            if path.exists():
                Timeline.open(path).close()  # as whoever comes next does; a log in the making is made now
                judge_log(verdict, path)
                _judge_beginning(verdict, path, settled, ends)
        verdict.acknowledged += settled
        _converge(run, verdict, path, file)
    return verdict


def file_of(run: Run, count: int) -> Path:
    """Write events to be imported, in order."""
    path = run.scratch / f"events-{count}.ndjson"
    lines = [{"type": "event.recorded", "event": {"id": f"e-{number}", "title": f"Event {number}", "when": "2025-08",
                                                  "summary": "words " * (number % 90)}} for number in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _undisturbed(run: Run, path: Path, file: Path) -> tuple[float, set[int]]:
    """Import without harm, and learn how many seconds it takes and where batches end."""
    child = run.nursery.child("import_", path=str(path), file=str(file))
    child.await_pid()
    begun = time.monotonic()
    child.end()
    return time.monotonic() - begun, {0, *(int(line[1]) for line in child.said if line[0] == "in")}


def _cut_off(run: Run, path: Path, file: Path, taken: float, *, beside: bool) -> int:
    """Kill an import, one that builds its views `beside` the old or not; gives how many changes were said to be in."""
    child = run.nursery.child("import_", path=str(path), file=str(file), expecting=MANY if beside else 0)
    child.await_pid()
    time.sleep(run.chance.random() * taken)
    child.kill()
    child.end()
    return max((int(line[1]) for line in child.said if line[0] == "in"), default=0)


def _judge_beginning(verdict: Verdict, path: Path, settled: int, ends: set[int]) -> None:
    """Look whether what is in is a beginning of the file, in whole batches, and as long as was said."""
    with closing(LogFile(path)) as log:
        held = [record.header.streams[0][0] for record in log.read()]
    if held != [f"event/e-{number}" for number in range(len(held))]:
        verdict.fault("torn", f"the {len(held)} records that are in are not the beginning of the file")
    elif len(held) not in ends:
        verdict.fault("torn", f"{len(held)} records are in, and no batch ends there")
    if len(held) < settled:
        verdict.fault("lost", f"{settled} were said to be in, and {len(held)} are")


def _converge(run: Run, verdict: Verdict, path: Path, file: Path) -> None:
    """Import again until the end, and again: the second time nothing is new."""
    for new in (None, 0):
        child = run.nursery.child("import_", path=str(path), file=str(file))
        status = child.end(SOON)
        done = next((line for line in child.said if line[0] == "imported"), None)
        if status != 0 or done is None:
            verdict.fault("lies", f"the import cannot be repeated: {child.said[-1:]}")
        elif done[1] + done[2] != IMPORTED or new not in (None, done[1]):
            verdict.fault("twice", f"the import was repeated: {done[1]} new and {done[2]} known of {IMPORTED}")
    judge_log(verdict, path)
    judge_views(verdict, path)


__all__ = ["file_of", "imports", "servers"]
