"""What differs, and what is done about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hub_world import document, hub, key, peer
from wireguard import drift, firewall, links, settings, system, tool
from wireguard.firewall import Live
from wireguard.keys import Preshared
from wireguard.links import KERNEL, Link, Route
from wireguard.tool import Device, LivePeer
from wireguard.wanted import Wanted, wanted

NOW = 1000.0
PRIVATE = {"a": key("private a"), "b": key("private b")}
SHARED = Preshared("wg-dev", key("secret"))
ADDRESSES = {"office.example.com:51820": "192.0.2.77:51820"}


def make(slots: str = "a", active: str = "a", **changes: Any) -> Wanted:
    return wanted(hub(**changes), active, {slot: PRIVATE[slot] for slot in slots}, SHARED, NOW)


def resolve(endpoint: str) -> str | None:
    return ADDRESSES.get(endpoint, endpoint)


def live(found: Wanted, slot: str = "a", **changes: LivePeer | None) -> Device:
    """A device as it should be; ``changes`` by the peers' names, ``None`` for one that is not there."""
    names = {one.name: key_of for key_of, one in found.peers.items()}
    peers = {
        key_of: LivePeer(
            one.preshared_key,
            one.endpoint and resolve(one.endpoint),
            one.allowed,
            int(NOW),
            0,
            0,
            one.keepalive,
        )
        for key_of, one in found.peers.items()
    }
    for name, value in changes.items():
        if value is None:
            del peers[names[name]]
        else:
            peers[names[name]] = value
    return Device(PRIVATE[slot], found.settings.ports[slot], 0, peers)


def right(found: Wanted, **changes: Any) -> drift.Actual:
    """The kernel as it should be, with ``changes``."""
    addresses = frozenset(found.settings.addresses)
    sysctl = {**found.sysctl}
    for interface in found.interfaces:
        sysctl.update(found.interface_sysctl(interface))
    listing = "table inet groundwork_wireguard {}"
    table = Live(listing, f"{firewall._digest(found.plain_table)} {firewall._digest(listing)}")
    values: dict[str, Any] = {
        "links": {one: Link(KERNEL, True, found.settings.mtu, addresses) for one in found.interfaces},
        "devices": {found.settings.interfaces[slot]: live(found, slot) for slot in found.serving},
        "routes": found.routes(set()),
        "rules": found.rules,
        "sysctl": sysctl,
        "table": table,
    }
    return drift.Actual(**{**values, **changes})


def keys_of(work: drift.Work) -> list[tuple[str, str]]:
    return [(change.kind, change.key) for change in work.changes]


@pytest.mark.parametrize(("slots", "active"), [("a", "a"), ("b", "b"), ("ab", "a"), ("ab", "b")])
def test_what_is_right_is_left_alone(slots: str, active: str) -> None:
    found = make(slots, active)
    work = drift.find(found, right(found), resolve, NOW)
    assert work == drift.Work()


def test_a_missing_interface_is_one_change() -> None:
    found = make()
    work = drift.find(found, right(found, links={}, devices={}, routes=frozenset()), resolve, NOW)
    assert keys_of(work) == [("create", "interface wg-dev")]
    assert work.create == ["wg-dev"]
    assert work.configure == ["a"]
    assert len(work.add_peers["wg-dev"]) == 5
    assert "link set dev wg-dev mtu 1420 up" in work.commands
    # Addresses before routes, which name them as their source.
    first_route = next(at for at, command in enumerate(work.commands) if command.startswith("route"))
    assert all(command.startswith("route") for command in work.commands[first_route:])


def test_peers_are_changed_one_by_one() -> None:
    found = make()
    anna = found.peers[key("anna")]
    wrong = LivePeer(key("other"), "1.2.3.4:5", frozenset(["10.80.0.99/32"]), 0, 0, 0, 7)
    device = live(found, anna=wrong, ci=None)
    device.peers[key("stranger")] = wrong
    work = drift.find(found, right(found, devices={"wg-dev": device}), resolve, NOW)
    assert sorted(keys_of(work)) == [
        ("create", "wg-dev peer ci"),
        ("delete", f"wg-dev peer {key('stranger')}"),
        ("update", "wg-dev peer anna"),
    ]
    assert work.remove_peers == {"wg-dev": [key("stranger")]}
    assert work.add_peers["wg-dev"].keys() == {key("anna"), key("ci")}
    # Where she is at present stays as it is.
    assert work.add_peers["wg-dev"][key("anna")].endpoint is None
    shown = str([change.public() for change in work.changes])
    assert str(anna.preshared_key) not in shown
    assert key("other") not in shown


def test_who_has_expired_is_removed_by_name() -> None:
    found = make()
    later = wanted(found.settings, "a", {"a": PRIVATE["a"]}, SHARED, 2000)
    table = right(later).table
    work = drift.find(later, right(found, table=table), resolve, 2000)
    assert ("delete", "wg-dev peer bob") in keys_of(work)
    assert work.remove_peers == {"wg-dev": [key("bob")]}


@pytest.mark.parametrize(
    ("handshake", "now", "expected"),
    [(1000, 1100, None), (1000, 1200, "192.0.2.88:51820"), (0, 1000, "192.0.2.88:51820")],
)
def test_an_endpoint_is_looked_up_again_when_nothing_is_heard(
    handshake: int, now: float, expected: str | None
) -> None:
    found = make()
    office = found.peers[key("office")]
    peer_now = LivePeer(
        office.preshared_key, "192.0.2.77:51820", office.allowed, handshake, 0, 0, office.keepalive
    )
    actual = right(found, devices={"wg-dev": live(found, office=peer_now)})
    work = drift.find(found, actual, lambda _endpoint: "192.0.2.88:51820", now)
    added = work.add_peers.get("wg-dev", {})
    assert (added[key("office")].endpoint if key("office") in added else None) == expected


def test_an_endpoint_that_does_not_resolve_is_no_reason_to_leave_the_peer_out() -> None:
    found = make()
    actual = right(found, devices={"wg-dev": live(found, office=None)})
    work = drift.find(found, actual, lambda _endpoint: None, NOW)
    assert work.add_peers["wg-dev"][key("office")].endpoint is None


def test_addresses_routes_and_settings_of_the_kernel() -> None:
    found = make()
    bad = Link(KERNEL, False, 1300, frozenset(["10.80.0.1/24", "10.9.9.9/32"]))
    routes = (found.routes(set()) - {Route("10.80.1.0/24", "wg-dev", 0, "10.80.0.1")}) | {
        Route("10.7.0.0/24", "wg-dev")
    }
    sysctl = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": None}
    work = drift.find(found, right(found, links={"wg-dev": bad}, routes=routes, sysctl=sysctl), resolve, NOW)
    assert sorted(key for _kind, key in keys_of(work)) == [
        "route 10.7.0.0/24 dev wg-dev",
        "route 10.80.1.0/24 dev wg-dev",
        "sysctl net.ipv4.ip_forward",
        "wg-dev address 10.9.9.9/32",
        "wg-dev address fd42:80::1/64",
        "wg-dev link",
        "wg-dev mtu",
    ]
    assert work.sysctl == {"net/ipv4/ip_forward": "1"}
    assert work.late_commands == ["route del 10.7.0.0/24 dev wg-dev", "address delete 10.9.9.9/32 dev wg-dev"]


def test_a_lost_key_is_put_back() -> None:
    found = make()
    device = replace(live(found), private_key=None)
    work = drift.find(found, right(found, devices={"wg-dev": device}), resolve, NOW)
    assert keys_of(work) == [("create", "wg-dev private key")]
    assert work.configure == ["a"]
    assert PRIVATE["a"] not in str(work.changes)


def test_a_rotation_begins_and_ends() -> None:
    before, both, after = make(), make("ab"), make("b", "b")
    begin = drift.find(both, right(before, table=right(both).table), resolve, NOW)
    assert begin.create == ["wg-dev-b"]
    assert begin.add_rules == [4, 6]
    assert any("table 8218" in command for command in begin.commands)
    finish = drift.find(after, right(both, table=right(after).table), resolve, NOW)
    assert finish.delete == ["wg-dev"]
    assert finish.delete_rules == [4, 6]
    # Replaced where they are, so that there is always one; those of the old slot go with it.
    assert "route replace 10.80.0.0/24 dev wg-dev-b src 10.80.0.1" in finish.commands
    assert {" ".join(command.split()[-4:]) for command in finish.late_commands} == {"dev wg-dev-b table 8218"}


def test_who_has_moved_is_found_by_the_other_slot() -> None:
    both = make("ab")

    def heard(name: str, when: int) -> LivePeer:
        one = both.peers[key(name)]
        return LivePeer(one.preshared_key, "1.2.3.4:5", one.allowed, when, 0, 0, one.keepalive)

    devices = {
        "wg-dev": live(both, "a", anna=heard("anna", 900), office=heard("office", 900), ci=heard("ci", 950)),
        "wg-dev-b": live(
            both, "b", anna=heard("anna", 950), office=heard("office", 950), ci=heard("ci", 900)
        ),
    }
    table = replace(right(both).table, moved=frozenset(["10.80.0.17", "10.80.0.40", "198.51.100.9"]))
    work = drift.find(both, right(both, devices=devices, table=table), resolve, NOW)
    # By address, each learnt from packets or made up for; a site's network by a route.
    assert work.moved == {"fd42:80::11", "10.80.0.41", "fd42:80::29"}
    assert work.stayed == {"10.80.0.40"}
    assert "route replace 198.51.100.0/24 dev wg-dev-b src 10.80.0.1" in work.commands


def test_a_peer_has_its_own_preshared_key() -> None:
    found = make()
    keys = {one.preshared_key for one in found.peers.values() if one.preshared_key}
    assert len(keys) == 4
    assert all(settings.is_key(one) for one in keys)
    assert found.peers[key("gate2")].preshared_key is None
    assert SHARED.of("anna", ["b", "a"]) == SHARED.of("anna", ["a", "b"])
    assert SHARED.of("anna", ["a"]) != SHARED.of("bob", ["a"])
    again = Preshared("wg-dev", key("secret"))
    again.rotate("anna")
    assert again.of("anna", ["a"]) != SHARED.of("anna", ["a"])
    assert again.of("bob", ["a"]) == SHARED.of("bob", ["a"])


def test_the_next_key_of_another_hub_is_known_beforehand() -> None:
    other = {**document()["hubs"][0], "next_public_key": key("next"), "next_endpoint": "192.0.2.99:51821"}
    found = make(hubs=[other])
    assert found.peers[key("next")].allowed == frozenset()
    assert found.peers[key("next")].endpoint == "192.0.2.99:51821"


def test_a_thousand_addresses_are_few_routes() -> None:
    found = make(peers=[peer(f"p-{at}", at + 3) for at in range(200)])
    assert len(found.routes(set())) == 4


def test_a_dump_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = (
        f"{key('private')}\t{key('public')}\t51820\toff\n"
        f"{key('anna')}\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
        f"{key('bob')}\t{key('psk')}\t[2001:db8::1]:5\t10.0.0.1/32,fd00::1/128\t17\t1\t2\t25\n"
    )
    monkeypatch.setattr(system, "run", lambda *_arguments, **_options: dump)
    found = tool.read("wg-dev")
    assert (found.private_key, found.port, found.mark) == (key("private"), 51820, 0)
    assert found.peers[key("anna")] == LivePeer(None, None, frozenset(), 0, 0, 0, 0)
    assert found.peers[key("bob")].allowed == {"10.0.0.1/32", "fd00::1/128"}


def test_links_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        {
            "ifname": "eth0",
            "flags": ["UP"],
            "mtu": 1500,
            "addr_info": [{"local": "192.0.2.1", "prefixlen": 24, "scope": "global"}],
        },
        {
            "ifname": "wg-dev",
            "flags": ["UP"],
            "mtu": 1420,
            "linkinfo": {"info_kind": "tun"},
            "addr_info": [
                {"local": "10.80.0.1", "prefixlen": 24, "scope": "global"},
                {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
            ],
        },
    ]
    monkeypatch.setattr(system, "run_json", lambda *_arguments, **_options: entries)
    found = links.read()
    assert found.found["wg-dev"] == Link("wireguard-go", True, 1420, frozenset(["10.80.0.1/24"]))
    assert found.found["eth0"].backend is None
    assert found.local == {"192.0.2.1", "10.80.0.1", "fe80::1"}
