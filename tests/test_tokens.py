"""Bearer tokens: secrets shown once, scopes that imply others, expiry and revocation."""

import contextlib
import sqlite3
import stat
import threading

import pytest

from timeline.errors import Conflict, Invalid, NotFound
from timeline.tokens import Tokens, tokens_path

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(tmp_path, clock):
    opened = Tokens(tmp_path / "t.tokens.db", clock=clock)
    yield opened
    opened.close()


def test_tokens_stand_beside_the_log(tmp_path):
    """The file is named after the log."""
    assert tokens_path(tmp_path / "news.db") == tmp_path / "news.tokens.db"


def test_a_secret_is_good_and_says_whose_it_is(tokens):
    """What was made can be checked."""
    secret = tokens.create("newsroom", ["write"])
    grant = tokens.check(secret)
    assert (grant.id, grant.name) == (1, "newsroom")
    assert secret.startswith("tl_")
    assert len(secret) == 46


@pytest.mark.parametrize(("scope", "implied"), [
    ("read", {"read"}), ("write", {"read", "write"}), ("admin", {"read", "write", "admin"}),
])
def test_scopes_imply_lesser_ones(tokens, scope, implied):
    """Admin implies all, write implies read."""
    assert tokens.check(tokens.create("x", [scope])).scopes == implied


def test_only_a_digest_is_stored(tokens):
    """The secret is nowhere in the file, and the file is its owner's alone."""
    secret = tokens.create("newsroom", ["read"])
    assert secret.encode() not in tokens.path.read_bytes()
    assert secret not in str(tokens.all())
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("secret", ["", "tl_", "tl_" + "A" * 43, "é", "\udc80", "x" * 100_000])
def test_an_unknown_secret_allows_nothing(tokens, secret):
    """Whatever was sent, the answer is no."""
    tokens.create("newsroom", ["read"])
    assert tokens.check(secret) is None


def test_a_token_is_good_on_its_last_day_and_no_longer(tokens, clock):
    """Expiry is a day, in UTC, inclusive."""
    secret = tokens.create("newsroom", ["read"], "2026-01-02")
    clock.now = NOON + 1.49 * 86400
    assert tokens.check(secret)
    clock.now = NOON + 1.51 * 86400
    assert tokens.check(secret) is None


def test_a_revoked_token_is_useless(tokens, clock):
    """Revoking holds from the next check on; doing it twice keeps the first time."""
    secret = tokens.create("newsroom", ["read"])
    tokens.revoke(1)
    clock.now += 60
    tokens.revoke(1)
    assert tokens.check(secret) is None
    assert tokens.all()[0]["revoked"] == "2026-01-01T12:00:00Z"


def test_revoking_what_is_not_there(tokens):
    """There is no token of that number."""
    with pytest.raises(NotFound, match="no token 7"):
        tokens.revoke(7)


@pytest.mark.parametrize(("name", "scopes", "expires", "pointer"), [
    ("", ["read"], None, "/name"), ("a\nb", ["read"], None, "/name"), ("x", [], None, "/scopes"),
    ("x", ["all"], None, "/scopes"), ("x", ["read"], "tomorrow", "/expires"), ("x", ["read"], "20260101", "/expires"),
])
def test_a_bad_token_is_not_made(tokens, name, scopes, expires, pointer):
    """The fault names the field."""
    with pytest.raises(Invalid) as caught:
        tokens.create(name, scopes, expires)
    assert caught.value.faults[0].pointer == pointer
    assert tokens.all() == []


def test_last_use_is_noted_once_a_minute(tokens, clock):
    """A busy token does not write with every request."""
    secret = tokens.create("newsroom", ["read"])
    tokens.check(secret)
    clock.now += 59
    tokens.check(secret)
    assert tokens.all()[0]["last_used"] == "2026-01-01T12:00:00Z"
    clock.now += 2
    tokens.check(secret)
    assert tokens.all()[0]["last_used"] == "2026-01-01T12:01:01Z"


def test_a_locked_file_does_not_fail_a_check(tokens):
    """Noting the use is a courtesy, the answer is not."""
    secret = tokens.create("newsroom", ["read"])
    tokens._database.conn.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tokens.path)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert tokens.check(secret).name == "newsroom"
    finally:
        other.close()


def test_another_process_sees_a_revocation(tokens, clock):
    """The command line revokes what a running server checks."""
    secret = tokens.create("newsroom", ["read"])
    assert tokens.check(secret)
    other = Tokens(tokens.path, clock=clock)
    other.revoke(1)
    other.close()
    assert tokens.check(secret) is None


def test_what_was_found_is_not_looked_up_again_while_nothing_changes(tokens, clock, monkeypatch):
    """A second, or any change of the file, is the end of what is remembered; what was refused is not remembered."""
    looked, find = [], tokens._find
    monkeypatch.setattr(tokens, "_find", lambda digest: looked.append(digest) or find(digest))
    secret = tokens.create("newsroom", ["read"])
    tokens.check(secret)  # notes that it was used, which changes the file
    del looked[:]
    assert [tokens.check(secret).name for _ in range(5)] == ["newsroom"] * 5
    assert len(looked) == 1
    clock.now += 1
    assert tokens.check(secret).name == "newsroom"
    assert len(looked) == 2
    tokens.create("another", ["read"])
    assert tokens.check(secret).name == "newsroom"
    assert len(looked) == 3
    assert [tokens.check("tl_wrong") for _ in range(2)] == [None, None]
    assert len(looked) == 5


def test_what_was_found_while_the_file_changed_is_not_remembered(tokens, clock, monkeypatch):
    """It may be of before the change, although the change was seen."""
    secret = tokens.create("newsroom", ["read"])
    tokens.check(secret)
    clock.now += 1
    other, find = Tokens(tokens.path, clock=clock), tokens._find

    def meanwhile(digest):
        found = find(digest)
        other.revoke(1)
        return found

    monkeypatch.setattr(tokens, "_find", meanwhile)
    assert tokens.check(secret).name == "newsroom"
    monkeypatch.setattr(tokens, "_find", find)
    assert tokens.check(secret) is None
    other.close()


def test_nothing_is_remembered_of_a_file_with_a_log_of_its_own(tokens, clock):
    """Such a file does not count its changes where they are looked for; nobody of ours makes one."""
    secret = tokens.create("newsroom", ["read"])
    with contextlib.closing(sqlite3.connect(tokens.path)) as other:
        assert other.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        assert tokens.check(secret).name == "newsroom"
        other.execute("UPDATE token SET revoked = 'now'")
        other.commit()
        assert tokens.check(secret) is None


def test_many_threads(tokens):
    """Making and checking from several threads at once loses nothing."""
    good = []

    def work(number):
        secret = tokens.create(f"t{number}", ["read"])
        good.append(tokens.check(secret).name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(good) == [f"t{number}" for number in range(8)]


def test_a_file_of_something_else(tmp_path):
    """A file that holds no tokens is refused, and a directory that is not there named."""
    (tmp_path / "x.tokens.db").write_text("not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(Conflict, match=r"x\.tokens\.db is not a file of tokens"):
        Tokens(tmp_path / "x.tokens.db")
    with pytest.raises(NotFound, match="no directory"):
        Tokens(tmp_path / "nowhere" / "x.tokens.db")
