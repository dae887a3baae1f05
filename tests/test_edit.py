"""The editor's page and the small questions it asks: dates in words, and what a token allows."""

import json
import re
from importlib import resources

import pytest
from api_client import problem, seeded

from timeline.api.pages import ASSETS, EDIT_POLICY
from timeline.web.edit import EXAMPLES, SCRIPTS, script_data
from timeline.web.edit_words import EDIT_WORDS, OWN_LABELS
from timeline.wording import when_in_words

STATIC = resources.files("timeline.web").joinpath("static")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("edit")) as client:
        yield client


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("private"), public_read=False) as client:
        yield client


# ---------------------------------------------------------------------------------------------- dates in words

@pytest.mark.parametrize(("text", "lang", "words", "shape", "earliest", "latest"), [
    ("[2025-08-15..2025-08-18]", "en", "one unknown day between 15 and 18 August 2025", "within",
     "2025-08-15T00:00:00Z", "2025-08-18T23:59:59Z"),
    ("2025-08-01~", "fr", "vers le 1er août 2025", "about", "2025-08-01T00:00:00Z", "2025-08-01T23:59:59Z"),
    ("2025-09-04/..", "en", "since 4 September 2025, ongoing", "since", "2025-09-04T00:00:00Z", None),
    ("-0043", "en", "44 BC", "within", "-0043-01-01T00:00:00Z", "-0043-12-31T23:59:59Z"),
])
def test_a_date_is_said_in_words_with_its_bounds(client, text, lang, words, shape, earliest, latest):
    answer = client.get("/v1/dates", params={"text": text, "lang": lang}).json()
    expected = {"edtf": text, "words": words, "shape": shape, "earliest": earliest, "latest": latest, "lang": lang}
    assert {name: answer[name] for name in expected} == expected


def test_the_bounds_of_a_date_are_those_of_its_zone(client):
    answer = client.get("/v1/dates", params={"text": "2025-08-15", "tz": "America/Anchorage"}).json()
    assert (answer["earliest"], answer["latest"]) == ("2025-08-15T08:00:00Z", "2025-08-16T07:59:59Z")


def test_the_open_end_of_a_plan_is_not_ongoing(client):
    answer = client.get("/v1/dates", params={"text": "2025-09-04/..", "expected": "true"}).json()
    assert answer["words"] == when_in_words("2025-09-04/..", "en", expected=True)
    assert "ongoing" not in answer["words"]


def test_without_a_date_the_words_for_none_are_given(client):
    answer = client.get("/v1/dates", params={"lang": "fr"}).json()
    assert (answer["edtf"], answer["shape"], answer["earliest"], answer["latest"]) == (None, "undated", None, None)
    assert answer["words"] == when_in_words(None, "fr")
    assert "precision" not in answer


@pytest.mark.parametrize(("parameters", "pointer", "offset"), [
    ({"text": "2025-13"}, "?text", 5), ({"text": "15 August 2025"}, "?text", 2), ({"text": ""}, "?text", 0),
    ({"text": "2025", "tz": "Mars/Olympus"}, "?tz", 0), ({"tz": "America"}, "?tz", 0),
])
def test_a_wrong_date_or_zone_is_explained_where_it_is_wrong(client, parameters, pointer, offset):
    found = problem(client.get("/v1/dates", params=parameters), 400, pointer)
    assert found["offset"] == offset
    assert found["reason"]
    assert found["hint"]
    assert found["detail"] == f"{pointer[1:]}: {found['reason']}; {found['hint']}"


@pytest.mark.parametrize("query", ["text=2025&text=2026", "date=2025", "expected=perhaps", "text=" + "2025-" * 100])
def test_a_wrong_question_about_a_date_is_refused(client, query):
    problem(client.get(f"/v1/dates?{query}"), 400)


# ---------------------------------------------------------------------------------------------- what a token allows

@pytest.mark.parametrize(("scope", "allowed"), [
    ("read", ["read"]), ("write", ["read", "write"]), ("admin", ["admin", "read", "write"]),
])
def test_a_token_is_told_what_it_allows(client, scope, allowed):
    secret = client.tokens.create(f"{scope}-desk", [scope])
    response = client.get("/v1/token", headers={"Authorization": f"Bearer {secret}"})
    assert response.json() == {"name": f"{scope}-desk", "scopes": allowed}
    assert response.headers["Cache-Control"] == "no-store"
    assert secret not in response.text


def test_a_bad_token_is_refused_there_too(client):
    problem(client.get("/v1/token", headers={"Authorization": "Bearer tl_nothing"}), 401)


def test_without_a_token_anybody_may_read_where_reads_are_public(client, private):
    assert client.get("/v1/token").json() == {"name": None, "scopes": ["read"]}
    problem(private.get("/v1/token"), 401)


def test_a_token_in_the_address_is_refused(client):
    problem(client.get("/v1/token?token=tl_secret"), 400, "?token")


# ---------------------------------------------------------------------------------------------- the page

@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_page_loads_only_from_here_and_runs_nothing_inline(client, lang):
    response = client.get("/edit", params={"lang": lang, "event": "alaska-summit"})
    html = response.text
    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == EDIT_POLICY
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'none'",
            "frame-ancestors 'none'", "base-uri 'none'"} <= set(EDIT_POLICY.split("; "))
    assert "unsafe" not in EDIT_POLICY
    inert, module = re.findall(r"<script[^>]*>", html)
    assert 'type="application/json"' in inert
    assert re.search(r'src="/assets/edit\.[0-9a-f]{12}\.js"', module)
    assert not re.search(r"\sstyle=|\son\w+=", html)
    assert f'<html lang="{lang}"' in html
    assert "JavaScript" in html.partition("<noscript>")[2].partition("</noscript>")[0]
    assert 'hreflang="fr" href="/edit?event=alaska-summit&amp;lang=fr"' in html


def test_the_data_of_the_page_cannot_end_its_element(client):
    html = client.get("/edit").text
    data = html.partition('id="edit_data">')[2].partition("</script>")[0]
    assert json.loads(data) == json.loads(json.dumps(script_data("en")))
    assert "<" not in data


def test_where_reads_take_a_token_the_editor_can_still_ask_for_one_and_shows_nothing_of_the_log(private):
    problem(private.get("/v1/events"), 401)
    html = private.get("/edit?event=alaska-summit").text
    assets = re.findall(r'(?:href|src)="(/assets/[^"]+)"', html)
    assert len(assets) == 3
    assert [private.get(url).status_code for url in assets] == [200, 200, 200]
    assert "position" not in html.partition("<body>")[2].partition('id="edit_app"')[2]
    assert "Alaska" not in html


@pytest.mark.parametrize("path", ["/edit?colour=red", "/edit?event=<script>alert(1)</script>"])
def test_whatever_the_address_says_is_no_markup(client, path):
    response = client.get(path)
    assert response.status_code == (400 if "colour" in path else 200)
    assert "<script>alert" not in response.text


def test_examples_of_dates_are_dates_with_words():
    for lang in ("en", "fr"):
        shown = script_data(lang)["examples"]
        assert [text for text, _ in shown] == list(EXAMPLES)
        assert all(words for _, words in shown)


# ---------------------------------------------------------------------------------------------- its words

def scripts():
    return {name: STATIC.joinpath(name).read_text() for name in SCRIPTS}


def literal_keys():
    source = "\n".join(scripts().values())
    return set(re.findall(r'\bt\("([\w-]+)"', source))


def test_every_word_is_there_in_both_languages_with_the_same_blanks():
    for key, pair in EDIT_WORDS.items():
        english, french = (sorted(set(re.findall(r"\{(\w+)\}", text))) for text in pair)
        assert english == french, key
        assert all(pair), key
        assert pair[0].count("|") == pair[1].count("|"), key
        assert "'" not in pair[0] + pair[1], f"{key}: an apostrophe is ’"
    for words in OWN_LABELS.values():
        assert all(len(pair) == 2 and all(pair) for pair in words.values())


def test_every_word_a_script_says_is_known():
    assert sorted(literal_keys() - EDIT_WORDS.keys()) == []


def test_every_field_section_and_row_of_a_form_has_its_words():
    specs = scripts()["edit-specs.js"]
    labels = set(re.findall(r'label: "([\w-]+)"', specs))
    lists = set(re.findall(r'name: "(\w+)",\s+type: "(?:list|languages)"', specs))
    sections = set(re.findall(r'name: "(\w+)",\s+(?:folded: true,\s+)?(?:open: [^,]+,\s+)?fields: ', specs))
    hints = set(re.findall(r'hint: "([\w-]+)"', specs))
    assert len(labels) > 10
    assert len(lists) > 8
    assert len(sections) > 10
    wanted = ({f"field-{name}" for name in labels} | {f"add-{name}" for name in lists}
              | {f"row-{name}" for name in lists} | {f"hint-{name}" for name in hints}
              | {f"section-{name}" for name in sections})
    assert sorted(wanted - EDIT_WORDS.keys()) == []


def test_no_script_makes_markup_of_text_or_keeps_a_token_for_long():
    for name, source in scripts().items():
        markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
        assert not re.search(markup, source), name
        assert not re.search(r"localStorage|document\.cookie|indexedDB", source), name
        assert not re.search(r"https?://", source), name


def test_modules_import_only_one_another():
    for name, source in scripts().items():
        imported = set(re.findall(r'from "\./([\w-]+\.js)"', source))
        assert imported <= set(SCRIPTS), name
        assert imported <= ASSETS.keys(), name
        assert len(source.splitlines()) < 500, name
