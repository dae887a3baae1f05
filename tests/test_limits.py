"""Limits and overload: whoever asks too much is told so and when to come back, and the others are answered as ever."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
import test_serve
from api_client import PROBLEM, load_seeds, problem
from click.testing import CliRunner
from litestar import Request, Response
from litestar.testing import TestClient

from timeline import Timeline
from timeline.api import limits as limits_module
from timeline.api.app import common_headers, create_app
from timeline.api.limits import FAILURES, FORGIVEN, LARGE, FairThreads, Limited, Limits, Places, Rates, network
from timeline.api.serve import let_go_of_the_stuck
from timeline.cli import cli
from timeline.tokens import Tokens

ONE, OTHER = {"X-Forwarded-For": "203.0.113.1"}, {"X-Forwarded-For": "203.0.113.2"}
SOON = test_serve.SOON


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


# ---------------------------------------------------------------------------------------------- rates

def test_a_burst_passes_and_then_so_many_a_second():
    rates = Rates(rate=4, burst=3)
    assert [rates.take("a", 10.0) for _ in range(3)] == [0, 0, 0]
    assert rates.take("a", 10.0) == pytest.approx(0.25)
    assert rates.take("a", 10.125) == pytest.approx(0.125), "to be refused costs nothing"
    assert rates.take("b", 10.0) == 0, "each key has its own"
    assert rates.take("a", 10.25) == 0
    assert rates.take("a", 10.25) == pytest.approx(0.25)
    assert [rates.take("a", 100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.25)], "only the burst is saved"


def test_looking_counts_nothing():
    rates = Rates(rate=1, burst=1)
    assert [rates.wait("a", 5.0), rates.wait("a", 5.0), rates.take("a", 5.0)] == [0, 0, 0]
    assert rates.wait("a", 5.5) == pytest.approx(0.5)
    assert rates.wait("unknown", 5.5) == 0


def test_a_rate_of_0_is_none():
    rates = Rates(rate=0, burst=1)
    assert {rates.take("a", 1.0) for _ in range(1_000)} == {0}
    assert len(rates) == 0


def test_only_so_many_keys_are_remembered_and_those_that_matter_longest():
    rates = Rates(rate=1, burst=2, most=100)
    for _ in range(2):
        rates.take("busy", 10.0)
    for number in range(10_000):
        rates.take(f"old {number}", 10.0)
        assert len(rates) <= 100
    assert rates.take("busy", 10.0) > 0, "who is over the limit is not forgotten for others who are not"
    for number in range(10_000):
        rates.take(f"new {number}", 20.0)
        assert len(rates) <= 100
    assert rates.take("busy", 20.0) == 0


def test_there_is_room_for_so_many_and_a_share_for_each_key():
    places = Places(8, share=4)
    assert [places.enter("a") for _ in range(3)] == [True, True, False]
    assert [places.enter(None) for _ in range(7)] == [True] * 6 + [False], "without a key only the whole counts"
    assert not places.enter("b")
    places.leave("a")
    assert places.enter("b")
    for key in ("a", "b", *[None] * 6):
        places.leave(key)
    assert places.taken == 0
    assert not places._keys


def test_what_is_larger_than_a_share_can_be_had_one_at_a_time():
    places = Places(100, share=4)
    assert places.enter("a", 90)
    assert not places.enter("a", 1)
    assert not places.enter("b", 20)
    assert places.enter("b", 10)
    places.leave("a", 90)
    places.leave("b", 10)
    assert places.enter("c", 1_000), "and what is larger than the whole too"
    assert not places.enter("d", 1)


# ---------------------------------------------------------------------------------------------- who asks

@pytest.mark.parametrize(("host", "key"), [
    ("203.0.113.9", "203.0.113.9"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("2001:db8:1:2::", "2001:db8:1:2::/64"), ("::ffff:203.0.113.9", "203.0.113.9"), ("fe80::1%eth0", "fe80::/64"),
    ("10.0.0.1", "10.0.0.1"),
    ("127.0.0.1", None), ("127.8.9.1", None), ("::1", None), ("::ffff:127.0.0.1", None),
    ("testclient", None), ("", None), ("203.0.113.9 ", None), ("1.2.3", None), ("01.2.3.4", None),
])
def test_a_client_is_an_address_or_a_network_of_its_own(host, key):
    assert network(host) == key


def asks(*values, peer="198.51.100.7", proxies=1):
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value) for value in values)]
    return Limits(proxies=proxies).address({"client": (peer, 1), "headers": headers})


def test_what_a_client_says_of_itself_is_not_believed():
    assert asks(b"203.0.113.9", proxies=0) == "198.51.100.7", "not unless a proxy was declared"
    assert asks(b"10.9.9.9, 127.0.0.1, 203.0.113.9") == "203.0.113.9"
    assert asks(b"10.9.9.9", b"203.0.113.9") == "203.0.113.9", "lines are one list (RFC 9110 section 5.3)"
    assert asks(b"10.9.9.9, 203.0.113.9, 192.0.2.1", proxies=2) == "203.0.113.9"
    assert asks(b"[2001:db8::7]:443") == "2001:db8::/64"
    assert asks(b"203.0.113.9:51234") == "203.0.113.9"
    assert asks(b"x" * 5_000 + b", 203.0.113.9") == "203.0.113.9"


@pytest.mark.parametrize("value", [b"", b",", b"unknown", b"_hidden", b"203.0.113", b"\xff\xfe", b"203.0.113.9, "])
def test_where_the_header_says_nothing_the_proxy_is_the_client(value):
    assert asks(value) == "198.51.100.7"
    assert asks() == "198.51.100.7"
    assert asks(b"203.0.113.9", proxies=2) == "198.51.100.7", "it did not come through both"


def test_without_an_address_nobody_is_counted():
    assert Limits(rate=1).address({"client": None, "headers": []}) is None


# ---------------------------------------------------------------------------------------------- threads

def test_threads_take_the_work_of_each_address_in_turn():
    done, go = [], threading.Event()
    with FairThreads(1) as threads:
        threads.submit(go.wait, SOON)
        for key, count in (("a", 5), ("b", 2), (None, 1)):
            limits_module._asking.set(key)
            for number in range(count):
                threads.submit(done.append, f"{key}{number}")
        limits_module._asking.set(None)
        go.set()
    assert done == ["a0", "b0", "None0", "a1", "b1", "a2", "a3", "a4"]


def test_threads_give_results_errors_and_what_was_cancelled_as_others_do():
    go = threading.Event()
    with FairThreads(1) as threads:
        threads.submit(go.wait, SOON)
        good, bad, never = threads.submit(divmod, 7, 2), threads.submit(divmod, 7, 0), threads.submit(divmod, 1, 1)
        assert never.cancel()
        go.set()
        assert good.result(SOON) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            bad.result(SOON)
        with pytest.raises(CancelledError):
            never.result(SOON)


# ---------------------------------------------------------------------------------------------- over HTTP

@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limited(tmp_path):
    """Gives a client of the seeds within limits."""
    with contextlib.ExitStack() as stack:
        timeline = stack.enter_context(Timeline(tmp_path / "timeline.db"))
        load_seeds(timeline)
        tokens = stack.enter_context(contextlib.closing(Tokens(tmp_path / "t.tokens.db")))

        def make(**given):
            limits = Limits(**given)
            app = Limited(create_app(timeline, tokens, limits=limits), limits, common_headers)
            client = stack.enter_context(TestClient(app, raise_server_exceptions=False))
            client.limits, client.tokens = limits, tokens
            return client

        yield make


def told(response, status, seconds=None):
    found = problem(response, status)
    assert int(response.headers["Retry-After"]) == (seconds or int(response.headers["Retry-After"])) >= 1
    assert found["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return found


def bearer(secret, **more):
    return {"Authorization": f"Bearer {secret}", **more}


def test_an_address_that_asks_too_often_is_told_when_to_come_back(limited, clock):
    client = limited(rate=2, proxies=1, clock=clock)
    assert [client.get("/v1", headers=ONE).status_code for _ in range(21)] == [200] * 20 + [429]
    refused = client.get("/v1/events", headers=ONE)
    found = told(refused, 429, 1)
    assert (found["type"], found["detail"]) == (
        "/problems/too-many-requests", "this address asks more often than this server allows: come again in 1 s")
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    head = client.head("/v1", headers=ONE)
    assert (head.status_code, head.content, head.headers["Content-Type"]) == (429, b"", PROBLEM)
    for path in ("/nowhere", "/", "/assets/page.css", "/metrics"):
        assert client.get(path, headers=ONE).status_code == 429, "whatever it asks for"
    assert client.get("/v1", headers=OTHER).status_code == 200
    clock.now += 1
    assert [client.get("/v1", headers=ONE).status_code for _ in range(3)] == [200, 200, 429]


def test_nobody_is_refused_for_asking_where_there_is_no_rate(limited):
    client = limited(proxies=1)
    assert {client.get("/v1", headers=ONE).status_code for _ in range(100)} == {200}
    assert len(client.limits._rates) == 0


def test_whether_the_server_lives_is_always_answered(limited):
    client = limited(rate=1, proxies=1, requests=1)
    client.limits.places.enter(None)
    for _ in range(30):
        assert client.get("/healthz", headers=ONE).status_code == 200
        assert client.get("/readyz", headers=ONE).status_code == 200
    assert client.get("/v1", headers=ONE).status_code == 503


def test_this_machine_is_not_counted(limited):
    client = limited(rate=1, proxies=1)
    for _ in range(50):
        assert client.get("/v1", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 200


def test_a_token_that_is_used_too_often_is_told_so_and_others_are_not(limited, clock):
    client = limited(token_rate=1, clock=clock)
    one, two = (client.tokens.create(name, ["write"]) for name in ("one", "two"))
    event = {"title": "x"}
    answers = [client.post("/v1/events", json=event, headers=bearer(one)) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert told(answers[-1], 429, 1)["detail"] == (
        "the token one is used more often than this server allows: come again in 1 s")
    assert client.get("/v1", headers=bearer(one)).status_code == 429, "reading with it counts too"
    assert client.get("/v1").status_code == 200
    assert client.post("/v1/events", json=event, headers=bearer(two)).status_code == 201
    clock.now += 1
    assert client.get("/v1", headers=bearer(one)).status_code == 200


def test_bad_tokens_of_an_address_are_counted_and_then_none_is_looked_at(limited, clock):
    client = limited(proxies=1, clock=clock)
    good = client.tokens.create("newsroom", ["write"])
    for number in range(FAILURES):
        assert client.get("/v1", headers=bearer(f"tl_{number}", **ONE)).status_code == 401
    for secret in ("tl_20", good):
        detail = told(client.get("/v1", headers=bearer(secret, **ONE)), 429, FORGIVEN)["detail"]
        assert detail == "too many bad tokens came from this address: come again in 6 s"
    assert client.get("/v1", headers=ONE).status_code == 200, "without a token nothing can be guessed"
    assert client.get("/v1", headers=bearer(good, **OTHER)).status_code == 200
    clock.now += FORGIVEN
    assert client.get("/v1", headers=bearer(good, **ONE)).status_code == 200
    assert client.get("/v1", headers=bearer("tl_21", **ONE)).status_code == 401
    assert client.get("/v1", headers=bearer(good, **ONE)).status_code == 429


def test_a_good_token_or_none_is_no_guess(limited):
    client = limited(proxies=1)
    reader = client.tokens.create("reader", ["read"])
    for _ in range(FAILURES + 5):
        assert client.post("/v1/events", json={}, headers=bearer(reader, **ONE)).status_code == 403
        assert client.post("/v1/events", json={}, headers=ONE).status_code == 401


def test_refusals_are_counted_by_their_reason(limited, clock):
    client = limited(rate=1, proxies=1, clock=clock)
    for _ in range(13):
        client.get("/v1", headers=ONE)
    text = client.get("/metrics").text
    assert 'timeline_refused_total{reason="address"} 3\n' in text
    assert 'timeline_refused_total{reason="busy"} 0\n' in text
    assert "timeline_requests_in_hand 1\n" in text


def test_as_many_as_may_be_are_in_hand_and_each_address_has_a_quarter(limited):
    client = limited(requests=4, proxies=1)
    client.limits.places.enter("203.0.113.1")
    assert told(client.get("/v1", headers=ONE), 503, 1)["type"] == "/problems/busy"
    assert client.get("/v1", headers=OTHER).status_code == 200
    for _ in range(3):
        client.limits.places.enter(None)
    told(client.get("/v1", headers=OTHER), 503, 1)
    client.limits.places.leave("203.0.113.1")
    assert client.get("/v1", headers=ONE).status_code == 200


@pytest.mark.parametrize("path", ["/v1", "/nowhere", "/v1/events?limit=1000", "/v1/events?limit=0", "/boom", "/"])
def test_every_answer_gives_its_place_back(limited, path, monkeypatch):
    client = limited(requests=100, proxies=1)
    for method in ("GET", "HEAD", "POST", "OPTIONS", "BREW"):
        client.request(method, path, headers=ONE)
    assert client.limits.places.taken == 0
    assert client.limits.deliveries.taken == 0


# ---------------------------------------------------------------------------------------------- by hand

def scope(method="GET", path="/", **headers):
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "scheme": "http", "http_version": "1.1", "server": ("x", 80),
            "client": ("203.0.113.1", 5), "state": {},
            "headers": [(b"host", b"x"), *((name.encode(), value.encode()) for name, value in headers.items())]}


async def never():
    await asyncio.Event().wait()


class Taking:
    """What a server does with the messages of an application: takes so many, and then no more."""

    def __init__(self, takes=1_000):
        self.messages, self._takes = [], takes

    async def __call__(self, message):
        self.messages.append(message)
        if len(self.messages) > self._takes:
            await never()

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def body(self):
        return b"".join(message["body"] for message in self.messages[1:])


def test_a_place_is_given_back_when_an_answer_fails_or_is_stopped():
    limits, started = Limits(requests=2), asyncio.Event()

    async def waiting():
        with limits.hand(Request(scope())):
            started.set()
            await never()

    async def main():
        with pytest.raises(RuntimeError), limits.hand(Request(scope())):
            raise RuntimeError
        assert limits.places.taken == 0
        task = asyncio.create_task(waiting())
        await started.wait()
        assert limits.places.taken == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert limits.places.taken == 0

    asyncio.run(main())


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(limits_module, "BODY_SECONDS", 0.05)
    limits, sent = Limits(requests=5), Taking()
    with Timeline(tmp_path / "t.db") as timeline, contextlib.closing(Tokens(tmp_path / "t.tokens.db")) as tokens:
        secret = tokens.create("newsroom", ["write"])
        app = Limited(create_app(timeline, tokens, limits=limits), limits, common_headers)
        parts = iter([{"type": "http.request", "body": b'{"title": ', "more_body": True}])

        async def slowly():
            for part in parts:
                return part
            return await never()

        asked = scope("POST", "/v1/events", authorization=f"Bearer {secret}", **{"content-type": "application/json"})
        asyncio.run(app(asked, slowly, sent))
        assert sent.status == 408
        found = json.loads(sent.body)
        assert found["type"] == "/problems/too-slow"
        assert limits.places.taken == 0
        assert timeline.position == 0


def large(limits, size=LARGE * 4):
    response = Response(b"x" * size, media_type="text/plain", headers={"ETag": '"1"'})
    return limits.deliver(response, scope()).to_asgi_response(None, None)


def test_a_large_answer_is_handed_over_in_pieces_and_whole():
    limits, sent = Limits(), Taking()
    answer = large(limits, LARGE * 2 + 5)
    assert limits.deliveries.taken == LARGE * 2 + 5
    asyncio.run(answer(scope(), never, sent))
    start, *pieces = sent.messages
    assert dict(start["headers"])[b"content-length"] == b"%d" % (LARGE * 2 + 5)
    assert dict(start["headers"])[b"etag"] == b'"1"'
    assert sent.body == b"x" * (LARGE * 2 + 5)
    assert max(len(piece["body"]) for piece in pieces) <= limits_module.PIECE
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert limits.deliveries.taken == 0


def test_a_reader_who_takes_too_long_is_left_with_what_they_have(monkeypatch):
    monkeypatch.setattr(limits_module, "HEAD_START", 0.05)
    monkeypatch.setattr(limits_module, "SLOWEST", 10**9)
    limits, sent = Limits(), Taking(3)
    asyncio.run(large(limits)(scope(), never, sent))
    assert len(sent.messages) == 4
    assert limits.deliveries.taken == 0


def test_only_so_much_is_read_at_once_and_the_rest_of_the_world_goes_on(limited, monkeypatch):
    client = limited(proxies=1)
    assert len(client.get("/v1/events?limit=999", headers={"Accept-Encoding": "identity"}).content) >= 70_000
    monkeypatch.setattr("timeline.api.app.LARGE", 50_000)
    client.limits.deliveries.enter(None, limits_module.DELIVERIES)
    for headers in (ONE, OTHER):
        found = told(client.get("/v1/events?limit=1000", headers={**headers, "Accept-Encoding": "identity"}), 503, 5)
        assert "ask for fewer items" in found["detail"]
        assert client.get("/v1/events?limit=5", headers=headers).status_code == 200


# ---------------------------------------------------------------------------------------------- the command

def test_the_command_hands_its_limits_on(tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr("timeline.cli.serving.start", lambda *_, **options: given.update(options))

    def serve(*options):
        done = CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "serve", *options])
        assert done.exit_code == 0, done.output
        limits = given["limits"]
        return limits.places._most, limits._rates._interval, limits._token_rates._interval, limits._proxies

    assert serve() == (1_000, 1 / 200, 1 / 500, 0)
    assert serve("--max-requests", "0", "--rate", "0", "--token-rate", "0") == (0, 0, 0, 0)
    assert serve("--behind-proxy", "--rate", "50") == (1_000, 1 / 50, 1 / 500, 1)
    assert serve("--behind-proxy", "2") == (1_000, 1 / 200, 1 / 500, 2)
    for wrong in ("--rate=-1", "--max-requests=x", "--behind-proxy=10"):
        assert CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "serve", wrong]).exit_code == 2


# ---------------------------------------------------------------------------------------------- the real server

PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from litestar import Response
import timeline.api.serve as serve
from timeline.api.limits import Limits
from timeline.api.reads import Reads

serve.IDLE, serve.STUCK = 2_000, 2_000

async def costly(self, request):
    await asyncio.to_thread(time.sleep, 0.1)
    return Response(b"done", media_type="text/plain")

Reads.index = costly
serve.run(Path(sys.argv[1]), port=int(sys.argv[2]), limits=Limits(requests=800, rate=10_000, proxies=1))
"""
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not say what a process holds")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("limits") / "timeline.db"
    with Timeline(path) as timeline:
        load_seeds(timeline)
        for number in range(1_000):
            timeline.record(id=f"long-{number}", title="Long", note="n" * 5_000)
    return path


@pytest.fixture
def served(path, monkeypatch):
    monkeypatch.setattr(test_serve, "PROGRAM", PROGRAM)
    with test_serve.server(path) as (process, port):
        yield process, port


def ask(port, url, address):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    try:
        connection.request("GET", url, headers={"X-Forwarded-For": address})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def figure(port, name):
    lines = ask(port, "/metrics", "127.0.0.1")[1].decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def sockets(process):
    count = 0
    for each in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(each.readlink()).startswith("socket:")
    return count


def tasks(process):
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


def until(holds):
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def connected(port, count, said=b"", buffer=None):
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            if buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            client.settimeout(SOON)
            client.connect(("127.0.0.1", port))
            client.sendall(said)
            clients.append(client)
        yield clients


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"G", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_two_hundred_who_say_nothing_or_half_hold_up_nobody_and_are_let_go(served, said):
    process, port = served
    before = sockets(process)
    with connected(port, 200, said) as clients:
        for number in range(20):
            assert ask(port, f"/v1/events?limit={number + 1}", "203.0.113.2")[0] == 200
        until(lambda: sockets(process) <= before + 5)
        for client in clients:
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4_096):
                    pass


@LINUX
@pytest.mark.slow
def test_a_header_that_comes_byte_by_byte_is_not_waited_for_longer(served):
    _, port = served
    with connected(port, 1, b"GET / HTTP/1.1\r\n") as [client]:
        said = []
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while len(said) < 400:
                client.sendall(b"X")
                said.append(b"X")
                time.sleep(0.05)
        assert len(said) < 400
        assert ask(port, "/v1/topics", "203.0.113.2")[0] == 200


@LINUX
@pytest.mark.slow
def test_who_takes_nothing_of_a_large_answer_is_let_go_and_what_they_held_is_free(served):
    process, port = served
    whole = len(ask(port, "/v1/events?limit=1000", "203.0.113.2")[1])
    assert whole > 4_000_000
    before = sockets(process)
    asked = b"GET /v1/events?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(port, 30, asked, buffer=4_096) as clients:
        until(lambda: figure(port, "timeline_large_answer_bytes") > 4 * whole)
        assert figure(port, "timeline_large_answer_bytes") <= 128 * 2**20
        assert ask(port, "/v1/events?limit=10", "203.0.113.2")[0] == 200
        assert ask(port, "/", "203.0.113.2")[0] == 200
        until(lambda: figure(port, "timeline_large_answer_bytes") == 0)
        until(lambda: sockets(process) <= before + 5)
        assert figure(port, "timeline_requests_in_hand") == 1
        for client in clients:
            client.close()


@LINUX
@pytest.mark.slow
def test_a_client_that_leaves_in_mid_answer_frees_what_it_held(served):
    process, port = served
    assert ask(port, "/v1/events?limit=1000", "203.0.113.2")[0] == 200
    before, threads = sockets(process), tasks(process)
    for _ in range(5):
        with connected(port, 10, b"GET /v1/events?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n", buffer=4_096) as clients:
            for client in clients:
                assert client.recv(100).startswith(b"HTTP/1.1 200")
    until(lambda: figure(port, "timeline_large_answer_bytes") == 0)
    until(lambda: sockets(process) <= before + 5)
    assert tasks(process) <= threads + 8, "threads are those that there are for questions"
    assert figure(port, "timeline_requests_in_hand") == 1


@pytest.mark.slow
def test_the_costly_questions_of_one_address_do_not_delay_another(served):
    _, port = served
    done = []
    threads = [threading.Thread(target=lambda: done.append(ask(port, "/v1", "203.0.113.1")[0])) for _ in range(150)]
    for thread in threads:
        thread.start()
    until(lambda: figure(port, "timeline_requests_in_hand") > 100)
    assert ask(port, "/v1", "203.0.113.2") == (200, b"done")
    ahead = len(done)
    for thread in threads:
        thread.join(SOON)
    assert ahead < 120, "it did not wait behind them all"
    assert done.count(200) == 150


@pytest.mark.slow
def test_more_than_its_share_of_one_address_is_refused_and_others_are_answered(served):
    _, port = served
    done = []
    threads = [threading.Thread(target=lambda: done.append(ask(port, "/v1", "203.0.113.1")[0])) for _ in range(300)]
    for thread in threads:
        thread.start()
    until(lambda: 503 in done)
    assert ask(port, "/v1/topics", "203.0.113.2")[0] == 200
    for thread in threads:
        thread.join(SOON)
    assert set(done) == {200, 503}
    assert done.count(200) >= 200
    until(lambda: figure(port, "timeline_requests_in_hand") == 1)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
@LINUX
def test_the_option_is_set_on_the_socket_that_listens_and_on_no_other():
    with socket.socket() as listening, socket.socket() as other:
        for each in (listening, other):
            each.bind(("127.0.0.1", 0))
        assert not let_go_of_the_stuck(listening.getsockname()[1]), "nobody listens yet"
        for each in (listening, other):
            each.listen()
        assert let_go_of_the_stuck(listening.getsockname()[1])
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        assert other.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
