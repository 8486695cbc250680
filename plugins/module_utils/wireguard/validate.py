# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about several things at once: policy against itself, peers against the policy and each other."""

from __future__ import annotations

import concurrent.futures
import socket
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..inputs import is_ip_address
from .model import Policy, Pool, Rule
from .reading import Address, Network, Violations, address, endpoint_host, network
from .register import Peer, Register, iso

# What a hub's name is worth: an answer, or the reason why there is none.
Resolver = Callable[[str], Optional[str]]


def validate(
    policy: Policy,
    register: Register,
    now: int,
    violations: Violations,
    environments: Mapping[str, Sequence[Network]],
    resolve: Optional[Resolver],
) -> None:
    """Note everything that does not go together. All of it was read without a violation.

    environments: pools of the environments beside this one. resolve: ``None`` to ask no name server.
    """
    _pools(policy, violations, environments)
    _hubs(policy, register, violations)
    _groups(policy, violations)
    released = {entry.name for entry in register.released}
    peers = {peer.name for peer in register.peers}
    for group in policy.groups:
        for rule in group.rules:
            _rule(rule, policy, peers | released, violations)
    for rule in policy.inside_rules:
        _rule(rule, policy, peers | released, violations)
    _keys(policy, register, violations)
    _peers(policy, register, violations, environments)
    _addresses_once(policy, register, now, violations)
    _sites(policy, register, violations)
    if resolve:
        _endpoints(policy, register, violations, resolve)


def lookup(host: str) -> Optional[str]:
    """The reason why a name has no address; ``None`` when it has one."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or error)
    return None


def _pools(policy: Policy, violations: Violations, environments: Mapping[str, Sequence[Network]]) -> None:
    seen: List[Tuple[Network, str]] = [
        (one, f"of the environment {name}") for name, networks in environments.items() for one in networks
    ]
    for pool in policy.pools:
        for one in pool.networks:
            for other, whose in seen:
                if _overlap(one, other):
                    violations.add(
                        f"wireguard_pools[{pool.name}].networks",
                        str(one),
                        f"must not overlap {other} {whose}; an address has to lead to one peer",
                    )
        seen += [(one, f"of the pool {pool.name}") for one in pool.networks]


def _hubs(policy: Policy, register: Register, violations: Violations) -> None:
    families = {one.version for pool in policy.pools for one in pool.networks}
    taken: Dict[Address, str] = {}
    for hub in policy.primaries:
        path = f"wireguard_hubs[{hub.name}].addresses"
        for one in hub.addresses:
            problem = _misplaced(one, [each for pool in policy.pools for each in pool.networks])
            if problem:
                violations.add(path, str(one), f"must be an address in one of the pools; it {problem}")
            if one in taken:
                violations.add(path, str(one), f"must not be the address of {taken[one]} too")
            taken[one] = hub.name
        for family in sorted(families - {one.version for one in hub.addresses}):
            violations.add(
                path, [str(one) for one in hub.addresses], f"must have one of IPv{family}, as the pools do"
            )
    hubs = {hub.name: hub for hub in policy.hubs}
    for name, key in register.hub_keys:
        if name not in hubs:
            violations.add(
                "wireguard_hub_keys",
                name,
                "is not one of wireguard_hubs; remove its key, or name the hub again",
            )
            continue
        ports = (hubs[name].port, hubs[name].rotation_port)
        for part, port in (("port", key.port), ("next_port", key.next_port)):
            if port is not None and port not in ports:
                violations.add(
                    f"wireguard_hub_keys[{name}].{part}",
                    port,
                    f"must be the hub's port {ports[0]} or its rotation_port {ports[1]},"
                    " whichever serves that key; change it here too",
                )


def _groups(policy: Policy, violations: Violations) -> None:
    pools = {pool.name for pool in policy.pools}
    for group in policy.groups:
        if group.pool not in pools:
            violations.add(
                f"wireguard_groups[{group.name}].pool",
                group.pool,
                f"must be a pool: {', '.join(sorted(pools))}",
            )


def _rule(rule: Rule, policy: Policy, peers: Iterable[str], violations: Violations) -> None:
    groups = [group.name for group in policy.groups]
    where = f"{rule.path}.to"
    for name in rule.to.groups:
        if name not in groups:
            violations.add(where, f"group:{name}", f"must be a group: {', '.join(groups)}")
    for name in rule.to.peers:
        if name not in peers:
            violations.add(where, f"peer:{name}", "must be a peer of the peers' file, or one that was in it")
    for text in rule.to.networks:
        one = network(text)
        for pool in policy.pools:
            if any(one.version == other.version and one.subnet_of(other) for other in pool.networks):  # type: ignore[arg-type]
                violations.add(
                    where, text, f"is in the pool {pool.name}; peers are named as group:NAME or peer:NAME"
                )


def _keys(policy: Policy, register: Register, violations: Violations) -> None:
    owners: Dict[str, str] = {}
    for name, key in register.hub_keys:
        for text in sorted({key.public_key, key.next_public_key or key.public_key}):
            whose = policy.key_of.get(name, name)
            if owners.setdefault(text, f"the hub {whose}") != f"the hub {whose}":
                violations.add(
                    f"wireguard_hub_keys[{name}]",
                    text,
                    f"must not be the key of {owners[text]} without shared_key_with",
                )
    for entry in register.released:
        owners[entry.public_key] = (
            f"{entry.name}, which gave it up on {iso(entry.released_at)[:10]}; a key is never accepted again"
        )
    names = set()
    for peer in register.peers:
        path = f"wireguard_peers[{peer.name}]"
        if peer.name in names:
            violations.add(f"{path}.name", peer.name, "must not be used twice")
        names.add(peer.name)
        if peer.public_key in owners:
            violations.add(
                f"{path}.public_key", peer.public_key, f"must not be the key of {owners[peer.public_key]}"
            )
        owners.setdefault(peer.public_key, peer.name)


def _peers(
    policy: Policy,
    register: Register,
    violations: Violations,
    environments: Mapping[str, Sequence[Network]],
) -> None:
    others = [(one, f"of the environment {name}") for name, found in environments.items() for one in found]
    others += [(one, f"{pool.name}") for pool in policy.pools for one in pool.networks]
    several = len(policy.primaries) > 1
    for peer in register.peers:
        path = f"wireguard_peers[{peer.name}]"
        pool = policy.pool_of.get(peer.group)
        if pool is None:
            known = ", ".join(group.name for group in policy.groups)
            violations.add(f"{path}.group", peer.group, f"must be a group: {known}")
        elif peer.addresses:
            _placed(peer, path, pool, others, violations)
        if peer.hub is not None and peer.hub not in policy.key_of:
            violations.add(f"{path}.hub", peer.hub, f"must be a hub: {', '.join(policy.key_of)}")
        if peer.hub is None and peer.kind != "person" and several:
            violations.add(
                f"{path}.hub",
                None,
                f"must be given for a {peer.kind}; the other hubs reach it through that one",
            )
        if (peer.kind == "site") != bool(peer.networks):
            violations.add(
                f"{path}.networks",
                list(peer.networks),
                "must name the networks behind a site, and nothing for a person or service",
            )


def _placed(
    peer: Peer, path: str, pool: Pool, others: Sequence[Tuple[Network, str]], violations: Violations
) -> None:
    """A peer has one address in each network of its group's pool, and none elsewhere."""
    given = [address(text) for text in peer.addresses]
    if {one.version for one in given} != {one.version for one in pool.networks} or len(given) != len(
        pool.networks
    ):
        families = " and ".join(f"IPv{one.version}" for one in pool.networks)
        violations.add(
            f"{path}.addresses",
            list(peer.addresses),
            f"must be one address of {families} in the pool {pool.name}, or none for new ones",
        )
    for one in given:
        problem = _misplaced(one, pool.networks)
        if problem:
            owner = next((whose for other, whose in others if _inside(one, other)), None)
            if owner and problem == _NOT_IN:
                problem = f"is in the pool {owner}; a peer is in one pool of one environment"
            violations.add(
                f"{path}.addresses", str(one), f"must be in the pool {pool.name} of its group; it {problem}"
            )


def _addresses_once(policy: Policy, register: Register, now: int, violations: Violations) -> None:
    taken = {str(one): f"the hub {hub.name}" for hub in policy.primaries for one in hub.addresses}
    resting = {
        text: (entry.name, entry.released_at + policy.quarantine)
        for entry in register.released
        for text in entry.addresses
        if entry.released_at + policy.quarantine > now
    }
    for peer in register.peers:
        path = f"wireguard_peers[{peer.name}].addresses"
        for text in peer.addresses:
            if text in taken:
                violations.add(path, text, f"must not be the address of {taken[text]} too")
            taken.setdefault(text, peer.name)
            if text in resting:
                name, until = resting[text]
                violations.add(path, text, f"was {name}'s and rests in quarantine until {iso(until)}")


def _sites(policy: Policy, register: Register, violations: Violations) -> None:
    """Networks behind sites: none twice, none in a pool. They are sorted, so that neighbours overlap."""
    known: List[Tuple[Network, str, str]] = [
        (one, "", f"of the pool {pool.name}") for pool in policy.pools for one in pool.networks
    ]
    known += [
        (network(text), f"wireguard_peers[{peer.name}].networks", f"of {peer.name}")
        for peer in register.peers
        for text in peer.networks
    ]
    known.sort(key=lambda entry: (entry[0].version, int(entry[0].network_address), entry[0].prefixlen))
    widest: Optional[Tuple[Network, str, str]] = None
    for entry in known:
        if widest is not None and _overlap(entry[0], widest[0]):
            shown, other = (entry, widest) if entry[1] else (widest, entry)
            if shown[1]:
                violations.add(
                    shown[1], str(shown[0]), f"must not overlap {other[0]} {other[2]}; a route leads one way"
                )
        else:
            widest = entry
    for one, path, _whose in known:
        if path and one.prefixlen == 0:
            violations.add(path, str(one), "must not be the whole Internet")


def _endpoints(policy: Policy, register: Register, violations: Violations, resolve: Resolver) -> None:
    named: List[Tuple[str, str, Any]] = [
        (f"wireguard_hubs[{hub.name}].endpoint", hub.endpoint, hub.endpoint) for hub in policy.primaries
    ]
    named += [
        (f"wireguard_peers[{peer.name}].endpoint", endpoint_host(peer.endpoint), peer.endpoint)
        for peer in register.peers
        if peer.endpoint
    ]
    asked = sorted({host for _path, host, _value in named if not is_ip_address(host)})
    if not asked:
        return
    # A name server that is away makes each wait for seconds.
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        answers = dict(zip(asked, pool.map(resolve, asked)))
    for path, host, value in named:
        if answers.get(host):
            violations.add(path, value, f"must resolve to an address; the answer is: {answers[host]}")


_NOT_IN = "is in none of their networks"


def _misplaced(one: Address, networks: Iterable[Network]) -> Optional[str]:
    """Why an address can't be somebody's; ``None`` when it can."""
    for other in networks:
        if _inside(one, other):
            if one == other.network_address:
                return f"is the address of the network {other} itself"
            if one == other.broadcast_address:
                return f"is the last one of {other}, its broadcast address"
            return None
    return _NOT_IN


def _inside(one: Address, other: Network) -> bool:
    return one.version == other.version and one in other


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def pools_of(document: Any) -> Iterator[Network]:
    """The networks of another environment's ``wireguard_pools``, as far as they can be read as they stand."""
    pools = document.get("wireguard_pools") if isinstance(document, Mapping) else None
    for pool in pools if isinstance(pools, list) else ():
        networks = pool.get("networks") if isinstance(pool, Mapping) else None
        for text in networks if isinstance(networks, list) else ():
            try:
                yield network(text)
            except (ValueError, TypeError):
                continue
