"""An import in a process of its own, which says how much memory it took.

``python -m timeline.bench.child LOG FILE...``; without arguments it only says what the modules take.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from timeline.bench.build import import_file


def peak() -> float:
    """Give the most memory this process ever held, in MB.

    On Linux `ru_maxrss` starts with what the parent held, so the kernel's own account of this program is read.
    """
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    if sys.argv[1:]:
        import_file(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    sys.stdout.write(f"{peak():.1f}\n")
