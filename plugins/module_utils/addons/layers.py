# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in layers: a later one goes over an earlier one, key by key, and ``null`` takes a key away."""

from __future__ import annotations

import copy
import re
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

# The last words of a key that holds a secret itself, not the name of one.
_SECRET_KEY = re.compile(
    r"(^|[a-z0-9_-])"
    r"(passwords?|passwd|passphrase|tokens?|credentials?|((api|private|access|secret|encryption)[_-]?key)"
    r"|((client|shared|app|api|auth)[_-]?secret))$",
    re.IGNORECASE,
)
_REFERENCE_KEY = re.compile(r"(existing|ref$|refs$|name$|file$|path$|automount)", re.IGNORECASE)
# Environment variables and Grafana's files: whoever reads the value looks elsewhere for the secret.
_REFERENCE_VALUE = re.compile(r"^\$(\{[A-Za-z_][A-Za-z0-9_]*\}|\([A-Za-z_][A-Za-z0-9_]*\)|__\w+\{[^}]+\})$")
# A number that is one is only ever a password: others count things.
_PASSWORD_KEY = re.compile(r"(passwords?|passwd|passphrase)$", re.IGNORECASE)
# What is given to programs: --password=..., and a user's password in an address.
_ARGUMENT = re.compile(r"--?([A-Za-z][\w-]*)=(.+)", re.DOTALL)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:(?P<password>[^/\s@]+)@", re.IGNORECASE)
# Secrets wherever they stand: private keys, Slack's webhooks, tokens of Telegram, AWS, GitHub, GitLab, Vault.
_KNOWN_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|hooks\.slack\.com/services/\w+/\w+/\w|\bxox[abpr]-[0-9A-Za-z-]{10}"
    r"|\b[0-9]{8,10}:[\w-]{35}\b|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[opsu]_\w{36}|\bglpat-[\w-]{20}|\bhvs\.[\w-]{24}"
)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Dict[str, Any]:
    """``above`` laid over ``below``: maps are merged, anything else is replaced, lists too.

    ``null`` removes what ``below`` has. Where that has nothing it stays, and Helm removes what the chart has.
    """
    merged = dict(below)
    for key, value in above.items():
        if value is None and key in merged:
            del merged[key]
        elif isinstance(value, Mapping):
            under = merged.get(key)
            merged[key] = merge(under if isinstance(under, Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def merge_all(layers: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """All layers, the first one lowest."""
    merged: Dict[str, Any] = {}
    for layer in layers:
        merged = merge(merged, layer)
    return merged


def split_path(path: str) -> Tuple[str, ...]:
    r"""``grafana.grafana\.ini`` as ``("grafana", "grafana.ini")``."""
    return tuple(part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", path))


def at(values: Any, path: str) -> Any:
    """The value at a path; ``None`` where there is none."""
    for key in split_path(path):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def secrets_in(values: Any, path: str = "") -> List[str]:
    """Paths of values that are secrets, by their key or by what they are. References to secrets are none."""
    return list(_secrets(values, path))


def _secrets(value: Any, path: str) -> Iterator[str]:
    for key, below in _children(value):
        here = f"{path}.{key}" if path and not key.startswith("[") else f"{path}{key}"
        if isinstance(below, (Mapping, list)):
            yield from _secrets(below, here)
        elif _is_secret(_named(value, key), below):
            yield here


def _named(around: Any, key: str) -> str:
    """What a value is called: lists of environment variables have the name beside it."""
    name = around.get("name") if isinstance(around, Mapping) and key == "value" else None
    return name if isinstance(name, str) else key


def _children(value: Any) -> Iterator[Tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield str(key), below
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield f"[{position}]", below


def _is_secret(key: str, value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return bool(_PASSWORD_KEY.search(key)) and not _REFERENCE_KEY.search(key)
    if not isinstance(value, str) or not value:
        return False
    if _KNOWN_VALUE.search(value):
        return True
    argument = _ARGUMENT.fullmatch(value)
    if argument is not None and _is_secret(argument[1], argument[2]):
        return True
    if any(not _REFERENCE_VALUE.match(found["password"]) for found in _ADDRESS.finditer(value)):
        return True
    if not _SECRET_KEY.search(key) or _REFERENCE_KEY.search(key):
        return False
    return not _REFERENCE_VALUE.match(value)
