"""Measurements that are no tests: what they say depends on the machine. Started by hand, from the project's folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the helpers of the tests are found by their names
