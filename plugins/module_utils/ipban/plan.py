# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries of the store a request changes."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ..plan import CREATE, DELETE, UPDATE, Change
from .model import ALLOW, BAN, Request

# Part of a time span by which an end may differ before it is moved: a second run changes nothing.
_TOLERANCE = 0.1


@dataclass(frozen=True)
class Entry:
    """A row of the store's answers; list is ``None`` for the allow list, expires_at for no end."""

    kind: str
    network: str
    list: Optional[str]
    source: str
    reason: str
    actor: str
    created_at: datetime.datetime
    expires_at: Optional[datetime.datetime]

    def key(self) -> str:
        return _key(self.network, self.list, self.source)

    def shown(self) -> Dict[str, Any]:
        """``{"reason", "expires_at", "actor"}``, ready for JSON."""
        return {"reason": self.reason, "expires_at": _text(self.expires_at), "actor": self.actor}

    def public(self) -> Dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "kind": self.kind,
            "network": self.network,
            "list": self.list,
            "source": self.source,
            "created_at": _text(self.created_at),
            **self.shown(),
        }


@dataclass(frozen=True)
class Plan:
    """changes: what differs. networks: those of the one call that makes up for it."""

    changes: List[Change]
    networks: Tuple[str, ...]


def plan(request: Request, entries: Iterable[Entry]) -> Plan:
    """What the request changes in the entries that were read for it."""
    if request.withdraw is not None:
        doomed = [entry for entry in entries if entry.kind == BAN and entry.source == request.withdraw]
        return Plan([_delete(entry) for entry in doomed], ())
    wanted = set(request.networks)
    meant = [
        entry
        for entry in entries
        if entry.kind == request.kind
        and entry.network in wanted
        and request.source in (None, entry.source)
        and request.list in (None, entry.list)
    ]
    if not request.present:
        changes = [_delete(entry) for entry in meant]
    else:
        actual = {entry.network: entry for entry in meant}
        changes = [
            change
            for network in request.networks
            for change in _present(request, network, actual.get(network))
        ]
    touched = {change.key.split(" ", 1)[0] for change in changes}
    return Plan(changes, tuple(network for network in request.networks if network in touched))


def _present(request: Request, network: str, entry: Optional[Entry]) -> List[Change]:
    after = {"reason": request.reason, "expires_at": _text(request.expires_at), "actor": request.actor}
    if entry is None:
        key = _key(network, request.list, request.source or "")
        return [Change(CREATE, key, None, after)]
    if entry.reason == request.reason and _ends_as_wanted(request, entry):
        return []
    return [Change(UPDATE, entry.key(), entry.shown(), after)]


def _ends_as_wanted(request: Request, entry: Entry) -> bool:
    if request.expires_at is None or entry.expires_at is None:
        return request.expires_at is entry.expires_at
    apart = abs((request.expires_at - entry.expires_at).total_seconds())
    return apart <= (0 if request.span is None else request.span * _TOLERANCE)


def _delete(entry: Entry) -> Change:
    return Change(DELETE, entry.key(), entry.shown(), None)


def _key(network: str, list_name: Optional[str], source: str) -> str:
    where = ALLOW if list_name is None else f"list {list_name}"
    return f"{network} ({where}, source {source})"


def _text(moment: Optional[datetime.datetime]) -> Optional[str]:
    if moment is None:
        return None
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
