"""What the pages say, English and French: one table of sentences; `{name}` is filled in, and escaped by the template.

A pair of texts divided by a bar is singular and plural, chosen by `count`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from timeline.wording import language

Words = Callable[..., str]

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "about": ("Speaks of", "Parle de"),
    "about-date": ("speaks of {when}", "parle de : {when}"),
    "about-this": ("Details", "Détails"),
    "actor": ("Actor", "Acteur"),
    "actors": ("Actors", "Acteurs"),
    "added": ("{count} added|{count} added", "{count} ajout|{count} ajouts"),
    "aliases": ("Also called", "Aussi nommé"),
    "all-events": ("All events", "Tous les évènements"),
    "all-of-actor": ("Filter these events", "Filtrer ces évènements"),
    "announced": ("Announced", "Annoncé"),
    "answers": ("What answers it", "Ce qui y répond"),
    "answers-none": ("Nothing recorded here refers to it.", "Rien d’enregistré ici ne s’y réfère."),
    "any": ("Any", "Tous"),
    "apply": ("Show events", "Afficher"),
    "as-of": ("Known to this log by (time)", "Connu de ce registre à (moment)"),
    "as-of-hint": ("A time on the log’s own clock, such as {example}.",
                   "Un moment de l’horloge du registre, par exemple {example}."),
    "at": ("As recorded: position 1 to {last}", "Tel qu’enregistré : position 1 à {last}"),
    "at-hint": ("Shows the log as it stood after that many records.",
                "Montre le registre tel qu’il était après ce nombre d’enregistrements."),
    "at-position": ("position {position}", "position {position}"),
    "by": ("by {who}", "par {who}"),
    "certainty": ("Basis of the date", "Fondement de la date"),
    "changed": ("changed", "modifié"),
    "characters": ("characters {start}–{end}", "caractères {start}–{end}"),
    "clocks": ("Two clocks", "Deux horloges"),
    "colon": (":", "\u00a0:"),
    "close": ("Close", "Fermer"),
    "corrected": ("corrected once|corrected {count} times", "corrigé une fois|corrigé {count} fois"),
    "depends": ("Depends on", "Dépend de"),
    "earliest": ("Earliest", "Au plus tôt"),
    "edtf": ("Date as recorded (EDTF)", "Date telle qu’enregistrée (EDTF)"),
    "empty-filters": (
        "No event here meets all of these filters. Remove one of them above, widen the dates, or start again.",
        "Aucun évènement ne répond à tous ces filtres. Retirez-en un ci-dessus, élargissez les dates ou recommencez."),
    "empty-log": ("No event is recorded here yet. Append one through the API, or run “timeline demo” to see some.",
                  "Aucun évènement n’est encore enregistré. Ajoutez-en un par l’API, ou lancez « timeline demo »."),
    "empty-title": ("Nothing to show", "Rien à afficher"),
    "errors": ("One filter could not be read and was left out.|{count} filters could not be read and were left out.",
               "Un filtre illisible a été ignoré.|{count} filtres illisibles ont été ignorés."),
    "events": ("{count} event|{count} events", "{count} évènement|{count} évènements"),
    "events-heading": ("Events", "Évènements"),
    "events-many": ("first {count} of many events", "les {count} premiers évènements parmi beaucoup"),
    "event": ("Event", "Évènement"),
    "evidence": ("Evidence", "Preuve"),
    "filters-active": ("Filters in use", "Filtres actifs"),
    "filters": ("Search and filter", "Rechercher et filtrer"),
    "for-whom": ("for {name}", "pour {name}"),
    "from": ("From", "Du"),
    "group-before": ("Beginning unknown or open", "Début inconnu ou ouvert"),
    "group-undated": ("Undated", "Sans date"),
    "history": ("History", "Historique"),
    "id": ("Id", "Identifiant"),
    "kind": ("Kind", "Nature"),
    "latest": ("Latest", "Au plus tard"),
    "key": ("How dates are drawn", "Comment les dates sont dessinées"),
    "key-about": ("approximate or uncertain", "approximatif ou incertain"),
    "key-before": ("one day before or after a known date", "un jour avant ou après une date connue"),
    "key-exact": ("a known day", "un jour connu"),
    "key-since": ("no end known or given", "sans fin connue ou donnée"),
    "key-span": ("lasted from … to", "a duré de … à"),
    "key-undated": ("not dated", "sans date"),
    "key-until": ("no beginning known or given", "sans début connu ou donné"),
    "key-within": ("sometime within, day unknown", "à un moment de la période, jour inconnu"),
    "links": ("Links to other events", "Liens avec d’autres évènements"),
    "machine": ("Same data as JSON", "Mêmes données en JSON"),
    "match": ("A date within the range", "Une date dans la période"),
    "match-may": ("may lie there", "peut s’y trouver"),
    "match-must": ("certainly lies there", "s’y trouve certainement"),
    "members": ("Belongs to", "Appartient à"),
    "merged": ("This event was merged into another one.", "Cet évènement a été fusionné avec un autre."),
    "merged-from": ("Merged from", "Issu de"),
    "media": ("Media", "Média"),
    "more": ("More options", "Plus d’options"),
    "more-related": ("and {count} more|and {count} more", "et {count} autre|et {count} autres"),
    "next": ("Next page", "Page suivante"),
    "no-positions": ("Nobody’s position on this is recorded.", "Aucune position sur ce sujet n’est enregistrée."),
    "none-here": ("There is none here yet.", "Il n’y en a pas encore."),
    "not-found": ("Not found", "Introuvable"),
    "note": ("Note", "Note"),
    "order": ("Order", "Ordre"),
    "order-asc": ("earliest first", "du plus ancien au plus récent"),
    "order-desc": ("latest first", "du plus récent au plus ancien"),
    "outcome": ("What became of it", "Ce qu’il en est advenu"),
    "outcome-as-of": ("{state}, as of {when}", "{state}, état au : {when}"),
    "pages": ("Pages", "Pages"),
    "permanent": ("Permanent link to this state", "Lien permanent vers cet état"),
    "phrase": ("In the words of the source", "Dans les mots de la source"),
    "place": ("Place", "Lieu"),
    "positions": ("Positions over time", "Positions au fil du temps"),
    "position": ("Position", "Position"),
    "previous": ("Previous page", "Page précédente"),
    "problem-back": ("Go to the timeline", "Aller à la chronologie"),
    "published": ("published {when}", "publié : {when}"),
    "q": ("Search", "Rechercher"),
    "q-hint": ("Words; “…” for a phrase", "Des mots ; « … » entre guillemets droits pour une expression"),
    "range-hint": ("A year, month or day: 2025, 2025-08, 2025-08-15",
                   "Une année, un mois ou un jour : 2025, 2025-08, 2025-08-15"),
    "record-line": ("revision {number}, recorded {when}, position {position}",
                    "révision {number}, enregistrée le {when}, position {position}"),
    "remove": ("Remove filter", "Retirer le filtre"),
    "removed": ("{count} removed|{count} removed", "{count} retrait|{count} retraits"),
    "reported-by": ("As reported by", "Tel que rapporté au"),
    "reported-by-hint": ("Tells each event as the sources published by that date told it.",
                         "Raconte chaque évènement comme le faisaient les sources publiées à cette date."),
    "reset": ("Start again", "Recommencer"),
    "retracted": ("Retracted events", "Évènements retirés"),
    "retracted-exclude": ("hidden", "masqués"),
    "retracted-include": ("shown with their tombstones", "affichés avec leur mention de retrait"),
    "retracted-mark": ("Retracted", "Retiré"),
    "retracted-why": ("This event was retracted. Reason: {reason}", "Cet évènement a été retiré. Motif : {reason}"),
    "see-actor": ("About {name}", "À propos de {name}"),
    "see-topic": ("Positions over time: {name}", "Positions au fil du temps : {name}"),
    "site": ("Timeline", "Chronologie"),
    "skip": ("Skip to the events", "Aller aux évènements"),
    "skip-page": ("Skip to the content", "Aller au contenu"),
    "source-events": ("events it is cited for", "évènements qui la citent"),
    "sources": ("{count} source|{count} sources", "{count} source|{count} sources"),
    "sources-heading": ("Sources", "Sources"),
    "stances": ("Positions taken", "Positions prises"),
    "status": ("Status", "Statut"),
    "summary": ("Summary", "Résumé"),
    "tagline": ("Dated events, the sources they rest on, and what was known when.",
                "Des évènements datés, leurs sources, et ce que l’on savait à quel moment."),
    "title": ("Title", "Titre"),
    "to": ("To", "Au"),
    "topic": ("Topic", "Sujet"),
    "topics": ("Topics", "Sujets"),
    "translations": ("Translations", "Traductions"),
    "turn": ("stance changed", "position changée"),
    "undated": ("not dated", "sans date"),
    "view-past": ("You are looking at the past: the log as it stood at position {position}.",
                  "Vous regardez le passé : le registre tel qu’il était à la position {position}."),
    "view-now": ("Back to the present", "Revenir au présent"),
    "view-reported": ("Only what sources published by {when} had reported.",
                      "Seulement ce que rapportaient les sources publiées au : {when}."),
    "when": ("Date", "Date"),
    "zone": ("Calendar of {zone}", "Calendrier de {zone}"),
}

LANGUAGE_NAMES: Final = {"en": "English", "fr": "Français"}


def words(lang: str) -> Words:
    """Give the sentences of a language as a function: `t("events", count=97)`.

    >>> words("fr")("events", count=1), words("en")("events", count=0)
    ('1 évènement', '0 events')
    """
    number = 1 if language(lang) == "fr" else 0

    def say(key: str, **values: object) -> str:
        text = WORDS[key][number]
        if "|" in text:
            count = values["count"]
            few = count == 1 or (count == 0 and number == 1)
            text = text.partition("|")[0] if few else text.partition("|")[2]
        return text.format(**values) if values else text

    return say
