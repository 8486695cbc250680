"""Two converged hubs, peers and a server, made once for all tests here.

``hub`` is hub12 as the role left it; a test may change its settings, and what it leaves is taken back after
it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import hosts
from lab.topology import Topology, read
from tests.integration.support import RealHost

from .world import FOLDER, INVENTORY, LISTENING, SERVER, UNNAMED, Hub, Peer, converge

PEERS_SETUP = """
command -v wireguard-go >/dev/null && command -v ping >/dev/null || {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    wireguard-tools wireguard-go iputils-ping
} >/dev/null 2>&1
for namespace in $(ls /run/netns 2>/dev/null); do sh /root/peer.sh down "$namespace"; done
"""
SERVER_SETUP = f"""
for address in {SERVER[4]}/32 {UNNAMED[4]}/32 {SERVER[6]}/128 {UNNAMED[6]}/128; do
  ip address replace "$address" dev lo nodad
done
sysctl -qw net.ipv4.ip_forward=0
for family in 4 6; do
  set -- 10.202.0.0/16 10.102.0.12 {SERVER[4]}
  [ $family = 4 ] || set -- fd42:202::/48 fd42:102::12 {SERVER[6]}
  ip -$family route replace "$1" via "$2" src "$3"
done
systemctl stop echo 2>/dev/null
systemd-run --quiet --unit=echo --collect python3 /root/echo.py {
    " ".join((*LISTENING, *SERVER.values(), *UNNAMED.values()))
}
"""
ROUTES = """
command -v conntrack >/dev/null ||
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends conntrack >/dev/null 2>&1
ip route replace 192.0.2.0/24 via 10.102.0.22
ip -6 route replace 2001:db8:2::/64 via fd42:102::22
ip -6 route replace 2001:db8:3::/64 via fd42:102::22
"""


@dataclass
class World:
    hub12: Hub
    hub13: Hub
    peers: RealHost
    server: RealHost
    peers_file: Path
    known: dict[str, Peer]


@pytest.fixture(scope="session")
def topology() -> Iterator[Topology]:
    """Hosts of these tests' own."""
    described = read(INVENTORY)
    hosts.create(described)
    yield described
    if not os.environ.get("GROUNDWORK_KEEP"):
        hosts.destroy(described)


@pytest.fixture(scope="session")
def world(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> World:
    machines = {spec.name: RealHost(spec, topology) for spec in topology.hosts}
    peers, server = machines["peers"], machines["server"]
    with ThreadPoolExecutor() as pool:
        told = [
            pool.submit(
                _lay_down, peers, ("peer.sh", "probe.py", "stream.py", "hold.py", "echo.py"), PEERS_SETUP
            )
        ]
        told.append(pool.submit(_lay_down, server, ("echo.py", "probe.py"), SERVER_SETUP))
        for one in told:
            one.result()
    known = {
        "anna": Peer(peers, "anna", 11),
        "rob": Peer(peers, "rob", 12, group="readers"),
        "ci": Peer(peers, "ci", 13, group="services", kind="service"),
        "far": Peer(peers, "far", 14, group="services", kind="service"),
        "office": Peer(peers, "office", 15, group="sites", kind="site", networks=["198.51.100.0/24"]),
    }
    peers_file = tmp_path_factory.mktemp("peers") / "wireguard_peers.yml"
    peers_file.write_text(yaml.safe_dump(_register(known)))
    played = converge(peers_file, tags="host_firewall,wireguard")
    assert played.returncode == 0, played.output
    made = World(Hub(machines["hub12"]), Hub(machines["hub13"]), peers, server, peers_file, known)
    for hub in (made.hub12, made.hub13):
        _lay_down(hub.host, ("echo.py",), ROUTES)
        hub.learn()
    with ThreadPoolExecutor() as pool:
        list(
            pool.map(
                lambda peer: peer.connect(made.hub13 if peer.name == "far" else made.hub12), known.values()
            )
        )
    return made


def _lay_down(host: RealHost, files: tuple[str, ...], script: str) -> None:
    for file in files:
        done = host.run(f"cat > /root/{file}", stdin=(FOLDER / "on_host" / file).read_text())
        assert done.returncode == 0, done.stderr
    host.output(script)


def _register(known: dict[str, Peer]) -> dict[str, Any]:
    homes = {"ci": "hub12", "office": "hub12", "far": "hub13"}
    entries = []
    for peer in known.values():
        kept = ("name", "owner", "kind", "group", "public_key", "addresses", "networks")
        entry = {key: value for key, value in peer.entry().items() if key in kept}
        entry |= {"added_at": "2026-01-01T00:00:00Z", "added_by": "test", "reason": "For the test"}
        if peer.name in homes:
            entry["hub"] = homes[peer.name]
        entries.append(entry)
    return {
        # Hosts may have been left by an earlier run.
        "wireguard_revision": int(time.time()) % 10**9,
        "wireguard_hub_keys": {},
        "wireguard_peers": entries,
        "wireguard_released": [],
    }


@pytest.fixture
def hub(world: World) -> Iterator[Hub]:
    """The hub on Debian 12; what a test leaves is taken back."""
    yield world.hub12
    world.hub12.reset()


@pytest.fixture
def new_peer(world: World, hub: Hub) -> Iterator[Callable[..., Peer]]:
    """``new_peer(name, number, ...)``: a peer that the hub does not know. Its tunnel is gone afterwards."""
    made: list[Peer] = []

    def make(name: str, number: int, **properties: Any) -> Peer:
        made.append(Peer(world.peers, name, number, **properties))
        return made[-1]

    yield make
    for peer in made:
        peer.disconnect()
