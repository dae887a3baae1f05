"""How English and French say dates and join them. A language is one class; what a date is, `dates` knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from timeline.wording.labels import deslug


@dataclass(frozen=True, slots=True)
class Phrase:
    """A date in words that can still be bent into a sentence: its article, what follows it, its doubt.

    `plain` is (year, month, day) as far as known, for joining ("15 to 18 August"); None where that would mislead.
    `mark` is "", "~", "?" or "%".
    """

    text: str
    article: str = ""
    plain: tuple[int, ...] = ()
    mark: str = ""


class English:
    """Dates in English."""

    code: ClassVar[str] = "en"
    months: ClassVar[Sequence[str]] = (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    )
    seasons: ClassVar[Sequence[tuple[str, str]]] = (("spring", ""), ("summer", ""), ("autumn", ""), ("winter", ""))
    parts: ClassVar[Sequence[str]] = (
        "first quarter of", "second quarter of", "third quarter of", "fourth quarter of", "first four months of",
        "second four months of", "last four months of", "first half of", "second half of",
    )
    units: ClassVar[Mapping[str, str]] = {"semester": "half-year", "quadrimester": "four-month period",
                                          "millennium": "date", "unknown": "date", "minute": "date", "second": "date"}
    components: ClassVar[Mapping[str, str]] = {"year": "year", "month": "month", "day": "day"}
    conjunction: ClassVar[str] = "and"
    hemispheres: ClassVar[tuple[str, str]] = ("northern hemisphere", "southern hemisphere")
    bare: ClassVar[Mapping[tuple[str, str], str]] = {
        ("open", "open"): "always (start and end open)", ("unknown", "open"): "ongoing, beginning unknown",
        ("open", "unknown"): "start open, end unknown",
    }
    undated: ClassVar[str] = "not dated"

    def year(self, year: int) -> str:
        """Name a year; 1 BC is 0."""
        number = f"{abs(year - (year < 1)):,}" if not -9999 < year < 10_000 else str(abs(year - (year < 1)))
        if year < 1:
            return f"{number} BC"
        return f"AD {number}" if year < 1000 else number if year < 10_000 else f"the year {number}"

    def month(self, year: str, month: int) -> Phrase:
        return Phrase(f"{self.months[month - 1]} {year}".rstrip())

    def day(self, year: str, month: int, day: int) -> Phrase:
        return Phrase(f"{day} {self.months[month - 1]} {year}".rstrip())

    def season(self, number: int, year: str) -> Phrase:
        return Phrase(f"{self.seasons[number][0]} {year}")

    def part(self, number: int, year: str) -> Phrase:
        return Phrase(f"{self.parts[number]} {year}", "the")

    def decade(self, year: int) -> Phrase:
        return Phrase(f"{year}s", "the")

    def century(self, year: int) -> Phrase:
        return Phrase(f"{year}s ({year} to {year + 99})", "the")

    def significant(self, year: str, digits: str, first: str, last: str) -> Phrase:
        return Phrase(f"{year}, to {digits} significant digit{'s' * (digits != '1')} (between {first} and {last})")

    def unknown(self, unit: str, of: Phrase) -> Phrase:
        return Phrase(f"one unknown {self.unit(unit)} in {self.the(of)}")

    def some_year(self) -> Phrase:
        return Phrase("one unknown year")

    def yearly(self, day: Phrase, year: Phrase) -> Phrase:
        return Phrase(f"{day.text} in {self.the(year)}")

    def unit(self, precision: str) -> str:
        return self.units.get(precision, precision)

    def clock(self, hour: str, minute: str, second: str) -> str:
        return f"{hour}:{minute}" + (f":{second}" if second not in ("", "00") else "")

    def the(self, phrase: Phrase) -> str:
        """Give the phrase inside a sentence."""
        text = f"{phrase.article} {phrase.text}" if phrase.article else phrase.text
        return {"": "", "~": "about ", "?": "perhaps ", "%": "perhaps about "}[phrase.mark] + text

    def alone(self, phrase: Phrase) -> str:
        """Give the phrase standing for itself."""
        return self.the(phrase)

    def doubt(self, mark: str, names: str) -> str:
        words = {"~": "approximate", "?": "uncertain", "%": "uncertain and approximate"}[mark]
        return f"{names} {words}"

    def join(self, first: Phrase, last: Phrase, word: str) -> str:
        """Join two dates, saying a shared month and year once."""
        a, b = first.plain, last.plain
        start = self.the(first)
        if _shares_year(a, b):
            start = str(a[2]) if a[1:2] == b[1:2] else start.rpartition(" ")[0]
        return f"{start} {word} {self.the(last)}"

    def between(self, first: Phrase, last: Phrase, unit: str) -> str:
        return f"one unknown {self.unit(unit)} between {self.join(first, last, 'and')}"

    def masked(self, first: Phrase, last: Phrase, unit: str, form: str) -> Phrase:
        """Say what a date with unknown digits may be; `form` where not every date between is meant."""
        return Phrase(self.between(first, last, unit) + (f" (of the form {form})" if form else ""))

    def span(self, first: Phrase, last: Phrase) -> str:
        return self.join(first, last, "to")

    def each(self, first: Phrase | None, last: Phrase | None, unit: str) -> str:
        every = f"every {self.unit(unit)}"
        if first and last:
            return f"{every} from {self.join(first, last, 'to')}"
        return f"{every} from {self.the(first)} on" if first else f"{every} up to {self.the(last)}" if last else every

    def latest(self, last: Phrase, unit: str) -> str:
        return f"{self._preposition(unit)} or before {self.the(last)}, {self.unit(unit)} unknown"

    def earliest(self, first: Phrase, unit: str) -> str:
        return f"{self._preposition(unit)} or after {self.the(first)}, {self.unit(unit)} unknown"

    def _preposition(self, unit: str) -> str:
        return "on" if unit == "day" else "in"

    def until(self, last: Phrase, kind: str, *, expected: bool) -> str:
        if kind == "unknown":
            return f"until {self.the(last)}, beginning unknown"
        return f"by {self.the(last)}" if expected else f"until {self.the(last)} (start open)"

    def since(self, first: Phrase, kind: str, *, expected: bool) -> str:
        if kind == "unknown":
            return f"from {self.the(first)}, end unknown"
        return f"from {self.the(first)} on, no end given" if expected else f"since {self.the(first)}, ongoing"

    def either(self, texts: Sequence[str]) -> str:
        return f"{', '.join(texts[:-1])} or {texts[-1]} (which one is not known)"

    def both(self, texts: Sequence[str]) -> str:
        return f"{', '.join(texts[:-1])} and {texts[-1]}"

    def anchor(self, relation: str, text: str) -> str:
        words = {"after": "after", "before": "before", "day-after": "the day after"}
        return f"{words.get(relation, deslug(relation))} {text} (not dated)"


_FEMININE: Final = frozenset({"année", "décennie", "saison", "date"})


class French(English):
    """Dates in French: the article decides how `de` and `à` are written."""

    code = "fr"
    months = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
              "novembre", "décembre")
    seasons = (("printemps", "le"), ("été", "l’"), ("automne", "l’"), ("hiver", "l’"))
    parts = ("1er trimestre", "2e trimestre", "3e trimestre", "4e trimestre", "1er quadrimestre", "2e quadrimestre",
             "3e quadrimestre", "1er semestre", "2e semestre")
    units: ClassVar[Mapping[str, str]] = {
        "day": "jour", "month": "mois", "year": "année", "decade": "décennie", "century": "siècle",
        "season": "saison", "quarter": "trimestre", "quadrimester": "quadrimestre", "semester": "semestre"}
    components: ClassVar[Mapping[str, str]] = {"year": "l’année", "month": "le mois", "day": "le jour"}
    conjunction = "et"
    hemispheres = ("hémisphère Nord", "hémisphère Sud")
    bare: ClassVar[Mapping[tuple[str, str], str]] = {
        ("open", "open"): "toujours (début et fin ouverts)", ("unknown", "open"): "en cours, début inconnu",
        ("open", "unknown"): "début ouvert, fin inconnue",
    }
    undated = "sans date"

    def year(self, year: int) -> str:
        number = super().year(year).removeprefix("the year ").removeprefix("AD ").removesuffix(" BC")
        number = number.replace(",", "\u202f")
        if year < 1:
            return f"{number} av. J.-C."
        return f"{number} apr. J.-C." if year < 1000 else number if year < 10_000 else f"l’an {number}"

    def day(self, year: str, month: int, day: int) -> Phrase:
        return Phrase(f"{'1er' if day == 1 else day} {self.months[month - 1]} {year}".rstrip(), "le")

    def season(self, number: int, year: str) -> Phrase:
        return Phrase(f"{self.seasons[number][0]} {year}", self.seasons[number][1])

    def part(self, number: int, year: str) -> Phrase:
        return Phrase(f"{self.parts[number]} {year}", "le")

    def decade(self, year: int) -> Phrase:
        return Phrase(f"années {year}", "les")

    def century(self, year: int) -> Phrase:
        return Phrase(f"années {year} à {year + 99}", "les")

    def significant(self, year: str, digits: str, first: str, last: str) -> Phrase:
        number = f"{digits} chiffre{'s' * (digits != '1')} significatif{'s' * (digits != '1')}"
        return Phrase(f"{year}, à {number} près (entre {first} et {last})")

    def unknown(self, unit: str, of: Phrase) -> Phrase:
        return Phrase(f"un {self.unit(unit)} inconnu {self.de(of)}", "un")

    def some_year(self) -> Phrase:
        return Phrase("une année inconnue", "un")

    def yearly(self, day: Phrase, year: Phrase) -> Phrase:
        return Phrase(f"{day.text} {self.de(year)}", "le")

    def unit(self, precision: str) -> str:
        return self.units.get(precision, "date")

    def clock(self, hour: str, minute: str, second: str) -> str:
        exact = f" min {second} s" if second not in ("", "00") else ""
        return f"{hour} h {minute}{exact}"

    def the(self, phrase: Phrase) -> str:
        gap = "" if phrase.article in ("", "un", "l’") else " "
        article = "" if phrase.article == "un" else phrase.article
        return f"{article}{gap}{self.marked(phrase)}"

    def marked(self, phrase: Phrase) -> str:
        doubt = {"": "", "~": " environ", "?": " (incertain)", "%": " environ (incertain)"}
        return phrase.text + doubt[phrase.mark]

    def alone(self, phrase: Phrase) -> str:
        sure = replace(phrase, mark="")
        if phrase.mark:
            return {"~": "vers ", "?": "peut-être ", "%": "peut-être vers "}[phrase.mark] + self.the(sure)
        return phrase.text if phrase.article != "les" else self.the(sure)

    def doubt(self, mark: str, names: str) -> str:
        words = {"~": "approximation", "?": "doute", "%": "doute et approximation"}[mark]
        return f"{words} sur {names}"

    def de(self, phrase: Phrase) -> str:
        text = self.marked(phrase)
        bare = "d’" if text[0].lower() in "aeéiou" else "de "
        return {"le": "du ", "l’": "de l’", "les": "des ", "un": "d’"}.get(phrase.article, bare) + text

    def a(self, phrase: Phrase) -> str:
        return {"le": "au ", "l’": "à l’", "les": "aux "}.get(phrase.article, "à ") + self.marked(phrase)

    def jusque(self, phrase: Phrase) -> str:
        bare = not phrase.article and not phrase.text.startswith("l’an")
        return f"jusqu’en {self.marked(phrase)}" if bare else f"jusqu’{self.a(phrase)}"

    def _first(self, first: Phrase, last: Phrase) -> Phrase:
        """Leave out of the first date what the second says."""
        a, b = first.plain, last.plain
        if not _shares_year(a, b):
            return first
        words = first.text.split(" ")
        return replace(first, text=words[0] if len(a) == 2 or a[1] == b[1] else " ".join(words[:2]))

    def between(self, first: Phrase, last: Phrase, unit: str) -> str:
        pair = f"entre {self.the(self._first(first, last))} et {self.the(last)}"
        return f"{pair}, {self._missing(unit)}"

    def masked(self, first: Phrase, last: Phrase, unit: str, form: str) -> Phrase:
        pair = f"entre {self.the(self._first(first, last))} et {self.the(last)}"
        some = "une" if self.unit(unit) in _FEMININE else "un"
        return Phrase(f"{some} {self._missing(unit)} {pair}" + (f" (de la forme {form})" if form else ""), "un")

    def span(self, first: Phrase, last: Phrase) -> str:
        return f"{self.de(self._first(first, last))} {self.a(last)}"

    def each(self, first: Phrase | None, last: Phrase | None, unit: str) -> str:
        every = f"chaque {self.unit(unit)}"
        if first and last:
            return f"{every} {self.span(first, last)}"
        return f"{every} à partir {self.de(first)}" if first else f"{every} {self.jusque(last)}" if last else every

    def _missing(self, unit: str) -> str:
        return f"{self.unit(unit)} inconnu{'e' * (self.unit(unit) in _FEMININE)}"

    def latest(self, last: Phrase, unit: str) -> str:
        return f"{self.the(last)} au plus tard, {self._missing(unit)}"

    def earliest(self, first: Phrase, unit: str) -> str:
        return f"{self.the(first)} au plus tôt, {self._missing(unit)}"

    def until(self, last: Phrase, kind: str, *, expected: bool) -> str:
        if kind == "unknown":
            return f"{self.jusque(last)}, début inconnu"
        return f"d’ici {self.a(last)}" if expected else f"{self.jusque(last)} (début ouvert)"

    def since(self, first: Phrase, kind: str, *, expected: bool) -> str:
        if kind == "unknown":
            return f"à partir {self.de(first)}, fin inconnue"
        return f"à partir {self.de(first)}, sans fin fixée" if expected else f"depuis {self.the(first)}, en cours"

    def either(self, texts: Sequence[str]) -> str:
        return f"{', '.join(texts[:-1])} ou {texts[-1]} (on ne sait pas quelle date)"

    def both(self, texts: Sequence[str]) -> str:
        return f"{', '.join(texts[:-1])} et {texts[-1]}"

    def anchor(self, relation: str, text: str) -> str:
        words = {"after": "après", "before": "avant", "day-after": "le lendemain de"}
        return f"{words.get(relation, deslug(relation))} « {text} » (sans date)"


def _shares_year(first: tuple[int, ...], last: tuple[int, ...]) -> bool:
    return len(first) == len(last) > 1 and first != last and first[0] == last[0] and 999 < first[0] < 10_000


GRAMMARS: Final[Mapping[str, English]] = {"en": English(), "fr": French()}
