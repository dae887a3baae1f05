"""Other people's widgets, for tests that show our output in the real thing: fetched from npm, checked, never shipped.

``python tests/widgets.py DIR`` puts them under DIR; TIMELINE_NODE_MODULES then names DIR. Each package is one file with
all it needs, so there is nothing to build and no npm to install. What was fetched before is not fetched again.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import tarfile
import urllib.request
from pathlib import Path

REGISTRY = os.environ.get("NPM_CONFIG_REGISTRY") or "https://registry.npmjs.org"
PACKAGES = {
    ("@knight-lab/timelinejs", "3.9.11"):
        "+jUuY1OJ+9zSO5O3AfYSLd1yB0vQkm22zyIElz8BWT5DQ9mL0rsxlQkBKAqLbWpJjFuAAJeqzLY35xFIg6GW4g==",
    ("vis-timeline", "8.5.4"):
        "Xt7RNrRvOkQiSyk6vFTXSRwTunT0y9MzDgHY8N8H9nPuebJ6Vg+u3xnv0Swbxna/Pa2E3HjaBblEIQiK74E01Q==",
    ("fullcalendar", "7.1.0"):
        "Pvr/fLrwuwfIjRygNKHJdHFJ8QGWjkAf6FFaMAi7Iv/fFftZQXV49smJE8KTgSVW/GxrqjN5t5Zw2OBTRKcnzA==",
    ("axe-core", "4.14.1"):
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
}
"""Packages by name and version, with the SHA-512 (base64) that npm gives."""


def fetch(folder: Path, name: str, version: str, digest: str) -> None:
    """Unpack one package under a folder, unless it is there; `ValueError` where it is not the one that was meant."""
    place = folder / name
    if (place / ".version").is_file() and (place / ".version").read_text() == version:
        return
    url = f"{REGISTRY.rstrip('/')}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the address is ours
        data = answer.read()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != digest:
        msg = f"{url} is not what it was: its SHA-512 differs"
        raise ValueError(msg)
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        for member in packed:
            inside = Path(*Path(member.name).parts[1:])
            if member.isfile() and ".." not in inside.parts and (stream := packed.extractfile(member)):
                (place / inside).parent.mkdir(parents=True, exist_ok=True)
                (place / inside).write_bytes(stream.read())
    (place / ".version").write_text(version)


if __name__ == "__main__":
    for (package, number), sha512 in PACKAGES.items():
        fetch(Path(sys.argv[1]), package, number, sha512)
