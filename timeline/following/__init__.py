"""Following a log: remember the last checkpoint that held, and refuse whatever does not extend it.

A log cannot be caught rewriting itself by somebody who remembers nothing of it. `Follower` remembers one checkpoint of
one log in a small file; `Evidence` is what it writes down when two do not belong to one history; `against` compares a
log at hand with a checkpoint kept elsewhere.
"""

from timeline.following.comparing import against
from timeline.following.evidence import Evidence, Fork, Verdict
from timeline.following.follower import Follower, Outcome
from timeline.following.source import Source

__all__ = ["Evidence", "Follower", "Fork", "Outcome", "Source", "Verdict", "against"]
