# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can't be, refused before a cluster is asked: quotas that nothing fits in, names, roles, policies."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Sequence

from ..addons.model import Json
from ..addons.schema import violations as violations_of
from .model import VARIABLE, Tenant
from .objects import ADOPTED, LABEL, PREFIX
from .quantities import parse

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OBJECT = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_KEY = re.compile(
    r"(requests|limits)\.[a-z0-9][-A-Za-z0-9./]*|count/[a-z0-9][-a-z0-9.]*"
    r"|[a-z0-9.-]+\.storageclass\.storage\.k8s\.io/(requests\.storage|persistentvolumeclaims)"
)
_COUNTS = frozenset(
    (
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    )
)
# Short for what a container requests.
_SHORT = {name: f"requests.{name}" for name in ("cpu", "memory", "ephemeral-storage")}
_FOREIGN_LABELS = ("pod-security.kubernetes.io/", "kubernetes.io/metadata.name")
_EVERYBODY = ("system:authenticated", "system:unauthenticated", "system:masters", "system:serviceaccounts")
_NETWORK = {"type": "string", "pattern": "^[0-9a-fA-F:.]+/[0-9]{1,3}$"}
_ANY = {"type": "object"}


def _closed(**properties: Json) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_BLOCK = {**_closed(cidr=_NETWORK, **{"except": _list(_NETWORK)}), "required": ["cidr"]}
_PEERS = _list(_closed(podSelector=_ANY, namespaceSelector=_ANY, ipBlock=_BLOCK))
_PORTS = _list(_closed(protocol={"enum": ["TCP", "UDP", "SCTP"]}, port={}, endPort={"type": "integer"}))
# What the API server would refuse only once other objects of the tenant have been applied.
POLICY = _closed(
    podSelector=_ANY,
    policyTypes=_list({"enum": ["Ingress", "Egress"]}),
    ingress=_list(_closed(ports=_PORTS, **{"from": _PEERS})),
    egress=_list(_closed(ports=_PORTS, to=_PEERS)),
)


def violations(tenants: Sequence[Tenant]) -> List[str]:
    """A line for each rule that a tenant breaks: variable, value, rule."""
    names = [one.name for one in tenants]
    wrong = [
        f"{VARIABLE} has {name} twice" for name in sorted({name for name in names if names.count(name) > 1})
    ]
    for one in tenants:
        for part in (_names, _quota, _containers, _volumes, _network, _access, _registry_secrets):
            wrong.extend(f"{VARIABLE}.{one.name}{line}" for line in part(one))
    return wrong


def _names(one: Tenant) -> Iterator[str]:
    if not _NAME.fullmatch(one.name):
        yield ": must be of lower case letters, digits and -, at most 63 of them, as names of namespaces are"
    if one.name in ("default", "groundwork-system") or one.name.startswith("kube-"):
        yield ": must not be a namespace of the cluster's own"
    for part, given in (("labels", one.labels), ("annotations", one.annotations)):
        for key in given:
            if key in (LABEL, ADOPTED) or key.startswith(_FOREIGN_LABELS):
                yield f".{part} has {key}: it is set by the role, from name and pod_security"


def _amounts(path: str, given: Mapping[str, str]) -> Iterator[str]:
    for key, value in given.items():
        amount = parse(value)
        if amount is None:
            yield f"{path}.{key} is {value}: must be a quantity, such as 500m, 2, 512Mi or 10Gi"
        elif amount < 0:
            yield f"{path}.{key} is {value}: must not be negative"


def _above(path: str, mine: str, value: str, theirs: str, limit: str) -> Iterator[str]:
    left, right = parse(value), parse(limit)
    if left is not None and right is not None and left > right:
        yield f"{path}.{mine} is {value}: must not be above {theirs}, which is {limit}"


def _quota(one: Tenant) -> Iterator[str]:
    yield from _amounts(".quota", one.quota)
    for key, value in one.quota.items():
        amount = parse(value)
        counted = key in _COUNTS or key.startswith("count/")
        if not (counted or key in _SHORT or _KEY.fullmatch(key)):
            yield f".quota has {key}: no resource of this name can be limited by a quota"
        elif counted and amount is not None and amount.denominator != 1:
            yield f".quota.{key} is {value}: must be a whole number, as it counts objects"
        if _SHORT.get(key) in one.quota:
            yield f".quota has {key} and {_SHORT[key]}: they are the same, only one of them can be given"
    for resource, limit in _part(one, "limits.").items():
        asked = _part(one, "requests.").get(resource)
        if asked is not None:
            yield from _above(".quota", f"requests.{resource}", asked, f"limits.{resource}", limit)


def _part(one: Tenant, prefix: str) -> Dict[str, str]:
    """The quota for requests, or for limits, by resource."""
    whole = {_SHORT.get(key, key): value for key, value in one.quota.items()}
    return {key[len(prefix) :]: value for key, value in whole.items() if key.startswith(prefix)}


def _containers(one: Tenant) -> Iterator[str]:
    path, given = ".container_limits", one.container_limits
    parts = (("default", given.default), ("default_request", given.default_request), ("min", given.min))
    for name, part in (*parts, ("max", given.max)):
        yield from _amounts(f"{path}.{name}", part)
    whole = given.completed()
    steps = (
        ("min", given.min, "default_request", whole.default_request),
        ("min", given.min, "default", whole.default),
        ("default_request", whole.default_request, "default", whole.default),
        ("default", whole.default, "max", given.max),
        ("default_request", whole.default_request, "max", given.max),
        ("min", given.min, "max", given.max),
    )
    for low, lower, high, upper in steps:
        for resource in lower:
            if resource in upper:
                name, theirs = f"{low}.{resource}", f"{high}.{resource}"
                yield from _above(path, name, lower[resource], theirs, upper[resource])
    for low, lower, prefix in (
        ("default", whole.default, "limits."),
        ("default_request", whole.default_request, "requests."),
        ("min", given.min, "requests."),
    ):
        for resource, limit in _part(one, prefix).items():
            if resource in lower:
                name, theirs = f"{low}.{resource}", f"quota.{prefix}{resource}"
                yield from _above(path, name, lower[resource], theirs, limit)


def _volumes(one: Tenant) -> Iterator[str]:
    path, given = ".volume_limits", one.volume_limits
    yield from _amounts(path, given)
    highest = given.get("max")
    if highest is not None and "min" in given:
        yield from _above(path, "min", given["min"], "max", highest)
    stored = one.quota.get("requests.storage")
    for name, value in given.items() if stored is not None else ():
        yield from _above(path, name, value, "quota.requests.storage", str(stored))


def _network(one: Tenant) -> Iterator[str]:
    for part in ("from_namespaces", "to_namespaces"):
        for name in getattr(one.network, part):
            if not _NAME.fullmatch(str(name)):
                yield f".network.{part} has {name}: must be the name of a namespace"
    for name, spec in one.network.policies.items():
        path = f".network.policies.{name}"
        if not _OBJECT.fullmatch(str(name)) or str(name).startswith(PREFIX):
            yield f"{path}: must be a name for an object that does not begin with {PREFIX}"
        yield from violations_of(spec, POLICY, POLICY, path)


def _access(one: Tenant) -> Iterator[str]:
    for item in one.access:
        if not item.group or item.group in _EVERYBODY:
            yield f".access has the group {item.group!r}: must be a group of the tenant's own, not everybody"
        if not item.role or item.role == "cluster-admin":
            yield (
                f".access.{item.group} has the role {item.role!r}: must be a ClusterRole that leaves quota "
                "and policies to the platform, such as admin, edit or view"
            )


def _registry_secrets(one: Tenant) -> Iterator[str]:
    names = [item.name for item in one.registry_secrets]
    for item in one.registry_secrets:
        path = f".registry_secrets.{item.name}"
        if not _OBJECT.fullmatch(item.name):
            yield f"{path}: must be a name for an object"
        if names.count(item.name) > 1:
            yield f"{path}: is there twice"
        if item.secret and item.store:
            yield f"{path}: can have from_secret or from_store, not both"
        if item.secret == (one.name, item.name):
            yield f"{path}.from_secret: must not be the Secret itself"
        for part, value in zip(("namespace", "name"), item.secret):
            if not _OBJECT.fullmatch(value):
                yield f"{path}.from_secret.{part} is {value!r}: must be a name"
        if item.store and item.store[0] not in ("SecretStore", "ClusterSecretStore"):
            yield f"{path}.from_store.kind is {item.store[0]}: must be SecretStore or ClusterSecretStore"
