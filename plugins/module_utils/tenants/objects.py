# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that a tenant comes to."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..addons import objects
from .model import Json, RegistrySecret, Tenant

LABEL = "groundwork.platform/tenant"
ADOPTED = "groundwork.platform/adopted"
# All of ours but what a site names itself.
PREFIX = "groundwork-"
QUOTA = f"{PREFIX}quota"
LIMITS = f"{PREFIX}limits"
DEFAULT_ACCOUNT = "default"
STORES = "external-secrets.io/v1"
_METADATA_NAME = "kubernetes.io/metadata.name"
# Networks that are not the internet: private, shared, link-local (with clouds' metadata), unique local.
_PRIVATE4 = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
_PRIVATE6 = ("fc00::/7", "fe80::/10")


def of_tenant(tenant: Tenant, copies: Mapping[Tuple[str, ...], Json], adopted: bool) -> List[Json]:
    """Everything, the namespace first. copies: Secrets that are copied, by namespace and name.

    adopted: whether somebody else has made the namespace, so that it stays when the tenant goes.
    """
    home = objects.namespace(tenant.name, tenant.pod_security)
    home["metadata"]["labels"].update({**tenant.labels, LABEL: tenant.name})
    annotations = {**tenant.annotations, **({ADOPTED: "true"} if adopted else {})}
    if annotations:
        home["metadata"]["annotations"] = annotations
    things = [home, *_bounds(tenant)]
    things += [
        _thing(tenant, "networking.k8s.io/v1", "NetworkPolicy", name, {"spec": normalised(spec)})
        for name, spec in policies(tenant).items()
    ]
    things += _bindings(tenant)
    things += [
        _registry_secret(tenant, item, copies)
        for item in tenant.registry_secrets
        if item.secret or item.store
    ]
    pulled = [{"name": item.name} for item in tenant.registry_secrets if item.pull]
    if pulled:
        things.append(_thing(tenant, "v1", "ServiceAccount", DEFAULT_ACCOUNT, {"imagePullSecrets": pulled}))
    return things


def policies(tenant: Tenant) -> Dict[str, Json]:
    """Specs of its NetworkPolicies by name: nothing, and then what is allowed."""
    network = tenant.network
    everything: Json = {"podSelector": {}}
    found: Dict[str, Json] = {f"{PREFIX}default-deny": {**everything, "policyTypes": ["Ingress", "Egress"]}}
    if network.dns:
        where = {
            "namespaceSelector": {"matchLabels": {_METADATA_NAME: "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
        ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
        found[f"{PREFIX}dns"] = _egress([where], ports)
    if network.within:
        found[f"{PREFIX}within"] = {
            **everything,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [everything]}],
            "egress": [{"to": [everything]}],
        }
    if network.from_namespaces:
        rule = {"from": [_namespaces(network.from_namespaces)]}
        found[f"{PREFIX}from-namespaces"] = {**everything, "policyTypes": ["Ingress"], "ingress": [rule]}
    if network.to_namespaces:
        found[f"{PREFIX}to-namespaces"] = _egress([_namespaces(network.to_namespaces)])
    if network.internet:
        found[f"{PREFIX}internet"] = _egress(
            [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(_PRIVATE4)}},
                {"ipBlock": {"cidr": "::/0", "except": list(_PRIVATE6)}},
            ]
        )
    return {**found, **network.policies}


def normalised(spec: Json) -> Json:
    """A NetworkPolicy's spec as the API server keeps it: with its defaults, without empty lists."""
    result: Json = _without_empty(spec)
    result.setdefault("podSelector", {})
    types = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    result.setdefault("policyTypes", types)
    for direction in ("ingress", "egress"):
        for rule in result.get(direction, ()):
            for port in rule.get("ports", ()):
                port.setdefault("protocol", "TCP")
    return result


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_empty(below)
            for key, below in value.items()
            if below is not None and below != [] and not (key == "matchLabels" and not below)
        }
    return [_without_empty(below) for below in value] if isinstance(value, list) else value


def _egress(to: Sequence[Json], ports: Sequence[Json] = ()) -> Json:
    rule: Json = {"to": list(to)}
    if ports:
        rule["ports"] = list(ports)
    return {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}


def _namespaces(names: Sequence[str]) -> Json:
    among = {"key": _METADATA_NAME, "operator": "In", "values": sorted(set(names))}
    return {"namespaceSelector": {"matchExpressions": [among]}}


def _bounds(tenant: Tenant) -> List[Json]:
    things: List[Json] = []
    if tenant.quota:
        things.append(_thing(tenant, "v1", "ResourceQuota", QUOTA, {"spec": {"hard": dict(tenant.quota)}}))
    limits: List[Json] = []
    if tenant.container_limits:
        all_of = tenant.container_limits.completed()
        parts = {
            "default": all_of.default,
            "defaultRequest": all_of.default_request,
            "max": all_of.max,
            "min": all_of.min,
        }
        limits.append({"type": "Container", **{key: dict(part) for key, part in parts.items() if part}})
    if tenant.volume_limits:
        parts = {key: {"storage": value} for key, value in sorted(tenant.volume_limits.items())}
        limits.append({"type": "PersistentVolumeClaim", **parts})
    if limits:
        things.append(_thing(tenant, "v1", "LimitRange", LIMITS, {"spec": {"limits": limits}}))
    return things


def _bindings(tenant: Tenant) -> List[Json]:
    """One for each role: which role a binding gives can't be changed once it is made."""
    group = "rbac.authorization.k8s.io"
    by_role: Dict[str, List[str]] = {}
    for access in tenant.access:
        by_role.setdefault(access.role, []).append(access.group)
    return [
        _thing(
            tenant,
            f"{group}/v1",
            "RoleBinding",
            f"{PREFIX}{role}",
            {
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
                "subjects": [
                    {"apiGroup": group, "kind": "Group", "name": name} for name in sorted(set(names))
                ],
            },
        )
        for role, names in by_role.items()
    ]


def _registry_secret(tenant: Tenant, item: RegistrySecret, copies: Mapping[Tuple[str, ...], Json]) -> Json:
    if item.secret:
        copied = copies[item.secret]
        body = {"type": copied.get("type") or "Opaque", "data": copied.get("data") or {}}
        return _thing(tenant, "v1", "Secret", item.name, body)
    kind, store, key = item.store
    spec = {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": kind, "name": store},
        "target": {"name": item.name, "template": {"type": "kubernetes.io/dockerconfigjson"}},
        "data": [{"secretKey": ".dockerconfigjson", "remoteRef": {"key": key}}],
    }
    return _thing(tenant, STORES, "ExternalSecret", item.name, {"spec": spec})


def _thing(tenant: Tenant, api_version: str, kind: str, name: str, body: Optional[Json] = None) -> Json:
    metadata = {"name": name, "namespace": tenant.name, "labels": {LABEL: tenant.name}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **(body or {})}


def released(thing: Mapping[str, Any]) -> Json:
    """Nothing of the object: applied as it is, we let go of every field that we own in it."""
    known = {key: thing["metadata"][key] for key in ("name", "namespace") if key in thing["metadata"]}
    return {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": known}
