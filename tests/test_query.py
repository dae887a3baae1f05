"""Questions: what is refused and how, and one normal form for one question."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeline import Query, Timeline, parse_query
from timeline.errors import Fault, Malformed, NotFound
from timeline.query import BY_NAME, MAX_POSITION, PARAMETERS, make_cursor, pinned, resume, search_terms


def faults(*pairs):
    with pytest.raises(Malformed) as caught:
        parse_query(pairs)
    first = caught.value.faults[0]
    assert str(caught.value) == f"{first.pointer[1:]}: {first.detail}"
    return caught.value.faults


SLUG = "expected an id (a slug{}), got {}"
CURSOR = "not a cursor: take it from `next` of the page before, unchanged"


@pytest.mark.parametrize(("name", "value", "detail"), [
    ("actr", "x", "unknown parameter, did you mean actor?"),
    ("datetme", "2025", "unknown parameter, did you mean datetime?"),
    ("zzz", "x", "unknown parameter"),
    ("", "x", "unknown parameter"),
    ("limit", "0", "expected a whole number 1..1000, got '0'"),
    ("limit", "1001", "expected a whole number 1..1000, got '1001'"),
    ("limit", "-1", "expected a whole number 1..1000, got '-1'"),
    ("limit", "5.0", "expected a whole number 1..1000, got '5.0'"),
    ("limit", "\u0661\u0660", "expected a whole number 1..1000, got '\u0661\u0660'"),
    ("limit", "", "expected a whole number 1..1000, got ''"),
    ("limit", " 5", "expected a whole number 1..1000, got ' 5'"),
    ("limit", "0" * 30 + "5", f"expected a whole number 1..1000, got '{'0' * 30}5'"),
    ("at", "-1", f"expected a whole number 0..{MAX_POSITION}, got '-1'"),
    ("at", str(2**53), f"expected a whole number 0..{MAX_POSITION}, got '{2**53}'"),
    ("at", "0" * 20 + "9" * 5_000, f"expected a whole number 0..{MAX_POSITION}, got '{'0' * 20}{'9' * 37}...'"),
    ("match", "most", "expected may or must, got 'most'"),
    ("match", "", "expected may or must, got ''"),
    ("on", "about ", "expected when or about, got 'about '"),
    ("order", "ASC", "expected asc or desc, got 'ASC'"),
    ("kind", "event", "expected occurrence, statement or plan, got 'event'"),
    ("members", "yes", "expected true or false, got 'yes'"),
    ("retracted", "only", "expected exclude or include, got 'only'"),
    ("actor", "Donald Trump", SLUG.format(" such as donald-trump", "'Donald Trump'")),
    ("actor", "首脑", SLUG.format("", "'首脑'")),
    ("actor", "a\n", SLUG.format(" such as a", r"'a\n'")),
    ("topic", "", SLUG.format("", "''")),
    ("tz", "Paris", "expected an IANA time zone such as Europe/Paris, got 'Paris'"),
    ("tz", "../../etc/passwd", "expected an IANA time zone such as Europe/Paris, got '../../etc/passwd'"),
    ("tz", "Europe", "expected an IANA time zone such as Europe/Paris, got 'Europe'"),
    ("tz", "a\0b", r"expected an IANA time zone such as Europe/Paris, got 'a\x00b'"),
    ("lang", "français", "expected a language tag such as fr, got 'français'"),
    ("lang", "", "expected a language tag such as fr, got ''"),
    ("q", "x" * 201, "at most 200 characters"),
    ("q", "a\0b", "control characters and lone surrogates are no words: leave them out"),
    ("q", "\ud800", "control characters and lone surrogates are no words: leave them out"),
    ("as_of", "2025/..", "expected a time, got '2025/..', which never ends"),
    ("reported_by", "2025-08-15/", "expected a time, got '2025-08-15/', which never ends"),
    ("cursor", "", CURSOR), ("cursor", "é", CURSOR), ("cursor", "x" * 100_000, CURSOR), ("cursor", "e30", CURSOR),
    ("cursor", "!!!!", CURSOR), ("cursor", "bnVsbA==", CURSOR),
])
def test_what_cannot_be_read_is_named_with_what_would_be_right(name, value, detail):
    """One fault, at the parameter, in a sentence."""
    assert faults((name, value)) == (Fault(f"?{name}", detail),)


@pytest.mark.parametrize("name", ["datetime", "from", "to", "reported_by", "as_of"])
@pytest.mark.parametrize("value", ["", "..", "../..", "yesterday", "2025-02-30", "2025-08-15 10:00", "2025/2024",
                                   "Y1E100", "x" * 121])
def test_dates_that_are_none_are_explained_with_a_caret(name, value):
    """The fault shows the text and the place."""
    (fault,) = faults((name, value))

    assert fault.pointer == f"?{name}"
    assert fault.detail.count("\n") == 2 or len(value) > 120


@pytest.mark.parametrize(("pairs", "fault"), [
    ([("from", "2025"), ("to", "2024")], Fault("?to", "ends before from begins: exchange them")),
    ([("datetime", "2025"), ("to", "2025")], Fault("?to", "give either datetime or from/to, not both")),
    ([("datetime", "2025"), ("from", "2025")], Fault("?from", "give either datetime or from/to, not both")),
    ([("at", "5"), ("as_of", "2025")], Fault("?as_of", "give either at (a position) or as_of (a time), not both")),
    ([("limit", "5"), ("limit", "5")], Fault("?limit", "given more than once")),
    ([("actor", f"a{n}") for n in range(51)], Fault("?actor", "given 51 times, at most 50 are taken")),
])
def test_parameters_that_contradict_each_other_are_refused(pairs, fault):
    """Also one that is given twice."""
    assert faults(*pairs) == (fault,)


def test_every_fault_is_reported_at_once():
    """Nobody likes to be told of their mistakes one by one."""
    found = faults(("actr", "x"), ("limit", "0"), ("kind", "x"), ("from", "x"), ("cursor", "x"), ("actor", "A"))

    assert [fault.pointer for fault in found] == ["?actr", "?from", "?actor", "?kind", "?limit"]


def test_a_route_may_know_fewer_parameters():
    """What it does not know is unknown there."""
    with pytest.raises(Malformed, match="actor: unknown parameter"):
        parse_query([("actor", "a")], known=("from", "to"))


@given(st.lists(st.tuples(st.sampled_from([*BY_NAME, "x"]), st.text(max_size=12)), max_size=4))
@settings(max_examples=300, deadline=None)
def test_garbage_is_a_question_or_malformed(pairs):
    """Nothing in a URL reaches a traceback, and what is a question has a key."""
    try:
        query = parse_query(pairs)
    except Malformed as error:
        assert error.faults  # noqa: PT017 - either outcome is good
    else:
        assert query.key()


# ---------------------------------------------------------------------------------------------- normal form

@pytest.mark.parametrize(("one", "other"), [
    ([], [("order", "asc"), ("limit", "50"), ("match", "may"), ("on", "when"), ("tz", "UTC"), ("members", "false")]),
    ([("actor", "a"), ("actor", "b")], [("actor", "b"), ("actor", "a"), ("actor", "b")]),
    ([("datetime", "2025-08-15/2025-08-19")], [("from", "2025-08-15"), ("to", "2025-08-19")]),
    ([("datetime", "2025-08-15/..")], [("from", "2025-08-15")]),
    ([("from", "2025-08-15")], [("from", "2025-08-15T00:00:00Z"), ("undated", "exclude")]),
    ([("from", "2025-08-15"), ("tz", "Europe/Moscow")], [("from", "2025-08-15T00:00:00+03:00")]),
    ([("q", "  boots   ground ")], [("q", "boots ground")]),
    ([("q", "e\u0301")], [("q", "\u00e9")]),
    ([("q", " ")], []),
    ([("as_of", "2025")], [("as_of", "2025-12-31T23:59:59Z")]),
])
def test_one_question_has_one_normal_form(one, other):
    """Caches, ETags and cursors are made from it."""
    assert parse_query(one) == parse_query(other)
    assert parse_query(one).key() == parse_query(other).key()
    assert parse_query(one).fingerprint() == parse_query(other).fingerprint()


@pytest.mark.parametrize("pair", [
    ("from", "2025"), ("to", "2025"), ("match", "must"), ("on", "about"), ("actor", "a"), ("role", "a"),
    ("members", "true"), ("kind", "plan"), ("status", "denied"), ("topic", "a"), ("place", "a"), ("source", "a"),
    ("related", "a"), ("q", "a"), ("reported_by", "2025"), ("order", "desc"), ("retracted", "include"),
    ("undated", "exclude"),
])
def test_another_question_has_another_key_and_fingerprint(pair):
    """Whatever decides which events are meant, or their order, is in both."""
    assert parse_query([pair]).key() != parse_query([]).key()
    assert parse_query([pair]).fingerprint() != parse_query([]).fingerprint()


@pytest.mark.parametrize("pair", [("limit", "7"), ("lang", "fr"), ("at", "3"), ("as_of", "2025")])
def test_how_it_is_shown_or_cut_may_change_from_page_to_page(pair):
    """It is in the key and not in the fingerprint."""
    assert parse_query([pair]).key() != parse_query([]).key()
    assert parse_query([pair]).fingerprint() == parse_query([]).fingerprint()


def test_the_normal_form_leaves_defaults_out():
    """It grows with the question, not with the table of parameters."""
    assert parse_query([]).normal() == {}
    assert parse_query([("actor", "b"), ("actor", "a"), ("from", "1970")]).normal() == {
        "actors": ["a", "b"], "lower": 0, "undated": False}


def test_every_parameter_is_read():
    """The table that is documented is the one that is parsed: each parameter's example changes the question."""
    for parameter in PARAMETERS:
        example = parameter.example or "a"
        if parameter.name == "cursor":
            continue
        base = [("from", "2025")] if parameter.name == "undated" else []
        changed = parse_query([*base, (parameter.name, example)]) != parse_query(base)
        assert changed is (parameter.name not in {"tz", "limit"}), parameter.name


# ---------------------------------------------------------------------------------------------- cursors

def test_a_cursor_goes_on_where_the_page_ended():
    """At the position of the first page, whatever is said about the size of pages."""
    query = parse_query([("actor", "a")])
    cursor = make_cursor(query, 7, (1, 2, 0, 3))

    assert parse_query([("actor", "a"), ("limit", "3"), ("cursor", cursor)]) == Query(
        actors=("a",), at=7, after=(1, 2, 0, 3), limit=3)
    assert parse_query([("actor", "a"), ("at", "7"), ("cursor", cursor)]).at == 7


@pytest.mark.parametrize("pairs", [
    [("actor", "b")], [], [("actor", "a"), ("from", "2025")], [("actor", "a"), ("order", "desc")],
    [("actor", "a"), ("q", "x")],
])
def test_a_cursor_of_another_question_is_refused(pairs):
    """Filters must stay the same from page to page."""
    cursor = make_cursor(parse_query([("actor", "a")]), 7, (1, 2, 0, 3))

    assert faults(*pairs, ("cursor", cursor)) == (
        Fault("?cursor", "the cursor belongs to another question: filters must stay the same from page to page"),)


def forged(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


PRINT = parse_query([]).fingerprint()


@pytest.mark.parametrize(("pairs", "values", "detail"), [
    ([("at", "8")], (PRINT, 7, [1, 2, 0, 3]), "the cursor belongs to another position"),
    ([], (PRINT, -1, [1, 2, 0, 3]), "the cursor belongs to another position"),
    ([], (PRINT, 2**53, [1, 2, 0, 3]), "the cursor belongs to another position"),
    ([], (PRINT, 7, [2**63, 2, 0, 3]), "the cursor belongs to another position"),
    ([], (PRINT, 7, [1, 2, 0, -(10**300)]), "the cursor belongs to another position"),
    ([], (PRINT, 7, [1, 2, 0]), CURSOR),
    ([], (PRINT, 7, [1, 2, 0, 3, 4]), CURSOR),
    ([], (PRINT, 7.5, [1, 2, 0, 3]), CURSOR),
    ([], (PRINT, 7, ["1", 2, 0, 3]), CURSOR),
    ([], (PRINT, 7), CURSOR),
    ([], ("0" * 12, 7, [1, 2, 0, 3]),
     "the cursor belongs to another question: filters must stay the same from page to page"),
])
def test_forged_cursors_are_refused(pairs, values, detail):
    """They are read as strictly as everything else."""
    assert faults(*pairs, ("cursor", forged(*values))) == (Fault("?cursor", detail),)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_garbage_is_no_cursor(text):
    """Whatever it is, it is malformed."""
    with pytest.raises(Malformed):
        resume(Query(), text)


# ---------------------------------------------------------------------------------------------- against a timeline

@pytest.fixture(scope="module")
def timeline():
    with Timeline.temporary() as timeline:
        timeline.record(id="e0", title="Boots on the ground, near Kyiv", when="2025-08-15")
        timeline.record(id="e1", title="No boots AND no ground: a-b * ^ NOT title", when="2025-08-16")
        yield timeline


@pytest.mark.parametrize("at", [3, 10, MAX_POSITION])
def test_a_position_the_log_has_not_reached_is_not_found(timeline, at):
    """With the position it has."""
    sentence = f"the log ends at position 2; there is no position {at} yet"
    with pytest.raises(NotFound, match=sentence) as caught:
        timeline.resolve(parse_query([("at", str(at))]))
    with pytest.raises(NotFound, match=sentence):
        timeline.ask(parse_query([("cursor", make_cursor(Query(), at, (0, 0, 0, 0)))]))

    assert caught.value.members == {"position": 2}


def test_a_question_speaks_of_a_position(timeline):
    """Of the head, where nothing is said; for ever where one is, and where a time has gone by."""
    first, second = [record.header.recorded_at for record in timeline.records()]

    assert timeline.resolve(Query()) == (2, False)
    assert timeline.resolve(pinned(Query(), 1)) == (1, True)
    assert timeline.resolve(Query(at=0)) == (0, True)
    assert timeline.resolve(Query(as_of=first)) == (1, True)
    assert timeline.resolve(Query(as_of=second)) == (2, False)
    assert timeline.resolve(parse_query([("as_of", "2020")])) == (0, True)
    assert timeline.resolve(parse_query([("as_of", "Y-10000000")])) == (0, True)
    assert timeline.resolve(parse_query([("as_of", "Y10000000")])) == (2, False)


@pytest.mark.parametrize(("q", "found"), [
    ("boots", ["e0", "e1"]), ("boots AND", ["e1"]), ("boots NOT near", []), ("title:", ["e1"]), ("title:boots", []),
    ("NEAR(", ["e0"]), ("NEAR(boots ground)", []), ("a-b", ["e1"]), ("-near", ["e0"]), ("boot*", []),
    ("^boots", ["e0", "e1"]), ("^ boots", ["e0", "e1"]), ("boots *", ["e0", "e1"]), ('boots"', ["e0", "e1"]),
    ('"boots on"', ["e0"]), ('"on boots"', []), ('"boots', ["e0", "e1"]), ("boots'", ["e0", "e1"]), ("*", []),
    ("^", []),
    ('"', []), ('""', []), ("{title}: boots", ["e1"]), ("boots + ground", ["e0", "e1"]), ("(boots)", ["e0", "e1"]),
    ("boots; DROP TABLE event", []), ("%", []), (":text", []),
])
def test_operators_of_full_text_search_are_words(timeline, q, found):
    """Nobody is told of a syntax error, and nobody searches a column."""
    assert [event["id"] for event in timeline.events(q=q)] == found


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_searched_for(timeline, text):
    """Whatever is typed is looked for, or refused as malformed."""
    try:
        query = parse_query([("q", text)])
    except Malformed:
        return
    timeline.ask(query)


def test_words_and_phrases_are_told_apart():
    """Quotation marks make phrases; an unclosed one goes to the end."""
    assert list(search_terms('boots "on the ground" now')) == ["boots", "on the ground", "now"]
    assert list(search_terms('a "b c')) == ["a", "b c"]
    assert list(search_terms(' "" " " ')) == []
