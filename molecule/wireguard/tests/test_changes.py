"""People leave, expire and change keys, and the hub changes its own, while anna's connections run on."""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Iterator

import pytest
from attack import Target
from vpn_world import Stream, World, wait_for

# Anna may open everything there.
PLACE = ("198.51.100.16", 4000)
TRACKED = "cat /proc/net/nf_conntrack"
SETTINGS = "/etc/groundwork/wireguard/wg-dev.json"


@pytest.fixture(scope="module")
def anna(world: World) -> Iterator[Stream]:
    """Anna's connection, opened once."""
    with world.stream("anna", *PLACE) as stream:
        yield stream


def tracked(hub: Target, addresses: list[str]) -> list[str]:
    """Connections that the hub tracks from or to these addresses."""
    found = ({part.partition("=")[2] for part in line.split()} for line in hub.output(TRACKED).splitlines())
    wanted = {str(ipaddress.ip_address(address)) for address in addresses}
    return [str(line) for line in found if wanted & {_plain(word) for word in line}]


def _plain(word: str) -> str:
    """The kernel writes addresses of IPv6 in full."""
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return ""


def test_a_revoked_peer_is_cut_within_a_second(world: World, hub: Target, anna: Stream) -> None:
    peer = world.peers()["mallory"]
    with world.stream("mallory", *PLACE) as stream:
        assert tracked(hub, peer["addresses"])
        world.play("vpn_peer.yml", revoke="mallory", reason="The laptop was stolen")
        changed = float(hub.output(f"stat --format=%.9Z {SETTINGS}"))
        time.sleep(2)
        assert changed - 1 < stream.last() <= changed + 1
        assert tracked(hub, peer["addresses"]) == []
    assert peer["public_key"] not in hub.output("wg show all dump")
    (trace,) = [one for one in world.register()["wireguard_released"] if one["name"] == "mallory"]
    assert trace["public_key"] == peer["public_key"]
    assert trace["reason"] == "The laptop was stolen"
    assert trace["released_by"]
    assert trace["released_at"] > datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    again = world.tries(
        "vpn_peer.yml", add="again", owner="mallory", group="developers", public_key=peer["public_key"]
    )
    assert again.returncode != 0
    assert anna.lives()


def test_an_expired_peer_is_cut_without_ansible(world: World, hub: Target, anna: Stream) -> None:
    peer = world.peers()["eve"]
    with world.stream("eve", *PLACE) as stream:
        ends = int(time.time()) + 14
        when = datetime.datetime.fromtimestamp(ends, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        world.play("vpn_peer.yml", expire="eve", expires_at=when)
        time.sleep(max(0.0, ends + 2 - time.time()))
        # On a machine so slow that the hub heard of it too late, what counts is when it heard.
        end = max(ends, float(hub.output(f"stat --format=%.9Z {SETTINGS}")))
        assert end - 1 < stream.last() <= end + 1
        assert tracked(hub, peer["addresses"]) == []
    assert peer["public_key"] not in hub.output("wg show all dump")
    assert anna.lives()


def test_a_persons_new_key(world: World, anna: Stream) -> None:
    public = world.run("bob", "groundwork-vpn", "rotate").stdout.strip()
    world.play("vpn_peer.yml", rotate="bob", public_key=public)
    said = world.install("bob", world.handed("bob"))
    assert "changed without being cut" in said
    assert "The old key is gone" in said
    assert wait_for(lambda: world.probe("bob", [("icmp", "198.51.100.1", 0)]) == [True])
    assert anna.lives()


def test_the_hubs_new_key_cuts_no_connection(world: World, hub: Target, anna: Stream) -> None:
    def keys() -> set[str]:
        return set(hub.output("wg show all public-key | cut -f 2").split())

    old = keys()
    world.play("vpn_hub_key.yml", rotate="begin", hub=hub.name)
    assert len(keys()) == 2
    # In their own time: anna first, and the others go on with the old one meanwhile.
    world.hand_out()
    assert "changed without being cut" in world.install("anna", world.handed("anna"))
    assert anna.lives()
    both = [world.probe(name, [("icmp", "198.51.100.1", 0)]) for name in ("anna", "bob")]
    assert both == [[True], [True]]
    world.install("bob", world.handed("bob"))
    # Whoever would be cut is named, and so is not cut by mistake.
    refused = world.tries("vpn_hub_key.yml", rotate="finish", hub=hub.name)
    assert refused.returncode != 0
    assert "ci" in refused.stdout
    world.install("ci", world.handed("ci"))
    world.play("vpn_hub_key.yml", rotate="finish", hub=hub.name)
    assert len(keys()) == 1
    assert not keys() & old
    assert world.probe("bob", [("icmp", "198.51.100.1", 0)]) == [True]
    assert anna.lives()


def test_annas_connection_lived_through_all_of_it(anna: Stream) -> None:
    assert anna.lives()
    assert anna.heard("end") == []
    # Packets, and with them the longest silence, by both protocols.
    assert anna.gap("udp") <= 2
    assert anna.gap("tcp") <= 2
