"""EDTF: the bounds we hold to, what is refused and how, time zones, query ranges, and a foreign list of strings."""

import json
import pickle
import sys
from pathlib import Path

import pytest

from timeline import edtf
from timeline.edtf import EdtfError, day, iso, parse, parse_range, ymd
from timeline.edtf.errors import LIMIT
from timeline.edtf.parser import _parsed

VECTORS = Path(__file__).parents[2] / "shared" / "vectors" / "edtf-strings.json"


def days(when):
    """First and last civil day of a date; None where unbounded."""
    return tuple(None if each is None else day(each) for each in (when.earliest, when.latest))


def instants(bounds):
    """Bounds as RFC 3339 text; None where unbounded."""
    return tuple(None if each is None else iso(each) for each in bounds)


def verdict(text):
    """Level of a text, or None where it is refused."""
    try:
        return parse(text).level
    except EdtfError:
        return None


# text, first day, last day, precision, level
DAYS = [
    # Level 0
    ("2025", "2025-01-01", "2025-12-31", "year", 0),
    ("2025-08", "2025-08-01", "2025-08-31", "month", 0),
    ("2025-08-15", "2025-08-15", "2025-08-15", "day", 0),
    ("2024-02-29", "2024-02-29", "2024-02-29", "day", 0),
    ("0000", "0000-01-01", "0000-12-31", "year", 0),
    ("9999-12-31", "9999-12-31", "9999-12-31", "day", 0),
    ("1964/2008", "1964-01-01", "2008-12-31", "year", 0),
    ("2025-08/2025-08-18", "2025-08-01", "2025-08-18", "month", 0),
    ("2025-08-31/2025-08", "2025-08-31", "2025-08-31", "month", 0),
    ("2025/2025-02", "2025-01-01", "2025-02-28", "year", 0),
    # Level 1
    ("-0043", "-0043-01-01", "-0043-12-31", "year", 1),
    ("Y170000002", "+170000002-01-01", "+170000002-12-31", "year", 1),
    ("Y-170000002", "-170000002-01-01", "-170000002-12-31", "year", 1),
    ("2025-21", "2025-03-01", "2025-05-31", "season", 1),
    ("2025-22", "2025-06-01", "2025-08-31", "season", 1),
    ("2025-23", "2025-09-01", "2025-11-30", "season", 1),
    ("2025-24", "2025-12-01", "2026-02-28", "season", 1),
    ("2023-24", "2023-12-01", "2024-02-29", "season", 1),
    ("2025?", "2025-01-01", "2025-12-31", "year", 1),
    ("2025-08~", "2025-08-01", "2025-08-31", "month", 1),
    ("2025-08-15%", "2025-08-15", "2025-08-15", "day", 1),
    ("202X", "2020-01-01", "2029-12-31", "decade", 1),
    ("20XX", "2000-01-01", "2099-12-31", "century", 1),
    ("-20XX", "-2099-01-01", "-2000-12-31", "century", 1),
    ("2025-XX", "2025-01-01", "2025-12-31", "month", 1),
    ("2025-08-XX", "2025-08-01", "2025-08-31", "day", 1),
    ("2025-XX-XX", "2025-01-01", "2025-12-31", "day", 1),
    ("2024-02-XX", "2024-02-01", "2024-02-29", "day", 1),
    ("2025-08-15/..", "2025-08-15", None, "day", 1),
    ("../2025-08-15", None, "2025-08-15", "day", 1),
    ("2025-08-15/", "2025-08-15", None, "day", 1),
    ("/2025-08-15", None, "2025-08-15", "day", 1),
    ("../..", None, None, "unknown", 1),
    ("2025~/2025-08", "2025-01-01", "2025-08-31", "year", 1),
    ("2025-24/2026-21", "2025-12-01", "2026-05-31", "season", 1),
    # Level 2
    ("Y-17E7", "-170000000-01-01", "-170000000-12-31", "year", 2),
    ("1950S2", "1900-01-01", "1999-12-31", "century", 2),
    ("1950S3", "1950-01-01", "1959-12-31", "decade", 2),
    ("1950S4", "1950-01-01", "1950-12-31", "year", 2),
    ("-1859S3", "-1859-01-01", "-1850-12-31", "decade", 2),
    ("0950S2", "0950-01-01", "0959-12-31", "decade", 2),
    ("Y171010000S3", "+171000000-01-01", "+171999999-12-31", "millennium", 2),
    ("Y3388E2S3", "+338000-01-01", "+338999-12-31", "millennium", 2),
    ("Y-3388E2S3", "-338999-01-01", "-338000-12-31", "millennium", 2),
    ("2025-25", "2025-03-01", "2025-05-31", "season", 2),
    ("2025-28", "2025-12-01", "2026-02-28", "season", 2),
    ("2025-29", "2025-09-01", "2025-11-30", "season", 2),
    ("2025-30", "2025-12-01", "2026-02-28", "season", 2),
    ("2025-31", "2025-03-01", "2025-05-31", "season", 2),
    ("2025-32", "2025-06-01", "2025-08-31", "season", 2),
    ("2025-33", "2025-01-01", "2025-03-31", "quarter", 2),
    ("2025-34", "2025-04-01", "2025-06-30", "quarter", 2),
    ("2025-35", "2025-07-01", "2025-09-30", "quarter", 2),
    ("2025-36", "2025-10-01", "2025-12-31", "quarter", 2),
    ("2025-37", "2025-01-01", "2025-04-30", "quadrimester", 2),
    ("2025-38", "2025-05-01", "2025-08-31", "quadrimester", 2),
    ("2025-39", "2025-09-01", "2025-12-31", "quadrimester", 2),
    ("2025-40", "2025-01-01", "2025-06-30", "semester", 2),
    ("2025-41", "2025-07-01", "2025-12-31", "semester", 2),
    ("202X-24", "2020-12-01", "2030-02-28", "season", 2),
    ("[1667,1668,1670..1672]", "1667-01-01", "1672-12-31", "year", 2),
    ("{2025-08-15..2025-08-18}", "2025-08-15", "2025-08-18", "day", 2),
    ("[..1760-12-03]", None, "1760-12-03", "day", 2),
    ("[1760-12..]", "1760-12-01", None, "month", 2),
    ("[2025-08-15,2025-08-16]", "2025-08-15", "2025-08-16", "day", 2),
    ("{1960,1961-12}", "1960-01-01", "1961-12-31", "year", 2),
    ("{1961-12,1960}", "1960-01-01", "1961-12-31", "year", 2),
    ("[1960]", "1960-01-01", "1960-12-31", "year", 2),
    ("2025-08-~15", "2025-08-15", "2025-08-15", "day", 2),
    ("2025?-08-15", "2025-08-15", "2025-08-15", "day", 2),
    ("2025-XX-15", "2025-01-15", "2025-12-15", "day", 2),
    ("2025-XX-31", "2025-01-31", "2025-12-31", "day", 2),
    ("2025-XX-30", "2025-01-30", "2025-12-30", "day", 2),
    ("156X-12-25", "1560-12-25", "1569-12-25", "day", 2),
    ("-156X-12-25", "-1569-12-25", "-1560-12-25", "day", 2),
    ("1X25-12", "1025-12-01", "1925-12-31", "month", 2),
    ("2025-08-1X", "2025-08-10", "2025-08-19", "day", 2),
    ("2025-08-X1", "2025-08-01", "2025-08-31", "day", 2),
    ("2025-02-X9", "2025-02-09", "2025-02-19", "day", 2),
    ("2025-1X", "2025-10-01", "2025-12-31", "month", 2),
    ("XXXX", "0000-01-01", "9999-12-31", "millennium", 2),
    ("XXXX-12-XX", "0000-12-01", "9999-12-31", "day", 2),
    ("-XXXX", "-9999-01-01", "-0001-12-31", "millennium", 2),
    ("-0X00", "-0900-01-01", "-0100-12-31", "year", 2),
    ("XXXX-02-29", "0000-02-29", "9996-02-29", "day", 2),
    ("-XXXX-02-29", "-9996-02-29", "-0004-02-29", "day", 2),
    ("19X0-02-29", "1920-02-29", "1980-02-29", "day", 2),
    ("XX00-02-29", "0000-02-29", "9600-02-29", "day", 2),
    ("190X-02-X9", "1900-02-09", "1909-02-19", "day", 2),
    ("2025-08-~15/2025-08-~18", "2025-08-15", "2025-08-18", "day", 2),
    ("2004-06-XX/2004-07-03", "2004-06-01", "2004-07-03", "day", 2),
]


@pytest.mark.parametrize(("text", "earliest", "latest", "precision", "level"), DAYS, ids=[row[0] for row in DAYS])
def test_bounds(text, earliest, latest, precision, level):
    """Every form has the bounds, the precision and the level we promise, and whole days."""
    when = parse(text)

    assert (earliest, latest) == days(when)
    assert (precision, level) == (when.precision, when.level)
    assert when.earliest is None or when.earliest % 86400 == 0
    assert when.latest is None or when.latest % 86400 == 86399


TIMES = [
    ("2025-08-15T11:30:00-08:00", "2025-08-15T19:30:00Z", "2025-08-15T19:30:00Z", "second", True),
    ("2025-08-15T11:30:00+00:00", "2025-08-15T11:30:00Z", "2025-08-15T11:30:00Z", "second", True),
    ("2025-08-15T11:30:00-00:00", "2025-08-15T11:30:00Z", "2025-08-15T11:30:00Z", "second", True),
    ("2025-08-15T11:30:00Z", "2025-08-15T11:30:00Z", "2025-08-15T11:30:00Z", "second", True),
    ("1985-04-12T23:20:30-04", "1985-04-13T03:20:30Z", "1985-04-13T03:20:30Z", "second", True),
    ("2025-08-15T11:30:00", "2025-08-15T11:30:00Z", "2025-08-15T11:30:00Z", "second", False),
    ("2025-08-15T24:00:00", "2025-08-16T00:00:00Z", "2025-08-16T00:00:00Z", "second", False),
    ("9999-12-31T24:00:00", "+10000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "second", False),
    ("2025-08-15T11:30", "2025-08-15T11:30:00Z", "2025-08-15T11:30:59Z", "minute", False),
    ("2025-08-15T11:30-08:00", "2025-08-15T19:30:00Z", "2025-08-15T19:30:59Z", "minute", True),
    ("-1985-04-12T23:20:30+04:30", "-1985-04-12T18:50:30Z", "-1985-04-12T18:50:30Z", "second", True),
]


@pytest.mark.parametrize(("text", "earliest", "latest", "precision", "zoned"), TIMES, ids=[row[0] for row in TIMES])
def test_time_of_day(text, earliest, latest, precision, zoned):
    """A time of day is one second, or the whole minute where seconds are absent."""
    when = parse(text)

    assert (earliest, latest) == instants(when.bounds())
    assert ("datetime", precision, zoned) == (when.kind, when.precision, when.zoned)


@pytest.mark.parametrize(
    ("text", "approximate", "uncertain"),
    [
        ("2025", False, False),
        ("2025~", True, False),
        ("2025?", False, True),
        ("2025%", True, True),
        ("2025-08-~15", True, False),
        ("2025?-08-15", False, True),
        ("?2004-06~-10", True, True),
        ("2025-08-~15/2025-08-?18", True, True),
        ("[2025,2026~]", True, False),
        ("Y170000002?", False, True),
        ("2011-23~", True, False),
    ],
)
def test_marks_are_flags(text, approximate, uncertain):
    """Marks set the flags, and the bounds stay those of the text without marks."""
    when = parse(text)
    bare = parse("".join(char for char in text if char not in "?~%"))

    assert (approximate, uncertain) == (when.approximate, when.uncertain)
    assert bare.bounds() == when.bounds()


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("2025/2026", ("known", "known")),
        ("2025/..", ("known", "open")),
        ("2025/", ("known", "unknown")),
        ("../2025", ("open", "known")),
        ("/2025", ("unknown", "known")),
        ("/..", ("unknown", "open")),
        ("../", ("open", "unknown")),
        ("[..1984]", ("open", "known")),
        ("{1760-12..}", ("known", "open")),
    ],
)
def test_an_unknown_end_is_not_an_open_one(text, kinds):
    """Both have no bound; the kinds of the ends tell them apart."""
    when = parse(text)

    assert kinds == (when.start_kind, when.end_kind)
    assert (kinds[0] == "known") == (when.earliest is not None)
    assert (kinds[1] == "known") == (when.latest is not None)


def test_members_of_a_set_are_dates():
    """A run of dates is one member, an interval; nothing is enumerated."""
    when = parse("[..1667,1668-12~,1670..9999]")

    assert [str(each) for each in when.members] == ["../1667", "1668-12~", "1670/9999"]
    assert (when.kind, parse("{1960}").kind) == ("one-of", "all-of")
    assert parse("1670/9999") == when.members[2]
    assert when.members[0].start is None
    assert str(when.members[0].end) == "1667"


def test_ends_of_an_interval_are_dates():
    """An interval keeps its ends; where one is open or unknown there is none."""
    when = parse("2025-08~/..")

    assert parse("2025-08~") == when.start
    assert when.end is None
    assert when.members == ()


def test_a_date_is_a_frozen_value():
    """Equal text is an equal, hashable, unchangeable date without a __dict__, and it survives pickling."""
    when = parse("2025-08-15")

    assert {when: 1}[parse("2025-08-15")] == 1
    assert parse("2025-08-15~") != when
    assert repr(when) == "parse('2025-08-15')"
    assert not hasattr(when, "__dict__")
    assert pickle.loads(pickle.dumps(when)).latest == when.latest  # noqa: S301  # our own bytes
    with pytest.raises(AttributeError):
        when.earliest = 0


def test_public_names():
    """The package shows its public names and nothing else."""
    assert sorted(edtf.__all__) == dir(edtf)


def test_chronological_order():
    """Dates sort by earliest, then latest; what has no beginning comes first."""
    wanted = ["../..", "/2025", "Y-17E7", "2025-01-01", "2025-01", "2025", "2025/..", "2025-08-15", "Y12345"]
    given = sorted(wanted)

    assert [*wanted[1::-1], *wanted[2:]] == sorted(given, key=lambda text: parse(text).sort_key)


def test_within_and_overlaps():
    """May and must: the bounds share a second, or none of them is outside."""
    august = parse("2025-08")

    assert parse("2025-08-31/2025-09").overlaps(august)
    assert not parse("2025-08-31/2025-09").within(august)
    assert not parse("2025-09").overlaps(august)
    assert parse("2025-08-31T23:59:59").within(august)
    assert august.within(parse("../.."))
    assert not parse("../..").within(august)


# --- what is refused -------------------------------------------------------------------------------------------------

# text, offset of the caret, a word of the message that says what is wrong or what would be right
REFUSED = [
    ("2025-02-29", 8, "2025-02 has 28 days"),
    ("1900-02-29", 8, "1900-02 has 28 days"),
    ("2025-08-15/2025-08-10", 11, "the end is before the start"),
    ("20250815", 4, "write 2025-08-15"),
    ("2025-8-15", 5, "write 08"),
    ("2025-W33", 5, "week dates are not EDTF"),
    ("2025-227", 7, "day-of-year"),
    ("2025-02-3X", 8, "there is no day 3X"),
    ("2025-00", 5, "there is no month 00"),
    ("2025-13", 5, "there is no month 13"),
    ("2025-42", 5, "there is no month 42"),
    ("2025-2X", 5, "there is no month 2X"),
    ("2025-08-00", 8, "there is no day 00"),
    ("X900-02-29", 8, "there is no day 29"),
    ("XXX1-02-29", 8, "there is no day 29"),
    ("2025-08-15T11:30:60Z", 17, "there is no second 60"),
    ("2025-08-15T24:00:01", 17, "there is no second 01"),
    ("2025-08-15T25:00:00", 11, "there is no hour 25"),
    ("2025-08-15T11", 13, "write hours and minutes as 11:30"),
    ("2025-08-15T11:30:00.5Z", 19, "seconds are whole"),
    ("2025-08-15T11:30:00+0230", 22, "write 02"),
    ("2025-08T11:30:00", 7, "a time of day needs a day"),
    ("2025-08-15~T11:30:00", 11, "without marks"),
    ("2025-08-1XT11:30:00", 10, "without marks and X"),
    ("2025-08-15T11:30/2025-08-16", 10, "no time of day"),
    ("1984?~", 5, "now '%'"),
    ("199u", 3, "now 'X'"),
    ("1999-uu", 5, "now 'X'"),
    ("199x", 3, "capital X"),
    ("2025/open", 5, "write '..'"),
    ("unknown/2025", 0, "leave an unknown end blank"),
    ("y170000002", 0, "capital Y"),
    ("(2011)-06-04~", 0, "parentheses"),
    ("2001-21^southernHemisphere", 7, "southern seasons are 29 to 32"),
    ("193", 0, "write 0193, or 193X"),
    ("-0000", 0, "there is no year -0000"),
    ("Y2025", 0, "write 2025"),
    ("Y17E1", 0, "write 0170"),
    ("Y017000", 1, "leave the zeros out"),
    ("Y17E99999999", 0, "out of reach"),
    ("Y100000000000", 0, "out of reach"),
    ("Y", 1, "needs digits"),
    ("Y17E", 4, "needs digits"),
    ("Y170000002-08", 10, "has no month"),
    ("1950S0", 5, "write 1 or more"),
    ("1950S", 5, "write 1 or more"),
    ("19XXS2", 4, "without X"),
    ("2025-21-03", 7, "a season has no day"),
    ("+2025", 0, "no plus sign"),
    ("2025\N{EN DASH}08", 4, "plain hyphen"),
    ("2025-08-15\n", 10, "the date ends before this"),
    ("\N{FULLWIDTH DIGIT TWO}025", 0, "4 digits"),
    ("", 0, "there is no date"),
    ("/", 0, "known or open"),
    ("..", 0, "half of an interval"),
    ("2025..", 4, "half of an interval"),
    ("2025/2026/2027", 9, "two ends"),
    ("[]", 1, "not complete"),
    ("[", 1, "not complete"),
    ("[2025}", 5, "not complete"),
    ("[2025,,2026]", 6, "a date is missing"),
    ("[2025,]", 6, "a date is missing"),
    ("[..]", 1, "needs a date"),
    ("[....]", 3, "4 digits"),
    ("[1984....]", 7, "4 digits"),
    ("[2025,..2026]", 6, "open element amid"),
    ("[2025..,2026]", 5, "open element amid"),
    ("[2026..2025]", 7, "the end is before the start"),
    ("[2025,[2026]]", 6, "4 digits"),
    ("[2025/2026]", 5, "the date ends before this"),
    ("[2025-08-15T11:30:00Z]", 11, "no time of day"),
    ("[2025, 2026]", 6, "no spaces"),
    ("9" * (LIMIT + 1), LIMIT, "too long"),
]


@pytest.mark.parametrize(("text", "offset", "words"), REFUSED, ids=[row[0][:30] or "empty" for row in REFUSED])
def test_refused_with_a_caret(text, offset, words):
    """Bad text is refused by one exception that points at the character to blame and says what to write."""
    with pytest.raises(EdtfError) as caught:
        parse(text)

    message, shown, caret = str(caught.value).split("\n")
    assert words in message
    assert (text, offset) == (caught.value.text, caught.value.offset)
    assert caught.value.reason in message
    assert offset + 2 == caret.index("^")
    assert len(shown) <= LIMIT + 3


def test_the_whole_message():
    """The message is read by people: this is all of it."""
    with pytest.raises(ValueError, match="two marks") as caught:
        parse("1984?~/2004")

    assert str(caught.value) == (
        "two marks in a row; the '?~' of the 2012 draft is now '%', both uncertain and approximate\n"
        "  1984?~/2004\n"
        "       ^"
    )


def test_an_error_survives_pickling():
    """A worker process can hand an error back."""
    error = EdtfError("2025-13", 5, "there is no month 13", "write 01 to 12")

    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own bytes


def hostile_texts():
    """Texts of full length that would hurt a parser that backtracks, enumerates or nests."""
    patterns = ["9", "X", "-", "?", "?~%", "[", "{", "/", "..", ",", "XXXX-02-29,", "XXX1-02-29,", "0..9,", "Y", "E9"]
    for pattern in patterns:
        body = pattern * (LIMIT // len(pattern) + 1)
        yield from (body[:LIMIT], f"[{body}"[: LIMIT - 1] + "]", f"Y9{body}"[:LIMIT], f"2025/{body}"[:LIMIT])
    yield "[" + ",".join(["XXXX-02-29"] * 10) + "]"
    yield "[0000..9999,Y-99999999999..Y99999999999]"


def calls_made(text):
    """Count the calls that parsing makes, Python's and C's, with nothing remembered: its work, without a clock."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        _parsed.__wrapped__(text)
    except EdtfError:
        pass
    finally:
        sys.setprofile(before)
    return calls


def test_hostile_text_of_full_length_is_cheap():
    """Whatever stands in 120 characters, the work is bounded: no year of a mask, a set or a run is enumerated."""
    worst = max(hostile_texts(), key=calls_made)

    assert calls_made(worst) < 5_000, worst


def test_work_grows_with_the_text_and_not_faster():
    """Ten members cost about ten times what one does."""
    one, ten = ("[" + ",".join(["XXXX-02-29"] * members) + "]" for members in (1, 10))

    assert calls_made(ten) < 12 * calls_made(one)


def test_huge_years_fit_64_bits():
    """Every year we accept has bounds that a signed 64-bit column can hold."""
    ages = parse("Y-99999999999/Y99999999999")

    assert -(2**63) <= ages.earliest < ages.latest < 2**63
    assert iso(ages.earliest) == "-99999999999-01-01T00:00:00Z"
    assert iso(ages.latest) == "+99999999999-12-31T23:59:59Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
        (253402300800, "+10000-01-01T00:00:00Z"),
        (-62167219200, "0000-01-01T00:00:00Z"),
        (-62167219201, "-0001-12-31T23:59:59Z"),
    ],
)
def test_seconds_to_text(seconds, text):
    """Seconds are written as RFC 3339, with a sign beyond four digits."""
    assert text == iso(seconds)
    assert text[: text.index("T")] == day(seconds)
    assert ymd(seconds)[0] == int(day(seconds)[:-6])


# --- time zones ------------------------------------------------------------------------------------------------------

ZONES = [
    ("2025-08-15", None, "2025-08-15T00:00:00Z", "2025-08-15T23:59:59Z"),
    ("2025-08-15", "UTC", "2025-08-15T00:00:00Z", "2025-08-15T23:59:59Z"),
    ("2025-08-15", "America/Anchorage", "2025-08-15T08:00:00Z", "2025-08-16T07:59:59Z"),
    ("2025-08-15T11:30:00", "America/Anchorage", "2025-08-15T19:30:00Z", "2025-08-15T19:30:00Z"),
    ("2025-08-15T11:30:00-08:00", "Europe/Moscow", "2025-08-15T19:30:00Z", "2025-08-15T19:30:00Z"),
    ("2025-08-15", "Pacific/Kiritimati", "2025-08-14T10:00:00Z", "2025-08-15T09:59:59Z"),
    # Kiritimati had no 31 December 1994: alone it is read with the offset before the gap, as an end it adds nothing.
    ("1994-12-31", "Pacific/Kiritimati", "1994-12-31T10:00:00Z", "1995-01-01T09:59:59Z"),
    ("1994-12-30/1994-12-31", "Pacific/Kiritimati", "1994-12-30T10:00:00Z", "1994-12-31T09:59:59Z"),
    ("1995-01-01", "Pacific/Kiritimati", "1994-12-31T10:00:00Z", "1995-01-01T09:59:59Z"),
    # Days of 23 and 25 hours; a time that does not exist; a time that happens twice.
    ("2025-03-30", "Europe/Paris", "2025-03-29T23:00:00Z", "2025-03-30T21:59:59Z"),
    ("2025-10-26", "Europe/Paris", "2025-10-25T22:00:00Z", "2025-10-26T22:59:59Z"),
    ("2025-03-30T02:30:00", "Europe/Paris", "2025-03-30T01:30:00Z", "2025-03-30T01:30:00Z"),
    ("2025-10-26T02:30:00", "Europe/Paris", "2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z"),
    # Clocks that moved across midnight: the day begins with the first second that bears its date.
    ("1919-03-30", "America/Toronto", "1919-03-30T05:00:00Z", "1919-03-31T04:29:59Z"),
    ("1919-03-31", "America/Toronto", "1919-03-31T04:30:00Z", "1919-04-01T03:59:59Z"),
    ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59Z"),
    # Beyond datetime: standard offset of the last years, local mean time of the first.
    ("Y12345", "America/Anchorage", "+12345-01-01T09:00:00Z", "+12346-01-01T08:59:59Z"),
    ("-0043-03-15", "Europe/Rome", "-0043-03-14T23:10:04Z", "-0043-03-15T23:10:03Z"),
    ("9999-12-31", "Pacific/Kiritimati", "9999-12-30T10:00:00Z", "9999-12-31T09:59:59Z"),
    ("0001-01-01", "America/Anchorage", "0000-12-31T09:59:36Z", "0001-01-01T09:59:35Z"),
    ("2025-08-15/..", "America/Anchorage", "2025-08-15T08:00:00Z", None),
    ("../..", "America/Anchorage", None, None),
]


@pytest.mark.parametrize(("text", "tz", "earliest", "latest"), ZONES, ids=[f"{row[0]} {row[1]}" for row in ZONES])
def test_civil_dates_in_a_zone(text, tz, earliest, latest):
    """A civil date is what the clocks of its zone showed; an offset is kept."""
    assert (earliest, latest) == instants(parse(text).bounds(tz))


@pytest.mark.parametrize(
    "tz", ["", "Mars/Olympus", "America", "../etc/passwd", "/etc/localtime", "a\0b", "\ud800", "é"]
)
def test_unknown_zone(tz):
    """A zone that does not exist is our error too, wherever it is given and even if it is not needed."""
    for read in (parse("2025").bounds, parse("2025-08-15T11:30:00Z").bounds, lambda tz: parse_range("2025", tz)):
        with pytest.raises(EdtfError, match="no such time zone"):
            read(tz)


# --- ranges of a query -----------------------------------------------------------------------------------------------

A, B = "2025-08-15T19:30:00Z", "2025-08-16T00:00:00Z"

RANGES = [
    (A, None, A, A),
    ("2025-08-15T11:30:00-08:00", None, A, A),
    (f"{A}/{B}", None, A, B),
    (f"{A}/..", None, A, None),
    (f"../{B}", None, None, B),
    (f"{A}/", None, A, None),
    (f"/{B}", None, None, B),
    ("2025-08-15t19:30:00z", None, A, A),
    ("2025-08-15t19:30:00z/2025-08-16t00:00:00z", None, A, B),
    ("2025-08-15T19:30:00.999Z", None, A, A),
    ("2025-08-15T19:30:00.5+00:00/2025-08-16T00:00:00.999999999Z", None, A, B),
    ("2025-08", None, "2025-08-01T00:00:00Z", "2025-08-31T23:59:59Z"),
    ("2025-08/2025-09", None, "2025-08-01T00:00:00Z", "2025-09-30T23:59:59Z"),
    ("2025-08-15/..", "America/Anchorage", "2025-08-15T08:00:00Z", None),
    (f"2025-08-15/{B}", "America/Anchorage", "2025-08-15T08:00:00Z", B),
    ("2025-08-15", "Europe/Moscow", "2025-08-14T21:00:00Z", "2025-08-15T20:59:59Z"),
    ("2025-08-15T22:30:00", "Europe/Moscow", A, A),
    ("[2025-08-15,2025-08-17]", "UTC", "2025-08-15T00:00:00Z", "2025-08-17T23:59:59Z"),
    ("2025-24~", None, "2025-12-01T00:00:00Z", "2026-02-28T23:59:59Z"),
    ("Y-17E7/-0043", None, "-170000000-01-01T00:00:00Z", "-0043-12-31T23:59:59Z"),
]


@pytest.mark.parametrize(("text", "tz", "earliest", "latest"), RANGES, ids=[row[0] for row in RANGES])
def test_ranges(text, tz, earliest, latest):
    """A range is EDTF, an RFC 3339 instant, or the OGC interval of either."""
    assert (earliest, latest) == instants(parse_range(text, tz))


REFUSED_RANGES = [
    ("../..", 0, "no date"),
    ("/", 0, "no date"),
    ("/..", 0, "no date"),
    ("../", 0, "no date"),
    ("..", 0, "no date"),
    ("", 0, "empty"),
    (f"{A}/{B}/{B}", 41, "more than two ends"),
    (f"{B}/{A}", 21, "ends before it starts"),
    ("2025-02-29T00:00:00Z", 8, "2025-02 has 28 days"),
    ("2025-08-15T19:30:00,5Z", 19, "full stop"),
    ("2025-08-15T19:30:00.Z", 20, "needs digits"),
    ("2025-08-15T11:30:00 03:00", 19, "%2B"),
    ("2025-08-15T11:30 03:00/..", 16, "%2B"),
    ("2025-08-15 11:30:00Z", 10, "write T"),
    (" 2025-08-15", 0, "leave it out"),
    ("2025-08-15T23:59:60Z", 17, "there is no second 60"),
    ("2025-13/..", 5, "there is no month 13"),
    ("../2025-13", 8, "there is no month 13"),
    ("2025/[2026]", 5, "4 digits"),
    ("yesterday", 0, "4 digits"),
    ("2" * (LIMIT + 1), LIMIT, "too long"),
]


@pytest.mark.parametrize(
    ("text", "offset", "words"), REFUSED_RANGES, ids=[r[0][:40] or "empty" for r in REFUSED_RANGES]
)
def test_refused_ranges(text, offset, words):
    """A bad range is refused with the offset in the whole text and a word on what to do."""
    with pytest.raises(EdtfError, match=r"\n  .*\n +\^$") as caught:
        parse_range(text)

    assert words in str(caught.value)
    assert (text, offset) == (caught.value.text, caught.value.offset)


# --- a foreign list --------------------------------------------------------------------------------------------------

# Where the list of unt-libraries/edtf-validate and we part. Everything else in it must agree, level included.
ADJUDICATED = {
    # "invalid" there: the end is the month or year the start lies in. LoC EDTF L0 "Time interval" only asks for a start
    # and an end, and its own example 2004-02-01/2005-02 mixes precisions; the month is not over when the day begins.
    "0000-01-03/0000-01": "accepted: the end is not over before the start",
    "0000-02/0000": "accepted: the end is not over before the start",
    "2004-06-11%/2004-%06": "accepted: the end is not over before the start",
    "2004-06-11%/2004-06~": "accepted: the end is not over before the start",
    # "invalid" there: its grammar has no Y-years in intervals. LoC EDTF L1 "Letter-prefixed calendar year" makes them
    # years like any other, and -61000 is before -2000.
    "Y-61000/-2000": "accepted: in order, and no clause keeps Y-years out of intervals",
    # "level 2" there. LoC EDTF L1 has both seasons and the mark at the end of the whole date.
    "2011-23~": "level 1: L1 'Seasons' and L1 'Qualification of a date (complete)'",
}


@pytest.fixture(scope="module")
def vectors():
    """Strings of unt-libraries/edtf-validate."""
    if not VECTORS.exists():
        pytest.skip("the list of edtf-validate is not part of this repository (shared/vectors/edtf-strings.json)")
    return json.loads(VECTORS.read_text(encoding="utf-8"))


def test_foreign_list(vectors):
    """All 262 strings: accepted at their level or refused, but for those adjudicated above."""
    wanted = {row["edtf"]: row["level"] for row in vectors["valid"]} | dict.fromkeys(
        (row["edtf"] for row in vectors["invalid"]), None
    )
    parted = {text for text, level in wanted.items() if verdict(text) != level}

    assert set(ADJUDICATED) == parted
    assert (len(vectors["valid"]), len(vectors["invalid"])) == (206, 56)


def test_adjudications_hold():
    """Each string we judge differently is read as its line says, list or no list."""
    for text, why in ADJUDICATED.items():
        assert ("level 1" in why) == (verdict(text) == 1 and "/" not in text), text
        assert verdict(text) is not None
