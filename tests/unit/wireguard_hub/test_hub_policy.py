"""What is allowed: by the settings, as the program decides it, and as the firewall's text says it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hub_world import document, hub, key, rule
from wireguard.model import Settings
from wireguard.policy import Networks, Policy
from wireguard.table import Carried, render

LOCAL = {"10.80.0.1", "fd42:80::1", "192.0.2.1", "127.0.0.1"}
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58


def policy(found: Settings | None = None, now: float = 0) -> Policy:
    settings = found or hub()
    return Policy(settings, settings.living(now), LOCAL)


@pytest.mark.parametrize(
    ("source", "destination", "protocol", "port", "allowed"),
    [
        ("10.80.0.17", "192.0.2.5", TCP, 443, True),
        ("10.80.0.17", "192.0.2.5", TCP, 444, False),
        ("10.80.0.17", "192.0.2.5", UDP, 443, False),
        ("10.80.0.17", "192.0.2.5", ICMP, None, True),
        ("fd42:80::11", "2001:db8:d::5", ICMP6, None, True),
        ("fd42:80::11", "2001:db8:e::5", TCP, 443, False),
        # The hub is no part of a network that holds its address.
        ("10.80.0.17", "192.0.2.1", TCP, 443, False),
        ("10.80.0.17", "192.0.2.1", UDP, 53, True),
        ("10.80.0.17", "10.80.0.1", UDP, 53, True),
        # Peers, by group and by name, here and elsewhere.
        ("10.80.0.17", "10.80.0.40", TCP, 22, True),
        ("10.80.0.17", "10.80.0.18", TCP, 22, False),
        ("10.80.0.17", "203.0.113.7", TCP, 22, True),
        ("10.80.0.17", "198.51.100.7", TCP, 22, False),
        # Everything is no peer.
        ("10.80.0.40", "1.1.1.1", TCP, 80, True),
        ("10.80.0.40", "10.80.0.17", TCP, 80, False),
        ("10.80.0.40", "203.0.113.7", TCP, 80, False),
        ("10.80.0.40", "10.80.0.1", TCP, 80, False),
        # A site's network has the site's group.
        ("198.51.100.7", "203.0.113.7", TCP, 80, True),
        ("198.51.100.7", "192.0.2.5", TCP, 443, False),
        # What another hub sends was decided there.
        ("10.80.0.2", "10.80.0.40", TCP, 9999, True),
        ("203.0.113.7", "198.51.100.7", TCP, 9999, True),
        ("203.0.113.7", "192.0.2.5", TCP, 443, False),
        # From inside.
        ("192.0.2.5", "10.80.0.40", TCP, 8050, True),
        ("192.0.2.5", "10.80.0.40", TCP, 8101, False),
        ("192.0.2.5", "198.51.100.7", TCP, 8000, True),
        ("192.0.2.5", "198.51.100.200", TCP, 8000, False),
        ("192.0.3.5", "10.80.0.40", TCP, 8050, False),
        # The hub itself, to whoever is there.
        ("10.80.0.1", "10.80.0.17", TCP, 1, True),
        ("10.80.0.1", "10.80.0.99", TCP, 1, False),
        # Nobody.
        ("10.80.0.99", "192.0.2.5", TCP, 443, False),
    ],
)
def test_connections(source: str, destination: str, protocol: int, port: int | None, allowed: bool) -> None:
    assert policy().allows(source, destination, protocol, port) is allowed


def test_who_has_expired_is_nobody() -> None:
    assert policy(now=1999).allows("10.80.0.18", "192.0.2.5", TCP, 443)
    assert not policy(now=2000).allows("10.80.0.18", "192.0.2.5", TCP, 443)


def test_networks_that_touch_and_overlap() -> None:
    found = Networks(["10.0.0.0/24", "10.0.1.0/24", "10.0.0.128/25", "fd00::/64"])
    assert "10.0.1.255" in found
    assert "10.0.2.0" not in found
    assert "9.255.255.255" not in found
    assert "fd00::1" in found
    assert "::" not in found


def text(found: Settings, serving: tuple[str, ...] = ("a",), carried: Carried | None = None) -> str:
    return render(found, found.living(0), serving[0], serving, carried or Carried())


def test_groups_are_denied_what_no_rule_names() -> None:
    found = text(hub())
    chain = re.search(r"chain group.developers \{(.*?)\}\nchain", found, re.DOTALL)
    assert chain is not None
    lines = chain[1].strip().splitlines()
    assert lines[0] == "fib daddr type local goto hub.developers"
    assert lines[-1] == "counter name denied.developers drop"
    assert 'oifname != { "wg-dev", "wg-dev-b" } ip daddr { 192.0.2.0/24 } tcp dport { 443 }' in chain[1]
    assert 'oifname { "wg-dev", "wg-dev-b" } ip daddr @group.services_ipv4 tcp dport { 22 }' in chain[1]


def test_only_what_was_marked_here_is_trusted_as_established() -> None:
    lines = [line for line in text(hub()).splitlines() if "established" in line]
    assert len(lines) == 2
    assert all("ct mark & 0x20000000 == 0x20000000" in line for line in lines)


def test_translation_is_for_what_leaves_the_vpn() -> None:
    plain = 'meta mark & 0x20000000 == 0x20000000 oifname != { "wg-dev", "wg-dev-b" } masquerade'
    assert plain in text(hub())
    assert plain not in text(hub(nat=False))
    # Sites keep their addresses on their way to other hubs, people do not.
    assert "ip daddr @mesh_ipv4 ip saddr != @resident_ipv4 masquerade" in text(hub(nat=False))


def test_steering_is_for_rotations() -> None:
    assert "moved" not in text(hub())
    both = text(hub(), ("a", "b"), Carried(moved={4: ["10.80.0.17"], 6: []}))
    assert 'iifname "wg-dev-b" add @moved_ipv4 { ip saddr }' in both
    assert "elements = { 10.80.0.17 };" in both
    turned = text(hub(), ("b", "a"))
    assert 'iifname "wg-dev" add @moved_ipv4 { ip saddr }' in turned


def test_counters_are_carried_over() -> None:
    found = text(hub(), carried=Carried(counters={"allowed.developers.1": (7, 420), "gone": (1, 1)}))
    assert "counter allowed.developers.1 { packets 7 bytes 420 }" in found
    assert "gone" not in found


def test_no_two_counters_have_one_name() -> None:
    groups = [
        {"name": name, "rules": [rule(f"{name} 1", to_hub=True)]}
        for name in ("inside", "unknown", "a", "a-1")
    ]
    found = text(hub(groups=[*document()["groups"], *groups]))
    names = re.findall(r"^counter (\S+) \{", found, re.MULTILINE)
    assert len(names) == len(set(names)) == 8 + 8 + 3


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not here")
@pytest.mark.parametrize("serving", [("a",), ("a", "b"), ("b", "a")])
def test_nft_takes_it(serving: tuple[str, ...]) -> None:
    again = [{"name": "empty", "rules": [rule("empty 1", to_groups=["empty"])]}]
    for found in (
        hub(),
        hub(groups=[*document()["groups"], *again]),
        hub(peers=[], elsewhere=[], hubs=[], groups=[], inside_rules=[]),
    ):
        checked = subprocess.run(
            ["nft", "-c", "-f", "-"], input=text(found, serving), capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "") or "Operation not permitted" in checked.stderr


def test_a_key_is_no_name() -> None:
    """Names in the text come from the settings' own rules only, never from keys or owners."""
    found = text(hub())
    assert key("anna") not in found
    assert "owner" not in found
