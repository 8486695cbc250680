# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's functions, behind one seam."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from .model import ALLOW, Request, canonical
from .plan import Entry

# Up to so many networks are looked up one by one; for more, all that the source has is read.
_FEW = 20

_COLUMNS = "kind, network::text, list, source, reason, actor, created_at, expires_at"

Statement = Tuple[str, Sequence[Any]]


def reading(request: Request) -> Statement:
    """The one query that brings every entry the request could change."""
    if request.withdraw is not None:
        return f"SELECT {_COLUMNS} FROM ipban.entries(%s, NULL, NULL, NULL)", [request.withdraw]  # noqa: S608
    if len(request.networks) <= _FEW:
        return (
            f"SELECT {_COLUMNS} FROM unnest(%s::text[]) AS wanted (search)"  # noqa: S608
            " CROSS JOIN LATERAL ipban.entries(%s, %s, wanted.search, NULL)",
            [list(request.networks), request.source, request.list],
        )
    return (
        f"SELECT {_COLUMNS} FROM ipban.entries(%s, %s, NULL, NULL)",  # noqa: S608
        [request.source, request.list],
    )


def writing(request: Request, networks: Sequence[str]) -> Statement:
    """The one call that makes the planned changes."""
    named: Dict[str, Any] = {"actor": request.actor}
    if request.withdraw is not None:
        return _call("withdraw", {**named, "source": request.withdraw})
    named.update(networks=list(networks), reason=request.reason, source=request.source)
    if request.present:
        named["expires_at"] = request.expires_at
    if request.kind == ALLOW:
        return _call("allow" if request.present else "disallow", named)
    named["list"] = request.list
    if not request.present:
        return _call("unban", named)
    return _call("ban", {**named, "wide_reason": request.wide_reason})


def looking_up(addresses: Sequence[str]) -> Statement:
    """Everything that covers addresses: the address asked for, then the columns of an entry."""
    return (
        f"SELECT wanted.address, {_COLUMNS}"  # noqa: S608
        " FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (address, position)"
        " CROSS JOIN LATERAL ipban.whois(wanted.address) ORDER BY wanted.position",
        [list(addresses)],
    )


def entries(rows: Sequence[Sequence[Any]]) -> Iterator[Entry]:
    """Rows of the store as entries, their networks as people write them."""
    for kind, network, *rest in rows:
        yield Entry(kind, canonical(ipaddress.ip_network(network)), *rest)


def found(addresses: Sequence[str], rows: Sequence[Sequence[Any]]) -> List[Dict[str, Any]]:
    """``[{"address", "banned", "allowed", "entries"}]`` for each address asked for."""
    by_address: Dict[str, List[Entry]] = {address: [] for address in addresses}
    for address, *row in rows:
        by_address[address].extend(entries([row]))
    return [
        {
            "address": address,
            "banned": any(entry.kind != ALLOW for entry in covering),
            "allowed": any(entry.kind == ALLOW for entry in covering),
            "entries": [entry.public() for entry in covering],
        }
        for address, covering in by_address.items()
    ]


def _call(function: str, named: Dict[str, Any]) -> Statement:
    casts = {"networks": "::text[]", "expires_at": "::timestamptz"}
    arguments = ", ".join(f"{name} => %s{casts.get(name, '::text')}" for name in named)
    return f"SELECT ipban.{function}({arguments})", list(named.values())
