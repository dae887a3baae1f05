"""`checkpoint` and `proof`: what to keep elsewhere, and how to show that a record is in the log and that it only grew.

The same from a file and, with --url, from a server. Whatever is printed was checked here first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import rich_click as click

from timeline.cli.keys import needs_cryptography, signing
from timeline.cli.options import as_json
from timeline.cli.output import note, print_json, say, write
from timeline.cli.reading import replacing
from timeline.errors import Corrupt, Invalid, Malformed, NotFound

if TYPE_CHECKING:
    from timeline.api.proof_bodies import CheckpointBody, Consistency, Inclusion, Inclusions
    from timeline.chronicle import AnyTimeline
    from timeline.cli.root import Settings
    from timeline.tlog import Checkpoint, TlogProof

SIZE = click.IntRange(0, 2**53 - 1)
POSITION = click.IntRange(1, 2**53 - 1)
size_option = click.option("--size", type=SIZE, metavar="N", help="Number of records. Default: all there are.")
output_option = click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                             help="File to write; it is complete or not there at all.")
MAX_BYTES = 1_000_000


class Prover(Protocol):
    """Who answers: the log in a file, or a server."""

    def checkpoint(self, size: int | None) -> CheckpointBody:
        """Give the checkpoint of a size."""

    def inclusion(self, position: int, size: int | None) -> Inclusion:
        """Prove one record."""

    def inclusions(self, positions: Sequence[int], size: int | None) -> Inclusions:
        """Prove several records."""

    def consistency(self, old: int, new: int | None) -> Consistency:
        """Prove that the log only grew."""

    def tlog_proof(self, position: int, size: int | None) -> str:
        """Prove one record in a file of its own."""


class Here:
    """The log in a file."""

    def __init__(self, timeline: AnyTimeline) -> None:
        """Prove from this log."""
        from timeline.api import proof_bodies

        self._timeline = timeline
        self._bodies = proof_bodies

    def _size(self, size: int | None) -> int:
        return self._timeline.log_size if size is None else size

    def checkpoint(self, size: int | None) -> CheckpointBody:
        """Give the checkpoint of a size."""
        return self._bodies.checkpoint(self._timeline, size)

    def inclusion(self, position: int, size: int | None) -> Inclusion:
        """Prove one record."""
        return self._bodies.inclusion(self._timeline, position, self._size(size))

    def inclusions(self, positions: Sequence[int], size: int | None) -> Inclusions:
        """Prove several records."""
        return self._bodies.inclusions(self._timeline, positions, self._size(size))

    def consistency(self, old: int, new: int | None) -> Consistency:
        """Prove that the log only grew."""
        return self._bodies.consistency(self._timeline, old, self._size(new))

    def tlog_proof(self, position: int, size: int | None) -> str:
        """Prove one record in a file of its own."""
        return self._bodies.tlog_proof(self._timeline, position, self._size(size))


@contextmanager
def prover(settings: Settings) -> Iterator[Prover]:
    """Open what answers."""
    if settings.url:
        from timeline.cli.remote import Remote

        with Remote(settings.url, settings.token) as remote:
            yield remote
    else:
        with signing(settings) as timeline:
            yield Here(timeline)


# ---------------------------------------------------------------------------------------------- checkpoint

@click.command()
@size_option
@output_option
@click.option("--witness", "witnesses", multiple=True, metavar="URL",
              help="Have a witness cosign it: somebody who remembers what the log was. Repeatable.")
@click.option("--witness-key", "witness_keys", multiple=True, metavar="VKEY",
              help="The witness's verifier key; one for each --witness, in the same order.")
@click.option("--keep", is_flag=True, help="Keep the note in the log too, for ever, with the witnesses' cosignatures.")
@as_json
@click.pass_obj
def checkpoint(
    settings: Settings, /, *, size: int | None, output: Path | None, witnesses: tuple[str, ...],
    witness_keys: tuple[str, ...], keep: bool, as_json: bool,
) -> None:
    """Print how large the log is and its Merkle root, signed if the log has a key: a note to keep elsewhere.

    Whoever kept it can show later whether the log still has the same history: `timeline verify --against FILE`.

    \b
    timeline checkpoint
    timeline checkpoint --size 59 -o checkpoint.txt
    timeline checkpoint --witness https://other.example --witness-key "other.example/witness+1a2b3c4d+BAbC..."
    """
    import msgspec

    if keep and settings.url:
        raise Malformed("--keep: a checkpoint is kept where the log is: leave out --url")
    with prover(settings) as source:
        shown = source.checkpoint(size)
        _check_checkpoint(shown)
        cosigned = _cosigned(source, shown, witnesses, witness_keys)
    shown = msgspec.structs.replace(shown, note=cosigned)
    if keep:
        _keep(settings.db, shown)
    if output is not None:
        _write(output, shown.note)
    if as_json:
        print_json(shown)
    elif output is None:
        write(shown.note.encode())
    if shown.key is None:
        note("not signed: the log has no key (`timeline key generate` makes one)")


def _keep(path: Path, shown: CheckpointBody) -> None:
    """Write the note into the log; `Busy` where another process writes it."""
    from timeline.log.sqlite import SqliteLog

    if shown.key is None:
        raise Invalid("--keep: only signed checkpoints are kept: `timeline key generate` makes a key for this log")
    with closing(SqliteLog(path)) as log:
        log.note_fact(f"key/{shown.key.split('+')[1]}", shown.key)
        log.keep_checkpoint(shown.size, shown.note)


def _check_checkpoint(shown: CheckpointBody) -> None:
    """Refuse a note that says something else than what it came with, or is not signed as it says."""
    from timeline.api.proof_bodies import root
    from timeline.following.reading import read, read_key
    from timeline.merkle import ProofError

    found = read(shown.note, None if shown.key is None else read_key(shown.key)).checkpoint
    try:
        same = (found.origin, found.size, found.root) == (shown.origin, shown.size, root(shown.root))
    except ProofError:
        same = False
    if not same:
        raise Corrupt("the checkpoint's note does not say what the answer it came in says")


def _cosigned(source: Prover, shown: CheckpointBody, urls: tuple[str, ...], vkeys: tuple[str, ...]) -> str:
    """Collect the cosignatures of witnesses; the first that refuses ends it."""
    if len(urls) != len(vkeys):
        raise Malformed(f"--witness-key: expected one for each --witness, got {len(vkeys)} for {len(urls)}")
    if not urls:
        return shown.note
    if shown.key is None:
        raise Invalid("a witness cosigns signed checkpoints only: `timeline key generate` makes a key for this log")
    from timeline.api.proof_bodies import hashes
    from timeline.tlog import CosignatureVerifier, NoteError
    from timeline.witness.client import cosign

    text = shown.note
    for url, vkey in zip(urls, vkeys, strict=True):
        try:
            verifier = CosignatureVerifier.parse(vkey)
        except NoteError as error:
            raise Malformed(f"--witness-key: {error}; expected NAME+ID+KEY, as the witness prints it") from None
        text = cosign(text, lambda old, new: hashes(source.consistency(old, new).proof), url, verifier)
    return text


# ---------------------------------------------------------------------------------------------- proofs

@click.group()
def proof() -> None:
    """Prove that records are in the log, and that the log only grew; check such a proof without the log.

    \b
    timeline proof inclusion 59
    timeline proof consistency 59
    timeline proof verify 59.tlog-proof --key "news.example/log+1a2b3c4d+AbC..."
    """


@proof.command("inclusion")
@click.argument("positions", nargs=-1, required=True, type=POSITION, metavar="POSITION...")
@size_option
@output_option
@as_json
@click.pass_obj
def inclusion(
    settings: Settings, /, *, positions: tuple[int, ...], size: int | None, output: Path | None, as_json: bool
) -> None:
    """Prove that the records at some positions are in the log (RFC 9162 section 2.1.3).

    With --output, one record is proved in a file of its own (c2sp.org/tlog-proof@v1), which anyone can check offline
    with the log's public key; the record's header is in it. That needs a log with a key.

    \b
    timeline proof inclusion 59
    timeline proof inclusion 59 60 71 --size 120 --json
    timeline proof inclusion 59 -o 59.tlog-proof
    """
    if output is not None and len(positions) > 1:
        raise Malformed("--output: a tlog-proof proves one record: give one position, or --json")
    with prover(settings) as source:
        text = None if output is None else source.tlog_proof(positions[0], size)
        one = len(set(positions)) == 1
        shown: Inclusion | Inclusions = source.inclusion(positions[0], size) if one else (
            source.inclusions(sorted(set(positions)), size))
    _check_inclusion(shown, one=one)
    if output is not None and text is not None:
        _write(output, text)
    if as_json:
        print_json(shown)
    elif output is None:
        _tell_inclusion(shown)


def _check_inclusion(shown: Any, *, one: bool) -> None:  # noqa: ANN401 - Inclusion or Inclusions
    """Check a proof before it is shown, and that it is of the checkpoint it came with."""
    from timeline.api.proof_bodies import hashes, root
    from timeline.following.reading import read
    from timeline.merkle import ProofError, leaf_hash, root_from_multiproof, verify_inclusion

    try:
        if one:
            leaves = {shown.position: (root(shown.leaf_hash), shown.header)}
            verify_inclusion(shown.position - 1, shown.size, root(shown.leaf_hash), hashes(shown.proof),
                             root(shown.root))
        else:
            pairs = zip(map(root, shown.leaf_hashes), shown.headers, strict=True)
            leaves = dict(zip(shown.positions, pairs, strict=True))
            found = root_from_multiproof({position - 1: leaf for position, (leaf, _) in leaves.items()}, shown.size,
                                         hashes(shown.proof))
            if found != root(shown.root):
                raise ProofError("the proof leads to another root")
    except ValueError as error:
        raise Corrupt(f"the proof does not hold: {error}") from None
    if any(leaf_hash(bytes(header)) != leaf for leaf, header in leaves.values()):
        raise Corrupt("the proof does not hold: a header does not hash to its leaf")
    kept = read(shown.note).checkpoint
    if (kept.size, kept.root.hex()) != (shown.size, shown.root):
        raise Corrupt("the proof is not of the checkpoint it came with")


def _tell_inclusion(shown: Any) -> None:  # noqa: ANN401 - Inclusion or Inclusions
    from timeline.api.proof_bodies import Inclusion

    if isinstance(shown, Inclusion):
        positions, leaves = [shown.position], [shown.leaf_hash]
    else:
        positions, leaves = shown.positions, shown.leaf_hashes
    for position, leaf in zip(positions, leaves, strict=True):
        say(f"position {position}  leaf {leaf}")
    say(f"{'is' if len(positions) == 1 else 'are'} in the log of size {shown.size}  root {shown.root}")
    _tell_hashes(shown.proof)
    note("to keep: --json, or --output FILE.tlog-proof" + ("" if shown.key else " once the log has a key"))


def _tell_hashes(proof: Sequence[str]) -> None:
    say(f"proof, {len(proof)} {'hash' if len(proof) == 1 else 'hashes'}:")
    for hash_ in proof:
        say(f"  {hash_}")


@proof.command("consistency")
@click.argument("old", type=SIZE, metavar="OLD")
@click.argument("new", type=SIZE, metavar="[NEW]", required=False)
@as_json
@click.pass_obj
def consistency(settings: Settings, /, *, old: int, new: int | None, as_json: bool) -> None:
    """Prove that the log of NEW records (default: all) begins with that of OLD records (RFC 9162 section 2.1.4).

    \b
    timeline proof consistency 59
    timeline proof consistency 59 120 --json
    """
    with prover(settings) as source:
        shown = source.consistency(old, new)
    _check_consistency(shown)
    if as_json:
        print_json(shown)
        return
    say(f"the log of size {shown.new} extends that of size {shown.old}")
    say(f"size {shown.old}  root {shown.old_root}")
    say(f"size {shown.new}  root {shown.new_root}")
    _tell_hashes(shown.proof)


def _check_consistency(shown: Consistency) -> None:
    from timeline.api.proof_bodies import hashes, root
    from timeline.merkle import EMPTY, ProofError, verify_consistency

    try:
        if shown.old == 0:  # every log extends the empty one, which has one root only
            if shown.proof or root(shown.old_root) != EMPTY:
                raise ProofError("the empty log needs no proof")
            return
        verify_consistency(shown.old, shown.new, hashes(shown.proof), root(shown.old_root), root(shown.new_root))
    except ProofError as error:
        raise Corrupt(f"the proof does not hold: {error}") from None


@proof.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--key", "vkey", metavar="VKEY", help="The log's public key (`timeline key show`), from somebody you "
                                                    "trust. Without it, the signature is not verified.")
@click.option("--header", "header_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The record's header, or the record as /v1/records/{position} gives it. Default: the extra data of "
                   "the proof, where this program puts it.")
@as_json
def verify(*, file: Path, vkey: str | None, header_file: Path | None, as_json: bool) -> None:
    """Check a tlog-proof file: that a record's header is in the log whose checkpoint the file holds. Needs no log.

    It takes the file, the record's header (in the file, or --header) and the log's public key (--key). The header
    holds a salted digest of what the record says; that text and its salt are in /v1/records/{position}.

    \b
    timeline proof verify 59.tlog-proof --key "news.example/log+1a2b3c4d+AbC..."
    """
    from timeline.tlog import NoteError, TlogProof

    try:
        found = TlogProof.parse(_read(file))
    except NoteError as error:
        raise Malformed(f"{file.name} is not a tlog-proof: {error}") from None
    if header_file is not None:
        header = _header(_read(header_file), header_file.name)
    elif found.extra is not None:
        header = found.extra
    else:
        raise Malformed("--header: the proof does not hold the record's header: give it, or the whole record as "
                        "/v1/records/{position} shows it")
    shown = _verified(found, header, vkey)
    record = _summary(header, found.index + 1)
    about = {"position": found.index + 1, "origin": shown.origin, "size": shown.size, "root": shown.root.hex(),
             "signature": "verified" if vkey else "not verified", "record": record}
    if as_json:
        print_json(about)
        return
    say(f"the record at position {about['position']} is in the log {shown.origin} of size {shown.size}")
    for name, value in record.items():
        say(f"  {name.replace('_', ' ')}: {value}")
    say(f"root {about['root']}")
    say("the checkpoint is signed by the key given" if vkey else
        "the signature was not verified: anyone could have written this checkpoint; give the log's key with --key VKEY")


def _verified(found: TlogProof, header: bytes, vkey: str | None) -> Checkpoint:
    """Check inclusion, and the signature where there is a key to check it with."""
    from timeline.following.reading import read, read_key
    from timeline.merkle import ProofError, leaf_hash, verify_inclusion

    leaf = leaf_hash(header)
    if vkey is not None:
        needs_cryptography()
    shown = read(found.checkpoint, None if vkey is None else read_key(vkey)).checkpoint
    if vkey is not None and shown.origin != read_key(vkey).name:
        raise Invalid(f"the checkpoint is of the log {shown.origin!r}, and the key of {read_key(vkey).name!r}")
    try:
        verify_inclusion(found.index, shown.size, leaf, found.hashes, shown.root)
    except ProofError as error:
        raise Invalid(f"the proof does not hold for this header: {error}") from None
    return shown


def _header(data: bytes, name: str) -> bytes:
    """Take the header out of a record as the API shows it; else the file is the header. Spaces do not matter."""
    import msgspec

    try:
        values: Any = msgspec.json.decode(data)
        if not isinstance(values, dict):
            raise Malformed(f"--header: {name} is not a JSON object")
        return msgspec.json.encode(values.get("header", values), order="sorted")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Malformed(f"--header: {name} is not JSON") from None


def _summary(header: bytes, position: int) -> dict[str, Any]:
    """Say what a header of ours says; one that is not ours says nothing here."""
    import msgspec

    from timeline.log import decode_header

    try:
        read = decode_header(header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    if read.position != position:
        raise Invalid(f"the header says position {read.position}, and the proof is of position {position}")
    return {"type": read.type, "recorded_at": read.recorded_at, "author": read.author,
            "of": ", ".join(name for name, _, _ in read.streams)}


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path.name}") from None
    if len(data) > MAX_BYTES:
        raise Malformed(f"{path.name} is larger than any proof: at most {MAX_BYTES} bytes")
    return data


def _write(path: Path, text: str) -> None:
    with replacing(path) as stream:
        stream.write(text.encode())
    note(f"wrote {path}")
