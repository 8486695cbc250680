"""Every test module sees the host under test twice: by testinfra, and as a target of attacks."""

from __future__ import annotations

import pytest
from attack import Target, find
from testinfra.host import Host


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, host: Host) -> Target:
    return find(request.config.option.ansible_inventory, host.backend.get_hostname())
