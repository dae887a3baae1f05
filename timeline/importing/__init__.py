"""Files into the log: our NDJSON and JSON, CSV, and whole logs, as one run that can be repeated.

`Importer` reads `File`s into batches of changes and sends them to a `Target` (a log on this machine, or a server).
"""

from timeline.importing.archive import read_log, write_log
from timeline.importing.rows import EXTENSIONS, File, find
from timeline.importing.run import BATCH, Importer, Local, Outcome, Target

__all__ = ["BATCH", "EXTENSIONS", "File", "Importer", "Local", "Outcome", "Target", "find", "read_log", "write_log"]
