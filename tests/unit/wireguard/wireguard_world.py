"""A small VPN to hold tests against: two pools, two hubs, a site, and whatever a test changes about it."""

from __future__ import annotations

import base64
import copy
import hashlib
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import model, register
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Violations
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.validate import validate

# 2027-01-31T12:00:00Z
NOW = 1801396800
DAY = 86400

POLICY: dict[str, Any] = {
    "wireguard_environment": "dev",
    "wireguard_pools": [
        {"name": "people", "networks": ["10.80.0.0/24", "fd42:80::/64"], "reserved": ["10.80.0.0/28"]},
        {"name": "machines", "networks": ["10.80.1.0/24", "fd42:80:1::/64"]},
    ],
    "wireguard_hubs": [
        {"name": "gate", "endpoint": "192.0.2.11", "addresses": ["10.80.0.1", "fd42:80::1"]},
        {"name": "gate2", "endpoint": "2001:db8::12", "addresses": ["10.80.0.2", "fd42:80::2"]},
    ],
    "wireguard_groups": [
        {
            "name": "developers",
            "pool": "people",
            "rules": [
                {"to": ["192.0.2.0/24", "2001:db8:d::/48"], "ports": ["tcp/443", "tcp/8000-8100", "icmp"]},
                {"to": ["group:services", "peer:office"], "ports": ["tcp/22"]},
                {"to": ["hub"], "ports": ["udp/53"]},
                {"to": ["198.51.100.0/24"], "environments": ["stage"]},
            ],
        },
        {"name": "services", "pool": "machines", "rules": [{"to": ["192.0.2.7"]}]},
        {"name": "sites", "pool": "machines", "rules": [{"to": ["group:sites"]}]},
    ],
    "wireguard_inside_rules": [{"from": ["192.0.2.0/24"], "to": ["peer:office"], "ports": ["tcp/22"]}],
}


def key(name: str) -> str:
    """A public key of anybody's."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def peer(name: str, **content: Any) -> dict[str, Any]:
    return {"name": name, "owner": name, "group": "developers", "public_key": key(name), **content}


CI = peer(
    "ci", kind="service", group="services", hub="gate", addresses=["10.80.1.1", "fd42:80:1::1"], owner="ops"
)
OFFICE = peer(
    "office",
    kind="site",
    group="sites",
    hub="gate2",
    addresses=["10.80.1.2", "fd42:80:1::2"],
    networks=["198.51.100.0/24", "2001:db8:51::/48"],
    endpoint="203.0.113.9:51820",
)
PEERS: dict[str, Any] = {
    "wireguard_revision": 7,
    "wireguard_hub_keys": {
        "gate": {"public_key": key("hub gate"), "port": 51820},
        "gate2": {"public_key": key("hub gate2"), "port": 51820},
    },
    "wireguard_peers": [peer("anna", addresses=["10.80.0.17", "fd42:80::11"]), CI, OFFICE],
    "wireguard_released": [
        {
            "name": "old",
            "owner": "old",
            "public_key": key("old"),
            "addresses": ["10.80.0.18", "fd42:80::12"],
            "released_at": "2027-01-30T12:00:00Z",
        }
    ],
}


def policy(**changes: Any) -> model.Policy:
    found = Violations()
    read = model.parse({**copy.deepcopy(POLICY), **changes}, found)
    assert found.lines == []
    return read


def peers(*more: dict[str, Any], **changes: Any) -> register.Register:
    found = Violations()
    content = {**copy.deepcopy(PEERS), **changes}
    read = register.parse({**content, "wireguard_peers": [*content["wireguard_peers"], *more]}, found)
    assert found.lines == []
    return read


def refused(policy_changes: dict[str, Any] | None = None, *more: dict[str, Any], **changes: Any) -> str:
    """All lines that the input is refused with; of the reading alone when it can't be read."""
    found = Violations()
    content = {**copy.deepcopy(PEERS), **changes}
    content["wireguard_peers"] = [*content["wireguard_peers"], *more]
    read = model.parse({**copy.deepcopy(POLICY), **(policy_changes or {})}, found)
    people = register.parse(content, found)
    if not found.lines:
        validate(read, people, NOW, found, {}, None)
    return "\n".join(found.lines)
