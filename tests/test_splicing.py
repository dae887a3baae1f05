"""Pages that SQLite puts together, SQL that is remembered by its shape, and early positions found by one look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeline import Timeline
from timeline.query import parse_query
from timeline.views import classes
from timeline.views.plan import Plan
from timeline.views.reader import Reader

seconds = st.integers(-(2**61), 2**61)
ends = st.none() | seconds


@pytest.fixture(scope="module")
def timeline(tmp_path_factory):
    with Timeline(tmp_path_factory.mktemp("splicing") / "t.db") as opened:
        opened.describe_actor(id="ada", kind="person", name="Ada")
        for number in range(60):
            opened.record(
                id=f"e-{number}", title=f'Line, "{number}"', summary="one\ntwo,\n\nthree \u2028 \N{SNOWMAN}",
                when=("2025-08", "2025-08-15/2025-09-02", "20XX", "../2025", "2025-08-03", "1999")[number % 6],
                about=f"20{10 + number % 7}", sequence=number % 3, actors=[{"id": "ada"}] if number % 2 else [],
                topics=["tea", "war"][: number % 3],
            )
        opened.record(id="undated", title="Undated")
        for number in range(0, 60, 7):
            opened.revise(f"e-{number}", {"title": f"Anew {number}"}, reason="r")
        yield opened


def pages(timeline, asked):
    """Give every page of a question: its bodies and where it goes on."""
    cursor, found = None, []
    while True:
        answer = timeline.ask(parse_query([*asked, *([("cursor", cursor)] if cursor else [])]))
        found.append((answer.bodies, answer.cursor))
        cursor = answer.cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", ["1", "2", "7", "61", "62", "250"])
@pytest.mark.parametrize("asked", [
    [], [("order", "desc")], [("on", "about")], [("on", "about"), ("actor", "ada"), ("order", "desc")],
    [("actor", "ada")], [("topic", "tea"), ("topic", "war")],
    [("from", "2025-08"), ("to", "2025-09")], [("q", "anew")], [("at", "3")],
    [("match", "must"), ("datetime", "2025-08-01/2025-09-03")], [("from", "2090")], [("reported_by", "2025")],
])
def test_a_page_put_together_by_sqlite_is_the_page_of_its_rows(timeline, monkeypatch, asked, limit):
    asked = [*asked, ("limit", limit)]
    spliced = pages(timeline, asked)
    monkeypatch.setattr(Reader, "_spliced", Reader._cut)
    assert spliced == pages(timeline, asked)


def test_no_body_has_a_line_break_of_its_own(timeline):
    """Pages are split where bodies are joined, by line breaks: JSON writes those of a text as escapes."""
    bodies = timeline.ask(parse_query([("limit", "100")])).bodies
    assert len(bodies) == 61
    assert sum("one\\ntwo,\\n\\nthree" in body for body in bodies) == 60
    assert not [body for body in bodies if "\n" in body]


@given(st.integers(0, classes.UNDATED), ends, ends, st.booleans())
def test_a_range_and_its_shape_have_the_same_windows(class_, lower, upper, wholly):
    shape = classes.shape(lower, upper, wholly=wholly)
    assert classes.window(class_, *shape, wholly=wholly, named=True) == classes.window(
        class_, lower, upper, wholly=wholly, named=True)


def test_questions_of_one_shape_are_one_text(timeline):
    def rows(*asked):
        return Plan(timeline.reader(), parse_query(asked), timeline.position)

    one, other = rows(("from", "2025-08-01"), ("to", "2025-08-09")), rows(("from", "1990"), ("to", "2024-02-03"))
    assert one.page() is other.page()
    assert one.values != other.values
    assert rows(("from", "1990")).page() != one.page()
    assert rows(("from", "1990"), ("to", "2024-02-03"), ("order", "desc")).page() != one.page()


@pytest.mark.parametrize("share", [1, 2, 3, 50, 1000])
def test_a_position_is_early_where_few_versions_are_as_old(timeline, share):
    asked = timeline.reader()
    for position in range(timeline.position + 1):
        newest, last = asked.newest(position)
        assert asked.early(position, share) == (newest if newest * share < last else None)


def test_without_a_version_no_position_is_early(tmp_path):
    with Timeline(tmp_path / "empty.db") as empty:
        assert empty.reader().early(0, 50) is None
        assert empty.reader().newest(0) == (0, 0)
        assert empty.ask(parse_query([])).bodies == []
