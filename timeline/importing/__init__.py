"""Files into the log: our NDJSON, JSON and CSV, other tools' files, and whole logs, as one run that can be repeated.

`Importer` reads `File`s into batches of changes and sends them to a `Target` (a log on this machine, or a server).
"""

from timeline.importing.archive import read_log, write_log
from timeline.importing.files import EXTENSIONS, File, expected, find
from timeline.importing.kinds import NAMES
from timeline.importing.run import BATCH, Importer, Local, Manner, Outcome, Target

__all__ = ["BATCH", "EXTENSIONS", "NAMES", "File", "Importer", "Local", "Manner", "Outcome", "Target",
           "expected", "find", "read_log", "write_log"]
