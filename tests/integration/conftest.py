"""Real hosts, booted once for the whole session and shared by all integration tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import hosts
from lab.topology import Topology, read
from tests.integration.support import INVENTORY, Played, RealHost, play


@pytest.fixture(scope="session")
def topology() -> Iterator[Topology]:
    """The hosts of tests/integration/inventory; GROUNDWORK_KEEP=1 leaves them for the next run."""
    described = read(INVENTORY)
    hosts.create(described)
    yield described
    if not os.environ.get("GROUNDWORK_KEEP"):
        hosts.destroy(described)


@pytest.fixture(scope="session", params=["debian12", "debian13"])
def host(request: pytest.FixtureRequest, topology: Topology) -> RealHost:
    """Each supported distribution in turn."""
    (spec,) = (spec for spec in topology.hosts if spec.name == request.param)
    return RealHost(spec, topology)


@pytest.fixture(scope="session")
def run_playbook() -> Callable[..., Played]:
    """``run_playbook(path, *arguments)``: plays it on the test hosts and returns what happened."""

    def runner(playbook: Path, *arguments: str) -> Played:
        return play(playbook, *arguments)

    return runner
