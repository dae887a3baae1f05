"""A client that costs little: prepared requests over kept connections, answers counted rather than read."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Server:
    """A server process of the bench."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        """Remember where it listens."""
        self.process, self.port = process, port

    def memory(self, field: str = "VmHWM") -> float | None:
        """Give the most memory it ever held (or holds: ``VmRSS``), in MB; None where the system does not say."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        return int(text.partition(f"{field}:")[2].split()[0]) / 1024

    def cpu(self) -> float | None:
        """Give the processor seconds it has used; None where the system does not say."""
        try:
            clocks = [int(path.read_text().split()[0]) for path in
                      Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")]
        except OSError:
            return None
        return sum(clocks) / 1e9 if clocks else None


@contextmanager
def serving(log: Path) -> Iterator[Server]:
    """Start a server of a log in a process of its own; end it with the block."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "timeline.bench.server", str(log), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        _wait(process, port)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start: run `timeline serve` to see why")


def request(path: str) -> bytes:
    """Prepare a request."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n\r\n".encode()


def answer(connection: socket.socket) -> int:
    """Read one answer; gives the length of its body. Anything but 200 is an error."""
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        more = connection.recv(1 << 18)
        if not more:
            raise ConnectionError("the server closed the connection")
        head += more
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(head[:200].decode(errors="replace"))
    found = _LENGTH.search(head, 0, end + 2)
    length = int(found[1]) if found else 0
    left = length - (len(head) - end - 4)
    while left > 0:
        left -= len(connection.recv(1 << 18))
    return length


def latencies(server: Server, requests: Sequence[bytes]) -> list[float]:
    """Send requests one after the other; gives microseconds."""
    taken = []
    with socket.create_connection((HOST, server.port), 30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for each in requests:
            begin = time.perf_counter()
            connection.sendall(each)
            answer(connection)
            taken.append((time.perf_counter() - begin) * 1e6)
    return taken


def rate(server: Server, requests: Sequence[bytes], connections: int) -> tuple[float, float | None]:
    """Send requests over some connections at once; gives answers a second by the clock and by the server's CPU."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection((HOST, server.port), 30)) for _ in range(connections)]
        used, begin = server.cpu(), time.perf_counter()
        for start in range(0, len(requests), connections):
            pairs = list(zip(sockets, requests[start : start + connections], strict=False))
            for connection, each in pairs:
                connection.sendall(each)
            for connection, _ in pairs:
                answer(connection)
        seconds, after = time.perf_counter() - begin, server.cpu()
    spent = after - used if used is not None and after is not None else 0
    return len(requests) / seconds, len(requests) / spent if spent > 0 else None
