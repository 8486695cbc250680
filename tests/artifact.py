"""The collection as users get it: built by ansible-galaxy, installed from the tarball, once per run."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def install() -> Path:
    """The directory of the installed collection, ``.../ansible_collections/groundwork/platform``."""
    scratch = Path(tempfile.mkdtemp(prefix="groundwork-artifact-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    tarballs = scratch / "build"
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(tarballs), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (tarball,) = tarballs.glob("groundwork-platform-*.tar.gz")
    subprocess.run(
        ["ansible-galaxy", "collection", "install", "--offline", "--force", "-p", str(scratch), str(tarball)],
        check=True,
        stdout=subprocess.DEVNULL,
        # The checkout is on the collection path as well: the artifact must not be looked up there.
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(scratch)},
    )
    return scratch / "ansible_collections" / "groundwork" / "platform"
