"""The OpenAPI 3.1 document, made from the route table and the structs that decode the bodies.

Why not the framework's: bodies and parameters are decoded strictly by our own decoders, which its generator cannot see,
so it would promise less than is checked (unknown fields, repeated parameters) and other errors than are sent.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from timeline.api.erasing import Erasure
from timeline.api.problems import MEDIA_TYPE
from timeline.api.routes import Route
from timeline.edtf import Edtf
from timeline.model import Actor, Degrees, Event, Source
from timeline.query import PARAMETERS, Parameter
from timeline.records import AnyChange
from timeline.snapshots.question import PRESENTATION

TEXT: Final = {"type": "string"}
ERRORS: Final = {
    400: "A parameter or the body cannot be read", 401: "A token is needed, or the one given is not good",
    403: "The token lacks the scope", 404: "There is nothing of that id, or the log is not that long",
    406: "None of the types asked for can be given", 408: "The body did not come in time",
    409: "It contradicts what the log holds",
    412: "It was changed since it was read", 413: "The body is too large", 414: "The address is too long",
    415: "The body is of another type",
    422: "The content is wrong: see the pointers", 429: "Asked too often: try again after Retry-After seconds",
    503: "Too busy, or the question is too costly: try again",
}


def document(routes: list[Route], version: str) -> dict[str, Any]:
    """Make the document."""
    _, components = msgspec.json.schema_components(
        [Event, Actor, Source, AnyChange, Erasure], schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Any] = {}
    for route in routes:
        if route.documented:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Timeline", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "A chronicle you can cite: dated events in an immutable log, read in chronological views. "
                           "Every answer names the position of the log it speaks of; asked `at` a position, it never "
                           "changes.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, **_SHAPES},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "tl_..."}},
        },
    }


def _schema(type_: type) -> dict[str, Any]:
    """Describe the two kinds of text that are parsed at the door."""
    if type_ is Edtf:
        return {"type": "string", "maxLength": 120, "description": "EDTF (ISO 8601-2:2019), levels 0 to 2",
                "examples": ["2025-08-15", "2025-08", "[2025-08-15..2025-08-18]", "2025-09-04/.."]}
    if type_ is Degrees:
        return {"oneOf": [{"type": "number", "minimum": -180, "maximum": 180}, {"type": "string"}],
                "description": "degrees, exact to 7 decimals", "examples": [61.2181]}
    raise NotImplementedError(type_)


def _page(item: str) -> dict[str, Any]:
    return {
        "type": "object", "required": ["items", "position"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}},
            "position": {"type": "integer", "description": "position of the log this speaks of"},
            "next": {"type": "string", "description": "address of the next page"},
        },
    }


def _asked(parameter: Parameter) -> dict[str, Any]:
    """Describe a parameter as a member of a body: one value, or a list of them."""
    plain = {"type": "integer", "minimum": 0} if parameter.number else {"type": "string"}
    one = {**plain, **({"enum": list(parameter.choices)} if parameter.choices else {})}
    several = {"type": "array", "items": one, "minItems": 1}
    return {"description": parameter.description, **({"oneOf": [one, several]} if parameter.repeatable else one)}


_EXTRAS: Final = {
    "earliest": {"type": ["string", "null"], "description": "first second of `when`, in UTC; null where unbounded"},
    "latest": {"type": ["string", "null"], "description": "last second of `when`, in UTC; null where unbounded"},
    "recorded_at": TEXT,
    "revision": {"$ref": "#/components/schemas/Revision"},
    "retracted": {"type": "object", "properties": {"reason": TEXT}},
    "merged_into": TEXT,
    "merged_from": {"type": "array", "items": TEXT},
}
_SECONDS: Final = {"type": "integer", "description": "seconds since 1970-01-01T00:00:00Z; may be negative or huge"}
_NATURAL: Final = {"type": "integer", "minimum": 0}


def _strict(required: dict[str, Any], **optional: Any) -> dict[str, Any]:  # noqa: ANN401 - schemas
    """Describe an object that has these members and no others."""
    return {"type": "object", "additionalProperties": False, "required": list(required),
            "properties": required | optional}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "null"}]}


_SPAN: Final = _or_null(_strict({"start": _SECONDS, "end": _SECONDS}))
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_CHART: Final = {
    "Chart": _strict({
        "position": _NATURAL, "recorded_at": _MAYBE_TEXT, "pinned": {"type": "boolean"}, "count": _NATURAL,
        "undated": _NATURAL, "in_window": _NATURAL, "range": _SPAN, "window": _SPAN,
        "overview": _or_null(_strict({
            "start": _SECONDS, "width": {"type": "integer", "minimum": 1},
            "counts": {"type": "array", "items": _NATURAL, "maxItems": 120}})),
        "lanes": {"type": "array", "maxItems": 50, "items": _strict(
            {"id": TEXT, "name": TEXT, "count": _NATURAL, "lang": _MAYBE_TEXT})},
        "other_lanes": _NATURAL,
        "events": {"type": "array", "maxItems": 300, "items": {"$ref": "#/components/schemas/ChartEvent"}},
        "clusters": {"type": "array", "items": _strict({
            "lane": {"type": ["integer", "null"], "description": "index into lanes; null: in none of them"},
            "start": _SECONDS, "end": _SECONDS, "count": {"type": "integer", "minimum": 1},
            "title": {"type": "string", "description": "of the most important"}, "id": TEXT})},
    }),
    "ChartEvent": _strict(
        {
            "id": TEXT, "title": TEXT, "lang": _MAYBE_TEXT, "when": _MAYBE_TEXT,
            "words": {"type": "string", "description": "the date, in words"},
            "shape": {"enum": ["exact", "about", "within", "span", "since", "until", "before", "after", "always",
                               "undated"]},
            "start": _or_null(_SECONDS), "end": _or_null(_SECONDS),
            "core": {"type": ["array", "null"], "items": _SECONDS, "minItems": 2, "maxItems": 2,
                     "description": "over which an interval with an unsure end certainly lasts"},
            "kind": TEXT, "status": TEXT, "revision": {"type": "integer", "minimum": 1},
            "lanes": {"type": "array", "items": _NATURAL, "description": "indexes into lanes; [] where in none"},
            "sources": _NATURAL,
            "relations": {"type": "array", "items": _strict({"type": TEXT, "event": TEXT})},
        },
        retracted={"const": True}, merged_into=TEXT, erased={"const": True}, outcome=TEXT,
        stance={"type": "array", "items": _strict({"topic": TEXT, "position": TEXT}, changed_from=TEXT)},
    ),
}
_SHAPES: Final[dict[str, Any]] = {
    **_CHART,
    "Object": {"type": "object"},
    "Revision": {
        "type": "object", "required": ["number", "position", "recorded_at", "author", "type"],
        "properties": {"number": {"type": "integer"}, "position": {"type": "integer"}, "recorded_at": TEXT,
                       "author": TEXT, "type": TEXT, "reason": TEXT},
    },
    "EventBody": {
        "type": "object", "description": "The event, and what the log knows of it",
        "required": ["id", "kind", "status", "title", "earliest", "latest", "recorded_at", "revision"],
        "properties": {"id": TEXT, "kind": TEXT, "status": TEXT, "title": TEXT, "when": TEXT, **_EXTRAS},
    },
    "ActorBody": {
        "type": "object", "description": "The actor, and what the log knows of it",
        "required": ["id", "kind", "name", "revision"],
        "properties": {"id": TEXT, "kind": TEXT, "name": TEXT, "revision": {"$ref": "#/components/schemas/Revision"}},
    },
    "SourceBody": {
        "type": "object", "description": "The source, and what the log knows of it; its text is part of no answer",
        "required": ["id", "title", "revision"], "not": {"required": ["text"]},
        "properties": {"id": TEXT, "title": TEXT, "revision": {"$ref": "#/components/schemas/Revision"}},
    },
    "Record": {
        "type": "object", "required": ["position", "header", "leaf_hash", "parts"],
        "properties": {"position": {"type": "integer"}, "header": {"type": "object"}, "leaf_hash": TEXT,
                       "parts": {"type": "array", "items": {"type": "object", "required": ["name", "salt"]}}},
    },
    "EventPage": _page("EventBody"), "ActorPage": _page("ActorBody"), "SourcePage": _page("SourceBody"),
    "RecordPage": _page("Record"), "ObjectPage": _page("Object"),
    "EventPatch": {
        "type": "object", "required": ["reason"], "description": "Fields of the event; null removes one (RFC 7396)",
        "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 2000,
                                  "description": "why; shown to readers"}},
    },
    "SnapshotQuestion": {
        "type": "object", "additionalProperties": False, "description": "The parameters of `/v1/events`",
        "properties": {parameter.name: _asked(parameter) for parameter in PARAMETERS
                       if parameter.name not in PRESENTATION},
    },
    "Batch": {
        "type": "array", "minItems": 1, "maxItems": 1000,
        "items": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in (
            "EventRecorded", "EventRevised", "EventRetracted", "EventsMerged", "ActorDescribed", "SourceDescribed")]},
    },
    "Problem": {
        "type": "object", "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT,
            "errors": {"type": "array", "items": {
                "type": "object", "required": ["pointer", "detail"], "properties": {"pointer": TEXT, "detail": TEXT}}},
        },
    },
}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{route.path.replace('/v1', '').replace('/', '_').replace('{', '')}"
                       .replace("}", "").rstrip("_"),
        "summary": route.summary,
        "tags": [route.path.split("/")[2] if route.path != "/v1" else "about"],
        "parameters": [*_path_parameters(route), *map(_query_parameter, route.parameters), *_header_parameters(route)],
        "responses": _responses(route),
    }
    if route.body is not None:
        name = route.body if isinstance(route.body, str) else route.body.__name__
        schema = {"$ref": f"#/components/schemas/{name}"}
        content = {media: {"schema": {"type": "string"} if "ndjson" in media else schema} for media in route.accepts}
        operation["requestBody"] = {"required": True, "content": content}
    if route.scope in ("write", "admin"):
        operation["security"] = [{"token": []}]
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [piece[1:-1] for piece in route.path.split("/") if piece.startswith("{")]
    schemas = {"position": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}}
    slug = {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 100}
    thing = route.path.split("/")[2].removesuffix("s") if names else ""
    about = "Position of a record in the log" if names == ["position"] else f"Id of the {thing}"
    return [{"name": name, "in": "path", "required": True, "description": about, "schema": schemas.get(name, slug)}
            for name in names]


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": 0} if parameter.number else {"type": "string"}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.default:
        schema["default"] = int(parameter.default) if parameter.number else parameter.default
    if parameter.repeatable:
        schema = {"type": "array", "items": schema}
    described: dict[str, Any] = {"name": parameter.name, "in": "query", "schema": schema}
    described["description"] = parameter.description
    if parameter.name == "reason":
        described["required"] = True
    if parameter.example and not parameter.repeatable:
        described["example"] = int(parameter.example) if parameter.number else parameter.example
    return described


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    texts = {
        "Accept-Datetime": "Time on the recorded clock, as an HTTP date: leads to what this log held then (RFC 7089)",
        "Last-Event-ID": "Id of the last message that was read: the stream goes on after it",
        "Idempotency-Key": "Sent again with the same content, the first answer is given again",
        "If-Match": "Revision that was read, in quotes: 412 if it is no longer the current one",
        "If-None-Match": "* : only if there is none of that id yet",
    }
    return [{"name": name, "in": "header", "description": texts[name], "schema": TEXT} for name in route.headers]


def _responses(route: Route) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{route.answer}"}
    content = {media: {"schema": schema if media == "application/json" else {}} for media in route.types}
    good = {str(status): {"description": "Created" if status == 201 else "OK", "content": content}
            for status in route.statuses}
    if "Accept-Datetime" in route.headers:
        good["302"] = {"description": "Found: the memento of the time asked for, in Location"}
    if route.method == "GET" and not route.endless:
        good["304"] = {"description": "Not modified: the ETag sent still holds"}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return good | {str(status): {"description": ERRORS[status], "content": problem} for status in _errors(route)}


def _errors(route: Route) -> list[int]:
    found = {400, 401, 403, 404, 414, 429, 503}
    if any(parameter.name == "actor" for parameter in route.parameters):
        found.add(422)
    if len(route.types) > 1:
        found.add(406)
    if route.scope in ("write", "admin"):
        found |= {408, 409, 412, 413, 415, 422}
    return sorted(found)
