# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference between tenants as they should be and as they are, as a plan; no cluster is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..addons.model import Json
from ..addons.objects import Ref, ref
from ..plan import CREATE, DELETE, UPDATE, Change
from . import objects
from .compare import actual, wanted
from .live import KINDS, Live, labels
from .model import Tenant


@dataclass(frozen=True)
class Action:
    """One change, and how it is made. apply: the object to be applied. tenant: whose it is.

    delete: whether the object goes, first of all where it can only be made anew. version: of the live object
    that ``apply`` is put in the place of, wholly ours as it is; empty where others have a part in it.
    """

    change: Change
    tenant: str
    ref: Ref
    apply: Json = field(default_factory=dict)
    delete: bool = False
    version: str = ""


# Objects that others have a part in: fields of ours are applied, and theirs are left.
_SHARED = ("Namespace", "ServiceAccount", "ExternalSecret")


def unlisted(live: Live, tenants: Sequence[Tenant]) -> List[str]:
    """Namespaces that are ours, and that the inventory does not name any more."""
    return sorted(set(live.tenants()) - {one.name for one in tenants})


def adopted(live: Live, name: str) -> bool:
    """Whether somebody else has made the namespace."""
    found = live.namespaces.get(name)
    if found is None:
        return False
    annotations = found["metadata"].get("annotations") or {}
    return objects.LABEL not in labels(found) or objects.ADOPTED in annotations


def of_tenant(tenant: Tenant, live: Live, copies: Mapping[Tuple[str, ...], Json]) -> List[Action]:
    """What makes a tenant what it should be: the namespace, what is in it, and then what is there no more."""
    things = objects.of_tenant(tenant, copies, adopted(live, tenant.name))
    found: List[Action] = []
    for thing in things:
        one = ref(thing)
        there = live.namespaces.get(one.name) if one.kind == "Namespace" else live.objects.get(one)
        want = wanted(thing)
        if there is None:
            found.append(Action(_change(CREATE, one, None, want), tenant.name, one, thing))
            continue
        have = actual(there, thing)
        if have != want:
            change = _change(UPDATE, one, have, want)
            anew = _fixed(there, thing)
            whole = not anew and one.kind not in _SHARED
            version = there["metadata"].get("resourceVersion", "") if whole else ""
            found.append(Action(change, tenant.name, one, thing, anew, version))
    return found + _surplus(tenant.name, live, {ref(thing) for thing in things})


def of_removal(name: str, live: Live) -> List[Action]:
    """A tenant that goes, with its namespace, unless somebody else has made that."""
    home = Ref("v1", "Namespace", "", name)
    if not adopted(live, name):
        change = _change(DELETE, home, {"labels": dict(labels(live.namespaces[name]))}, None)
        return [Action(change, name, home, delete=True)]
    there = live.namespaces[name]
    empty = objects.released(there)
    change = _change(UPDATE, home, actual(there, empty), {})
    return [*_surplus(name, live, ()), Action(change, name, home, empty)]


def _surplus(name: str, live: Live, kept: Iterable[Ref]) -> List[Action]:
    """Objects of ours in a namespace that are wanted no more."""
    order = list(KINDS)
    left = [one for one in live.objects if one.namespace == name and one not in set(kept)]
    found: List[Action] = []
    for one in sorted(left, key=lambda item: (order.index((item.api_version, item.kind)), item.name)):
        empty = objects.released(live.objects[one])
        have = actual(live.objects[one], {**empty, **_main(live.objects[one])})
        if one.kind == "ServiceAccount":
            # It is the namespace's: only what we have put into it goes.
            found.append(Action(_change(UPDATE, one, have, {}), name, one, empty))
        else:
            found.append(Action(_change(DELETE, one, have, None), name, one, delete=True))
    return found


def _main(thing: Json) -> Json:
    shown: Dict[str, object] = {}
    for key in ("spec", "roleRef", "subjects", "type", "data", "imagePullSecrets"):
        if key in thing:
            shown[key] = thing[key]
    return shown


def _fixed(there: Json, thing: Json) -> bool:
    """Whether what differs can't be changed in an object: it is made anew."""
    return any(key in thing and there.get(key) != thing[key] for key in ("roleRef", "type"))


def _change(kind: str, one: Ref, before: object, after: object) -> Change:
    return Change(kind, one.title(), before, after, secret=one.kind == "Secret")
