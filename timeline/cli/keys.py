"""`key`: the Ed25519 key that signs a log's checkpoints; and how every command finds it.

The key stays in a file of its own that only its owner can read (C2SP signed-note, in the form of Go's
``golang.org/x/mod/sumdb/note``). No command shows it. A file that others can read is refused, as ssh does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from timeline.cli.opening import named, present, readable
from timeline.cli.options import as_json
from timeline.cli.output import note, print_json, say
from timeline.errors import Busy, Conflict, Forbidden, Malformed, NotFound, TimelineError

if TYPE_CHECKING:
    from timeline.chronicle import AnyTimeline
    from timeline.cli.root import Settings
    from timeline.tlog import Signer

MAX_BYTES: Final = 4096
"""A key is a line of some hundred bytes."""

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def key_path(log: Path) -> Path:
    """Give the place of a log's key: ``timeline.db`` -> ``timeline.key``."""
    return log.with_name(f"{log.name.removesuffix('.db')}.key")


def find_signer(settings: Settings) -> Signer | None:
    """Give the key that was named (--key, TIMELINE_KEY), or the one beside the log; None where there is none.

    Raises:
        NotFound: the file that was named is not there.
        Forbidden: others can read it.
        Malformed: it does not hold a key.

    """
    path = settings.key or key_path(settings.db)
    if settings.key is None and not path.exists():
        return None
    return read_signer(path)


def read_signer(path: Path) -> Signer:
    """Read a key. What is wrong is said without the secret; errors as of `find_signer`."""
    needs_cryptography()
    from timeline.tlog import NoteError, Signer

    try:
        text = _read_secret(path).decode().strip()
        return Signer.parse(text)
    except (NoteError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, NoteError) else "it is not text"
        raise Malformed(f"{path.name} does not hold the key of a log: {reason}") from None


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & OTHERS:
                raise Forbidden(f"{path.name} can be used by others than its owner, so it is not a secret: run "
                                f"`chmod 600 {path.name}` if nobody has read it, else make a new key")
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        raise NotFound(f"there is no key file {path.name}: `timeline key generate` makes one") from None
    except IsADirectoryError:
        raise Malformed(f"{path.name} is a directory, not the file of a key") from None


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner can read, durably; `Conflict` where there is one of that name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise Conflict(f"{path.name} is there already, and a key is never overwritten: what it signed needs it; choose "
                       "another --out, or move it away first") from None
    except FileNotFoundError:
        raise NotFound(f"there is no directory {path.parent.name} to keep {path.name} in") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def needs_cryptography() -> None:
    """Say how to install what signs, where it is not installed."""
    if find_spec("cryptography") is None:
        raise TimelineError("signatures need the package cryptography: run `pip install 'timeline[sign]'`")


def sign(timeline: AnyTimeline, signer: Signer | None) -> None:
    """Have a timeline sign its checkpoints, if there is a key.

    Raises:
        Invalid: the key was made for another log.

    """
    if signer is not None:
        timeline.sign_with(signer)


def remember(path: Path, signer: Signer) -> None:
    """Have the log remember a public key it signs with, so that what it keeps can be verified later.

    Another log's key is not remembered, and nothing is where another process writes the log: that one will.
    """
    from timeline.log.sqlite import SqliteLog

    with suppress(Busy, PermissionError), closing(SqliteLog(path)) as log:
        if signer.name == log.origin:
            log.note_fact(f"key/{signer.key_id.hex()}", signer.verifier.vkey)


@contextmanager
def signing(settings: Settings) -> Iterator[AnyTimeline]:
    """Open a log for reading, with the right to write where it is free; it signs where it has a key."""
    signer = find_signer(settings)
    with readable(settings.db) as timeline:
        sign(timeline, signer)
        yield timeline


# ---------------------------------------------------------------------------------------------- the commands

@click.group()
def key() -> None:
    """Make and show the key that signs this log's checkpoints. Who has its public half can check them anywhere.

    \b
    timeline key generate
    timeline key show
    """


@key.command("generate")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to keep the private key. Default: NAME.key beside the log, where every command finds it.")
@click.pass_obj
def generate(settings: Settings, /, *, out: Path | None) -> None:
    """Make an Ed25519 key for this log, keep it in a file only you can read, and print its public half (a vkey).

    Give the public half to everybody who wants to check this log. Keep a copy of the file where the log is not.

    \b
    timeline key generate
    timeline --origin news.example/log --db news.db key generate
    timeline key generate --out ~/keys/timeline.key
    """
    if settings.url:
        raise Malformed("a key is made where the log is: leave out --url")
    needs_cryptography()
    from timeline.tlog import NoteError, Signer

    path = out or settings.key or key_path(settings.db)
    if path.exists():
        raise Conflict(f"{path.name} is there already, and a key is never overwritten: what it signed needs it; choose "
                       "another --out, or move it away first")
    try:
        signer = Signer.generate(_origin(settings))
    except NoteError as error:
        raise Malformed(f"the log's name cannot name a key: {error}") from None
    write_secret(path, signer.skey + "\n")
    remember(settings.db, signer)
    say(signer.verifier.vkey)
    found = path.absolute() == key_path(settings.db).absolute()
    note(f"the private key is in {path.name}" + ("" if found else ": name it with --key or TIMELINE_KEY"))
    note("a server that is running signs once it is started anew")


def _origin(settings: Settings) -> str:
    """Give the log's name; a log that is not there yet is made where its name is given."""
    from timeline.log.sqlite import LogFile

    named(settings.db, settings.origin)
    with closing(LogFile(present(settings.db))) as log:
        return log.origin


@key.command("show")
@as_json
@click.pass_obj
def show(settings: Settings, /, *, as_json: bool) -> None:
    """Print the public half of the key in use, its id, the log it is for, and where it comes from.

    \b
    timeline key show
    timeline --url https://news.example key show --json
    """
    shown = _there(settings) if settings.url else _here(settings)
    if as_json:
        print_json(shown)
        return
    say(shown["vkey"])
    for name in ("key_id", "origin", "from"):
        say(f"{name.replace('_', ' '):7} {shown[name]}")


def _here(settings: Settings) -> dict[str, Any]:
    signer = find_signer(settings)
    if signer is None:
        raise NotFound(f"this log has no key: `timeline key generate` makes one ({key_path(settings.db).name})")
    if settings.db.exists():
        with readable(settings.db) as timeline:
            sign(timeline, signer)  # or Invalid: it is the key of another log
    where = "named with --key or TIMELINE_KEY" if settings.key else "beside the log"
    path = settings.key or key_path(settings.db)
    return _shown(signer.verifier.vkey, signer.key_id.hex(), signer.name, f"{path.name}, {where}")


def _there(settings: Settings) -> dict[str, Any]:
    from timeline.cli.remote import Remote
    from timeline.following.reading import read_key

    with Remote(settings.url or "", settings.token) as remote:
        vkey = remote.checkpoint(None).key
    if vkey is None:
        raise NotFound("the server's log has no key: `timeline key generate` makes one where the log is")
    verifier = read_key(vkey)
    return _shown(verifier.vkey, verifier.key_id.hex(), verifier.name, f"the server at {settings.url}")


def _shown(vkey: str, key_id: str, origin: str, source: str) -> dict[str, Any]:
    return {"vkey": vkey, "key_id": key_id, "origin": origin, "from": source}


__all__ = ["find_signer", "key", "key_path", "needs_cryptography", "read_signer", "remember", "sign", "signing",
           "write_secret"]
