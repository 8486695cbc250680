# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one hub has to know, as the program on it reads it: ``/etc/groundwork/wireguard/<interface>.json``.

Nothing in it is secret. Networks always have a prefix, addresses of peers never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple


@dataclass(frozen=True)
class Ports:
    """protocol: ``tcp``, ``udp`` or ``icmp`` (of both families); first, last: ``None`` with ``icmp``."""

    protocol: str
    first: Optional[int]
    last: Optional[int]


@dataclass(frozen=True)
class Rule:
    """What peers of a group may open. It applies to what any of the destinations names.

    name: ``<group> <number>``. to: networks, which never mean peers, however wide they are.
    to_groups, to_peers: peers' addresses and the networks behind them. to_hub: the hub itself.
    ports: empty for everything.
    """

    name: str
    to: Tuple[str, ...]
    to_groups: Tuple[str, ...]
    to_peers: Tuple[str, ...]
    to_hub: bool
    ports: Tuple[Ports, ...]


@dataclass(frozen=True)
class InsideRule:
    """What may be opened from behind the hub. sources: networks; to: networks behind peers."""

    name: str
    sources: Tuple[str, ...]
    to: Tuple[str, ...]
    to_groups: Tuple[str, ...]
    to_peers: Tuple[str, ...]
    ports: Tuple[Ports, ...]


@dataclass(frozen=True)
class Group:
    """A group and its rules, in their order; a rule that has nothing left to lead to is left out."""

    name: str
    rules: Tuple[Rule, ...]


@dataclass(frozen=True)
class Peer:
    """A peer that lives on this hub.

    kind: ``person``, ``service`` or ``site``. addresses: at most one of each family.
    networks: behind a site. expires_at: seconds since 1970, ``None`` for never.
    keepalive: seconds, 0 for none. endpoint: ``host:port`` where the hub begins, else ``None``.
    """

    name: str
    owner: str
    kind: str
    group: str
    public_key: str
    addresses: Tuple[str, ...]
    networks: Tuple[str, ...]
    expires_at: Optional[int]
    keepalive: int
    endpoint: Optional[str]


@dataclass(frozen=True)
class OtherHub:
    """A hub of the mesh with a key of its own; hubs that share one are one entry.

    endpoint: ``host:port`` of public_key; next_endpoint: of next_public_key, both during a rotation only.
    addresses: its own. networks: what lives there only, peers' addresses and the networks behind them.
    """

    name: str
    public_key: str
    next_public_key: Optional[str]
    endpoint: str
    next_endpoint: Optional[str]
    addresses: Tuple[str, ...]
    networks: Tuple[str, ...]


@dataclass(frozen=True)
class Elsewhere:
    """A peer that lives on another hub, for rules that name it or its group."""

    name: str
    group: str
    addresses: Tuple[str, ...]
    networks: Tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """All of it. addresses: with the prefix of their pool. pools: all networks of all pools."""

    interface: str
    environment: str
    hub: str
    revision: int
    accept_older: bool
    addresses: Tuple[str, ...]
    pools: Tuple[str, ...]
    port: int
    rotation_port: int
    mtu: int
    nat: bool
    preshared_keys: bool
    peers: Tuple[Peer, ...]
    hubs: Tuple[OtherHub, ...]
    elsewhere: Tuple[Elsewhere, ...]
    groups: Tuple[Group, ...]
    inside_rules: Tuple[InsideRule, ...]

    def document(self) -> Dict[str, Any]:
        """As JSON has it: lists for tuples, and ``from`` for ``sources``."""
        found: Dict[str, Any] = _plain(self)
        return found


def _plain(value: Any) -> Any:
    # dataclasses.asdict copies deeply, which costs ten times as much with a thousand peers.
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {"from" if key == "sources" else key: _plain(item) for key, item in vars(value).items()}
    return value
