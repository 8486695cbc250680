# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers' file, which the tools write: who has which key and address, and who had them before.

Times are seconds since 1970 here and ISO 8601 in UTC in the file.
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..inputs import is_cidr, is_ip_address
from .model import TUNNELS, is_inventory_name
from .reading import (
    NAME_RULE,
    Section,
    Violations,
    address,
    is_endpoint,
    is_line,
    is_name,
    key_problem,
    network,
)

KINDS = ("person", "service", "site")
KEYS = ("wireguard_revision", "wireguard_hub_keys", "wireguard_peers", "wireguard_released")

_HEADER = """\
---
# Who is in the VPN. Playbooks write it; what you change by hand is kept, but for comments.
# Keep it in git: the revision tells a hub which of two files is the newer one.
"""
_LINE_RULE = "must be one line of at most 500 characters, without {{, {% and {#"
TIME_RULE = "must be a time with its zone, such as 2027-01-31T12:00:00Z, or a date, before the year 2200"
# The timers of the hubs can't tell later ones (systemd.time(7)): 2200-01-01 in seconds since 1970.
LAST = 7258118400
_ADDRESS_RULE = "must be an address without a prefix"
# Words that YAML reads as something else than text.
_NO_TEXT = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null)")


@dataclass(frozen=True)
class HubKey:
    """Public halves. next_public_key, next_port: of the slot that comes, during a rotation."""

    public_key: str
    port: int
    next_public_key: Optional[str] = None
    next_port: Optional[int] = None


@dataclass(frozen=True)
class Peer:
    """An entry. addresses: none until the next converge gives some. hub: where it lives, else on all.

    tunnel: ``split`` or ``full`` where it differs from the policy's. reason: why it was added.
    """

    name: str
    owner: str
    kind: str
    group: str
    public_key: str
    addresses: Tuple[str, ...] = ()
    expires_at: Optional[int] = None
    networks: Tuple[str, ...] = ()
    hub: Optional[str] = None
    tunnel: Optional[str] = None
    endpoint: Optional[str] = None
    added_at: Optional[int] = None
    added_by: Optional[str] = None
    reason: Optional[str] = None


@dataclass(frozen=True)
class Released:
    """A key that is never accepted again, and addresses that rest; none where the peer still has them."""

    name: str
    owner: str
    public_key: str
    addresses: Tuple[str, ...]
    released_at: int
    released_by: Optional[str]
    reason: Optional[str]


@dataclass(frozen=True)
class Register:
    """The whole file, peers by name, releases by time."""

    revision: int = 0
    hub_keys: Tuple[Tuple[str, HubKey], ...] = ()
    peers: Tuple[Peer, ...] = ()
    released: Tuple[Released, ...] = ()

    def peer(self, name: str) -> Optional[Peer]:
        return next((peer for peer in self.peers if peer.name == name), None)


def parse(document: Mapping[str, Any], violations: Violations) -> Register:
    """The file's content, read; what is wrong is noted by the variable that it defines."""
    top = Section("", document, violations)
    top.only(*KEYS)
    keys = document.get("wireguard_hub_keys")
    if keys is not None and not isinstance(keys, Mapping):
        top.refuse("wireguard_hub_keys", "must be a mapping from hubs to their public keys")
        keys = {}
    return Register(
        revision=top.integer("wireguard_revision", 0, 10**9, 0),
        hub_keys=tuple(
            (name, hub_key(content, f"wireguard_hub_keys[{name}]", violations))
            for name, content in sorted((keys or {}).items())
        ),
        peers=tuple(
            sorted((read_peer(one) for one in top.sections("wireguard_peers")), key=lambda peer: peer.name)
        ),
        released=tuple(
            sorted(
                (_released(one) for one in top.sections("wireguard_released")),
                key=lambda one: (one.released_at, one.name, one.public_key),
            )
        ),
    )


def hub_key(content: Any, path: str, violations: Violations) -> HubKey:
    """Public keys of a hub, from the file or from what the hub's program tells, which is more."""
    if not isinstance(content, Mapping) or not is_inventory_name(path[path.index("[") + 1 : -1]):
        violations.add(path, content, "must be a hub with its public_key and port")
        return HubKey("", 0)
    section = Section(path, content, violations)
    following = None if content.get("next_public_key") in (None, "") else _key(section, "next_public_key")
    return HubKey(
        public_key=_key(section, "public_key"),
        port=section.integer("port", 1, 65535, 51820),
        next_public_key=following,
        next_port=section.integer("next_port", 1, 65535, 51821) if following else None,
    )


def read_peer(section: Section) -> Peer:
    section.only(*Peer.__dataclass_fields__)
    return Peer(
        name=section.text("name", is_name, NAME_RULE),
        owner=section.text("owner", is_line, f"says who answers for it, and {_LINE_RULE}"),
        kind=section.text("kind", KINDS.__contains__, f"must be one of: {', '.join(KINDS)}", "person"),
        group=section.text("group", is_name, "must be the name of a group"),
        public_key=_key(section, "public_key"),
        addresses=_addresses(section),
        expires_at=_time(section, "expires_at"),
        networks=tuple(
            str(network(text))
            for text in section.texts(
                "networks", is_cidr, "must be a network as address/prefix without host bits"
            )
        ),
        hub=section.optional("hub", is_inventory_name, "must be the name of a hub"),
        tunnel=section.optional("tunnel", TUNNELS.__contains__, f"must be one of: {', '.join(TUNNELS)}"),
        endpoint=section.optional(
            "endpoint",
            is_endpoint,
            "must be host:port, such as office.example.com:51820 or [2001:db8::1]:51820",
        ),
        added_at=_time(section, "added_at"),
        added_by=section.optional("added_by", is_line, _LINE_RULE),
        reason=section.optional("reason", is_line, _LINE_RULE),
    )


def _released(section: Section) -> Released:
    section.only(*Released.__dataclass_fields__)
    released_at = _time(section, "released_at")
    if released_at is None:
        section.refuse("released_at", TIME_RULE)
    return Released(
        name=section.text("name", is_name, NAME_RULE),
        owner=section.text("owner", is_line, _LINE_RULE),
        public_key=_key(section, "public_key"),
        addresses=_addresses(section),
        released_at=released_at or 0,
        released_by=section.optional("released_by", is_line, _LINE_RULE),
        reason=section.optional("reason", is_line, _LINE_RULE),
    )


def _key(section: Section, key: str) -> str:
    value = section.content.get(key)
    problem = key_problem(value if isinstance(value, str) else "")
    if problem:
        section.refuse(key, problem)
        return ""
    return str(value)


def _addresses(section: Section) -> Tuple[str, ...]:
    given = [address(text) for text in section.texts("addresses", is_ip_address, _ADDRESS_RULE)]
    return tuple(str(one) for one in sorted(given, key=lambda one: one.version))


def _time(section: Section, key: str) -> Optional[int]:
    value = section.content.get(key)
    if value in (None, ""):
        return None
    found = timestamp(value) if isinstance(value, str) else None
    if found is None:
        section.refuse(key, TIME_RULE)
    return found


def timestamp(text: str) -> Optional[int]:
    """Seconds since 1970 of a time with its zone, or of the beginning of a date in UTC."""
    try:
        # Python before 3.11 does not know the Z.
        moment = datetime.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    if moment.tzinfo is None or not 0 <= moment.timestamp() < LAST:
        return None
    return int(moment.timestamp())


def iso(moment: int) -> str:
    """``2027-01-31T12:00:00Z``"""
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def public(entry: Any) -> Dict[str, Any]:
    """A peer or a release as the file has it: nothing that is not set, times as text."""
    return {
        key: iso(value) if key.endswith("_at") else list(value) if isinstance(value, tuple) else value
        for key, value in vars(entry).items()
        if value is not None and value != ()
    }


def render(register: Register) -> str:
    """The file's text, the same for the same content. YAML of one shape, so that a diff is what changed."""
    lines = [f"wireguard_revision: {register.revision}"]
    lines += _mapping("wireguard_hub_keys", register.hub_keys)
    lines += _list("wireguard_peers", register.peers)
    lines += _list("wireguard_released", register.released)
    return _HEADER + "\n".join(lines) + "\n"


def _mapping(key: str, entries: Tuple[Tuple[str, HubKey], ...]) -> Iterator[str]:
    yield f"{key}:" if entries else f"{key}: {{}}"
    for name, entry in entries:
        yield f"  {_scalar(name)}:"
        for part, value in public(entry).items():
            yield f"    {part}: {_scalar(value)}"


def _list(key: str, entries: Any) -> List[str]:
    lines = [f"{key}:" if entries else f"{key}: []"]
    for entry in entries:
        lead = "  - "
        for part, value in public(entry).items():
            lines.append(f"{lead}{part}: {_scalar(value)}")
            lead = "    "
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_scalar(item) for item in value)}]"
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", value) and not _NO_TEXT.fullmatch(value):
        return value
    # Text of JSON is text of YAML.
    return json.dumps(value, ensure_ascii=False)
