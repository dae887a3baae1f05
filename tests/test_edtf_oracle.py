"""Differential test against the PyPI ``edtf`` 5.0.2: the same days, but for the faults that are listed."""

import math

import pytest

from timeline.edtf import EdtfError, day, parse

oracle = pytest.importorskip("edtf", reason="the PyPI edtf is not installed")

# What it answers instead, by the kind of fault. It reads 40 to 200 strings a second, so the lists are short.
FAULTS = {
    "an unknown end is ten years away": {
        "1985-04-12/": ("1985-04-12", "1995-04-12"),
        "/1985-04": ("1975-04-30", "1985-04-30"),
    },
    "winter stops in December": {
        "2025-24": ("2025-12-01", "2025-12-31"),
        "2001-30": ("2001-12-01", "2001-12-31"),
    },
    "significant digits change only the fuzzy bounds": {
        "1950S2": ("1950-01-01", "1950-12-31"),
        "Y3388E2S3": ("338800-01-01", "338800-12-31"),
    },
    "masks of years below zero are turned round": {
        "-2004-XX": ("-2004-12-01", "-2004-01-31"),
        "-1985-04-XX": ("-1985-04-30", "-1985-04-01"),
    },
    "the offset is ignored": {
        "1985-04-12T23:20:30-04": ("1985-04-12", "1985-04-12"),
        "2025-08-15T24:00:00": ("2025-08-15", "2025-08-15"),
    },
    "single masked digits of month or day break it": {
        "1984-1X": AttributeError,
        "2025-08-1X": ValueError,
        "2003-06-25/2004-X1-03": ValueError,
        "2000-XX/2012": AttributeError,
    },
    "two missing ends break it": {"/..": TypeError, "../": TypeError},
    "valid marks and masks are refused": {
        "?2004-06%": "refused",
        "2011-23~": "refused",
        "-156X-12-25": "refused",
        "2003-06-11%/2004-%06": "refused",
        "2025-08-15T11:30:00+00:00": "refused",
        "Y-61000/-2000": "refused",
    },
    "days that do not exist pass": {"2005-02-29": ("2005-02-29", "2005-02-29")},
    "intervals that run backwards pass": {
        "2008/1964": ("2008-01-01", "1964-12-31"),
        "2012-24/2012-21": ("2012-12-01", "2012-05-31"),
    },
    "spaces pass": {
        " 1863-03-29": ("1863-03-29", "1863-03-29"),
        "[1667,1668, 1670..1672]": ("1667-01-01", "1672-12-31"),
    },
    "no significant digits at all pass": {"1950S0": ("1950-01-01", "1950-12-31")},
}

AGREED = """
1985-04-12 1985-04 1985 0000 1985-04-12T23:20:30 1985-04-12T23:20:30Z 2004-01-01T10:10:10+00:59 1964/2008
2004-06/2006-08 2004-02-01/2005 2025-08-31/2025-08 Y-17E7 2001-21 -2004-23 -2010 1984? 2006% 2004-06~ -2004-06-11%
201X 19XX 2004-XX 1985-04-XX 1985-XX-XX -20XX 2024-02-XX -1000/-0999 1923-21/1924 1984?/2004-06~ 1985/.. ../1985-04
../.. 2001-29 2001-33 -2001-34 2001-37 2001-38 2001-39 2001-41 [-1667,1668,1670..1672] [..1760-12-03] [1760-12..]
{1960,-1961-12} %2001 2004?-06-~11 1560-XX-25 156X-12-25 XXXX-12-XX 1XXX-12 20X0-10-02 198X/199X
2004-06-XX/2004-07-03 20250815 2025-8-15 1984?~ 199u 2025/open Y2006 2025-13 2025-W33 -0000
"""


def theirs(text):
    """First and last day of the oracle, None where unbounded; "refused"; or the class of what escaped from it."""
    try:
        found = oracle.parse_edtf(text)
        return tuple(_day(bound) for bound in (found.lower_strict(), found.upper_strict()))
    except oracle.parser.edtf_exceptions.EDTFParseException:
        return "refused"
    except Exception as error:  # noqa: BLE001  # that anything may escape is the fault that is tested
        return type(error)


def _day(bound):
    if isinstance(bound, float):
        assert math.isinf(bound)
        return None
    return f"{'-' * (bound[0] < 0)}{abs(bound[0]):04}-{bound[1]:02}-{bound[2]:02}"


def ours(text):
    """Read the same from our parser, years beyond four digits without their plus sign."""
    try:
        when = parse(text)
    except EdtfError:
        return "refused"
    return tuple(None if each is None else day(each).lstrip("+") for each in (when.earliest, when.latest))


@pytest.mark.parametrize("text", AGREED.split())
def test_agreed(text):
    """Two independent readings give the same days, or both refuse."""
    assert theirs(text) == ours(text)


@pytest.mark.parametrize(
    ("fault", "text", "answer"), [(f, t, a) for f, rows in FAULTS.items() for t, a in rows.items()]
)
def test_known_faults(fault, text, answer, capsys):
    """Where the oracle is wrong it is wrong as listed; when it is mended, the line goes."""
    assert theirs(text) == answer, fault
    capsys.readouterr()  # it prints when it breaks

    assert ours(text) != answer, fault
