# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to one peer: add, propose, rotate, revoke, expire. Each gives the register after it.

The same request a second time changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Tuple

from ..inputs import is_duration, shown
from . import register as registers
from .model import seconds
from .reading import NAME_RULE, Section, Violations, is_line, is_name, key_problem
from .register import Peer, Register, Released

NEVER = "never"
# Together they say what a peer is; the rest follows from them, or is the trace.
_ASKED = ("owner", "kind", "group", "public_key", "networks", "hub", "tunnel", "endpoint")


@dataclass(frozen=True)
class Request:
    """options: the module's that are given, by the names of the file. by: who asks. now: seconds."""

    state: str
    name: str
    options: Mapping[str, Any]
    by: str
    now: int


def edit(register: Register, request: Request, violations: Violations) -> Register:
    """The register after the request; the same one when there is nothing to do, or when it breaks a rule."""
    if not is_name(request.name):
        violations.add("name", request.name, NAME_RULE)
        return register
    verbs = {"add": _add, "propose": _propose, "rotate": _rotate, "revoke": _revoke, "expire": _expire}
    after = verbs[request.state](register, request, violations)
    return register if violations.lines else after


def _add(register: Register, request: Request, violations: Violations) -> Register:
    until, given = _end(request, violations)
    content = {key: value for key, value in request.options.items() if key in Peer.__dataclass_fields__}
    content.pop("expires_at", None)
    lines = len(violations.lines)
    read = registers.read_peer(
        Section(f"wireguard_peers[{request.name}]", {**content, "name": request.name}, violations)
    )
    if len(violations.lines) > lines:
        return register
    wanted = replace(read, expires_at=until, added_at=request.now, added_by=request.by)
    there = register.peer(request.name)
    if there is None:
        if until is not None and until <= request.now:
            violations.add("expires_at", registers.iso(until), "must be in the future")
        peers = sorted((*register.peers, wanted), key=lambda peer: peer.name)
        return replace(register, peers=tuple(peers))
    for key in _ASKED:
        if getattr(there, key) != getattr(wanted, key):
            violations.add(
                key,
                getattr(wanted, key),
                f"{request.name} is there already, with {shown(getattr(there, key))}; rotate it for a new"
                " key, revoke it for another owner, and change anything else in the file",
            )
    if wanted.addresses and wanted.addresses != there.addresses:
        violations.add(
            "addresses", list(wanted.addresses), f"{request.name} has {', '.join(there.addresses)}"
        )
    if not given or _same_end(there, until, request):
        return register
    return _with(register, replace(there, expires_at=until))


def _propose(register: Register, request: Request, violations: Violations) -> Register:
    """As ``add``, with a key that stands for the one to come."""
    if register.peer(request.name):
        rule = "is in the peers' file already, with a key; revoke it first, or rotate it to another key"
        violations.add("name", request.name, rule)
        return register
    return _add(register, request, violations)


def _same_end(there: Peer, until: Optional[int], request: Request) -> bool:
    """A span counts from now on, so the same request a minute later would mean another end."""
    span = seconds(str(request.options.get("expires_in") or ""))
    if until is None or there.expires_at is None:
        return until == there.expires_at
    return abs(until - there.expires_at) <= span // 10


def _rotate(register: Register, request: Request, violations: Violations) -> Register:
    there = _known(register, request, violations)
    key = request.options.get("public_key")
    problem = key_problem(key if isinstance(key, str) else "")
    if problem:
        violations.add("public_key", key, problem)
    if there is None or problem or there.public_key == key:
        return register
    old = _release(there, request, addresses=(), reason=request.options.get("reason") or "rotated")
    return _traced(_with(register, replace(there, public_key=str(key))), old)


def _revoke(register: Register, request: Request, violations: Violations) -> Register:
    reason = request.options.get("reason")
    if not isinstance(reason, str) or not is_line(reason):
        violations.add("reason", reason, "must say in one line why; whoever asks later has nothing else")
    there = register.peer(request.name)
    if there is None and any(entry.name == request.name for entry in register.released):
        return register
    there = _known(register, request, violations)
    if there is None:
        return register
    left = replace(register, peers=tuple(peer for peer in register.peers if peer.name != request.name))
    return _traced(left, _release(there, request, addresses=there.addresses, reason=reason))


def _expire(register: Register, request: Request, violations: Violations) -> Register:
    there = _known(register, request, violations)
    until, given = _end(request, violations)
    if not request.options.get("expires_in") and not request.options.get("expires_at"):
        violations.add("expires_at", None, "or expires_in must say when it ends, or never")
    return _with(register, replace(there, expires_at=until)) if there and given else register


def _end(request: Request, violations: Violations) -> Tuple[Optional[int], bool]:
    """When it is to end, ``None`` for never, and whether that was said at all."""
    span, moment = request.options.get("expires_in"), request.options.get("expires_at")
    if span and moment:
        violations.add("expires_in", span, "must not be given beside expires_at")
    if span == NEVER or moment == NEVER:
        return None, True
    if span:
        if is_duration(span) and request.now + seconds(str(span)) < registers.LAST:
            return request.now + seconds(str(span)), True
        violations.add(
            "expires_in", span, "must be a time span such as 90d, which ends before 2200, or never"
        )
    if moment:
        found = registers.timestamp(str(moment))
        if found is not None:
            return found, True
        violations.add("expires_at", moment, f"{registers.TIME_RULE}, or never")
    return None, False


def _known(register: Register, request: Request, violations: Violations) -> Optional[Peer]:
    there = register.peer(request.name)
    if there is None:
        gone = next((one for one in reversed(register.released) if one.name == request.name), None)
        rule = (
            f"was revoked on {registers.iso(gone.released_at)}: {gone.reason}"
            if gone
            else "is not in the peers' file"
        )
        violations.add("name", request.name, rule)
    return there


def _release(peer: Peer, request: Request, addresses: Tuple[str, ...], reason: Any) -> Released:
    return Released(peer.name, peer.owner, peer.public_key, addresses, request.now, request.by, str(reason))


def _with(register: Register, peer: Peer) -> Register:
    return replace(register, peers=tuple(peer if one.name == peer.name else one for one in register.peers))


def _traced(register: Register, entry: Released) -> Register:
    return replace(register, released=(*register.released, entry))
