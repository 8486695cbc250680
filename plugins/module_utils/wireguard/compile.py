# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From policy and register to what each hub is told. It is always the whole: no host of a play matters."""

from __future__ import annotations

import datetime
from typing import Dict, Iterable, List, Optional, Set, Tuple

from . import settings
from .model import Hub, Policy, Rule
from .reading import Network, endpoint, network
from .register import HubKey, Peer, Register


def compile_settings(policy: Policy, register: Register) -> Dict[str, settings.Settings]:
    """The settings of all hubs by name. Policy and register have to be valid together."""
    homes = {peer.name: home(policy, peer) for peer in register.peers}
    peers = {peer.name: _peer(policy, peer) for peer in register.peers}
    elsewhere = {
        peer.name: settings.Elsewhere(peer.name, peer.group, peer.addresses, peer.networks)
        for peer in register.peers
    }
    others = {hub.name: _other(policy, register, hub, homes) for hub in policy.primaries}
    known = set(peers)
    groups = tuple(_group(group.name, group.rules, known) for group in policy.groups)
    inside = tuple(
        settings.InsideRule(
            f"inside {number}",
            rule.sources,
            rule.to.networks,
            rule.to.groups,
            tuple(name for name in rule.to.peers if name in known),
            rule.ports,
        )
        for number, rule in enumerate(policy.inside_rules, start=1)
        if _leads_somewhere(rule, known)
    )
    pools = _sorted(one for pool in policy.pools for one in pool.networks)
    return {
        hub.name: settings.Settings(
            interface=policy.interface,
            environment=policy.environment,
            hub=hub.name,
            revision=register.revision,
            accept_older=policy.accept_older,
            addresses=_own_addresses(policy, hub),
            pools=pools,
            port=hub.port,
            rotation_port=hub.rotation_port,
            mtu=policy.mtu,
            nat=policy.nat,
            preshared_keys=policy.preshared_keys,
            peers=tuple(peers[name] for name, where in homes.items() if where in (None, hub.key_of)),
            hubs=tuple(other for name, other in others.items() if other and name != hub.key_of),
            elsewhere=tuple(
                elsewhere[name] for name, where in homes.items() if where not in (None, hub.key_of)
            ),
            groups=groups,
            inside_rules=inside,
        )
        for hub in policy.hubs
    }


def calendar(register: Register) -> List[str]:
    """When peers expire, as systemd's OnCalendar has it; past ones stay: time alone changes nothing."""
    moments = sorted({peer.expires_at for peer in register.peers if peer.expires_at is not None})
    return [
        datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        for moment in moments
    ]


def hub_key(policy: Policy, register: Register, hub: str) -> Optional[HubKey]:
    """The public key of a hub, from any of those that share it; ``None`` before the first converge."""
    keys = dict(register.hub_keys)
    primary = policy.key_of[hub]
    sharing = [name for name, key_of in policy.key_of.items() if key_of == primary]
    return next((keys[name] for name in [primary, *sharing] if name in keys), None)


def home(policy: Policy, peer: Peer) -> Optional[str]:
    """The hub that a peer lives on, by the one that has the key; ``None`` for all hubs."""
    return policy.key_of[peer.hub] if peer.hub else None


def _peer(policy: Policy, peer: Peer) -> settings.Peer:
    return settings.Peer(
        name=peer.name,
        owner=peer.owner,
        kind=peer.kind,
        group=peer.group,
        public_key=peer.public_key,
        addresses=peer.addresses,
        networks=peer.networks,
        expires_at=peer.expires_at,
        keepalive=policy.keepalive if peer.endpoint else 0,
        endpoint=peer.endpoint,
    )


def _own_addresses(policy: Policy, hub: Hub) -> Tuple[str, ...]:
    networks = [one for pool in policy.pools for one in pool.networks]
    return tuple(
        f"{one}/{other.prefixlen}"
        for one in hub.addresses
        for other in networks
        if one.version == other.version and one in other
    )


def _other(
    policy: Policy, register: Register, hub: Hub, homes: Dict[str, Optional[str]]
) -> Optional[settings.OtherHub]:
    key = hub_key(policy, register, hub.name)
    if key is None:
        return None
    living = [peer for peer in register.peers if homes[peer.name] == hub.name]
    networks = [network(text) for peer in living for text in (*peer.addresses, *peer.networks)]
    following = endpoint(hub.endpoint, key.next_port) if key.next_public_key and key.next_port else None
    return settings.OtherHub(
        name=hub.name,
        public_key=key.public_key,
        next_public_key=key.next_public_key,
        endpoint=endpoint(hub.endpoint, key.port),
        next_endpoint=following,
        addresses=tuple(str(one) for one in hub.addresses),
        networks=_sorted(networks),
    )


def _group(name: str, rules: Tuple[Rule, ...], known: Set[str]) -> settings.Group:
    return settings.Group(
        name,
        tuple(
            settings.Rule(
                f"{name} {number}",
                rule.to.networks,
                rule.to.groups,
                tuple(one for one in rule.to.peers if one in known),
                rule.to.hub,
                rule.ports,
            )
            for number, rule in enumerate(rules, start=1)
            if _leads_somewhere(rule, known)
        ),
    )


def _leads_somewhere(rule: Rule, known: Set[str]) -> bool:
    """A rule whose peers have all left must not read as one without a limit."""
    to = rule.to
    return bool(to.networks or to.groups or to.hub or known.intersection(to.peers))


def _sorted(networks: Iterable[Network]) -> Tuple[str, ...]:
    return tuple(
        str(one)
        for one in sorted(
            set(networks),
            key=lambda one: (one.version, int(one.network_address), one.prefixlen),
        )
    )
