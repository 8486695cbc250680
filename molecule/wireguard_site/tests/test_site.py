"""Between a site and the rest: in both directions what rules allow, and nothing else."""

from __future__ import annotations

import time

import pytest
from attack import Target
from vpn_world import World

SITE = ("192.0.2.10", "192.0.2.20", "2001:db8:2::10")


@pytest.fixture(scope="module", autouse=True)
def ways(world: World, hub: Target) -> None:
    """Behind the hub, the way to the site leads to the hub."""
    world.outsider.output(f"ip route replace 192.0.2.0/24 via {hub.address}")
    world.outsider.output(f"ip -6 route replace 2001:db8:2::/64 via {hub.address6}")
    world.outsider.output("ip -n places route replace 192.0.2.0/24 via 10.99.1.1 src 198.51.100.1")
    world.outsider.output("ip -n places route replace 2001:db8:2::/64 via fd42:99:1::1 src 2001:db8:51::1")


def test_people_reach_the_site_as_rules_say(world: World) -> None:
    answered, wrong = world.differences("anna", world.places(office=SITE))
    assert wrong == []
    assert answered > 5


def test_the_site_reaches_out_as_rules_say(world: World, gateway: Target) -> None:
    for network, via, source in (
        ("default", "10.99.1.1", "192.0.2.10"),
        ("::/0", "fd42:99:1::1", "2001:db8:2::10"),
    ):
        gateway.output(f"ip -n places route replace {network} via {via} src {source}")
    answered, wrong = world.differences(
        "office", world.places(), lambda asked: world.probe_in(gateway, "places", asked)
    )
    assert wrong == []
    assert answered > 2


def test_from_behind_the_hub_only_what_inside_rules_open(world: World) -> None:
    asked = [("tcp", address, port) for address in SITE for port in (9100, 8080)]
    assert world.probe_in(world.outsider, "places", asked) == [True, False] * 3


def test_a_site_speaks_for_its_own_networks_alone(world: World, gateway: Target) -> None:
    """What is behind the gateway takes an address that is not the site's."""
    stranger = "203.0.113.77"
    gateway.output(
        f"ip -n places address add {stranger}/32 dev lo; ip route replace {stranger} via 10.99.1.2"
    )
    gateway.output(f"ip -n places route replace 198.51.100.1 via 10.99.1.1 src {stranger}")
    try:
        assert world.probe_in(gateway, "places", [("tcp", "198.51.100.1", 443)]) == [False]
    finally:
        gateway.output("ip -n places route delete 198.51.100.1")
    assert world.probe_in(gateway, "places", [("tcp", "198.51.100.1", 443)]) == [True]


def test_a_revoked_site_is_cut_with_its_networks(world: World, hub: Target, gateway: Target) -> None:
    world.play("vpn_peer.yml", revoke="office", reason="The lease ended")
    time.sleep(1)
    assert world.probe_in(gateway, "places", [("tcp", "198.51.100.1", 443)]) == [False]
    assert world.probe("anna", [("tcp", address, 8080) for address in SITE]) == [False] * 3
    assert "192.0.2.0/24" not in hub.output("ip route show table all; wg show all allowed-ips")
