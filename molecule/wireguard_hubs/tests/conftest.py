"""Two hubs, and people who have a tunnel to each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "shared" / "vpn"))

from vpn_world import World  # noqa: E402  # because the shared folder has to be on the path


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return World((str(request.config.option.ansible_inventory), str(HERE.parent / "inventory")))


@pytest.fixture(scope="session", autouse=True)
def connected(world: World) -> None:
    """Everybody is in, anna through the first hub that answers."""
    for hub in ("debian12", "debian13"):
        world.lead(world.host(hub))
    world.hand_out()
    world.onboard("anna", "ci", "store")
