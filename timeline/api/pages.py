"""Pages for people, their assets, and the API's documentation: all from this server, nothing from anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Final

from litestar import Response

from timeline import errors
from timeline.api import embedding, problems
from timeline.api.answers import FOREVER, REVALIDATE, WORTH_GZIP, packed, respond
from timeline.api.asking import AnyRequest, query_pairs
from timeline.api.embedding import Embedding
from timeline.api.negotiation import accepted_languages, accepts_gzip, matches
from timeline.api.problems import FRAMEWORK, PAGE, PAGE_POLICY
from timeline.api.ready import may_be_kept
from timeline.api.snapshots import described
from timeline.chronicle import Timeline
from timeline.errors import NotFound, TimelineError
from timeline.web import compare, edit, page, snapshot
from timeline.web.embed import Embedded, event_embedded, question_embedded, snapshot_embedded
from timeline.web.lean import lean

ASKING_POLICY: Final = f"{PAGE_POLICY}; connect-src 'self'"
"""For pages whose scripts ask this server: a snapshot's fetches its bundle and checks it, a list's draws a chart."""

A_DAY: Final = "public, max-age=86400"
"""For pages of the past: what they say is fixed, but not how (templates, names of assets, the form's limits)."""

EDIT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""For the editor: no form is ever sent by the browser itself, so a token cannot end up in an address."""

DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

WIDGET_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For the page that shows `<timeline-view>`: what any page that holds one may have."""

ASSETS: Final = {
    "page.css": ("static/page.css", "text/css"),
    "compare.css": ("static/compare.css", "text/css"),
    "verify.js": ("static/verify.js", "text/javascript"),
    "embed.css": ("static/embed.css", "text/css"),
    "share.js": ("static/share.js", "text/javascript"),
    "snapshot.js": ("static/snapshot.js", "text/javascript"),
    "edit.css": ("static/edit.css", "text/css"),
    **{name: (f"static/{name}", "text/javascript") for name in edit.SCRIPTS},
    "docs.js": ("static/docs.js", "text/javascript"),
    "timeline-view-more.js": ("static/timeline-view-more.js", "text/javascript"),
    "timeline-view.js": ("static/timeline-view.js", "text/javascript"),
    "widget-docs.js": ("static/widget-docs.js", "text/javascript"),
    "widget-docs.css": ("static/widget-docs.css", "text/css"),
    "swagger-ui.css": ("vendor/swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("vendor/swagger-ui/swagger-ui-bundle.js", "text/javascript"),
}
"""Everything that is served as a file, by name: a name that is not here is 404, whatever it looks like."""

LEAN: Final = ("timeline-view-more.js", "timeline-view.js")
"""Scripts for pages elsewhere: sent without comments and needless spaces, and naming each other by digest."""


class Assets:
    """Packaged files in memory, under names that carry their digest and so may be kept for ever."""

    def __init__(self) -> None:
        """Read the files once."""
        self._files: dict[str, tuple[bytes, str, str]] = {}
        self._packed: dict[str, bytes] = {}
        self._hashed: dict[str, str] = {}
        for name, (path, media_type) in ASSETS.items():
            data = files("timeline.web").joinpath(path).read_bytes()
            if name in LEAN:
                data = self._named(lean(data.decode())).encode()
            digest = sha256(data).hexdigest()[:12]
            stem, _, extension = name.rpartition(".")
            self._hashed[name] = f"/assets/{stem}.{digest}.{extension}"
            for known in (name, self._hashed[name].removeprefix("/assets/")):
                self._files[known] = (data, media_type, digest)

    def _named(self, script: str) -> str:
        """Name the scripts that were read before this one as what they hold, so that no two ages of them meet."""
        for name in LEAN:
            if name in self._hashed:
                script = script.replace(f"'/assets/{name}'", f"'{self._hashed[name]}'")
        return script

    def url(self, name: str) -> str:
        """Give the address of an asset."""
        return self._hashed[name]

    def bytes_of(self, name: str) -> bytes:
        """Give what is sent under this name, before compression."""
        return self._files[name][0]

    async def widget(self, request: AnyRequest) -> Response[bytes]:
        """Send the script of `<timeline-view>` under the one address that pages elsewhere name."""
        return await self._send(request, "timeline-view.js")

    async def get(self, request: AnyRequest) -> Response[bytes]:
        """Send an asset."""
        return await self._send(request, request.path_params["name"])

    async def _send(self, request: AnyRequest, name: str) -> Response[bytes]:
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

    def __init__(self, timeline: Timeline, assets: Assets, shown: Embedding | None = None) -> None:
        """Show this timeline; `shown` says where, and who may frame what is made for it."""
        self._timeline = timeline
        self._assets = assets
        self._embedding = shown or Embedding()

    async def timeline(self, request: AnyRequest) -> Response[bytes]:
        """Show the timeline, filtered as the form says."""
        return await self._placed(request, page.timeline_page, policy=ASKING_POLICY)

    async def event(self, request: AnyRequest) -> Response[bytes]:
        """Show one event with its history and what answers it."""
        return await self._placed(request, page.event_page, request.path_params["id"])

    async def actor(self, request: AnyRequest) -> Response[bytes]:
        """Show an actor and the actor's timeline."""
        return await self._placed(request, page.actor_page, request.path_params["id"], policy=ASKING_POLICY)

    async def topic(self, request: AnyRequest) -> Response[bytes]:
        """Show who stood where on a topic."""
        return await self._placed(request, page.topic_page, request.path_params["id"])

    async def actors(self, request: AnyRequest) -> Response[bytes]:
        """Show every actor."""
        return await self._placed(request, page.actors_page)

    async def compare(self, request: AnyRequest) -> Response[bytes]:
        """Show actors side by side."""
        return await self._show(request, compare.compare_page)

    async def topics(self, request: AnyRequest) -> Response[bytes]:
        """Show every topic."""
        return await self._placed(request, page.topics_page)

    async def snapshots(self, request: AnyRequest) -> Response[bytes]:
        """Show which snapshots were published."""
        return await self._placed(request, snapshot.snapshots_page)

    async def snapshot(self, request: AnyRequest) -> Response[bytes]:
        """Show a snapshot, and check it in the reader's browser. What became of its events changes with the log."""
        found = await asyncio.to_thread(described, self._timeline, request.path_params["id"])
        return await self._placed(request, snapshot.snapshot_page, found, policy=ASKING_POLICY)

    async def edit(self, request: AnyRequest) -> Response[bytes]:
        """Show the editor; it asks the API for everything else, with the token that it is given there."""
        return await self._show(request, edit.edit_page, policy=EDIT_POLICY)

    async def embed(self, request: AnyRequest) -> Response[bytes]:
        """Show the answer to a question in somebody else's page."""
        return await self._framed(request, question_embedded)

    async def embed_event(self, request: AnyRequest) -> Response[bytes]:
        """Show one event in somebody else's page."""
        return await self._framed(request, event_embedded, request.path_params["id"])

    async def embed_snapshot(self, request: AnyRequest) -> Response[bytes]:
        """Show a snapshot in somebody else's page."""
        found = await asyncio.to_thread(described, self._timeline, request.path_params["id"])
        return await self._framed(request, snapshot_embedded, found)

    async def _framed(self, request: AnyRequest, make: Callable[..., Embedded], *what: object) -> Response[bytes]:
        def rendered(*args: object, **shared: object) -> page.Page:
            return make(*args, **shared).page()

        return await self._placed(request, rendered, *what, policy=self._embedding.policy)

    async def problem(self, request: AnyRequest) -> Response[bytes]:
        """Explain a problem type: the address that `type` of a problem document names."""
        code = request.path_params["code"]
        known = explained()
        if code not in known:
            raise NotFound("there is no such problem type")
        shown = page.problem_page(*known[code], "en", self._assets.url)
        return await _html(request, shown, 200, _headers(PAGE_POLICY, REVALIDATE))

    async def docs(self, request: AnyRequest) -> Response[bytes]:
        """Show the API's documentation."""
        html = files("timeline.web").joinpath("docs.html").read_text()
        for name in ASSETS:
            html = html.replace(f"/assets/{name}", self._assets.url(name))
        return await respond(request, html.encode(), media_type=PAGE, headers=_headers(DOCS_POLICY, REVALIDATE))

    async def widget(self, request: AnyRequest) -> Response[bytes]:
        """Show what `<timeline-view>` takes and how it looks, on this server's own events."""
        html = files("timeline.web").joinpath("templates/widget.html").read_text()
        for name in ("page.css", "widget-docs.css", "widget-docs.js"):
            html = html.replace(f"/assets/{name}", self._assets.url(name))
        return await respond(request, html.encode(), media_type=PAGE, headers=_headers(WIDGET_POLICY, REVALIDATE))

    async def _placed(self, request: AnyRequest, render: Callable[..., page.Page], *what: object,
                      policy: str = PAGE_POLICY) -> Response[bytes]:
        """Render a page that says where it is."""
        site = self._embedding.site(request, self._timeline)
        return await self._show(request, partial(render, site=site), *what, policy=policy, vary=self._embedding.vary)

    async def _show(self, request: AnyRequest, render: Callable[..., page.Page], *what: object,
                    policy: str = PAGE_POLICY, vary: str = "") -> Response[bytes]:
        """Render in a thread: a page asks several questions."""
        languages = accepted_languages(request.headers.get("accept-language", ""))
        parameters = query_pairs(request)

        def rendered() -> page.Page:
            return render(self._timeline, *what, parameters, asset=self._assets.url, languages=languages)

        position = self._timeline.position
        shown = await asyncio.to_thread(rendered)
        may_be_kept(request.scope, position)
        cache = A_DAY if shown.final else REVALIDATE if shown.status == 200 else "no-store"
        return await _html(request, shown, shown.status, _headers(policy, cache, vary))


def explained() -> dict[str, tuple[int, str, str]]:
    """Give status, title and explanation of every problem type there is, by its code."""
    found = {code: (status, title, detail) for status, (code, title, detail) in FRAMEWORK.items()}
    for cls in (*vars(errors).values(), *vars(problems).values(), embedding.UnknownFormat):
        if isinstance(cls, type) and issubclass(cls, TimelineError) and cls is not TimelineError:
            found[cls.code] = (cls.status, cls.title, " ".join((cls.__doc__ or "").split()))
    return found


async def _html(request: AnyRequest, shown: page.Page, status: int, headers: dict[str, str]) -> Response[bytes]:
    return await respond(request, shown.html.encode(), status=status, media_type=PAGE, headers=headers)


def _headers(policy: str, cache: str, vary: str = "") -> dict[str, str]:
    """Give the headers of a page; one that was written for the host of a request varies with that."""
    vary = ", ".join(filter(None, ("Accept-Language", "Accept-Encoding", vary)))
    return {"Content-Security-Policy": policy, "Cache-Control": cache, "Vary": vary}


__all__ = ["Assets", "Pages"]
