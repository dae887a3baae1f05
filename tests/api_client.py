"""What the tests of the API share: a timeline with the seeds, a token, a client."""

from contextlib import contextmanager
from pathlib import Path

from litestar.testing import TestClient

from timeline import Timeline
from timeline.api.app import create_app
from timeline.records import decode_change
from timeline.tokens import Tokens

SEEDS = sorted((Path(__file__).parents[1] / "seeds").glob("*.ndjson"))
PROBLEM = "application/problem+json"


def load_seeds(timeline):
    for path in SEEDS:
        timeline.append([decode_change(line) for line in path.read_bytes().splitlines()])


class Client(TestClient):
    """A client that knows its timeline, its tokens, and the header that lets it write."""

    timeline: Timeline
    tokens: Tokens
    writer: dict[str, str]

    def write(self, method, url, *, headers=None, **rest):
        return self.request(method, url, headers={**self.writer, **(headers or {})}, **rest)


@contextmanager
def serving(timeline, folder, *, public_read=True):
    tokens = Tokens(folder / "test.tokens.db")
    app = create_app(timeline, tokens, public_read=public_read)
    with Client(app, raise_server_exceptions=False) as client:
        client.timeline, client.tokens = timeline, tokens
        client.writer = {"Authorization": f"Bearer {tokens.create('newsroom', ['admin'])}"}
        yield client
    tokens.close()


@contextmanager
def seeded(folder, **options):
    with Timeline(folder / "timeline.db") as timeline:
        load_seeds(timeline)
        with serving(timeline, folder, **options) as client:
            yield client


def problem(response, status, pointer=None):
    """Check that an answer is a problem document of the one shape, and give it."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["Content-Type"] == PROBLEM
    found = response.json()
    assert {"type", "title", "status", "detail"} <= found.keys()
    assert found["status"] == status
    assert found["type"].startswith("/problems/")
    assert response.headers["Cache-Control"] == "no-store"
    for fault in found.get("errors", []):
        assert fault.keys() == {"pointer", "detail"}
    if pointer is not None:
        assert pointer in [fault["pointer"] for fault in found["errors"]], found
    return found
