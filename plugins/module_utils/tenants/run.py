# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task: read, refuse what can't be, plan, apply, and wait until what goes is gone."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ..addons import api as seam
from ..addons.model import AddonError, Json
from ..addons.objects import MANAGER
from ..plan import CREATE, DELETE, UPDATE, Change, Meter, reconcile
from . import changes, checks, live, model
from .changes import Action
from .live import Live
from .model import VARIABLE, Tenant

Say = Callable[[str], None]
_PAUSE = 0.5
# More objects than these are told by their kinds.
_FEW = 3


def answer(arguments: Mapping[str, Any], name: str, say: Say, check: bool) -> Json:
    """The result of the task. AddonError, ApiError or PlanError where it is refused or fails.

    arguments: as the documentation of the module has them, defaults filled in. name: of the cluster.
    """
    state = arguments["state"]
    tenants = [] if state == "absent" else model.parse(arguments["defaults"], arguments["namespaces"])
    wrong = checks.violations(tenants)
    if wrong:
        raise AddonError(wrong)
    if state == "valid":
        return {"changed": False}
    meter = Meter()
    api = seam.connect(arguments["kubeconfig"], arguments["context"], meter, name, "k8s_tenants_kubeconfig")
    found = live.read(api)
    copies, missing = live.copied(api, tenants)
    unlisted = changes.unlisted(found, tenants)
    removed = unlisted if state == "absent" or arguments["prune"] else []
    wrong = [*missing, *_refused(tenants, found)]
    if removed and not arguments["remove_volumes"]:
        wrong += _holding(api, removed, found)
    if wrong:
        raise AddonError(wrong)
    actions = [action for one in tenants for action in changes.of_tenant(one, found, copies)]
    actions += [action for one in removed for action in changes.of_removal(one, found)]
    _tell(actions, say)
    kept = [one for one in unlisted if one not in removed]
    if kept:
        say(f"not listed any more, and kept without k8s_tenants_prune: {', '.join(kept)}")
    by_change = {id(action.change): action for action in actions}

    def apply(change: Change) -> None:
        _apply(api, by_change[id(change)])

    result = reconcile([action.change for action in actions], apply, meter, check)
    gone = [action.tenant for action in actions if action.delete and action.ref.kind == "Namespace"]
    if gone and not check:
        _wait(api, gone, float(arguments["timeout"]), say)
    return {**result, "unlisted": kept, "stats": meter.stats()}


def _apply(api: seam.Api, action: Action) -> None:
    where = live.path(action.ref)
    if action.delete:
        api.delete(where)
    if action.version:
        # Applying would leave what somebody has added.
        metadata = {**action.apply["metadata"], "resourceVersion": action.version}
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        api.request("PUT", where, {**action.apply, "metadata": metadata}, query)
    elif action.apply:
        api.apply(where, action.apply)


def _refused(tenants: Sequence[Tenant], found: Live) -> List[str]:
    wrong: List[str] = []
    for one in tenants:
        there = found.namespaces.get(one.name)
        path = f"{VARIABLE}.{one.name}"
        if there is not None and there["metadata"].get("deletionTimestamp"):
            wrong.append(f"{path}: the namespace is being deleted: {_why(there)}")
        elif there is not None and one.name not in found.tenants() and not one.adopt:
            wrong.append(f"{path}: somebody else has made the namespace; to take it over, say adopt: true")
        stored = [item.name for item in one.registry_secrets if item.store]
        if stored and not found.has_stores:
            wrong.append(
                f"{path}.registry_secrets has {', '.join(stored)} from a store: the cluster has no External "
                "Secrets; the addon external-secrets brings them"
            )
    return wrong


def _holding(api: seam.Api, removed: Sequence[str], found: Live) -> List[str]:
    """Namespaces that would go with volumes in them."""
    claims = live.volumes(api)
    return [
        f"{one} holds volumes ({', '.join(sorted(claims[one]))}), which would be lost: delete them, or set "
        "k8s_tenants_remove_volumes"
        for one in removed
        if one in claims and not changes.adopted(found, one)
    ]


def _tell(actions: Sequence[Action], say: Say) -> None:
    """A line for each tenant that is to be changed."""
    by_tenant: Dict[str, List[Action]] = {}
    for action in actions:
        by_tenant.setdefault(action.tenant, []).append(action)
    for name, parts in by_tenant.items():
        words = [
            f"{mark} {_listed([part for part in parts if part.change.kind == kind])}"
            for kind, mark in ((CREATE, "+"), (UPDATE, "~"), (DELETE, "-"))
            if any(part.change.kind == kind for part in parts)
        ]
        say(f"{name}: {'; '.join(words)}")


def _listed(actions: Sequence[Action]) -> str:
    """Names of a few objects; kinds where there are more."""
    if len(actions) <= _FEW:
        return ", ".join(action.change.key for action in actions)
    kinds = [action.ref.kind for action in actions]
    counts = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(kind if count == 1 else f"{kind} ({count})" for kind, count in counts.items())


def _wait(api: seam.Api, names: Sequence[str], timeout: float, say: Say) -> None:
    deadline = time.monotonic() + timeout
    left = list(names)
    told: Dict[str, str] = {}
    while left:
        there = {name: api.get(f"{live.NAMESPACES}/{name}") for name in left}
        for name in left:
            if there[name] is None:
                say(f"{name}: removed")
        left = [name for name in left if there[name] is not None]
        if not left:
            return
        if time.monotonic() >= deadline:
            raise AddonError(
                f"{name} is not gone after {timeout:.0f} s: {_why(there[name])}" for name in left
            )
        for name in left:
            why = _why(there[name])
            if why != told.get(name) and "Remaining" in why:
                told[name] = why
                say(f"{name} is not gone yet: {why}")
        time.sleep(_PAUSE)


def _why(namespace: Json) -> str:
    """What holds a namespace that is being deleted, as its controller tells it."""
    conditions = (namespace.get("status") or {}).get("conditions") or ()
    reasons = [
        f"{item.get('reason')}: {item.get('message')}" for item in conditions if item.get("status") == "True"
    ]
    return "; ".join(reasons) or "its controller has not said why"
