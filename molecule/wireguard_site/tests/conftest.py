"""A hub with people and places, and a site whose gateway keeps the tunnel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "shared" / "vpn"))

from vpn_world import Target, World  # noqa: E402  # because the shared folder has to be on the path


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return World((str(request.config.option.ansible_inventory), str(HERE.parent / "inventory")))


@pytest.fixture(scope="session")
def hub(world: World) -> Target:
    return world.host("debian12")


@pytest.fixture(scope="session")
def gateway(world: World) -> Target:
    return world.host("debian13")


@pytest.fixture(scope="session", autouse=True)
def connected(world: World, hub: Target, gateway: Target) -> None:
    """Anna is in, and so is the site."""
    world.lead(hub)
    world.hand_out()
    world.onboard("anna")
    (text,) = world.handed("office").values()
    script = "/srv/vpn/groundwork-vpn"
    gateway.output(f"umask 077; cat >/root/hq.conf; {script} install /root/hq.conf && {script} up", text)
    # Something listens on the gateway too, on ports that rules name and on their neighbours.
    gateway.output(
        "systemctl stop vpn-echo-gateway 2>/dev/null; systemd-run --quiet --collect --unit=vpn-echo-gateway"
        " python3 /srv/vpn/echo.py 8079 8080 8081 8082"
    )
