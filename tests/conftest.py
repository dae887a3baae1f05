"""What several test modules share: one browser a module, or the reason why there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, driven by Playwright; skips, with the reason, where either cannot run.

    For one module, not the session: Playwright keeps an event loop running, which other tests would trip over.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    node = Path(sync_api.__file__).parents[1] / "driver" / "node"
    if node.exists() and subprocess.run([node, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("Playwright's driver does not start here: on Debian it needs libatomic1")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
