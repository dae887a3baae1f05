"""The table of addresses: application, OPTIONS, OpenAPI document and tests are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Response

from timeline.api.asking import AnyRequest
from timeline.api.changes import FILTERS, TYPES, ChangeReads
from timeline.api.changes import OWN as CHANGE_PARAMETERS
from timeline.api.chart import FILTERS as CHART_FILTERS
from timeline.api.chart import OWN as CHART_PARAMETERS
from timeline.api.chart import ChartReads
from timeline.api.editing import DATE_PARAMETERS, Editing
from timeline.api.embedding import Embedding, OEmbed
from timeline.api.erasing import Erasing, Erasure
from timeline.api.hub import Hub
from timeline.api.memento import TIMEMAP_TYPES
from timeline.api.pages import Assets, Pages
from timeline.api.proofs import (
    CHECKPOINT_PARAMETERS,
    CHECKPOINT_TYPES,
    CONSISTENCY_PARAMETERS,
    INCLUSION_PARAMETERS,
    INCLUSION_TYPES,
    ProofReads,
)
from timeline.api.reads import CLOCKS, DENSITY_PARAMETERS, RECORD_TYPES, TIMEMAP_PARAMETERS, TOPIC_PARAMETERS, Reads
from timeline.api.snapshots import ALL_TYPES as SNAPSHOT_TYPES
from timeline.api.snapshots import LIST_PARAMETERS as SNAPSHOT_LIST
from timeline.api.snapshots import PARAMETERS as SNAPSHOT_PARAMETERS
from timeline.api.snapshots import Snapshots
from timeline.api.stream import OWN as STREAM_PARAMETERS
from timeline.api.stream import TYPE as STREAM_TYPE
from timeline.api.stream import Streams
from timeline.api.writes import JSON, LINES, PATCH, Writes
from timeline.chronicle import Timeline
from timeline.formats import FORMATS
from timeline.metrics import CacheFigures
from timeline.model import Actor, Event, Source
from timeline.query import PARAMETERS, Parameter

Handler = Callable[[AnyRequest], Awaitable[Response[Any]]]
ALL: Final = tuple(parameter.name for parameter in PARAMETERS)

OWN: Final = {
    parameter.name: parameter
    for parameter in (
        Parameter("f", "Format of the answer; without it the Accept header decides", "csv", choices=tuple(FORMATS)),
        Parameter("after", "Id after which the list goes on", "donald-trump"),
        Parameter("buckets", "Most buckets, 1..240", "120", default="240", number=True),
        Parameter("reason", "Why; shown to readers"),
    )
}
RECORD_PARAMETERS: Final = {
    parameter.name: parameter
    for parameter in (
        Parameter("after", "Position after which to go on", "120", default="0", number=True),
        Parameter("limit", "Records in one page, 1..1000; one of 8 MB ends there", "50", default="50", number=True),
        Parameter("f", "Format of the answer; without it the Accept header decides", choices=tuple(RECORD_TYPES)),
    )
}
TOPIC_LIMIT: Final = Parameter("limit", "Events whose stances are in one page, 1..1000", "50", default="1000",
                               number=True)
TIMEMAP_OWN: Final = (
    Parameter("f", "Format of the TimeMap; without it the Accept header decides", choices=tuple(TIMEMAP_TYPES)),
    Parameter("before", "List mementos before this position", "120", number=True),
)
ORIGINAL_F: Final = Parameter("original_f", "`f` of the original resource, if that has one", choices=tuple(FORMATS))


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address. `answers` are the statuses beside those every address can give.

    An `endless` answer goes on until either side ends it: it has no length, no ETag, and nothing waits for its end.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    scope: str = "read"
    parameters: tuple[Parameter, ...] = ()
    body: type | str | None = None
    accepts: tuple[str, ...] = ()
    answer: str = "Object"
    types: tuple[str, ...] = ("application/json",)
    statuses: tuple[int, ...] = (200,)
    headers: tuple[str, ...] = field(default=())
    documented: bool = True
    endless: bool = False


def parameters(*names: str) -> tuple[Parameter, ...]:
    """Look parameters up by name."""
    known = {parameter.name: parameter for parameter in PARAMETERS} | OWN
    return tuple(known[name] for name in names)


def table(timeline: Timeline, assets: Assets, streams: Streams | None = None, embedding: Embedding | None = None,
          cache: CacheFigures | None = None) -> list[Route]:
    """Give every route of this timeline."""
    shown = embedding or Embedding()
    reads, streams = Reads(timeline, shown.public_url, cache), streams or Streams(timeline, Hub(timeline))
    pages = Pages(timeline, assets, shown)
    return [*_reads(reads), *_chart(ChartReads(timeline)), *_timemaps(reads), *_changes(ChangeReads(timeline), streams),
            *_proofs(ProofReads(timeline)), *_snapshots(Snapshots(timeline)), *_writes(Writes(timeline)),
            *_erasing(Erasing(timeline)), *_editing(Editing()), *_pages(pages, assets),
            *_embeds(pages, OEmbed(timeline, shown))]


def _reads(reads: Reads) -> list[Route]:
    gate = ("Accept-Datetime",)
    page_types = tuple(format_.media_type.partition(";")[0] for format_ in FORMATS.values())
    events: dict[str, Any] = {"parameters": parameters(*ALL, "f"), "answer": "EventPage", "types": page_types,
                              "headers": gate}
    own_events: dict[str, Any] = {**events, "parameters": parameters(*(name for name in ALL if name != "actor"), "f")}
    listed = parameters("q", "limit", *CLOCKS, "after")
    clocks = parameters(*CLOCKS)
    return [
        Route("GET", "/v1", reads.index, "What this is and how far it goes"),
        Route("GET", "/v1/events", reads.events, "Events in chronological order", **events),
        Route("GET", "/v1/events/{id}", reads.event, "One event", parameters=parameters("lang", *CLOCKS),
              answer="EventBody", headers=gate),
        Route("GET", "/v1/events/{id}/history", reads.history, "Every revision of an event, with what changed and why",
              parameters=clocks, answer="ObjectPage"),
        Route("GET", "/v1/actors", reads.actors, "Actors in order of id", parameters=listed,
              answer="ActorPage"),
        Route("GET", "/v1/actors/{id}", reads.actor, "One actor", parameters=clocks, answer="ActorBody"),
        Route("GET", "/v1/actors/{id}/timeline", reads.actor_timeline, "The chronological view of an actor",
              **own_events),
        Route("GET", "/v1/sources", reads.sources, "Sources in order of id", parameters=listed,
              answer="SourcePage"),
        Route("GET", "/v1/sources/{id}", reads.source, "One source", parameters=clocks, answer="SourceBody"),
        Route("GET", "/v1/topics", reads.topics, "Topics with the number of events under each", parameters=clocks,
              answer="ObjectPage"),
        Route("GET", "/v1/topics/{id}/positions", reads.positions,
              "Who stood where on a topic, in order, with the changes of stance marked",
              parameters=(*parameters(*TOPIC_PARAMETERS, "cursor"), TOPIC_LIMIT), answer="ObjectPage"),
        Route("GET", "/v1/density", reads.density, "Counts of events by bucket of time",
              parameters=parameters(*DENSITY_PARAMETERS, "buckets")),
        Route("GET", "/v1/records", reads.records, "The log itself", parameters=tuple(RECORD_PARAMETERS.values()),
              types=tuple(RECORD_TYPES.values()), answer="RecordPage"),
        Route("GET", "/v1/records/{position}", reads.record, "One record of the log", answer="Record"),
    ]


def _chart(drawn: ChartReads) -> list[Route]:
    return [
        Route("GET", "/v1/chart", drawn.chart, "What a chart of an answer draws: events, clusters, lanes, an overview",
              parameters=(*parameters(*CHART_FILTERS), *CHART_PARAMETERS), answer="Chart"),
    ]


def _timemaps(reads: Reads) -> list[Route]:
    """TimeMaps (RFC 7089 section 5): ``/v1/timemap`` before the rest of the address of the original resource."""
    shape: dict[str, Any] = {"types": tuple(TIMEMAP_TYPES.values()), "answer": "ObjectPage"}
    question = (*parameters(*TIMEMAP_PARAMETERS), ORIGINAL_F, *TIMEMAP_OWN)
    own_question = tuple(parameter for parameter in question if parameter.name != "actor")
    return [
        Route("GET", "/v1/timemap/events", reads.events_timemap, "Mementos of a question about events",
              parameters=question, **shape),
        Route("GET", "/v1/timemap/events/{id}", reads.event_timemap, "Mementos of one event: its revisions",
              parameters=(*parameters("lang", "tz"), *TIMEMAP_OWN), **shape),
        Route("GET", "/v1/timemap/actors/{id}/timeline", reads.actor_timemap,
              "Mementos of the chronological view of an actor", parameters=own_question, **shape),
    ]


def _changes(changes: ChangeReads, streams: Streams) -> list[Route]:
    return [
        Route("GET", "/v1/changes", changes.changes, "What changed in an answer since a position, and why",
              parameters=(*parameters(*FILTERS), *CHANGE_PARAMETERS), answer="ObjectPage", types=tuple(TYPES.values())),
        Route("GET", "/v1/stream", streams.stream, "What changes in an answer, as it happens: Server-Sent Events",
              parameters=(*parameters(*FILTERS), *STREAM_PARAMETERS), types=(STREAM_TYPE,), headers=("Last-Event-ID",),
              endless=True),
    ]


def _proofs(proofs: ProofReads) -> list[Route]:
    """Ours; and those of C2SP tlog-tiles, undocumented: OpenAPI cannot put slashes into a parameter of a path."""
    tiles: dict[str, Any] = {"documented": False}
    return [
        Route("GET", "/v1/checkpoint", proofs.checkpoint, "Size and Merkle root of the log, signed where it has a key",
              parameters=CHECKPOINT_PARAMETERS, types=tuple(CHECKPOINT_TYPES.values())),
        Route("GET", "/v1/proofs/inclusion", proofs.inclusion, "That records are in the log (RFC 9162 section 2.1.3)",
              parameters=INCLUSION_PARAMETERS, types=tuple(INCLUSION_TYPES.values())),
        Route("GET", "/v1/proofs/consistency", proofs.consistency, "That the log only grew (RFC 9162 section 2.1.4)",
              parameters=CONSISTENCY_PARAMETERS),
        Route("GET", "/checkpoint", proofs.note, "The newest signed checkpoint", types=("text/plain",), **tiles),
        Route("GET", "/tile/{tile:path}", proofs.tile, "A tile of hashes or a bundle of entries",
              types=("application/octet-stream",), **tiles),
    ]


def _snapshots(frozen: Snapshots) -> list[Route]:
    return [
        Route("POST", "/v1/snapshots", frozen.publish, "Freeze the answer to a question, and publish it",
              body="SnapshotQuestion", accepts=JSON, scope="write", statuses=(200, 201)),
        Route("GET", "/v1/snapshots", frozen.listed, "Published snapshots, newest first", parameters=SNAPSHOT_LIST,
              answer="ObjectPage"),
        Route("GET", "/v1/snapshots/{id}", frozen.one, "A snapshot as it was cited, or with all that verifies it",
              parameters=SNAPSHOT_PARAMETERS, types=SNAPSHOT_TYPES),
    ]


def _writes(writes: Writes) -> list[Route]:
    writing: dict[str, Any] = {"scope": "write"}
    changed = (200, 201)
    return [
        Route("POST", "/v1/events", writes.record, "Record an event", body=Event, accepts=JSON, answer="EventBody",
              statuses=changed, headers=("Idempotency-Key", "If-None-Match"), **writing),
        Route("PATCH", "/v1/events/{id}", writes.revise, "Revise an event: a merge patch (RFC 7396) and a reason",
              body="EventPatch", accepts=PATCH, answer="EventBody",
              headers=("Idempotency-Key", "If-Match"), **writing),
        Route("DELETE", "/v1/events/{id}", writes.retract, "Retract an event; its history stays",
              parameters=parameters("reason"), answer="EventBody", headers=("Idempotency-Key", "If-Match"), **writing),
        Route("PUT", "/v1/actors/{id}", writes.describe_actor, "Describe an actor", body=Actor, accepts=JSON,
              answer="ActorBody", statuses=changed,
              headers=("Idempotency-Key", "If-Match", "If-None-Match"), **writing),
        Route("PUT", "/v1/sources/{id}", writes.describe_source, "Describe a source", body=Source, accepts=JSON,
              answer="SourceBody", statuses=changed,
              headers=("Idempotency-Key", "If-Match", "If-None-Match"), **writing),
        Route("POST", "/v1/records", writes.batch, "Append changes together: all of them, or none", body="Batch",
              accepts=LINES, statuses=changed, headers=("Idempotency-Key",), **writing),
    ]


def _erasing(erasing: Erasing) -> list[Route]:
    return [
        Route("POST", "/v1/erasures", erasing.erase, "Erase a part for a lawful reason, in all its revisions",
              scope="admin", body=Erasure, accepts=JSON, statuses=(200, 201)),
    ]


def _editing(editing: Editing) -> list[Route]:
    return [
        Route("GET", "/v1/dates", editing.date, "A date in words, with its bounds", parameters=DATE_PARAMETERS),
        Route("GET", "/v1/token", editing.token, "Whose the token at hand is, and what it allows"),
    ]


def _pages(pages: Pages, assets: Assets) -> list[Route]:
    shown: dict[str, Any] = {"documented": False, "types": ("text/html",)}
    return [
        Route("GET", "/", pages.timeline, "The timeline as a page", **shown),
        Route("GET", "/events/{id}", pages.event, "One event as a page", **shown),
        Route("GET", "/actors", pages.actors, "Actors as a page", **shown),
        Route("GET", "/actors/{id}", pages.actor, "One actor as a page", **shown),
        Route("GET", "/compare", pages.compare, "Actors side by side as a page", **shown),
        Route("GET", "/topics", pages.topics, "Topics as a page", **shown),
        Route("GET", "/topics/{id}", pages.topic, "One topic as a page", **shown),
        Route("GET", "/snapshots", pages.snapshots, "Published snapshots as a page", **shown),
        Route("GET", "/snapshots/{id}", pages.snapshot, "A snapshot as a page that checks it", **shown),
        Route("GET", "/edit", pages.edit, "The editor, for who has a token that may write", scope="none",
              **shown),
        Route("GET", "/problems/{code}", pages.problem, "A problem type explained", **shown),
        Route("GET", "/docs", pages.docs, "This documentation", **shown),
        Route("GET", "/docs/widget", pages.widget, "What <timeline-view> takes, with examples", **shown),
        Route("GET", "/timeline-view.js", assets.widget, "The script of <timeline-view>", documented=False),
        Route("GET", "/assets/{name}", assets.get, "Style sheets and scripts", documented=False, scope="none"),
    ]


def _embeds(pages: Pages, oembed: OEmbed) -> list[Route]:
    """What others show: not in the OpenAPI document, as oEmbed is a specification of its own."""
    shown: dict[str, Any] = {"documented": False, "types": ("text/html",)}
    return [
        Route("GET", "/embed", pages.embed, "Events in a frame", **shown),
        Route("GET", "/embed/events/{id}", pages.embed_event, "One event in a frame", **shown),
        Route("GET", "/embed/snapshots/{id}", pages.embed_snapshot, "A snapshot in a frame", **shown),
        Route("GET", "/oembed", oembed.oembed, "How a page is embedded", documented=False,
              types=("application/json", "text/xml")),
    ]
