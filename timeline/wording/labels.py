"""Names of what the model knows, as people read them: one table, both languages.

Roles and topics are an open vocabulary: what the table does not hold is shown as it was written, without its hyphens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final = ("en", "fr")
"""Languages we write; anything else reads English."""

_ACRONYMS: Final = frozenset({"eu", "g7", "g20", "imf", "nato", "osce", "uk", "un", "us", "usa"})

_Pair = tuple[str, str]

LABELS: Final[Mapping[str, Mapping[str, _Pair]]] = {
    "kind": {
        "occurrence": ("occurrence", "fait"), "statement": ("statement", "déclaration"), "plan": ("plan", "projet"),
    },
    "status": {
        "reported": ("reported", "rapporté"), "confirmed": ("confirmed", "confirmé"),
        "disputed": ("disputed", "contesté"), "denied": ("denied", "démenti"), "planned": ("planned", "prévu"),
        "cancelled": ("cancelled", "annulé"),
    },
    "certainty": {
        "stated": ("date stated by the source", "date donnée par la source"),
        "inferred": ("date inferred", "date déduite"),
    },
    "position": {
        "for": ("for", "pour"), "against": ("against", "contre"), "open": ("open", "ouvert"),
        "conditional": ("conditional", "sous conditions"), "unclear": ("unclear", "peu clair"),
    },
    "outcome": {
        "pending": ("pending", "en attente"), "fulfilled": ("carried out", "réalisé"),
        "partly-fulfilled": ("partly carried out", "réalisé en partie"), "not-held": ("not held", "n’a pas eu lieu"),
        "rejected": ("rejected", "rejeté"), "abandoned": ("abandoned", "abandonné"),
        "superseded": ("superseded", "remplacé"), "unknown": ("unknown", "inconnu"),
    },
    "actor": {
        "person": ("person", "personne"), "government": ("government", "gouvernement"),
        "organisation": ("organisation", "organisation"), "media": ("media outlet", "média"),
        "group": ("group", "groupe"),
    },
    "role": {
        "speaker": ("speaker", "déclarant"), "participant": ("participant", "participant"), "host": ("host", "hôte"),
        "subject": ("spoken of", "mentionné"), "addressee": ("addressee", "destinataire"),
        "relayer": ("relayer", "relais"), "reporter": ("reporter", "rapporteur"), "agent": ("agent", "auteur"),
        "patient": ("affected", "touché"), "interviewer": ("interviewer", "intervieweur"),
        "interviewee": ("interviewee", "interviewé"), "guarantor": ("guarantor", "garant"),
        "attributed-to": ("attributed to", "attribué à"), "party": ("party", "partie"),
        "beneficiary": ("beneficiary", "bénéficiaire"), "coordinator": ("coordinator", "coordinateur"),
        "partner": ("partner", "partenaire"), "organiser": ("organiser", "organisateur"),
        "victim": ("victim", "victime"), "affiliation": ("affiliation", "affiliation"), "author": ("author", "auteur"),
        "represented": ("represented", "représenté"), "witness": ("witness", "témoin"),
        "signatory": ("signatory", "signataire"), "mediator": ("mediator", "médiateur"),
    },
    "record": {
        "event.recorded": ("recorded", "enregistré"), "event.revised": ("corrected", "corrigé"),
        "event.retracted": ("retracted", "retiré"), "events.merged": ("merged", "fusionné"),
    },
    "alias": {
        "name": ("name", "nom"), "role": ("role", "fonction"), "epithet": ("epithet", "périphrase"),
        "pronoun": ("pronoun", "pronom"), "misprint": ("misprint", "coquille"), "acronym": ("acronym", "sigle"),
    },
    "relation": {
        "part-of": ("part of", "fait partie de"), "follows": ("follows", "fait suite à"),
        "confirms": ("confirms", "confirme"), "denies": ("denies", "dément"),
        "contradicts": ("contradicts", "contredit"), "supersedes": ("supersedes", "remplace"),
        "contradicts factual": ("contradicts (on the facts)", "contredit (sur les faits)"),
        "contradicts position": ("takes the opposite position to", "prend la position contraire de"),
        "contradicts stance-change": ("changes the stance of", "change la position de"),
    },
    "reverse": {
        "part-of": ("has part", "comprend"), "follows": ("followed by", "suivi de"),
        "confirms": ("confirmed by", "confirmé par"), "denies": ("denied by", "démenti par"),
        "contradicts": ("contradicted by", "contredit par"), "supersedes": ("superseded by", "remplacé par"),
        "contradicts factual": ("contradicted (on the facts) by", "contredit (sur les faits) par"),
        "contradicts position": ("opposite position taken by", "position contraire prise par"),
        "contradicts stance-change": ("stance changed by", "position changée par"),
    },
}


def language(lang: str | None) -> str:
    """Give the language we write for a language tag: English where we do not write it.

    >>> language("fr-CA"), language("de"), language(None)
    ('fr', 'en', 'en')
    """
    base = (lang or "").partition("-")[0].lower()
    return base if base in LANGUAGES else "en"


def label(vocabulary: str, word: str, lang: str) -> str:
    """Name a word of a vocabulary (a key of LABELS); one that is not known is shown without its hyphens.

    >>> label("role", "relayer", "fr"), label("role", "chief-negotiator", "fr")
    ('relais', 'chief negotiator')
    """
    pair = LABELS[vocabulary].get(word)
    return pair[LANGUAGES.index(language(lang))] if pair else deslug(word)


def relation_label(type_: str, sense: str | None, lang: str, *, reverse: bool = False) -> str:
    """Say how an event bears on another one, or (`reverse`) how the other one is borne upon.

    >>> relation_label("contradicts", "stance-change", "en"), relation_label("denies", None, "fr", reverse=True)
    ('changes the stance of', 'démenti par')
    """
    vocabulary = "reverse" if reverse else "relation"
    exact = f"{type_} {sense}"
    return label(vocabulary, exact if exact in LABELS[vocabulary] else type_, lang)


def deslug(slug: str) -> str:
    """Write a slug as words; well-known acronyms in capitals.

    >>> deslug("us-troops"), deslug("nato-membership")
    ('US troops', 'NATO membership')
    """
    return " ".join(word.upper() if word in _ACRONYMS else word for word in slug.split("-"))
