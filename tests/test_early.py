"""What is answered before the framework: byte for byte what its way would have answered, and counted as it would."""

import asyncio
import itertools
import json
import re
import threading

import pytest
import uvloop

from timeline import Timeline
from timeline.api.app import MAX_BODY, create_app
from timeline.api.arrivals import Arrivals, _Landing
from timeline.api.limits import FAILURES, Limits
from timeline.errors import Conflict
from timeline.records import convert_change
from timeline.tokens import Tokens
from timeline.writer import Writer

EVENT = {"id": "one", "title": "Something happens", "when": "2025-08-15", "actors": [{"id": "ada", "role": "speaker"}]}
SECRETS = {}


def shaped(path="/v1/events", body=EVENT, *, query=b"", peer="203.0.113.7", method="POST", **headers):
    """Give scope and body; a header that is None is left out, one that is a tuple comes several times."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"host": "news.example", "authorization": "writer", "content-type": "application/json",
             "content-length": str(len(content)), "x-request-id": "mine",
             **{name.replace("_", "-"): value for name, value in headers.items()}}
    if given["authorization"] in SECRETS:
        given["authorization"] = f"Bearer {SECRETS[given['authorization']]}"
    pairs = [(name.encode(), one.encode("latin-1")) for name, value in given.items() if value is not None
             for one in (value if isinstance(value, tuple) else (value,))]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query,
             "root_path": "", "scheme": "http", "http_version": "1.1", "server": ("x", 80), "client": (peer, 5),
             "state": {}, "headers": pairs, "extensions": {}}
    return scope, content


def batch(*ids):
    return [{"type": "event.recorded", "event": {"id": id_, "title": "t"}} for id_ in ids]


def lines(*values):
    return b"\n".join(json.dumps(value).encode() for value in values)


CLOUD = [{"specversion": "1.0", "id": "1", "source": "x", "type": "timeline.event.recorded.v1",
          "data": {"event": {"id": "cloud", "title": "t"}}}]
SHORT = [  # what is answered before the framework
    shaped, lambda: shaped(body={"title": "No id, no date: made from the title"}),
    lambda: shaped(body={**EVENT, "id": "two", "title": "Ünïcode — “quotes”"}),
    lambda: shaped(body={**EVENT, "id": "three"}, idempotency_key='"k1"'),
    lambda: shaped(body={**EVENT, "id": "three"}, idempotency_key='"k1"'),
    lambda: shaped(body={**EVENT, "id": "four"}, if_none_match="*"),
    lambda: shaped(body={**EVENT, "id": "five"}, content_type="application/json; charset=utf-8", accept="text/html"),
    lambda: shaped(body={**EVENT, "id": "six"}, origin="https://evil.example", x_request_id=None, cookie="a=b"),
    lambda: shaped(body={**EVENT, "id": "seven"}, host="[::1]:8000"),
    lambda: shaped("/v1/records", batch("a", "b", "c")), lambda: shaped("/v1/records", batch("a2")),
    lambda: shaped("/v1/records", lines(*batch("d", "e")), content_type="application/x-ndjson"),
    lambda: shaped("/v1/records", CLOUD, content_type="application/cloudevents-batch+json"),
    lambda: shaped("/v1/records", batch("f"), idempotency_key="k2"),
    lambda: shaped("/v1/records", batch("f"), idempotency_key="k2"),
    lambda: shaped(body={"id": "large", "title": "t", "note": "x" * 1_900, "topics": ["a"]}),
]
FAILING = [  # begun before the framework, which tells of it
    shaped, lambda: shaped(body=EVENT, if_none_match="*"),
    lambda: shaped(body={**EVENT, "id": "n1"}, idempotency_key='"k1"'),
    lambda: shaped(body={**EVENT, "id": "n1"}, idempotency_key="no spaces"),
    lambda: shaped(body={**EVENT, "id": "n1", "actors": [{"id": "adda"}]}),
    lambda: shaped(body={**EVENT, "id": "n1", "when": "2025-13"}), lambda: shaped(body={**EVENT, "colour": "red"}),
    lambda: shaped(body=b'{"id": "n1", "id": "n1", "title": "t"}'), lambda: shaped(body=b"{"),
    lambda: shaped(body=b""), lambda: shaped(body=b"[" * 100), lambda: shaped(body=b'{"title": "\xff"}'),
    lambda: shaped(content_type="text/plain"), lambda: shaped(content_type=None),
    lambda: shaped(authorization=None), lambda: shaped(authorization="Bearer wrong"),
    lambda: shaped(authorization="Basic d3Jvbmc="), lambda: shaped(authorization="reader"),
    lambda: shaped(authorization=None, x_request_id=None),
    lambda: shaped("/v1/records", batch("g", "g")), lambda: shaped("/v1/records", []),
    lambda: shaped("/v1/records", [{"type": "event.recorded"}]), lambda: shaped("/v1/records", {"not": "a list"}),
    lambda: shaped("/v1/records", batch(*"hijk", "one")), lambda: shaped("/v1/records", b"x" * 1_000),
]
LONG = [  # of another shape: left to the framework from the start
    lambda: shaped(body={**EVENT, "id": "l1"}, content_length=None), lambda: shaped(query=b"a=1"),
    lambda: shaped(content_encoding="gzip"), lambda: shaped(host="no host/"), lambda: shaped(host=None),
    lambda: shaped(body=b"x" * (MAX_BODY + 1)), lambda: shaped(content_length="-1"),
    lambda: shaped(body={**EVENT, "id": "l2"}, cookie=("a=1", "b=2")), lambda: shaped("/v1/events/"),
    lambda: shaped(authorization=("writer", "Bearer wrong")), lambda: shaped("/v1/events/x"),
    lambda: shaped(method="PUT"), lambda: shaped("/v1/erasures", {"id": "one"}), lambda: shaped("/nowhere"),
    lambda: shaped(body={**EVENT, "id": "l3"}, transfer_encoding="chunked"),
]


async def asked(app, scope, content, pieces=3):
    """Ask; gives the messages of the answer. The server beneath never says of the last piece that it is the last."""
    step = max(1, -(-len(content) // pieces))
    parts = [content[start : start + step] for start in range(0, len(content), step)]
    told = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting = iter([*told, {"type": "http.request", "body": b"", "more_body": False}])
    sent = []

    async def receive():
        return next(waiting, {"type": "http.disconnect"})

    async def send(message):
        sent.append({**message, "headers": list(message["headers"])} if "headers" in message else message)

    await app(scope, receive, send)
    return sent


@pytest.fixture
def made(tmp_path):
    """Gives an application over a timeline of its own: made in the same way, they hold the same."""
    opened = []

    def make(**given):
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        seconds = itertools.count()
        timeline = Timeline(folder / "t.db", origin="news.example/log", entropy=bytes,
                            clock=lambda: f"2026-01-01T00:00:{next(seconds) % 60:02d}.000000Z")
        tokens = Tokens(folder / "tokens.db")
        for name, scope in (("writer", "write"), ("reader", "read")):
            SECRETS[name] = tokens.create(name, [scope])
        timeline.describe_actor(id="ada", kind="person", name="Ada")
        limits = Limits(clock=lambda: 1_000.0, **given)
        app = create_app(timeline, tokens, limits=limits)
        app.timeline, app.limits, app.secrets = timeline, limits, dict(SECRETS)
        opened.append((timeline, tokens))
        return app

    yield make
    for timeline, tokens in opened:
        tokens.close()
        timeline.close()


def by_the_long_way(app):
    app.early = None
    return app


def watched(app):
    """Have an application say of each request whether it was answered before the framework."""
    early, app.took = app.early, []

    async def watch(scope, receive, send):
        app.took.append(await early(scope, receive, send))
        return app.took[-1]

    app.early = watch
    return app


def answers(app, requests):
    """Ask one after the other; numbers of requests are made up, and told apart from nothing else."""
    SECRETS.update(app.secrets)

    async def ask():
        return [await asked(app, *make()) for make in requests]

    found = asyncio.run(ask())
    return re.sub(r"[0-9a-f]{12}-[0-9a-f]{10}", "made-up", repr(found))


def figures(app):
    text = answers(app, [lambda: shaped("/metrics", b"", method="GET", content_length=None)])
    lines = text.partition("# HELP")[2].split("\\n")
    return [line for line in lines if not re.search("_seconds|le=|_bytes", line)]


def test_the_short_way_answers_byte_for_byte_as_the_long_way(made):
    short, long = watched(made()), by_the_long_way(made())
    assert answers(short, SHORT) == answers(long, SHORT)
    assert short.took == [True] * len(SHORT)
    assert list(short.timeline.records()) == list(long.timeline.records())


@pytest.mark.parametrize("requests", [FAILING, LONG])
def test_what_fails_or_is_unusual_is_told_by_the_framework(made, requests):
    short, long = watched(made()), by_the_long_way(made())
    for app in (short, long):
        answers(app, SHORT)
    del short.took[:]
    for request in requests:
        assert answers(short, [request]) == answers(long, [request])
    assert not any(short.took)
    assert list(short.timeline.records()) == list(long.timeline.records())


def test_everything_is_counted_once_whichever_way_it_went(made):
    short, long = made(), by_the_long_way(made())
    for app in (short, long):
        for request in SHORT + FAILING + LONG:
            answers(app, [request])
    assert figures(short) == figures(long)
    assert any('method="POST",route="/v1/events",status="2xx"' in line for line in figures(short))
    assert short.limits.places.taken == long.limits.places.taken == 0
    assert short.timeline.appends.refused == long.timeline.appends.refused > 0


def test_limits_hold_as_they_do_on_the_long_way(made):
    found = []
    for way in (lambda app: app, by_the_long_way):
        app = way(made(requests=4, token_rate=1))
        told = [answers(app, [lambda number=number: shaped(body={"id": f"e{number}", "title": "t"})])
                for number in range(12)]
        assert ["429" in one for one in told] == [False] * 10 + [True] * 2
        app.limits.places.enter("203.0.113.7")
        told.append(answers(app, [lambda: shaped(authorization="reader")]))
        told.append(answers(app, [lambda: shaped("/v1/records", batch("z"), peer="203.0.113.8", authorization=None)]))
        for _ in range(4):
            app.limits.places.enter(None)
        app.limits._token_rates._due.clear()
        told.append(answers(app, [shaped]))
        assert "503" in told[-1]
        told += [answers(app, [lambda: shaped(authorization="Bearer wrong")]) for _ in range(FAILURES + 1)]
        assert "too many bad tokens" in told[-1]
        found.append((told, dict(app.limits.refused)))
    assert found[0] == found[1]


def test_a_token_that_was_revoked_a_moment_ago_is_refused(made, tmp_path):
    app = watched(made())
    answers(app, [shaped])
    elsewhere = Tokens(tmp_path / "0" / "tokens.db")
    elsewhere.revoke(1)
    assert "401" in answers(app, [lambda: shaped(body={**EVENT, "id": "later"})])
    elsewhere.close()


def test_a_body_of_which_only_a_part_comes_is_a_failure(made):
    for way in (lambda app: app, by_the_long_way):
        app = way(made())
        SECRETS.update(app.secrets)
        scope, content = shaped()
        left = iter([{"type": "http.request", "body": content[:10], "more_body": True}, {"type": "http.disconnect"}])
        sent = []

        async def receive(left=left):
            return next(left)

        async def send(message, sent=sent):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        assert sent[0]["status"] == 500
        assert app.timeline.position == 1


def test_an_answer_that_is_large_is_handed_over_in_pieces(made):
    names = [first + second for first in "abcdefgh" for second in "abcdefgh"][:40]
    translations = {name: {"title": "t", "summary": "s" * 4_000} for name in names}
    body = {"id": "long", "title": "t", "translations": translations}
    sent = []
    for way in (watched, by_the_long_way):
        app = way(made())
        SECRETS.update(app.secrets)
        sent.append(asyncio.run(asked(app, *shaped(body=body))))
        assert app.limits.deliveries.taken == 0
    assert sent[0] == sent[1]
    assert len(sent[0]) > 3


def asks(query=b"", method="GET", **headers):
    return shaped("/v1/stream", b"", query=query, method=method, content_length=None, content_type=None, **headers)


@pytest.mark.parametrize("requests", [
    [asks], [lambda: asks(b"topic=rare")], [lambda: asks(last_event_id="0")], [lambda: asks(last_event_id="no place")],
    [lambda: asks(authorization=None, x_request_id=None)], [lambda: asks(b"last_event_id=1")],
])
def test_a_stream_is_the_same_by_either_way(made, requests):
    short, long = watched(made()), by_the_long_way(made())
    found = [answers(app, requests) for app in (short, long)]
    assert found[0] == found[1]
    assert "text/event-stream; charset=utf-8" in found[0]
    assert "retry: 3000" in found[0]
    assert short.took == [True]


@pytest.mark.parametrize("request_", [
    lambda: asks(b"last_event_id=none"), lambda: asks(b"actor=adda"), lambda: asks(b"colour=red"),
    lambda: asks(b"\xff"), lambda: asks(method="HEAD"), lambda: asks(method="OPTIONS"), lambda: asks(method="POST"),
    lambda: asks(host="no host/"), lambda: asks(authorization="Bearer wrong"), lambda: asks(x=("1", "2")),
])
def test_what_is_no_stream_is_told_by_the_framework(made, request_):
    short, long = watched(made()), by_the_long_way(made())
    assert answers(short, [request_]) == answers(long, [request_])
    assert not any(short.took)


# ---------------------------------------------------------------------------------------------- arrivals

def test_those_who_share_a_commit_are_told_in_one_callback(made, monkeypatch):
    app = made()
    timeline, told, gate = app.timeline, [], threading.Event()
    commit, deliver = Writer._commit, _Landing._deliver
    monkeypatch.setattr(_Landing, "_deliver", lambda landing: told.append(len(landing._arrived)) or deliver(landing))

    def held(self, group):
        gate.wait(5)
        commit(self, group)

    monkeypatch.setattr(Writer, "_commit", held)

    async def main():
        arrivals = Arrivals(timeline)
        waiting = [asyncio.ensure_future(arrivals.append([convert_change(change)], author="a", key=None))
                   for change in batch(*(f"e{number}" for number in range(40)), "e7")]
        await asyncio.sleep(0.05)
        gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    found = uvloop.run(main())  # what the server runs on: waking it does not let go of the interpreter's lock
    assert isinstance(found[-1], Conflict)
    for number, (appended, shown) in enumerate(found[:-1]):
        assert [one.id for one in appended] == [f"e{number}"]
        assert shown[f"e{number}", appended[0].position] == timeline.body("event", f"e{number}")
    assert sum(told) == 41
    assert len(told) <= 20


def test_a_request_withdrawn_before_the_writer_began_is_not_appended(made, monkeypatch):
    app, gate, begun = made(), threading.Event(), threading.Event()
    commit = Writer._commit

    def held(self, group):
        begun.set()
        gate.wait(5)
        commit(self, group)

    monkeypatch.setattr(Writer, "_commit", held)

    async def main():
        arrivals = Arrivals(app.timeline)

        async def append(id_):
            await arrivals.append([convert_change(batch(id_)[0])], author="a", key=None)

        first = asyncio.ensure_future(append("first"))
        await asyncio.to_thread(begun.wait, 5)
        second, third = (asyncio.ensure_future(append(id_)) for id_ in ("second", "third"))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
        await third

    asyncio.run(main())
    assert [record.header.streams[0][0] for record in app.timeline.records()] == [
        "actor/ada", "event/first", "event/third"]


def test_states_are_those_at_the_positions_asked_for(made):
    timeline = made().timeline
    timeline.record(id="one", title='quotes " and \\ and\nlines', summary="é\u2028")
    timeline.revise("one", {"title": "Two"}, reason="r")
    found = timeline.states([("one", 2), ("one", 3), ("one", 4), ("none", 2), ("one", 1)])
    assert found == {("one", position): timeline.body("event", "one", position) for position in (2, 3)}
    assert timeline.states([]) == {}
