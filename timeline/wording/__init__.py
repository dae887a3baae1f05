"""Dates and labels in words, English and French: what the pages, the command line and the tables say to people.

>>> when_in_words("[2025-08-15..2025-08-18]", "en"), when_in_words("[2025-08-15..2025-08-18]", "fr")
('one unknown day between 15 and 18 August 2025', 'entre le 15 et le 18 août 2025, jour inconnu')
>>> label("status", "disputed", "fr"), relation_label("contradicts", "stance-change", "en")
('contesté', 'changes the stance of')

Why a grammar of our own: what a source leaves open must stay audible. Locale libraries format instants; none says
"one unknown day between", and "the 1900s" or "winter 2025" must not become a midnight on the way. A language is one
class below: it knows names and how two dates are joined, `when_in_words` knows EDTF. Unknown languages read English.
"""

from timeline.wording.dates import marks, when_in_words
from timeline.wording.labels import LANGUAGES, deslug, label, language, relation_label

__all__ = ["LANGUAGES", "deslug", "label", "language", "marks", "relation_label", "when_in_words"]
