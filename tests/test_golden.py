"""Golden digests: the seed timeline's snapshots are the same bytes on any machine, however the log was made.

Change `fixtures/golden/seeds.json` only together with a new version of the projector or of a format, and say so in the
changelog: every citation made before depends on it. ``python tests/test_golden.py`` prints what it should hold.
"""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest

from timeline import Timeline, parse_query
from timeline.chronicle import rebuild_views
from timeline.snapshots import digest, freeze, make_bundle, verify_bundle
from timeline.views.store import views_path

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "fixtures" / "golden" / "seeds.json"
ORIGIN = "golden.example/log"
QUESTIONS = {
    "everything": [],
    "then": [("at", "59")],
    "an actor": [("actor", "karoline-leavitt")],
    "certainly in those days": [("from", "2025-08-15"), ("to", "2025-08-19"), ("match", "must")],
    "a government and its members, speaking": [("actor", "united-states"), ("members", "true"), ("role", "speaker")],
    "as reported by then": [("topic", "us-troops"), ("reported_by", "2025-08-18")],
    "spoken of": [("on", "about"), ("from", "2025-09")],
    "words": [("q", "troops")],
}


def noise(seed=b"golden"):
    """Give bytes that look random and are the same every time."""
    count = 0

    def draw(size):
        nonlocal count
        count += 1
        return b"".join(sha256(seed + f"{count}.{block}".encode()).digest() for block in range(size // 32 + 1))[:size]

    return draw


def changes():
    for file in sorted((ROOT / "seeds").glob("*.ndjson")):
        yield from (json.loads(line) for line in file.read_bytes().splitlines() if line.strip())


def made(folder, *, batch=500):
    """Make the log of the seeds with fixed clock and randomness; give what can be cited of it."""
    path = Path(folder) / "seeds.db"
    with Timeline(path, origin=ORIGIN, clock=lambda: "2026-01-01T00:00:00.000000Z", entropy=noise()) as timeline:
        waiting = changes()
        while some := list(islice(waiting, batch)):
            timeline.append(some)
        return cited(timeline)


def cited(timeline):
    found = {"size": timeline.position, "root": timeline.root_at(timeline.position).hex()}
    for name, pairs in QUESTIONS.items():
        snapshot = freeze(timeline, parse_query(pairs))
        bundle = make_bundle(timeline, snapshot, None)
        assert verify_bundle(bundle, id_=snapshot.id).verdict == "ok"
        found[name] = {"id": snapshot.id, "content": digest(snapshot.content()), "entries": len(snapshot.entries),
                       "bundle": digest(bundle.encoded())}
    return found


def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_the_seeds_give_the_golden_digests_whatever_enters_together(tmp_path, batch):
    assert made(tmp_path, batch=batch) == golden()


@pytest.mark.parametrize("surroundings", [
    {"TZ": "Pacific/Kiritimati", "LANG": "fr_FR.UTF-8", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    {"TZ": "America/Anchorage", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "4242", "PYTHONUTF8": "0"},
    {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONOPTIMIZE": "1"},
])
def test_another_process_with_other_surroundings_gives_the_golden_digests(surroundings):
    told = subprocess.run([sys.executable, __file__], capture_output=True, check=True, cwd=ROOT,
                          env={**os.environ, **surroundings})
    assert json.loads(told.stdout) == golden()


OTHER_SQLITE = """
import functools, runpy, sys, pysqlite3

class Connection(pysqlite3.dbapi2.Connection):
    def setlimit(self, *_):  # it has none, and these pages are far below ours
        return 0

pysqlite3.Connection, pysqlite3.SQLITE_LIMIT_LENGTH = Connection, 0
pysqlite3.connect = pysqlite3.dbapi2.connect = functools.partial(pysqlite3.connect, factory=Connection)
sys.modules["sqlite3"], sys.modules["sqlite3.dbapi2"] = pysqlite3, pysqlite3.dbapi2
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_another_version_of_sqlite_gives_the_golden_digests():
    if importlib.util.find_spec("pysqlite3") is None:
        pytest.skip("no second SQLite here: install pysqlite3-binary to compare with it")
    told = subprocess.run([sys.executable, "-c", OTHER_SQLITE, __file__], capture_output=True, check=True, cwd=ROOT)
    assert json.loads(told.stdout) == golden()


def test_rebuilt_and_vacuumed_views_give_the_golden_digests(tmp_path):
    made(tmp_path)
    path = tmp_path / "seeds.db"
    rebuild_views(path)
    with closing(sqlite3.connect(views_path(path), isolation_level=None)) as connection:
        for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 1024", "VACUUM"):
            connection.execute(statement)
    with Timeline(path) as timeline:
        assert cited(timeline) == golden()


def test_the_golden_snapshots_are_not_empty():
    assert all(golden()[name]["entries"] for name in QUESTIONS)
    assert len({golden()[name]["id"] for name in QUESTIONS}) == len(QUESTIONS)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(made(scratch), indent=1))
