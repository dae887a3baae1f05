"""The live stream: everything once and in order, whoever leaves and comes back, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from api_client import problem
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from test_views import START, append, histories, modest, pairs, questions, sensible

from timeline import Timeline, parse_query
from timeline.api import hub as hubs
from timeline.api import replay
from timeline.api.app import create_app
from timeline.api.hub import Hub
from timeline.api.replay import Place
from timeline.api.stream import Streams, read_place
from timeline.tokens import Tokens

SOON = 20.0
"""Seconds in which whatever should happen has happened, on a slow machine too."""

# ---------------------------------------------------------------------------------------------- an EventSource


def parse(text):
    """Read an event stream as a browser does (WHATWG HTML section 9.2.6): messages, the last id, the retry time."""
    messages, last, retry = [], "", None
    name, data, id_ = "", [], ""
    for line in re.split("\r\n|\n|\r", text):
        if not line:
            last = id_
            if data:
                messages.append({"event": name or "message", "id": last, "data": json.loads("\n".join(data))})
            name, data = "", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case "id":
                    id_ = value
                case "retry":
                    retry = int(value)
    return messages, last, retry


class Taken:
    """What the server beneath gives for bytes that it has taken: there is nothing to wait for."""

    def __await__(self):
        return iter(())


class Source:
    """One connection to the application, without a server in between; `takes` may stop reading.

    `native`: the server takes bytes when it is handed them and gives futures for messages, as that of `timeline serve`;
    otherwise both are coroutines.
    """

    def __init__(self, app, url="", *, last=None, method="GET", headers=(), takes=True, native=False):
        self.text, self.status, self.headers, self.ended = "", None, {}, False
        self._grown, self._gone, self._takes = asyncio.Event(), asyncio.Event(), takes
        given_ = [(b"host", b"testserver"), *headers]
        given_ += [] if last is None else [(b"last-event-id", last.encode())]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": "/v1/stream", "raw_path": b"/v1/stream", "query_string": url.encode(), "root_path": "",
            "headers": given_, "client": ("test", 1), "server": ("testserver", 80), "state": {}, "extensions": {},
        }
        self._asked = False
        ways = (self._receive_natively, self._send_natively) if native else (self._receive, self._send)
        self.task = asyncio.create_task(app(scope, *ways))
        self.task.add_done_callback(lambda _: self._grown.set())

    def _receive_natively(self):
        return asyncio.ensure_future(self._receive())

    def _send_natively(self, message):
        if message["type"] != "http.response.start" and not self._takes and self.text:
            return asyncio.get_running_loop().create_future()
        self._take(message)
        return Taken()

    async def _receive(self):
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] != "http.response.start" and not self._takes and self.text:
            await asyncio.Event().wait()
        self._take(message)

    def _take(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.ended = self.ended or not message["more_body"]
        self._grown.set()

    @property
    def whole(self):
        """What came so far, up to the end of the last whole message."""
        return self.text[: self.text.rfind("\n\n") + 2]

    @property
    def all(self):
        return parse(self.whole)[0]

    @property
    def messages(self):
        """Messages about events."""
        return [message for message in self.all if message["event"] not in ("hello", "reset")]

    @property
    def last(self):
        return parse(self.whole)[1]

    async def until(self, holds):
        """Wait until something holds of what came."""
        async with asyncio.timeout(SOON):
            while not holds(self):
                assert not self.task.done() or holds(self), (self.status, self.text)
                self._grown.clear()
                await self._grown.wait()
        return self

    async def begun(self):
        return await self.until(lambda source: source.text)

    async def at(self, place):
        return await self.until(lambda source: source.last == str(place))

    async def close(self):
        self._gone.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                await self.task


class Site:
    """An application over a timeline, with streams that can be told how to be."""

    def __init__(self, timeline, *, most=100, public_read=True, **options):
        options.setdefault("ping", 3600.0)  # no ping wakes anybody whom the hub forgot
        self.timeline, self.hub = timeline, Hub(timeline, most)
        self.streams = Streams(timeline, self.hub, **options)
        self.tokens = Tokens(Path(timeline.path).parent / "test.tokens.db")
        self.app = create_app(timeline, self.tokens, streams=self.streams, public_read=public_read)
        self.sources = []

    def open(self, *given_, **options):
        """Open a stream; every second one as under a server that gives coroutines."""
        source = Source(self.app, *given_, **{"native": len(self.sources) % 2 == 0, **options})
        self.sources.append(source)
        return source

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for source in self.sources:
            await source.close()
        await self.streams.close()
        self.tokens.close()


def run(coroutine):
    with asyncio.Runner() as runner:
        return runner.run(coroutine)


@pytest.fixture
def timeline():
    with Timeline.temporary() as timeline:
        yield timeline


async def record(timeline, **event):
    return await asyncio.to_thread(lambda: timeline.record(**event))


def told(timeline, asked, since=0):
    """Say from the feed of corrections, one position at a time, what a stream should have told."""
    query, found = parse_query([pair for pair in pairs(asked) if pair[0] != "order"]), []
    for position in range(since + 1, timeline.position + 1):
        found += timeline.changes(query, position - 1, position).items
    return found


def without_body(message):
    return {name: value for name, value in message["data"].items() if name != "body"}


# ---------------------------------------------------------------------------------------------- messages


def test_a_stream_begins_at_the_head_and_says_so(timeline):
    async def scene():
        timeline.record(id="old", title="Before")
        async with Site(timeline) as site:
            source = await site.open().begun()
            assert source.status == 200
            assert source.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert source.headers["cache-control"] == "no-store"
            assert source.headers["x-accel-buffering"] == "no"
            assert source.headers["access-control-allow-origin"] == "*"
            assert not source.headers.keys() & {"content-length", "etag", "content-encoding"}
            assert source.all == [{"event": "hello", "id": "1", "data": {"position": 1}}]
            assert parse(source.text)[2] == 3000
            await record(timeline, id="call", title="A call", when="2025-09-04")
            await source.at(2)
            (message,) = source.messages
            assert (message["event"], message["id"], message["data"]["event"]) == ("added", "2", "call")
            assert message["data"]["body"] == timeline.event("call")

    run(scene())


def test_every_kind_of_change_has_its_event_and_what_came_back_is_added_again(timeline):
    async def scene():
        async with Site(timeline) as site:
            source = await site.open("topic=nato").begun()

            def write():
                for name in ("call", "talk", "chat"):
                    timeline.record(id=name, title=name, topics=["nato"])
                timeline.revise("call", {"title": "A call"}, reason="a word")
                timeline.revise("call", {"topics": ["troops"]}, reason="a slip")
                timeline.revise("call", {"topics": ["nato"]}, reason="no slip")
                timeline.retract("talk", reason="not so")
                timeline.merge("call", ["chat"], reason="one happening")

            await asyncio.to_thread(write)
            await source.at(8)
            kinds = [(message["id"], message["event"], message["data"]["event"]) for message in source.messages]
            assert kinds == [
                ("1", "added", "call"), ("2", "added", "talk"), ("3", "added", "chat"), ("4", "revised", "call"),
                ("5", "removed", "call"), ("6", "added", "call"), ("7", "retracted", "talk"),
                ("8.call", "revised", "call"), ("8", "merged", "chat")]
            for message in source.messages:
                at = message["data"]["position"]
                assert message["data"]["body"] == timeline.event(message["data"]["event"], at=at)
                assert message["data"]["change"] == message["event"]
            assert source.messages[6]["data"]["body"]["retracted"]
            assert source.messages[-1]["data"]["merged_into"] == "call"

    run(scene())


def test_texts_cannot_break_a_message_and_a_language_is_taken(timeline):
    async def scene():
        title = "a\nid: 99\n\ndata: x\u2028\u2029 \r <b>"
        async with Site(timeline) as site:
            plain, french = site.open(), site.open("lang=fr")
            await plain.begun()
            await french.begun()
            await record(timeline, id="call", title=title, summary="s", lang="en",
                         translations={"fr": {"title": "Un appel"}})
            await plain.at(1)
            await french.at(1)
            assert [message["id"] for message in plain.messages] == ["1"]
            assert plain.messages[0]["data"]["body"] == timeline.event("call")
            assert plain.text.count("\n\n") == 3
            assert french.messages[0]["data"]["title"] == french.messages[0]["data"]["body"]["title"] == "Un appel"

    run(scene())


def test_reported_accounts_are_those_of_the_time(timeline):
    """The body is the version that the answer shows, which is not the newest one of the event."""
    async def scene():
        timeline.describe_source(id="early", title="early", published="2025-08-01")
        timeline.describe_source(id="late", title="late", published="2025-09-01")
        async with Site(timeline) as site:
            source = await site.open("reported_by=2025-08-15").begun()

            def write():
                timeline.record(id="call", title="first", citations=[{"source": "late"}])
                timeline.revise("call", {"title": "second", "citations": [{"source": "early"}]}, reason="r")
                timeline.revise("call", {"title": "third", "citations": [{"source": "late"}]}, reason="r")
                timeline.revise("call", {"title": "fourth"}, reason="r")
                timeline.describe_source(id="late", title="late", published="2025-08-02")

            await asyncio.to_thread(write)
            await source.at(7)
            shown = [(message["id"], message["event"], message["data"]["body"]["title"]) for message in source.messages]
            assert shown == [("4", "added", "second"), ("7", "revised", "fourth")]

    run(scene())


# ---------------------------------------------------------------------------------------------- once and in order


async def through(site, asked, places, end):
    """Listen on and on, leaving after each of some numbers of messages; gives all that was told."""
    found, last = [], "0"
    for count in [*places, None]:
        source = site.open(asked, last=last)
        if count is None:
            await source.until(lambda source: caught_up(source, end))
        else:
            await source.until(lambda source, count=count: len(source.messages) >= count or caught_up(source, end))
        read = source.messages if count is None else source.messages[:count]
        found += read
        last = read[-1]["id"] if read else last
        await source.close()
        site.sources.remove(source)
    return found


def caught_up(source, end):
    """A ping's id says that there is nothing more up to a position."""
    return source.last.isdigit() and int(source.last) >= end


def url(asked):
    return urlencode([pair for pair in pairs(asked) if pair[0] != "order"])


@given(histories, st.lists(questions.filter(sensible), min_size=1, max_size=3), st.data())
@settings(modest, max_examples=25)
def test_everything_is_told_once_and_in_order_wherever_a_client_leaves(history, asked, data):
    async def scene():
        with Timeline.temporary() as timeline:
            timeline.append(START)
            for change in history:
                append(timeline, change)
            asked_ = [{}, *(one for one in asked if {*one.get("actor", [])} <= {"ann", "bob", "cat", "team"})]
            async with Site(timeline, ping=0.005) as site:
                for one in asked_:
                    expected = told(timeline, one)
                    places = data.draw(st.lists(st.integers(1, 3), max_size=len(expected)))
                    found = await through(site, url(one), places, timeline.position)
                    assert [without_body(message) for message in found] == expected, one
                    assert len({message["id"] for message in found}) == len(found)

    run(scene())


def test_a_client_that_leaves_at_any_message_is_told_the_rest_once(timeline):
    """At every id there is, in the midst of a record that changes several events too; however segments are cut."""
    def write():
        for number in range(30):
            timeline.record(id=f"e{number}", title="t", topics=["nato"] if number % 3 else [])
        timeline.merge("e0", ["e1", "e2", "e3"], reason="one happening")
        timeline.merge("e5", ["e6"], reason="one happening")
        timeline.revise("e4", {"topics": []}, reason="a slip")
        timeline.revise("e4", {"topics": ["nato"]}, reason="no slip")

    async def scene(length):
        async with Site(timeline) as site:
            for asked in ({}, {"topic": ["nato"]}):
                whole = await site.open(url(asked), last="0").until(
                    lambda source: source.messages and source.messages[-1]["id"] == "34")
                expected = whole.messages
                assert [without_body(message) for message in expected] == told(timeline, asked)
                for number, message in enumerate(expected[:-1]):
                    source = await site.open(url(asked), last=message["id"]).until(
                        lambda source: source.messages and source.messages[-1]["id"] == "34")
                    assert source.messages == expected[number + 1 :], (length, message["id"])
                    await source.close()

    write()
    before = replay.SEGMENT
    try:
        for length in (1, 7, before):
            replay.SEGMENT = length
            run(scene(length))
    finally:
        replay.SEGMENT = before


def test_a_writer_at_work_and_clients_that_come_and_go(timeline):
    """A thousand records meanwhile: whoever stays and whoever leaves is told the same."""
    async def scene():
        async with Site(timeline, ping=0.05) as site:
            steady, narrow = site.open("", last="0"), site.open("topic=even", last="0")

            def write():
                for start in range(0, 1_000, 10):
                    timeline.append([
                        {"type": "event.recorded", "event": {"id": f"e{number}", "title": "t",
                                                             "topics": ["even" if number % 2 == 0 else "odd"]}}
                        for number in range(start, start + 10)])

            writing = asyncio.create_task(asyncio.to_thread(write))
            coming = await through(site, "", [1, 50, 3, 200, 7, 100], 1_000)
            await writing
            await steady.at(1_000)
            await narrow.at(1_000)
            expected = [f"e{number}" for number in range(1_000)]
            assert [message["data"]["event"] for message in steady.messages] == expected
            assert [message["data"]["event"] for message in coming] == expected
            assert [message["data"]["event"] for message in narrow.messages] == expected[::2]
            assert coming == steady.messages

    run(scene())


def test_clients_who_ask_the_same_share_the_work(timeline, monkeypatch):
    calls = []
    real = Timeline.changes
    monkeypatch.setattr(Timeline, "changes", lambda *args, **more: calls.append(args) or real(*args, **more))

    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open().begun() for _ in range(50)]
            await record(timeline, id="call", title="A call")
            for source in sources:
                await source.at(1)

    run(scene())
    assert len(calls) == 1


# ---------------------------------------------------------------------------------------------- going on, or not


def test_ids_are_read_strictly():
    assert read_place("59") == Place(59)
    assert read_place("59.alaska-summit") == Place(59, "alaska-summit")
    assert str(Place(59, "a")) == "59.a"
    assert Place(59, "a").order < Place(59, "b").order < Place(59).order < Place(60, "a").order
    for text in ("", "x", "-1", "59.", ".a", "²", "1" * 17, str(2**53), "5 9", "59.a\x01", "59." + "x" * 101):
        assert read_place(text) is None


@pytest.mark.parametrize("last", ["nonsense", "-1", "59.", "9" * 30, "\u00b2"])
def test_an_id_that_is_none_is_answered_by_a_reset(timeline, last):
    """A browser would repeat it for ever, and shows nobody a 400."""
    async def scene():
        timeline.record(id="old", title="Before")
        async with Site(timeline) as site:
            given_ = [(b"last-event-id", last.encode("latin-1"))]
            source = await site.open(headers=given_).until(lambda source: source.all)
            assert [(message["event"], message["id"]) for message in source.all] == [("reset", "1")]
            assert source.all[0]["data"]["reason"] == "unknown"
            await record(timeline, id="call", title="A call")
            await source.at(2)
            assert [message["event"] for message in source.messages] == ["added"]

    run(scene())


def test_a_place_beyond_the_head_is_of_another_log(timeline):
    async def scene():
        timeline.record(id="old", title="Before")
        async with Site(timeline) as site:
            source = await site.open(last="2").until(lambda source: source.all)
            assert [(message["event"], message["id"]) for message in source.all] == [("reset", "1")]
            assert source.all[0]["data"]["reason"] == "beyond"
            assert source.all[0]["data"]["position"] == 1
            quiet = await site.open(last="1").until(lambda source: source.all)
            assert [(message["event"], message["id"]) for message in quiet.all] == [("hello", "1")]

    run(scene())


def test_who_missed_too_much_reads_anew(timeline, monkeypatch):
    monkeypatch.setattr(replay, "GAP", 10)

    async def scene():
        def write():
            for number in range(30):
                timeline.record(id=f"e{number}", title="t", topics=["rare"] if number % 10 == 0 else [])

        await asyncio.to_thread(write)
        async with Site(timeline) as site:
            far = await site.open(last="5").until(lambda source: source.last == "30")
            assert [message["event"] for message in far.all] == ["hello", "reset"]
            assert far.all[1]["data"]["reason"] == "gap"
            near = await site.open(last="20").at(30)
            assert [message["event"] for message in near.all] == ["hello", *["added"] * 10]
            seldom = await site.open("topic=rare", last="0").until(lambda source: len(source.messages) == 3)
            assert [message["id"] for message in seldom.messages] == ["1", "11", "21"]
            await record(timeline, id="new", title="t")
            await far.at(31)
            assert [message["id"] for message in far.messages] == ["31"]

    run(scene())


def test_one_record_that_changes_too_much_is_a_reset(timeline, monkeypatch):
    monkeypatch.setattr(replay, "MOST_MESSAGES", 3)

    async def scene():
        for number in range(6):
            timeline.record(id=f"e{number}", title="t")
        async with Site(timeline) as site:
            source = await site.open().begun()
            await asyncio.to_thread(lambda: timeline.merge("e0", ["e1", "e2", "e3"], reason="r"))
            await source.at(7)
            assert [message["event"] for message in source.all] == ["hello", "reset"]
            await record(timeline, id="new", title="t")
            await source.at(8)
            assert [message["event"] for message in source.messages] == ["added"]

    run(scene())


def test_who_has_read_the_answer_since_is_not_sent_to_read_it_again(timeline, monkeypatch):
    """The position of a page is that of the last record that mattered: such a client would come back for ever."""
    monkeypatch.setattr(replay, "MOST_MESSAGES", 3)

    async def scene():
        for number in range(6):
            timeline.record(id=f"e{number}", title="t")
        timeline.merge("e0", ["e1", "e2", "e3"], reason="r")
        for number in range(5):
            timeline.describe_actor(id=f"a{number}", kind="person", name="A")
        async with Site(timeline, ping=0.02) as site:
            source = await site.open("last_event_id=7").at(12)
            assert [message["event"] for message in source.all] == ["hello"]
            before = await site.open(last="6").at(12)
            assert [message["event"] for message in before.all] == ["hello", "reset"]

    run(scene())


def test_what_was_erased_is_told_to_nobody_again(timeline):
    """Whoever is connected, and whoever comes back from before, is told to let go of it, whatever they asked for."""
    async def scene():
        async with Site(timeline) as site:
            source, other = site.open(), site.open("topic=nato")
            await source.begun()
            await other.begun()
            await record(timeline, id="call", title="A secret name", topics=["nato"])
            await record(timeline, id="double", title="A secret twin")
            await asyncio.to_thread(lambda: timeline.merge("call", ["double"], reason="one happening"))
            await source.at(3)
            assert "secret" in source.text
            await asyncio.to_thread(lambda: timeline.erase("call", "body", reason="a court order"))
            await source.at(4)
            await other.at(4)
            back, tombstones = await site.open(last="0").at(4), await site.open("retracted=include", last="3").at(4)
            for each, shown in ((source, False), (other, False), (back, False), (tombstones, True)):
                erased = [message for message in each.all if message["event"] == "erased"]
                assert [(message["id"], message["data"]["event"]) for message in erased] == [
                    ("4.call", "call"), ("4", "double")]
                first = erased[0]["data"]
                assert (first["shown"], first["reason"], first["position"]) == (shown, "a court order", 4)
                assert [message["data"]["body"] for message in erased] == [
                    timeline.event("call"), timeline.event("double")]
                assert "secret" not in str(erased)
            assert "secret" not in back.text
            rest = await site.open(last="4.call").at(4)
            assert [message["id"] for message in rest.messages] == ["4"]
            await record(timeline, id="talk", title="A talk")
            for each in (source, back):
                await each.at(5)
                assert each.all[-1]["data"]["event"] == "talk"
            kept = site.streams._replay._segments.values()
            assert not any(b"secret" in message.content for segment in kept for message in segment.messages)

    run(scene())


def test_whose_members_were_erased_reads_the_answer_anew(timeline):
    async def scene():
        timeline.append(START)
        timeline.record(id="call", title="A call", actors=[{"id": "ann"}])
        head = timeline.position
        async with Site(timeline) as site:
            members, plain = site.open("actor=team&members=true"), site.open("actor=ann")
            await members.begun()
            await plain.begun()
            await asyncio.to_thread(lambda: timeline.erase("ann", "body", of="actor", reason="asked for"))
            await members.at(head + 1)
            assert [message["event"] for message in members.all] == ["hello", "reset"]
            await record(timeline, id="talk", title="A talk", actors=[{"id": "ann"}])
            await plain.at(head + 2)
            assert [message["event"] for message in plain.all] == ["hello", "added"]

    run(scene())


def test_the_parameter_is_for_clients_without_the_header_which_counts_more(timeline):
    async def scene():
        for number in range(3):
            timeline.record(id=f"e{number}", title="t")
        async with Site(timeline) as site:
            by_parameter = await site.open("last_event_id=1").at(3)
            assert [message["id"] for message in by_parameter.messages] == ["2", "3"]
            both = await site.open("last_event_id=1", last="2").at(3)
            assert [message["id"] for message in both.messages] == ["3"]
            empty = await site.open("last_event_id=1", last="").at(3)
            assert [message["id"] for message in empty.messages] == ["2", "3"]

    run(scene())


def test_silence_is_broken_by_pings_that_carry_the_place(timeline):
    """So that a client whose question nothing concerns comes back to where the log then was."""
    async def scene():
        async with Site(timeline, ping=0.02) as site:
            source = await site.open("topic=rare").begun()
            await record(timeline, id="call", title="A call")
            await source.until(lambda source: source.text.count(": ping\n") >= 3)
            assert source.last == "1"
            assert source.messages == []

    run(scene())


def test_pings_come_though_others_keep_the_log_busy(timeline):
    async def scene():
        async with Site(timeline, ping=0.1) as site:
            source = await site.open("topic=rare").begun()
            done = asyncio.Event()

            async def write():
                number = 0
                while not done.is_set():
                    number += 1
                    await record(timeline, id=f"e{number}", title="t")

            writing = asyncio.create_task(write())
            await source.until(lambda source: source.text.count(": ping\n") >= 3)
            done.set()
            await writing
            assert source.messages == []

    run(scene())


# ---------------------------------------------------------------------------------------------- slow clients, and many


def test_nobody_waits_for_a_client_that_takes_nothing(timeline):
    async def scene():
        async with Site(timeline, ping=0.05) as site:
            stuck = [await site.open(takes=False).begun() for _ in range(20)]
            quick = await site.open().begun()
            for number in range(200):
                await record(timeline, id=f"e{number}", title="t" * 400)
            await quick.at(200)
            assert len(quick.messages) == 200
            for source in stuck:
                assert source.messages == []
                source.task.cancel()
            for source in stuck:
                with contextlib.suppress(asyncio.CancelledError):
                    await source.task
                site.sources.remove(source)
            await asyncio.sleep(0)
            assert len(site.hub) == 1

    run(scene())


def test_a_connection_carries_so_much_and_then_the_client_comes_back(timeline):
    """The most that a client who does not read can make the server beneath hold; who reads loses nothing."""
    async def scene():
        for number in range(100):
            timeline.record(id=f"e{number}", title="t" * 400)
        async with Site(timeline, carried=20_000) as site:
            found, last, connections = [], "0", 0
            while last != "100":
                source = await site.open(last=last).until(lambda source: source.ended)
                assert len(source.text) < 20_000 + 2 * 64_000
                assert 100 <= parse(source.text)[2] <= 3000
                found += source.messages
                last, connections = source.last, connections + 1
            assert [message["data"]["event"] for message in found] == [f"e{number}" for number in range(100)]
            assert connections > 1

    run(scene())


def test_the_cache_stays_within_its_limit_and_what_fell_out_is_read_again(timeline):
    async def scene():
        for number in range(300):
            timeline.record(id=f"e{number}", title="t" * 200)
        async with Site(timeline) as site:
            kept = site.streams._replay
            kept._limit = 50_000
            for _ in range(2):
                source = await site.open(last="0").at(300)
                assert len(source.messages) == 300
            assert kept._size == sum(segment.size for segment in kept._segments.values()) <= 50_000 + 40_000
            assert len(kept._segments) < 5

    run(scene())


def test_there_is_room_for_so_many(timeline):
    async def scene():
        async with Site(timeline, most=3) as site:
            sources = [await site.open().begun() for _ in range(3)]
            refused = site.open()
            await refused.task
            assert refused.status == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) > 0
            assert json.loads(refused.text)["type"] == "/problems/busy"
            await sources[0].close()
            again = await site.open().begun()
            assert again.status == 200
            assert len(site.hub) == 3

    run(scene())


def test_many_are_woken_a_few_at_a_time_and_none_is_left_out(timeline, monkeypatch):
    monkeypatch.setattr(hubs, "AT_ONCE", 3)

    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open().begun() for _ in range(20)]
            for number in range(20):
                await record(timeline, id=f"e{number}", title="t")
            for source in sources:
                await source.at(20)
                assert [message["data"]["event"] for message in source.messages] == [f"e{n}" for n in range(20)]

    run(scene())


def test_those_who_rest_are_handed_the_same_bytes_without_a_turn_of_their_tasks(timeline, monkeypatch):
    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open(native=True).begun() for _ in range(10)]
            other = await site.open("topic=rare", native=True).begun()
            turns, handed, wake, hand = [], [], hubs.Listener.wake, hubs.Audience._hand
            monkeypatch.setattr(hubs.Listener, "wake", lambda listener: turns.append(listener) or wake(listener))
            monkeypatch.setattr(hubs.Audience, "_hand", lambda audience, some, content, behind: (
                handed.append(content), hand(audience, some, content, behind)))
            for number in range(3):
                await record(timeline, id=f"e{number}", title="t")
                for source in sources:
                    await source.at(number + 1)
            assert turns == []
            assert [content.count(b"event: added") for content in handed] == [1, 1, 1]
            assert {source.text for source in sources} == {sources[0].text}
            await record(timeline, id="rare", title="t", topics=["rare"])
            assert [message["id"] for message in (await other.at(4)).messages] == ["4"]
            assert sum(len(audience) for audience in site.hub._audiences.values()) == 11
        assert not site.hub._audiences

    run(scene())


def test_who_comes_while_others_are_told_joins_them_and_misses_nothing(timeline, monkeypatch):
    monkeypatch.setattr(hubs, "AT_ONCE", 1)

    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open(native=True).begun() for _ in range(10)]
            for number in range(15):
                await record(timeline, id=f"e{number}", title="t")
                sources.append(site.open(native=True))  # the others are being told, one in each turn
                await asyncio.sleep(0)
            for source in sources:
                await source.at(15)
                told_ = [int(message["id"]) for message in source.messages]
                assert told_ == list(range(16 - len(told_), 16))
            assert [len(audience) for audience in site.hub._audiences.values()] == [25]

    run(scene())


def test_a_client_whose_server_has_to_be_waited_for_goes_on_alone(timeline):
    async def scene():
        async with Site(timeline) as site:
            stuck, quick = [await site.open(native=True).begun() for _ in range(2)]
            stuck._takes = False
            for number in range(5):
                await record(timeline, id=f"e{number}", title="t")
                await quick.at(number + 1)
            assert stuck.messages == []
            assert [len(audience) for audience in site.hub._audiences.values()] == [1]
            stuck.task.cancel()
            await asyncio.wait([stuck.task])
            site.sources.remove(stuck)
            assert len(site.hub) == 1

    run(scene())


def test_a_failure_in_telling_all_is_met_by_each_alone(timeline, monkeypatch):
    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open(native=True).begun() for _ in range(4)]
            once, after = [], site.streams._replay.after

            async def fails(*given_):
                if not once:
                    once.append(given_)
                    raise OSError("a disk had a moment")
                return await after(*given_)

            monkeypatch.setattr(site.streams._replay, "after", fails)
            for number in range(3):
                await record(timeline, id=f"e{number}", title="t")
            for source in sources:
                assert [message["id"] for message in (await source.at(3)).messages] == ["1", "2", "3"]
            assert once

    run(scene())


def test_a_connection_that_fails_in_the_midst_of_telling_takes_nobody_with_it(timeline):
    async def scene():
        async with Site(timeline) as site:
            first, broken, last = [await site.open(native=True).begun() for _ in range(3)]

            def fails(_):
                raise RuntimeError("the connection is no more")

            broken._take = fails
            for number in range(3):
                await record(timeline, id=f"e{number}", title="t")
            for source in (first, last):
                assert [message["id"] for message in (await source.at(3)).messages] == ["1", "2", "3"]
            with pytest.raises(RuntimeError, match="no more"):
                await broken.task
            site.sources.remove(broken)
            assert len(site.hub) == 2
            last.task.cancel()
            await asyncio.wait([last.task])
            site.sources.remove(last)
            assert [len(audience) for audience in site.hub._audiences.values()] == [1]

    run(scene())


def test_silence_is_broken_for_all_who_rest_together(timeline):
    async def scene():
        async with Site(timeline, ping=0.05) as site:
            sources = [await site.open(native=True).begun() for _ in range(5)]
            for source in sources:
                await source.until(lambda source: source.text.count(": ping\nid: 0\n") >= 3)
            await record(timeline, id="call", title="A call")
            for source in sources:
                await source.until(lambda source: source.text.count(": ping\nid: 1\n") >= 2)
                assert len(source.messages) == 1

    run(scene())


def test_who_leaves_is_forgotten(timeline):
    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open().begun() for _ in range(5)]
            assert len(site.hub) == 5
            for source in sources:
                await source.close()
            assert len(site.hub) == 0

    run(scene())


# ---------------------------------------------------------------------------------------------- asking


@pytest.fixture
def client(timeline, tmp_path):
    tokens = Tokens(tmp_path / "tokens.db")
    streams = Streams(timeline, Hub(timeline))
    with TestClient(create_app(timeline, tokens, streams=streams), raise_server_exceptions=False) as client:
        client.streams = streams
        yield client
    tokens.close()


@pytest.mark.parametrize(("asked", "status", "pointer"), [
    ("colour=red", 400, "?colour"), ("limit=5", 400, "?limit"), ("at=5", 400, "?at"), ("as_of=2025", 400, "?as_of"),
    ("order=desc", 400, "?order"), ("cursor=x", 400, "?cursor"), ("from=soon", 400, "?from"), ("q=%ff", 400, "?q"),
    ("last_event_id=x", 400, "?last_event_id"), ("last_event_id=", 400, "?last_event_id"),
    ("last_event_id=1&last_event_id=2", 400, "?last_event_id"), ("actor=nobody", 422, "?actor"),
    ("actor=" + "x" * 20_000, 414, None),
])
def test_what_cannot_be_asked_is_refused_before_the_stream_begins(client, asked, status, pointer):
    for method in ("GET", "HEAD"):
        response = client.request(method, f"/v1/stream?{asked}")
        assert response.status_code == status
    problem(client.get(f"/v1/stream?{asked}"), status, pointer)


def test_head_and_options(client):
    head = client.head("/v1/stream?topic=nato")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert head.headers["Cache-Control"] == "no-store"
    assert "Content-Length" not in head.headers
    options = client.options("/v1/stream", headers={"Origin": "https://example.org",
                                                    "Access-Control-Request-Method": "GET"})
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert "Last-Event-ID" in options.headers["Access-Control-Allow-Headers"]


def test_the_test_client_reads_a_stream_to_its_end(client, timeline):
    """It collects a whole answer, so the streams have to end: as they do when the server does."""
    timeline.record(id="call", title="A call")

    def end():
        deadline = time.monotonic() + SOON
        while not client.streams._hub._listeners and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        client.portal().__enter__().call(client.streams.close)

    thread = threading.Thread(target=end)
    thread.start()
    response = client.get("/v1/stream", headers={"Last-Event-ID": "0", "Accept-Encoding": "gzip"})
    thread.join()
    assert "Content-Encoding" not in response.headers
    assert [message["event"] for message in parse(response.text)[0]] == ["hello", "added"]
    again = parse(client.get("/v1/stream").text)[0]
    assert [(message["event"], message["id"]) for message in again] == [("hello", "1")]


def test_private_reading_needs_a_token(timeline, tmp_path):
    async def scene():
        async with Site(timeline, public_read=False) as site:
            refused = site.open()
            await refused.task
            assert refused.status == 401
            secret = site.tokens.create("desk", ["read"])
            allowed = await site.open(headers=[(b"authorization", f"Bearer {secret}".encode())]).begun()
            assert allowed.status == 200
            assert allowed.headers["cache-control"] == "no-store"

    run(scene())


def test_a_hub_that_ends_lets_everybody_out_and_whoever_comes_too(timeline):
    async def scene():
        async with Site(timeline) as site:
            sources = [await site.open().begun() for _ in range(3)]
            stuck = await site.open(takes=False).begun()
            await record(timeline, id="call", title="A call")
            await asyncio.sleep(0.05)
            await site.streams.close()
            for source in sources:
                await source.task
                assert source.ended
                assert source.last == "1"
            with contextlib.suppress(asyncio.CancelledError):
                await stuck.task
            site.sources.remove(stuck)
            assert len(site.hub) == 0
            late = site.open(last="0")
            await late.task
            assert (late.status, late.last, late.messages) == (200, "0", [])

    run(scene())
