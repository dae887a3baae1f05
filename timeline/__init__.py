"""A chronicle you can cite: dated events in an immutable log, read in chronological views per actor.

>>> from timeline import Timeline, parse
>>> parse("2025-08-15").earliest
1755216000
"""

from timeline.chronicle import Answer, ReadOnlyTimeline, Timeline
from timeline.edtf import Edtf, parse
from timeline.errors import TimelineError
from timeline.query import Query, parse_query

__all__ = ["Answer", "Edtf", "Query", "ReadOnlyTimeline", "Timeline", "TimelineError", "parse", "parse_query"]
__version__ = "0.1.0"
