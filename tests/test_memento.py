"""Memento (RFC 7089): a small client that knows nothing of positions walks from an address to what it said before."""

import itertools
import re
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest
from api_client import load_seeds, problem, seeded, serving

from timeline import Timeline
from timeline.api import memento
from timeline.query import parse_query

FAR = "Fri, 31 Dec 9999 23:59:59 GMT"
EARLY = "Mon, 01 Jan 0001 00:00:00 GMT"
LINK = re.compile(r'\s*<([^<>"\s]*)>((?:; [a-z]+="[^"]*")*)(?:,|$)')
ORIGINALS = (
    "/v1/events",
    "/v1/events?topic=us-troops&limit=5&f=csv",
    "/v1/actors/donald-trump/timeline?from=2025-08",
    "/v1/events/alaska-summit",
)


class Clock:
    """The clock of the log, set by hand."""

    def __init__(self, timeline):
        self.now = "2030-01-01T00:00:00.000000Z"
        timeline._log._clock = lambda: self.now

    def at(self, second, fraction="000000"):
        self.now = f"2030-01-01T00:00:{second:02d}.{fraction}Z"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("memento")) as client:
        yield client


@pytest.fixture
def empty(tmp_path):
    with Timeline(tmp_path / "timeline.db") as timeline, serving(timeline, tmp_path) as client:
        client.clock = Clock(timeline)
        yield client


@pytest.fixture
def own(tmp_path):
    with seeded(tmp_path) as client:
        client.clock = Clock(client.timeline)
        yield client


def ask(client, url, when=None, method="GET", **headers):
    sent = {**({} if when is None else {"Accept-Datetime": when}), **headers}
    return client.request(method, url, headers=sent, follow_redirects=False)


def links(text):
    """Read the value of a Link header, or a TimeMap (RFC 8288 section 3): [(address, {relations}, attributes)]."""
    found, end = [], 0
    while end < len(text):
        read = LINK.match(text, end)
        assert read, text[end:]
        attributes = dict(re.findall(r'; ([a-z]+)="([^"]*)"', read[2]))
        found.append((read[1], set(attributes.pop("rel").split()), attributes))
        end = read.end()
    return found


def related(text, *relations):
    return [address for address, rel, _ in links(text) if set(relations) <= rel]


def one(text, *relations):
    (address,) = related(text, *relations)
    return address


def shown(response):
    """Give what an answer says, without the address of the next page: a memento's has its position in it."""
    if response.headers["Content-Type"] != "application/json":
        return response.content
    return {name: value for name, value in response.json().items() if name != "next"}


def second(position, client):
    return client.timeline.reader().recorded_at(position)[:19]


# ---------------------------------------------------------------------------------------------- a client of Memento


def gather(client, url):
    """Follow a TimeMap to its end: [(memento, date)], newest first."""
    found = []
    while url:
        page = ask(client, url)
        assert page.headers["Content-Type"] == "application/link-format"
        read = links(page.text)
        found += [(address, attributes["datetime"]) for address, rel, attributes in read if "memento" in rel]
        url = next((address for address, rel, _ in read if rel == {"timemap"}), None)
    return found


@pytest.mark.parametrize("url", ORIGINALS)
def test_from_the_original_to_the_gate_to_a_memento_to_the_timemap(client, url):
    original = ask(client, url)
    assert original.status_code == 200
    assert "accept-datetime" in original.headers["Vary"].split(", ")
    assert "Memento-Datetime" not in original.headers
    gate = one(original.headers["Link"], "timegate")
    assert gate == url
    redirect = ask(client, gate, FAR)
    assert redirect.status_code == 302
    assert redirect.content == b""
    assert "accept-datetime" in redirect.headers["Vary"].split(", ")
    assert "Memento-Datetime" not in redirect.headers
    assert one(redirect.headers["Link"], "original") == url
    assert one(redirect.headers["Link"], "last", "memento") == redirect.headers["Location"]
    kept = ask(client, redirect.headers["Location"])
    assert kept.status_code == 200
    position = original.headers["Timeline-Position"]
    assert kept.content == ask(client, f"{url}{'&' if '?' in url else '?'}at={position}").content
    assert shown(kept) == shown(original)
    assert "immutable" in kept.headers["Cache-Control"]
    assert "accept-datetime" not in kept.headers["Vary"]
    assert one(kept.headers["Link"], "original", "timegate") == url
    assert one(kept.headers["Link"], "timemap") == one(redirect.headers["Link"], "timemap")
    mementos = gather(client, one(kept.headers["Link"], "timemap"))
    assert len(mementos) > 1
    assert mementos[0] == (redirect.headers["Location"], kept.headers["Memento-Datetime"])
    for address, date in mementos[:10]:
        then = ask(client, address)
        assert then.status_code == 200
        assert then.headers["Memento-Datetime"] == date
        assert one(then.headers["Link"], "original") == url
    assert len({address for address, _ in mementos}) == len(mementos)


def test_the_date_of_a_memento_leads_back_to_it(own):
    for number in range(1, 6):
        own.clock.at(2 * number, f"{number}99999")
        own.timeline.revise("alaska-summit", {"note": f"{number}"}, reason="a test")
    for address, date in gather(own, "/v1/timemap/events/alaska-summit")[:5]:
        assert ask(own, "/v1/events/alaska-summit", date).headers["Location"] == address
        assert ask(own, address).headers["Memento-Datetime"] == date


def test_what_a_gate_leads_to_stays_while_others_append(own):
    for url in ORIGINALS:
        redirect = ask(own, url, FAR)
        before = ask(own, redirect.headers["Location"])
        own.clock.at(30)
        own.timeline.revise("alaska-summit", {"note": url}, reason="a test")
        own.timeline.revise("trump-rules-out-troops", {"note": url}, reason="a test")
        assert ask(own, redirect.headers["Location"]).content == before.content
        later = ask(own, url, FAR)
        assert later.headers["Location"] != redirect.headers["Location"]
        listed = [address for address, _ in gather(own, one(later.headers["Link"], "timemap"))]
        assert listed[0] == later.headers["Location"]
        assert redirect.headers["Location"] in listed[1:]


# ---------------------------------------------------------------------------------------------- the TimeGate


@pytest.fixture
def three(empty):
    """An event of three revisions: two in one second, and one ten seconds later; another event between."""
    empty.timeline.describe_actor(id="ada", kind="person", name="Ada")
    empty.clock.at(10, "250000")
    empty.timeline.record(id="call", title="A call", actors=[{"id": "ada"}])  # position 2
    empty.clock.at(10, "750000")
    empty.timeline.revise("call", {"title": "A long call"}, reason="better")  # 3
    empty.clock.at(15)
    empty.timeline.record(id="other", title="Another thing")  # 4
    empty.clock.at(20, "999999")
    empty.timeline.revise("call", {"title": "A short call"}, reason="better")  # 5
    return empty


@pytest.mark.parametrize(
    ("when", "position"),
    [
        (EARLY, 2),
        ("Tue, 01 Jan 2030 00:00:09 GMT", 2),
        ("Tue, 01 Jan 2030 00:00:10 GMT", 3),
        ("Tue, 01 Jan 2030 00:00:11 GMT", 3),
        ("Tue, 01 Jan 2030 00:00:19 GMT", 3),
        ("Tue, 01 Jan 2030 00:00:20 GMT", 5),
        ("Tue, 01 Jan 2030 00:00:21 GMT", 5),
        (FAR, 5),
    ],
)
def test_a_time_means_the_end_of_its_second(three, when, position):
    for url in ("/v1/events/call", "/v1/actors/ada/timeline"):
        redirect = ask(three, url, when)
        assert (redirect.status_code, redirect.headers["Location"]) == (302, f"{url}?at={position}")
        found = [(address, sorted(rel), attributes.get("datetime"))
                 for address, rel, attributes in links(redirect.headers["Link"]) if "memento" in rel]
        names = {2: ["first"], 3: [], 5: ["last"]}
        if position == 2:
            names[3].append("next")
        if position == 3:
            names[2].append("prev")
            names[5].append("next")
        if position == 5:
            names[3].append("prev")
        dates = {2: "Tue, 01 Jan 2030 00:00:10 GMT", 3: "Tue, 01 Jan 2030 00:00:10 GMT",
                 5: "Tue, 01 Jan 2030 00:00:20 GMT"}
        assert found == [(f"{url}?at={at}", sorted([*names[at], "memento"]), dates[at]) for at in (2, 3, 5)]


def test_all_events_have_the_mementos_of_each(three):
    found = [ask(three, "/v1/events", f"Tue, 01 Jan 2030 00:00:{second} GMT").headers["Location"]
             for second in (10, 15, 19, 20)]
    assert found == [f"/v1/events?at={position}" for position in (3, 4, 4, 5)]


def test_one_memento_is_first_and_last(three):
    text = ask(three, "/v1/events/other", EARLY).headers["Link"]
    assert one(text, "first", "last", "memento") == "/v1/events/other?at=4"
    assert not related(text, "prev")
    assert not related(text, "next")
    assert one(ask(three, "/v1/timemap/events/other").text, "first", "last", "memento") == "/v1/events/other?at=4"


@pytest.mark.parametrize("url", ORIGINALS)
@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("", "expected an RFC 1123 date"),
        ("nonsense", "such as Wed, 20 Aug 2025 12:00:00 GMT"),
        ("2025-08-20T12:00:00Z", "expected an RFC 1123 date"),
        ("1755691200", "expected an RFC 1123 date"),
        ("Wednesday, 20-Aug-25 12:00:00 GMT", "expected an RFC 1123 date"),
        ("Wed Aug 20 12:00:00 2025", "expected an RFC 1123 date"),
        ("Wed, 20 Aug 2025 12:00:00", "expected an RFC 1123 date"),
        ("Wed, 20 Aug 2025 12:00:00 UTC", "the zone is always GMT"),
        ("Wed, 20 Aug 2025 12:00:00 CEST", "the zone is always GMT"),
        ("Wed, 20 Aug 2025 12:00:00 +0000", "the zone is always GMT"),
        ("wed, 20 aug 2025 12:00:00 gmt", "expected an RFC 1123 date"),
        ("Wed, 20 Aug 2025 12:00:00 GMT, Thu, 21 Aug 2025 12:00:00 GMT", "expected an RFC 1123 date"),
        ("Wed, 2 Aug 2025 12:00:00 GMT", "expected an RFC 1123 date"),
        ("Tue, 20 Aug 2025 12:00:00 GMT", "20 Aug 2025 is a Wed, not a Tue"),
        ("Sun, 30 Feb 2025 12:00:00 GMT", "no such day or time"),
        ("Wed, 20 Aug 2025 24:00:00 GMT", "no such day or time"),
        ("Wed, 20 Aug 2025 23:59:60 GMT", "no such day or time"),
        ("Sat, 01 Jan 0000 00:00:00 GMT", "no such day or time"),
        ("x" * 5000, "expected an RFC 1123 date"),
    ],
)
def test_a_bad_time_is_refused_and_says_what_would_be_right(client, url, when, said):
    for method in ("GET", "HEAD"):
        refused = ask(client, url, when, method)
        assert refused.status_code == 400
    detail = problem(ask(client, url, when), 400)["detail"]
    assert detail.startswith("Accept-Datetime: ")
    assert said in detail
    assert len(detail) < 300


def test_two_times_are_refused(client):
    twice = [("Accept-Datetime", FAR), ("Accept-Datetime", FAR)]
    assert "expected an RFC 1123 date" in problem(client.get("/v1/events", headers=twice), 400)["detail"]


@pytest.mark.parametrize("url", ORIGINALS)
def test_head_and_what_the_client_has_change_nothing(client, url):
    got = ask(client, url, FAR)
    head = ask(client, url, FAR, "HEAD")
    assert (head.status_code, head.content) == (302, b"")
    assert head.headers == got.headers
    tag = ask(client, url).headers["ETag"]
    assert ask(client, url, FAR, **{"If-None-Match": tag}).status_code == 302
    assert ask(client, url, FAR, **{"If-None-Match": "*"}).status_code == 302
    same = ask(client, url, **{"If-None-Match": tag})
    assert same.status_code == 304
    assert "accept-datetime" in same.headers["Vary"]
    assert same.headers["Link"] == ask(client, url).headers["Link"]


def test_an_address_that_is_pinned_is_no_gate(client):
    page = ask(client, "/v1/events?limit=5")
    following = one(page.headers["Link"], "next")
    pinned = (following, "/v1/events?at=70", "/v1/events?as_of=2020", "/v1/events?as_of=2999",
              "/v1/events/alaska-summit?at=70", "/v1/events/alaska-summit?as_of=2999",
              "/v1/actors/donald-trump/timeline?at=0")
    for url in pinned:
        for when in (EARLY, "nonsense"):
            answer = ask(client, url, when)
            assert answer.status_code == 200
            assert answer.content == ask(client, url).content
        assert "accept-datetime" not in answer.headers["Vary"]
    rest = ask(client, following)
    assert "Memento-Datetime" in rest.headers
    assert one(rest.headers["Link"], "original") == "/v1/events?limit=5"


def test_what_was_wrong_before_is_wrong_with_a_time_too(client):
    for when in (FAR, "nonsense"):
        problem(ask(client, "/v1/events?from=2025-02-30", when), 400, "?from")
    problem(ask(client, "/v1/events/alaska-summit?colour=red", FAR), 400, "?colour")
    problem(ask(client, "/v1/events?actor=donald-trumpp", FAR), 422, "?actor")
    for start in ("/v1", "/v1/timemap"):
        assert "did you mean" in problem(ask(client, f"{start}/actors/donald-trumpp/timeline", FAR), 404)["detail"]
        assert "did you mean" in problem(ask(client, f"{start}/events/alaska-summitt", FAR), 404)["detail"]
    problem(ask(client, "/v1/events?at=100000", FAR), 404)
    problem(ask(client, "/v1/events", FAR, Accept="image/png"), 406)


def test_without_a_memento_there_is_nothing_to_send_to(empty):
    assert "the log is empty" in problem(ask(empty, "/v1/events", FAR), 404)["detail"]
    problem(ask(empty, "/v1/events/call", FAR), 404)
    problem(ask(empty, "/v1/actors/ada/timeline", FAR), 404)
    empty.timeline.describe_actor(id="ada", kind="person", name="Ada")
    for url in ("/v1/actors/ada/timeline", "/v1/events?topic=nothing", "/v1/events"):
        assert "nothing has changed it" in problem(ask(empty, url, FAR), 404)["detail"]
        assert ask(empty, url).status_code == 200
        assert gather(empty, one(ask(empty, url).headers["Link"], "timemap")) == []


def test_the_empty_log_has_no_date(client):
    for url in ("/v1/events?at=0", "/v1/events?as_of=2020", "/v1/actors/donald-trump/timeline?at=0"):
        answer = ask(client, url)
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Memento-Datetime" not in answer.headers
        assert related(answer.headers["Link"], "original", "timegate")
    assert "Memento-Datetime" not in ask(client, "/v1/events?as_of=2999").headers
    assert "Memento-Datetime" not in ask(client, "/v1/events/alaska-summit?as_of=2999").headers


def test_a_time_gone_by_is_a_memento(three):
    answer = ask(three, "/v1/events?as_of=2030-01-01T00:00:12Z")
    assert answer.headers["Memento-Datetime"] == "Tue, 01 Jan 2030 00:00:10 GMT"
    assert one(answer.headers["Link"], "original", "timegate") == "/v1/events"
    event = ask(three, "/v1/events/call?as_of=2030-01-01T00:00:10Z&lang=fr")
    assert event.headers["Memento-Datetime"] == "Tue, 01 Jan 2030 00:00:10 GMT"
    assert one(event.headers["Link"], "original", "timegate") == "/v1/events/call?lang=fr"


def test_only_timelines_and_events_negotiate(client):
    for url in ("/v1/actors", "/v1/actors/donald-trump", "/v1/events/alaska-summit/history", "/v1/records", "/v1"):
        answer = ask(client, url, FAR)
        assert answer.status_code == 200
        assert "accept-datetime" not in answer.headers["Vary"]
        assert not related(answer.headers.get("Link", ""), "timegate")


def test_text_in_an_address_cannot_end_a_link(client):
    nasty = {"q": '<x>; rel="last memento", "é', "limit": "5"}
    answer = client.get("/v1/events", params=nasty)
    address = one(answer.headers["Link"], "timegate")
    assert address.isascii()
    assert ask(client, address).content == answer.content
    raw = client.get('/v1/events?q=a"b<c>d,e;f')
    assert len(links(raw.headers["Link"])) == 2
    redirect = ask(client, address, FAR)
    assert len(links(redirect.headers["Link"])) > 2
    assert ask(client, one(redirect.headers["Link"], "timemap")).status_code == 200


def test_long_addresses_are_not_repeated_without_end(client):
    url = "/v1/events?" + "&".join(f"related=x{number:090d}" for number in range(40)) + "&topic=us-troops"
    problem(ask(client, url, FAR), 404)
    url = "/v1/events?" + "&".join(f"topic=x{number:090d}" for number in range(40)) + "&topic=us-troops"
    redirect = ask(client, url, FAR)
    assert redirect.status_code == 302
    assert [sorted(rel) for _, rel, _ in links(redirect.headers["Link"])] == [["original", "timegate"], ["timemap"]]
    assert ask(client, redirect.headers["Location"]).status_code == 200


def test_browsers_may_ask_and_see(client):
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    allowed = client.options("/v1/events", headers=asked).headers["Access-Control-Allow-Headers"].split(", ")
    assert "Accept-Datetime" in allowed
    redirect = ask(client, "/v1/events", FAR)
    assert redirect.headers["Access-Control-Allow-Origin"] == "*"
    assert {"Memento-Datetime", "Link"} <= set(redirect.headers["Access-Control-Expose-Headers"].split(", "))


def test_no_cache_keeps_what_a_reader_needs_a_token_for(tmp_path):
    with seeded(tmp_path, public_read=False) as client:
        problem(ask(client, "/v1/events", FAR), 401)
        redirect = ask(client, "/v1/events", FAR, **client.writer)
        assert redirect.headers["Cache-Control"].startswith("private")


# ---------------------------------------------------------------------------------------------- the TimeMap

CHANGES = [
    lambda t: t.record(id="a", title="A", when="2025-08-18", actors=[{"id": "donald-trump"}], topics=["us-troops"]),
    lambda t: t.describe_actor(id="zoe", kind="person", name="Zoe", member_of=["european-allies"]),
    lambda t: t.record(id="b", title="B", actors=[{"id": "zoe", "role": "speaker"}], topics=["us-troops"]),
    lambda t: t.describe_actor(id="zoe", kind="person", name="Zoe"),
    lambda t: t.revise("b", {"title": "Bee"}, reason="x"),
    lambda t: t.revise("a", {"actors": None, "kind": "plan"}, reason="x"),
    lambda t: t.describe_source(id="report-2025-08-18-us-troops-possible", title="T", published="2030"),
    lambda t: t.record(id="c", title="C", actors=[{"id": "donald-trump"}]),
    lambda t: t.merge("a", ["b", "c"], reason="same"),
    lambda t: t.revise("alaska-summit", {"note": "n"}, reason="x"),
    lambda t: t.describe_source(id="report-2025-08-18-us-troops-possible", title="T", published="2025-08-18"),
    lambda t: t.retract("a", reason="x"),
]
QUESTIONS = [
    "",
    "actor=donald-trump",
    "actor=donald-trump&topic=us-troops",
    "actor=zoe&actor=donald-trump&from=2025-08",
    "topic=us-troops&retracted=include",
    "actor=european-allies&members=true",
    "reported_by=2025-08-20&topic=us-troops",
    "reported_by=2025-08-19",
    "members=true&role=speaker",
    "q=troops&kind=statement",
    "topic=nothing",
]


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("changed")) as client:
        for change in CHANGES:
            change(client.timeline)
        yield client


def positions(client, url):
    return [int(address.rpartition("=")[2]) for address, _ in gather(client, url)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_timemap_has_every_position_that_changed_the_answer(changed, question):
    head = changed.timeline.position
    states = [changed.timeline.ask(parse_query([(name, value) for name, _, value in
                                                (pair.partition("=") for pair in question.split("&") if pair)]
                                               + [("at", str(at)), ("limit", "1000")])).bodies
              for at in range(head + 1)]
    really = {at for at in range(1, head + 1) if states[at] != states[at - 1]}
    listed = positions(changed, f"/v1/timemap/events?{question}")
    assert really <= set(listed)
    assert listed == sorted(set(listed), reverse=True)
    assert all(1 <= position <= head for position in listed)
    if question in ("", "topic=us-troops&retracted=include"):
        assert really == set(listed)


def test_the_timemap_of_a_question_leaves_out_what_cannot_matter(changed):
    everything = positions(changed, "/v1/timemap/events")
    both = positions(changed, "/v1/timemap/events?actor=donald-trump&topic=us-troops")
    his = positions(changed, "/v1/timemap/actors/donald-trump/timeline")
    assert his == positions(changed, "/v1/timemap/events?actor=donald-trump")
    assert set(both) < set(his) < set(everything)
    assert len(everything) < changed.timeline.position


@pytest.mark.parametrize("event", ["a", "b", "c", "alaska-summit", "trump-rules-out-troops"])
def test_the_mementos_of_an_event_are_its_revisions(changed, event):
    revisions = [version["revision"] for version in changed.timeline.history(event)]
    listed = positions(changed, f"/v1/timemap/events/{event}")
    assert listed == [revision["position"] for revision in reversed(revisions)]
    for revision in revisions:
        then = ask(changed, f"/v1/events/{event}?at={revision['position']}")
        date = parsedate_to_datetime(then.headers["Memento-Datetime"])
        assert date == datetime.fromisoformat(revision["recorded_at"]).replace(microsecond=0)


@pytest.mark.parametrize("url", ["/v1/timemap/events", "/v1/timemap/events?limit=3&original_f=ndjson",
                                 "/v1/timemap/actors/donald-trump/timeline", "/v1/timemap/events/alaska-summit"])
def test_pages_of_a_timemap_add_up(changed, monkeypatch, url):
    whole = gather(changed, url)
    monkeypatch.setattr(memento, "MEMENTOS", 3)
    assert gather(changed, url) == whole
    first, page, number = ask(changed, url), url, 0
    while page:
        answer = ask(changed, page)
        read = answer.text
        dates = [attributes["datetime"] for _, rel, attributes in links(read) if "memento" in rel]
        ((address, _, covered),) = [link for link in links(read) if "self" in link[1]]
        assert address == page
        assert (covered["from"], covered["until"]) == (dates[-1], dates[0])
        assert one(read, "original", "timegate") == one(first.text, "original")
        assert bool(related(read, "last", "memento")) == (number == 0)
        assert ("immutable" in answer.headers["Cache-Control"]) == (number > 0)
        page = next(iter(address for address, rel, _ in links(read) if rel == {"timemap"}), None)
        assert answer.links.get("next", {}).get("url") == page
        assert bool(related(read, "first", "memento")) == (page is None)
        number += 1
    assert number == -(-len(whole) // 3)


def test_a_page_of_a_timemap_stays_while_others_append(own, monkeypatch):
    monkeypatch.setattr(memento, "MEMENTOS", 3)
    url = one(ask(own, "/v1/timemap/events?limit=2").text, "timemap")
    for form in ("link", "json"):
        before = ask(own, f"{url}&f={form}")
        own.timeline.revise("alaska-summit", {"note": form}, reason="a test")
        assert ask(own, f"{url}&f={form}").content == before.content
        assert ask(own, f"{url}&f={form}", **{"If-None-Match": before.headers["ETag"]}).status_code == 304
    assert "immutable" not in ask(own, "/v1/timemap/events?before=100000").headers["Cache-Control"]


def test_a_page_about_members_may_learn_of_one_later(own):
    own.timeline.describe_actor(id="zoe", kind="person", name="Zoe")
    own.timeline.record(id="hers", title="Hers", actors=[{"id": "zoe"}])
    position = own.timeline.position
    url = f"/v1/timemap/events?actor=european-allies&members=true&before={position + 1}"
    before = ask(own, url)
    assert "immutable" not in before.headers["Cache-Control"]
    assert position not in positions(own, url)
    own.timeline.describe_actor(id="zoe", kind="person", name="Zoe", member_of=["european-allies"])
    assert position in positions(own, url)


def test_a_timemap_as_json(changed, monkeypatch):
    monkeypatch.setattr(memento, "MEMENTOS", 3)
    url = "/v1/timemap/actors/donald-trump/timeline?limit=2&original_f=csv"
    page = ask(changed, f"{url}&f=json")
    assert page.headers["Content-Type"] == "application/json"
    assert ask(changed, url, Accept="application/json").json()["items"] == page.json()["items"]
    assert page.json()["original"] == "/v1/actors/donald-trump/timeline?limit=2&f=csv"
    found, following = [], page.json()
    while following:
        found += following["items"]
        following = ask(changed, following["next"]).json() if "next" in following else None
    assert [(item["uri"], item["datetime"]) for item in found] == gather(changed, url)
    assert ask(changed, found[-1]["uri"]).headers["Content-Type"].startswith("text/csv")
    assert all(item["recorded_at"][:19] == second(item["position"], changed) for item in found)


def test_timemaps_refuse_what_they_do_not_take(changed):
    for pin in ("at=5", "as_of=2025", "cursor=x", "colour=red"):
        problem(ask(changed, f"/v1/timemap/events?{pin}"), 400, f"?{pin.partition('=')[0]}")
        problem(ask(changed, f"/v1/timemap/events/alaska-summit?{pin}"), 400)
    problem(ask(changed, "/v1/timemap/events?f=csv"), 400, "?f")
    problem(ask(changed, "/v1/timemap/events?original_f=xml"), 400, "?original_f")
    problem(ask(changed, "/v1/timemap/events/alaska-summit?original_f=csv"), 400, "?original_f")
    problem(ask(changed, "/v1/timemap/events?before=0"), 400, "?before")
    problem(ask(changed, "/v1/timemap/events?before=1&before=2"), 400, "?before")
    problem(ask(changed, "/v1/timemap/actors/donald-trump/timeline?actor=axios"), 400, "?actor")
    problem(ask(changed, "/v1/timemap/events?actor=donald-trumpp"), 422, "?actor")
    problem(ask(changed, "/v1/timemap/events", Accept="image/png"), 406)
    problem(ask(changed, "/v1/timemap/actors/donald-trump"), 404)


# ---------------------------------------------------------------------------------------------- the queries beneath


@pytest.mark.parametrize("question", QUESTIONS)
def test_changes_in_any_piece_and_either_direction_are_the_same(changed, question):
    query = parse_query([tuple(pair.split("=")) for pair in question.split("&") if pair])
    reader, head = changed.timeline.reader(), changed.timeline.position
    whole = reader.changes(query, 1, head, 10_000, newest=True)
    assert reader.changes(query, 1, head, 10_000, newest=False) == whole[::-1]
    for limit, newest in itertools.product((1, 2, 5), (True, False)):
        found, first, last = [], 1, head
        while piece := reader.changes(query, first, last, limit, newest=newest):
            assert len(piece) <= limit
            found += piece
            first, last = (first, piece[-1] - 1) if newest else (piece[-1] + 1, last)
        assert found == (whole if newest else whole[::-1])


def test_many_events_merged_in_one_record_are_one_position(own):
    for number in range(20):
        own.timeline.record(id=f"same-{number}", title="Same", topics=["same"])
    own.timeline.merge("same-0", [f"same-{number}" for number in range(1, 20)], reason="the same")
    head, reader = own.timeline.position, own.timeline.reader()
    for question in ([("topic", "same")], []):
        assert reader.changes(parse_query(question), 1, head, 3, newest=True) == [head, head - 1, head - 2]
        assert reader.changes(parse_query(question), head - 1, head, 5, newest=False) == [head - 1, head]


def test_the_time_of_every_position_is_found(empty):
    for number, now in enumerate(["00.000000", "00.000000", "00.000001", "07.500000", "59.999999"]):
        empty.clock.now = f"2030-01-01T00:00:{now}Z"
        empty.timeline.record(title=f"{number}")
    empty.clock.now = "2999-12-31T23:59:59.999999Z"
    load_seeds(empty.timeline)
    recorded = {record.position: record.header.recorded_at for record in empty.timeline.records(0, 10_000)}
    reader = empty.timeline.reader()
    assert {position: reader.recorded_at(position) for position in recorded} == recorded
    assert reader.recorded_at(0) is None
    assert reader.recorded_at(max(recorded) + 1) is None
    with Timeline.temporary() as nothing:
        assert nothing.reader().recorded_at(1) is None
