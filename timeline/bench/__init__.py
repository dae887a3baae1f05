"""`timeline bench`: what this machine does, beside the limits it sets and beside programs of others, in one run.

Every figure stands beside a limit measured in turns with it (raw SQLite, bare hashing, constant bytes from the same
server, a bare application under it, Datasette, eventsourcing), because absolute figures speak of the machine and ratios
speak of the program. `command` is where they are asked for. Subjects: `writes`, `posts` and `wire` (HTTP), `reads`,
`streams`, `upkeep`, `starts`, `proofs`, `memory`; `data` is what is measured with, `naive`, `bare`, `peers`, `client`
what it is measured against; `show`, `plot` and `svg` are the report.
"""

from __future__ import annotations


def main(argv: list[str]) -> int:
    """Measure what is asked for and print it; gives the exit code: 1 where something could not be measured."""
    from timeline.bench import command  # noqa: PLC0415 - the servers of the bench do without what it needs

    return command.main(argv)


__all__ = ["main"]
