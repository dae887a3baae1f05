"""`witness` and `follow`: to vouch for somebody else's log, and to watch one."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from timeline.cli.keys import write_secret
from timeline.cli.options import as_json
from timeline.cli.output import note, print_json, say
from timeline.errors import Malformed, NotFound

if TYPE_CHECKING:
    from timeline.following import Fork, Outcome
    from timeline.tlog import CosignatureSigner, Verifier


@click.command()
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="File with the witness's secret key.")
@click.option("--name", metavar="NAME", help="Make the key file, with a new key of this name, if it is not there yet. "
                                             "A name is an address without https://, such as news.example/witness.")
@click.option("--log", "vkeys", multiple=True, required=True, metavar="VKEY",
              help="Verifier key of a log to cosign; its name is the log's origin. Repeatable.")
@click.option("--store", type=click.Path(path_type=Path, dir_okay=False), default=Path("witness.db"),
              show_default=True, help="File that remembers what was cosigned. Never put back an old one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8010, show_default=True, help="Port to listen on.")
def witness(
    *, key_file: Path, name: str | None, vkeys: tuple[str, ...], store: Path, host: str, port: int
) -> None:
    """Run a witness: it cosigns the checkpoints of other logs, and only those that extend what it cosigned before.

    \b
    timeline witness --key witness.key --name news.example/witness --log "other.example/log+1a2b3c4d+AbC..."
    """
    from timeline.api.serve import serve_app
    from timeline.witness.app import create_witness
    from timeline.witness.store import Store

    logs = _logs(vkeys)
    signer = _signer(key_file, name)
    with closing(Store(store)) as opened:
        note(f"witness at http://{host}:{port}, for {len(logs)} {'log' if len(logs) == 1 else 'logs'}; its key:")
        note(signer.verifier.vkey)
        serve_app(create_witness(opened, signer, logs), host=host, port=port)


def _logs(vkeys: tuple[str, ...]) -> dict[str, Verifier]:
    """Read the keys of the logs; a log is named by the name of its key (C2SP tlog-checkpoint)."""
    from timeline.following.reading import read_key

    logs: dict[str, Verifier] = {}
    for vkey in vkeys:
        verifier = read_key(vkey)
        if logs.setdefault(verifier.name, verifier) != verifier:
            raise Malformed(f"--log: two keys for the log {verifier.name!r}: give one")
    return logs


def _signer(path: Path, name: str | None) -> CosignatureSigner:
    """Read the key, or make it. What is wrong is said without the secret."""
    from timeline.tlog import CosignatureSigner, NoteError

    try:
        if name is not None and not path.exists():
            write_secret(path, CosignatureSigner.generate(name).skey + "\n")
        signer = CosignatureSigner.parse(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        raise NotFound(f"--key: there is no file {path.name}: give --name NAME to have a key made") from None
    except (NoteError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, NoteError) else "expected text"
        raise Malformed(f"--key: {path.name} does not hold the key of a witness: {reason}") from None
    if name not in {None, signer.name}:
        raise Malformed(f"--name: {path.name} holds the key of {signer.name!r}, not of {name!r}")
    return signer


@click.command()
@click.argument("url", metavar="URL")
@click.option("--vkey", metavar="VKEY", help="The log's verifier key. It is remembered at first use; without one, "
                                             "signatures are not verified.")
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="File that remembers the log's last checkpoint. Default: follow-HOST.json, here.")
@click.option("--evidence", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where evidence of a fork is written. Default: fork-DIGEST.txt, beside the state.")
@as_json
@click.pass_context
def follow(
    context: click.Context, /, *, url: str, vkey: str | None, state: Path | None, evidence: Path | None, as_json: bool
) -> None:
    """Check that a log still has the history it had when it was last looked at. Once a call, fit for cron.

    The first call trusts what it is shown and remembers it; every later one has to extend that. Exit code 0 where it
    does, 7 where the log shows another history: then the evidence is written down.

    \b
    timeline follow https://news.example --vkey "news.example/log+1a2b3c4d+AbC..."
    """
    from timeline.following import Follower, Fork

    place = state or Path(f"follow-{_slug(url)}.json")
    try:
        outcome = Follower(place, vkey).follow(url)
    except Fork as fork:
        kept = _kept(fork, evidence, place)
        if not as_json:
            raise Fork(f"{fork.detail}\nthe evidence is in {kept}", evidence=fork.evidence) from None
        print_json({"outcome": "fork", "detail": fork.detail, "evidence": kept})
        context.exit(Fork.exit_code)
    if as_json:
        print_json(_as_json(outcome))
        return
    for line in _told(outcome):
        say(line)


def _slug(url: str) -> str:
    """Name a server in a file's name."""
    return re.sub(r"[^a-z0-9.]+", "-", url.lower().partition("://")[2]).strip("-.")[:100] or "log"


def _kept(fork: Fork, path: Path | None, state: Path) -> str:
    """Write the evidence down and give the name of its file."""
    if fork.evidence is None:
        return "no file"
    return fork.evidence.write(path or state.with_name(fork.evidence.name)).name


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {"outcome": outcome.kind, "origin": outcome.origin, "size": outcome.size, "root": outcome.root.hex(),
            "before": outcome.before, "signed": outcome.signed}


def _told(outcome: Outcome) -> list[str]:
    """Say what a check found."""
    before = outcome.before or 0
    first = {
        "first": f"first use: size {outcome.size:,} is trusted as it came, and remembered",
        "advanced": f"size {outcome.size:,} extends size {before:,}, which was remembered",
        "unchanged": f"size {outcome.size:,}, as it was",
        "older": f"size {outcome.size:,} lies in the past of size {before:,}, which stays remembered: an older answer",
    }[outcome.kind]
    lines = [f"{outcome.origin}: {first}", f"root {outcome.root.hex()}"]
    if not outcome.signed:
        lines.append("its signature is not verified: no key is known (--vkey)")
    return lines
