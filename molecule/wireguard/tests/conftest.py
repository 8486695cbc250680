"""One hub, people around it, and places behind it. Anna comes in by the playbook, as a colleague does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "shared" / "vpn"))

from vpn_world import Target, World  # noqa: E402  # because the shared folder has to be on the path

OTHERS = ("bob", "mallory", "eve", "ci")
# Where the hub itself has somebody listen: what is allowed, and what is beside it.
HUB_PORTS = (52, 53, 54, 6999, 7000, 7001)


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    return World((str(request.config.option.ansible_inventory), str(HERE.parent / "inventory")))


@pytest.fixture(scope="session")
def hub(world: World) -> Target:
    return world.host("debian12")


@pytest.fixture(scope="session")
def protected(world: World) -> Target:
    """Somebody's host, whose firewall lets the hub in, and the machine that runs the tests."""
    return world.host("debian13")


@pytest.fixture(scope="session")
def handover(world: World) -> Path:
    """What the playbook gave for anna, who had made a key and handed its public half in."""
    key = world.run("anna", "groundwork-vpn", "key").stdout.strip()
    world.play(
        "vpn_peer.yml", add="anna", owner="Anna", group="developers", public_key=key, reason="new here"
    )
    return Path(world.policy["wireguard_handover_directory"]) / "anna"


@pytest.fixture(scope="session", autouse=True)
def connected(world: World, hub: Target, handover: Path) -> None:
    """Everybody is in."""
    world.lead(hub)
    world.hand_out()
    world.onboard("anna", *OTHERS)


@pytest.fixture(scope="session")
def hub_answers(hub: Target) -> None:
    """Something listens on the hub, on ports that rules name and on their neighbours."""
    program = (HERE.parents[1] / "shared" / "vpn" / "on_host" / "echo.py").read_text()
    ports = " ".join(str(port) for port in HUB_PORTS)
    hub.output(
        f"cat >/run/echo.py; systemctl stop vpn-echo 2>/dev/null;"
        f" systemd-run --quiet --collect --unit=vpn-echo python3 /run/echo.py {ports}",
        program,
    )
