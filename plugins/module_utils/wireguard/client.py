# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a peer gets handed: a configuration for each hub, and one page that says what to do with it.

Nothing here is secret: the keys are placeholders, which the peer's own machine and the hub fill in.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from .compile import home, hub_key
from .model import Destinations, Hub, Policy
from .reading import Network, endpoint, network
from .register import Peer, Register, iso

PRIVATE_KEY = "# PrivateKey = PRIVATE_KEY"
PRESHARED_KEY = "PRESHARED_KEY"
_INTERFACE_LENGTH = 15
_EVERYTHING: Tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True)
class Configuration:
    """hub: whose key it has. file: its name. text: the configuration with placeholders."""

    hub: str
    file: str
    text: str


def configurations(policy: Policy, register: Register, peer: Peer) -> Tuple[Configuration, ...]:
    """One for each hub that the peer lives on and that has a key; hubs that share a key are one."""
    found = []
    for hub in policy.primaries:
        if home(policy, peer) in (None, hub.name) and hub_key(policy, register, hub.name):
            text = render(policy, register, peer, hub)
            found.append(Configuration(hub.name, f"{_tunnel(policy, hub)}.conf", text))
    return tuple(found)


def filled(policy: Policy, one: Configuration, preshared: Mapping[str, Any], name: str) -> Optional[str]:
    """The text with the peer's preshared key, or ``None`` where it needs one that is not known.

    preshared: keys by hub and peer; hubs that share a key give the same.
    """
    if not policy.preshared_keys:
        return one.text
    sharing = [hub for hub, key_of in policy.key_of.items() if key_of == one.hub]
    keys = [key for key in ((preshared.get(hub) or {}).get(name) for hub in sharing) if key]
    return one.text.replace(PRESHARED_KEY, str(keys[0])) if keys else None


def _tunnel(policy: Policy, hub: Hub) -> str:
    """The tunnel's name on the client, where it becomes an interface's."""
    name = f"{policy.environment}-{hub.name.partition('.')[0]}"
    named = [f"{policy.environment}-{other.name.partition('.')[0]}" for other in policy.primaries]
    if len(name) <= _INTERFACE_LENGTH and named.count(name) == 1:
        return name
    return f"{policy.environment[: _INTERFACE_LENGTH - 3]}-{policy.primaries.index(hub) + 1}"


def render(policy: Policy, register: Register, peer: Peer, hub: Hub) -> str:
    """The configuration of one peer for one hub; while the hub's key changes, for the key that comes."""
    key = hub_key(policy, register, hub.name)
    if key is None:
        raise ValueError(f"the hub {hub.name} has no key yet")
    public_key, port = key.public_key, key.port
    if key.next_public_key and key.next_port:
        public_key, port = key.next_public_key, key.next_port
    dns = [*policy.dns_servers, *policy.dns_search]
    lines = [
        f"# {peer.name} ({peer.owner}): the VPN into {policy.environment} through {hub.name}",
        "[Interface]",
        PRIVATE_KEY,
        *([f"# PublicKey = {peer.public_key}"] if peer.public_key else []),
        f"Address = {', '.join(f'{one}/{network(one).max_prefixlen}' for one in peer.addresses)}",
        *([f"DNS = {', '.join(dns)}"] if policy.dns_servers else []),
        f"MTU = {policy.mtu}",
        "",
        "[Peer]",
        f"PublicKey = {public_key}",
        *([f"PresharedKey = {PRESHARED_KEY}"] if policy.preshared_keys else []),
        f"Endpoint = {endpoint(hub.endpoint, port)}",
        f"AllowedIPs = {', '.join(str(one) for one in routes(policy, register, peer))}",
        *([f"PersistentKeepalive = {policy.keepalive}"] if policy.keepalive else []),
    ]
    return "\n".join(lines) + "\n"


def routes(policy: Policy, register: Register, peer: Peer) -> List[Network]:
    """What goes through the tunnel. The hub decides what is allowed; this only has to be wide enough.

    For split tunnels: the pools, where the group's rules lead, who may come from behind the hub or from
    another site, and what the policy adds. A site's own networks are never among them.
    """
    if (peer.tunnel or policy.tunnel) == "full":
        found = list(_EVERYTHING)
    else:
        found = [one for pool in policy.pools for one in pool.networks]
        found += [network(text) for text in (*policy.routes, *policy.dns_servers)]
        found += _destinations(policy, register, peer)
        found += [
            network(text) for rule in policy.inside_rules if _means(rule.to, peer) for text in rule.sources
        ]
        found += _visitors(policy, register, peer)
    for text in peer.networks:
        found = [part for one in found for part in _without(one, network(text))]
    return _collapsed(found)


def _destinations(policy: Policy, register: Register, peer: Peer) -> List[Network]:
    """Where the rules of the peer's group lead, beyond the pools."""
    found = []
    for group in policy.groups:
        for rule in group.rules if group.name == peer.group else ():
            found += [network(text) for text in rule.to.networks]
            found += [
                network(text)
                for other in register.peers
                if other.networks and _means(rule.to, other)
                for text in other.networks
            ]
    return found


def _visitors(policy: Policy, register: Register, peer: Peer) -> List[Network]:
    """The networks of sites whose rules lead to this peer: its answers have to find the way back."""
    groups: Set[str] = {
        group.name for group in policy.groups for rule in group.rules if _means(rule.to, peer)
    }
    return [
        network(text)
        for other in register.peers
        if other.networks and other.group in groups
        for text in other.networks
    ]


def _means(to: Destinations, peer: Peer) -> bool:
    """Whether a rule leads to the peer, or to a network behind it."""
    if peer.group in to.groups or peer.name in to.peers:
        return True
    return any(_touch(network(text), network(own)) for text in to.networks for own in peer.networks)


def _touch(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _without(one: Network, taken: Network) -> List[Network]:
    if not _touch(one, taken):
        return [one]
    if one.prefixlen >= taken.prefixlen:
        return []
    return list(one.address_exclude(taken))  # type: ignore[arg-type]


def _collapsed(networks: Iterable[Network]) -> List[Network]:
    """The same in as few networks as can be, IPv4 first."""
    families: Dict[int, List[Network]] = {4: [], 6: []}
    for one in networks:
        families[one.version].append(one)
    return [one for family in families.values() for one in ipaddress.collapse_addresses(family)]  # type: ignore[type-var]


def instructions(
    policy: Policy, peer: Peer, found: Sequence[Configuration], bundle: Optional[str] = None
) -> str:
    """The page that goes with the configurations, in Markdown. bundle: the file that holds them encrypted."""
    lasting = f"until {iso(peer.expires_at)}" if peer.expires_at is not None else "until it is taken back"
    lines = [
        f"# {peer.name}: the VPN into {policy.environment}",
        "",
        f"For {peer.owner}, with the access of the group {peer.group}, {lasting}.",
        f"Your address there is {' and '.join(peer.addresses)}.",
        "",
        *(_opening(peer.name, bundle) if bundle else []),
        *_installing([one.file for one in found], bundled=bool(bundle)),
        "## Does it work?",
        "",
        "`./groundwork-vpn status`, or the app, shows when the hub last answered. Three minutes ago is well.",
        f"The hub itself is {policy.primaries[0].addresses[0]} in the tunnel.",
        "",
        "## Device lost, or not needed any more?",
        "",
        "Say so at once. Access ends within a second of being taken back.",
    ]
    return "\n".join(lines) + "\n"


def _opening(name: str, bundle: str) -> List[str]:
    return [
        "## Open it",
        "",
        f"`{bundle}` holds your key, encrypted to you. The hub has forgotten it: there is no other copy.",
        "",
        f"    age --decrypt --identity YOUR_KEY_FILE {bundle} | tar -x",
        f"    cd {name}",
        "",
    ]


def _installing(files: Sequence[str], bundled: bool) -> List[str]:
    first = files[0] if files else ""
    several = len(files) > 1
    script = "../groundwork-vpn" if bundled else "./groundwork-vpn"
    app = (
        f"In the WireGuard app, import `{first}`, or scan the QR code in `{first[: -len('.conf')]}.png`."
        " Delete the folder afterwards."
        if bundled
        else "In the WireGuard app, edit the tunnel whose public key you handed in:"
        f" keep its line `PrivateKey`, and put the rest of `{first}` in place of everything else."
    )
    return [
        "## Linux and macOS",
        "",
        f"    {script} install {' '.join(files)}",
        f"    {script} up",
        "",
        *(["Each file leads through another hub; `up` takes the first that answers.", ""] if several else []),
        "## Windows, Android and iOS",
        "",
        app,
        *(
            ["The other files are for when that hub does not answer. Have one of them on at a time."]
            if several
            else []
        ),
        "",
    ]
