"""Laws of dates: what must hold for every text, not only for those we thought of."""

import datetime as dt
import string
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from timeline.edtf import EdtfError, day, iso, parse, parse_range, ymd
from timeline.edtf.axis import DAY, day_number, is_leap, month_length

EPOCH = dt.date(1970, 1, 1).toordinal()
# No zone here skipped a whole day: such a day belongs to no instant, and its reading is a table in test_edtf.py.
ZONES = st.sampled_from([None, "UTC", "Europe/Paris", "America/Anchorage", "Pacific/Chatham", "America/Toronto"])


def masked(width):
    """Digits of which some are not known."""
    return st.text("0123456789X", min_size=width, max_size=width)


MARKS = st.sampled_from(["", "", "", "?", "~", "%"])
DATES = st.dates().map(str)
MASKS = st.tuples(MARKS, st.sampled_from(["", "-"]), masked(4), MARKS, masked(2), MARKS, masked(2), MARKS).map(
    lambda p: f"{p[0]}{p[1]}{p[2]}{p[3]}-{p[4]}{p[5]}-{p[6]}{p[7]}"
)
MONTHS = st.tuples(masked(4), st.integers(1, 41), MARKS).map(lambda p: f"{p[0]}-{p[1]:02}{p[2]}")
YEARS = st.tuples(st.sampled_from(["", "-"]), masked(4), MARKS).map("".join)
LONG_YEARS = st.integers(-(10**11) + 1, 10**11 - 1).filter(lambda y: abs(y) > 9999).map("Y{}".format)
SIGNIFICANT = st.tuples(LONG_YEARS, st.integers(1, 12)).map(lambda p: f"{p[0]}S{p[1]}")


def refusal(read, text):
    """Error with which a text is refused, or None; anything but EdtfError escapes and fails the test."""
    try:
        read(text)
    except EdtfError as error:
        return error
    return None


def is_edtf(text):
    """Whether the text parses."""
    return refusal(parse, text) is None


ONE = st.one_of(DATES, MASKS, MONTHS, YEARS, LONG_YEARS, SIGNIFICANT).filter(is_edtf)
INTERVALS = (
    st.tuples(ONE | st.sampled_from(["", ".."]), ONE | st.sampled_from(["", ".."])).map("/".join).filter(is_edtf)
)
RUNS = st.tuples(ONE, ONE).map("..".join).filter(lambda run: is_edtf(f"[{run}]"))
SETS = (
    st.lists(ONE | RUNS, min_size=1, max_size=4)
    .map(",".join)
    .flatmap(lambda body: st.sampled_from([f"[{body}]", f"{{{body}}}", f"[{body}..]", f"{{..{body}}}"]))
    .filter(is_edtf)
)
TIMES = st.tuples(st.datetimes().map(lambda t: t.isoformat(timespec="seconds")), st.sampled_from(["", "Z", "-08:00"]))
ANY = st.one_of(ONE, INTERVALS, SETS, TIMES.map("".join)).map(parse)


@given(ANY)
def test_text_is_kept(when):
    """str and parse are inverse."""
    assert parse(str(when)) == when
    assert str(parse(str(when))) == str(when)


@given(ANY)
def test_earliest_is_not_after_latest(when):
    """A date has at least one second; only ends that are not known have no bound."""
    earliest, latest = when.sort_key

    assert earliest <= latest
    assert (when.earliest is None) == (when.start_kind != "known")
    assert (when.latest is None) == (when.end_kind != "known")


@given(SETS.map(parse), ZONES)
def test_a_set_contains_its_members(when, tz):
    """No member reaches beyond its set, and each member is itself a date with a text."""
    earliest, latest = when.bounds(tz)
    for member in when.members:
        first, last = member.bounds(tz)

        assert member.within(when)
        assert parse(str(member)) == member
        assert earliest is None or earliest <= first
        assert latest is None or last <= latest


@given(INTERVALS.map(parse))
def test_an_interval_runs_from_start_to_end(when):
    """The hull begins where the start begins and ends where the end ends."""
    assert (when.start and when.start.earliest) == when.earliest
    assert (when.end and when.end.latest) == when.latest
    assert all(each is None or each.overlaps(when) for each in (when.start, when.end))


@given(st.dates(), st.data())
def test_a_mask_contains_what_it_can_mean(date, data):
    """Whichever digits of a day are blotted out, the day stays within the bounds, and they are days that match."""
    text = "".join(data.draw(st.sampled_from([char, "X"])) if char != "-" else char for char in str(date))
    when = parse(text)

    assert parse(str(date)).within(when)
    for bound in (day(when.earliest), day(when.latest)):
        assert all(mask in ("X", char) for mask, char in zip(text, bound, strict=True))


@given(ANY, ANY)
def test_overlap_is_symmetric(one, other):
    """Overlap has no direction; what lies within overlaps, and two that lie within each other have equal bounds."""
    assert one.overlaps(other) == other.overlaps(one)
    assert one.overlaps(one)
    assert one.within(one)
    assert not one.within(other) or one.overlaps(other)
    assert (one.within(other) and other.within(one)) == (one.sort_key == other.sort_key)


@given(ANY, ZONES)
def test_zones_move_bounds_by_less_than_two_days(when, tz):
    """A zone shifts civil bounds by its offset, never turns them round, and leaves missing ones missing."""
    for plain, zoned in zip(when.bounds(), when.bounds(tz), strict=True):
        assert (plain is None) == (zoned is None)
        assert plain is None or abs(plain - zoned) < 2 * DAY
    earliest, latest = when.bounds(tz)
    assert earliest is None or latest is None or earliest <= latest


@given(st.dates(min_value=dt.date(1, 1, 2), max_value=dt.date(9999, 12, 30)), ZONES)
def test_days_in_a_zone_are_what_its_clocks_show(date, tz):
    """The bounds of a day bear its date on the clocks of the zone, the seconds around them do not."""
    earliest, latest = parse(str(date)).bounds(tz)
    zone = ZoneInfo(tz or "UTC")
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    shown = [
        (epoch + dt.timedelta(seconds=second)).astimezone(zone).date()
        for second in (earliest - 1, earliest, latest, latest + 1)
    ]

    assert shown[0] < date < shown[3]
    assert [date, date] == shown[1:3]


NEARLY = st.text(string.digits + "XYSETZ?~%-/.,:[]{}+ ux", max_size=40)


@given(st.one_of(st.text(max_size=200), NEARLY, st.tuples(ONE, NEARLY, ONE).map("".join)), ZONES)
def test_only_our_error_escapes(text, tz):
    """Whatever the text, there is a value or an EdtfError whose caret stands within it."""
    for read in (parse, lambda text: parse_range(text, tz)):
        error = refusal(read, text)
        if error:
            assert error.text == text
            assert 0 <= error.offset <= len(text)
            assert str(error).count("\n") == 2


@given(st.text(max_size=60))
def test_only_our_error_escapes_from_zones(tz):
    """Whatever the name of the zone, there are bounds or an EdtfError."""
    error = refusal(parse("2025").bounds, tz)

    assert error is None or error.text == tz


@given(st.dates())
def test_days_agree_with_datetime(date):
    """Within 1 to 9999 our day is that of datetime."""
    when = parse(str(date))
    number = date.toordinal() - EPOCH

    assert (number * DAY, number * DAY + 86399) == when.bounds()
    assert day_number(date.year, date.month, date.day) == number
    assert ymd(when.latest) == (date.year, date.month, date.day)
    assert day(when.earliest) == str(date)


@given(st.datetimes(), st.integers(-23, 23), st.integers(0, 59))
def test_instants_agree_with_datetime(local, hours, minutes):
    """A time with an offset is the instant that datetime makes of it."""
    zone = dt.timezone(dt.timedelta(hours=hours, minutes=minutes if hours > 0 else -minutes))
    text = local.replace(tzinfo=zone, microsecond=0).isoformat()
    local = local.replace(microsecond=0)
    wanted = (local - dt.datetime(1970, 1, 1)) - zone.utcoffset(None)  # noqa: DTZ001  # both are civil

    assert (wanted.days * DAY + wanted.seconds,) * 2 == parse(text).bounds() == parse_range(text)


@given(st.integers(-(2**62), 2**62))
def test_the_axis_is_one_to_one(second):
    """Any second has one civil day, which leads back to it; the calendar repeats after 400 years."""
    year, month, day_of_month = ymd(second)

    assert second // DAY == day_number(year, month, day_of_month)
    assert 1 <= day_of_month <= month_length(year, month)
    assert ymd(second + 146_097 * DAY) == (year + 400, month, day_of_month)
    assert is_leap(year) == (day_number(year + 1, 1, 1) - day_number(year, 1, 1) == 366)


@given(st.integers(-62167219200, 253402300799))
def test_written_seconds_are_read_back(second):
    """What iso writes, parse reads."""
    assert (second, second) == parse(iso(second)).bounds()
