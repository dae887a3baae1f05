"""Actors side by side, and positions over time as a picture."""

import re
from html.parser import HTMLParser

import pytest
from api_client import seeded

from timeline import Timeline
from timeline.web.compare import compare_page
from timeline.web.lookup import Lookup
from timeline.web.show import Scene
from timeline.web.stances import WIDTH, stance_chart
from timeline.web.words import words

TWO = "actor=donald-trump&actor=vladimir-putin"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with seeded(tmp_path_factory.mktemp("compare")) as client:
        yield client


class Rows(HTMLParser):
    """Class and text of each row of the page."""

    def __init__(self, html):
        super().__init__()
        self.rows = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        classes = (dict(attributes).get("class") or "").split()
        if tag == "li" and "row" in classes:
            self.rows.append((classes, []))

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][1].append(data)


def ids(html):
    return re.findall(r'<h4><a href="/events/([a-z0-9-]+)', html)


def test_the_events_of_both_stand_once_in_one_chronology(client):
    """The same events, in the same order, as the API gives for any of the two."""
    html = client.get(f"/compare?{TWO}").text
    wanted = [event["id"] for event in client.get(f"/v1/events?{TWO}&limit=500").json()["items"]]
    assert ids(html) == wanted
    assert len(set(wanted)) == len(wanted) > 30


def test_each_event_stands_in_the_columns_of_those_who_took_part(client):
    rows = Rows(client.get(f"/compare?{TWO}").text).rows
    events = client.get(f"/v1/events?{TWO}&limit=500").json()["items"]
    for (classes, _), event in zip(rows, events, strict=True):
        part = [actor in {each["id"] for each in event["actors"]} for actor in ("donald-trump", "vladimir-putin")]
        assert f"from-{part.index(True) + 1}" in classes
        assert ("shared" in classes) == all(part)
        assert f"span-{sum(part)}" in classes


def test_the_stances_of_both_are_set_against_each_other(client):
    html = client.get(f"/compare?{TWO}").text
    stands = re.sub(r"<[^>]+>", " ", html[html.index('id="stands"') : html.index('id="sides"')])
    assert re.search(r"US troops\s+open\s+18 August 2025\s+, then\s+against\s+19 August 2025", stands)
    assert "they differ" in stands


def test_clocks_and_filters_hold_on_the_comparison(client):
    before = client.get(f"/compare?{TWO}&reported_by=2025-08-18").text
    assert "trump-rules-out-troops" not in before
    assert 'name="reported_by" value="2025-08-18"' in before
    only = client.get(f"/compare?{TWO}&topic=us-troops").text
    assert set(ids(only)) < set(ids(client.get(f"/compare?{TWO}").text))


@pytest.mark.parametrize("query", ["", "?actor=donald-trump", "?actor=&actor="])
def test_fewer_than_two_actors_are_asked_for(client, query):
    answer = client.get(f"/compare{query}")
    assert answer.status_code == 200
    assert "Choose two to four actors" in answer.text


def test_what_cannot_be_read_is_said_and_the_rest_still_shown(client):
    answer = client.get(f"/compare?{TWO}&from=yesterday")
    assert answer.status_code == 400
    assert "from" in answer.text
    assert ids(answer.text)
    assert client.get("/compare?actor=donald-trump&actor=nobody-here").status_code == 200


def test_a_fifth_actor_has_no_column(client):
    actors = ["donald-trump", "vladimir-putin", "emmanuel-macron", "volodymyr-zelensky", "karoline-leavitt"]
    html = client.get("/compare?" + "&".join(f"actor={actor}" for actor in actors)).text
    assert "sides-4" in html
    assert html.count('<select id="c_') == 4


def test_text_is_text_on_the_comparison():
    hostile = '"><script>alert(1)</script>'
    with Timeline.temporary() as timeline:
        for actor in ("a", "b"):
            timeline.describe_actor(id=actor, kind="person", name=hostile)
        timeline.record(id="e", title=hostile, when="2025", actors=[{"id": "a"}, {"id": "b"}],
                        stances=[{"actor": "a", "topic": "t", "position": "for", "note": hostile}])
        html = compare_page(timeline, [("actor", "a"), ("actor", "b")], asset=lambda name: f"/assets/{name}").html
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 3


# ---------------------------------------------------------------------------------------------- positions over time

def chart(*entries):
    with Timeline.temporary() as timeline:
        timeline.describe_actor(id="a", kind="person", name="Ada")
        timeline.describe_actor(id="b", kind="person", name="Bob")
        scene = Scene("en", ["en"], words("en"), Lookup(timeline, timeline.position, ["en"], None), [])
        return stance_chart(scene, entries)


def entry(actor, when, position, **more):
    return {"actor": actor, "when": when, "position": position, "event": "e", **more}


def test_a_stance_holds_until_its_holder_takes_another():
    drawn = chart(entry("a", "2025-08-01", "for"), entry("a", "2025-08-11", "against", changed_from="for"))
    first, second = drawn["rows"][0]["bars"]
    assert first["x"] + first["width"] == pytest.approx(second["x"])
    assert (first["turn"], second["turn"]) == (False, True)
    assert second["x"] + second["width"] == pytest.approx(WIDTH)
    assert [label["text"] for label in drawn["rows"][0]["labels"]] == ["for", "→ against"]


def test_a_stance_of_an_unknown_day_begins_where_it_was_certainly_taken():
    drawn = chart(entry("a", "[2025-08-01..2025-08-11]", "for"), entry("b", "[..2025-08-11]", "open"))
    sure, since = (row["bars"][0] for row in drawn["rows"])
    assert sure["unsure"] > 0
    assert sure["unsure_x"] + sure["unsure"] == pytest.approx(sure["x"])
    assert (since["open"], since["unsure_x"]) == (True, 0)
    assert since["x"] == sure["x"]


def test_labels_that_would_meet_stand_on_lines_of_their_own():
    drawn = chart(*(entry("a", f"2025-08-{day:02}", word) for day, word in ((1, "for"), (2, "against"), (3, "open"))),
                  entry("b", "2027-08-01", "for"))
    labels = drawn["rows"][0]["labels"]
    assert len({label["y"] for label in labels}) == 3
    assert drawn["rows"][0]["bottom"] < drawn["rows"][1]["bottom"] <= drawn["height"]


@pytest.mark.parametrize("when", ["-0043-03-15", "2025-08-15T11:30:00Z", "Y-170000002", "0000", "2025-08~"])
def test_any_date_can_be_drawn(when):
    drawn = chart(entry("a", when, "for"))
    assert 0 <= drawn["rows"][0]["bars"][0]["x"] <= WIDTH
    assert all(0 <= tick["x"] <= WIDTH for tick in drawn["ticks"])


def test_without_a_date_there_is_nothing_to_draw():
    assert chart(entry("a", None, "for")) is None
    assert chart() is None


def test_a_stance_said_again_gets_a_mark_and_no_new_name():
    drawn = chart(entry("a", "2025-08-01", "for"), entry("a", "2025-08-05", "for"))
    assert [bar["again"] for bar in drawn["rows"][0]["bars"]] == [False, True]
    assert len(drawn["rows"][0]["labels"]) == 1


def test_a_stance_never_begins_after_the_one_that_followed_it():
    """One of 15 to 19 August, then another of the 15th: the first was taken by then."""
    first, second = chart(entry("a", "[2025-08-15..2025-08-19]", "open"),
                          entry("a", "2025-08-15", "unclear", changed_from="open"))["rows"][0]["bars"]
    assert first["x"] == second["x"]
    assert first["unsure"] == 0


def test_the_picture_is_on_the_page_and_its_words_are_in_the_table(client):
    html = client.get("/topics/us-troops").text
    assert 'class="stance-chart"' in html
    assert html.count('<svg class="stance-chart"') == 1
    assert "stance changed" in html
