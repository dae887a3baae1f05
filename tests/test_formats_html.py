"""HTML out: read back by a parser and a browser that were not written here."""

from __future__ import annotations

import json
import re

import html5lib
import pytest
from api_client import load_seeds, seeded
from click.testing import CliRunner

from timeline import Timeline
from timeline.cli.root import cli
from timeline.formats import FORMATS, Sheet
from timeline.formats.html import POLICY

EVIL = '</title></style><script>window.hurt=1</script><img src=x onerror="window.hurt=1"> & "<b>" \'c\''
RTL = "\u202e\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645"
BROWSERS = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
     "application/signed-exchange;v=b3;q=0.7"),
)


@pytest.fixture
def timeline():
    with Timeline.temporary() as timeline:
        yield timeline


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("html")) as client:
        yield client


@pytest.fixture(scope="module")
def seed_bodies():
    with Timeline.temporary() as timeline:
        load_seeds(timeline)
        return [json.dumps(event) for event in timeline.events(limit=1000)]


def document(bodies, **more):
    """Write a document, and parse it: the parser raises at the first thing that the standard calls a parse error."""
    content = FORMATS["html"].encode(Sheet(bodies, 9, origin="news.example", **more))
    return html5lib.HTMLParser(namespaceHTMLElements=False, strict=True).parse(content)


def shown(timeline, *events, **more):
    for number, event in enumerate(events):
        timeline.record(**{"id": f"e{number}", "title": "Title", **event})
    return document([json.dumps(event) for event in timeline.events(limit=1000, retracted="include")], **more)


def text_of(element):
    return "".join(element.itertext())


def article(tree, id_):
    return tree.find(f".//article[@id='{id_}']")


def test_the_seeds_are_one_document_in_order_without_parse_errors(seed_bodies):
    tree = document(seed_bodies)
    listed = tree.findall("body/main/ol/li/article")
    assert [each.get("id") for each in listed] == [json.loads(body)["id"] for body in seed_bodies]
    assert len(tree.findall("body/main/ol")) == 1
    assert all(len(each.findall("h2")) == 1 and text_of(each.find("p[@class='when']")).strip() for each in listed)


def test_nothing_in_it_runs_or_is_fetched(seed_bodies):
    tree = document(seed_bodies)
    names = {element.tag for element in tree.iter()}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form", "svg", "base", "source"})
    assert names.isdisjoint({"dl", "dt", "dd"})
    attributes = {name for element in tree.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith(("on", "item")) or name in {"src", "style", "srcset"}]
    assert "url(" not in tree.find("head/style").text
    assert "@import" not in tree.find("head/style").text


def test_every_text_of_an_event_stays_a_text(timeline):
    timeline.describe_actor(id="evil", kind="person", name=EVIL)
    tree = shown(timeline, {
        "title": EVIL, "summary": f"{EVIL}\n\nsecond {EVIL}", "when": "2025-08-15", "actors": [{"id": "evil"}],
        "place": {"name": EVIL}, "media": [{"url": "https://a.example/x?a=1&b='2'", "caption": EVIL, "credit": EVIL}],
    }, name_of=lambda _: EVIL)
    found = article(tree, "e0")
    assert text_of(found.find("h2")) == EVIL
    assert [text_of(each) for each in found.findall("div/p")] == [EVIL, f"second {EVIL}"]
    assert [text_of(each) for each in found.findall(".//bdi")] == [EVIL] * 4
    assert found.find(".//a").get("href") == "https://a.example/x?a=1&b='2'"
    assert not [each for each in tree.iter() if each.tag in {"script", "img", "b"}]
    assert tree.find("head/title").text == "Timeline news.example"


def test_an_address_of_media_cannot_leave_its_attribute(timeline):
    tree = shown(timeline, {"media": [{"url": "https://a.example/'onmouseover='x&lt;&quot;"}]})
    link = article(tree, "e0").find(".//a")
    assert link.get("href") == text_of(link) == "https://a.example/'onmouseover='x&lt;&quot;"
    assert set(link.keys()) == {"href", "rel"}


@pytest.mark.parametrize(("when", "datetime", "words"), [
    ("2025-08-15", "2025-08-15", "15 August 2025"),
    ("2025-08", "2025-08", "August 2025"),
    ("2025", "2025", "2025"),
    ("2025-08-15T11:30:00Z", "2025-08-15T11:30:00Z", None),
    ("2025-08-15T11:30:00+02", None, None),
    ("2025-21", None, None),
    ("0000", None, None),
    ("-0043-03-15", None, "15 March 44 BC"),
    ("2025-08-15?", None, None),
    ("[2025-08-15..2025-08-18]", None, "one unknown day between 15 and 18 August 2025"),
    ("2025-09-04/..", None, "since 4 September 2025, ongoing"),
    ("Y-17E7", None, None),
])
def test_a_date_is_in_words_and_in_time_where_html_can_say_it(timeline, when, datetime, words):
    found = article(shown(timeline, {"when": when}), "e0").find("p[@class='when']")
    time = found.find("time")
    assert (None if time is None else time.get("datetime")) == datetime
    assert found.get("data-edtf") == when
    assert text_of(found) == (words or text_of(found))
    assert text_of(found).strip()


def test_what_has_no_date_says_so(timeline):
    found = article(shown(timeline, {"anchor": {"relation": "day-after", "text": "a ceasefire"}}), "e0")
    assert text_of(found.find("p[@class='when']")) == "the day after a ceasefire (not dated)"
    assert found.find(".//time") is None


def test_what_does_not_stand_any_more_is_there_and_says_why(timeline):
    timeline.record(id="gone", title="Gone", when="2025")
    timeline.retract("gone", reason="<never> happened")
    timeline.record(id="erased", title="Secret words", when="2025")
    timeline.erase("erased", "body", reason="a court order")
    tree = shown(timeline, {"status": "denied"})
    assert "Withdrawn: <never> happened" in text_of(article(tree, "gone"))
    assert "Withdrawn: a court order" in text_of(article(tree, "erased"))
    assert "Secret" not in text_of(tree)
    assert "occurrence, denied" in text_of(article(tree, "e0"))


def test_our_words_are_in_the_language_of_the_event_and_its_texts_keep_their_own(timeline):
    tree = shown(timeline, {"title": "Un sommet", "lang": "fr", "when": "2025-08-15", "place": {"name": "Paris"}},
                 {"title": RTL, "lang": "he", "when": "2025-08-16"})
    french, hebrew = article(tree, "e0"), article(tree, "e1")
    assert french.get("lang") == "fr"
    assert text_of(french.find("p/time")) == "15 août 2025"
    assert "Lieu\u00a0: Paris" in text_of(french)
    assert (hebrew.get("lang"), hebrew.find("h2").get("lang"), hebrew.find("h2").get("dir")) == ("en", "he", "auto")
    assert text_of(hebrew.find("h2")) == RTL


def test_a_page_links_the_next_one_and_nothing_is_said_plainly():
    tree = document([], next="/v1/events?f=html&cursor=a%22b")
    assert tree.find(".//a[@rel='next']").get("href") == "/v1/events?f=html&cursor=a%22b"
    assert "No events." in text_of(tree.find("body"))
    assert tree.find(".//ol") is None


def test_browsers_get_json_and_who_wants_html_gets_it_under_a_strict_policy(client):
    for accept in BROWSERS:
        answer = client.get("/v1/events?limit=3", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/json"
        assert "Accept" in answer.headers["Vary"]
        assert "Content-Security-Policy" not in answer.headers
    for headers, url in (({"Accept": "text/html"}, "/v1/events?limit=3"), ({}, "/v1/events?limit=3&f=html"),
                         ({"Accept": "text/html, application/json;q=0.4"}, "/v1/events?limit=3")):
        page = client.get(url, headers=headers)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"] == POLICY
        assert "Accept" in page.headers["Vary"]
        tree = html5lib.HTMLParser(namespaceHTMLElements=False, strict=True).parse(page.content)
        assert len(tree.findall(".//article")) == 3
        following = client.get(tree.find(".//a[@rel='next']").get("href"), headers=headers)
        assert following.headers["Content-Type"] == page.headers["Content-Type"]
        assert following.content != page.content


def test_the_policy_and_the_answer_stay_with_a_304(client):
    page = client.get("/v1/events?f=html")
    again = client.get("/v1/events?f=html", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304
    assert again.headers["Content-Security-Policy"] == POLICY


def test_the_shell_writes_a_document(tmp_path):
    with Timeline(tmp_path / "t.db") as timeline:
        timeline.describe_actor(id="a", kind="person", name="Ada <3")
        timeline.record(id="dated", title="Dated", when="2025-08-15", actors=[{"id": "a"}])
    run = CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "export", "-f", "html"])
    assert run.exit_code == 0, run.output
    tree = html5lib.HTMLParser(namespaceHTMLElements=False, strict=True).parse(run.stdout)
    assert "Ada <3 (participant)" in text_of(article(tree, "dated"))


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_browser_shows_it_with_its_style_and_asks_nobody(browser, timeline, tmp_path, scheme):
    timeline.record(id="evil", title=EVIL, summary=EVIL, when="2025-08-15",
                    media=[{"url": "https://evil.test/x.png", "caption": EVIL}])
    content = FORMATS["html"].encode(Sheet([json.dumps(event) for event in timeline.events()], 9))
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    if scheme == "file":
        (tmp_path / "page.html").write_bytes(content)
        page.goto((tmp_path / "page.html").as_uri())
    else:
        page.route("**/*", lambda route: route.fulfill(
            body=content, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY}))
        page.goto("http://page.test/v1/events?f=html")
    assert len(asked) == 1
    assert said == []
    assert page.locator("h2").text_content() == EVIL
    assert page.evaluate("window.hurt") is None
    assert page.evaluate("getComputedStyle(document.querySelector('.when')).fontWeight") == "700"
    page.evaluate("const added = document.createElement('style'); added.textContent = 'h1 {color: red}';"
                  "document.head.append(added)")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"
    assert re.search("Content Security Policy|Content-Security-Policy", "".join(said))
    page.close()
