"""The hub itself: its secrets, its metrics, its absence, and its return."""

from __future__ import annotations

import re

from attack import Target, probe_from_here
from vpn_world import World, wait_for

KEYS = "/etc/groundwork/wireguard/keys"
METRICS = "/var/lib/prometheus/node-exporter"


def test_secrets_are_roots_alone(world: World, hub: Target) -> None:
    listed = hub.output(
        "stat --format='%a %U %n' /etc/groundwork/wireguard/keys /etc/groundwork/wireguard/keys/*"
    )
    modes = {line.split()[2].rsplit("/", 1)[1]: line.split()[:2] for line in listed.splitlines()}
    assert modes.pop("keys") == ["700", "root"]
    assert modes
    assert all(mode == ["600", "root"] for mode in modes.values()), modes
    private = hub.output(f"cat {KEYS}/*.key").split()
    everything = hub.output(
        "ps -eww -o args=; journalctl -b --no-pager; cat /etc/groundwork/wireguard/*.json"
    )
    assert not [key for key in private if key in everything]


def test_metrics_name_people(world: World, hub: Target) -> None:
    hub.output(
        "mkdir -p /var/lib/prometheus/node-exporter; systemctl start groundwork-wireguard-metrics.service"
    )
    found = hub.output("cat /var/lib/prometheus/node-exporter/*wireguard*.prom")
    for name in ("anna", "bob", "ci"):
        assert re.search(rf'^groundwork_wireguard_\w+{{[^}}]*peer="{name}"', found, re.M), name
    assert "handshake" in found
    assert "backend" in found


def test_a_hub_that_is_gone_leaves_another_way_in_and_comes_back(
    world: World, hub: Target, protected: Target
) -> None:
    door = [("icmp", "10.80.0.1", 0), ("icmp", "fd42:80::1", 0)]
    assert world.probe("anna", door) == [True, True]
    with world.without(hub):
        assert world.probe("anna", door) == [False, False]
        # Break-glass: the management network, and nobody else.
        assert probe_from_here(protected, 22) == ["open", "open"]
        assert protected.ssh().returncode == 0
        assert world.outsider.probe(protected, 22) == ["silent", "silent"]
    # Nobody does anything, on either side.
    assert wait_for(lambda: world.probe("anna", door) == [True, True], 60)
    assert hub.wait_until_reachable(30)
    assert hub.output("systemctl is-active groundwork-wireguard.service") == "active"
    # The firewall came back with it: nothing is open that was not.
    assert world.probe("anna", [("tcp", "10.80.0.1", 22)]) == [False]
