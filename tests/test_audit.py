"""The audit of what is installed: what fails it, what it lets pass and why, and what it does without a network."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import audit
import pytest

FLAW = {
    "id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2099-0001"], "schema_version": "1.6.0", "summary": "It reads too far",
    "affected": [{"package": {"name": "example", "ecosystem": "PyPI"},
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]}],
}
"""As OSV's schema has it (https://ossf.github.io/osv-schema/)."""


@contextmanager
def osv(status=200, flawed="example"):
    """Answer as api.osv.dev/v1/query does: an empty object where nothing is known."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = asked["package"] == {"name": flawed, "ecosystem": "PyPI"}
            body = json.dumps({"vulns": [FLAW]} if known else {}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def asked():
    pytest.importorskip("pip_audit", reason="pip-audit is not installed")
    with osv() as url:
        return audit.ask({"example": "1.0", "another": "3.1"}, url)


def test_a_known_vulnerability_fails_with_its_names_and_the_version_that_mends_it(asked):
    lines, bad = audit.report(asked, {})
    assert bad
    assert lines == ["example 1.0: CVE-2099-0001, GHSA-aaaa-bbbb-cccc, fixed in 2.0: It reads too far",
                     "looked up: 2 packages"]


@pytest.mark.parametrize("name", ["GHSA-aaaa-bbbb-cccc", "CVE-2099-0001"])
def test_one_that_is_ignored_by_any_of_its_names_passes_and_is_told_with_the_reason(asked, name):
    lines, bad = audit.report(asked, {name: "we never call that"})
    assert not bad
    assert lines[0].endswith("fixed in 2.0: ignored: we never call that")


def test_what_is_ignored_for_nothing_is_told(asked):
    lines, bad = audit.report(asked, {"CVE-1999-0001": "old"})
    assert bad
    assert "CVE-1999-0001 is ignored in pyproject.toml, and is no longer found: take it out" in lines


def test_what_could_not_be_looked_up_is_named():
    found = [{"name": "private", "skip_reason": "not found"}, {"name": "example", "version": "2.0", "vulns": []}]
    assert audit.report(found, {}) == (["not looked up: private", "looked up: 1 packages"], False)


def test_every_ignored_vulnerability_has_its_reason(tmp_path):
    assert all(audit.ignored().values())
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.timeline.audit]\n"CVE-2099-0001" = " "\n')
    with pytest.raises(ValueError, match="CVE-2099-0001: say why"):
        audit.ignored(path)


def test_our_own_name_is_not_looked_up_as_it_is_somebody_elses_on_pypi():
    assert "timeline" not in audit.installed()
    assert {"litestar", "msgspec", "sqlite-utils", "pytest"} <= audit.installed().keys()


@pytest.fixture
def run():
    def call(url):
        return subprocess.run([sys.executable, audit.__file__], capture_output=True, text=True, check=False,
                              env={**os.environ, "TIMELINE_OSV": url})
    return call


def test_without_the_service_it_says_so_in_one_line_and_passes(run):
    with osv() as gone:
        pass
    with osv(status=503) as failing:
        done = [run(gone), run(failing)]
    for each in done:
        assert each.returncode == 0, each.stderr
        assert each.stdout.startswith("skipped: http://127.0.0.1:")
        assert each.stdout.count("\n") == 1


def test_everything_that_is_installed_is_looked_up(run):
    pytest.importorskip("pip_audit", reason="pip-audit is not installed")
    with osv(flawed="msgspec") as url:
        done = run(url)
    assert done.returncode == 1, done.stderr
    assert f"msgspec {audit.installed()['msgspec']}: CVE-2099-0001" in done.stdout
    assert f"looked up: {len(audit.installed())} packages" in done.stdout
