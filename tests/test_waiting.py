"""Waiting as a server asks: what is waited for, what is asked again, and what is not."""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter, deque
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from api_client import seeded
from click.testing import CliRunner

from timeline.cli import cli
from timeline.cli.remote import Remote
from timeline.errors import Busy, TooCostly
from timeline.following import Follower, Source
from timeline.following.waiting import JITTER, MOST, TIMES, Waiting, in_words, told
from timeline.merkle import EMPTY
from timeline.records import convert_change
from timeline.tlog import Checkpoint

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the moment of RFC 9110's examples of dates."""

EVENT = {"type": "event.recorded", "event": {"id": "a-press-call", "title": "A press call", "when": "2025-09-06"}}
SOON = {"Retry-After": "0"}


@pytest.fixture
def client(tmp_path):
    with seeded(tmp_path) as client:
        yield client


@contextmanager
def listening(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Front:
    """A server over TCP in front of a real one: each of `refusals` is answered first, then everything is passed on."""

    def __init__(self, client):
        self.client, self.refusals, self.asked = client, deque(), Counter()

    @contextmanager
    def open(self):
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                front.asked[self.command, self.path.partition("?")[0]] += 1
                if front.refusals:
                    status, headers, content = front.refusals.popleft()
                else:
                    given = {name: self.headers[name] for name in ("Authorization", "Content-Type")
                             if name in self.headers}
                    found = front.client.request(self.command, self.path, headers=given, content=body)
                    status, content = found.status_code, found.content
                    headers = {"Content-Type": found.headers["Content-Type"]}
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

            def log_message(self, *_):
                pass

        with listening(Handler) as address:
            yield address


def refusal(status=503, headers=SOON, code="busy", detail="not now"):
    body = {"type": f"/problems/{code}", "title": "Busy", "status": status, "detail": detail}
    return status, {"Content-Type": "application/problem+json", **headers}, json.dumps(body).encode()


@pytest.fixture
def front(client):
    return Front(client)


@pytest.fixture
def url(front):
    with front.open() as address:
        yield address


@pytest.fixture
def remote(url, client):
    with Remote(url, client.writer["Authorization"].removeprefix("Bearer ")) as remote:
        yield remote


class Noted(Waiting):
    """Waiting that takes no time and keeps what would have been waited."""

    def __init__(self, **options):
        self.said, self.waited = [], []
        super().__init__(self.said.append, **options)
        self._stopped = self

    def wait(self, seconds):
        self.waited.append(seconds)
        return False


# ---------------------------------------------------------------------------------------------- what a refusal says

@pytest.mark.parametrize(("value", "seconds"), [
    ("0", 0.0), ("120", 120.0), (" 7 ", 7.0),
    ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
    ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
    ("Sun Nov  6 08:50:07 1994", 30.0),
    ("Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
])
@pytest.mark.parametrize("status", [429, 503])
def test_seconds_and_every_form_of_an_http_date_are_read(status, value, seconds):
    assert told(status, {"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "1e3", "٣", "12345678901234567890", "Sun, 99 Nov 1994"])
def test_what_is_neither_says_nothing(value):
    assert told(503, {"retry-after": value}, NOW) is None
    assert in_words(503, {"retry-after": value}) == ""


@pytest.mark.parametrize("status", [200, 301, 400, 404, 500, 502])
def test_other_answers_ask_for_no_waiting(status):
    assert told(status, {"retry-after": "5"}, NOW) is None


def test_a_date_is_measured_by_the_servers_own_clock():
    headers = {"retry-after": formatdate(NOW + 9, usegmt=True), "date": formatdate(NOW, usegmt=True)}
    assert told(503, headers, NOW + 1e6) == 9.0
    assert told(503, {**headers, "date": "whenever"}, NOW + 4) == 5.0


# ---------------------------------------------------------------------------------------------- how it is waited

def test_waits_are_never_shorter_than_told_and_are_spread():
    waiting = Noted()
    for _ in range(200):
        assert waiting.again(1, "it", 429, {"retry-after": "8"})
    assert min(waiting.waited) >= 8
    assert max(waiting.waited) <= 8 * (1 + JITTER)
    assert len(set(waiting.waited)) > 100


def test_the_user_is_told_once():
    waiting = Noted()
    for times in (1, 2, 1):
        assert waiting.again(times, "http://log.example", 503, {"retry-after": "2"})
    assert waiting.said == ["http://log.example answered 503: waiting 2 s, as it asks, before asking again"]


def test_it_is_not_asked_earlier_than_told_nor_for_ever():
    waiting = Noted()
    assert waiting.again(1, "it", 503, {"retry-after": f"{MOST:.0f}"})
    assert not waiting.again(1, "it", 503, {"retry-after": f"{MOST + 1:.0f}"})
    assert not waiting.again(TIMES, "it", 503, {"retry-after": "1"})
    assert not waiting.again(1, "it", 503, {})
    assert len(waiting.waited) == 1


def test_stopping_wakes_who_waits_and_nobody_is_asked_again():
    said = threading.Event()
    waiting, answers = Waiting(lambda _: said.set()), []
    thread = threading.Thread(target=lambda: answers.append(waiting.again(1, "it", 503, {"retry-after": "60"})))
    thread.start()
    assert said.wait(30)
    waiting.stop()
    thread.join(30)
    assert answers == [False]
    assert not waiting.again(1, "it", 503, {"retry-after": "0"})


# ---------------------------------------------------------------------------------------------- a server that refuses

@pytest.mark.parametrize("status", [429, 503])
def test_a_question_is_asked_until_it_is_answered(front, remote, status, capsys):
    front.refusals.extend([refusal(status)] * (TIMES - 1))
    assert remote.page([("limit", "3")]).items
    assert front.asked["GET", "/v1/events"] == TIMES
    assert capsys.readouterr().err.count("waiting 0 s, as it asks") == 1


def test_a_server_that_goes_on_refusing_is_left_alone(front, remote):
    front.refusals.extend([refusal(429, code="too-many-requests", detail="come again in 0 s")] * 20)
    with pytest.raises(Busy, match=r"^come again in 0 s$"):
        remote.page([])
    assert front.asked["GET", "/v1/events"] == TIMES


@pytest.mark.parametrize(("headers", "said"), [({}, "not now"), ({"Retry-After": "3600"},
                                                "not now; it asks to come again in 3,600 s")])
def test_a_refusal_without_a_time_or_with_a_long_one_is_told_at_once(front, remote, headers, said):
    front.refusals.append(refusal(headers=headers))
    with pytest.raises(Busy) as caught:
        remote.page([])
    assert caught.value.detail == said
    assert front.asked["GET", "/v1/events"] == 1


def test_what_is_too_costly_is_not_asked_again(front, remote):
    front.refusals.append(refusal(code="too-costly", detail="narrow the range"))
    with pytest.raises(TooCostly, match="narrow the range"):
        remote.page([])
    assert front.asked["GET", "/v1/events"] == 1


def test_a_proxy_that_speaks_no_problem_documents_is_waited_for_too(front, remote):
    front.refusals.append((503, {"Content-Type": "text/html", **SOON}, b"<h1>Maintenance</h1>"))
    assert remote.origin()
    assert front.asked["GET", "/v1"] == 2


def test_changes_with_keys_are_sent_again_and_recorded_once(front, remote, client):
    before = client.timeline.position
    front.refusals.extend([refusal(429), refusal(503)])
    change = convert_change({**EVENT, "key": "7f3c2a"})
    assert [each.new for each in remote.submit([change]).result()] == [True]
    assert front.asked["POST", "/v1/records"] == 3
    assert [each.new for each in remote.submit([change]).result()] == [False]
    assert client.timeline.position == before + 1


@pytest.mark.parametrize("send", [
    lambda remote: remote.submit([convert_change({**EVENT, "key": "k"}), convert_change(EVENT)]).result(),
    lambda remote: remote.publish([("topic", "us-troops")]),
    lambda remote: remote.erase({"id": "alaska-summit", "part": "quotes", "reason": "asked to"}),
], ids=["changes without keys", "a snapshot", "an erasure"])
def test_what_could_happen_twice_is_not_sent_twice(front, remote, client, send):
    before = client.timeline.position
    front.refusals.append(refusal())
    with pytest.raises(Busy, match="it asks to come again in 0 s"):
        send(remote)
    assert sum(front.asked.values()) == 1
    assert client.timeline.position == before


def test_an_import_through_a_busy_server_comes_in_whole(front, url, client, tmp_path):
    file = tmp_path / "more.ndjson"
    file.write_text("".join(json.dumps({"title": f"Event {number}", "when": "2025-09"}) + "\n" for number in range(9)))
    front.refusals.extend([refusal(429)] * 2)
    before = client.timeline.position
    token = client.writer["Authorization"].removeprefix("Bearer ")
    done = CliRunner().invoke(cli, ["--url", url, "--token", token, "import", str(file)])
    assert (done.exit_code, done.stdout) == (0, "imported 9 changes\n"), done.output
    assert done.stderr.count("waiting") == 1
    assert client.timeline.position == before + 9


def test_a_server_that_is_too_busy_is_no_fault_of_the_file(front, url, client, tmp_path):
    file = tmp_path / "more.ndjson"
    file.write_text(json.dumps(EVENT) + "\n")
    front.refusals.append(refusal(429, {}, "too-many-requests", "asked too often"))
    token = client.writer["Authorization"].removeprefix("Bearer ")
    done = CliRunner().invoke(cli, ["--url", url, "--token", token, "import", str(file)])
    assert done.exit_code == 6, done.output
    assert "asked too often; imported 0 changes so far" in done.stderr
    assert "line" not in done.stderr


def test_ctrl_c_ends_the_wait_of_an_import(front, url, client, tmp_path):
    file = tmp_path / "more.ndjson"
    file.write_text(json.dumps(EVENT) + "\n")
    front.refusals.append(refusal(429, {"Retry-After": "60"}))
    command = [sys.executable, "-m", "timeline.cli", "--url", url, "import", str(file)]
    token = client.writer["Authorization"].removeprefix("Bearer ")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"TIMELINE_TOKEN": token}) as importing:
        assert "waiting 60 s" in importing.stderr.readline()
        importing.send_signal(signal.SIGINT)
        said = importing.stderr.read()
        assert importing.wait() == 130
    assert said.strip() == "interrupted: imported 0 changes; run the same command again to go on"
    assert front.asked["POST", "/v1/records"] == 1  # had it waited to the end, it would have asked again


# ---------------------------------------------------------------------------------------------- following

CHECKPOINT = (200, {"Content-Type": "text/plain"}, Checkpoint("log.example/a", 0, EMPTY).text.encode())


def test_a_follower_waits_for_a_busy_server(front, url, tmp_path):
    front.refusals.extend([refusal(429), refusal(503), CHECKPOINT])
    waiting = Noted()
    assert Follower(tmp_path / "state.json").follow(url, waiting=waiting).kind == "first"
    assert len(waiting.waited) == 2
    assert len(waiting.said) == 1
    assert front.asked["GET", "/checkpoint"] == 3


def test_following_says_on_the_terminal_what_it_waits_for(front, url, tmp_path):
    front.refusals.extend([refusal(429), CHECKPOINT])
    command = [sys.executable, "-m", "timeline.cli", "follow", url, "--state", "state.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{url} answered 429: waiting 0 s, as it asks, before asking again\n"


def test_a_follower_gives_up_with_what_the_server_asks_for():
    asked = []

    def refuse(request):
        asked.append(request.url.path)
        return httpx.Response(503, headers={"Retry-After": "86400"})

    with (Source("http://log.example", httpx.MockTransport(refuse)) as source,
          pytest.raises(Busy, match=r"answered 503: it asks to come again in 86,400 s$")):
        source.checkpoint()
    assert asked == ["/checkpoint"]
