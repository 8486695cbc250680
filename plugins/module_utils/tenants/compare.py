# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an object is compared and shown: what we want of it, as the cluster has it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ..addons.model import Json
from ..addons.objects import MANAGER
from .objects import normalised
from .quantities import in_words_of

# A list that others write to as well: ours are those entries that we have applied.
_PULL = "imagePullSecrets"


def wanted(thing: Json) -> Json:
    """The part of a desired object that counts."""
    shown = {key: value for key, value in thing.items() if key not in ("apiVersion", "kind", "metadata")}
    for key in ("labels", "annotations"):
        if thing["metadata"].get(key):
            shown[key] = dict(thing["metadata"][key])
    return shown


def actual(live: Json, thing: Json) -> Json:
    """The same part of the live object; equal to it exactly where there is nothing to do."""
    want = wanted(thing)
    shown: Json = {key: _body(key, live, thing) for key in want if key not in ("labels", "annotations")}
    for key in ("labels", "annotations"):
        here = live["metadata"].get(key) or {}
        # What we once applied and do not want any more counts; what others have written does not.
        ours = {*want.get(key, {}), *_owned(live, key)}
        found = {name: here[name] for name in here if name in ours}
        if found:
            shown[key] = found
    return {key: value for key, value in shown.items() if value is not None}


def _body(key: str, live: Json, thing: Json) -> Any:
    here, want = live.get(key), thing[key]
    if here is None:
        return None
    kind = thing["kind"]
    if key == _PULL:
        names = {item["name"] for item in here}
        ours = {*_owned_secrets(live), *(item["name"] for item in want)} & names
        return want if ours == {item["name"] for item in want} else [{"name": name} for name in sorted(ours)]
    if kind == "ResourceQuota":
        return {**here, "hard": dict(in_words_of(here.get("hard") or {}, want["hard"]))}
    if kind == "LimitRange":
        return {"limits": _limits(here.get("limits") or [], want["limits"])}
    if kind == "NetworkPolicy":
        return normalised(here)
    if kind == "ExternalSecret":
        return _within(here, want)
    return here


def _limits(here: List[Json], want: List[Json]) -> List[Json]:
    by_type: Dict[str, Json] = {item["type"]: item for item in want}
    return [
        {
            key: in_words_of(part, by_type.get(item["type"], {}).get(key) or {})
            if isinstance(part, dict)
            else part
            for key, part in item.items()
        }
        for item in here
    ]


def _within(here: Any, want: Any) -> Any:
    """Only what is wanted: the API server has filled in the rest."""
    if isinstance(here, Mapping) and isinstance(want, Mapping):
        return {key: _within(here[key], want[key]) for key in want if key in here}
    if isinstance(here, list) and isinstance(want, list) and len(here) == len(want):
        return [_within(mine, wish) for mine, wish in zip(here, want)]
    return here


def _owned(live: Json, part: str) -> List[str]:
    """Labels or annotations that are there because we have applied them."""
    return [
        key[2:]
        for fields in _fields(live)
        for key in ((fields.get("f:metadata") or {}).get(f"f:{part}") or {})
        if key.startswith("f:")
    ]


def _owned_secrets(live: Json) -> List[str]:
    return [
        key[len('k:{"name":"') : -len('"}')]
        for fields in _fields(live)
        for key in fields.get(f"f:{_PULL}") or ()
        if key.startswith("k:")
    ]


def _fields(live: Json) -> List[Json]:
    return [
        entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
    ]
