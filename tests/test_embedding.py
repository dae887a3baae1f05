"""Being shown elsewhere: embeds, oEmbed, what heads say, the panel to share, and addresses made from a public one."""

import json
import re
import shlex
import xml.dom.minidom
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import feedparser
import html5lib
import pytest
from api_client import Client, load_seeds, problem, seeded
from click.testing import CliRunner
from icalendar import Calendar
from rdflib import Graph, URIRef

from timeline import Timeline, parse_query
from timeline.api.app import create_app
from timeline.api.embedding import Embedding, frame_ancestors, public_url
from timeline.api.pages import ASKING_POLICY, DOCS_POLICY
from timeline.api.problems import PAGE_POLICY
from timeline.cli import cli
from timeline.cli.options import taken
from timeline.cli.snapshots import create
from timeline.errors import Malformed
from timeline.formats import FORMATS
from timeline.snapshots import publish
from timeline.tokens import Tokens
from timeline.web.words import FORMATS_IN_FRENCH

HERE = "http://testserver.local"
PUBLIC = "https://timeline.example.org"
LISTS = ["/", "/?actor=donald-trump&from=2025-08&lang=fr&at=120", "/actors/karoline-leavitt?order=desc&q=a%26b",
         "/topics/us-troops?reported_by=2025-08-19"]
PAGES = [*LISTS, "/events/alaska-summit?at=60&lang=fr", "/embed?topic=us-troops", "/embed/events/alaska-summit"]
HOSTILE = '</script></textarea><img src=x onerror=alert(1)> "]]>\' --> مرحبا {{ 7 * 7 }}'


@contextmanager
def serving(timeline, folder, embedding=None, *, public_read=True):
    tokens = Tokens(folder / "embedding.tokens.db")
    app = create_app(timeline, tokens, public_read=public_read, embedding=embedding)
    with Client(app, raise_server_exceptions=False) as client:
        client.timeline, client.tokens = timeline, tokens
        client.reader = {"Authorization": f"Bearer {tokens.create('reader', ['read'])}"}
        yield client
    tokens.close()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("embedding")) as client:
        publish(client.timeline, parse_query([("actor", "axios")]))
        client.snapshot = publish(client.timeline, parse_query([("topic", "us-troops"), ("at", "120")])).snapshot.id
        yield client


@pytest.fixture(scope="module")
def placed(client, tmp_path_factory):
    """The same timeline, served by a server that was told its public address and who may frame it."""
    embedding = Embedding(PUBLIC, frame_ancestors(["https://news.example", "https://*.example.org"]))
    with serving(client.timeline, tmp_path_factory.mktemp("placed"), embedding) as placed:
        placed.snapshot = client.snapshot
        yield placed


@pytest.fixture
def hostile(tmp_path):
    with Timeline(tmp_path / "hostile.db") as timeline:
        timeline.describe_actor(id="actor", kind="person", name=HOSTILE, description=HOSTILE)
        timeline.describe_source(id="source", title=HOSTILE)
        timeline.record(id="event", title=HOSTILE, summary=HOSTILE, when="2025-08-15", topics=["topic"],
                        actors=[{"id": "actor", "role": "speaker"}], citations=[{"source": "source"}])
        with serving(timeline, tmp_path) as client:
            yield client


def tree(html):
    """Read a page as browsers do."""
    return html5lib.parse(html, namespaceHTMLElements=False)


def page(client, path, **headers):
    response = client.get(path, headers=headers)
    assert response.status_code == 200, response.text[:500]
    return tree(response.text)


def links(found, rel, type_=None):
    return [each.get("href") for each in found.iterfind(".//link")
            if each.get("rel") == rel and type_ in (None, each.get("type"))]


def properties(found):
    return {each.get("property"): each.get("content") for each in found.iterfind(".//meta[@property]")}


def query(address):
    return parse_qsl(urlsplit(address).query)


def oembed(client, url, status=200, **more):
    response = client.get("/oembed", params={"url": url, **more})
    assert response.status_code == status, response.text[:500]
    return response.json()


def framed(html):
    """Take the frame of an oEmbed answer apart, and the list beside it."""
    found = html5lib.parseFragment(html, namespaceHTMLElements=False, scripting=False)
    return found.find("iframe"), found.find("noscript")


# ---------------------------------------------------------------------------------------------- who may frame what

def test_only_embeds_may_be_framed(client, placed):
    for path in PAGES:
        for each, ancestors in ((client, "*"), (placed, "https://news.example https://*.example.org")):
            response = each.get(path)
            policy = response.headers["Content-Security-Policy"]
            if path.startswith("/embed"):
                assert policy == ("default-src 'none'; style-src 'self'; img-src data:; form-action 'none'; "
                                  f"base-uri 'none'; frame-ancestors {ancestors}")
            else:
                assert policy in (PAGE_POLICY, ASKING_POLICY)
            assert "x-frame-options" not in response.headers
    for policy in (PAGE_POLICY, ASKING_POLICY, DOCS_POLICY):
        directives = [directive.split()[0] for directive in policy.split(";")]
        assert len(directives) == len(set(directives))
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self'" in policy


def test_what_goes_wrong_in_a_frame_is_said_in_the_frame(client):
    for path, status, said in (("/embed/events/no-such-event", 404, "there is no event no-such-event"),
                               ("/embed?from=2025-13", 400, "there is no month 13"),
                               ("/embed?colour=red", 400, "unknown parameter")):
        response = client.get(path)
        assert response.status_code == status
        assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
        assert said in response.text
    assert client.get(f"/embed/snapshots/{'0' * 64}").status_code == 404


@pytest.mark.parametrize(("given", "policy"), [
    (["https://news.example"], "https://news.example"),
    (["https://news.example https://*.example.org", "'self'"], "https://news.example https://*.example.org 'self'"),
    (["none"], "'none'"), (["'none'"], "'none'"), (["*"], "*"), (["self self"], "'self'"),
    (["http://localhost:8080 https://a.example:*"], "http://localhost:8080 https://a.example:*"),
    (["https://[::1]:8443"], "https://[::1]:8443"), (["HTTPS://News.Example"], "https://news.example"),
])
def test_frame_ancestors_are_read(given, policy):
    assert frame_ancestors(given) == policy


@pytest.mark.parametrize("given", [
    "", " ", "news.example", "https://", "https://news.example/path", "https://a.example;script-src", "javascript:x",
    "https://a.example,https://b.example", "data:", "https://*", "https://a.*.example", "'unsafe-inline'",
    "none self", "* https://news.example", "https://user@news.example", "https://a.example\u00e9",
    "https://a.example?x",
])
def test_other_frame_ancestors_are_refused(given):
    with pytest.raises(Malformed, match=r"^--frame-ancestors: [a-z]"):
        frame_ancestors([given])


@pytest.mark.parametrize(("given", "origin"), [
    ("https://timeline.example.org", "https://timeline.example.org"), ("http://LOCALHOST:8000/", "http://localhost:8000"),
    ("https://a.example:443", "https://a.example"), ("http://a.example:443", "http://a.example:443"),
    ("http://[::1]:80", "http://[::1]"), (" https://my_host ", "https://my_host"),
])
def test_a_public_address_is_read(given, origin):
    assert public_url(given) == origin


@pytest.mark.parametrize("given", [
    "", "timeline.example.org", "ftp://a.example", "https://", "https://a.example/path", "https://a.example//",
    "https://a.example?x=1", "https://a.example#x", "https://user:password@a.example", "https://a.example:0",
    "https://a.example:99999", "https://a..example", "https://-a.example", "https://a.example\nX: 1", "https://é.example",
])
def test_other_public_addresses_are_refused(given):
    with pytest.raises(Malformed, match="--public-url: expected a scheme and a host"):
        public_url(given)


def test_the_command_says_what_is_wrong_before_it_opens_anything(tmp_path):
    for options, said in ((["--public-url", "example.org"], "--public-url: expected a scheme"),
                          (["--frame-ancestors", "news.example"], "--frame-ancestors: expected an origin")):
        done = CliRunner().invoke(cli, ["--db", str(tmp_path / "new.db"), "serve", *options])
        assert done.exit_code == 2
        assert said in " ".join(done.stderr.split())
        assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------- embeds

def test_an_embed_answers_every_question_the_timeline_does(client):
    for question in ("", "actor=axios", "from=2025-08-15&to=2025-08-19&match=must&status=confirmed&limit=1000",
                     "topic=us-troops&reported_by=2025-08-18", "at=59", "q=troops&order=desc", "place=alaska",
                     "actor=united-states&members=true&role=speaker", "retracted=include&undated=exclude"):
        found = page(client, f"/embed?{question}")
        items = client.get(f"/v1/events?{question}").json()["items"]
        shown = [each.get("href") for each in found.iterfind(".//h2/a")]
        assert [urlsplit(href).path for href in shown] == [f"/events/{item['id']}" for item in items]
        assert shown


def test_an_embed_says_what_it_knows_and_leads_on(client):
    text = client.get("/embed?topic=us-troops&lang=en&limit=2").text
    assert "Live: what is known now (position 198)" in text
    assert "one unknown day between 15 and 18 August 2025" in text
    assert re.search(r'href="/events/[a-z-]+\?lang=en#page_sources">\d sources?<', text)
    total = len(client.get("/v1/events?topic=us-troops").json()["items"])
    assert f"and {total - 2} more events" in text
    assert 'href="/?topic=us-troops&amp;lang=en"' in text
    past = client.get("/embed?at=59&reported_by=2025-08-18&lang=en")
    assert re.search(r"As known on [^(]+\(UTC\) \(position 59\); it stays as it is\.", past.text)
    assert "Only what sources published by 18 August 2025 had reported." in past.text
    assert past.headers["Cache-Control"] == "public, max-age=86400"
    assert "Chronologie" in client.get("/embed", headers={"Accept-Language": "fr"}).text
    assert '<base target="_blank">' in text


def test_a_second_page_of_an_embed_counts_nothing_it_does_not_know(client):
    first = client.get("/v1/events?limit=40").json()
    found = page(client, first["next"].replace("/v1/events", "/embed"), **{"Accept-Language": "en"})
    items = client.get(first["next"]).json()["items"]
    assert len(found.findall(".//h2")) == len(items) == 40
    assert " ".join("".join(found.find(".//footer").itertext()).split()) == "and more events · Open the whole timeline"


def test_one_event_and_a_snapshot_can_be_embedded(client):
    event = client.get("/embed/events/alaska-summit?lang=en")
    assert "The presidents of the United States and Russia" in event.text
    assert 'href="/events/alaska-summit?lang=en"' in event.text
    assert "corrected 4 times" in event.text
    early = client.get("/embed/events/alaska-summit?at=60&lang=en").text
    assert "on or before 18 August 2025, day unknown" in early
    snapshot = client.get(f"/embed/snapshots/{client.snapshot}?lang=en")
    assert "position 120" in snapshot.text
    assert snapshot.headers["Cache-Control"] == "public, max-age=0, must-revalidate", "until something is erased"
    assert f'href="/snapshots/{client.snapshot}?lang=en"' in snapshot.text
    wanted = client.get("/v1/events?topic=us-troops&at=120").json()["items"]
    shown = [urlsplit(each.get("href")).path for each in tree(snapshot.text).iterfind(".//h2/a")]
    assert shown == [f"/events/{item['id']}" for item in wanted]


def test_what_was_erased_is_in_no_embed(tmp_path):
    with Timeline(tmp_path / "erased.db") as timeline, serving(timeline, tmp_path) as client:
        timeline.record(id="secret", title="Xylophonic", when="2025-08-15", topics=["music"])
        made = publish(timeline, parse_query([])).snapshot.id
        paths = ["/embed", "/embed/events/secret", f"/embed/snapshots/{made}", "/events/secret",
                 f"/oembed?url={HERE}/events/secret", f"/oembed?url={HERE}/snapshots/{made}"]
        assert all("Xylophonic" in client.get(path).text for path in paths)
        timeline.erase("secret", "body", reason="under seal")
        for path in paths:
            response = client.get(path)
            assert response.status_code == 200, path
            assert "Xylophonic" not in response.text, path


def test_reading_needs_a_token_where_reading_is_private(client, tmp_path):
    with serving(client.timeline, tmp_path, public_read=False) as private:
        for path in ("/embed", "/embed/events/alaska-summit", f"/oembed?url={HERE}/"):
            problem(private.get(path), 401)
            answer = private.get(path, headers=private.reader)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"].startswith("private")


# ---------------------------------------------------------------------------------------------- heads

@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_head_leads_somewhere(client, path):
    found = page(client, path)
    alternates = [each for each in found.iterfind(".//head/link[@rel='alternate']") if each.get("type")]
    for each in alternates:
        answer = client.get(each.get("href"))
        assert answer.status_code == 200, each.get("href")
        wanted = each.get("type").replace("json+oembed", "json").replace("xml+oembed", "xml")
        assert answer.headers["Content-Type"].partition(";")[0] == wanted
        assert each.get("title")
    types = {each.get("type") for each in alternates}
    assert {"application/json+oembed", "text/xml+oembed"} <= types
    if path in LISTS:
        assert {"application/json", "application/atom+xml", "application/feed+json", "text/calendar"} <= types
    canonical = links(found, "canonical")
    assert len(canonical) == 1
    assert client.get(canonical[0]).status_code == 200


def test_alternates_are_the_same_question(client):
    found = page(client, "/?actor=donald-trump&from=2025-08&lang=fr&at=120")
    shown = [each.get("id") for each in found.iterfind(".//article")]
    answer = client.get(links(found, "alternate", "application/json")[0]).json()
    assert [item["id"] for item in answer["items"]] == shown
    atom = links(found, "alternate", "application/atom+xml")[0]
    assert {("actor", "donald-trump"), ("from", "2025-08"), ("lang", "fr"), ("at", "120")} <= set(query(atom))
    assert len(feedparser.parse(client.get(atom).content).entries) == len(shown)
    topic = page(client, "/topics/us-troops?reported_by=2025-08-19")
    assert query(links(topic, "alternate", "application/json")[0]) == [
        ("reported_by", "2025-08-19"), ("topic", "us-troops")]


def test_a_canonical_address_is_one_whatever_order_was_typed(client):
    one, two = (links(page(client, path), "canonical") for path in
                ("/?topic=us-troops&actor=axios&q=&from=2025-08", "/?from=2025-08&actor=axios&topic=us-troops"))
    assert one == two == ["/?from=2025-08&actor=axios&topic=us-troops"]
    assert links(page(client, "/?at=120"), "canonical") == ["/?at=120"]
    assert links(page(client, "/embed?actor=axios&limit=3"), "canonical") == ["/?actor=axios"]


def test_open_graph(client, placed):
    found = properties(page(client, "/events/alaska-summit?lang=fr"))
    assert found == {
        "og:title": "Rencontre Trump–Poutine en Alaska", "og:type": "article", "og:locale": "fr_FR",
        "og:url": f"{HERE}/events/alaska-summit?lang=fr", "og:site_name": "Chronologie",
        "og:description": found["og:description"],
    }
    assert found["og:description"].startswith("15 août 2025. ")
    listed = page(placed, "/actors/donald-trump")
    assert properties(listed)["og:url"] == f"{PUBLIC}/actors/donald-trump"
    assert properties(listed)["og:type"] == "website"
    assert links(listed, "canonical") == [f"{PUBLIC}/actors/donald-trump"]
    assert [each.get("content") for each in listed.iterfind(".//meta[@name='twitter:card']")] == ["summary"]
    assert properties(page(client, f"/snapshots/{client.snapshot}"))["og:type"] == "article"
    assert properties(tree(client.get("/events/nothing").text)) == {}


def test_with_a_public_address_heads_are_absolute_and_the_host_says_nothing(placed):
    for path in [*PAGES, f"/snapshots/{placed.snapshot}"]:
        response = placed.get(path, headers={"Host": "evil.example"})
        found = tree(response.text)
        assert "evil.example" not in response.text
        assert "Host" not in response.headers["Vary"]
        addresses = [each.get("href") for each in found.iterfind(".//head/link")
                     if each.get("rel") in ("alternate", "canonical") and each.get("hreflang") is None
                     and not each.get("type", "").startswith("application/vnd.timeline.")]
        assert addresses
        assert all(address.startswith(f"{PUBLIC}/") for address in addresses), addresses


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib", "ignore::DeprecationWarning:pyparsing")
def test_json_ld_of_an_event_is_a_graph(client, placed):
    found = page(placed, "/events/alaska-summit")
    block, = found.iterfind(".//script[@type='application/ld+json']")
    assert "<" not in block.text
    document = json.loads(block.text)
    assert document["@context"] == "https://schema.org"
    document["@context"] = {"@vocab": "https://schema.org/"}  # what is there, without the network
    graph = Graph().parse(data=json.dumps(document), format="json-ld")
    asked = """PREFIX s: <https://schema.org/> SELECT ?start ?name ?url WHERE {
        ?post a s:BlogPosting ; s:url ?url ; s:about ?event . ?event a s:Event ; s:startDate ?start ; s:name ?name }"""
    (row,) = graph.query(asked)
    assert [str(value) for value in row] == [
        "2025-08-15", "Trump and Putin meet in Alaska", f"{PUBLIC}/events/alaska-summit"]
    listed = json.loads(client.get("/v1/events?q=alaska&f=jsonld").text)
    assert document["@id"] in [update["@id"] for update in listed["liveBlogUpdate"]]
    assert (URIRef(document["@id"]), None, None) in graph
    early = page(client, "/events/alaska-summit?at=60").find(".//script[@type='application/ld+json']")
    assert json.loads(early.text)["temporalCoverage"] == "[..2025-08-18]"
    assert client.get("/events/alaska-summit?reported_by=2025-08-19").status_code == 200


# ---------------------------------------------------------------------------------------------- hosts

@pytest.mark.parametrize("host", [
    "evil.example/path", "evil.example:99999", "evil.example:x", "a b", '"><script>', "user@evil.example",
    "evil..example", "evil.example#", "evil.example?x", "-evil.example", "evil.example,other", "[::1", "x" * 300,
    "%65vil.example", "",
])
def test_rubbish_in_the_host_header_is_never_repeated(client, host):
    for path in ("/", "/events/alaska-summit", "/embed", "/actors/axios"):
        response = client.get(path, headers={"Host": host})
        assert "evil" not in response.text
        if response.status_code == 400:  # the framework refuses some of it before anything of ours sees it
            continue
        assert response.status_code == 200
        found = tree(response.text)
        assert "og:url" not in properties(found)
        assert links(found, "alternate", "application/json+oembed") == []
        assert found.find(".//textarea[@id='share_snippet']") is None
        assert "Host" in response.headers["Vary"].split(", ")
    refused = client.get("/oembed", params={"url": f"http://{host}/"}, headers={"Host": host})
    assert refused.status_code in (400, 404)
    assert "evil" not in refused.text


def test_addresses_come_from_the_host_where_nobody_said_the_public_one(client):
    response = client.get("/actors/axios", headers={"Host": "Mirror.Example:8080"})
    assert properties(tree(response.text))["og:url"] == "http://mirror.example:8080/actors/axios"
    assert "webcal://mirror.example:8080/v1/actors/axios/timeline?" in response.text
    answer = client.get("/oembed?url=https://mirror.example:8080/actors/axios", headers={"Host": "mirror.example:8080"})
    assert "https://mirror.example:8080/embed?actor=axios" in answer.json()["html"], "a proxy may have spoken TLS"
    assert "Host" in answer.headers["Vary"].split(", ")


# ---------------------------------------------------------------------------------------------- oEmbed

@pytest.mark.parametrize(("path", "src"), [
    ("/", "/embed"), ("", "/embed"), ("/?actor=axios&lang=fr&at=120", "/embed?actor=axios&at=120&lang=fr"),
    ("/actors/axios?from=2025-08", "/embed?from=2025-08&actor=axios"), ("/topics/us-troops?as_of=2027-01-01",
     "/embed?topic=us-troops&as_of=2027-01-01"),
    ("/events/alaska-summit?at=60", "/embed/events/alaska-summit?at=60"), ("/embed?q=a%26b%3D", "/embed?q=a%26b%3D"),
    ("/embed/events/alaska-summit", "/embed/events/alaska-summit"), ("/#alaska-summit", "/embed"),
])
def test_oembed_frames_what_the_page_shows(client, path, src):
    made = oembed(client, HERE + path)
    assert (made["version"], made["type"], made["width"], made["height"]) == ("1.0", "rich", 600, 480)
    assert made["provider_url"] == f"{HERE}/"
    assert made["provider_name"] == client.timeline.origin
    frame, beside = framed(made["html"])
    assert frame.get("title") == made["title"] != ""
    assert frame.get("sandbox") == "allow-popups allow-popups-to-escape-sandbox"
    assert (frame.get("width"), frame.get("height")) == ("600", "480")
    address = frame.get("src")
    assert address.startswith(f"{HERE}/embed")
    assert urlsplit(address).path == urlsplit(src).path
    assert sorted(query(address)) == sorted(query(src))
    shown = client.get(address)
    assert shown.status_code == 200
    listed = [(each.get("href"), "".join(each.itertext())) for each in beside.iterfind("ol/li/a")]
    heading = ".//h1/a" if "/events/" in path else ".//h2/a"
    events = [(HERE + each.get("href"), "".join(each.itertext())) for each in tree(shown.text).iterfind(heading)]
    assert [title for _, title in listed] == [title for _, title in events[:20]]
    for (one, _), (two, _) in zip(listed, events[:20], strict=True):
        assert urlsplit(one).path == urlsplit(two).path
        assert sorted(query(one)) == sorted(query(two))


def test_oembed_of_a_snapshot(client):
    made = oembed(client, f"{HERE}/snapshots/{client.snapshot}?lang=fr")
    assert made["cache_age"] == 86_400
    frame, beside = framed(made["html"])
    assert frame.get("src") == f"{HERE}/embed/snapshots/{client.snapshot}?lang=fr"
    wanted = client.get("/v1/events?topic=us-troops&at=120&lang=fr").json()["items"][:20]
    assert ["".join(a.itertext()) for a in beside.iterfind("ol/li/a")] == [item["title"] for item in wanted]
    assert f"{HERE}/snapshots/{client.snapshot}?lang=fr" in made["html"]


def test_what_is_pinned_stays_pinned(client):
    frame, _ = framed(oembed(client, f"{HERE}/topics/us-troops?at=59")["html"])
    assert dict(query(frame.get("src")))["at"] == "59"
    assert oembed(client, f"{HERE}/?at=59")["cache_age"] == 86_400
    assert oembed(client, f"{HERE}/")["cache_age"] == 300


@pytest.mark.parametrize(("asked", "size"), [
    ({"maxwidth": "300"}, (300, 480)), ({"maxheight": "100", "maxwidth": "5000"}, (600, 100)),
    ({"maxwidth": "1", "maxheight": "10000"}, (1, 480)),
])
def test_a_frame_is_no_larger_than_asked(client, asked, size):
    made = oembed(client, f"{HERE}/", **asked)
    assert (made["width"], made["height"]) == size
    assert f'width="{size[0]}" height="{size[1]}"' in made["html"]


def test_oembed_as_xml_says_the_same(client):
    url = f"{HERE}/actors/axios?lang=en"
    response = client.get("/oembed", params={"url": url, "format": "xml"})
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    document = xml.dom.minidom.parseString(response.content)  # noqa: S318 - our own
    assert document.documentElement.tagName == "oembed"
    found = {each.tagName: each.firstChild.data for each in document.documentElement.childNodes}
    assert found == {name: str(value) for name, value in oembed(client, url).items()}


@pytest.mark.parametrize("url", [
    "https://elsewhere.example/", "http://testserver.local.evil.example/", "http://testserver.local@evil.example/",
    "http://evil@testserver.local/", "//testserver.local/", "/", "testserver.local", "ftp://testserver.local/",
    "javascript:alert(1)", "http://testserver.local:81/", "http://[bad", "http://testserver.local/docs",
    "http://testserver.local/v1/events", "http://testserver.local/actors", "http://testserver.local/assets/page.css",
    "http://testserver.local/actors/nobody", "http://testserver.local/topics/nothing",
    "http://testserver.local/events/nothing", "http://testserver.local/snapshots/" + "0" * 64,
    "http://testserver.local/events/../docs", "http://testserver.local/events/Not%20an%20id",
    "http://testserver.local/?colour=red", "http://testserver.local/?from=2025-13", "http://testserver.local/?at=999999",
    "http://testserver.local/?q=%ff", "http://testserver.local/?" + "&".join(["a=1"] * 300),
    "http://testserver.local/embed/events/" + "a" * 500,
])
def test_other_addresses_are_not_found(client, url):
    found = problem(client.get("/oembed", params={"url": url}), 404)
    assert "evil" not in found["detail"]


def test_questions_to_oembed_that_cannot_be_read(client):
    problem(client.get("/oembed"), 400, "?url")
    problem(client.get("/oembed?url="), 400, "?url")
    problem(client.get(f"/oembed?url={HERE}/&url={HERE}/"), 400, "?url")
    for name, value in (("maxwidth", "0"), ("maxwidth", "wide"), ("maxheight", "-1"), ("maxheight", "1e9")):
        problem(client.get("/oembed", params={"url": f"{HERE}/", name: value}), 400, f"?{name}")
    for format_ in ("yaml", "JSON", ""):
        problem(client.get("/oembed", params={"url": f"{HERE}/", "format": format_}), 501, "?format")
    assert client.get("/problems/unknown-format").status_code == 200
    assert oembed(client, f"{HERE}/", dnt="1", origin="x")["type"] == "rich", "consumers send parameters of their own"


def test_oembed_knows_its_public_address_alone(placed):
    made = oembed(placed, f"{PUBLIC}/?actor=axios")
    assert framed(made["html"])[0].get("src") == f"{PUBLIC}/embed?actor=axios"
    assert oembed(placed, "https://TIMELINE.example.org:443/")["provider_url"] == f"{PUBLIC}/"
    for url in (f"{HERE}/", "http://timeline.example.org/", "https://example.org/"):
        problem(placed.get("/oembed", params={"url": url}), 404)
    response = placed.get("/oembed", params={"url": f"{PUBLIC}/"})
    assert "Host" not in response.headers["Vary"]
    again = placed.get("/oembed", params={"url": f"{PUBLIC}/"}, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


# ---------------------------------------------------------------------------------------------- the panel

@pytest.mark.parametrize("path", LISTS)
def test_every_format_is_on_the_page_and_answers_this_question(client, path):
    panel = page(client, path).find(".//details[@id='page_share']")
    shown = {each.find("a/code").text: each for each in panel.iterfind(".//ul[@class='formats']/li")}
    assert list(shown) == list(FORMATS)
    parts = urlsplit(path)
    kept = {pair for pair in parse_qsl(parts.query) if pair[0] != "order"}
    for name, item in shown.items():
        href = item.find("a").get("href")
        given = query(href)
        assert ("f", name) in given
        assert kept <= set(given)
        answer = client.get(href)
        assert answer.status_code == 200, answer.text[:300]
        assert answer.headers["Content-Type"].partition(";")[0] == FORMATS[name].media_type.partition(";")[0]
        text = " ".join("".join(item.itertext()).split())
        french = FORMATS_IN_FRENCH.get(name) if "lang=fr" in path else None
        said = french or (FORMATS[name].description, FORMATS[name].loses)
        assert all(" ".join(each.split()) in text for each in said)
    if parts.path.startswith("/actors/"):
        assert all(item.find("a").get("href").startswith("/v1/actors/karoline-leavitt/timeline?")
                   for item in shown.values())
    if parts.path.startswith("/topics/"):
        assert all(("topic", "us-troops") in query(item.find("a").get("href")) for item in shown.values())


def test_every_format_said_in_french_is_one_and_loses_what_it_loses():
    for name, (description, loses) in FORMATS_IN_FRENCH.items():
        assert description
        assert bool(loses) == bool(FORMATS[name].loses), name


def test_feeds_follow_the_log_and_keep_the_filters(client, placed):
    for each, base in ((client, HERE), (placed, PUBLIC)):
        panel = page(each, "/actors/axios?from=2025-08&at=120&lang=fr").find(".//details[@id='page_share']")
        feeds = [a.get("href") for a in panel.iterfind(".//ul[@class='feeds']/li/a")]
        assert len(feeds) == 3
        host = base.partition("://")[2]
        assert feeds[0].startswith(f"webcal://{host}/v1/actors/axios/timeline?")
        for feed in feeds:
            given = dict(query(feed))
            assert given.pop("f") in ("ics", "atom", "jsonfeed")
            assert given == {"from": "2025-08", "lang": "fr", "order": "desc", "limit": "1000"}
            parts = urlsplit(feed)
            assert each.get(f"{parts.path}?{parts.query}").status_code == 200


def test_the_snippet_is_a_frame_of_this_question(client):
    panel = page(client, "/?actor=axios&at=120&q=%22%3C%26").find(".//details[@id='page_share']")
    field = panel.find(".//textarea[@id='share_snippet']")
    assert field.get("readonly") is not None
    frame, beside = framed(field.text)
    assert beside is None
    assert urlsplit(frame.get("src")).path == "/embed"
    assert sorted(query(frame.get("src"))) == [("actor", "axios"), ("at", "120"), ("q", '"<&')]
    assert client.get(frame.get("src")).status_code == 200
    preview = panel.find(".//a[@href='/embed?actor=axios&q=%22%3C%26&at=120']")
    assert preview is not None
    assert all(button.get("hidden") is not None for button in panel.iterfind(".//button"))


def test_a_citation_names_position_date_address_and_root(client):
    position = client.timeline.position
    for path, at in (("/topics/us-troops", position), ("/?actor=axios&as_of=2999-01-01", position),
                     ("/actors/donald-trump?at=59", 59)):
        panel = page(client, path, **{"Accept-Language": "en"}).find(".//details[@id='page_share']")
        text = panel.find(".//textarea[@id='share_citation']").text
        address = re.search(r"http://\S+(?=\. Merkle root)", text)[0]
        assert dict(query(address))["at"] == str(at)
        assert "as_of" not in dict(query(address))
        assert client.get(address).headers["Cache-Control"] == "public, max-age=86400"
        assert f"{client.timeline.origin}, position {at}, recorded " in text
        assert f"Merkle root {client.timeline.root_at(at).hex()[:16]}…" in text
        assert panel.find(f".//a[@href='{address.removeprefix(HERE)}']") is not None


def test_the_command_asks_the_same_question(client):
    path = "/?actor=axios&actor=donald-trump&q=it%27s+%22%24(x)%22&from=-0043&reported_by=2025-08-20&lang=fr&limit=3"
    panel = page(client, path).find(".//details[@id='page_share']")
    words = shlex.split(panel.find(".//p[@class='command']/code").text)
    assert words[:5] == ["timeline", "--url", HERE, "snapshot", "create"]
    context = create.make_context("create", words[5:])
    assert sorted(taken(dict(context.params))) == sorted([
        ("actor", "axios"), ("actor", "donald-trump"), ("q", 'it\'s "$(x)"'), ("from", "-0043"),
        ("reported_by", "2025-08-20"), ("at", str(client.timeline.position))])


def test_a_published_snapshot_of_the_question_is_linked(client):
    def linked(path):
        panel = page(client, path).find(".//details[@id='page_share']")
        return [a.get("href") for a in panel.iterfind(".//a") if a.get("href").startswith("/snapshots/")]

    assert linked("/topics/us-troops?lang=fr") == [f"/snapshots/{client.snapshot}?lang=fr"]
    assert linked("/?topic=us-troops&at=120&order=desc") == [f"/snapshots/{client.snapshot}"]
    assert linked("/topics/us-troops?at=121") == []
    assert linked("/?topic=us-troops&actor=axios") == []
    assert len(linked("/actors/axios")) == 1


def test_an_empty_log_offers_what_it_can(tmp_path):
    with Timeline(tmp_path / "empty.db") as timeline, serving(timeline, tmp_path) as client:
        panel = page(client, "/").find(".//details[@id='page_share']")
        assert panel.find(".//textarea[@id='share_citation']") is None
        assert client.get("/embed").status_code == 200
        assert oembed(client, f"{HERE}/")["type"] == "rich"


# ---------------------------------------------------------------------------------------------- hostile text

def test_hostile_text_is_inert_everywhere(hostile):
    for path in ("/", "/?actor=actor", "/actors/actor", "/topics/topic", "/events/event", "/embed",
                 "/embed/events/event", "/embed?actor=actor"):
        found = page(hostile, path)
        assert found.findall(".//img") == []
        assert all(name not in each.attrib for each in found.iter() for name in ("onerror", "style"))
        for script in found.iterfind(".//script"):
            assert script.get("src", "").startswith("/assets/") or script.get("type") == "application/ld+json"
    block = page(hostile, "/events/event").find(".//script[@type='application/ld+json']")
    assert json.loads(block.text)["headline"] == HOSTILE
    field = page(hostile, "/actors/actor").find(".//textarea[@id='share_snippet']")
    assert framed(field.text)[0].get("title") == HOSTILE
    for url in ("/events/event", "/actors/actor", "/?actor=actor"):
        made = oembed(hostile, HERE + url)
        assert made["title"] == HOSTILE
        frame, beside = framed(made["html"])
        assert frame.get("title") == HOSTILE
        assert ["".join(a.itertext()) for a in beside.iterfind("ol/li/a")] == [HOSTILE]
        assert set(frame.attrib) == {"src", "title", "width", "height", "sandbox", "referrerpolicy", "loading", "style"}
        answer = hostile.get("/oembed", params={"url": HERE + url, "format": "xml"})
        document = xml.dom.minidom.parseString(answer.content)  # noqa: S318 - our own
        assert document.getElementsByTagName("title")[0].firstChild.data == HOSTILE


# ---------------------------------------------------------------------------------------------- feeds

def test_feeds_of_a_server_with_a_public_address_say_where_they_are(client, placed):
    path = "/v1/actors/axios/timeline?from=2025-08&limit=1"
    atom = feedparser.parse(placed.get(f"{path}&f=atom").content)
    assert not atom.bozo
    found = {link.rel: link.href for link in atom.feed.links}
    assert found["self"] == f"{PUBLIC}{path}&f=atom"
    assert found["alternate"] == f"{PUBLIC}/actors/axios?from=2025-08"
    assert found["next"].startswith(f"{PUBLIC}/v1/")
    assert atom.entries[0].link.startswith(f"{PUBLIC}/events/")
    feed = placed.get(path, headers={"Accept": "application/feed+json"}).json()
    assert feed["feed_url"] == f"{PUBLIC}{path}&f=jsonfeed"
    assert feed["home_page_url"] == found["alternate"]
    assert feed["next_url"].startswith(f"{PUBLIC}/v1/")
    assert feed["items"][0]["url"].startswith(f"{PUBLIC}/events/")
    calendar = Calendar.from_ical(placed.get("/v1/events?place=alaska&f=ics").text)
    assert str(calendar["SOURCE"]) == f"{PUBLIC}/v1/events?place=alaska&f=ics"
    assert calendar["SOURCE"].params["VALUE"] == "URI"
    assert str(calendar["URL"]) == f"{PUBLIC}/?place=alaska"
    assert all(str(event["URL"]).startswith(f"{PUBLIC}/events/") for event in calendar.walk("VEVENT"))
    posts = placed.get("/v1/events?place=alaska&f=jsonld").json()
    assert posts["url"] == f"{PUBLIC}/?place=alaska"
    assert posts["liveBlogUpdate"][0]["url"].startswith(f"{PUBLIC}/events/")


def test_feeds_without_a_public_address_name_no_host(client):
    for name in ("atom", "jsonfeed", "ics", "jsonld"):
        text = client.get(f"/v1/events?f={name}", headers={"Host": "mirror.example"}).text
        assert "mirror.example" not in text
        assert "testserver" not in text
    feed = client.get("/v1/events?f=jsonfeed&limit=1").json()
    assert not {"feed_url", "home_page_url"} & set(feed)
    assert feed["next_url"].startswith("/v1/events?")


def test_an_answer_has_another_etag_under_another_public_address(client, placed):
    one, two = (each.get("/v1/events?f=atom&at=120").headers["ETag"] for each in (client, placed))
    assert one != two


def test_the_same_seeds_load(tmp_path):
    with Timeline(tmp_path / "other.db") as timeline:
        load_seeds(timeline)
        with serving(timeline, tmp_path, Embedding(PUBLIC, "'none'")) as client:
            assert client.get("/embed").headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
