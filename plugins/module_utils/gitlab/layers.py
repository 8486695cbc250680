# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How settings are inherited: the nearer wins, mappings are merged key by key, null takes a key away."""

from __future__ import annotations

from typing import Any, Dict, Mapping


def merge(base: Mapping[str, Any], nearer: Mapping[str, Any]) -> Dict[str, Any]:
    """``base`` with ``nearer`` laid over it; neither is changed.

    >>> merge({"labels": {"bug": 1, "ci": 2}}, {"labels": {"ci": None, "docs": 3}})
    {'labels': {'bug': 1, 'docs': 3}}
    """
    merged = {key: without_nulls(value) for key, value in base.items() if value is not None}
    for key, value in nearer.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = without_nulls(value)
    return merged


def without_nulls(value: Any) -> Any:
    """The value without the keys that are null, at any depth of mappings; a copy where it is a mapping."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value
