"""The verifier that runs in browsers says of every bundle, good or bent, what the one in Python says."""

import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from api_client import load_seeds
from rfc8785 import dumps

from timeline import Timeline, parse_query
from timeline.edtf import iso
from timeline.errors import Invalid, Malformed
from timeline.log import commitment
from timeline.merkle import leaf_hash, root_of
from timeline.records import canonical, merge
from timeline.snapshots import bundle as bundles
from timeline.snapshots import decode_bundle, make_bundle, publish, verify_bundle
from timeline.tlog import Checkpoint, Signer, sign_note

VERIFIER = Path(__file__).parents[1] / "timeline" / "web" / "static" / "verify.js"
NODE = shutil.which("node")
DRIVER = """
import { readFileSync } from "node:fs";
const { cases, plain } = JSON.parse(readFileSync(0, "utf8"));
const code = readFileSync(process.argv[1], "utf8");
const { verify, canonical, merge, iso } = await import("data:text/javascript," + encodeURIComponent(code));
const reports = [];
for (const { data, id, vkey } of cases) {
  reports.push(await verify(Uint8Array.from(Buffer.from(data, "base64")), { id, vkey }));
}
const written = plain.values.map((value) => canonical(value));
const merged = plain.patches.map(([target, patch]) => merge(target, patch));
process.stdout.write(JSON.stringify({ reports, written, merged, dates: plain.seconds.map(iso) }));
"""
QUESTIONS = {
    "everything": [],
    "one-actor": [("actor", "karoline-leavitt")],
    "reported": [("topic", "us-troops"), ("reported_by", "2025-08-19")],
    "certainly": [("from", "2025-08-15"), ("to", "2025-08-19"), ("match", "must")],
    "members": [("actor", "united-states"), ("members", "true"), ("role", "speaker")],
    "about": [("on", "about"), ("from", "2025-09")],
    "words": [("q", "troops")],
    "past": [("at", "59")],
    "nobody-yet": [("actor", "karoline-leavitt"), ("at", "80")],
    "before-all": [("as_of", "1900")],
    "plans": [("undated", "include"), ("from", "2025-08"), ("kind", "plan")],
    "states": [("status", "denied"), ("status", "disputed")],
    "place": [("place", "alaska"), ("retracted", "include")],
    "related": [("related", "alaska-summit")],
    "source": [("source", "report-2025-08-18-us-troops-possible"), ("topic", "us-troops")],
    "small": [("actor", "ann")],
    "small-bob": [("actor", "bob"), ("retracted", "include")],
}
SMALL = ("small", "small-bob")
BENT_OF = ("small signed", "small unsigned", "one-actor signed", "members signed", "reported unsigned",
           "nobody-yet unsigned")
HEADERS, STREAMS = 5_000, -1


def story(timeline):
    """Three events of one actor, of which one was corrected twice and one merged; one retracted; one that moved."""
    for name in ("ann", "bob"):
        timeline.describe_actor(id=name, kind="person", name=name.title())
    timeline.describe_source(id="paper", title="Paper", published="2025-08-11")
    for number in (1, 2, 3):
        cited = [{"source": "paper", "exact": f"words {number}", "phrase": "on that day"}]
        timeline.record(id=f"e{number}", title=f"Event {number}", when=f"2025-08-1{number}", actors=[{"id": "ann"}],
                        citations=cited)
    timeline.record(id="other", title="Other", when="2025-08-12", actors=[{"id": "bob"}])
    timeline.record(id="twin", title="Événement – 😀", when="2025-08-12", tz="Europe/Paris", actors=[{"id": "bob"}],
                    place={"name": "Kyïv", "lat": 50.45, "lon": 30.52}, relations=[{"type": "follows", "event": "e1"}])
    timeline.record(id="mover", title="Moves", when="2025-08-14", actors=[{"id": "bob"}])
    timeline.revise("e2", {"title": "Event two", "topics": ["war"]}, reason="spelled out")
    timeline.revise("e2", {"when": "2025-08-12~", "topics": []}, reason="doubtful")
    timeline.merge("e1", ["twin"], reason="the same")
    timeline.revise("mover", {"actors": [{"id": "ann", "role": "speaker"}]}, reason="it was Ann")
    timeline.revise("mover", {"summary": "It moves."}, reason="more")
    timeline.retract("other", reason="never happened")


def made(timeline, asked):
    """The bundles of a question for each kind of evidence: (id, published ones, unpublished ones)."""
    published = publish(timeline, parse_query(asked))
    before, found, bare = bundles.ALL_HEADERS, {}, {}
    try:
        for kind, limit in (("headers", HEADERS), ("streams", STREAMS)):
            bundles.ALL_HEADERS = limit
            found[kind] = make_bundle(timeline, published.snapshot, published.position).encoded()
            bare[kind] = make_bundle(timeline, published.snapshot, None).encoded()
    finally:
        bundles.ALL_HEADERS = before
    return published.snapshot.id, found, bare


# ------------------------------------------------------------------------------------------ ways to bend a bundle

def entry(number):
    def bend(values):
        del values["snapshot"]["entries"][number]
    return bend


def entry_and_records(number):
    """Leave out an event and every record of it, and say that no less was published."""
    def bend(values):
        gone = values["snapshot"]["entries"].pop(number)["positions"]
        values["records"] = [each for each in values["records"] if each["position"] not in gone]
        for name, places in values.get("streams", {}).items():
            values["streams"][name] = [place for place in places if place not in gone]
        without_publication(values)
    return bend


def entry_and_publication(number):
    """Leave out an event, and change what the record of the publication says to fit."""
    def bend(values):
        gone = values["snapshot"]["entries"].pop(number)["event"]["id"]
        body = values["records"][-1]["parts"][0]
        said = json.loads(body["data"])
        said["manifest"]["entries"] = [each for each in said["manifest"]["entries"] if each[0] != gone]
        body["data"] = canonical(said).decode()
    return bend


def without_publication(values):
    values.pop("published", None)


def publication_left_out(values):
    values["records"] = [each for each in values["records"] if each["position"] != values["published"]]


def header(number):
    def bend(values):
        if "headers" in values:
            del values["headers"][number]
        else:
            del values["records"][number]["header"]
    return bend


def header_changed(values):
    holder, name = (values["headers"], 3) if "headers" in values else (values["records"][3], "header")
    found = json.loads(holder[name])
    found["author"] = "somebody"
    holder[name] = canonical(found).decode()


def header_spelled_otherwise(values):
    holder, name = (values["headers"], 3) if "headers" in values else (values["records"][3], "header")
    holder[name] = holder[name].replace('":', '": ', 1)


def headers_swapped(values):
    holder = values["headers"] if "headers" in values else values["records"]
    holder[2], holder[3] = holder[3], holder[2]


def salt(values):
    part = values["records"][0]["parts"][0]
    part["salt"] = ("0" if part["salt"][0] != "0" else "1") + part["salt"][1:]


def salt_in_capitals(values):
    for record in values["records"]:
        for part in record["parts"]:
            part["salt"] = part["salt"].upper()


def data(values):
    part = values["records"][2]["parts"][0]
    part["data"] = part["data"].replace("a", "b")


def part(values):
    values["records"][2]["parts"].pop()


def part_called_erased(values):
    record = values["records"][3]
    record["erased"] = sorted(each["name"] for each in record.pop("parts"))
    record["parts"] = []


def part_that_never_was_called_erased(values):
    values["snapshot"]["actors"] = []
    values["records"][3]["erased"] = ["private"]


def part_twice(values):
    values["records"][2]["parts"].append(values["records"][2]["parts"][0])


def record_twice(values):
    values["records"].append(values["records"][2])


def record_of_an_entry(values):
    gone = values["snapshot"]["entries"][1]["positions"][-1]
    values["records"] = [each for each in values["records"] if each["position"] != gone]


def root(values):
    values["snapshot"]["log"]["root"] = "0" * 64


def origin(values):
    values["snapshot"]["log"]["origin"] = "elsewhere.example/log"


def size(values):
    lines = values["checkpoint"].split("\n")
    lines[1] = str(int(lines[1]) - 1)
    values["checkpoint"] = "\n".join(lines)


def huge_size(values):
    lines = values["checkpoint"].split("\n")
    lines[1] = str(2**63 - 1)
    values["checkpoint"] = "\n".join(lines)


def snapshot_size(values):
    values["snapshot"]["log"]["size"] += 1


def size_beyond(values):
    values["snapshot"]["log"]["size"] += 1_000


def signature(values):
    note = values["checkpoint"]
    at = len(note) - 20
    values["checkpoint"] = note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1:]


def no_signature(values):
    values["checkpoint"] = values["checkpoint"].partition("\n\n")[0] + "\n"


def checkpoint_text(text):
    def bend(values):
        values["checkpoint"] = text
    return bend


def key(text):
    def bend(values):
        values["key"] = text
    return bend


def order(values):
    values["snapshot"]["entries"].reverse()


def two_swapped(values):
    entries = values["snapshot"]["entries"]
    entries[0], entries[1] = entries[1], entries[0]


def entry_twice(values):
    values["snapshot"]["entries"].insert(0, values["snapshot"]["entries"][0])


def positions(values):
    for each in values["snapshot"]["entries"]:
        if len(each["positions"]) > 1:
            each["positions"].pop()
            return


def positions_at_the_start(values):
    for each in values["snapshot"]["entries"]:
        if len(each["positions"]) > 1:
            each["positions"].pop(0)
            return


def title(values):
    values["snapshot"]["entries"][0]["event"]["title"] = "Forged"


def replaced(values):
    """An event of the log that the question does not mean, instead of one that it means."""
    entries = values["snapshot"]["entries"]
    entries[0] = {**entries[0], "event": {**entries[0]["event"], "id": "other"}}


def derived(name):
    def bend(values):
        values["snapshot"]["entries"][0][name] = "1999-01-01T00:00:00Z"
    return bend


def bound_left_out(values):
    values["snapshot"]["entries"][0].pop("latest")


def author(values):
    values["snapshot"]["entries"][0]["revision"]["author"] = "somebody"


def actor(values):
    values["snapshot"]["actors"][0]["name"] = "Nobody"


def actor_called_erased(values):
    values["snapshot"]["actors"][0].update(name="Nobody", erased={"parts": ["body"]})


def source(values):
    values["snapshot"]["sources"][0]["title"] = "Nothing"


def no_id(values):
    values["snapshot"]["entries"][0]["event"].pop("id")


def projector(values):
    values["snapshot"]["projector"]["version"] = 2


def snapshot_format(values):
    values["snapshot"]["format"] = "timeline.snapshot/2"


def unknown_member(values):
    values["snapshot"]["more"] = 1


def default_written(values):
    values["streams"] = values.get("streams", {}) or {}
    values["consistency"] = []


def query_member(name, value):
    def bend(values):
        values["snapshot"]["query"][name] = value
        without_publication(values)
    return bend


def evidence(word):
    def bend(values):
        values["evidence"] = word
    return bend


def proof_of(name):
    def shorter(values):
        if not values.get(name):
            values.pop(name, None)
        elif len(values[name]) == 1:
            values.pop(name)
        else:
            values[name].pop()
    return shorter


def proof_longer(values):
    values.setdefault("proof", []).append("A" * 43 + "=")


def proof_bits(values):
    """Other unused bits in base64: the same bytes, another spelling."""
    if values.get("proof"):
        last = values["proof"][0][-2]
        values["proof"][0] = values["proof"][0][:-2] + chr(ord(last) + 1) + "="


def proof_changed(values):
    if values.get("proof"):
        first = values["proof"][0]
        values["proof"][0] = ("A" if first[0] != "A" else "B") + first[1:]


def stream_end(values):
    for places in values.get("streams", {}).values():
        places.pop()


def stream_start(values):
    for places in values.get("streams", {}).values():
        places.pop(0)


def stream_renamed(values):
    values["streams"] = {f"{name}-x": places for name, places in values.get("streams", {}).items()} or {"actor/x": [1]}


def published_elsewhere(values):
    values["published"] = values["records"][0]["position"]


BENT = [
    *(bend(number) for bend in (entry, entry_and_records, entry_and_publication) for number in (0, 1, -1)),
    without_publication, publication_left_out, *map(header, (0, 2, -1)), header_changed, header_spelled_otherwise,
    headers_swapped, salt, salt_in_capitals, data, part, part_called_erased, part_that_never_was_called_erased,
    part_twice, record_twice, record_of_an_entry, root, origin, size, huge_size, snapshot_size, size_beyond, signature,
    no_signature, *map(checkpoint_text, ("", "a\n", "a\n1\n\n", "\n\n", "a\nb\nc\n\n\u2014 x y\n", "a\n01\nb\n")),
    *map(key, ("x", "a+00000000+AAAA", "")), order, two_swapped, entry_twice, positions, positions_at_the_start, title,
    replaced, *map(derived, ("earliest", "latest")), bound_left_out, author, actor, actor_called_erased, source, no_id,
    projector, snapshot_format, unknown_member, default_written,
    *(query_member(*pair) for pair in (
        ("lang", "fr"), ("match", "may"), ("actors", []), ("actors", "ann"), ("lower", True), ("kinds", ["plan"]),
        ("retracted", True), ("upper", 0), ("at", 3), ("members", True), ("roles", ["speaker"]), ("undated", False),
        ("reported_by", 1_755_000_000), ("text", "event"), ("sources", ["paper"]))),
    *map(evidence, ("none", "headers", "streams", "all")), proof_of("proof"), proof_of("consistency"), proof_longer,
    proof_bits, proof_changed, stream_end, stream_start, stream_renamed, published_elsewhere,
]
RAW = [
    lambda raw: b" " + raw, lambda raw: raw + b"\n", lambda raw: raw + b"x", lambda raw: raw + b" \n",
    lambda raw: raw.replace(b'"evidence"', b'"evidence" ', 1), lambda _: b"", lambda _: b"{}", lambda _: b"null",
    lambda raw: raw.replace(b'{"checkpoint"', b'{"checkpoint":"a","checkpoint"', 1), lambda raw: b"\xef\xbb\xbf" + raw,
    lambda raw: raw.replace(b'"size":', b'"size":1.0,"size":', 1), lambda raw: raw[: len(raw) // 2],
    lambda raw: raw.replace(b'"evidence":"', b'"evidence":"\\u0065', 1), lambda _: b"[" * 5_000 + b"]" * 5_000,
    lambda raw: raw.replace(b'"format":"timeline.bundle/1"', b'"format":"timeline.bundle/2"'),
    lambda raw: raw.replace(b'"name":"Ann"', b'"name":"\\ud800"', 1), lambda raw: raw.replace(b"Event", b"\xff", 1),
    lambda raw: raw.replace(b'"name":"Ann"', b'"__proto__":{"name":"Ann"}', 1),
    lambda raw: raw.replace(b'"published":', b'"published":-0,"x":', 1),
]


# ------------------------------------------------------------------------------------------ forgeries with new proofs

def omitted_record(timeline, honest, *places):
    """Leave records out of a bundle with all headers: nothing that is proved speaks of them."""
    return msgspec.structs.replace(honest, records=[each for each in honest.records if each.position not in places],
                                   published=None)


def forged(timeline):
    """Bundles that only look at the right things would catch: every hash in them fits."""
    bundles.ALL_HEADERS = HEADERS
    made_ = publish(timeline, parse_query([("actor", "ann")]))
    honest = make_bundle(timeline, made_.snapshot, made_.position)
    mover = next(each for each in made_.snapshot.entries if each.event["id"] == "mover")
    without = msgspec.structs.replace(made_.snapshot, entries=[e for e in made_.snapshot.entries if e != mover])
    first, moved, _ = mover.positions
    recorded = next(each for each in timeline.records() if each.position == first)
    body = {"data": recorded.part().decode(), "name": "body", "salt": recorded.parts[0].salt.hex()}
    line = msgspec.convert({"parts": [body], "position": first}, bundles.RecordLine)
    kept = [each for each in honest.records if each.position != first]
    yield "an older version instead", msgspec.structs.replace(
        omitted_record(timeline, honest, moved, mover.positions[-1]), snapshot=without)
    yield "without the record that moved it", msgspec.structs.replace(
        honest, records=sorted([*kept, line], key=lambda each: each.position), snapshot=without, published=None)
    yield "without the record in between", msgspec.structs.replace(
        omitted_record(timeline, honest, moved), snapshot=without)
    told = publish(timeline, parse_query([("reported_by", "2025-08-20")]))
    honest = make_bundle(timeline, told.snapshot, told.position)
    described = [each["revision"]["position"] for each in told.snapshot.sources]
    empty = msgspec.structs.replace(told.snapshot, entries=[], sources=[], actors=[])
    yield "without its sources", msgspec.structs.replace(omitted_record(timeline, honest, *described), snapshot=empty)
    nothing = publish(timeline, parse_query([("at", "0")]))
    for kind in (HEADERS, STREAMS):
        bundles.ALL_HEADERS = kind
        honest = make_bundle(timeline, nothing.snapshot, nothing.position)
        yield f"an empty log {kind}", honest
        log = msgspec.structs.replace(nothing.snapshot.log, root="0" * 64)
        yield f"an empty log with another root {kind}", msgspec.structs.replace(
            honest, snapshot=msgspec.structs.replace(nothing.snapshot, log=log), published=None)
    bundles.ALL_HEADERS = HEADERS
    yield from _another_log(timeline, made_)
    yield from _erased(timeline, make_bundle(timeline, made_.snapshot, made_.position))


def _erased(timeline, honest):
    """What is left of an event whose body was erased, as the record of the erasure declares; and lies about that."""
    def told(*, declared=("e2",), called=True, event=None, **more):
        values = json.loads(honest.encoded())
        entry_ = next(each for each in values["snapshot"]["entries"] if each["event"]["id"] == "e2")
        places = entry_["positions"]
        entry_["event"] = {"id": "e2", **(event or {})}
        entry_["erased"] = {"parts": ["body", "quotes"], "reason": "asked to"}
        entry_["revision"].pop("reason")
        entry_["revision"].update(more)
        for each in values["records"]:
            if each["position"] in places:
                names = [part_["name"] for part_ in each.pop("parts")]
                each["parts"] = []
                each.update({"erased": names} if called else {})
        body = canonical({"id": "e2", "part": "body", "records": places if declared else [], "reason": "asked to",
                          "of": "event"}).decode()
        size_ = len(values["headers"]) + 1
        last = json.loads(values["headers"][-1])
        header_ = {**last, "position": size_, "type": "part.erased", "streams": [["event/e2", 9, 1]],
                   "parts": [["body", commitment(bytes(16), body.encode())]]}
        values["headers"].append(canonical(header_).decode())
        values["records"].append({"parts": [{"data": body, "name": "body", "salt": bytes(16).hex()}],
                                  "position": size_})
        leaves = [leaf_hash(each.encode()) for each in values["headers"]]
        values["checkpoint"] = Checkpoint(timeline.origin, size_, root_of(leaves)).text
        values.pop("key", None)
        return values

    yield "erased", told()
    yield "erased, but with a title", told(event={"title": "Forged"})
    yield "erased, but with a reason", told(reason="forged")
    yield "erased, by somebody else", told(author="somebody")
    yield "erased, but not declared", told(declared=())
    yield "erased, but not called so", told(called=False)


def _another_log(timeline, made_):
    """A log of the forger's own, with the origin of another: all of it fits, and only the key could tell."""
    honest = make_bundle(timeline, made_.snapshot, made_.position)
    headers = list(honest.headers)
    records = msgspec.to_builtins(honest.records)
    line = next(each for each in records if '"title":"Event 3"' in each["parts"][0]["data"])
    body = line["parts"][0]
    body["data"] = body["data"].replace("Event 3", "Forged 3")
    changed = json.loads(headers[line["position"] - 1])
    changed["parts"] = [[part["name"], commitment(bytes.fromhex(part["salt"]), part["data"].encode())]
                        for part in line["parts"]]
    headers[line["position"] - 1] = canonical(changed).decode()
    leaves = [leaf_hash(each.encode()) for each in headers]
    size = made_.snapshot.log.size
    snapshot = json.loads(made_.snapshot.content().replace(b'"Event 3"', b'"Forged 3"'))
    snapshot["log"]["root"] = root_of(leaves[:size]).hex()
    text = Checkpoint(timeline.origin, len(leaves), root_of(leaves)).text
    for forger in (None, Signer.generate(timeline.origin)):
        values = json.loads(honest.encoded()) | {
            "headers": headers, "records": records, "snapshot": snapshot,
            "checkpoint": sign_note(text, forger) if forger else text}
        values.pop("published")
        if forger:
            values["key"] = forger.verifier.vkey
        yield f"another log {bool(forger)}", values


# ------------------------------------------------------------------------------------------ both verifiers

def in_python(raw, id_, vkey):
    """What Python finds: of a bundle that cannot be read, that its form is wrong."""
    try:
        report = verify_bundle(decode_bundle(raw), id_=id_, vkey=vkey)
    except (Malformed, Invalid) as error:
        return None, [("form", "failed", error.detail)]
    return report.id, [tuple(check) for check in report.checks]


def cases():
    """Yield (name, bytes, the id that was cited, key) of all bundles."""
    for signed in (True, False):
        with Timeline.temporary() as timeline, Timeline.temporary() as little:
            load_seeds(timeline)
            story(little)
            signers = [Signer.generate(each.origin) for each in (timeline, little)] if signed else [None, None]
            for each, signer in zip((timeline, little), signers, strict=True):
                if signer:
                    each.sign_with(signer)
            for name, asked in QUESTIONS.items():
                holder, signer = (little, signers[1]) if name in SMALL else (timeline, signers[0])
                yield from _of_question(f"{name} {'signed' if signed else 'unsigned'}", holder, asked, signer)
            if signed:
                continue
            for name, bundle in forged(little):
                yield f"forged: {name}", canonical(bundle), None, None
            bundles.ALL_HEADERS = HEADERS


def _of_question(name, timeline, asked, signer):
    vkey = signer.verifier.vkey if signer else None
    id_, found, bare = made(timeline, asked)
    for kind, raw in bare.items():
        yield f"{name} {kind} unpublished", raw, id_, vkey
    for kind, raw in found.items():
        yield f"{name} {kind} good", raw, id_, vkey
        yield f"{name} {kind} plain", raw, None, None
        yield f"{name} {kind} other key", raw, id_, Signer.generate(timeline.origin).verifier.vkey
        yield f"{name} {kind} other id", raw, "0" * 64, vkey
        if name not in BENT_OF:
            continue
        for number, bend in enumerate(BENT):
            values = json.loads(raw)
            try:
                bend(values)
            except (IndexError, KeyError):
                continue  # there is nothing to bend there in this one
            if (bent := canonical(values)) != raw:
                yield f"{name} {kind} {number} {bend.__qualname__}", bent, None, vkey
        if name.startswith("small"):
            for number, spoil in enumerate(RAW):
                yield f"{name} {kind} bytes {number}", spoil(raw), None, vkey


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Every case with what either verifier says of it: [(name, Python's, the browser's)]."""
    if NODE is None:
        pytest.skip("no node on this machine")
    given = list(cases())
    sent = [{"data": b64encode(raw).decode(), "id": id_, "vkey": vkey} for _, raw, id_, vkey in given]
    content = json.dumps({"cases": sent, "plain": PLAIN})
    process = subprocess.run([NODE, "--input-type=module", "-e", DRIVER, str(VERIFIER)], input=content,
                             capture_output=True, text=True, check=False, timeout=300)
    assert process.returncode == 0, process.stderr[-2000:]
    answer = json.loads(process.stdout)
    there = [(report["id"], [tuple(check.values()) for check in report["checks"]], report["verdict"])
             for report in answer["reports"]]
    here = [in_python(raw, id_, vkey) for _, raw, id_, vkey in given]
    return [(name, *pair) for (name, *_), *pair in zip(given, here, there, strict=True)], answer


PLAIN = {
    "values": [
        {"b": 1, "a": 'é\u2028\x7f\u0001\n\t"\\/😂'}, [], {}, [None, True, False, 0, -1, 2**53 - 1],
        {"\ufb33": 1, "😂": 2, "a": {"z": [], "__proto__": "x"}}, "", "\U0001f600",
    ],
    # RFC 7396, appendix A
    "patches": [
        [{"a": "b"}, {"a": "c"}], [{"a": "b"}, {"b": "c"}], [{"a": "b"}, {"a": None}],
        [{"a": "b", "b": "c"}, {"a": None}], [{"a": ["b"]}, {"a": "c"}], [{"a": "c"}, {"a": ["b"]}],
        [{"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}], [{"a": [{"b": "c"}]}, {"a": [1]}],
        [["a", "b"], ["c", "d"]], [{"a": "b"}, ["c"]], [{"a": "foo"}, None], [{"a": "foo"}, "bar"],
        [{"e": None}, {"a": 1}], [[1, 2], {"a": "b", "c": None}], [{}, {"a": {"bb": {"ccc": None}}}],
    ],
    "seconds": [0, -1, 1755286200, -62167219201, -62167219200, 253402300799, 253402300800, 2**40, 2**53 - 1,
                1 - 2**53, -735160 * 86400, 951782400, -2203891201],
}


def states(checks):
    return [(name, state) for name, state, _ in checks]


def test_there_are_good_and_bent_bundles_of_every_kind(both):
    compared, _ = both
    assert len(compared) > 1_000
    good = [there for name, _, there in compared if name.endswith((" good", " unpublished"))]
    assert len(good) == 8 * len(QUESTIONS)
    assert {verdict for _, _, verdict in good} == {"ok"}
    failing = {name for _, _, (_, checks, _) in compared for name, state, _ in checks if state == "failed"}
    assert failing == {"form", "id", "content", "checkpoint", "tree", "parts", "entries", "complete", "published"}


def test_both_verifiers_say_the_same_of_every_bundle(both):
    compared, _ = both
    differing = [
        (name, here, there)
        for name, (id_, here), (other_id, there, _) in compared
        if states(here) != states(there) or (id_ != other_id and here[0][1] == "ok")
    ]
    assert differing == []


def test_a_forgery_of_which_every_hash_fits_is_refused(both):
    compared, _ = both
    verdicts = {name: {check for check, state in states(here) if state == "failed"}
                for name, (_, here), _ in compared if name.startswith("forged: ")}
    assert verdicts["forged: an older version instead"] == {"complete"}
    assert verdicts["forged: without the record that moved it"] == {"complete"}
    assert verdicts["forged: without the record in between"] == {"complete"}
    assert verdicts["forged: without its sources"] == {"complete"}
    for kind in (HEADERS, STREAMS):
        assert verdicts[f"forged: an empty log {kind}"] == set()
        assert verdicts[f"forged: an empty log with another root {kind}"] == {"tree"}
    assert verdicts["forged: erased"] == set()
    for lie in ("but with a title", "but with a reason", "by somebody else"):
        assert verdicts[f"forged: erased, {lie}"] == {"entries"}
    for lie in ("but not declared", "but not called so"):
        assert verdicts[f"forged: erased, {lie}"] == {"parts"}
    # A log that somebody made up altogether is sound: only a key or a root known from elsewhere can tell.
    for signed in (True, False):
        assert verdicts[f"forged: another log {signed}"] == set()


def test_canonical_json_is_that_of_rfc_8785(both):
    _, answer = both
    assert answer["written"] == [dumps(value).decode() for value in PLAIN["values"]]


def test_a_merge_patch_is_that_of_rfc_7396(both):
    _, answer = both
    assert answer["merged"] == [merge(*pair) for pair in PLAIN["patches"]]


def test_seconds_are_written_as_in_python(both):
    _, answer = both
    assert answer["dates"] == [iso(second) for second in PLAIN["seconds"]]


def test_the_verifier_depends_on_nothing_and_runs_no_text():
    code = VERIFIER.read_text()
    assert not re.search(r"\bimport\b(?!ed|Key)|\beval\b|Function\(|innerHTML|document|fetch\(|XMLHttpRequest", code)
