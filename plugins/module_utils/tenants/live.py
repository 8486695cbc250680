# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster has of tenants, in a number of requests that does not grow with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Mapping, Tuple

from ..addons.api import METADATA_ONLY, Api
from ..addons.model import Json
from ..addons.objects import Ref, ref
from .model import Tenant
from .objects import LABEL, STORES

NAMESPACES = "/api/v1/namespaces"
VOLUMES = "/api/v1/persistentvolumeclaims"
# The kinds of our objects in a tenant's namespace, in the order in which they are taken away.
KINDS: Dict[Tuple[str, str], str] = {
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    ("v1", "ServiceAccount"): "serviceaccounts",
    (STORES, "ExternalSecret"): "externalsecrets",
    ("v1", "Secret"): "secrets",
    ("v1", "LimitRange"): "limitranges",
    ("v1", "ResourceQuota"): "resourcequotas",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networkpolicies",
}


@dataclass(frozen=True)
class Live:
    """namespaces: all of the cluster, by name. objects: ours. has_stores: whether it has External Secrets."""

    namespaces: Mapping[str, Json] = field(default_factory=dict)
    objects: Mapping[Ref, Json] = field(default_factory=dict)
    has_stores: bool = False

    def tenants(self) -> List[str]:
        """Namespaces that are ours."""
        return [name for name, found in self.namespaces.items() if LABEL in labels(found)]


def labels(thing: Json) -> Mapping[str, str]:
    """An object's labels."""
    found: Mapping[str, str] = thing["metadata"].get("labels") or {}
    return found


def path(one: Ref) -> str:
    """The object's own path."""
    if one.kind == "Namespace":
        return f"{NAMESPACES}/{one.name}"
    return (
        f"{_root(one.api_version)}/namespaces/{one.namespace}/{KINDS[one.api_version, one.kind]}/{one.name}"
    )


def read(api: Api) -> Live:
    """One request for the namespaces, and one for each kind of ours."""

    def listed(key: Tuple[str, str]) -> Tuple[bool, List[Json]]:
        answer = api.get(f"{_root(key[0])}/{KINDS[key]}", labelSelector=LABEL)
        # Items of a list do not say what they are.
        return answer is not None, [
            {"apiVersion": key[0], "kind": key[1], **item} for item in (answer or {}).get("items") or ()
        ]

    with ThreadPoolExecutor(max_workers=len(KINDS) + 1) as pool:
        namespaces = pool.submit(lambda: api.request("GET", NAMESPACES)["items"])
        answers = dict(zip(KINDS, pool.map(listed, KINDS)))
        found = {
            item["metadata"]["name"]: {"apiVersion": "v1", "kind": "Namespace", **item}
            for item in namespaces.result()
        }
    return Live(
        found,
        {ref(item): item for _there, items in answers.values() for item in items},
        answers[STORES, "ExternalSecret"][0],
    )


def copied(api: Api, tenants: Iterable[Tenant]) -> Tuple[Dict[Tuple[str, ...], Json], List[str]]:
    """The Secrets that tenants have copies of, one request each, and a line for each that is not there."""
    found: Dict[Tuple[str, ...], Json] = {}
    wrong: List[str] = []
    for source in sorted({item.secret for one in tenants for item in one.registry_secrets if item.secret}):
        namespace, name = source
        thing = api.get(f"{NAMESPACES}/{namespace}/secrets/{name}")
        if thing is None:
            wrong.append(
                f"the Secret {namespace}/{name}, that registry_secrets are to be copies of, is missing"
            )
        else:
            found[source] = thing
    return found, wrong


def volumes(api: Api) -> Dict[str, List[str]]:
    """Names of the claims for volumes by namespace."""
    answer = api.request("GET", VOLUMES, accept=METADATA_ONLY)
    found: Dict[str, List[str]] = {}
    for item in answer.get("items") or ():
        found.setdefault(item["metadata"]["namespace"], []).append(item["metadata"]["name"])
    return found


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
