"""The command line: the one place that opens databases and wires things together.

Exit codes: 0 done, 1 internal error, 2 usage or content, 3 not found, 4 conflict, 5 not allowed, 6 busy or too costly,
7 the log is damaged, 130 interrupted.
"""

from timeline.cli.commands import attach
from timeline.cli.root import cli, main

attach(cli)
__all__ = ["cli", "main"]
