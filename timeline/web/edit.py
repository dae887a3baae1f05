"""The editor's page: a frame, its words, and the vocabularies it chooses from. Everything else it asks of the API.

The page is the same for everybody and holds nothing of the log. What it needs to know travels as JSON in an inert
``script`` element, escaped so that no text can end it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from jinja2.utils import htmlsafe_json_dumps

from timeline.chronicle import Timeline
from timeline.query import Pairs
from timeline.web.edit_words import EDIT_WORDS, OWN_LABELS
from timeline.web.page import Asset, Page, open_sheet
from timeline.wording import LANGUAGES, when_in_words
from timeline.wording.labels import LABELS

SCRIPTS: Final = (
    "edit.js", "edit-acts.js", "edit-api.js", "edit-choose.js", "edit-cite.js", "edit-compare.js", "edit-dom.js",
    "edit-fields.js", "edit-form.js", "edit-save.js", "edit-specs.js", "edit-views.js",
)
"""The editor's modules, by file; they import one another by these names."""

OWN: Final = ("event", "actor", "new")
"""Parameters that say what is edited; the script reads them from the address."""

VOCABULARIES: Final = ("kind", "status", "certainty", "position", "outcome", "actor", "role", "alias", "relation")

EXAMPLES: Final = (
    "2025-08-15", "2025-08", "2025-08-15T19:30", "2025-08-15~", "2025-08-15?", "[2025-08-15..2025-08-18]",
    "[..2025-08-18]", "2025-08-15/2025-08-18", "2025-09-04/..", "2025-08-XX", "2025-22", "202X", "-0043",
)
"""Dates that the help shows with their words: one of every form that news needs."""


def edit_page(timeline: Timeline, parameters: Pairs, *, asset: Asset, languages: Sequence[str] = ()) -> Page:
    """Render ``GET /edit``: the frame of the editor, in the reader's language."""
    own = [(name, value) for name, value in parameters if name in OWN]
    rest = [pair for pair in parameters if pair[0] not in OWN]
    sheet = open_sheet(timeline, "/edit", rest, ("lang",), asset, languages)
    sheet.asked.given = [*sheet.asked.given, *own]
    lang = sheet.scene.lang
    return sheet.page("edit.html", say(lang, "edit"), say=lambda key: say(lang, key),
                      data=htmlsafe_json_dumps(script_data(lang)))


def say(lang: str, key: str) -> str:
    """Give a sentence of the editor."""
    return spaced(EDIT_WORDS[key][LANGUAGES.index(lang)])


def spaced(text: str) -> str:
    r"""Keep French marks on the line of the word they belong to: the space before them does not break.

    >>> spaced("« le Kremlin » ; vraiment ?")
    '«\xa0le Kremlin\xa0»\xa0; vraiment\xa0?'
    """
    return re.sub(r" (?=[:;!?»])|(?<=«) ", "\u00a0", text)


def script_data(lang: str) -> dict[str, Any]:
    """Give everything the script needs to know in one language: words, vocabularies, dates as examples."""
    number = LANGUAGES.index(lang)
    own = {name: {word: pair[number] for word, pair in words.items()} for name, words in OWN_LABELS.items()}
    return {
        "lang": lang,
        "words": {key: say(lang, key) for key in EDIT_WORDS},
        "labels": {name: {word: pair[number] for word, pair in LABELS[name].items() if " " not in word}
                   for name in VOCABULARIES} | own,
        "examples": [[text, when_in_words(text, lang)] for text in EXAMPLES],
    }


__all__ = ["EXAMPLES", "OWN", "SCRIPTS", "edit_page", "script_data"]
