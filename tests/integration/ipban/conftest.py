"""A converged store on the hosts of the integration tests, and connections to it as those who use it.

``store`` is the one on ``debian13``, ``either_store`` that of each distribution in turn. Both stand for the
whole session and are shared: work under networks and sources of your own, or begin with ``store.clear()``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab import hosts
from lab.topology import Topology, read
from tests.integration.support import RealHost

from .stores import INVENTORY, Store, converge


@pytest.fixture(scope="session")
def topology() -> Iterator[Topology]:
    """Hosts of these tests' own, in place of those that have the hosts floor."""
    described = read(INVENTORY)
    hosts.create(described)
    yield described
    if not os.environ.get("GROUNDWORK_KEEP"):
        hosts.destroy(described)


@pytest.fixture(scope="session")
def all_stores(topology: Topology) -> dict[str, Store]:
    played = converge("debian12", "debian13")
    assert played.returncode == 0, played.output
    return {spec.name: Store(RealHost(spec, topology)) for spec in topology.hosts}


@pytest.fixture
def store(all_stores: dict[str, Store]) -> Iterator[Store]:
    """The store on ``debian13``."""
    yield all_stores["debian13"]
    all_stores["debian13"].close()


@pytest.fixture(params=["debian12", "debian13"])
def either_store(request: pytest.FixtureRequest, all_stores: dict[str, Store]) -> Iterator[Store]:
    """The store of each distribution in turn, empty."""
    found = all_stores[request.param]
    found.clear()
    yield found
    found.close()


@pytest.fixture
def disposable_store(all_stores: dict[str, Store]) -> Iterator[Store]:
    """The store on ``debian12``, empty, to do anything to. Afterwards it is as the others expect it."""
    found = all_stores["debian12"]
    found.clear()
    yield found
    found.close()
    again = converge("debian12")
    assert again.returncode == 0, again.output
