# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives peers their addresses: the same place in both networks of a pool, never one that still rests.

Addresses that nobody had yet go first; only then those whose quarantine is over are given out again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterable, Iterator, List, Optional, Set, Tuple

from .model import Policy, Pool
from .reading import Violations, address
from .register import Register, iso


def allocate(
    policy: Policy, register: Register, now: int, by: str, violations: Violations
) -> Tuple[Register, Tuple[str, ...]]:
    """The register with an address for everybody, and the names of those who got one.

    The policy and the register have to be valid. A pool without room is noted.
    """
    supplies: Dict[str, _Supply] = {}
    peers, new = [], []
    for peer in register.peers:
        if peer.addresses:
            peers.append(peer)
            continue
        pool = policy.pool_of[peer.group]
        if pool.name not in supplies:
            supplies[pool.name] = _Supply(policy, pool, register, now)
        given = supplies[pool.name].take()
        if given is None:
            violations.add(
                f"wireguard_pools[{pool.name}]",
                [str(one) for one in pool.networks],
                f"has no free address for {peer.name}: {supplies[pool.name].account()}",
            )
            continue
        peers.append(
            replace(peer, addresses=given, added_at=peer.added_at or now, added_by=peer.added_by or by)
        )
        new.append(peer.name)
    return replace(register, peers=tuple(peers)), tuple(new)


class _Supply:
    """The free places of one pool. A place is an offset that is free in each of the pool's networks."""

    def __init__(self, policy: Policy, pool: Pool, register: Register, now: int) -> None:
        self.pool = pool
        # The first is the network's own; the last is IPv4's broadcast, and left out of IPv6 alike.
        self.size = min(one.num_addresses for one in pool.networks) - 1
        self.reserved = sorted(self._reserved())
        held = [one for peer in register.peers for one in peer.addresses]
        self.held = self._places(held) | self._places(
            str(one) for hub in policy.hubs for one in hub.addresses
        )
        resting = [one for one in register.released if one.released_at + policy.quarantine > now]
        self.resting = self._places(one for entry in resting for one in entry.addresses) - self.held
        self.until = min((one.released_at + policy.quarantine for one in resting), default=None)
        before = self._places(one for entry in register.released for one in entry.addresses)
        self.free = self._chain(before)

    def take(self) -> Optional[Tuple[str, ...]]:
        place = next(self.free, None)
        if place is None:
            return None
        self.held.add(place)
        return tuple(str(one.network_address + place) for one in self.pool.networks)

    def account(self) -> str:
        """Where all of it has gone, and what can be done."""
        reserved = sum(max(min(last, self.size - 1) - max(first, 1) + 1, 0) for first, last in self.reserved)
        rest = f"{len(self.resting)} of left peers rest in quarantine"
        if self.resting and self.until is not None:
            rest += f", the first of all until {iso(self.until)}"
        return (
            f"of {self.size - 1} in each network {len(self.held)} are taken, {reserved} reserved, and {rest};"
            " give the group another pool, or make its networks wider"
        )

    def _chain(self, before: Set[int]) -> Iterator[int]:
        yield from self._search(self.resting | before)
        yield from self._search(self.resting)

    def _search(self, avoided: Set[int]) -> Iterator[int]:
        """Free places from the lowest on; reserved ranges are jumped over, as IPv6 has endless ones."""
        place, ranges = 1, iter(self.reserved)
        current = next(ranges, None)
        while place < self.size:
            while current is not None and current[1] < place:
                current = next(ranges, None)
            if current is not None and current[0] <= place:
                place = current[1] + 1
                continue
            if place not in self.held and place not in avoided:
                yield place
            place += 1

    def _reserved(self) -> Iterator[Tuple[int, int]]:
        for one in self.pool.reserved:
            for network in self.pool.networks:
                if network.version == one.version and network.overlaps(one):
                    base = int(network.network_address)
                    yield int(one.network_address) - base, int(one.broadcast_address) - base

    def _places(self, addresses: Iterable[str]) -> Set[int]:
        """The places of those addresses that are in the pool."""
        bounds: List[Tuple[int, int, int]] = [
            (one.version, int(one.network_address), int(one.broadcast_address)) for one in self.pool.networks
        ]
        found = set()
        for text in addresses:
            one = address(text)
            number = int(one)
            for version, first, last in bounds:
                if version == one.version and first <= number <= last:
                    found.add(number - first)
        return found
