"""Proofs and snapshots: what verification by others costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from typing import Final

from timeline.bench.build import dataset
from timeline.bench.figures import Figure, Run, Series, in_turns, percentile
from timeline.chronicle import Timeline
from timeline.merkle import inclusion_proof, root_at, verify_inclusion
from timeline.query import parse_query
from timeline.snapshots import decode_bundle, freeze, make_bundle, verify_bundle

EVENTS: Final = 1_000


def inclusions(run: Run) -> Iterator[Figure]:
    """Measure (g): a proof of inclusion at a random historic size, beside the hashes a verifier needs."""
    for size in run.sizes:
        with closing(Timeline.open(dataset(run.keep, size))) as timeline:
            head = timeline.log_size
            draw = random.Random(9162)  # noqa: S311 - the same proofs every time
            count = run.amount(50, 300)
            times, checks = [], []
            for _ in range(count):
                n = draw.randint(1, head)
                position = draw.randint(1, n)
                record, root = timeline.record_at(position), root_at(n, timeline.hashes)
                begin = time.perf_counter()
                proof = inclusion_proof(position - 1, n, timeline.hashes)
                times.append(time.perf_counter() - begin)
                leaf = sha256(b"\x00" + record.header_bytes).digest()
                begin = time.perf_counter()
                verify_inclusion(position - 1, n, leaf, proof, root)
                checks.append(time.perf_counter() - begin)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            yield Figure(subject="proof", name=f"inclusion at a random historic size, {name}", unit="ms",
                         size=size, ours=Series([1000 * percentile(times, share)]),
                         limit=Series([1000 * percentile(checks, share)]), limit_name="verifying that proof",
                         curve="proof of inclusion" if share == 0.5 else "")


def snapshots(run: Run) -> Iterator[Figure]:
    """Measure (h): a snapshot of 1,000 events: made, bundled, verified; beside hashing the bundle's bytes."""
    with closing(Timeline.open(dataset(run.keep, min(run.sizes)))) as timeline:
        query = parse_query([("at", str(_reaching(timeline, EVENTS)))])
        snapshot = freeze(timeline, query)
        bundle = make_bundle(timeline, snapshot, None)
        encoded = bundle.encoded()
        tasks: tuple[tuple[str, Callable[[], object]], ...] = (
            ("made", lambda: freeze(timeline, query).content()),
            ("bundled", lambda: make_bundle(timeline, snapshot, None).encoded()),
            ("verified", lambda: verify_bundle(decode_bundle(encoded))),
        )
        for name, task in tasks:
            mine, limit = in_turns(run.repeat, lambda task=task: _milliseconds(task),  # type: ignore[misc]
                                   lambda: _milliseconds(lambda: sha256(encoded).digest()))
            yield Figure(subject="snapshot", name=f"{len(snapshot.entries):,} events {name} ({bundle.evidence})",
                         unit="ms", ours=mine, limit=limit, limit_name=f"SHA-256 of a bundle of {len(encoded):,} B")


def _reaching(timeline: Timeline, events: int) -> int:
    """Give the first position at which there are so many events, or the head."""
    low, high = 0, timeline.position
    reader = timeline.reader()
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reader.count(parse_query([]), middle) >= events else (middle + 1, high)
    return low


def _milliseconds(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return 1000 * (time.perf_counter() - begin)
