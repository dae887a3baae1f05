"""Whether something installed here has a known vulnerability: pip-audit against OSV (https://osv.dev).

    python tests/audit.py          exit code 1 where there is one that pyproject.toml does not ignore with a reason

Where the service cannot be reached, nothing is known: it says so in a line and ends with 0. What is asked about are the
versions installed, of the package's own dependencies as well as of the tools that test it. What is ignored stands in
the table `[tool.timeline.audit]` of pyproject.toml: the vulnerability's id, or an alias of it, and why it does no harm.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

OSV = "https://api.osv.dev/v1/query"
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
OWN = {"timeline", "pip", "setuptools", "wheel"}
"""Ourselves, whose name is somebody else's on PyPI; and what Python itself puts into every virtual environment."""

PATIENCE = 5
"""Seconds for one answer of the service."""

DEADLINE = 120
"""Seconds for everything."""


class Unreachable(Exception):
    """The service does not answer, so nothing can be said."""


def installed():
    """Give what is installed here: name -> version."""
    found = {re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(): each.version for each in distributions()}
    return {name: found[name] for name in sorted(found.keys() - OWN)}


def ignored(path=PYPROJECT):
    """Give the vulnerabilities that are ignored: id -> reason. `ValueError` where one has no reason."""
    table = tomllib.loads(path.read_text()).get("tool", {}).get("timeline", {}).get("audit", {})
    for name, reason in table.items():
        if not (isinstance(reason, str) and reason.strip()):
            raise ValueError(f"[tool.timeline.audit] {name}: say why it is ignored")
    return table


def ask(versions, url=OSV):
    """Have pip-audit look the versions up. Gives {"name", "version", "vulns": [{"id", "aliases", ...}]} for each."""
    if find_spec("pip_audit") is None:
        raise Unreachable("pip-audit is not installed")
    _knock(url)
    with tempfile.TemporaryDirectory(prefix="timeline-audit-") as folder:
        pins = Path(folder) / "installed.txt"
        pins.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--osv-url", url, "--format",
                   "json", "--progress-spinner", "off", "--timeout", str(PATIENCE), "--cache-dir", folder, "--no-deps",
                   "--disable-pip", "--requirement", str(pins)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            raise Unreachable(f"{url} did not answer everything within {DEADLINE} s") from None
    try:
        return json.loads(done.stdout)["dependencies"]
    except ValueError:
        if "requests.exceptions" in done.stderr or "connect" in done.stderr.lower():
            raise Unreachable(f"{url} stopped answering") from None
        raise RuntimeError(f"pip-audit failed:\n{done.stderr[-2000:]}") from None


def _knock(url):
    """Ask one question: pip-audit takes minutes to find out what is behind a network that swallows everything."""
    body = json.dumps({"package": {"name": "sqlite-utils", "ecosystem": "PyPI"}, "version": "4.2"}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - as above
            json.load(answer)
    except (OSError, ValueError) as error:
        raise Unreachable(f"{url} cannot be reached ({getattr(error, 'reason', error)})") from None


def report(found, reasons):
    """Tell what was found; gives the lines, and whether something is not ignored."""
    lines, bad, used = [], False, set()
    for each in found:
        for flaw in each.get("vulns", []):
            names = {flaw["id"], *flaw.get("aliases", [])}
            excuse = sorted(names & reasons.keys())
            used |= names
            bad = bad or not excuse
            fixed = ", ".join(flaw.get("fix_versions", [])) or "no version yet"
            lines.append(f"{each['name']} {each['version']}: {', '.join(sorted(names))}, fixed in {fixed}: "
                         + (f"ignored: {reasons[excuse[0]]}" if excuse else flaw.get("description", "")[:200]))
    lines += [f"{name} is ignored in pyproject.toml, and is no longer found: take it out"
              for name in sorted(reasons.keys() - used)]
    skipped = [each["name"] for each in found if "skip_reason" in each]
    lines += [f"not looked up: {', '.join(skipped)}"] if skipped else []
    return [*lines, f"looked up: {len(found) - len(skipped)} packages"], bad


def main():
    """Look everything up and say what was found."""
    try:
        lines, bad = report(ask(installed(), os.environ.get("TIMELINE_OSV", OSV)), ignored())
    except Unreachable as error:
        lines, bad = [f"skipped: {error}, so nothing is known of vulnerabilities"], False
    print("\n".join(lines))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
