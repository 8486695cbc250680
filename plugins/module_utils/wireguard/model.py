# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of a VPN, which people write: the variables of the role, read and each held against its rule.

Rules about several variables together are in ``validate``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..inputs import is_cidr, is_duration, is_hostname, is_ip_address
from .reading import (
    NAME_RULE,
    NETWORK_RULE,
    Address,
    Network,
    Section,
    Violations,
    address,
    is_host,
    is_name,
    is_network,
    network,
)
from .settings import Ports

PREFIX = "wireguard_"
VARIABLES = tuple(
    PREFIX + name
    for name in (
        *("environment", "interface", "pools", "quarantine", "hubs", "groups", "inside_rules"),
        *("dns_servers", "dns_search", "tunnel", "routes", "mtu", "keepalive", "nat", "preshared_keys"),
        "accept_older_peers",
    )
)

TUNNELS = ("split", "full")

_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,14}")
# The second slot of a hub's key adds two characters, and the kernel takes fifteen.
_INTERFACE = re.compile(r"[a-z][a-z0-9_-]{0,12}")
_SPAN = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LONGEST = 36500 * 86400
_UNITS = (604800, 86400, 3600, 60, 1)
_PORTS = re.compile(r"(?P<protocol>tcp|udp)/(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")
_DESTINATION = re.compile(r"(?P<kind>group|peer):(?P<name>.*)")
_ENVIRONMENT_RULE = "must be 1 to 15 lower case letters, digits and -, beginning with a letter"
_PORTS_RULE = "must be tcp/443, udp/53, tcp/8000-8100 or icmp"


@dataclass(frozen=True)
class Pool:
    """networks: at most one of each family. reserved: never given out by itself."""

    name: str
    networks: Tuple[Network, ...]
    reserved: Tuple[Network, ...]


@dataclass(frozen=True)
class Hub:
    """A hub; key_of: the hub that it has its key of, mostly itself. addresses: at most one of each family."""

    name: str
    endpoint: str
    port: int
    rotation_port: int
    addresses: Tuple[Address, ...]
    key_of: str


@dataclass(frozen=True)
class Destinations:
    """Where a rule leads. networks: with a prefix. hub: the hub itself."""

    networks: Tuple[str, ...] = ()
    groups: Tuple[str, ...] = ()
    peers: Tuple[str, ...] = ()
    hub: bool = False


@dataclass(frozen=True)
class Rule:
    """path: what errors call it. sources: of inside rules only. ports: none for everything."""

    path: str
    to: Destinations
    ports: Tuple[Ports, ...]
    sources: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """rules: those that apply in this environment."""

    name: str
    pool: str
    rules: Tuple[Rule, ...]


@dataclass(frozen=True)
class Policy:
    """All of it. quarantine, keepalive: seconds."""

    environment: str
    interface: str
    pools: Tuple[Pool, ...]
    quarantine: int
    hubs: Tuple[Hub, ...]
    groups: Tuple[Group, ...]
    inside_rules: Tuple[Rule, ...]
    dns_servers: Tuple[str, ...]
    dns_search: Tuple[str, ...]
    tunnel: str
    routes: Tuple[str, ...]
    mtu: int
    keepalive: int
    nat: bool
    preshared_keys: bool
    accept_older: bool

    # A frozen dataclass has a __dict__, so the first use can be kept.
    @functools.cached_property
    def pool_of(self) -> Dict[str, Pool]:
        """The pool of each group, by the group's name."""
        pools = {pool.name: pool for pool in self.pools}
        return {group.name: pools[group.pool] for group in self.groups if group.pool in pools}

    @functools.cached_property
    def key_of(self) -> Dict[str, str]:
        """For each hub the one that it has its key of."""
        return {hub.name: hub.key_of for hub in self.hubs}

    @property
    def primaries(self) -> Tuple[Hub, ...]:
        """One hub for each key."""
        return tuple(hub for hub in self.hubs if hub.key_of == hub.name)


def parse(variables: Mapping[str, Any], violations: Violations) -> Policy:
    """The role's variables as a :class:`Policy`; what is not given has the role's default."""
    top = Section("", {key: value for key, value in variables.items() if value is not None}, violations)
    environment = top.text(
        "wireguard_environment", lambda text: bool(_ENVIRONMENT.fullmatch(text)), _ENVIRONMENT_RULE
    )
    span = top.text(
        "wireguard_quarantine",
        lambda text: is_duration(text) and seconds(text) <= _LONGEST,
        "must be a time span such as 30d, at most 36500d; addresses rest that long before others get them",
        "30d",
    )
    return Policy(
        environment=environment,
        interface=_interface(top, f"wg-{environment}"),
        pools=tuple(_pool(section) for section in _named(top, "wireguard_pools")),
        quarantine=seconds(span),
        hubs=_hubs(top),
        groups=tuple(_group(section, environment) for section in _named(top, "wireguard_groups")),
        inside_rules=tuple(_inside_rule(section) for section in top.sections("wireguard_inside_rules", "")),
        dns_servers=top.texts("wireguard_dns_servers", is_ip_address, "must be an address"),
        dns_search=top.texts("wireguard_dns_search", is_hostname, "must be a domain"),
        tunnel=top.text(
            "wireguard_tunnel", TUNNELS.__contains__, f"must be one of: {', '.join(TUNNELS)}", "split"
        ),
        routes=_networks(top, "wireguard_routes"),
        mtu=top.integer("wireguard_mtu", 1280, 9000, 1420),
        keepalive=top.integer("wireguard_keepalive", 0, 65535, 25),
        nat=top.boolean("wireguard_nat", True),
        preshared_keys=top.boolean("wireguard_preshared_keys", True),
        accept_older=top.boolean("wireguard_accept_older_peers", False),
    )


def _interface(top: Section, default: str) -> str:
    """The default is held against the rule too: a long name of an environment needs another interface."""
    name = top.content.get("wireguard_interface", default)
    if not isinstance(name, str) or not _INTERFACE.fullmatch(name):
        rule = "must be 1 to 13 lower case letters, digits, _ and -; the second slot's name adds two"
        top.violations.add("wireguard_interface", name, rule)
        return default
    return str(name)


def seconds(span: str) -> int:
    """A time span such as ``1d12h`` in seconds; 0 for what is none."""
    match = _SPAN.fullmatch(span)
    return sum(int(n or 0) * unit for n, unit in zip(match.groups(), _UNITS)) if match else 0


def _named(top: Section, key: str) -> List[Section]:
    """The mappings of a list that has to have at least one, each with a name of its own."""
    sections = list(top.sections(key))
    if not sections:
        top.refuse(key, "must have at least one entry")
    seen = set()
    for section in sections:
        name = section.content.get("name")
        if isinstance(name, str) and name in seen:
            section.refuse("name", "must not be used twice")
        seen.add(str(name))
    return sections


def _networks(section: Section, key: str) -> Tuple[str, ...]:
    return tuple(str(network(text)) for text in section.texts(key, is_network, NETWORK_RULE))


def _pool(section: Section) -> Pool:
    section.only("name", "networks", "reserved")
    name = section.text("name", is_name, NAME_RULE)
    given = section.texts("networks", is_cidr, "must be a network as address/prefix without host bits")
    networks = tuple(network(text) for text in given)
    if not networks or len({one.version for one in networks}) < len(networks):
        section.refuse("networks", "must be one network of IPv4, one of IPv6, or one of each")
    for one in networks:
        if one.num_addresses < 4:
            section.refuse("networks", f"{one} has no address to give out; /30 (IPv4) and /126 (IPv6) have")
    reserved = tuple(network(text) for text in _networks(section, "reserved"))
    for one in reserved:
        if not any(one.version == other.version and one.overlaps(other) for other in networks):
            section.refuse("reserved", f"{one} is not in the pool's networks")
    return Pool(name, networks, reserved)


def _hubs(top: Section) -> Tuple[Hub, ...]:
    """All hubs; one that shares a key has endpoint, ports and addresses of the one that it shares with."""
    sections = _named(top, "wireguard_hubs")
    primaries = {_name_of(section): section for section in sections if not _shares(section)}
    own = {name: _hub(section) for name, section in primaries.items()}
    found = []
    for section in sections:
        shared = _shares(section)
        if not shared:
            found.append(own[_name_of(section)])
        elif shared not in own:
            section.refuse("shared_key_with", "must be another hub, one with a key of its own")
        else:
            content = {**primaries[shared].content, **section.content}
            hub = replace(_hub(replace(section, content=content)), key_of=shared)
            for key in ("endpoint", "port", "rotation_port", "addresses"):
                if getattr(hub, key) != getattr(own[shared], key):
                    section.refuse(
                        key, f"must be as that of {shared}, or left out; they are one to their peers"
                    )
            found.append(hub)
    return tuple(found)


_HUB_RULE = "must be the name of a host in the inventory"


def is_inventory_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}", text) is not None


def _name_of(section: Section) -> str:
    """The name as :func:`_hub` has read it."""
    name = section.content.get("name")
    return name if isinstance(name, str) and is_inventory_name(name) else ""


def _shares(section: Section) -> Optional[str]:
    found = section.content.get("shared_key_with")
    return str(found) if found else None


def _hub(section: Section) -> Hub:
    section.only("name", "endpoint", "port", "rotation_port", "addresses", "shared_key_with")
    name = section.text("name", is_inventory_name, _HUB_RULE)
    addresses = tuple(
        address(text)
        for text in section.texts("addresses", is_ip_address, "must be an address without a prefix")
    )
    if not addresses or len({one.version for one in addresses}) < len(addresses):
        section.refuse("addresses", "must be one address of IPv4, one of IPv6, or one of each")
    hub = Hub(
        name=name,
        endpoint=section.text(
            "endpoint", is_host, "must be the host name or address that clients connect to"
        ),
        port=section.integer("port", 1, 65535, 51820),
        rotation_port=section.integer("rotation_port", 1, 65535, 51821),
        addresses=addresses,
        key_of=name,
    )
    if hub.port == hub.rotation_port:
        section.refuse("port", "must not be the rotation_port; both are open while keys change")
    return hub


def _group(section: Section, environment: str) -> Group:
    section.only("name", "pool", "rules")
    name = section.text("name", is_name, NAME_RULE)
    rules = []
    for one in section.sections("rules", ""):
        one.only("to", "ports", "environments")
        environments = one.texts(
            "environments", lambda text: bool(_ENVIRONMENT.fullmatch(text)), _ENVIRONMENT_RULE
        )
        rule = Rule(one.path, _destinations(one, hub=True), _ports(one))
        if not environments or environment in environments:
            rules.append(rule)
    if not rules:
        section.refuse(
            "rules", f"must have at least one rule for {environment}; nothing is allowed otherwise"
        )
    return Group(name, section.text("pool", is_name, "must be the name of a pool"), tuple(rules))


def _inside_rule(section: Section) -> Rule:
    section.only("from", "to", "ports")
    sources = _networks(section, "from")
    if not sources:
        section.refuse("from", "must name at least one network behind the hub")
    return Rule(section.path, _destinations(section, hub=False), _ports(section), sources)


def _destinations(section: Section, hub: bool) -> Destinations:
    """``to`` of a rule; names of groups and peers are looked up later, when all are known."""
    named: Dict[str, List[str]] = {"group": [], "peer": []}
    networks = []
    kinds = "a network, an address, group:NAME or peer:NAME" + (", or hub" if hub else "")
    given = section.texts("to", lambda text: _is_destination(text, hub), f"must be {kinds}")
    for text in given:
        match = _DESTINATION.fullmatch(text)
        if match:
            named[match["kind"]].append(match["name"])
        elif text != "hub":
            networks.append(str(network(text)))
    if not given:
        section.refuse("to", f"must name at least one destination: {kinds}")
    return Destinations(tuple(networks), tuple(named["group"]), tuple(named["peer"]), "hub" in given)


def _is_destination(text: str, hub: bool) -> bool:
    match = _DESTINATION.fullmatch(text)
    return is_name(match["name"]) if match else (hub and text == "hub") or is_network(text)


def _ports(section: Section) -> Tuple[Ports, ...]:
    given = section.content.get("ports")
    found = []
    for text in section.texts("ports", lambda text: _port_range(text) is not None, _PORTS_RULE):
        ports = _port_range(text)
        if ports:
            found.append(ports)
    if given is not None and not given:
        section.refuse("ports", "must name at least one; without the key everything is allowed")
    return tuple(found)


def _port_range(text: str) -> Optional[Ports]:
    if text == "icmp":
        return Ports("icmp", None, None)
    match = _PORTS.fullmatch(text)
    if not match:
        return None
    first, last = int(match["first"]), int(match["last"] or match["first"])
    return Ports(match["protocol"], first, last) if 1 <= first <= last <= 65535 else None
