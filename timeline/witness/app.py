"""The HTTP edge of a witness: `POST /add-checkpoint`, what was cosigned last, and a page that says what this is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException

from timeline.errors import TimelineError
from timeline.tlog import CosignatureSigner, Verifier
from timeline.witness.judging import MAX_BODY, Stale, Witness
from timeline.witness.store import Store

TEXT: Final = "text/plain"
SIZE: Final = "text/x.tlog.size"
"""The type of the answer that says which size the witness holds (C2SP tlog-witness, add-checkpoint)."""

AnyRequest = Request[Any, Any, Any]
_log = logging.getLogger("timeline")


def create_witness(
    store: Store, signer: CosignatureSigner, logs: Mapping[str, Verifier], clock: Callable[[], float] = time.time,
) -> Litestar:
    """Make the application: `logs` are the origins it knows, each with its key; `clock` gives seconds since 1970."""
    witness = Witness(store, signer, logs, clock)
    addresses = {sha256(origin.encode()).hexdigest(): origin for origin in logs}

    @post("/add-checkpoint", status_code=HTTPStatus.OK)
    async def add_checkpoint(request: AnyRequest) -> Response[str]:
        """Cosign a checkpoint. In a thread: SQLite waits for the disk."""
        return _text(await asyncio.to_thread(witness.add_checkpoint, await request.body()))

    @get("/{address:str}/checkpoint")
    async def checkpoint(request: AnyRequest) -> Response[str]:
        """Give what was cosigned last (C2SP tlog-witness, monitor retrieval): the address is SHA-256 of the origin."""
        origin = addresses.get(request.path_params["address"])
        latest = None if origin is None else await asyncio.to_thread(store.latest, origin)
        if latest is None:
            return _text("no checkpoint of such a log was cosigned here\n", HTTPStatus.NOT_FOUND)
        return _text(latest.note)

    @get("/")
    async def about() -> Response[str]:
        return _text(witness.description())

    return Litestar(
        [add_checkpoint, checkpoint, about], request_max_body_size=MAX_BODY, openapi_config=None, logging_config=None,
        debug=False,
        exception_handlers={TimelineError: _refused, HTTPException: _unanswered, Exception: _crashed},
    )


def _text(text: str, status: int = HTTPStatus.OK) -> Response[str]:
    return Response(text, status_code=status, media_type=TEXT, headers={"Cache-Control": "no-store"})


def _refused(_: AnyRequest, error: TimelineError) -> Response[str]:
    """Say why not; to a log that is behind or ahead, the size held and nothing else."""
    if isinstance(error, Stale):
        response = _text(f"{error.size}\n", error.status)
        response.headers["Content-Type"] = SIZE  # as it is: the framework would add a charset
        return response
    return _text(f"{error.detail}\n", error.status)


def _unanswered(request: AnyRequest, error: HTTPException) -> Response[str]:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _crashed(request, error)
    return _text(f"{HTTPStatus(error.status_code).phrase}: POST /add-checkpoint is what a witness answers\n",
                 error.status_code)


def _crashed(_: AnyRequest, error: Exception) -> Response[str]:
    """Show nothing of a bug but that it is one; the log has the rest."""
    _log.error("unexpected error", exc_info=error)
    return _text("Internal error: the witness signed nothing\n", HTTPStatus.INTERNAL_SERVER_ERROR)
