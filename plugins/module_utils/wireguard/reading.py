# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads input key by key and notes everything that breaks a rule, so that one error can tell it all."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple, Union

from ansible.module_utils.parsing.convert_bool import boolean

from ..inputs import is_cidr, is_hostname, is_ip_address, is_port, shown

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

NAME_RULE = "must be 1 to 31 lower case letters, digits and -, beginning with a letter"
NETWORK_RULE = "must be an address, or a network as address/prefix without host bits"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_ENDPOINT = re.compile(r"(?:\[(?P<address6>[^]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]+)")
_KEY_BYTES = 32


class Violations:
    """The lines of an error: ``variable is value: rule``."""

    def __init__(self) -> None:
        self.lines: List[str] = []

    def add(self, variable: str, value: Any, rule: str) -> None:
        self.lines.append(f"{variable} is {shown(value)}: {rule}")


@dataclass(frozen=True)
class Section:
    """One mapping of the input. What breaks a rule is noted, and the default is given in its place.

    path: what errors call it, such as ``wireguard_hubs[gate]``; a key is ``path.key``.
    """

    path: str
    content: Mapping[str, Any]
    violations: Violations

    def where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, rule: str) -> None:
        self.violations.add(self.where(key), self.content.get(key), rule)

    def only(self, *known: str) -> None:
        """Refuse keys that nobody reads: a key with a typing error would silently count for nothing."""
        for key in self.content:
            if key not in known:
                self.refuse(str(key), f"is not known here; known are {', '.join(known)}")

    def text(self, key: str, holds: Callable[[str], bool], rule: str, default: str = "") -> str:
        """A text that keeps the rule; a key without a default has to be given."""
        value = self.content.get(key)
        if value is None and default:
            return default
        if not isinstance(value, str) or not holds(value):
            self.refuse(key, rule)
            return default
        return str(value)

    def optional(self, key: str, holds: Callable[[str], bool], rule: str) -> Optional[str]:
        """The same for a key that may be missing or empty."""
        return self.text(key, holds, rule) or None if self.content.get(key) not in (None, "") else None

    def integer(self, key: str, low: int, high: int, default: int) -> int:
        value = self.content.get(key, default)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.refuse(key, f"must be a whole number from {low} to {high}")
            return default
        return int(value)

    def boolean(self, key: str, default: bool) -> bool:
        try:
            return bool(boolean(self.content.get(key, default)))
        except TypeError:
            self.refuse(key, "must be true or false")
            return default

    def texts(self, key: str, holds: Callable[[str], bool], rule: str) -> Tuple[str, ...]:
        """A list of texts that each keep the rule; nothing when the key is missing."""
        value = self.content.get(key)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            self.refuse(key, f"must be a list, and each of it {rule}")
            return ()
        found = []
        for item in value:
            if isinstance(item, str) and holds(item):
                found.append(str(item))
            else:
                self.violations.add(self.where(key), item, rule)
        return tuple(found)

    def sections(self, key: str, label: str = "name") -> Iterator[Section]:
        """The mappings of a list, each called by its name, or by its position where it has none."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, (list, tuple)):
            self.refuse(key, "must be a list of mappings")
            return
        for index, item in enumerate(value or ()):
            if not isinstance(item, Mapping):
                self.violations.add(f"{self.where(key)}[{index}]", item, "must be a mapping")
                continue
            called = item.get(label)
            yield Section(
                f"{self.where(key)}[{called if isinstance(called, str) and called else index}]",
                item,
                self.violations,
            )


def is_name(text: str) -> bool:
    """Peers', groups' and pools' names: they become names of files, interfaces and sets."""
    return _NAME.fullmatch(text) is not None


def is_line(text: str) -> bool:
    """One line of text that no template can hide in: the peers' file is one that Ansible reads too."""
    return bool(text.strip()) and len(text) <= 500 and text.isprintable() and not re.search(r"\{[{%#]", text)


def is_network(text: str) -> bool:
    return is_cidr(text) or is_ip_address(text)


def is_host(text: str) -> bool:
    return is_hostname(text) or is_ip_address(text)


def is_endpoint(text: str) -> bool:
    """``host:port`` or ``[IPv6 address]:port``."""
    match = _ENDPOINT.fullmatch(text)
    if not match or not is_port(match["port"]):
        return False
    return is_ip_address(match["address6"]) if match["address6"] else is_host(match["host"])


def endpoint_host(text: str) -> str:
    """The host of what :func:`is_endpoint` takes."""
    return text.rpartition(":")[0].strip("[]")


def endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def key_problem(text: str) -> Optional[str]:
    """What is wrong with a WireGuard public key, which has to be as wg writes it; ``None`` for nothing."""
    rule = "must be a WireGuard public key, 44 characters of base64 for 32 bytes"
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return f"{rule}; this is no base64"
    if len(key) != _KEY_BYTES:
        return f"{rule}; this one has {len(key)} bytes"
    if base64.b64encode(key).decode() != text:
        return f"{rule}; the end of this one is not as wg writes it"
    return f"{rule}; this one is empty" if not any(key) else None


def network(text: str) -> Network:
    return ipaddress.ip_network(text)


def address(text: str) -> Address:
    return ipaddress.ip_address(text)
