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
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


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


def secrets_in(values: Any, path: str = "") -> List[str]:
    """Paths of values that are secrets, by their key or by what they are. References to secrets are none."""
    return list(_secrets(values, path))


def _secrets(value: Any, path: str) -> Iterator[str]:
    for key, below in _children(value):
        here = f"{path}.{key}" if path and not key.startswith("[") else f"{path}{key}"
        if isinstance(below, (Mapping, list)):
            yield from _secrets(below, here)
        elif isinstance(below, str) and below and _is_secret(key, below):
            yield here


def _children(value: Any) -> Iterator[Tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield str(key), below
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield f"[{position}]", below


def _is_secret(key: str, value: str) -> bool:
    if _PRIVATE_KEY.search(value):
        return True
    if not _SECRET_KEY.search(key) or _REFERENCE_KEY.search(key):
        return False
    return not _REFERENCE_VALUE.match(value)
