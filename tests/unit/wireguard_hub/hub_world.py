"""Settings of a hub to begin with."""

from __future__ import annotations

import base64
import copy
import hashlib
from typing import Any

from wireguard import settings
from wireguard.model import Settings


def key(word: str) -> str:
    """A key that looks like one."""
    return base64.b64encode(hashlib.sha256(word.encode()).digest()).decode()


def peer(name: str, number: int, group: str = "developers", **values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "owner": f"the owner of {name}",
        "kind": "person",
        "group": group,
        "public_key": key(name),
        "addresses": [f"10.80.0.{number}", f"fd42:80::{number:x}"],
        "networks": [],
        "expires_at": None,
        "keepalive": 0,
        "endpoint": None,
        **values,
    }


def ports(protocol: str, first: int | None = None, last: int | None = None) -> dict[str, Any]:
    return {"protocol": protocol, "first": first, "last": last or first}


def rule(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "to": [], "to_groups": [], "to_peers": [], "to_hub": False, "ports": [], **values}


DOCUMENT: dict[str, Any] = {
    "interface": "wg-dev",
    "environment": "dev",
    "hub": "gate",
    "revision": 12,
    "accept_older": False,
    "addresses": ["10.80.0.1/24", "fd42:80::1/64"],
    "pools": ["10.80.0.0/24", "10.80.1.0/24", "fd42:80::/64"],
    "port": 51820,
    "rotation_port": 51821,
    "mtu": 1420,
    "nat": True,
    "preshared_keys": True,
    "peers": [
        peer("anna", 17),
        peer("bob", 18, expires_at=2000),
        peer("ci", 40, "services", kind="service"),
        peer(
            "office",
            41,
            "sites",
            kind="site",
            networks=["198.51.100.0/24"],
            endpoint="office.example.com:51820",
        ),
    ],
    "hubs": [
        {
            "name": "gate2",
            "public_key": key("gate2"),
            "next_public_key": None,
            "endpoint": "192.0.2.99:51820",
            "next_endpoint": None,
            "addresses": ["10.80.0.2", "fd42:80::2"],
            "networks": ["10.80.1.9/32", "203.0.113.0/24"],
        }
    ],
    "elsewhere": [
        {"name": "depot", "group": "sites", "addresses": ["10.80.1.9"], "networks": ["203.0.113.0/24"]}
    ],
    "groups": [
        {
            "name": "developers",
            "rules": [
                rule(
                    "developers 1",
                    to=["192.0.2.0/24", "2001:db8:d::/48"],
                    ports=[ports("tcp", 443), ports("icmp")],
                ),
                rule("developers 2", to_groups=["services"], to_peers=["depot"], ports=[ports("tcp", 22)]),
                rule("developers 3", to_hub=True, ports=[ports("udp", 53)]),
            ],
        },
        {"name": "services", "rules": [rule("services 1", to=["0.0.0.0/0"])]},
        {"name": "sites", "rules": [rule("sites 1", to_groups=["sites"])]},
    ],
    "inside_rules": [
        {
            "name": "inside 1",
            "from": ["192.0.2.0/24"],
            "to": ["198.51.100.0/25"],
            "to_groups": ["services"],
            "to_peers": [],
            "ports": [ports("tcp", 8000, 8100)],
        }
    ],
}


def document(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), **changes}


def hub(**changes: Any) -> Settings:
    return settings.check(document(**changes))
