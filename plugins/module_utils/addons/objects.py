# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of Kubernetes as data: their names, their order, what of them is compared and may be shown."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from . import documents
from .layers import merge
from .model import AddonError, Json

MANAGER = "groundwork"
OWNER_LABEL = "groundwork.platform/addon"
HIDDEN = "(secret)"
HIDDEN_CHANGED = "(secret, changed)"
# What may hold the work of others, and stays when the addon that brought it goes.
STAYING = frozenset(("Namespace", "PersistentVolumeClaim"))
# Lines of a secret that are shorter than this may be a part of any text.
_LINE = 8
_VOLATILE = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, order=True)
class Ref:
    """Which object: apiVersion, kind, namespace (empty for those of the cluster), name."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def title(self) -> str:
        """``Deployment traefik/traefik``: for lines and diffs."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def text(self) -> str:
        """One string that :func:`ref_from` reads."""
        return "|".join((self.api_version, self.kind, self.namespace, self.name))


def ref_from(text: str) -> Ref:
    """What :meth:`Ref.text` wrote."""
    api_version, kind, namespace, name = text.split("|")
    return Ref(api_version, kind, namespace, name)


def ref(thing: Mapping[str, Any]) -> Ref:
    """Which object this is; AddonError where it does not say so."""
    metadata = thing.get("metadata") or {}
    if not (thing.get("apiVersion") and thing.get("kind") and metadata.get("name")):
        raise AddonError([f"{str(thing)[:60]!r}: an object needs apiVersion, kind and metadata.name"])
    return Ref(thing["apiVersion"], thing["kind"], metadata.get("namespace") or "", metadata["name"])


def is_crd(thing: Mapping[str, Any]) -> bool:
    """Whether it is a definition of custom resources."""
    return thing.get("kind") == "CustomResourceDefinition"


def from_manifest(text: str, name: str) -> List[Json]:
    """The objects of rendered templates; hooks are left to Helm."""
    return [
        thing
        for thing in documents.load_all(text, name)
        if "helm.sh/hook" not in ((thing.get("metadata") or {}).get("annotations") or {})
    ]


def overlaid(things: Sequence[Json], patches: Mapping[str, Any]) -> Tuple[List[Json], Dict[str, Any]]:
    """Objects with the site's own settings over them, and the patches that none of the objects has taken.

    patches: by ``Kind/name`` or ``Kind/namespace/name``; ``null`` leaves the object out.
    """
    left = dict(patches)
    result: List[Json] = []
    for thing in things:
        here = ref(thing)
        keys = (f"{here.kind}/{here.name}", f"{here.kind}/{here.namespace}/{here.name}")
        kept: Optional[Json] = thing
        for key in keys:
            if key in patches:
                left.pop(key, None)
                kept = merge(kept, patches[key]) if kept is not None and patches[key] is not None else None
        if kept is not None:
            result.append(kept)
    return result, left


def added(addon: str, patches: Mapping[str, Any]) -> List[Json]:
    """The objects that a site adds; AddonError for a patch of an object that the entry does not have."""
    result: List[Json] = []
    wrong: List[str] = []
    for key, patch in patches.items():
        parts = key.split("/")
        if parts[0] == "Secret":
            wrong.append(
                f"k8s_addons_resources.{addon} has {key}: secrets are set by k8s_addons_secrets, "
                "or made by External Secrets"
            )
            continue
        if not isinstance(patch, Mapping) or "apiVersion" not in patch or len(parts) not in (2, 3):
            wrong.append(
                f"k8s_addons_resources.{addon} has {key}: the addon has no such object; "
                "to add one, give it an apiVersion"
            )
            continue
        metadata = {
            "name": parts[-1],
            **({"namespace": parts[1]} if len(parts) == 3 else {}),
            **patch.get("metadata", {}),
        }
        result.append({**patch, "kind": parts[0], "metadata": metadata})
    if wrong:
        raise AddonError(wrong)
    return result


def owned(thing: Json, addon: str, keep: bool = False) -> Json:
    """The object as it is applied: with the addon's label; with ``keep`` Helm never takes it away."""
    result = copy.deepcopy(thing)
    result.pop("status", None)
    metadata = result.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), OWNER_LABEL: addon}
    # Rendered definitions carry this, and server-side apply refuses it.
    metadata.pop("creationTimestamp", None)
    if keep:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), "helm.sh/resource-policy": "keep"}
    return result


def namespace(name: str, pod_security: str) -> Json:
    """A namespace that enforces, audits and warns about a Pod Security Standard."""
    prefix = "pod-security.kubernetes.io"
    labels = {f"{prefix}/{mode}": pod_security for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def secret(name: str, where: str, data: Mapping[str, str]) -> Json:
    """A Secret whose values are texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": where},
        "type": "Opaque",
        "stringData": dict(data),
    }


def comparable(thing: Mapping[str, Any]) -> Json:
    """The object without what the API server keeps about it."""
    result = {key: copy.deepcopy(value) for key, value in thing.items() if key != "status"}
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        for key in _VOLATILE:
            metadata.pop(key, None)
        annotations = metadata.get("annotations")
        if annotations:
            annotations.pop(_LAST_APPLIED, None)
            if not annotations:
                del metadata["annotations"]
    return result


def without_dropped(after: Json, former: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """``after`` without the keys that ``former`` had set and ``wanted`` does not any more.

    A dry run by another field manager never takes a field away; the release itself will.
    """
    result = dict(after)
    for key, value in former.items():
        if key not in result:
            continue
        if key not in wanted:
            del result[key]
        elif all(isinstance(side, Mapping) for side in (value, wanted[key], result[key])):
            result[key] = without_dropped(result[key], value, wanted[key])
    return result


def difference(before: Optional[Json], after: Optional[Json], title: str) -> Optional[Dict[str, str]]:
    """What ``--diff`` prints of one object; ``None`` where nothing differs. Secrets' values are masked."""
    left = comparable(before) if before is not None else None
    right = comparable(after) if after is not None else None
    if left == right:
        return None
    left, right = masked(left, right)
    kind = "create" if left is None else "delete" if right is None else "update"
    return {
        "before_header": f"{title} (before)",
        "after_header": f"{title} ({kind})",
        "before": documents.dump(left) if left is not None else "",
        "after": documents.dump(right) if right is not None else "",
    }


def masked(before: Optional[Json], after: Optional[Json]) -> Tuple[Optional[Json], Optional[Json]]:
    """Both without values of Secrets; that one differs can still be seen."""
    if (after or before or {}).get("kind") != "Secret":
        return before, after
    left, right = copy.deepcopy(before), copy.deepcopy(after)
    for part in ("data", "stringData"):
        old = dict(((before or {}).get(part)) or {})
        new = dict(((after or {}).get(part)) or {})
        for side, values in ((left, old), (right, new)):
            if side is not None and part in side:
                side[part] = {
                    key: HIDDEN_CHANGED if side is right and old.get(key) != new.get(key) else HIDDEN
                    for key in values
                }
    return left, right


def hidden(text: str, values: Iterable[str]) -> str:
    """The text without these values, as they are, line by line, and as JSON and Secrets write them."""
    forms = set()
    for value in values:
        forms |= {value, json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode()}
        forms |= {line for line in value.splitlines() if len(line) >= _LINE}
    # The longest first: a part of one may be another one.
    for form in sorted(forms - {""}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def quotable(text: str, thing: Mapping[str, Any]) -> str:
    """What was said of an object, without values of it where it is a Secret."""
    if thing.get("kind") != "Secret":
        return text
    plain = [str(value) for value in (thing.get("stringData") or {}).values()]
    packed = [str(value) for value in (thing.get("data") or {}).values()]
    return hidden(text, [*plain, *packed, *map(_unpacked, packed)])


def _unpacked(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return ""


def owner(thing: Mapping[str, Any]) -> str:
    """The item that has applied it last; empty where none has."""
    return str(((thing.get("metadata") or {}).get("labels") or {}).get(OWNER_LABEL) or "")


def in_order(things: Iterable[Json]) -> List[Json]:
    """Namespaces and what others refer to first; otherwise as they came."""
    first = {"Namespace": 0, "ServiceAccount": 1, "Secret": 1, "ConfigMap": 1, "ClusterRole": 2, "Role": 2}
    return sorted(things, key=lambda thing: first.get(str(thing.get("kind")), 3))
