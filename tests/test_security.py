"""What could be done to a server, to whoever reads it and to whoever runs it: a line for each, with its test.

===================================  ==================================================================================
threat                               where it is tested
===================================  ==================================================================================
tokens: secret, digest, scopes,      test_tokens; scopes over HTTP: test_api (who may write, reads may be closed)
expiry, revocation, last use
tokens in addresses, lines, logs     test_edit (a token in the address), test_operations (secrets are in no line),
                                     test_cli (the token is never printed); here: in no answer
guessing tokens                      test_limits (bad tokens of an address)
open to others by accident           here: where it listens; demo in test_cli; private reads in test_api
forged X-Forwarded-For               test_limits (what a client says of itself)
Host, and addresses made from it     test_embedding
CORS, content types, packed bodies   test_api (CORS, only its own types)
CSP and headers                      test_pages_http, test_embedding, test_formats_html; here: on every answer
XSS                                  here: a hostile chronicle beside a harmless twin; test_page, test_compare,
                                     test_edit, test_formats, test_formats_html, test_snapshot_page for their parts
CSV, ICS, XML, SSE injection         here; test_formats, test_importing (formulas), test_stream (texts in messages)
log injection                        test_operations (no text from outside can begin a line)
control and other bad characters     here (refused where they are written); test_records
SSRF                                 here: no HTTP client in what serves, no connection while asked
size and time of bodies, batches,    test_api (bad bodies, a question too costly), test_limits, test_stream_server
answers and streams
full text                            here; test_query, test_api (operators are words)
regular expressions                  here: all that there are
dates                                test_edtf (hostile text of full length, work grows with the text)
path traversal, assets               test_pages_http, test_serve
path traversal, imports; archives    here
problem details                      here; test_api (a bug shows nothing)
integrity of the log                 test_tamper*, test_verify_js, test_tlog*
dependencies                         uv.lock pins them with hashes; to look them up in a list of known faults needs the
                                     network: ``uv export --no-dev -o r.txt && uvx pip-audit -r r.txt --disable-pip``
===================================  ==================================================================================

DNS rebinding: reads are public or need a token that no browser holds, and CORS opens reads anyway; so Host is not
checked against a list. Cross-site requests: there are no cookies, so nobody's browser can be made to write.
"""

from __future__ import annotations

import ast
import csv
import importlib
import io
import json
import pkgutil
import re
import sys
import time
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from itertools import chain
from pathlib import Path

import html5lib
import pytest
from api_client import problem, seeded, serving
from click.testing import CliRunner
from icalendar import Calendar

import timeline as package
from timeline import Timeline, parse_query
from timeline.cli import cli
from timeline.errors import TimelineError
from timeline.formats import FORMATS
from timeline.snapshots import publish

SOURCE = Path(package.__file__).parent
HOSTILE = ("</script></style></title></textarea></noscript><img src=x onerror=alert(1)>\"'><svg/onload=alert(2)>"
           " ]]> --> <!-- {{ 7 * 7 }} &lt;b&gt;&#60;i&#62; javascript:alert(3) =cmd|'/C calc'!A0\n \u2028")
LINE = HOSTILE.replace("\n", " ")
HOSTILE_URL = "https://x.example/'onerror='alert(1)//`javascript:alert(2)&quot;&#34;{{7}}/p.png"
PLAIN, PLAIN_URL = "Nothing but words =1\n \u2028", "https://x.example/p.png"


# ---------------------------------------------------------------------------------------------- XSS

def chronicle(timeline, text, line, url):
    """Record everything there is, with the same text in every field that takes any."""
    for actor, kind in (("ada", "person"), ("bob", "government"), ("news", "media")):
        timeline.describe_actor(
            id=actor, kind=kind, name=line, names={"fr": line}, aliases=[{"text": line, "lang": "en"}],
            description=text, descriptions={"fr": text}, note=text, member_of=["bob"] if actor == "ada" else [])
    timeline.describe_source(id="paper", title=line, published="2025-08-16", publisher=line, author=line, url=url,
                             text=text * 3, note=text, lang="en")
    shared = {
        "summary": text, "note": text, "phrase": line, "lang": "en",
        "translations": {"fr": {"title": line, "summary": text}}, "topics": ["talks"],
        "actors": [{"id": "ada", "role": "speaker", "on_behalf_of": "bob"}, {"id": "bob"}],
        "stances": [{"actor": "ada", "topic": "talks", "position": "for", "note": text},
                    {"actor": "bob", "topic": "talks", "position": "against", "note": text}],
        "place": {"name": line, "id": "here", "lat": 61.2, "lon": -149.9, "wikidata": "Q1"},
        "media": [{"url": url, "alt": text, "caption": text, "credit": line},
                  {"url": url.removesuffix(".png"), "alt": text}],
        "citations": [{"source": "paper", "exact": text, "prefix": line, "suffix": line, "phrase": line,
                       "when": "2025-08-15"}],
    }
    timeline.record(id="one", title=line, when="2025-08-15", **shared)
    timeline.record(id="two", title=line, kind="statement", when="2025-08-17", about="2025-09",
                    relations=[{"type": "denies", "event": "one", "sense": "factual"}], **shared)
    timeline.record(id="plan", title=line, kind="plan", anchor={"relation": "after", "text": line, "phrase": line},
                    outcome={"state": "not-held", "note": text, "evidence": ["two"]}, depends_on=["one"], **shared)
    timeline.record(id="twice", title=line, when="2025-08-15", **shared)
    timeline.record(id="gone", title=line, when="2025-08-15", **shared)
    timeline.revise("one", {"summary": f"{text} {text}", "when": "2025-08-16"}, reason=line)
    timeline.merge("one", ["twice"], reason=line)
    timeline.retract("gone", reason=line)
    return publish(timeline, parse_query([("topic", "talks")])).snapshot.id


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two servers of chronicles of one shape, one with hostile text, one with harmless."""
    folder = tmp_path_factory.mktemp("twins")
    (folder / "plain").mkdir()
    (folder / "evil").mkdir()
    with (Timeline(folder / "plain" / "t.db") as plain, Timeline(folder / "evil" / "t.db") as evil,
          serving(plain, folder / "plain") as harmless, serving(evil, folder / "evil") as hostile):
        harmless.snapshot = chronicle(plain, PLAIN, PLAIN.replace("\n", " "), PLAIN_URL)
        hostile.snapshot = chronicle(evil, HOSTILE, LINE, HOSTILE_URL)
        yield harmless, hostile


DATA = ("application/json", "application/ld+json")


def shape(html):
    """Count the elements of a document by their names and those of their attributes, with and without scripts."""
    counts = Counter()
    for scripting in (True, False):
        parsed = html5lib.parse(html, namespaceHTMLElements=False, scripting=scripting)
        for element in parsed.iter():
            if not isinstance(element.tag, str):
                counts["comment"] += 1
                continue
            counts[element.tag, tuple(sorted(element.attrib))] += 1
            for name, value in element.attrib.items():
                assert not name.lower().startswith("on")
                if name in ("href", "src", "action", "formaction", "poster", "data", "srcdoc"):
                    assert value.startswith(("/", "#", "?", "http://", "https://", "data:,",
                                             "webcal://")), value
            if element.tag in ("script", "style") and element.get("type") not in DATA:
                assert "alert(" not in "".join(element.itertext())
    return counts


ADDRESSES = [
    "/", "/?lang=fr", "/?at=12", "/?retracted=include", "/?view=chart",
    "/events/one", "/events/one?lang=fr", "/events/two", "/events/plan",
    "/events/gone", "/events/twice", "/events/one?at=7", "/actors", "/actors/ada", "/actors/ada?lang=fr", "/topics",
    "/topics/talks", "/compare?actor=ada&actor=bob", "/snapshots", "/snapshots/{id}", "/embed", "/embed?topic=talks",
    "/embed/events/one", "/embed/events/gone", "/embed/snapshots/{id}", "/v1/events?f=html",
    "/v1/events?f=html&lang=fr&retracted=include", "/edit", "/edit?event=one", "/edit?actor=ada", "/docs",
    "/docs/widget",
    "/problems/invalid",
    "/nowhere",
]


WITHOUT = {"/topics", "/snapshots", "/nowhere"}
"""Pages that show ids and dates only."""


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_text_of_a_chronicle_makes_an_element_or_an_attribute(twins, address):
    shapes = []
    for client in twins:
        response = client.get(address.replace("{id}", client.snapshot), headers={"Accept": "text/html"})
        assert response.headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        shapes.append((response.status_code, shape(response.text)))
    assert shapes[0] == shapes[1]
    if address not in WITHOUT and not address.startswith(("/edit", "/docs", "/problems")):
        assert "alert(1)" in response.text, "the hostile text is there, as text"


PARAMETERS = ["q", "from", "to", "datetime", "actor", "topic", "place", "tz", "lang", "at", "as_of", "reported_by",
              "status", "cursor", "limit", "order", "nobody-knows"]


@pytest.mark.parametrize("path", ["/", "/embed", "/compare", "/actors/ada", "/topics/talks", "/edit", "/events/one"])
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_no_parameter_of_a_page_makes_an_element_or_an_attribute(twins, path, parameter):
    client = twins[0]
    answers = [client.get(path, params={parameter: value}, headers={"Accept": "text/html"})
               for value in ("Zz yzx!", HOSTILE[:150], "\"'><svg/onload=alert(2)>")]
    assert answers[0].status_code == answers[1].status_code == answers[2].status_code
    assert shape(answers[0].text) == shape(answers[1].text) == shape(answers[2].text)


@pytest.mark.parametrize("path", ["/events/", "/actors/", "/topics/", "/snapshots/", "/embed/events/", "/problems/",
    "/"])
def test_no_path_of_a_problem_page_makes_an_element(twins, path):
    client = twins[0]
    answers = [client.get(path + end, headers={"Accept": "text/html"})
               for end in ("Not%20An%20Id", "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
                   "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E")]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert shape(answers[0].text) == shape(answers[1].text) == shape(answers[2].text)


def markup_of(name, content):
    """Give what a tool writes into a page as HTML: for each format the fields that its own documentation says."""
    if name == "timelinejs":
        for slide in json.loads(content)["events"]:
            yield from (slide["text"]["headline"], slide["text"]["text"])
            yield from slide.get("media", {}).values()
            yield from (slide.get("group", ""), slide.get("display_date", ""))
    elif name == "vis":
        found = json.loads(content)
        for each in [*found["items"], *found["groups"]]:
            yield from (each[field] for field in ("content", "title") if field in each)
    elif name == "jsonfeed":
        yield from (item["content_html"] for item in json.loads(content)["items"] if "content_html" in item)
    elif name == "atom":
        for each in ET.fromstring(content).iter():  # noqa: S314 - our own
            if each.get("type") in ("html", "xhtml"):
                yield each.text or ""


@pytest.mark.parametrize("name", ["timelinejs", "vis", "jsonfeed", "atom"])
def test_no_text_makes_markup_in_what_a_tool_shows_as_html(twins, name):
    shapes = []
    for client in twins:
        fields = list(markup_of(name, client.get(f"/v1/events?f={name}").text))
        shapes.append([shape(f"<!doctype html><body>{field}") for field in fields])
    assert shapes[0] == shapes[1]


def test_json_ld_cannot_end_its_script(twins):
    for client in twins:
        content = client.get("/v1/events?f=jsonld").text
        assert not re.search(r"<[/!a-z]", content, re.IGNORECASE)
        assert shape(f"<!doctype html><script type='application/ld+json'>{content}</script>").total() == 8


@pytest.mark.parametrize("page", ["/", "/events/one", "/actors/ada", "/topics/talks", "/snapshots/{id}"])
def test_oembed_has_a_frame_and_text(twins, page):
    shapes = []
    for client in twins:
        address = f"http://testserver.local{page}".replace("{id}", client.snapshot)
        answer = client.get("/oembed", params={"url": address})
        assert answer.headers["Content-Type"] == "application/json"
        read = ET.fromstring(client.get("/oembed", params={"url": address, "format": "xml"}).content)  # noqa: S314
        assert [each.tag for each in read] == list(answer.json())
        assert {each.tag: each.text for each in read}["html"] == answer.json()["html"]
        shapes.append(shape(answer.json()["html"]))
    assert shapes[0] == shapes[1]


def test_every_answer_says_that_its_type_is_meant_and_tells_nobody_where_one_was(twins):
    client = twins[1]
    for path in [*ADDRESSES, *(f"/v1/events?f={name}" for name in FORMATS), "/v1/records", "/v1/changes?since=1",
                 "/assets/page.css", "/checkpoint", "/metrics", "/healthz", "/v1/openapi.json"]:
        response = client.get(path.replace("{id}", client.snapshot))
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
        assert response.headers["Referrer-Policy"] == "no-referrer", path
        assert "set-cookie" not in response.headers
        assert "server" not in response.headers
        if not response.headers["Content-Type"].startswith("text/html"):
            assert "html" not in response.headers["Content-Type"]


# ---------------------------------------------------------------------------------------------- other outputs

def test_no_cell_of_a_sheet_runs(twins):
    sheets = [client.get("/v1/events?f=csv&retracted=include").text for client in twins]
    rows = [list(csv.DictReader(io.StringIO(sheet))) for sheet in sheets]
    assert [len(each) for each in rows] == [4, 4]
    assert [list(row) for row in rows[0]] == [list(row) for row in rows[1]]
    for row in rows[1]:
        for name, cell in row.items():
            if not re.fullmatch(r"-?\d[\d.eE+-]*|-?\d{4}[\d-]*", cell):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (name, cell)


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "'=1"])
def test_text_that_begins_like_a_formula_does_not_in_a_sheet(tmp_path, start):
    with Timeline(tmp_path / "t.db") as timeline, serving(timeline, tmp_path) as client:
        timeline.record(id="x", title=f"{start} x", summary=f"{start} y", note=f"{start} z", when="-0044-03-15",
                        place={"name": f"{start} p", "id": "p"})
        [row] = csv.DictReader(io.StringIO(client.get("/v1/events?f=csv").text))
        assert row["when"] == "-0044-03-15", "a date is a date"
        told = [cell for cell in row.values() if cell.lstrip("'").startswith(start.lstrip("'"))]
        assert len(told) >= 3
        assert all(cell.startswith("'") for cell in told)


def test_no_text_makes_a_line_of_a_calendar(tmp_path, twins):
    names = []
    for client in twins:
        calendar = Calendar.from_ical(client.get("/v1/events?f=ics&retracted=include").content)
        names.append([[name for name, _ in part.property_items()] for part in calendar.walk()])
    assert names[0] == names[1]
    with Timeline(tmp_path / "t.db") as timeline, serving(timeline, tmp_path) as client:
        timeline.record(id="x", title="x", summary="a\nEND:VEVENT\nBEGIN:VALARM\nATTACH:file:///etc/passwd",
                        when="2025-08-15")
        [event] = Calendar.from_ical(client.get("/v1/events?f=ics").content).walk("VEVENT")
        assert "ATTACH" not in event
        assert not event.subcomponents


@pytest.mark.parametrize("bad", ["\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\x9b", "\ufdd0", "\uffff", "\U0001ffff"])
def test_characters_that_no_text_has_are_refused_where_they_are_written(tmp_path, bad):
    with Timeline(tmp_path / "t.db") as timeline, serving(timeline, tmp_path) as client:
        for field in ("title", "summary", "note", "phrase"):
            answer = client.write("POST", "/v1/events", json={"title": "x", "when": "2025", field: f"a{bad}b"})
            assert answer.status_code in (400, 422), (field, answer.text)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", answer.text)
        lone = b'{"title": "a\\ud800b"}'
        problem(client.write("POST", "/v1/events", content=lone, headers={"Content-Type": "application/json"}), 400)
        assert timeline.position == 0


# ---------------------------------------------------------------------------------------------- SSRF

CLIENTS = {"httpx", "requests", "urllib.request", "http.client", "ftplib", "aiohttp", "smtplib", "socket", "subprocess"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "", *(f"{node.module}.{each.name}" for each in node.names))


def test_nothing_that_serves_has_a_client_of_anything():
    serving_parts = ("api", "web", "formats", "views", "log", "snapshots", "tlog", "edtf", "wording")
    files = [*chain.from_iterable((SOURCE / part).rglob("*.py") for part in serving_parts), *SOURCE.glob("*.py")]
    assert len(files) > 80
    having = {(path.relative_to(SOURCE).as_posix(),
        name) for path in files for name in imported(path) if name in CLIENTS}
    assert having == {("api/serve.py", "socket"), ("views/firsts.py", "subprocess")}, "one listens, one starts itself"


_connected = []
_watching = [False]


def _watch(event, arguments):
    if _watching[0] and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen",
                                  "os.system", "urllib.Request"):
        _connected.append((event, arguments))


def test_no_address_in_what_is_asked_or_written_is_ever_asked_for(twins):
    client = twins[0]
    url = "http://169.254.169.254/latest/meta-data/p.png"
    sys.addaudithook(_watch)
    _watching[0] = True
    try:
        for method, path, body in (
            ("PUT", "/v1/sources/far", {"title": url, "url": url, "publisher": url}),
            ("POST", "/v1/events", {"id": "far", "title": url, "summary": url, "media": [{"url": url}],
            "when": "2025"}),
        ):
            assert client.write(method, path, json=body).status_code == 201
        for path in [*ADDRESSES, "/events/far", *(f"/v1/events?f={name}" for name in FORMATS)]:
            client.get(path.replace("{id}", client.snapshot))
        for parameter in ("url", "q", "actor", "cursor", "datetime", "tz"):
            for path in ("/oembed", "/", "/v1/events", "/v1/proofs/inclusion"):
                assert client.get(path, params={parameter: url}).status_code < 500
        client.get("/", headers={"Host": "169.254.169.254", "Referer": url, "Origin": url, "X-Forwarded-Host": url})
    finally:
        _watching[0] = False
    assert _connected == []


# ---------------------------------------------------------------------------------------------- time

QUESTIONS = ['"' * 200, '"a" ' * 50, "NEAR(" * 40, "a* " * 66, "title:a OR " * 18, "(" * 200, "a AND " * 33, "-" * 200,
             "^a + b " * 28, "\\" * 200, "a" * 200, "é" * 200, "{title summary}: x", "' OR 1=1 --", "* * *", "a \x0b b",
             "\u202e" * 100, "😀" * 100, "the " * 50, '"' + "a " * 99]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("seeded")) as client:
        yield client


@pytest.mark.parametrize("question", QUESTIONS)
def test_whatever_is_searched_for_is_words(client, question):
    for path in ("/v1/events", "/v1/actors", "/v1/sources", "/v1/chart", "/v1/density", "/v1/changes?since=1", "/"):
        answer = client.get(path, params={"q": question})
        assert answer.status_code in (200, 400), (path, answer.text[:300])
        assert "fts5" not in answer.text.lower()
        if answer.status_code == 400 and path != "/":
            assert problem(answer, 400)["errors"]


@pytest.mark.parametrize("question", ["word " * 10_000, '"' * 10_000, "a* OR " * 3_000])
def test_a_search_of_ten_thousand_terms_is_refused_before_anything_is_searched(client, question):
    assert client.get("/v1/events", params={"q": question[:12_000]}).status_code in (400, 414)
    assert client.get("/v1/events", params={"q": question[:2_000]}).status_code == 400


def written(path):
    """Give every regular expression that stands in a call, with its place."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            given = [each.value for each in node.keywords if each.arg == "pattern"]
            if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "re":
                given += node.args[:1]
            for each in given:
                if isinstance(each, ast.Constant):
                    yield each.value, f"{path.relative_to(SOURCE)}:{node.lineno}"


def compiled():
    """Give every regular expression that a module holds, with its place."""
    for module in pkgutil.walk_packages(package.__path__, "timeline."):
        if not module.name.startswith("timeline.bench") and not module.name.endswith("__main__"):
            for value in vars(importlib.import_module(module.name)).values():
                for each in value if isinstance(value, tuple | list) else [value]:
                    if isinstance(each, re.Pattern):
                        yield each.pattern, module.name


def patterns():
    """Give every regular expression of the package, by its text."""
    files = [path for path in SOURCE.rglob("*.py") if "bench" not in path.parts]
    return {**dict(compiled()), **dict(chain.from_iterable(map(written, files)))}


def tries(pattern, text, times):
    """Give the least time of several that it takes to find that a text does not match, from its beginning."""
    def once():
        start = time.perf_counter()
        pattern.match(text)
        pattern.fullmatch(text)
        return time.perf_counter() - start

    return min(once() for _ in range(times))


def pumps(text):
    """Give what repeated may make a pattern try again and again: what it is made of, and what such things are."""
    letters = set(re.sub(r"\\[a-zA-Z]|[\[\](){}?*+|^$]", "", text))
    words = set(re.findall(r"[a-z]{2,}", text))
    usual = {"a", "A", "0", " ", "-", "a ", "0 ", "a-", "0.", "a.", "/a", "\t", "\n", "<", "<a", "' ", "\\a", "é",
        "000/"}
    return sorted({*sorted(letters)[:16], *sorted(words)[:4], *usual})


def grows(pattern, make, small, factor, most):
    """Whether time grows more than by a factor when the text doubles; noise does not last through five measurements."""
    for _ in range(5):
        one, two = tries(pattern, make(small), 3), tries(pattern, make(2 * small), 3)
        if two < most or two < one * factor:
            return False
    return True


@pytest.mark.slow
def test_no_regular_expression_can_be_made_to_try_for_ever():
    """Doubling a text from 12 to 24 repetitions makes an exponential one try 4,096 times as often, a cubic one 8 times;
    from 1,000 to 2,000 a cubic one shows.
    """
    found = patterns()
    assert len(found) > 120
    bad = []
    for text, where in found.items():
        pattern, binary = re.compile(text), isinstance(text, bytes)
        source = text.decode("latin-1") if binary else text
        for pump in pumps(source):
            for before in ("", "<", "1"):
                def make(number, before=before, pump=pump, binary=binary):
                    made = f"{before}{pump * number}\x00"
                    return made.encode("latin-1", "replace") if binary else made

                if grows(pattern, make, 12, 64, 1e-4) or grows(pattern, make, 1_000, 6, 1e-3):
                    bad.append((where, source, before, pump))
                    break
    assert bad == []


def test_the_test_of_regular_expressions_finds_bad_ones():
    def made(number):
        return "a" * number + "\x00"

    assert grows(re.compile("(a+)+b"), made, 12, 64, 1e-4)
    assert grows(re.compile("a*a*a*a*b"), made, 100, 6, 1e-4)
    assert not grows(re.compile("a+b"), made, 1_000, 6, 1e-9)


# ---------------------------------------------------------------------------------------------- files, problems, hosts

def test_a_packed_file_is_never_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.json", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.json", "0" * 10_000_000)
    done = CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "import", str(tmp_path / "bomb.json")])
    assert done.exit_code == 2
    assert "archive" in done.stderr
    assert {each.name for each in tmp_path.iterdir()} <= {
        "bomb.json", "t.db", "t.db.lock", "t.views-v2.db", "t.db-wal", "t.db-shm"}
    unpacking = {"zipfile", "tarfile", "zlib", "bz2", "lzma", "shutil.unpack_archive"}
    having = {path.name for path in (SOURCE / "importing").rglob("*.py") if unpacking & set(imported(path))}
    assert having == set()
    assert "gzip" not in {name for path in (SOURCE / "importing").rglob("*.py") for name in imported(path)}


def test_what_a_file_says_names_no_other_file(tmp_path):
    (tmp_path / "secret.txt").write_text("the secret")
    (tmp_path / "in.json").write_text(json.dumps(
        [{"id": "x", "title": "file:///etc/passwd ../secret.txt", "when": "2025", "note": "@../secret.txt"}]))
    done = CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "import", str(tmp_path / "in.json")])
    assert done.exit_code == 0, done.stderr
    with Timeline(tmp_path / "t.db") as timeline:
        assert "the secret" not in json.dumps(timeline.event("x"))
    (tmp_path / "in.json").write_text('[{"title": "x", "media": [{"url": "file:///etc/passwd"}]}]')
    assert CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "import", str(tmp_path / "in.json")]).exit_code == 2


SAYS_TOO_MUCH = re.compile(
    r"Traceback|File \"|\.py\b|sqlite|SELECT |INSERT |/tmp/|/home/|/work/|site-packages|0x[0-9a-f]{6,}", re.IGNORECASE)


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/v1/events/' OR 1=1 --", None), ("GET", "/v1/events?cursor=AAAA", None), ("GET",
    "/v1/events?at=99999999", None),
    ("GET", "/v1/events?at=9999999999999999999999", None), ("GET", "/v1/events?tz=../../etc/passwd", None),
    ("GET", "/v1/events?tz=Europe/Nowhere", None), ("GET", "/v1/events?lang=../x", None), ("GET", "/tile/0/x999", None),
    ("GET", "/tile/../../etc/passwd", None), ("GET", "/assets/..%2f..%2fserve.py", None), ("GET", "/v1/records/0",
    None),
    ("GET", "/v1/records/99999999999999999999", None), ("GET", "/v1/snapshots/" + "0" * 64, None),
    ("GET", "/v1/snapshots/..%2f..%2fx", None), ("GET", "/v1/proofs/inclusion?position=0", None),
    ("GET", "/v1/density?from=-9999999999&to=Y99999999", None), ("GET", "/v1/chart?from=x", None),
    ("POST", "/v1/events", b"[" * 100_000), ("POST", "/v1/events", b'{"title": 1}'), ("POST", "/v1/events",
    b"\xff\xfe"),
    ("POST", "/v1/events", b'{"title": "x", "when": "2025-13"}'), ("POST", "/v1/events", b'{"__class__": "os.system"}'),
    ("POST", "/v1/events", b'{"title": "x", "tz": "../../etc/passwd"}'), ("POST", "/v1/records", b"{}"),
    ("POST", "/v1/records", b'[{"type": "event.recorded"}]'), ("PATCH", "/v1/events/alaska-summit", b'{"id": "x"}'),
    ("POST", "/v1/snapshots", b'{"query": {"at": "-1"}}'), ("POST", "/v1/erasures", b'{"of": "log"}'),
    ("PUT", "/v1/actors/..%2f..", b"{}"), ("DELETE", "/v1/events/nothing", None), ("BREW", "/v1/events", None),
])
def test_a_problem_says_what_was_wrong_and_nothing_of_the_server(client, method, path, body):
    answer = client.write(method, path, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text[:300]
    found = problem(answer, answer.status_code)
    shown = json.dumps(found).replace(json.dumps(path)[1:-1], "")
    assert not SAYS_TOO_MUCH.search(shown), shown
    assert client.writer["Authorization"].split()[1] not in answer.text + str(answer.headers)


HOSTS = ["0.0.0.0", "::", "192.0.2.1", "timeline.example.org"]  # noqa: S104 - that is the point


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_that_others_can_reach_has_to_be_meant(tmp_path, monkeypatch, host):
    started = []
    monkeypatch.setattr("timeline.cli.serving.start", lambda *given, **options: started.append((given[1], options)))

    def serve(*options):
        return CliRunner().invoke(cli, ["--db", str(tmp_path / "t.db"), "serve", *options])

    refused = serve("--host", host)
    assert refused.exit_code == 2
    assert "--public-read if everybody may read" in " ".join(refused.stderr.split())
    assert started == []
    assert not list(tmp_path.iterdir())
    assert serve().exit_code == serve("--host", host, "--private-read").exit_code == 0
    assert [(given, options["public_read"]) for given, options in started] == [("127.0.0.1", True), (host, False)]


def test_writing_needs_a_token_wherever_it_listens(tmp_path):
    with Timeline(tmp_path / "t.db") as timeline, serving(timeline, tmp_path, public_read=True) as client:
        for method, path in (("POST", "/v1/events"), ("POST", "/v1/records"), ("PATCH", "/v1/events/x"),
                             ("DELETE", "/v1/events/x?reason=y"), ("PUT", "/v1/actors/x"), ("PUT", "/v1/sources/x"),
                             ("POST", "/v1/snapshots"), ("POST", "/v1/erasures")):
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic YTpi"},
                            {"Cookie": "token=" + client.writer["Authorization"].split()[1]},
                            {"X-Forwarded-For": "127.0.0.1"}):
                answer = client.request(method, path, json={}, headers=headers)
                assert answer.status_code == 401, (method, path, headers)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert timeline.position == 0


def test_errors_are_of_few_kinds_and_each_is_for_everybody_to_see():
    for kind in TimelineError.__subclasses__():
        assert 400 <= kind.status < 600
        assert re.fullmatch(r"[a-z-]+", kind.code)
        assert not SAYS_TOO_MUCH.search(kind.title)
