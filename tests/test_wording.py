"""Dates and labels in words."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeline import model
from timeline.edtf import EdtfError, parse
from timeline.wording import LANGUAGES, deslug, label, language, relation_label, when_in_words
from timeline.wording.labels import LABELS

TABLE = [
    ("2025-08-15", "15 August 2025", "15 août 2025"),
    ("2025-08-01", "1 August 2025", "1er août 2025"),
    ("2025-08", "August 2025", "août 2025"),
    ("2025", "2025", "2025"),
    ("2025-08-15~", "about 15 August 2025", "vers le 15 août 2025"),
    ("2025-08-15?", "perhaps 15 August 2025", "peut-être le 15 août 2025"),
    ("2025-08-15%", "perhaps about 15 August 2025", "peut-être vers le 15 août 2025"),
    ("2025-08-~15", "15 August 2025 (day approximate)", "15 août 2025 (approximation sur le jour)"),
    ("2025?-08-15", "15 August 2025 (year uncertain)", "15 août 2025 (doute sur l’année)"),
    ("2025-08~-15", "15 August 2025 (month and year approximate)",
     "15 août 2025 (approximation sur le mois et l’année)"),
    ("[2025-08-15..2025-08-18]", "one unknown day between 15 and 18 August 2025",
     "entre le 15 et le 18 août 2025, jour inconnu"),
    ("[2025-08-28..2025-09-04]", "one unknown day between 28 August and 4 September 2025",
     "entre le 28 août et le 4 septembre 2025, jour inconnu"),
    ("[2025-08..2025-10]", "one unknown month between August and October 2025",
     "entre août et octobre 2025, mois inconnu"),
    ("[1670..1672]", "one unknown year between 1670 and 1672", "entre 1670 et 1672, année inconnue"),
    ("[2025-08-15,2025-08-16]", "15 August 2025 or 16 August 2025 (which one is not known)",
     "15 août 2025 ou 16 août 2025 (on ne sait pas quelle date)"),
    ("[..1760-12-03]", "on or before 3 December 1760, day unknown",
     "le 3 décembre 1760 au plus tard, jour inconnu"),
    ("[1760-12..]", "in or after December 1760, month unknown", "décembre 1760 au plus tôt, mois inconnu"),
    ("{2025-08-15..2025-08-18}", "every day from 15 to 18 August 2025", "chaque jour du 15 au 18 août 2025"),
    ("{1960,1961-12}", "1960 and December 1961", "1960 et décembre 1961"),
    ("../2025-08-19", "until 19 August 2025 (start open)", "jusqu’au 19 août 2025 (début ouvert)"),
    ("/2025-08-15", "until 15 August 2025, beginning unknown", "jusqu’au 15 août 2025, début inconnu"),
    ("2025-08-15/..", "since 15 August 2025, ongoing", "depuis le 15 août 2025, en cours"),
    ("2025-08-15/", "from 15 August 2025, end unknown", "à partir du 15 août 2025, fin inconnue"),
    ("1964/2008", "1964 to 2008", "de 1964 à 2008"),
    ("2025-08/2025-10", "August to October 2025", "d’août à octobre 2025"),
    ("2025-12-28/2026-01-04", "28 December 2025 to 4 January 2026", "du 28 décembre 2025 au 4 janvier 2026"),
    ("2025~/2025-08", "about 2025 to August 2025", "de 2025 environ à août 2025"),
    ("202X", "the 2020s", "les années 2020"),
    ("19XX", "the 1900s (1900 to 1999)", "les années 1900 à 1999"),
    ("XXXX", "one unknown year", "une année inconnue"),
    ("2025-XX", "one unknown month in 2025", "un mois inconnu de 2025"),
    ("2025-08-XX", "one unknown day in August 2025", "un jour inconnu d’août 2025"),
    ("2025-08-1X", "one unknown day between 10 and 19 August 2025", "un jour inconnu entre le 10 et le 19 août 2025"),
    ("156X-12-25", "25 December in the 1560s", "25 décembre des années 1560"),
    ("2X25", "one unknown year between 2025 and 2925 (of the form 2X25)",
     "une année inconnue entre 2025 et 2925 (de la forme 2X25)"),
    ("2025-21", "spring 2025", "printemps 2025"),
    ("2025-24", "winter 2025–2026", "hiver 2025–2026"),
    ("2025-29", "spring 2025 (southern hemisphere)", "printemps 2025 (hémisphère Sud)"),
    ("../2025-22", "until summer 2025 (start open)", "jusqu’à l’été 2025 (début ouvert)"),
    ("2025-33", "the first quarter of 2025", "1er trimestre 2025"),
    ("2025-41", "the second half of 2025", "2e semestre 2025"),
    ("-0043", "44 BC", "44 av. J.-C."),
    ("-0043-03-15", "15 March 44 BC", "15 mars 44 av. J.-C."),
    ("0000", "1 BC", "1 av. J.-C."),
    ("0043", "AD 43", "43 apr. J.-C."),
    ("Y170000002", "the year 170,000,002", "l’an 170\u202f000\u202f002"),
    ("Y-17E7", "170,000,001 BC", "170\u202f000\u202f001 av. J.-C."),
    ("1950S2", "1950, to 2 significant digits (between 1900 and 1999)",
     "1950, à 2 chiffres significatifs près (entre 1900 et 1999)"),
    ("2025-08-15T11:30:00-08:00", "15 August 2025, 11:30 (UTC−08:00)", "15 août 2025, 11 h 30 (UTC−08:00)"),
    ("2025-08-15T19:30:15Z", "15 August 2025, 19:30:15 (UTC)", "15 août 2025, 19 h 30 min 15 s (UTC)"),
]


@pytest.mark.parametrize(("text", "english", "french"), TABLE)
def test_words(text, english, french):
    assert (when_in_words(text, "en"), when_in_words(text, "fr")) == (english, french)


def test_zone_of_a_civil_time():
    words = when_in_words("2025-08-15T11:30:00", "en", "America/Anchorage")

    assert words == "15 August 2025, 11:30 (America/Anchorage)"


@pytest.mark.parametrize(("anchor", "english", "french"), [
    (None, "not dated", "sans date"),
    ({"relation": "day-after", "text": "a ceasefire"}, "the day after a ceasefire (not dated)",
     "le lendemain de « a ceasefire » (sans date)"),
    ({"relation": "before", "event": "alaska-summit"}, "before alaska summit (not dated)",
     "avant « alaska summit » (sans date)"),
])
def test_undated(anchor, english, french):
    assert (when_in_words(None, "en", anchor=anchor), when_in_words(None, "fr", anchor=anchor)) == (english, french)


def test_a_plan_is_not_ongoing():
    assert when_in_words("../2027-12-31", "en", expected=True) == "by 31 December 2027"
    assert when_in_words("../2027-12-31", "fr", expected=True) == "d’ici au 31 décembre 2027"
    assert when_in_words("2025-08-19/..", "en", expected=True) == "from 19 August 2025 on, no end given"


def test_an_unknown_language_reads_english():
    assert when_in_words("2025-08", "tlh") == "August 2025"
    assert (language("FR-ca"), language(""), language(None)) == ("fr", "en", "en")


def test_a_parsed_date_and_its_text_read_the_same():
    assert when_in_words(parse("2025-08-15"), "fr") == when_in_words("2025-08-15", "fr")


def test_what_is_no_date_raises():
    with pytest.raises(EdtfError):
        when_in_words("mid-August", "en")


PARTS = st.one_of(
    st.from_regex(r"[?~%]?-?[0-9X]{4}[?~%]?(-[?~%]?[0-4X][0-9X][?~%]?(-[?~%]?[0-3X][0-9X][?~%]?)?)?", fullmatch=True),
    st.from_regex(r"Y-?[1-9][0-9]{1,9}(E[1-6])?(S[1-4])?[?~%]?|[0-9]{4}S[1-4]", fullmatch=True),
    st.from_regex(r"20[0-9]{2}-0[1-9]-1[0-9]T[01][0-9]:[0-5][0-9](:[0-5][0-9])?(Z|[+-]0[0-9]:[0-5][0-9])?",
                  fullmatch=True),
    st.sampled_from(["", ".."]),
)
TEXTS = st.one_of(
    PARTS,
    st.tuples(PARTS, PARTS).map("/".join),
    st.tuples(st.sampled_from(["[]", "{}"]), st.lists(st.one_of(PARTS, st.tuples(PARTS, PARTS).map("..".join)),
                                                      min_size=1, max_size=3))
    .map(lambda pair: f"{pair[0][0]}{','.join(pair[1])}{pair[0][1]}"),
)


@given(TEXTS, st.sampled_from(["en", "fr", "xx"]), st.booleans())
def test_whatever_parses_can_be_said(text, lang, expected):
    try:
        parse(text)
    except EdtfError:
        return

    words = when_in_words(text, lang, expected=expected)

    assert words
    assert words == words.strip()
    assert "  " not in words


@pytest.mark.parametrize(("vocabulary", "words"), [
    ("kind", get_args(model.Kind)), ("status", get_args(model.Status)), ("certainty", get_args(model.Certainty)),
    ("position", get_args(model.Position)), ("outcome", get_args(model.OutcomeState)),
    ("actor", get_args(model.ActorKind)), ("relation", get_args(model.RelationType)),
    ("reverse", get_args(model.RelationType)),
])
def test_every_word_of_the_model_has_a_label(vocabulary, words):
    assert set(words) <= set(LABELS[vocabulary])


def test_relations_read_both_ways():
    assert relation_label("contradicts", "stance-change", "en") == "changes the stance of"
    assert relation_label("contradicts", "factual", "en", reverse=True) == "contradicted (on the facts) by"
    assert relation_label("part-of", None, "fr") == "fait partie de"
    assert relation_label("follows", "position", "en") == "follows"


def test_open_vocabulary_is_shown_as_written():
    assert label("role", "chief-negotiator", "fr") == "chief negotiator"
    assert deslug("us-troops") == "US troops"
    assert len(LANGUAGES) == len(LABELS["kind"]["plan"])
