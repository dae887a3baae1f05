"""Records: canonical bytes, strict reading with pointers, merge patches, and every version ever written."""

from __future__ import annotations

import json
import unicodedata
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from timeline import records
from timeline.errors import Fault, Invalid, Malformed, TimelineError
from timeline.model import Actor, Event, Source
from timeline.records import (
    TYPES,
    UPCASTS,
    VERSIONS,
    AnyChange,
    canonical,
    convert,
    convert_change,
    decode,
    decode_change,
    decode_event,
    difference,
    merge,
    payload,
    plain,
    restore,
    settle,
    wire,
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records"
SEEDS = sorted((Path(__file__).parents[1] / "seeds").glob("*.ndjson"))


# ---------------------------------------------------------------------------------------------- canonical form

SAFE = 2**53 - 1
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | texts
keys = st.text(st.characters(max_codepoint=127), max_size=8)
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


@given(documents)
@settings(max_examples=300, deadline=None)
def test_canonical_encoding_is_rfc_8785_within_the_profile(document):
    """No floats, ASCII keys, integers within 2^53: there our encoder and the reference agree byte for byte."""
    assert canonical(document) == rfc8785.dumps(document)


@pytest.mark.parametrize("text", [
    '"', "\\", "/", "\b\f\n\r\t", "\x00\x1f", "\x7f", "é", "e\u0301", "首脑会议", "😂", "\u2028\u2029", "\ufb33",
    "</script>", "",
])
def test_canonical_escapes_are_those_of_rfc_8785(text):
    """Only what must be escaped is, and always in one way (RFC 8785 section 3.2.2.2)."""
    assert canonical({"a": text}) == rfc8785.dumps({"a": text})


def event_of(**fields):
    return {"type": "event.recorded", "event": {"title": "A", **fields}}


full_events = st.fixed_dictionaries(
    {"title": st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=30)},
    optional={
        "summary": st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=30),
        "when": st.sampled_from(["2025-08-15", "2025-08?", "../2025", "Y-10000000000", "[2025-08-15,2025-08-17]"]),
        "sequence": st.integers(-32768, 32767),
        "topics": st.lists(st.sampled_from(["us-troops", "nato"]), max_size=2),
        "place": st.fixed_dictionaries({
            "name": st.just("Anchorage"), "lat": st.floats(-90, 90), "lon": st.floats(-180, 180)}),
        "citations": st.lists(st.fixed_dictionaries(
            {"source": st.just("s"), "start": st.integers(0, 9), "end": st.integers(10, SAFE)}), max_size=2),
    },
)


@given(full_events)
@settings(max_examples=200, deadline=None)
def test_what_is_stored_is_canonical_and_reads_back(fields):
    """Stored bytes are RFC 8785, decode to the same change, and encode to the same bytes again."""
    change = settle(decode_change(json.dumps(event_of(**fields))))
    body = payload(change)

    assert body == rfc8785.dumps(json.loads(body))
    assert unicodedata.is_normalized("NFC", body.decode())
    assert restore("event.recorded", 1, body) == change
    assert payload(restore("event.recorded", 1, body)) == body


def test_steering_is_no_part_of_a_record():
    """Key and expectation are gone from what is stored."""
    change = decode_change(json.dumps(event_of() | {"key": "k", "expected": 0}))

    assert payload(change) == payload(decode_change(json.dumps(event_of())))


def test_readers_get_numbers_where_the_log_has_text():
    """A coordinate is exact text in the log and a JSON number in answers."""
    event = decode(b'{"title":"A","place":{"name":"B","lat":61.21810,"lon":"-149.90"}}', Event)

    assert plain(event)["place"] == {"name": "B", "lat": "61.2181", "lon": "-149.9"}
    assert json.loads(wire(event))["place"] == {"name": "B", "lat": 61.2181, "lon": -149.9}
    assert decode_event(canonical(event)) == event


# ---------------------------------------------------------------------------------------------- strict reading

def raised(raw):
    with pytest.raises(TimelineError) as caught:
        settle(decode_change(raw if isinstance(raw, bytes | str) else json.dumps(raw)))
    return caught.value


@pytest.mark.parametrize(("raw", "sentence"), [
    (b"", "expected JSON, got nothing"),
    (b" \n", "expected JSON, got nothing"),
    (b"{", "malformed JSON: Input data was truncated"),
    (b"{'type':1}", "malformed JSON: JSON is malformed: object keys must be strings (byte 1)"),
    (b'{"type":"event.recorded",}', "malformed JSON: JSON is malformed: trailing comma in object (byte 25)"),
    (b'{"type":"event.retracted","id":"a","reason":"r"} {}',
     "malformed JSON: JSON is malformed: trailing characters (byte 50)"),
    (b"\xef\xbb\xbf{}", "malformed JSON: JSON is malformed: invalid character (byte 0)"),
    (b"NaN", "malformed JSON: JSON is malformed: invalid character (byte 0)"),
    (b"[" * 5_000, "JSON nested deeper than 32 levels"),
    (b"[" * 5_000 + b"]" * 5_000, "JSON nested deeper than 32 levels"),
    (b'{"a":' * 5_000, "JSON nested deeper than 32 levels"),
    (b'{"type":"event.recorded","event":{"title":"\xff"}}', "not UTF-8: byte 43 cannot start or continue a character"),
    (b'{"type":"event.recorded","event":{"title":"\xed\xa0\x80"}}',
     "not UTF-8: byte 43 cannot start or continue a character"),
    ('{"type":"event.recorded","event":{"title":"\ud800"}}', "not UTF-8: byte 43 cannot start or continue a character"),
])
def test_bytes_that_are_no_json_are_malformed(raw, sentence):
    """The sentence says what is wrong with them, and where."""
    error = raised(raw)

    assert (type(error), str(error)) == (Malformed, sentence)


@pytest.mark.parametrize("escaped", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udfff\\ud800"])
def test_escaped_lone_surrogates_are_malformed(escaped):
    """They are no text, and the sentence says so."""
    error = raised('{"type":"event.recorded","event":{"title":"' + escaped + '"}}')

    assert type(error) is Malformed
    assert str(error).startswith("malformed JSON, perhaps a lone surrogate (\\ud800..\\udfff must come in pairs)")


def test_brackets_inside_strings_are_not_depth():
    """A title of brackets is a title, also behind an escaped quotation mark."""
    title = '"' + "[{" * 200

    assert decode_change(json.dumps(event_of(title=title))).event.title == title


@pytest.mark.parametrize(("raw", "pointer"), [
    ('{"type":"event.recorded","type":"event.recorded","event":{"title":"A"}}', "/type"),
    ('{"type":"event.recorded","event":{"title":"A"},"event":{"title":"B"}}', "/event"),
    ('{"type":"event.recorded","event":{"title":"A","title":"A"}}', "/event/title"),
    ('{"type":"event.recorded","event":{"title":"A","actors":[{"id":"a"},{"id":"a","id":"b"}]}}', "/event/actors/1/id"),
    ('{"type":"event.recorded","event":{"title":"A","\\u0074itle":"B"}}', "/event/title"),
    ('{"type":"event.revised","id":"a","reason":"r","patch":{"x":{"a/b":1,"a/b":2}}}', "/patch/x/a~1b"),
])
def test_a_member_given_twice_is_malformed(raw, pointer):
    """Which of the two is meant nobody can know (RFC 8259 section 4); a parser would keep the last without a word."""
    error = raised(raw)

    assert type(error) is Malformed
    assert error.faults == (Fault(pointer, "given twice: leave one out"),)
    assert str(error) == f"{pointer}: given twice: leave one out"


def test_numbers_of_any_length_do_not_disturb_the_look_for_duplicates():
    """Python refuses to read 5,000 digits; the model has refused the number before."""
    with pytest.raises(Invalid):
        decode_change('{"type":"event.recorded","event":{"title":"A","sequence":%s}}' % ("9" * 5_000))
    change = decode_change('{"type":"event.revised","id":"a","reason":"r","patch":{"sequence":1e%s}}' % ("0" * 5_000))

    assert change.id == "a"


SLUG = 'expected a slug (lower-case ASCII letters, digits and single hyphens), such as "alaska-summit"'
ADDRESS = 'expected an http or https address, such as "https://example.org/report"'
DEGREES = "expected degrees between -180 and 180, such as 61.2181"

WRONG = [
    # the envelope
    ([], "", "expected `object`, got `array`"),
    (5, "", "expected `object`, got `int`"),
    (None, "", "expected `object`, got `null`"),
    ({}, "/type", "required field is missing"),
    ({"type": 1}, "/type", "expected `str`"),
    ({"type": "event.record"}, "/type", ("expected actor.described, event.recorded, event.retracted, event.revised, "
                                         "events.merged or source.described, got 'event.record'")),
    ({"type": "event.recorded"}, "/event", "required field is missing"),
    (event_of() | {"more": 1}, "/more", "unknown field"),
    (event_of() | {"expected": -1}, "/expected", "expected `int` >= 0"),
    (event_of() | {"expected": 2**53}, "/expected", f"expected `int` <= {SAFE}"),
    (event_of() | {"expected": 1.0}, "/expected", "expected `int | null`, got `float`"),
    (event_of() | {"key": "a b"}, "/key", 'expected printable ASCII without spaces, such as "7f3c…"'),
    (event_of() | {"key": "a\n"}, "/key", 'expected printable ASCII without spaces, such as "7f3c…"'),
    (event_of() | {"key": ""}, "/key", "expected `str` of length >= 1"),
    ({"type": "event.retracted", "id": "a"}, "/reason", "required field is missing"),
    ({"type": "event.retracted", "id": "a", "reason": ""}, "/reason", "expected `str` of length >= 1"),
    ({"type": "events.merged", "id": "a", "duplicates": [], "reason": "r"}, "/duplicates",
     "expected `array` of length >= 1"),
    # text
    (event_of(title=1), "/event/title", "expected `str`, got `int`"),
    (event_of(title=None), "/event/title", "expected `str`, got `null`"),
    (event_of(title=""), "/event/title", "expected `str` of length >= 1"),
    (event_of(title="x" * 501), "/event/title", "expected `str` of length <= 500"),
    (event_of(titel="x"), "/event/titel", "unknown field"),
    (event_of(**{"a/b~c": 1}), "/event/a~1b~0c", "unknown field"),
    (event_of(**{"a\nb": 1}), "/event/a\nb", "unknown field"),
    (event_of(**{"a - at `$.x`": 1}), "/event/a - at `$.x`", "unknown field"),
    # words, slugs, addresses, languages, digests
    (event_of(id="Alaska Summit"), "/event/id", SLUG),
    (event_of(id="a--b"), "/event/id", SLUG),
    (event_of(id="é"), "/event/id", SLUG),
    (event_of(id=""), "/event/id", SLUG),
    (event_of(id="x" * 101), "/event/id", "expected `str` of length <= 100"),
    (event_of(topics=["ok", "Not Ok"]), "/event/topics/1", SLUG),
    (event_of(kind="foo"), "/event/kind", "expected occurrence, plan or statement, got 'foo'"),
    (event_of(relations=[{"type": "x", "event": "e"}]), "/event/relations/0/type",
     "expected confirms, contradicts, denies, follows, part-of or supersedes, got 'x'"),
    (event_of(relations=[{"type": "denies", "event": "e", "sense": "x"}]), "/event/relations/0/sense",
     "expected factual, position or stance-change, got 'x'"),
    (event_of(stances=[{"actor": "a", "topic": "t", "position": "yes"}]), "/event/stances/0/position",
     "expected against, conditional, for, open or unclear, got 'yes'"),
    ({"type": "actor.described", "actor": {"name": "A", "kind": "robot"}}, "/actor/kind",
     "expected government, group, media, organisation or person, got 'robot'"),
    (event_of(lang="français"), "/event/lang", 'expected a language tag, such as "fr"'),
    (event_of(translations={"x_y": {"title": "A"}}), "/event/translations", 'expected a language tag, such as "fr"'),
    (event_of(translations={"fr": {"title": 1}}), "/event/translations/*/title", "expected `str`, got `int`"),
    (event_of(media=[{"url": "javascript:alert(1)"}]), "/event/media/0/url", ADDRESS),
    (event_of(media=[{"url": "https://a b"}]), "/event/media/0/url", ADDRESS),
    (event_of(citations=[{"source": "s", "span_sha256": "ABCD"}]), "/event/citations/0/span_sha256",
     "expected 64 lower-case hexadecimal digits, such as a SHA-256"),
    (event_of(place={"name": "A", "wikidata": "797"}), "/event/place/wikidata",
     'expected a Wikidata item, such as "Q797"'),
    (event_of(tz="Paris time"), "/event/tz", 'expected an IANA time zone, such as "Europe/Paris"'),
    # nested fields
    (event_of(actors=[{"role": "speaker"}]), "/event/actors/0/id", "required field is missing"),
    (event_of(actors=[{"id": "a"}, {"id": "a", "rôle": "x"}]), "/event/actors/1/rôle", "unknown field"),
    (event_of(actors={}), "/event/actors", "expected `array`, got `object`"),
    (event_of(place={"lat": 1, "lon": 1}), "/event/place/name", "required field is missing"),
    (event_of(outcome={"state": "rejected", "evidence": ["A"]}), "/event/outcome/evidence/0", SLUG),
    # dates
    (event_of(when="2025-02-30"), "/event/when", "there is no day 30; 2025-02 has 28 days\n  2025-02-30\n          ^"),
    (event_of(when=2025), "/event/when", 'expected an EDTF date in quotes, such as "2025-08-15", got 2025'),
    (event_of(when="2025 - at `$.x`"), "/event/when",
     "the date ends before this; EDTF has no spaces\n  2025 - at `$.x`\n      ^"),
    (event_of(outcome={"state": "rejected", "as_of": 1}), "/event/outcome/as_of",
     'expected an EDTF date in quotes, such as "2025-08-15", got 1'),
    # numbers
    (event_of(sequence=1.0), "/event/sequence", "expected `int`, got `float`"),
    (event_of(sequence="1"), "/event/sequence", "expected `int`, got `str`"),
    (event_of(sequence=True), "/event/sequence", "expected `int`, got `bool`"),
    (event_of(sequence=32768), "/event/sequence", "expected `int` <= 32767"),
    (event_of(sequence=10**400), "/event/sequence", "expected `int` <= 32767"),
    (event_of(citations=[{"source": "s", "start": 0, "end": 2**53}]), "/event/citations/0/end",
     f"expected `int` <= {SAFE}"),
    (event_of(citations=[{"source": "s", "start": -1, "end": 2}]), "/event/citations/0/start", "expected `int` >= 0"),
    (event_of(citations=[{"source": "s", "start": 5, "end": 3}]), "/event/citations/0",
     "expected end after start, got 5..3"),
    (event_of(citations=[{"source": "s", "start": 5, "end": 5}]), "/event/citations/0",
     "expected end after start, got 5..5"),
    (event_of(citations=[{"source": "s", "end": 3}]), "/event/citations/0",
     "start and end belong together: give both or neither"),
    (event_of(place={"name": "A", "lat": 91, "lon": 0}), "/event/place", "expected a latitude between -90 and 90"),
    (event_of(place={"name": "A", "lat": 0, "lon": 180.5}), "/event/place/lon", DEGREES),
    (event_of(place={"name": "A", "lat": True, "lon": 0}), "/event/place/lat", DEGREES),
    (event_of(place={"name": "A", "lat": "NaN", "lon": 0}), "/event/place/lat", DEGREES),
    (event_of(place={"name": "A", "lon": 0}), "/event/place", "lat and lon belong together: give both or neither"),
]


@pytest.mark.parametrize(("value", "pointer", "detail"), WRONG)
def test_what_is_wrong_is_named_with_its_pointer_and_what_would_be_right(value, pointer, detail):
    """Whether it comes as bytes or as values that are parsed already."""
    error = raised(value)

    assert (type(error), error.faults) == (Invalid, (Fault(pointer, detail),))
    assert str(error) == f"{pointer or 'the body'}: {detail}".splitlines()[0]
    with pytest.raises(Invalid) as caught:
        convert_change(value)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_the_pattern_of_an_id_ends_where_the_text_ends():
    """A line break at the end is not let through by `$`."""
    assert raised(event_of() | {"key": "a\n"}).faults[0].pointer == "/key"


@pytest.mark.parametrize("fields", [
    {"id": "a\n"}, {"topics": ["a\n"]}, {"lang": "fr\n"}, {"media": [{"url": "https://a.org/\n"}]}, {"tz": "UTC\n"},
])
def test_no_id_ends_with_a_line_break(fields):
    """Streams, addresses and facets are made of ids."""
    raised(event_of(**fields))


@pytest.mark.parametrize(("text", "name"), [
    ("\x00", "U+0000"), ("\x08", "U+0008"), ("\x0b", "U+000B"), ("\x0c", "U+000C"), ("\x1b", "U+001B"),
    ("\x7f", "U+007F"), ("\x80", "U+0080"), ("\x85", "U+0085"), ("\x9f", "U+009F"), ("\ufdd0", "U+FDD0"),
    ("\ufdef", "U+FDEF"), ("\ufffe", "U+FFFE"), ("\uffff", "U+FFFF"), ("\U0001fffe", "U+1FFFE"),
    ("\U0010ffff", "U+10FFFF"),
])
def test_control_characters_and_noncharacters_are_refused(text, name):
    """RFC 9839: they carry no meaning, and every reader treats them differently."""
    event = {"summary": f"good {text}", "translations": {"fr": {"title": f"{text}mal"}}}
    detail = "control character or noncharacter {} at {}: remove it"

    assert raised(event_of(**event)).faults == (
        Fault("/event/summary", detail.format(name, 5)), Fault("/event/translations/fr/title", detail.format(name, 0)),
    )


def test_lone_surrogates_from_python_are_refused_too():
    """Values that were never JSON meet the same rule."""
    with pytest.raises(Invalid) as caught:
        settle(convert_change(event_of(title="a\ud800")))

    assert caught.value.faults == (
        Fault("/event/title", "control character or noncharacter U+D800 at 1: remove it"),)


@pytest.mark.parametrize("text", [
    "line\nbreak", "tab\there", "carriage\r\nreturn", "C:\\bin\\format", "\\u0010 as text", "\\\\b", "\ufffd", "😂",
    "\u200d", "\ufdcf\ufdf0", "\U0001fffd", "\U00020000", "¿",
])
def test_texts_that_only_look_suspicious_pass(text):
    """A path is not a backspace: what is encoded with a backslash is looked at twice."""
    assert settle(decode_change(json.dumps(event_of(title=f"x{text}")))).event.title == f"x{text}"


def test_text_is_stored_in_nfc():
    """However it was typed, one text has one form; ids and dates are untouched."""
    change = settle(decode_change(json.dumps(event_of(title="Zelensky\u0301", when="2025", topics=["a"]))))

    assert change.event.title == "Zelensk\u00fd"
    assert (str(change.event.when), change.event.topics) == ("2025", ["a"])


def test_text_that_grows_beyond_its_limit_in_nfc_is_refused():
    """Some characters are two in NFC: the limit is that of what is stored."""
    error = raised(event_of(title="\ufb2c" * 400))

    assert error.faults == (Fault("/event/title", "expected `str` of length <= 500"),)


@given(st.text(max_size=40) | st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_garbage_yields_only_our_errors(raw):
    """Nothing that is sent reaches a traceback."""
    with pytest.raises((Malformed, Invalid)):
        decode_change(raw)


mangled = st.sampled_from(WRONG).map(lambda wrong: json.dumps(wrong[0]).encode())


@given(mangled, st.integers(0, 400), st.binary(min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_mangled_changes_yield_a_change_or_our_errors(raw, place, junk):
    """The same for what is nearly right."""
    try:
        settle(decode_change(raw[:place] + junk + raw[place + 1 :]))
    except (Malformed, Invalid) as error:
        assert str(error)  # noqa: PT017 - either outcome is good


def test_values_of_the_wrong_python_type_are_invalid():
    """Also bytes, objects and keys that are no text."""
    for value in (event_of(title=b"A"), event_of(title=object()), {"type": "event.recorded", "event": {1: 2}}, 5, None):
        with pytest.raises(Invalid):
            convert_change(value)
    with pytest.raises(Invalid):
        convert({"title": object()}, Event)


# ---------------------------------------------------------------------------------------------- merge patch

RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_merging_is_that_of_rfc_7396_appendix_a(target, patch, result):
    """All fifteen test cases, typed out."""
    assert merge(target, patch) == result


def objects(inner):
    return st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)


solid = st.recursive(
    st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=12
)


@given(objects(solid), objects(solid))
@settings(max_examples=300, deadline=None)
def test_a_difference_turns_the_old_into_the_new(old, new):
    """merge(old, difference(old, new)) == new, also in type: true is not 1."""
    assert json.dumps(merge(old, difference(old, new)), sort_keys=True) == json.dumps(new, sort_keys=True)


@given(objects(solid))
@settings(max_examples=50, deadline=None)
def test_nothing_differs_from_itself(value):
    """The smallest patch is the empty one."""
    assert difference(value, value) == {}


@given(documents, documents)
@settings(max_examples=100, deadline=None)
def test_a_patch_applied_twice_is_a_patch_applied_once(target, patch):
    """Merge patches are idempotent, and change nothing in place."""
    before = json.dumps([target, patch])
    once = merge(target, patch)

    assert merge(once, patch) == once
    assert json.dumps([target, patch]) == before


# ---------------------------------------------------------------------------------------------- versions

def test_every_type_has_a_fixture_of_every_version():
    """Whoever raises a version adds its fixture and keeps the old one."""
    expected = {f"{type_}.v{number}.json" for type_, newest in VERSIONS.items() for number in range(1, newest + 1)}

    assert {file.name for file in FIXTURES.glob("*.json")} == expected


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.json")), ids=lambda file: file.stem)
def test_every_version_ever_written_decodes_for_ever(file):
    """The newest re-encodes to the same bytes, the older ones are lifted to it."""
    type_, _, version = file.stem.rpartition(".v")
    body = file.read_bytes().rstrip(b"\n")
    change = restore(type_, int(version), body)

    assert type(change) is TYPES[type_]
    assert settle(change) == change
    if int(version) == VERSIONS[type_]:
        assert payload(change) == body


@pytest.mark.parametrize(("name", "struct"), [("event.recorded", Event), ("actor.described", Actor),
                                              ("source.described", Source)])
def test_the_fixtures_use_every_field(name, struct):
    """What no fixture holds could change its form unseen."""
    body = json.loads((FIXTURES / f"{name}.v1.json").read_text())
    value = body[name.partition(".")[0]]

    assert set(struct.__struct_fields__) - {"text"} == set(value) - {"text"}


def test_old_versions_are_lifted_when_they_are_read(monkeypatch):
    """A version 1 whose title was called headline, as if today's were version 2."""
    monkeypatch.setitem(VERSIONS, "event.recorded", 2)
    monkeypatch.setitem(UPCASTS, ("event.recorded", 1), lambda body: {
        **body, "event": {("title" if name == "headline" else name): value for name, value in body["event"].items()}})

    change = restore("event.recorded", 1, b'{"event":{"headline":"Old words","id":"a"}}')

    assert (change.event.title, change.event.id) == ("Old words", "a")
    assert restore("event.recorded", 2, payload(change)) == change


def test_upcasts_follow_one_another(monkeypatch):
    """From version 1 to 3 by way of 2."""
    monkeypatch.setitem(VERSIONS, "event.retracted", 3)
    monkeypatch.setitem(UPCASTS, ("event.retracted", 1), lambda body: {**body, "why": "first"})
    monkeypatch.setitem(UPCASTS, ("event.retracted", 2), lambda body: {"id": body["id"], "reason": body["why"] + "!"})

    assert restore("event.retracted", 1, b'{"id":"a"}').reason == "first!"
    assert restore("event.retracted", 2, b'{"id":"a","why":"second"}').reason == "second!"


@pytest.mark.parametrize(("type_", "version"), [("event.recorded", 2), ("place.described", 1), ("", 1)])
def test_what_a_newer_program_wrote_asks_for_an_upgrade(type_, version):
    """It is neither guessed nor skipped."""
    with pytest.raises(Invalid, match=rf"record type {type_}\.v{version} is newer than this program: upgrade it"):
        restore(type_, version, b"{}")


@pytest.mark.parametrize(("body", "sentence"), [
    (b"{}", "is not JSON|required"), (b'{"event":{"title":1}}', "/event/title: expected `str`, got `int`"),
    (b"not JSON", "the body of a record of type event.recorded.v1 is not JSON"),
    (b'{"event":{"title":"\xff"}}', "the body of a record of type event.recorded.v1 is not JSON"),
])
def test_a_stored_body_that_cannot_be_read_is_invalid(body, sentence):
    """Never another library's error."""
    with pytest.raises(Invalid, match=sentence):
        restore("event.recorded", 1, body)


@pytest.mark.parametrize("file", SEEDS, ids=lambda file: file.stem)
def test_the_seeds_are_canonical_once_they_are_stored(file):
    """Real events: every stored body is RFC 8785 and decodes to what was sent."""
    for line in file.read_bytes().splitlines():
        change: AnyChange = settle(decode_change(line))
        body, type_ = payload(change), json.loads(line)["type"]

        assert body == rfc8785.dumps(json.loads(body))
        assert restore(type_, 1, body) == convert_change(json.loads(body) | {"type": type_})


def test_the_table_of_types_is_complete():
    """Every change has a type, a version and a decoder."""
    assert set(TYPES) == set(VERSIONS)
    assert {tag.partition(".")[0] for tag in TYPES} == {"event", "events", "actor", "source", "part", "snapshot"}
    assert sha256(b"").digest_size == 32
    assert set(records.__all__) >= {"TYPES", "UPCASTS", "VERSIONS", "restore", "payload"}
