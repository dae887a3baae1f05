"""The long form of the fuzzing tests: again and again with other seeds, until the time is over or something fails.

    python tests/fuzz_long.py --minutes 10
    python tests/fuzz_long.py --minutes 60 -- tests/test_fuzz.py -k import

What follows `--` goes to pytest. TIMELINE_FUZZ says how many times the usual number of examples one round has (5),
TIMELINE_SHRINK=1 makes a failure as small as possible. A failing seed is printed: TIMELINE_FUZZ=5 pytest
--hypothesis-seed=N repeats it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
TESTS = [str(HERE / "test_state_machine.py"), str(HERE / "test_fuzz.py")]


def rounds(minutes: float, arguments: list[str]) -> int:
    """Run pytest until the time is over; give its exit code."""
    counts: Counter[str] = Counter()
    environment = {"TIMELINE_FUZZ": "5", **os.environ}
    begun = time.monotonic()
    seed = time.time_ns() % 2**32
    while time.monotonic() - begun < minutes * 60:
        seed = (seed + 1) % 2**32
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--hypothesis-show-statistics",
                   f"--hypothesis-seed={seed}", *(arguments or TESTS)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            print(done.stdout[-20_000:], f"seed {seed} fails", sep="\n")
            return done.returncode
        counts += counted(done.stdout)
        print(f"{(time.monotonic() - begun) / 60:.1f} minutes, {counts.total():,} examples", flush=True)
    print(*(f"{number:>9,} {name}" for name, number in sorted(counts.items())), sep="\n")
    return 0


def counted(statistics: str) -> Counter[str]:
    """Read how many examples each test passed."""
    found: Counter[str] = Counter()
    name = ""
    for line in statistics.splitlines():
        if heading := re.fullmatch(r"(\S+::\S+):", line):
            name = heading[1]
        elif passed := re.match(r"\s+- (\d+) passing", line):
            found[name] += int(passed[1])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("arguments", nargs="*", help="arguments of pytest")
    given = parser.parse_args()
    sys.exit(rounds(given.minutes, given.arguments))
