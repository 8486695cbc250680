"""Refusals are the controller's: one distribution is enough to see that the host stays as it was."""

from __future__ import annotations

import pytest

from lab.topology import Topology
from tests.integration.support import RealHost


@pytest.fixture(scope="session")
def one_host(topology: Topology) -> RealHost:
    (spec,) = (spec for spec in topology.hosts if spec.name == "debian12")
    return RealHost(spec, topology)
