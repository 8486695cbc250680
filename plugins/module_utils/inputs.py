# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's input may look like, and how an error shows it.

The ``is_*`` functions never raise: a value of the wrong type is simply not one.
The collection's Jinja tests are thin wrappers around them.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from typing import Any, List, Mapping, Optional

from .plan import MASK

SHOWN_LENGTH = 100

_PREFIXED = re.compile(r"(?P<address>[0-9a-fA-F:.]+)/(?P<prefix>0|[1-9][0-9]{0,2})")
# useradd's own rule on Debian with the default NAME_REGEX of adduser, and the length that utmp can hold.
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# The subset that sshd, systemd and nft all read: whole numbers, largest unit first.
_DURATION = re.compile(
    r"(?:(?P<weeks>[0-9]+)w)?(?:(?P<days>[0-9]+)d)?(?:(?P<hours>[0-9]+)h)?(?:(?P<minutes>[0-9]+)m)?(?:(?P<seconds>[0-9]+)s)?"
)
_SECRET_KEY = re.compile(r"pass(word|phrase)|secret|token|private_?key|psk", re.IGNORECASE)

# Number of length-prefixed fields in a key's blob, its type included (RFC 4253 6.6, RFC 5656 3.1,
# RFC 8709 4, PROTOCOL.u2f of OpenSSH). DSA is missing on purpose: OpenSSH no longer reads it.
_KEY_FIELDS = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}


def is_port(value: Any) -> bool:
    """A TCP or UDP port: a whole number from 1 to 65535, also as text."""
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,4}", value):
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def is_cidr(value: Any, version: Optional[int] = None) -> bool:
    """A network as ``address/prefix`` with no host bits set; ``version`` 4 or 6 narrows the family."""
    match = _PREFIXED.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return False
    return version is None or network.version == version


def is_ip_address(value: Any) -> bool:
    """An IPv4 or IPv6 address without prefix and without zone."""
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_user_name(value: Any) -> bool:
    """A name that useradd and groupadd take: lower case, digits, ``_`` and ``-``, at most 32 characters."""
    return isinstance(value, str) and _USER_NAME.fullmatch(value) is not None


def is_hostname(value: Any) -> bool:
    """A host name by RFC 1123, one label or several, without a final dot; no IP address."""
    if not isinstance(value, str) or len(value) > 253:
        return False
    labels = value.split(".")
    # A last label of digits would be read as an IPv4 address by every resolver.
    return all(_HOST_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def is_duration(value: Any) -> bool:
    """A positive time span such as ``45s``, ``10m`` or ``1h30m``: units w, d, h, m, s, largest first."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return match is not None and any(int(number) for number in match.groups() if number)


def is_ssh_public_key(value: Any) -> bool:
    """One line ``type base64 [comment]`` whose key says the same type as the line and is whole.

    Options before the type, certificates and DSA keys are refused.
    """
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        return False
    words = value.split(None, 2)
    if len(words) < 2 or words[0] not in _KEY_FIELDS:
        return False
    try:
        fields = _blob_fields(base64.b64decode(words[1], validate=True))
    except (binascii.Error, ValueError):
        return False
    kind = words[0]
    if len(fields) != _KEY_FIELDS[kind] or fields[0] != kind.encode():
        return False
    return "ed25519" not in kind or len(fields[1]) == 32


def _blob_fields(blob: bytes) -> List[bytes]:
    """The length-prefixed fields of an SSH key (RFC 4251 5, ``string``); ValueError when one is cut."""
    fields = []
    position = 0
    while position < len(blob):
        length = int.from_bytes(blob[position : position + 4], "big")
        start = position + 4
        position = start + length
        if start > len(blob) or position > len(blob):
            raise ValueError("a field is longer than the key")
        fields.append(blob[start:position])
    return fields


def shown(value: Any, secret: bool = False) -> str:
    """The value as an error prints it: JSON, at most SHOWN_LENGTH characters.

    The whole value is masked when it is secret; entries of mappings whose key says that they are, always.
    """
    if secret:
        return MASK
    text = json.dumps(_masked(value), ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): MASK if _SECRET_KEY.search(str(key)) and item else _masked(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return value
