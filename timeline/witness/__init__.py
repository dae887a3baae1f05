"""Witnessing (C2SP tlog-witness): a third party that signs each checkpoint of a log only if it extends the last one.

A log that shows two histories to two readers needs its witness to sign both, and a witness never does. That is how one
newsroom proves to another that everybody was shown the same log.

``judging`` is the protocol itself, ``store`` what a witness must never forget, ``app`` its HTTP edge and ``client`` how
a log asks for a cosignature. Version: the C2SP text of tlog-witness after v1.0.0 (commit 95978ca): another root at the
size known is answered 422, where v1.0.0 said 409.
"""
