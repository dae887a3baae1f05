"""Pages for people, their assets, and the API's documentation: all from this server, nothing from anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Final

from litestar import Response

from timeline import errors
from timeline.api import problems
from timeline.api.answers import FOREVER, REVALIDATE, WORTH_GZIP, packed, respond
from timeline.api.asking import AnyRequest, query_pairs
from timeline.api.negotiation import accepted_languages, accepts_gzip, matches
from timeline.api.problems import FRAMEWORK, PAGE, PAGE_POLICY
from timeline.api.snapshots import described
from timeline.chronicle import Timeline
from timeline.errors import NotFound, TimelineError
from timeline.web import page, snapshot

CHECKED_POLICY: Final = f"{PAGE_POLICY}; script-src 'self'; connect-src 'self'"
"""For the page of a snapshot, which fetches its own bundle and checks it."""

A_DAY: Final = "public, max-age=86400"
"""For pages of the past: what they say is fixed, but not how (templates, names of assets, the form's limits)."""

DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

ASSETS: Final = {
    "page.css": ("static/page.css", "text/css"),
    "verify.js": ("static/verify.js", "text/javascript"),
    "snapshot.js": ("static/snapshot.js", "text/javascript"),
    "docs.js": ("static/docs.js", "text/javascript"),
    "swagger-ui.css": ("vendor/swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("vendor/swagger-ui/swagger-ui-bundle.js", "text/javascript"),
}
"""Everything that is served as a file, by name: a name that is not here is 404, whatever it looks like."""


class Assets:
    """Packaged files in memory, under names that carry their digest and so may be kept for ever."""

    def __init__(self) -> None:
        """Read the files once."""
        self._files: dict[str, tuple[bytes, str, str]] = {}
        self._packed: dict[str, bytes] = {}
        self._hashed: dict[str, str] = {}
        for name, (path, media_type) in ASSETS.items():
            data = files("timeline.web").joinpath(path).read_bytes()
            digest = sha256(data).hexdigest()[:12]
            stem, _, extension = name.rpartition(".")
            self._hashed[name] = f"/assets/{stem}.{digest}.{extension}"
            for known in (name, self._hashed[name].removeprefix("/assets/")):
                self._files[known] = (data, media_type, digest)

    def url(self, name: str) -> str:
        """Give the address of an asset."""
        return self._hashed[name]

    async def get(self, request: AnyRequest) -> Response[bytes]:
        """Send an asset."""
        name = request.path_params["name"]
        if name not in self._files:
            raise NotFound("there is no such asset")
        data, media_type, digest = self._files[name]
        headers = {"ETag": f'W/"{digest}"', "Cache-Control": FOREVER if digest in name else REVALIDATE,
                   "Vary": "Accept-Encoding"}
        if matches(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(b"", status_code=304, headers=headers, media_type=media_type)
        if len(data) >= WORTH_GZIP and accepts_gzip(request.headers.get("accept-encoding", "")):
            if digest not in self._packed:
                self._packed[digest] = await packed(data)
            data, headers["Content-Encoding"] = self._packed[digest], "gzip"
        return Response(data, headers=headers, media_type=media_type)


class Pages:
    """Handlers of the pages."""

    def __init__(self, timeline: Timeline, assets: Assets) -> None:
        """Show this timeline."""
        self._timeline = timeline
        self._assets = assets

    async def timeline(self, request: AnyRequest) -> Response[bytes]:
        """Show the timeline, filtered as the form says."""
        return await self._show(request, page.timeline_page)

    async def event(self, request: AnyRequest) -> Response[bytes]:
        """Show one event with its history and what answers it."""
        return await self._show(request, page.event_page, request.path_params["id"])

    async def actor(self, request: AnyRequest) -> Response[bytes]:
        """Show an actor and the actor's timeline."""
        return await self._show(request, page.actor_page, request.path_params["id"])

    async def topic(self, request: AnyRequest) -> Response[bytes]:
        """Show who stood where on a topic."""
        return await self._show(request, page.topic_page, request.path_params["id"])

    async def actors(self, request: AnyRequest) -> Response[bytes]:
        """Show every actor."""
        return await self._show(request, page.actors_page)

    async def topics(self, request: AnyRequest) -> Response[bytes]:
        """Show every topic."""
        return await self._show(request, page.topics_page)

    async def snapshots(self, request: AnyRequest) -> Response[bytes]:
        """Show which snapshots were published."""
        return await self._show(request, snapshot.snapshots_page)

    async def snapshot(self, request: AnyRequest) -> Response[bytes]:
        """Show a snapshot, and check it in the reader's browser. What became of its events changes with the log."""
        found = await asyncio.to_thread(described, self._timeline, request.path_params["id"])
        return await self._show(request, snapshot.snapshot_page, found, policy=CHECKED_POLICY)

    async def problem(self, request: AnyRequest) -> Response[bytes]:
        """Explain a problem type: the address that `type` of a problem document names."""
        code = request.path_params["code"]
        known = explained()
        if code not in known:
            raise NotFound("there is no such problem type")
        shown = page.problem_page(*known[code], "en", self._assets.url)
        return await _html(request, shown, 200)

    async def docs(self, request: AnyRequest) -> Response[bytes]:
        """Show the API's documentation."""
        html = files("timeline.web").joinpath("docs.html").read_text()
        for name in ASSETS:
            html = html.replace(f"/assets/{name}", self._assets.url(name))
        return await respond(request, html.encode(), media_type=PAGE, headers=_headers(DOCS_POLICY, REVALIDATE))

    async def _show(self, request: AnyRequest, render: Callable[..., page.Page], *what: object,
                    policy: str = PAGE_POLICY) -> Response[bytes]:
        """Render in a thread: a page asks several questions."""
        languages = accepted_languages(request.headers.get("accept-language", ""))
        parameters = query_pairs(request)

        def rendered() -> page.Page:
            return render(self._timeline, *what, parameters, asset=self._assets.url, languages=languages)

        shown = await asyncio.to_thread(rendered)
        return await _html(request, shown, shown.status, policy)


def explained() -> dict[str, tuple[int, str, str]]:
    """Give status, title and explanation of every problem type there is, by its code."""
    found = {code: (status, title, detail) for status, (code, title, detail) in FRAMEWORK.items()}
    for cls in (*vars(errors).values(), *vars(problems).values()):
        if isinstance(cls, type) and issubclass(cls, TimelineError) and cls is not TimelineError:
            found[cls.code] = (cls.status, cls.title, " ".join((cls.__doc__ or "").split()))
    return found


async def _html(request: AnyRequest, shown: page.Page, status: int, policy: str = PAGE_POLICY) -> Response[bytes]:
    headers = _headers(policy, A_DAY if shown.final else REVALIDATE if status == 200 else "no-store")
    return await respond(request, shown.html.encode(), status=status, media_type=PAGE, headers=headers)


def _headers(policy: str, cache: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, "Cache-Control": cache, "Vary": "Accept-Language, Accept-Encoding"}


__all__ = ["Assets", "Pages"]
