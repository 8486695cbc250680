"""What peers reach: what their group's rules name, and nothing else. Real tunnels, both families."""

from __future__ import annotations

import pytest

from .conftest import World
from .world import SERVER, UNNAMED, Hub, probe

FAMILIES = (4, 6)


def matrix(world: World, who: str) -> dict[tuple[str, str, int | None], bool]:
    """What the inventory's rules say of a peer: (protocol, address, port) -> whether it answers."""
    server = [SERVER[4], SERVER[6]]
    ports: list[tuple[str, int | None]] = [
        ("tcp", 443),
        ("tcp", 444),
        ("tcp", 8000),
        ("tcp", 8080),
        ("tcp", 9000),
        ("udp", 53),
        ("udp", 54),
        ("icmp", None),
    ]
    every: dict[str, set[tuple[str, int | None]]] = {
        "anna": {("tcp", 443), ("tcp", 8000), ("tcp", 8080), ("udp", 53), ("icmp", None)},
        "rob": {("tcp", 8000)},
        "ci": set(ports),
        "office": set(),
    }
    allowed = every[who]
    # The rule of services names an IPv4 address only.
    families = FAMILIES if who != "ci" else (4,)
    found = {
        (protocol, address, port): (protocol, port) in allowed and (6 if ":" in address else 4) in families
        for address in server
        for protocol, port in ports
    }
    found |= {(protocol, UNNAMED[version], port): False for version in FAMILIES for protocol, port in ports}
    return found


@pytest.mark.parametrize("who", ["anna", "rob", "ci", "office"])
def test_what_rules_name_answers_and_nothing_else(world: World, who: str) -> None:
    expected = matrix(world, who)
    found = dict(zip(expected, world.known[who].probe(*expected)))
    assert found == expected


def test_peers_reach_peers_only_where_a_rule_says_so(world: World) -> None:
    """Developers may open SSH on services, on either hub; nobody else may anything."""
    known = world.known
    for service in ("ci", "far"):
        known[service].listen()
    asked = {
        (protocol, known[service].addresses[version], port): (protocol, port) == ("tcp", 22)
        for service in ("ci", "far")
        for version in FAMILIES
        for protocol, port in (("tcp", 22), ("tcp", 2222), ("icmp", None))
    }
    asked |= {("icmp", known["rob"].addresses[version], None): False for version in FAMILIES}
    assert dict(zip(asked, known["anna"].probe(*asked))) == asked
    others = {key: False for key in asked if key[1] not in known["rob"].addresses.values()}
    assert dict(zip(others, known["rob"].probe(*others))) == others
    # Sites may ping services.
    pings = [
        ("icmp", known[service].addresses[version], None) for service in ("ci", "far") for version in FAMILIES
    ]
    assert known["office"].probe(*pings) == [True] * len(pings)


def test_the_hub_itself_is_opened_by_name_only(world: World) -> None:
    hub = world.hub12
    hub.host.output(
        "systemd-run --quiet --unit=echo --collect python3 /root/echo.py tcp/8080 tcp/8000 udp/53"
    )
    own = {4: "10.202.0.1", 6: "fd42:202::1"}
    try:
        asked = {
            (protocol, address, port): (protocol, port) == ("tcp", 8080)
            for address in (*own.values(), hub.host.address)
            for protocol, port in (("tcp", 8080), ("tcp", 8000), ("tcp", 22), ("udp", 53), ("icmp", None))
        }
        assert dict(zip(asked, world.known["anna"].probe(*asked))) == asked
        assert not any(world.known["rob"].probe(*asked))
    finally:
        hub.host.output("systemctl stop echo")


def test_what_is_inside_opens_to_peers_what_inside_rules_say(world: World) -> None:
    for service in ("ci", "office"):
        world.known[service].listen()

    known = world.known
    asked = {
        ("tcp", known[name].addresses[version], port): (name, version, port) == ("office", 4, 22)
        for name in ("office", "anna")
        for version in FAMILIES
        for port in (22, 2222)
    }
    assert dict(zip(asked, probe(world.server.run, *asked))) == asked


def test_nothing_passes_while_the_table_is_gone(world: World, hub: Hub) -> None:
    """The host's firewall lets through only what the table has marked."""
    anna = world.known["anna"]
    assert anna.reaches("tcp", SERVER[4], 443)
    hub.host.output("nft delete table inet groundwork_wireguard")
    assert (
        anna.probe(("tcp", SERVER[4], 443), ("tcp", SERVER[6], 443), ("icmp", SERVER[4], None)) == [False] * 3
    )
    repaired = hub.apply()
    assert [change["key"] for change in repaired["plan"]] == ["firewall"]
    assert anna.gets_to("tcp", SERVER[4], 443)


def test_the_firewalls_reload_leaves_the_table(world: World, hub: Hub) -> None:
    hub.host.output("systemctl reload nftables")
    assert world.known["anna"].reaches("tcp", SERVER[4], 443)
    assert hub.apply()["plan"] == []


def test_large_packets_fit(world: World) -> None:
    """Segments are made to fit: the server believes in its own MTU of 1500."""
    tracked = world.hub12.host.output("nft list chain inet groundwork_wireguard segment_size")
    assert "maxseg size set 1380" in tracked
    assert "maxseg size set 1360" in tracked
