"""The server that is measured: the real application and one route more, which answers any number of constant bytes.

``python -m timeline.bench.server LOG [limited] PORT``; limited: as behind one proxy, with the usual limits.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from litestar import Request, Response, get, post

from timeline.api.limits import RATE, REQUESTS, TOKEN_RATE, Limits
from timeline.api.serve import run


@lru_cache(8)
def _bytes(size: int) -> bytes:
    return b"x" * size


@get("/bench/constant/{size:int}")
async def constant(size: int) -> Response[bytes]:
    """Answer constant bytes: what the server itself can do."""
    return Response(_bytes(size), media_type="application/json")


@post("/bench/constant/{size:int}")
async def taken(request: Request[Any, Any, Any], size: int) -> Response[bytes]:
    """Read a body, do nothing with it, and answer constant bytes."""
    await request.body()
    return Response(_bytes(size), status_code=201, media_type="application/json")


if __name__ == "__main__":
    usual = Limits(requests=REQUESTS, rate=RATE, token_rate=TOKEN_RATE, proxies=1)
    run(Path(sys.argv[1]), port=int(sys.argv[-1]), extra=[constant, taken],
        limits=usual if "limited" in sys.argv[2:-1] else None)
