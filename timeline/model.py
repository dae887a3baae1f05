"""Events, actors and sources: the words of the domain as values.

Every struct is frozen, refuses unknown fields and leaves defaults out when it is written, so that a value has one
canonical form. Where a default has meaning of its own, such as a status, it is made by a factory: msgspec then writes
it out, and a stored event never changes because a default did. Two kinds of text are parsed at the door rather than
carried as strings: dates (`timeline.edtf`) and coordinates (`Degrees`).

Why coordinates are decimal text in storage: the log's canonical profile has no floats (RFC 8785 number formatting is
where JSON implementations differ). An integer of 1e-7 degree, as first drafted, would give ``lat`` another unit in the
log than in the API; ``"61.2181"`` is exact and reads the same everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from timeline.edtf import Edtf, parse

SLUG_PATTERN: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$(?!\n)"
Slug = Annotated[
    str,
    Meta(pattern=SLUG_PATTERN, max_length=100, description="lower-case ASCII letters, digits and single hyphens"),
]
Title = Annotated[str, Meta(min_length=1, max_length=500, description="plain text, never markup")]
Line = Annotated[str, Meta(min_length=1, max_length=500)]
Text = Annotated[str, Meta(max_length=20_000, description="plain text, never markup")]
Language = Annotated[
    str, Meta(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$(?!\n)", max_length=35, description="BCP 47 language tag")
]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", description="SHA-256 in lower-case hexadecimal")]
Wikidata = Annotated[str, Meta(pattern=r"^Q[1-9][0-9]{0,11}$(?!\n)", description="Wikidata item")]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s<>\"]+$(?!\n)", max_length=2000, description="http or https only")]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1, description="in Unicode code points, as Python counts them")]
Zone = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*$(?!\n)", max_length=64, description="IANA zone")
]

Kind = Literal["occurrence", "statement", "plan"]
Status = Literal["reported", "confirmed", "disputed", "denied", "planned", "cancelled"]
Certainty = Literal["stated", "inferred"]
ActorKind = Literal["person", "government", "organisation", "media", "group"]
RelationType = Literal["part-of", "follows", "confirms", "denies", "contradicts", "supersedes"]
Sense = Literal["factual", "position", "stance-change"]
Position = Literal["for", "against", "open", "conditional", "unclear"]
OutcomeState = Literal[
    "pending", "fulfilled", "partly-fulfilled", "not-held", "rejected", "abandoned", "superseded", "unknown"
]

COORDINATE_DECIMALS: Final = 7
"""1e-7 degree is 11 mm at the equator; more digits claim a precision nobody has."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


class Degrees:
    """A latitude or longitude, exact to 1e-7 degree.

    >>> Degrees(61.2181), Degrees("61.21810")
    (Degrees('61.2181'), Degrees('61.2181'))
    """

    __slots__ = ("value",)

    def __init__(self, value: float | str) -> None:
        """Take a JSON number or decimal text; `ValueError` for anything that is not a finite number in -180..180."""
        try:
            exact = Decimal(str(value)) if _NUMBER.fullmatch(str(value)) else Decimal("NaN")
        except InvalidOperation:
            exact = Decimal("NaN")
        if not exact.is_finite() or abs(exact) > 180:
            msg = "expected degrees between -180 and 180, such as 61.2181"
            raise ValueError(msg)
        self.value = exact.quantize(Decimal(1).scaleb(-COORDINATE_DECIMALS)).normalize() + 0

    def __str__(self) -> str:
        """Give the shortest plain decimal text."""
        return f"{self.value:f}"

    def __repr__(self) -> str:
        """Give the constructor call."""
        return f"Degrees({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, Degrees) and self.value == other.value

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self.value)


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What every struct of the model is: frozen, strict, and silent about defaults.

    None can hold itself, so none is ever looked at by the collector of cycles: a tenth of the time of an import.
    """


class Participation(Value, frozen=True, kw_only=True):
    """An actor's part in an event. The order of the list is the chain: who said that who said."""

    id: Slug
    role: Slug = field(default_factory=lambda: "participant")
    on_behalf_of: Slug | None = None


class Anchor(Value, frozen=True, kw_only=True):
    """A symbolic date for what cannot be dated yet: "the day after a ceasefire". Never turned into a guess."""

    relation: Literal["after", "before", "day-after"]
    event: Slug | None = None
    text: Line | None = None
    phrase: Line | None = None


class Outcome(Value, frozen=True, kw_only=True):
    """What became of a plan, as far as known: a plan never turns into an occurrence because its day has passed."""

    state: OutcomeState
    as_of: Edtf | None = None
    evidence: Annotated[list[Slug], Meta(max_length=50)] = []
    note: Text | None = None


class Stance(Value, frozen=True, kw_only=True):
    """Where an actor stands on a topic, as this event shows it."""

    actor: Slug
    topic: Slug
    position: Position
    note: Text | None = None


class Place(Value, frozen=True, kw_only=True):
    """Where it happened. `id` makes places filterable; without it the slug of the name is used."""

    name: Line
    id: Slug | None = None
    lat: Degrees | None = None
    lon: Degrees | None = None
    wikidata: Wikidata | None = None

    def __post_init__(self) -> None:
        """Refuse a latitude beyond the poles and half a coordinate."""
        if (self.lat is None) != (self.lon is None):
            msg = "lat and lon belong together: give both or neither"
            raise ValueError(msg)
        if self.lat is not None and abs(self.lat.value) > 90:
            msg = "expected a latitude between -90 and 90"
            raise ValueError(msg)

    @property
    def slug(self) -> str:
        """The id, or the slug of the name."""
        return self.id or slugify(self.name)


class Media(Value, frozen=True, kw_only=True):
    """A picture or recording, linked, never fetched."""

    url: Url
    alt: Text | None = None
    caption: Text | None = None
    credit: Line | None = None


class Citation(Value, frozen=True, kw_only=True):
    """Where a source says it: a W3C Web Annotation position selector, with an optional quote selector.

    `start` and `end` count Unicode code points of the source's text, end exclusive; `span_sha256` is the SHA-256 of
    that span's UTF-8 bytes, so a citation can be checked by anyone who has the document, without quoting it.
    """

    source: Slug
    start: Offset | None = None
    end: Offset | None = None
    span_sha256: Sha256 | None = None
    exact: Text | None = None
    prefix: Line | None = None
    suffix: Line | None = None
    phrase: Line | None = None
    when: Edtf | None = None

    def __post_init__(self) -> None:
        """Refuse half a selector and a reversed one."""
        if (self.start is None) != (self.end is None):
            msg = "start and end belong together: give both or neither"
            raise ValueError(msg)
        if self.start is not None and self.end is not None and self.end <= self.start:
            msg = f"expected end after start, got {self.start}..{self.end}"
            raise ValueError(msg)


class Relation(Value, frozen=True, kw_only=True):
    """How this event bears on another one. Rival accounts coexist: nothing forces a winner."""

    type: RelationType
    event: Slug
    sense: Sense | None = None


class Translation(Value, frozen=True, kw_only=True):
    """Title and summary in another language."""

    title: Title
    summary: Text | None = None


def _occurrence() -> Kind:
    return "occurrence"


def _reported() -> Status:
    return "reported"


def _stated() -> Certainty:
    return "stated"


class Event(Value, frozen=True, kw_only=True):
    """A dated happening on the timeline: something that occurred, was said, or is planned (DESIGN, "The event")."""

    id: Slug | None = None
    kind: Kind = field(default_factory=_occurrence)
    status: Status = field(default_factory=_reported)
    title: Title
    summary: Text | None = None
    when: Edtf | None = None
    anchor: Anchor | None = None
    tz: Zone | None = None
    phrase: Line | None = None
    sequence: Annotated[int, Meta(ge=-32768, le=32767, description="order within the same date")] = 0
    certainty: Certainty = field(default_factory=_stated)
    lang: Language | None = None
    translations: Annotated[dict[Language, Translation], Meta(max_length=50)] = {}
    actors: Annotated[list[Participation], Meta(max_length=200)] = []
    about: Edtf | None = None
    announced: Edtf | None = None
    outcome: Outcome | None = None
    depends_on: Annotated[list[Slug], Meta(max_length=50)] = []
    topics: Annotated[list[Slug], Meta(max_length=50)] = []
    stances: Annotated[list[Stance], Meta(max_length=50)] = []
    place: Place | None = None
    media: Annotated[list[Media], Meta(max_length=50)] = []
    citations: Annotated[list[Citation], Meta(max_length=200)] = []
    relations: Annotated[list[Relation], Meta(max_length=200)] = []
    note: Text | None = None


class Alias(Value, frozen=True, kw_only=True):
    """Another way the actor is named in texts."""

    text: Line
    kind: Literal["name", "role", "epithet", "pronoun", "misprint", "acronym"] = "name"
    lang: Language | None = None


class Actor(Value, frozen=True, kw_only=True):
    """A person, government, organisation, media outlet or group that takes part in events."""

    id: Slug | None = None
    kind: ActorKind
    name: Line
    names: Annotated[dict[Language, Line], Meta(max_length=50)] = {}
    aliases: Annotated[list[Alias], Meta(max_length=200)] = []
    wikidata: Wikidata | None = None
    member_of: Annotated[list[Slug], Meta(max_length=50)] = []
    head_of: Slug | None = None
    spokesperson_of: Slug | None = None
    description: Text | None = None
    descriptions: Annotated[dict[Language, Text], Meta(max_length=50)] = {}
    note: Text | None = None


class Source(Value, frozen=True, kw_only=True):
    """A document that reports events. Its text is optional: without it, citations are kept but not checked."""

    id: Slug | None = None
    title: Title
    published: Edtf | None = None
    publisher: Line | None = None
    author: Line | None = None
    url: Url | None = None
    lang: Language | None = None
    sha256: Sha256 | None = None
    characters: Offset | None = None
    text: Annotated[str, Meta(max_length=500_000)] | None = None
    note: Text | None = None


def slugify(text: str, fallback: str = "untitled") -> str:
    """Make a slug of any text: accents folded, everything else a hyphen, at most 80 characters.

    >>> slugify("Rencontre Trump–Poutine à l'Élysée")
    'rencontre-trump-poutine-a-l-elysee'
    >>> slugify("首脑会议")
    'untitled'
    """
    folded = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    words = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")
    return words[:80].rstrip("-") or fallback


def decode_hook(expected: type, value: Any) -> Any:  # noqa: ANN401 - the signature msgspec gives
    """Turn JSON text into a date, and a JSON number or text into degrees (msgspec `dec_hook`)."""
    if expected is Edtf:
        if not isinstance(value, str):
            msg = f'expected an EDTF date in quotes, such as "2025-08-15", got {value!r}'[:120]
            raise ValueError(msg)
        return parse(value)
    if expected is Degrees:
        return Degrees(value)
    raise NotImplementedError(expected)


def canonical_hook(value: Any) -> str:  # noqa: ANN401 - the signature msgspec gives
    """Write dates and degrees as text: the log's canonical profile has no floats (msgspec `enc_hook`)."""
    return str(value)


def wire_hook(value: Any) -> str | float:  # noqa: ANN401 - the signature msgspec gives
    """Write dates as text and degrees as JSON numbers, as readers of the API expect (msgspec `enc_hook`)."""
    return float(value.value) if isinstance(value, Degrees) else str(value)
