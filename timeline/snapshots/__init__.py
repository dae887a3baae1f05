"""Snapshots: the whole answer to a question at one position, as bytes that anyone can reproduce and verify offline.

`document` is the format and its two digests, `freezing` makes it from the views, `publishing` records it in the log,
`bundle` adds what offline verification needs, `verifying` checks that with `replay` and `membership` (the fold and the
question, answered a second time without a database), `rebuilding` compares with a log, `report` says what was proved.
"""

from timeline.snapshots.bundle import Bundle, decode_bundle, make_bundle
from timeline.snapshots.document import Snapshot, decode_snapshot, digest
from timeline.snapshots.freezing import freeze
from timeline.snapshots.publishing import Published, find, listed, publication, publish
from timeline.snapshots.rebuilding import compare_with_log
from timeline.snapshots.report import Check, Report
from timeline.snapshots.verifying import verify_bundle

__all__ = [
    "Bundle", "Check", "Published", "Report", "Snapshot", "compare_with_log", "decode_bundle", "decode_snapshot",
    "digest", "find", "freeze", "listed", "make_bundle", "publication", "publish", "verify_bundle",
]
