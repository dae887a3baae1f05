"""Human dates to EDTF: what was written and nothing else, refusals that say what would be right, and parts of dates."""

from calendar import month_name

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timeline.edtf import parse
from timeline.errors import Invalid
from timeline.importing.drafts import Reading
from timeline.importing.readers.dates import TIMES_LOST, from_parts, join, read_date, read_time

PLAIN = {
    "2025": "2025", " 2025 ": "2025", "850": "0850",
    "August 2025": "2025-08", "août 2025": "2025-08", "Sept. 2025": "2025-09", "mai 2025": "2025-05",
    "2025 August": "2025-08",
    "08/2025": "2025-08", "2025/08": "2025-08", "2025-8": "2025-08",
    "15 August 2025": "2025-08-15", "Aug 15, 2025": "2025-08-15", "15 août 2025": "2025-08-15",
    "15 AOUT 2025": "2025-08-15", "1er août 2025": "2025-08-01", "le 14 juil. 1789": "1789-07-14",
    "the 15th of August 2025": "2025-08-15", "August 2nd, 2025": "2025-08-02", "15-Aug-2025": "2025-08-15",
    "2025-8-5": "2025-08-05", "2025/08/15": "2025-08-15", "2025.08.15": "2025-08-15", "20250815": "2025-08-15",
    "29 Feb 2024": "2024-02-29", "Friday, 15 August 2025": "2025-08-15", "vendredi 15 août 2025": "2025-08-15",
    "15\u00a0August\u00a02025": "2025-08-15", "15 aou\u0302t 2025": "2025-08-15",
    "24 August 1000": "1000-08-24", "24 August 999": "0999-08-24", "May 5 2025": "2025-05-05",
}
TIMED = {
    "15 August 2025 11:30": "2025-08-15T11:30", "15 August 2025, 11:30 pm": "2025-08-15T23:30",
    "15 August 2025 12:05 am": "2025-08-15T00:05", "15 August 2025 at 2 p.m.": "2025-08-15T14:00",
    "15 août 2025 à 14h30": "2025-08-15T14:30", "15 août 2025 à 14 h": "2025-08-15T14:00",
    "11:30 on 15 August 2025": "2025-08-15T11:30", "15 August 2025 – 11:30": "2025-08-15T11:30",
    "2025-08-15 11:30:07": "2025-08-15T11:30:07", "2025-08-15 11:30Z": "2025-08-15T11:30Z",
    "15 August 2025 11:30 UTC": "2025-08-15T11:30Z", "15 August 2025 11:30 GMT+2": "2025-08-15T11:30+02:00",
    "2025-08-15T11:30:00+0200": "2025-08-15T11:30:00+02:00",
    "2025-08-15T11:30:00\u221208:00": "2025-08-15T11:30:00-08:00",
    "Fri, 15 Aug 2025 11:30:00 GMT": "2025-08-15T11:30:00Z",
    "Fri, 15 Aug 2025 11:30:00 -0800 (AKDT)": "2025-08-15T11:30:00-08:00",
    "20250815T113000Z": "2025-08-15T11:30:00Z", "20250815T1130": "2025-08-15T11:30",
    "15 August 2025 10:00-08:00": "2025-08-15T10:00-08:00",
}
DOUBT = {
    **dict.fromkeys(("c. 1850", "c 1850", "c1850", "ca. 1850", "ca 1850", "circa 1850", "about 1850", "vers 1850",
                     "Around 1850"), "1850~"),
    "1850?": "1850?", "1850 (?)": "1850?", "probably 1850": "1850?", "c. 1850?": "1850%",
    "peut-être août 2025": "2025-08?",
    "c. 15 August 2025": "2025-08-15~", "c. 1940s": "194X~", "c. spring 2025": "2025-21~",
}
ERAS = {
    "44 BC": "-0043", "44 BCE": "-0043", "44 B.C.": "-0043", "44 av. J.-C.": "-0043", "44 avant J.-C.": "-0043",
    "1 BC": "0000",
    "15 March 44 BC": "-0043-03-15", "29 February 45 BC": "-0044-02-29", "c. 44 BC": "-0043~",
    "AD 79": "0079", "79 AD": "0079", "79 CE": "0079", "79 apr. J.-C.": "0079", "24 August 79 AD": "0079-08-24",
    "10,000 BC": "-9999", "10 000 av. J.-C.": "-9999", "12000 BC": "Y-11999",
}
LONGER = {
    "1940s": "194X", "the 1940s": "194X", "1940's": "194X", "années 1940": "194X", "les années 1900": "190X",
    "440s BC": "[-0448..-0439]", "79 BC – AD 79": "-0078/0079",
    "19th century": "18XX", "the 19th century": "18XX", "XIXe siècle": "18XX", "le 19e siècle": "18XX",
    "21st century": "20XX",
    "5th century BC": "-04XX", "1st century": "[0001..0100]", "1st century BC": "[-0099..0000]",
    "spring 2025": "2025-21", "printemps 2025": "2025-21", "Summer 2025": "2025-22", "été 2025": "2025-22",
    "autumn 2025": "2025-23", "fall 2025": "2025-23", "hiver 2025": "2025-24", "winter 2024–2025": "2024-24",
    "winter 2024/25": "2024-24", "Q3 2025": "2025-35", "T1 2025": "2025-33", "2025 Q4": "2025-36", "H2 2025": "2025-41",
}
SPANS = {
    "between 1850 and 1860": "[1850..1860]", "entre 1850 et 1860": "[1850..1860]",
    "between 15 and 18 August 2025": "[2025-08-15..2025-08-18]",
    "entre le 15 et le 18 août 2025": "[2025-08-15..2025-08-18]",
    "15 August 2025 to 18 August 2025": "2025-08-15/2025-08-18", "1914-1918": "1914/1918", "1914–18": "1914/1918",
    "1914-18": "1914/1918", "2025-08-15 - 2025-08-18": "2025-08-15/2025-08-18",
    **dict.fromkeys(("15–18 August 2025", "15-18 August 2025", "August 15–18, 2025", "du 15 au 18 août 2025",
                     "from 15 to 18 August 2025", "from the 15th to the 18th of August 2025"), "2025-08-15/2025-08-18"),
    "Aug 30 – Sep 2, 2025": "2025-08-30/2025-09-02", "30 August - 2 September 2025": "2025-08-30/2025-09-02",
    "Aug-Sep 2025": "2025-08/2025-09", "d'août à septembre 2025": "2025-08/2025-09", "c. 1850 – 1860": "1850~/1860",
    "1990 – present": "1990/..", "since 1990": "1990/..", "depuis 1990": "1990/..", "from 1990": "1990/",
    "until 1850": "/1850", "jusqu'en 1850": "/1850", "by 1850": "[..1850]", "before 1850": "[..1849]",
    "avant 1850": "[..1849]", "before 1 March 2024": "[..2024-02-29]", "after 15 August 2025": "[2025-08-16..]",
    "après 1850": "[1851..]", "after December 2025": "[2026-01..]", "before spring 2025": "[..2025-02]",
    "after the 1940s": "[1950..]", "before c. 1850": "[..1849~]", "before 44 BC": "[..-0044]", "after 1 BC": "[0001..]",
}
EDTF = ("2025-08-15/2025-08-18", "[..2025]", "Y12345", "2025-21", "2025-08-15T11:30:00Z", "-0043", "~1850",
"2025-08-XX",
        "2025-08-15T24:00:00Z", "{1960,1961-12}", "2025/..")


@pytest.mark.parametrize(("text", "edtf"), [
    pair for table in (PLAIN, TIMED, DOUBT, ERAS, LONGER, SPANS) for pair in table.items()
])
def test_a_human_date_has_the_fields_that_were_written_and_no_others(text, edtf):
    reading = Reading()
    assert read_date(text, reading) == edtf
    assert not reading.losses


@pytest.mark.parametrize("text", EDTF)
def test_valid_edtf_is_given_back_as_it_is(text):
    assert read_date(text, Reading()) == text


@pytest.mark.parametrize(("text", "said"), [
    ("", "empty"), ("   ", "empty"), ("9" * 200, "too long"), ("1 " * 60, "no date"),
    ("15/08/25", "two digits"), ("15 Aug 25", "two digits"), ("'25", "two digits"), ("40s", "two digits"), ("25",
    "two digits"),
    ("années 40", "two digits"),
    ("Friday", "weekday alone"), ("vendredi", "weekday alone"), ("Friday August 2025", "no day of the month"),
    ("Monday 15 August 2025", "that day is a Friday, not a Monday"),
    ("yesterday", "depends on the day"), ("next Friday", "depends on the day"), ("hier", "depends on the day"),
    ("il y a 3 ans", "depends on the day"), ("3 days ago", "depends on the day"),
    ("11:30", "time without a day"), ("2 pm", "time without a day"), ("August 2025 11:30", "no day"),
    ("15 August 2025 11:30 EST", "time zone EST"), ("15 August 2025 11:30 CET", "time zone CET"),
    ("15 August 2025 11:30 Europe/Paris", "--tz"), ("15 August 2025 11:30 +15:00", "no offset"),
    ("15 August 2025 10:00-11:00", "two times"), ("15 August 2025 13:30 pm", "no time of day"),
    ("15 August 2025 25:00", "no time of day"), ("15 August 2025 0 am", "no time of day"),
    ("15 August 2025 11:30 or so", "after the time of day"),
    ("31 February 2025", "2025-02 has 28 days"), ("29 Feb 2025", "2025-02 has 28 days"), ("2025-02-30", "28 days"),
    ("31 février 2025", "28 days"), ("45 August 2025", "31 days"), ("0 August 2025", "31 days"), ("29 Feb 46 BC",
    "28 days"),
    ("2025-13-01", "no month 13"), ("2025-15-08", "no month 15"), ("0000-00-00", "no month"), ("99/99/2025",
    "no month"),
    ("15 August", "no year"), ("August", "no year"), ("31 February", "no year"), ("15 foo 2025", "month should stand"),
    ("early August 2025", "vague"), ("mid-1950s", "vague"), ("fin août 2025", "vague"),
    ("1900s", "ten years or a hundred"), ("2001–05", "or a month"), ("2001/05", "2001 to 2005"), ("2024/25",
    "2024 to 2025"),
    ("1939-41", "1939 to 1941"), ("2019-21", "2019 to 2021"), ("summer 2024-2025", "two years"), ("0 BC", "year 0"),
    ("18 – 15 August 2025", "before the start"), ("31 December – 2 January 2026", "before the start"),
    ("between 1860 and 1850", "before the start"), ("about 15 August 2025 11:30", "without a time"),
    ("before 15 August 2025 11:30", "without a time"), ("since 15 August 2025 11:30", "without a time"),
    ("c. before 1850", "doubt"), ("between 15 August 2025 11:30 and 16 August 2025", "no time of day"),
    ("A 5", "no date"), ("5", "no date"), ("12345", "no date"), ("250815", "no date"), ("-44", "no date"), ("1 2 3",
    "no date"),
    ("2025 2025", "no date"), ("15 16 August 2025", "no date"), ("1990 –", "no date"), ("15 August 2025 Paris",
    "no date"),
    ("٢٠٢٥", "no date"), ("2025²", "no date"), ("nan", "no date"), ("infinity", "no date"), ("1e3", "no date"),
    ("99th century of mankind", "no date"), ("0th century", "no century"), ("Q5 2025", "no date"), ("H3 2025",
    "no date"),
])
def test_what_is_no_date_or_says_two_things_is_refused_with_what_is_wrong(text, said):
    with pytest.raises(Invalid) as refused:
        read_date(text, Reading())
    assert said in refused.value.detail
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize("text", ["10.5.2025", "10/05/2025", "10-05-2025", "10/05/2025 12:00"])
def test_a_numeric_date_is_ambiguous_until_somebody_says_what_comes_first(text):
    with pytest.raises(Invalid, match=r"--day-first or --month-first"):
        read_date(text, Reading())
    assert read_date(text, Reading(day_first=True)).startswith("2025-05-10")
    assert read_date(text, Reading(day_first=False)).startswith("2025-10-05")


@pytest.mark.parametrize("day_first", [None, True, False])
@pytest.mark.parametrize(("text", "edtf"), [
    ("13.5.2025", "2025-05-13"), ("5/13/2025", "2025-05-13"), ("5/5/2025", "2025-05-05"), ("05/5/2025", "2025-05-05"),
])
def test_a_numeric_date_with_one_sense_is_read_whatever_comes_first(text, edtf, day_first):
    assert read_date(text, Reading(day_first=day_first)) == edtf


def test_the_order_that_was_said_holds_for_both_ends_of_an_interval():
    assert read_date("10/05/2025 - 12/05/2025", Reading(day_first=True)) == "2025-05-10/2025-05-12"


def test_a_fraction_of_a_second_is_cut_and_counted():
    reading = Reading()
    assert read_date("2025-08-15T11:30:00.123+02:00", reading) == "2025-08-15T11:30:00+02:00"
    assert reading.losses == {"fractions of a second": 1}
    assert read_date("2025-08-15T11:30:00.000Z", reading) == "2025-08-15T11:30:00Z"
    assert reading.losses == {"fractions of a second": 1}


def test_old_weekdays_are_left_alone_as_they_may_be_julian():
    assert read_date("Monday 15 March 1452", Reading()) == "1452-03-15"
    assert read_date("Monday 15 March 44 BC", Reading()) == "-0043-03-15"


def test_a_refusal_quotes_what_was_written():
    with pytest.raises(Invalid, match=r"^'15 AUG 25' has a year of two digits: write all four"):
        read_date("15 AUG 25", Reading())


WORDS = st.sampled_from((
    "2025", "15", "5", "aug", "August", "août", "to", "–", "-", "/", ".", ":", "between", "and", "c.", "?", "before",
    "bc", "the",
    "1940s", "century", "19th", "spring", "11:30", "pm", "+02:00", "UTC", "T", "Z", "monday", "..", "[", "]", "X",
    "since", "from",
))


@given(st.one_of(
    st.text(max_size=130),
    st.text("0123456789-/.:,TZ+~?X[]{} ", max_size=30),
    st.lists(WORDS, max_size=8).map(" ".join),
    st.lists(WORDS, max_size=8).map("".join),
), st.sampled_from((None, True, False)))
@example("9" * 30, None)
@example("\x00", None)
@example("\ud800", None)
@example("inf", None)
def test_whatever_is_written_is_edtf_or_invalid(text, day_first):
    try:
        found = read_date(text, Reading(day_first=day_first))
    except Invalid as error:
        assert error.detail  # noqa: PT017 - either end is right
    else:
        assert str(parse(found)) == found


@given(st.dates(), st.sampled_from(("{0.day} {1} {0.year:04}", "{1} {0.day}, {0.year:04}",
"{0.year:04}/{0.month}/{0.day}")))
def test_every_day_of_the_calendar_can_be_written_in_words(date, form):
    assert read_date(form.format(date, month_name[date.month]), Reading()) == date.isoformat()


# ---------------------------------------------------------------------------------------------- times alone

@pytest.mark.parametrize(("text", "time"), [
    ("11:30", "11:30"), ("2:30 pm", "14:30"), ("12 am", "00:00"), ("14h30", "14:30"), ("11:30:15Z", "11:30:15Z"),
    ("00:00:00", "00:00:00"), ("9:05+02:00", "09:05+02:00"),
])
def test_a_time_alone_is_written_as_edtf(text, time):
    assert read_time(text, Reading()) == time


@pytest.mark.parametrize("text", ["", "noon", "25:00", "11", "11:30 CET", "2025", "1" * 200])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Invalid):
        read_time(text, Reading())


# ---------------------------------------------------------------------------------------------- intervals

@pytest.mark.parametrize(("start", "end", "joined"), [
    ("2025-08-15", "2025-08-18", "2025-08-15/2025-08-18"), ("2025", "2025", "2025"), ("2025-08", "2025-08-20",
    "2025-08/2025-08-20"),
    ("1850~", "1860?", "1850~/1860?"), ("-0043", "0014", "-0043/0014"), ("2020/2021", "2023/2024", "2020/2024"),
    ("2025", "2026/..", "2025/.."), ("194X", "195X", "194X/195X"),
])
def test_two_dates_are_joined_to_an_interval(start, end, joined):
    assert join(start, end) == joined


@pytest.mark.parametrize(("start", "end", "joined", "lost"), [
    ("2025-08-15T11:30", "2025-08-15T12:30", "2025-08-15T11:30", 1),
    ("2025-08-15T11:30Z", "2025-08-16T12:30Z", "2025-08-15/2025-08-16", 1),
    ("2025-08-15T11:30", "2025-08-16", "2025-08-15/2025-08-16", 1),
    ("2025-08-15T11:30:00Z", "2025-08-15T13:30:00+02:00", "2025-08-15T11:30:00Z", 0),
    ("2025-08-16T01:00:00+10:00", "2025-08-15T20:00:00Z", "2025-08-15/2025-08-16", 1),
])
def test_an_interval_has_no_times_of_day_and_the_loss_is_counted(start, end, joined, lost):
    reading = Reading()
    assert join(start, end, reading) == join(start, end) == joined
    assert reading.losses[TIMES_LOST] == lost


@pytest.mark.parametrize(("start", "end"), [
    ("2025-08-18", "2025-08-15"), ("2025", "2024"), ("2025-08-15T12:00", "2025-08-15T11:00"), ("[..2025]", "2026"),
    ("2025", "{2026,2027}"), ("soon", "2025"), ("2025", "2025-02-30"), ("2025-08-16", "2025-08-15T11:30"),
])
def test_what_makes_no_interval_is_refused(start, end):
    with pytest.raises(Invalid):
        join(start, end)


# ---------------------------------------------------------------------------------------------- dates in parts

@pytest.mark.parametrize(("parts", "edtf"), [
    ({"year": 2025}, "2025"), ({"year": "2025", "month": "8"}, "2025-08"), ({"year": 2025, "month": 8, "day": 15},
    "2025-08-15"),
    ({"year": -44, "month": 3, "day": 15}, "-0043-03-15"), ({"year": "-1"}, "0000"), ({"year": 79}, "0079"),
    ({"year": "2,025"}, "2025"), ({"year": " 2 025 "}, "2025"), ({"year": "\u221244"}, "-0043"), ({"year": 2025.0},
    "2025"),
    ({"year": 2025, "month": 0, "day": 0, "hour": 0}, "2025"), ({"year": 2025, "month": "", "day": None}, "2025"),
    ({"year": 2025, "month": 8, "day": 15, "hour": "0"}, "2025-08-15T00:00"),
    ({"year": 2025, "month": 8, "day": 15, "hour": 0}, "2025-08-15"),
    ({"year": 2025, "month": 8, "day": 15, "hour": 0, "minute": 30}, "2025-08-15T00:30"),
    ({"year": 2025, "month": 8, "day": 15, "hour": 11, "minute": 30, "second": 5}, "2025-08-15T11:30:05"),
    ({"year": 12025}, "Y12025"), ({"year": -13_800_000_000}, "Y-13799999999"),
    ({"year": 2025, "format": "long", "display_date": "then"}, "2025"),
])
def test_dates_in_parts_count_years_as_historians_do(parts, edtf):
    assert from_parts(parts) == edtf


@pytest.mark.parametrize(("parts", "part"), [
    ({}, "year"), ({"month": 8}, "year"), ({"year": 0}, "year"), ({"year": "0"}, "year"), ({"year": "2025?"}, "year"),
    ({"year": 2025.5}, "year"), ({"year": True}, "year"), ({"year": [2025]}, "year"), ({"year": "9" * 12}, "year"),
    ({"year": 2025, "month": 13}, "month"), ({"year": 2025, "month": "0"}, "month"), ({"year": 2025, "month": -1},
    "month"),
    ({"year": 2025, "month": "Aug"}, "month"), ({"year": 2025, "month": 2, "day": 31}, "day"),
    ({"year": 2025, "month": 2, "day": 29}, "day"), ({"year": 2025, "day": 5}, "day"),
    ({"year": 2025, "month": 8, "hour": 5}, "hour"), ({"year": 2025, "month": 8, "day": 15, "hour": 24}, "hour"),
    ({"year": 2025, "month": 8, "day": 15, "minute": 5}, "minute"),
    ({"year": 2025, "month": 8, "day": 15, "hour": 5, "minute": 60}, "minute"),
    ({"year": 2025, "month": 8, "day": 15, "hour": 5, "minute": 5, "second": 60}, "second"), ({"year": 12025,
    "month": 1}, "month"),
])
def test_parts_that_make_no_date_are_refused_by_name(parts, part):
    with pytest.raises(Invalid) as refused:
        from_parts(parts)
    assert [fault.pointer for fault in refused.value.faults] == [f"/{part}"]


def test_milliseconds_are_counted_as_lost():
    reading = Reading()
    parts = {"year": 2025, "month": 8, "day": 15, "hour": 11, "minute": 30, "second": 5, "millisecond": 250}
    assert from_parts(parts, reading) == "2025-08-15T11:30:05"
    assert reading.losses == {"fractions of a second": 1}


@given(st.dictionaries(
    st.sampled_from(("year", "month", "day", "hour", "minute", "second", "millisecond", "other")),
    st.one_of(st.integers(-3000, 3000), st.integers(0, 31), st.text(max_size=5), st.none(), st.booleans(), st.floats(),
              st.lists(st.integers(), max_size=1)),
))
def test_whatever_the_parts_are_they_make_edtf_or_invalid(parts):
    try:
        found = from_parts(parts)
    except Invalid as error:
        assert error.faults  # noqa: PT017 - either end is right
    else:
        assert str(parse(found)) == found
