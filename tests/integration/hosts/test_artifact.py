"""The collection as users install it: a play from it by its full name."""

from __future__ import annotations

import os
import subprocess

from lab.topology import Topology
from tests import artifact
from tests.integration.support import INVENTORY


def test_a_playbook_runs_by_its_full_name_from_the_installed_collection(topology: Topology) -> None:
    collections = artifact.install().parents[2]
    done = subprocess.run(
        ["ansible-playbook", "--inventory", str(INVENTORY), "--check", "groundwork.platform.hosts"],
        cwd=collections,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        # Without the checkout's configuration: only what a user has who installed the tarball.
        env={**os.environ, "ANSIBLE_CONFIG": "", "ANSIBLE_COLLECTIONS_PATH": str(collections)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for host in topology.hosts:
        assert f"{host.name} " in done.stdout
