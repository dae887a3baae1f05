"""A running server, asked and written to by HTTP. The token goes into a header and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from timeline import errors
from timeline.api.proof_bodies import CheckpointBody, Consistency, Inclusion, Inclusions
from timeline.cli.output import note
from timeline.errors import Busy, Fault, Malformed, NotFound, TimelineError, TooCostly
from timeline.following.waiting import Waiting, in_words
from timeline.log import Part, Record
from timeline.query import MAX_LIMIT
from timeline.records import AnyChange, canonical
from timeline.writer import Appended

KINDS: Final = (errors.TooCostly, errors.Busy, errors.VersionMismatch, errors.Conflict, errors.NotFound,
                errors.Forbidden, errors.Unauthorized, errors.Invalid, errors.Malformed)
BY_CODE: Final = {each.code: each for each in KINDS}
"""By the end of a problem's type: two kinds may share a status."""

BY_STATUS: Final = {**{each.status: each for each in KINDS}, **dict.fromkeys((408, 429, 502, 504), errors.Busy)}
"""For answers that are no problem documents of ours, such as a proxy's; the last four are no fault of the content."""

Pairs = list[tuple[str, str]]
Body = TypeVar("Body")


class Page(msgspec.Struct):
    """One page of events, their bodies as they came."""

    items: list[msgspec.Raw]
    position: int
    next: str | None = None


class ShownPart(msgspec.Struct):
    """A part as the API shows it; the stored text of a source is not shown."""

    name: str
    salt: str
    data: msgspec.Raw | None = None


class ShownRecord(msgspec.Struct):
    """A record as the API shows it: header and parts are the bytes that were hashed."""

    position: int
    header: msgspec.Raw
    parts: list[ShownPart]
    erased: list[str] = []

    def record(self) -> Record:
        """Give the record, as far as it is shown."""
        parts = tuple(Part(each.name, bytes.fromhex(each.salt), bytes(each.data))
                      for each in self.parts if each.data is not None)
        return Record(self.position, bytes(self.header), parts, tuple(self.erased))


class Remote:
    """One server. Use it in a `with`."""

    def __init__(self, url: str, token: str | None) -> None:
        """Talk to the server at `url`, as the owner of `token`."""
        headers = {"Accept": "application/json"}
        if token:
            if not (token.isascii() and token.isprintable()):
                raise Malformed("the token is not one: expected tl_...")
            headers["Authorization"] = f"Bearer {token}"
        if not url.startswith(("http://", "https://")):
            raise Malformed(f"--url: expected http://... or https://..., got {url!r}")
        self._url = url.rstrip("/")
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=30.0, trust_env=False)
        self._pool = ThreadPoolExecutor(1)
        self._waiting = Waiting(note)

    def __enter__(self) -> Self:
        """Use in a `with` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        """Finish what is on its way and hang up; after a failure or Ctrl-C, what waits to be sent again is not."""
        if kind is not None:
            self._waiting.stop()
        self._pool.shutdown()
        self._client.close()

    def _request(
        self, method: str, path: str, *, repeatable: bool = False, **options: Any,  # noqa: ANN401 - options of httpx
    ) -> bytes:
        """Ask, and ask again when the server says when (429, 503), where asking twice is harmless.

        That is GET, and what its sender calls `repeatable`. Nobody is helped by asking again what is too costly.
        """
        times = 0
        while True:
            response, times = self._sent(method, path, **options), times + 1
            if response.is_success:
                return response.content
            error = _problem(response)
            if isinstance(error, TooCostly) or not (repeatable or method == "GET"):
                raise error
            if not self._waiting.again(times, self._url, response.status_code, response.headers):
                raise error

    def _sent(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - options of httpx
        try:
            return self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Busy(f"cannot reach the server at {self._url}: {type(error).__name__}; is it running?") from None

    # ------------------------------------------------------------------ reading

    def page(self, pairs: Pairs) -> Page:
        """Ask a question and give the first page."""
        return msgspec.json.decode(self._request("GET", "/v1/events", params=pairs), type=Page)

    def following(self, page: Page) -> Iterator[str]:
        """Yield the bodies of a page and of all that follow it."""
        while True:
            yield from (bytes(item).decode() for item in page.items)
            if page.next is None:
                return
            page = msgspec.json.decode(self._request("GET", page.next), type=Page)

    def everything(self, pairs: Pairs) -> tuple[int, Iterator[str]]:
        """Give the position of a question's answer, and all its bodies."""
        page = self.page([*pairs, ("limit", str(MAX_LIMIT))])
        return page.position, self.following(page)

    def actor(self, actor_id: str, position: int) -> str:
        """Give an actor's body as it stood at a position."""
        path = f"/v1/actors/{quote(actor_id, safe='')}"
        return self._request("GET", path, params={"at": position}).decode()

    def history(self, event_id: str) -> list[dict[str, Any]]:
        """Give every revision of an event."""
        content = self._request("GET", f"/v1/events/{quote(event_id, safe='')}/history")
        versions: list[dict[str, Any]] = msgspec.json.decode(content)["items"]
        return versions

    def changes(self, pairs: Pairs) -> dict[str, Any]:
        """Give all that changed in the answer to a question, page by page up to one position."""
        content = self._request("GET", "/v1/changes", params=[*pairs, ("limit", str(MAX_LIMIT))])
        found: dict[str, Any] = msgspec.json.decode(content)
        following = found.pop("next", None)
        while following is not None:
            page = msgspec.json.decode(self._request("GET", following))
            found["items"] += page["items"]
            following = page.get("next")
        return found

    # ------------------------------------------------------------------ checkpoints and proofs

    def checkpoint(self, size: int | None) -> CheckpointBody:
        """Give the server's checkpoint, of all there is or of an earlier size. Nothing in it is verified."""
        return self._proof("checkpoint", {"size": size}, CheckpointBody)

    def inclusion(self, position: int, size: int | None) -> Inclusion:
        """Give the proof of one record. Nothing in it is verified."""
        return self._proof("proofs/inclusion", {"position": position, "size": size}, Inclusion)

    def inclusions(self, positions: Sequence[int], size: int | None) -> Inclusions:
        """Give the proof of several records at once. Nothing in it is verified."""
        return self._proof("proofs/inclusion", {"position": list(positions), "size": size}, Inclusions)

    def consistency(self, old: int, new: int | None) -> Consistency:
        """Give the proof that the log only grew. Nothing in it is verified."""
        return self._proof("proofs/consistency", {"old": old, "new": new}, Consistency)

    def tlog_proof(self, position: int, size: int | None) -> str:
        """Give the proof of one record as a file of its own."""
        parameters = {"position": position, "f": "tlog-proof", **({} if size is None else {"size": size})}
        return self._request("GET", "/v1/proofs/inclusion", params=parameters).decode(errors="replace")

    def _proof(self, address: str, parameters: dict[str, Any], type_: type[Body]) -> Body:
        given = {name: value for name, value in parameters.items() if value is not None}
        content = self._request("GET", f"/v1/{address}", params=given)
        try:
            return msgspec.json.decode(content, type=type_)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise TimelineError(f"the server at {self._url} answered something else than asked: is it the same version?"
                                ) from None

    # ------------------------------------------------------------------ the log and its snapshots

    def origin(self) -> str:
        """Give the name of the server's log."""
        return str(msgspec.json.decode(self._request("GET", "/v1"))["origin"])

    def records(self, until: int) -> Iterator[Record]:
        """Yield the records of the server's log up to a position, with the bytes that were hashed."""
        after = 0
        while after < until:
            parameters = {"after": after, "limit": min(MAX_LIMIT, until - after), "f": "ndjson"}
            lines = self._request("GET", "/v1/records", params=parameters).splitlines()
            for line in lines:
                shown = msgspec.json.decode(line, type=ShownRecord)
                after = shown.position
                yield shown.record()
            if not lines:
                return

    def record(self, position: int) -> Record | None:
        """Give one record of the server's log."""
        shown = self._request("GET", f"/v1/records/{position}")
        return msgspec.json.decode(shown, type=ShownRecord).record()

    def publish(self, pairs: Pairs) -> dict[str, Any]:
        """Freeze the answer to a question, and say what was published."""
        question: dict[str, Any] = {}
        for name, value in pairs:
            question.setdefault(name, []).append(value)
        body = {name: values if len(values) > 1 else values[0] for name, values in question.items()}
        answer: dict[str, Any] = msgspec.json.decode(self._request("POST", "/v1/snapshots", json=body))
        return answer

    def snapshot(self, id_: str, format_: str) -> bytes:
        """Give a published snapshot: its ``bundle``, or its own bytes as ``json``."""
        return self._request("GET", f"/v1/snapshots/{quote(id_, safe='')}", params={"f": format_})

    def erase(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Erase a part of a thing."""
        done: dict[str, Any] = msgspec.json.decode(self._request("POST", "/v1/erasures", json=wanted))
        return done

    def snapshots(self) -> list[dict[str, Any]]:
        """List the newest published snapshots."""
        items: list[dict[str, Any]] = msgspec.json.decode(self._request("GET", "/v1/snapshots"))["items"]
        return items

    # ------------------------------------------------------------------ `timeline.importing.Target`

    def submit(self, changes: Sequence[AnyChange]) -> Future[list[Appended]]:
        """Send changes that enter together or not at all."""
        keyed = all(change.key is not None for change in changes)  # then sending them twice records them once
        return self._pool.submit(self._send, b"\n".join(map(canonical, changes)), repeatable=keyed)

    def _send(self, content: bytes, *, repeatable: bool) -> list[Appended]:
        headers = {"Content-Type": "application/x-ndjson"}
        answer = self._request("POST", "/v1/records", repeatable=repeatable, content=content, headers=headers)
        return [msgspec.convert(item, Appended) for item in msgspec.json.decode(answer)["items"]]

    def known(self, keys: Sequence[str]) -> set[str]:  # noqa: ARG002 - a server is not asked: it knows when it is told
        """Tell nothing: sending a change again is harmless."""
        return set()

    def things(self, type_: str) -> Iterator[dict[str, Any]]:
        """Read all actors or sources, page by page."""
        address = f"/v1/{type_}s?limit={MAX_LIMIT}"
        while address:
            page = msgspec.json.decode(self._request("GET", address))
            yield from page["items"]
            address = page.get("next")

    def current(self, event_id: str) -> dict[str, Any] | None:
        """Give the present body of an event."""
        try:
            body: dict[str, Any] = msgspec.json.decode(self._request("GET", f"/v1/events/{quote(event_id, safe='')}"))
        except NotFound:
            return None
        return body


def _problem(response: httpx.Response) -> TimelineError:
    """Make our own error of a problem document (RFC 9457), or of whatever came instead."""
    try:
        document = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        document = {}
    code = str(document.get("type", "")).rpartition("/")[2]
    kind = BY_CODE.get(code) or BY_STATUS.get(response.status_code)
    detail = str(document.get("detail") or f"the server answered {response.status_code} {response.reason_phrase}")
    when = in_words(response.status_code, response.headers)
    if when and "come again" not in detail:
        detail += f"; {when}"
    faults = tuple(
        Fault(str(item.get("pointer", "")), str(item.get("detail", "")))
        for item in document.get("errors", []) if isinstance(item, dict)
    )
    known = ("type", "title", "status", "detail", "errors")
    members = {name: value for name, value in document.items() if name not in known}
    return (kind or TimelineError)(detail, faults=faults, **members)
