"""The C2SP formats, with the vectors of those who wrote them.

Sources: the specifications (github.com/C2SP/C2SP at 5ba5ee8); golang/mod sumdb/note/note_test.go and
sumdb/tlog/tlog_test.go (fe2ec04, BSD-3-Clause); transparency-dev/formats log/*_test.go and proof/tlog_proof_test.go
(0b850f1, Apache-2.0); transparency-dev/tessera testdata (1811ae1, Apache-2.0); FiloSottile/torchwood
cmd/litewitness/testdata (341dc2f, ISC).
"""

from __future__ import annotations

import base64
import sys
from hashlib import sha256

import pytest

from timeline import merkle, tlog
from timeline.errors import TimelineError
from timeline.tlog import Checkpoint, NoteError, Signer, Tile, TileError, TlogProof, Verifier, open_note

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
NOTE = f"{TEXT}\n{PETER_LINE}"
peter, enoch = Verifier.parse(PETER), Verifier.parse(ENOCH)

# transparency-dev/formats log/note_test.go
LOG = Signer.parse("PRIVATE+KEY+Log+2271c621+AdEIq9FLRQni54Wg68T96VJO+iayOaulswav2DUMKgvQ")
KNOWN = Signer.parse("PRIVATE+KEY+Known+451c786d+AQPRoE2+Z+Ed1HaHBA9F/FfracvcZ2rDU39kCecMEoci")
AGAIN = Signer.parse("PRIVATE+KEY+KnownAgain+4893b26c+ARhZda/l25zjGZswYLDZsLNRzNpmv5wYTN9IoTr1OJ2+")
UNKNOWN = Signer.parse("PRIVATE+KEY+Unknown+fdbb2e08+Aav2knTC6orbhXX8pMWuNiWgO+Wwk2DB+h1eU2Q1W1nU")

SUM_GOLANG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUM_NOTE = """go.sum database tree
6476701
mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=

— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=
"""
ROOT = bytes(range(32))
ROOT_TEXT = base64.b64encode(ROOT).decode()


def rehashed(name: str, material: bytes) -> str:
    """Write a vkey whose id fits its material, whatever that is."""
    key_id = sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(material).decode()}"


def manglings(data: bytes) -> list[bytes]:
    """Every proper substring, and every byte raised by one."""
    spans = [(i, j) for i in range(len(data) + 1) for j in range(i + 1, len(data) + 1)]
    raised = [data[:i] + bytes([(byte + 1) % 256]) + data[i + 1 :] for i, byte in enumerate(data)]
    return [data[i:j] for i, j in spans if (i, j) != (0, len(data))] + raised


def stored(leaves: list[bytes]) -> merkle.Hashes:
    """Read from a log of fewer than 256 leaves."""

    def read(level: int, start: int, stop: int) -> list[bytes]:
        assert level == 0
        return leaves[start:stop]

    return read


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "vkey", [PETER, ENOCH, SUM_GOLANG, "Log+2271c621+AemuH5ooBpEPcr+W8onrjA1NfuzBVHdezakU81Ekarvs"]
)
def test_a_verifier_key_is_written_as_it_was_read(vkey):
    assert Verifier.parse(vkey).vkey == vkey


def test_a_signer_key_is_written_as_it_was_read_and_gives_the_verifier_key():
    signer = Signer.parse(PETER_SECRET)
    assert signer.skey == PETER_SECRET
    assert signer.verifier.vkey == PETER


def test_every_mangling_of_a_verifier_key_is_refused():
    for bad in manglings(PETER.encode()):
        with pytest.raises(NoteError):
            Verifier.parse(bad.decode("latin-1"))


def test_every_mangling_of_a_signer_key_is_refused_without_saying_the_secret():
    secret = PETER_SECRET.rpartition("+")[2]
    for bad in manglings(PETER_SECRET.encode()):
        with pytest.raises(NoteError) as caught:
            Signer.parse(bad.decode("latin-1"))
        assert secret[4:-4] not in str(caught.value)
    assert secret not in repr(Signer.parse(PETER_SECRET))
    assert "seed" not in repr(Signer.parse(PETER_SECRET))


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # a key too long, its id right
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # an unknown type, its id right
        "bananas.sigstore.dev+12344556",
        "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
        "rekor.sigstore.dev+12345678+AwEB",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("c74f20a3", "00000000"),
        PETER.replace("c74f20a3", "0xc74f20"),
        PETER + "\n",
        rehashed("", bytes([1]) + peter.public),
        rehashed("two words", bytes([1]) + peter.public),
        rehashed("no\u00a0break", bytes([1]) + peter.public),
        rehashed("line\nfeed", bytes([1]) + peter.public),
        rehashed("bell\x07", bytes([1]) + peter.public),
        rehashed("short", bytes([1]) + peter.public[:31]),
        rehashed("none", b""),
        rehashed("witness", bytes([4]) + peter.public),
    ],
)
def test_verifier_keys_that_are_none_are_refused(vkey):
    with pytest.raises(NoteError):
        Verifier.parse(vkey)


def test_a_generated_key_signs_what_its_verifier_accepts():
    first, second = Signer.generate("EnochRoot"), Signer.generate("EnochRoot")
    assert first.seed != second.seed
    again = Signer.parse(first.skey)
    opened = open_note(tlog.sign_note("hi\n", again), [Verifier.parse(first.verifier.vkey)])
    assert opened.text == "hi\n"
    for bad in ("two words", "plus+plus", "", "\udc80"):
        with pytest.raises(NoteError):
            Signer.generate(bad)
    with pytest.raises(NoteError, match="32 bytes"):
        Signer("short", b"x" * 31)


def test_without_cryptography_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    for use in (lambda: Signer.generate("a"), lambda: open_note(NOTE, [peter])):
        with pytest.raises(TimelineError, match=r"install timeline\[sign\]"):
            use()
    assert tlog.parse_note(NOTE).text == TEXT, "reading needs no package"


# ---------------------------------------------------------------- notes


def test_signing_gives_the_bytes_that_go_gives():
    assert tlog.sign_note(TEXT, Signer.parse(PETER_SECRET)) == NOTE


@pytest.mark.parametrize(
    ("vkey", "note"),
    [
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            (
                "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Z"
                "tg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
            ),
        ),
        (SUM_GOLANG, SUM_NOTE),
        (PETER, NOTE),
    ],
)
def test_foreign_notes_verify(vkey, note):
    opened = open_note(note.encode(), [Verifier.parse(vkey)])
    assert opened.text == note[: note.rindex("\n\n") + 1]
    assert [one.line for one in opened.verified] == [note[note.rindex("\n\n") + 2 :]]


def test_every_mangling_of_a_note_is_refused():
    for bad in manglings(NOTE.encode()):
        with pytest.raises(NoteError):
            open_note(bad, [peter])


def test_signatures_by_unknown_keys_are_kept_apart():
    both = TEXT + "\n" + PETER_LINE + ENOCH_LINE
    one = open_note(both, [peter])
    assert [[sig.line for sig in sigs] for sigs in (one.verified, one.unverified)] == [[PETER_LINE], [ENOCH_LINE]]
    assert one.signed_by(peter) == one.verified[0]
    assert one.signed_by(enoch) is None
    two = open_note(both, [enoch, peter])
    assert [sig.line for sig in two.verified] == [PETER_LINE, ENOCH_LINE]
    assert two.unverified == ()
    with pytest.raises(NoteError, match="not signed by any key"):
        open_note(both, [])


def test_a_name_or_an_id_alone_does_not_make_a_key_known():
    for name, public in ((peter.name, enoch.public), ("CarmenSandiego", peter.public)):
        with pytest.raises(NoteError, match="not signed by any key"):
            open_note(NOTE, [Verifier(name, public)])


def test_a_wrong_signature_of_a_known_key_condemns_the_note_wherever_it_stands():
    wrong = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    for lines in (wrong, wrong + ENOCH_LINE, ENOCH_LINE + wrong, PETER_LINE + wrong):
        with pytest.raises(NoteError, match=r"PeterNeumann\+c74f20a3 is wrong"):
            open_note(f"{TEXT}\n{lines}", [peter, enoch])
    assert open_note(f"{TEXT}\n{wrong}{ENOCH_LINE}", [enoch]).verified, "nobody asked about that key"


def test_repeated_signatures_count_once():
    other = ENOCH_LINE[:60] + "ABCD" + ENOCH_LINE[60:]
    opened = open_note(f"{TEXT}\n{PETER_LINE * 2}{ENOCH_LINE * 2}{other}", [peter])
    assert [sig.line for sig in opened.verified] == [PETER_LINE]
    assert [sig.line for sig in opened.unverified] == [ENOCH_LINE, other]


def test_a_key_given_twice_is_ambiguous_where_it_is_used():
    with pytest.raises(NoteError, match="more than once"):
        open_note(f"{TEXT}\n{ENOCH_LINE}", [enoch, peter, enoch])
    assert open_note(NOTE, [enoch, peter, enoch]).text == TEXT


def test_a_hundred_signatures_are_read_and_one_more_is_not():
    assert len(tlog.parse_note(f"{TEXT}\n{PETER_LINE * 100}").unverified) == 100
    for known in ([], [peter]):
        with pytest.raises(NoteError, match="no more than 100"):
            open_note(f"{TEXT}\n{PETER_LINE * 101}", known)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        NOTE[:-1],
        "\x01" + NOTE,
        b"\xff" + NOTE.encode(),
        "\udcff" + NOTE,
        "\ufeff" + NOTE,
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("\n", "\r\n", 1),
        NOTE + "\r",
        NOTE + "\n",
        NOTE + "Unexpected line.\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace("— ", "—\u00a0"),
        NOTE.replace("— ", " — "),
        NOTE.replace("PeterNeumann ", "PeterNeumann  "),
        NOTE.replace("PeterNeumann", "Peter Neumann"),
        NOTE.replace("PeterNeumann", "Peter+Neumann"),
        NOTE.replace("PeterNeumann", "Peter\u2003Neumann"),
        NOTE.replace("PeterNeumann", ""),
        NOTE.replace("AM=\n", "AM\n"),
        NOTE.replace("AM=\n", "AN=\n"),  # an unused bit that is not zero
        NOTE.replace("AM=\n", "AM= \n"),
        NOTE.replace("AM=\n", "AM==\n"),
        f"{TEXT}\n— Bad Name {PETER_LINE.split()[2]}\n",
        f"{TEXT}\n{PETER_LINE}— PeterNeumann x08gow==\n",  # a key id and nothing else
        f"{TEXT}\n{PETER_LINE}— PeterNeumann \n",
        f"{TEXT}\n{PETER_LINE}— PeterNeumann\n",
    ],
)
def test_notes_that_are_none_are_refused(bad):
    with pytest.raises(NoteError):
        open_note(bad, [peter])


def test_a_text_may_hold_empty_lines_and_things_like_signatures():
    signer = Signer.parse(PETER_SECRET)
    for text in ("\n", "\n\n", "a\n\nb\n", "a\n\n", f"a\n\n{ENOCH_LINE}", "ed è subito sera.\n"):
        opened = open_note(tlog.sign_note(text, signer), [peter])
        assert (opened.text, len(opened.verified)) == (text, 1)


@pytest.mark.parametrize("text", ["", "abc", "abc\r\n", "a\tb\n", "\ud800\n"])
def test_texts_that_cannot_be_a_note_are_not_signed(text):
    with pytest.raises(NoteError):
        tlog.sign_note(text, Signer.parse(PETER_SECRET))


def test_a_note_needs_a_signer():
    with pytest.raises(NoteError, match="at least one key"):
        tlog.sign_note(TEXT)


def test_a_note_is_split_without_keys_and_says_that_nothing_is_verified():
    split = tlog.parse_note(NOTE)
    assert (split.text, split.verified, [one.line for one in split.unverified]) == (TEXT, (), [PETER_LINE])
    assert tlog.parse_note(TEXT, unsigned=True) == tlog.Note(TEXT)
    assert tlog.parse_note(NOTE, unsigned=True) == split
    for bad in (TEXT[:-1], f"{TEXT}\nmore\n"):
        with pytest.raises(NoteError):
            tlog.parse_note(bad, unsigned=True)


# ---------------------------------------------------------------- checkpoints


def test_a_checkpoint_is_written_as_it_was_read():
    text = SUM_NOTE.partition("\n\n")[0] + "\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.text) == ("go.sum database tree", 6476701, text)
    assert Checkpoint("Log", 0, merkle.EMPTY).text == "Log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


@pytest.mark.parametrize("rest", ["Here's some associated data.\n", "lots\nof\nlines\n", "6086d1a9\nWaxing gibbous\n"])
def test_extension_lines_are_tolerated_only_when_asked(rest):
    text = f"Moon Log\n9944\n{ROOT_TEXT}\n{rest}"
    with pytest.raises(NoteError, match="no lines after"):
        Checkpoint.parse(text)
    checkpoint = Checkpoint.parse(text, extensions=True)
    assert (checkpoint.extensions, checkpoint.text) == (tuple(rest.split("\n")[:-1]), text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Head\n9944\n",
        f"\n9944\n{ROOT_TEXT}\n",
        f"Log\n123\n{ROOT_TEXT}",
        f"Log\nbananas\n{ROOT_TEXT}\n",
        f"Log\n-34\n{ROOT_TEXT}\n",
        f"Log\n+34\n{ROOT_TEXT}\n",
        f"Log\n034\n{ROOT_TEXT}\n",
        f"Log\n00\n{ROOT_TEXT}\n",
        f"Log\n1_000\n{ROOT_TEXT}\n",
        f"Log\n٣\n{ROOT_TEXT}\n",
        f"Log\n 34\n{ROOT_TEXT}\n",
        f"Log\n\n{ROOT_TEXT}\n",
        f"Log\n9223372036854775808\n{ROOT_TEXT}\n",
        f"Log\n3438945738945739845734895735\n{ROOT_TEXT}\n",
        "Log\n123\nThisIsn'tBase64\n",
        "Log\n123\nYmFuYW5hcw==\n",
        "Log\n123\ndGhlIHZpZXcgZnJvbSB0aGUgdHJlZSB0b3BzIGlzIGdyZWF0IQ==\n",
        f"Log\n123\n{ROOT_TEXT.rstrip('=')}\n",
        f"Log\n123\n{base64.urlsafe_b64encode(b'?' * 32).decode()}\n".replace("/", "_"),
        f"Log\r\n123\r\n{ROOT_TEXT}\r\n",
        f"Log\n123\n{ROOT_TEXT}\n\n",
        f"Log\n123\n{ROOT_TEXT}\n\n\n\n",
        f"Log\n123\n{ROOT_TEXT}\nmore\n\n",
    ],
)
def test_checkpoints_that_are_none_are_refused_even_where_extensions_are_not(text):
    for extensions in (False, True):
        with pytest.raises(NoteError):
            Checkpoint.parse(text, extensions=extensions)


@pytest.mark.parametrize(
    "arguments",
    [
        ("", 1, ROOT),
        ("a\nb", 1, ROOT),
        ("tab\t", 1, ROOT),
        ("Log", -1, ROOT),
        ("Log", 2**63, ROOT),
        ("Log", 1, ROOT[:31]),
        ("Log", 1, ROOT, ("",)),
    ],
)
def test_a_checkpoint_that_could_not_be_read_cannot_be_made(arguments):
    with pytest.raises(NoteError):
        Checkpoint(*arguments)


@pytest.mark.parametrize(
    ("signers", "origin", "text", "count"),
    [
        ([], "Test", "", 0),
        ([LOG], "Test", "", 1),
        ([LOG], "Test", "if this is a valid checkpoint then I'll eat my hat\n", 0),
        ([LOG, KNOWN], "Test", "", 2),
        ([LOG, KNOWN, UNKNOWN], "Test", "", 2),
        ([LOG, KNOWN, AGAIN], "Test", "", 3),
        ([LOG, KNOWN, KNOWN], "Test", "", 2),
        ([AGAIN, LOG, KNOWN], "Test", "", 3),
        ([AGAIN, LOG, KNOWN, UNKNOWN], "Test", "", 3),
        ([KNOWN, AGAIN], "Test", "", 0),
        ([LOG, KNOWN, AGAIN, UNKNOWN], "this is not the log you are looking for", "", 0),
    ],
)
def test_a_checkpoint_must_be_signed_by_its_log_whoever_else_signs(signers, origin, text, count):
    text = text or f"Test\n42\n{ROOT_TEXT}\n"
    note = f"{text}\n{''.join(one.sign(text) for one in signers)}"
    keys = (origin, LOG.verifier, KNOWN.verifier, AGAIN.verifier)
    if count:
        opened = tlog.open_checkpoint(note, *keys)
        assert (opened.checkpoint, len(opened.note.verified)) == (Checkpoint("Test", 42, ROOT), count)
    else:
        with pytest.raises(NoteError):
            tlog.open_checkpoint(note, *keys)


# tessera testdata/log: the roots and signatures of its sixteen checkpoints, from the entries of its build_log.sh
TESSERA = Signer.parse("PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg")
TESSERA_ENTRIES = [b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eit", b"nain", b"ten", b"ileven"]
TESSERA_ENTRIES += [b"twelf", b"threeten", b"fourten", b"fivten"]
TESSERA_CHECKPOINTS = {
    0: "M9e0lhxJACzE1KoUdqKuPa+9p6R7dSW8BlEvrg/noo8FkGg6PbJoRNOcdjqjOq89wVvTA60eubCc4oufo5BvIVEgtQc=",
    1: "M9e0lhr9kuLxGdAtaUrhm84TQffVsLdcy808sN0a3WyniNlfcr9+bywoiIke1YYciCNjJGkCgIlQ8b16jhsmg/SChAM=",
    2: "M9e0llH4NKmlf0u7C8tkJioQOmi7l5ELqljXgKRg6R3G5JJ7vx7emDWo5fpqKuA/Dk/jRrI6il+7QCVirNhyUAWGoAk=",
    3: "M9e0lvAQRtH832pk2RTbeSeZMkp4FZSdJYFBUjO5SKxuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg=",
    7: "M9e0luA5JhTRUki/BBQD0QNiH6AEJ2pdtsA5CQjqJErViuuKrN6513RCTL2640wXJv0dCed3neRGI6dMzBq9uANf2Qc=",
    15: "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=",
}


@pytest.mark.parametrize("size", TESSERA_CHECKPOINTS)
def test_checkpoints_of_a_foreign_log_are_reproduced_byte_for_byte(size):
    leaves = [merkle.leaf_hash(entry) for entry in TESSERA_ENTRIES[:size]]
    checkpoint = Checkpoint("example.com/log/testdata", size, merkle.root_of(leaves))
    note = tlog.sign_note(checkpoint.text, TESSERA)
    assert note == f"{checkpoint.text}\n— example.com/log/testdata {TESSERA_CHECKPOINTS[size]}\n"


def test_a_tile_and_a_bundle_of_a_foreign_log_are_reproduced_byte_for_byte():
    leaves = [merkle.leaf_hash(entry) for entry in TESSERA_ENTRIES]
    data = tlog.tile_bytes(Tile(0, 0, 15), stored(leaves))
    assert sha256(data).hexdigest() == "93593af14d2cce39867d2e73fe4ca400a38581605c5c4501a03e752d9b51a130"
    bundle = tlog.entry_bundle(TESSERA_ENTRIES)
    assert bundle.startswith(bytes.fromhex("00036f6e65000374776f00057468726565"))
    assert sha256(bundle).hexdigest() == "9ac6a9fc9012f2b4d67ac26041933c119e1505defc5c808ed614c5778c9f1716"
    assert tlog.read_entry_bundle(bundle) == TESSERA_ENTRIES


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/x001/x234/067", Tile(0, 1234067)),
        ("tile/0/001", Tile(0, 1)),
        ("tile/0/001.p/5", Tile(0, 1, 5)),
        ("tile/5/x123/x456/078", Tile(5, 123456078)),
        ("tile/5/x123/x456/078.p/2", Tile(5, 123456078, 2)),
        ("tile/entries/x003/x057/500", Tile(None, 3057500)),
        ("tile/entries/000.p/255", Tile(None, 0, 255)),
        ("tile/63/999.p/1", Tile(63, 999, 1)),
        ("tile/10/x001/000", Tile(10, 1000)),
        ("tile/0/x009/x223/x372/x036/x854/x775/807", Tile(0, 2**63 - 1)),
    ],
)
def test_a_tile_has_one_path(path, tile):
    assert tile.path == path
    assert tlog.parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/5/123/456/078",
        "tile/-1/123/456/078",
        "tile/0/x123/x456/x078",
        "tile/0/0",
        "tile/0/1234",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/8/0/001",
        "tile/data/000",
        "tile/entries",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/007",
        "tile/0/000.p/-1",
        "tile/0/000.p/",
        "tile/0/000.p",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/../000",
        "tile/٣/000",
        "tile/0/٣٣٣",
        "TILE/0/000",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/" + "x001/" * 2000 + "000",
    ],
)
def test_paths_of_no_tile_are_refused(path):
    with pytest.raises(TileError, match="a tile's path must be"):
        tlog.parse_tile_path(path)


@pytest.mark.parametrize("tile", [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)])
def test_a_tile_that_cannot_be_has_no_path(tile):
    with pytest.raises(TileError):
        tlog.tile_path(*tile)


def test_the_tiles_of_70000_entries_are_those_of_the_specification():
    tiles = list(tlog.tiles_at(70_000))
    assert len(tiles) == len(set(tiles)) == 551
    partial = {tile.path for tile in tiles if tile.width < 256}
    assert partial == {"tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"}
    assert [tlog.width_at(level, 0, 70_000) for level in (0, 1, 2, 3, None)] == [256, 256, 1, 0, 256]
    assert [tlog.width_at(0, index, 70_000) for index in (272, 273, 274)] == [256, 112, 0]


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (1, ["tile/0/000.p/1", "tile/entries/000.p/1"]),
        (255, ["tile/0/000.p/255", "tile/entries/000.p/255"]),
        (256, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]),
        (257, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/1"]),
    ],
)
def test_small_logs_have_these_tiles(size, paths):
    assert [tile.path for tile in tlog.tiles_at(size)] == paths


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 16_777_216 + 65_536 + 256 + 1])
def test_the_widths_of_a_level_add_up_to_its_nodes(size):
    for level in range(5):
        count = size >> 8 * level
        assert sum(tlog.width_at(level, index, size) for index in range(count // 256 + 2)) == count


def test_a_tile_that_the_log_has_not_got_is_refused():
    leaves = [bytes([n]) * 32 for n in range(5)]
    assert tlog.tile_bytes(Tile(0, 0, 5), stored(leaves)) == b"".join(leaves)
    for tile in (Tile(0, 0, 6), Tile(0, 1, 1), Tile(None, 0, 5)):
        with pytest.raises(TileError):
            tlog.tile_bytes(tile, stored(leaves))


def test_entries_of_any_length_come_back_from_a_bundle():
    entries = [b"", b"a", b"\x00\x01", b"x" * 65_535, *[bytes([n]) * n for n in range(252)]]
    assert tlog.read_entry_bundle(tlog.entry_bundle(entries)) == entries


def test_a_bundle_of_none_or_too_many_or_too_long_is_refused():
    for entries in ([], [b""] * 257, [b"x" * 65_536]):
        with pytest.raises(TileError):
            tlog.entry_bundle(entries)
    for data in (b"", b"\x00\x00" * 257):
        with pytest.raises(TileError, match="1 to 256"):
            tlog.read_entry_bundle(data)


def test_a_bundle_that_is_cut_off_within_an_entry_is_refused():
    bundle = tlog.entry_bundle([b"one", b"three"])
    for length in range(1, len(bundle)):
        if length == 5:  # between the two entries: only the tile's width tells
            assert tlog.read_entry_bundle(bundle[:length]) == [b"one"]
            continue
        with pytest.raises(TileError, match="cut off"):
            tlog.read_entry_bundle(bundle[:length])
    with pytest.raises(TileError, match="cut off"):
        tlog.read_entry_bundle(bundle + b"\x00")


# ---------------------------------------------------------------- cosignatures

WITNESS = tlog.CosignatureSigner("witness.example/w1", bytes(range(32)))
CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_a_cosignature_is_over_the_message_of_the_specification():
    line = WITNESS.sign(CHECKPOINT, 1679315147)
    name, blob = line.split()[1], base64.b64decode(line.split()[2])
    assert (name, len(blob), blob[:4]) == ("witness.example/w1", 76, WITNESS.verifier.key_id)
    assert int.from_bytes(blob[4:12], "big") == 1679315147
    plain = Verifier(WITNESS.name, WITNESS.public)
    assert plain.verify(f"cosignature/v1\ntime 1679315147\n{CHECKPOINT}".encode(), blob[12:])


def test_a_cosigned_checkpoint_verifies_and_tells_the_time():
    note = tlog.sign_note(CHECKPOINT, LOG) + WITNESS.sign(CHECKPOINT, 1679315147)
    opened = tlog.open_checkpoint(note, "example.com/behind-the-sofa", LOG.verifier, WITNESS.verifier)
    cosignature = opened.note.signed_by(WITNESS.verifier)
    assert cosignature is not None
    assert tlog.cosigned_at(cosignature) == 1679315147
    with pytest.raises(NoteError, match="not a timestamped"):
        tlog.cosigned_at(opened.note.verified[0])
    with pytest.raises(NoteError, match="not signed by the log's key"):
        tlog.open_checkpoint(
            f"{CHECKPOINT}\n{WITNESS.sign(CHECKPOINT, 1)}", opened.checkpoint.origin, LOG.verifier, WITNESS.verifier
        )


def test_a_cosignature_with_any_bit_changed_or_any_byte_missing_is_refused():
    line = WITNESS.sign(CHECKPOINT, 1679315147)
    blob = base64.b64decode(line.split()[2])[4:]
    verify = WITNESS.verifier.verify
    assert verify(CHECKPOINT.encode(), blob)
    for bit in range(len(blob) * 8):
        changed = bytearray(blob)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(CHECKPOINT.encode(), bytes(changed))
    for wrong in (b"", blob[:8], blob[8:], blob[:-1], blob + b"\0"):
        assert not verify(CHECKPOINT.encode(), wrong)
    assert not verify(CHECKPOINT.replace("20852163", "20852164").encode(), blob)
    assert not verify((CHECKPOINT + "extension\n").encode(), blob)


def test_a_cosignature_covers_extension_lines():
    text = CHECKPOINT + "Extendo\n"
    note = f"{text}\n{WITNESS.sign(text, 1)}"
    assert open_note(note, [WITNESS.verifier]).text == text
    with pytest.raises(NoteError, match="is wrong"):
        open_note(note.replace("Extendo", "Extend@"), [WITNESS.verifier])


def test_the_type_of_a_key_keeps_a_witness_and_a_log_apart():
    plain, witness = Signer("same.example", WITNESS.seed), tlog.CosignatureSigner("same.example", WITNESS.seed)
    assert plain.key_id != witness.key_id
    with pytest.raises(NoteError, match="not signed by any key"):
        open_note(f"{CHECKPOINT}\n{witness.sign(CHECKPOINT, 1)}", [plain.verifier])
    with pytest.raises(NoteError, match="not signed by any key"):
        open_note(tlog.sign_note(CHECKPOINT, plain), [witness.verifier])
    for wrong in (lambda: Verifier.parse(witness.verifier.vkey), lambda: tlog.CosignatureVerifier.parse(PETER)):
        with pytest.raises(NoteError, match="signature type"):
            wrong()
    assert tlog.CosignatureSigner.parse(witness.skey).verifier == witness.verifier


def test_the_vkey_of_a_public_witness_is_read():
    vkey = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    assert tlog.CosignatureVerifier.parse(vkey).vkey == vkey


def test_a_witness_signs_checkpoints_only_and_says_when():
    with pytest.raises(NoteError):
        WITNESS.sign("anything else\n", 1)
    for time in (-1, 0, 2**63):
        with pytest.raises(NoteError, match="time of a cosignature"):
            WITNESS.sign(CHECKPOINT, time)
    assert open_note(f"{CHECKPOINT}\n{WITNESS.sign(CHECKPOINT, 2**63 - 1)}", [WITNESS.verifier]).verified


# FiloSottile/torchwood cmd/litewitness/testdata/litewitness.txt
SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = Verifier(SIGSUM, bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"))
FIRST = f"""old 0

{SIGSUM}
1
KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

— {SIGSUM} UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=
"""
SECOND = f"""old 1
KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

{SIGSUM}
3
RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=

— {SIGSUM} UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=
"""


def test_requests_of_a_foreign_witness_test_are_read_verified_and_written_alike():
    first, second = tlog.AddCheckpoint.parse(FIRST), tlog.AddCheckpoint.parse(SECOND.encode())
    assert (first.old_size, first.proof, first.body()) == (0, (), FIRST)
    assert (second.old_size, len(second.proof), second.body()) == (1, 2, SECOND)
    old = tlog.open_checkpoint(first.checkpoint_note, SIGSUM, SIGSUM_KEY).checkpoint
    new = tlog.open_checkpoint(second.checkpoint_note, SIGSUM, SIGSUM_KEY).checkpoint
    merkle.verify_consistency(old.size, new.size, second.proof, old.root, new.root)
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(old.size, new.size, second.proof[::-1], old.root, new.root)
    with pytest.raises(NoteError):
        tlog.open_checkpoint(second.checkpoint_note.replace("6go=", "6gs="), SIGSUM, SIGSUM_KEY)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 0\n",
        "old 0\n\n",
        SECOND.replace("old 1", "1"),
        SECOND.replace("old 1", "old  1"),
        SECOND.replace("old 1", "old 01"),
        SECOND.replace("old 1", "old -1"),
        SECOND.replace("old 1", "old 9223372036854775808"),
        SECOND.replace("old 1", "old"),
        SECOND.replace("\nKgE", "\n\nKgE"),
        SECOND.replace("KgEAAAAA", "KgE"),
        SECOND.replace("KgEAAAAA", "!gEAAAAA"),
        SECOND.replace("\n", "\r\n"),
        SECOND.replace("\n3\n", "\n03\n"),
        SECOND[: SECOND.rindex("—")],
        SECOND[:-1],
        SECOND.replace("old 1\n", "old 1\n" + f"{ROOT_TEXT}\n" * 62),
    ],
)
def test_requests_that_are_none_are_refused(body):
    with pytest.raises(NoteError):
        tlog.AddCheckpoint.parse(body)


def test_a_request_holds_up_to_63_hashes():
    body = FIRST.replace("old 0\n", "old 0\n" + f"{ROOT_TEXT}\n" * 63)
    request = tlog.AddCheckpoint.parse(body)
    assert (request.proof, request.body()) == ((ROOT,) * 63, body)
    for old, proof in ((0, [ROOT] * 64), (0, [ROOT[:31]]), (-1, []), (2**63, [])):
        with pytest.raises(NoteError):
            tlog.AddCheckpoint(old, proof, request.checkpoint_note)


# ---------------------------------------------------------------- proofs to keep

HASH_1, HASH_2 = (base64.b64encode(sha256(data).digest()).decode() for data in (b"hash1", b"hash2"))


@pytest.mark.parametrize(
    ("text", "index", "hashes", "extra"),
    [
        (f"c2sp.org/tlog-proof@v1\nindex 5\n{HASH_1}\n{HASH_2}\n\ntest checkpoint\n", 5, 2, None),
        (
            f"c2sp.org/tlog-proof@v1\nextra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 10\n{HASH_1}\n\ntest checkpoint\n",
            10,
            1,
            b"extra information",
        ),
        ("c2sp.org/tlog-proof@v1\nindex 0\n\ntest checkpoint\n", 0, 0, None),
        ("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\ntest checkpoint\n", 0, 0, b""),
    ],
)
def test_a_proof_is_written_as_it_was_read(text, index, hashes, extra):
    proof = TlogProof.parse(text)
    assert (proof.index, len(proof.hashes), proof.extra, proof.checkpoint) == (
        index,
        hashes,
        extra,
        "test checkpoint\n",
    )
    assert proof.text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("wrong-header\nindex 0\n\ncheckpoint\n", "must begin"),
        ("c2sp.org/tlog-proof@v1", "empty line"),
        ("c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n", "extra data"),
        ("c2sp.org/tlog-proof@v1\n\n\ncheckpoint\n", "index"),
        ("c2sp.org/tlog-proof@v1\nindex notanumber\n\ncheckpoint\n", "index must be"),
        ("c2sp.org/tlog-proof@v1\nindex -5\n\ncheckpoint\n", "index must be"),
        ("c2sp.org/tlog-proof@v1\nindex 05\n\ncheckpoint\n", "index must be"),
        ("c2sp.org/tlog-proof@v1\nindex\n\ncheckpoint\n", "index"),
        ("c2sp.org/tlog-proof@v1\nindex 0\nextra YQ==\n\ncheckpoint\n", "hash"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\ncheckpoint\n", "base64"),
        (f"c2sp.org/tlog-proof@v1\nindex 0\n{base64.b64encode(bytes(64)).decode()}\n\ncheckpoint\n", "32 bytes"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n" + "a" * 65 * 1024 + "\n", "empty line"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH_1}\n" * 64 + "\ncheckpoint\n", "no more than 63"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint", "line feed"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n\n", "line feed"),
        ("c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\ncheckpoint\r\n", "control"),
    ],
)
def test_proofs_that_are_none_are_refused(text, reason):
    with pytest.raises(NoteError, match=reason):
        TlogProof.parse(text)


@pytest.mark.parametrize("arguments", [(-1, []), (2**63, []), (0, [ROOT[:31]]), (0, [ROOT] * 64)])
def test_a_proof_that_could_not_be_read_cannot_be_made(arguments):
    with pytest.raises(NoteError):
        TlogProof(*arguments, "checkpoint\n")


def test_a_proof_from_a_file_verifies_offline_and_fails_for_anything_else():
    leaves = [merkle.leaf_hash(entry) for entry in TESSERA_ENTRIES]
    checkpoint = Checkpoint("example.com/log/testdata", 15, merkle.root_of(leaves))
    note = tlog.sign_note(checkpoint.text, TESSERA) + WITNESS.sign(checkpoint.text, 1679315147)
    hashes = merkle.inclusion_proof(4, 15, stored(leaves))
    proof = TlogProof.parse(TlogProof(4, tuple(hashes), note, b"five").text.encode())
    opened = proof.verify(leaves[4], checkpoint.origin, TESSERA.verifier, WITNESS.verifier)
    assert opened.checkpoint == checkpoint
    assert opened.note.signed_by(WITNESS.verifier)
    with pytest.raises(merkle.ProofError):
        proof.verify(leaves[5], checkpoint.origin, TESSERA.verifier)
    with pytest.raises(merkle.ProofError):
        TlogProof(5, proof.hashes, note).verify(leaves[4], checkpoint.origin, TESSERA.verifier)
    with pytest.raises(NoteError, match="is of the log"):
        proof.verify(leaves[4], "example.com/other", TESSERA.verifier)
    with pytest.raises(NoteError, match="not signed by the log's key"):
        proof.verify(leaves[4], checkpoint.origin, LOG.verifier, WITNESS.verifier)
