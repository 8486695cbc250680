"""Tenants as the inventory has them, and a cluster in memory that keeps what is applied to it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.addons.objects import Ref, ref
from ansible_collections.groundwork.platform.plugins.module_utils.tenants import changes, model
from ansible_collections.groundwork.platform.plugins.module_utils.tenants.changes import Action
from ansible_collections.groundwork.platform.plugins.module_utils.tenants.live import Live
from ansible_collections.groundwork.platform.plugins.module_utils.tenants.objects import LABEL

SECRET = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}
SOURCE = {("platform", "registry"): SECRET}


def tenant(**given: Any) -> model.Tenant:
    """One tenant, named shop where nothing else is said."""
    (made,) = model.parse({}, [{"name": "shop", **given}])
    return made


class Memory:
    """What server-side apply does, as far as it is compared."""

    def __init__(self, *things: dict[str, Any]) -> None:
        self.things: dict[Ref, dict[str, Any]] = {ref(thing): copy.deepcopy(thing) for thing in things}

    def live(self) -> Live:
        homes = {one.name: thing for one, thing in self.things.items() if one.kind == "Namespace"}
        ours = {
            one: thing
            for one, thing in self.things.items()
            if one.kind != "Namespace" and LABEL in (thing["metadata"].get("labels") or {})
        }
        return Live(homes, ours, has_stores=True)

    def plan(self, *tenants: model.Tenant) -> list[Action]:
        live = self.live()
        return [action for one in tenants for action in changes.of_tenant(one, live, SOURCE)]

    def make(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if action.delete:
                self.things.pop(action.ref)
            if action.apply:
                self._apply(action.ref, action.apply)

    def _apply(self, one: Ref, thing: dict[str, Any]) -> None:
        made = copy.deepcopy(thing)
        metadata = made["metadata"]
        fields = {
            f"f:{part}": {f"f:{key}": {} for key in metadata.get(part) or {}}
            for part in ("labels", "annotations")
        }
        pulled = {f'k:{{"name":"{item["name"]}"}}': {} for item in made.get("imagePullSecrets") or ()}
        owned = {"f:metadata": fields, "f:imagePullSecrets": pulled}
        metadata["managedFields"] = [{"manager": "groundwork", "operation": "Apply", "fieldsV1": owned}]
        self.things[one] = made


def keys(actions: Sequence[Action]) -> list[tuple[str, str]]:
    """Kind of the change, and the object's title."""
    return [(action.change.kind, action.change.key) for action in actions]
