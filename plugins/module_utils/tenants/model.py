# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of tenants, with the defaults under it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..addons.layers import merge

Json = Dict[str, Any]
VARIABLE = "k8s_tenants_namespaces"
DEFAULTS = "k8s_tenants_defaults"


@dataclass(frozen=True)
class ContainerLimits:
    """Quantities by resource, as in a LimitRange for containers."""

    default: Mapping[str, str] = field(default_factory=dict)
    default_request: Mapping[str, str] = field(default_factory=dict)
    min: Mapping[str, str] = field(default_factory=dict)
    max: Mapping[str, str] = field(default_factory=dict)

    def completed(self) -> ContainerLimits:
        """With what the API server fills in: a limit is the maximum, a request the limit, or the minimum."""
        default = {**self.max, **self.default}
        return ContainerLimits(default, {**self.min, **default, **self.default_request}, self.min, self.max)

    def __bool__(self) -> bool:
        return bool(self.default or self.default_request or self.min or self.max)


@dataclass(frozen=True)
class Network:
    """What may come in and go out; all else is denied. policies: specs of NetworkPolicies by name."""

    dns: bool = True
    within: bool = True
    internet: bool = False
    from_namespaces: Tuple[str, ...] = ()
    to_namespaces: Tuple[str, ...] = ()
    policies: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Access:
    """A group of users, and the ClusterRole that it has in the namespace."""

    group: str
    role: str


@dataclass(frozen=True)
class RegistrySecret:
    """A login to a registry, by reference; somebody else makes it where neither source is named.

    pull: whether pods of the default ServiceAccount pull with it. secret: namespace and name of the Secret
    that it is a copy of. store: kind and name of the store, and the key in it, for External Secrets.
    """

    name: str
    pull: bool = True
    secret: Tuple[str, ...] = ()
    store: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Tenant:
    """A namespace and what bounds it. adopt: whether one that somebody else has made is taken over."""

    name: str
    adopt: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    pod_security: str = "restricted"
    quota: Mapping[str, str] = field(default_factory=dict)
    container_limits: ContainerLimits = ContainerLimits()
    volume_limits: Mapping[str, str] = field(default_factory=dict)
    network: Network = Network()
    access: Tuple[Access, ...] = ()
    registry_secrets: Tuple[RegistrySecret, ...] = ()


def parse(defaults: Mapping[str, Any], namespaces: Sequence[Mapping[str, Any]]) -> List[Tenant]:
    """The tenants in their order. Both as the specification of the task has validated them.

    What a namespace says goes over the defaults: maps are merged, lists are replaced, and ``null`` in a map
    takes away what the defaults have.
    """
    return [_tenant(merge(_said(defaults), _said(given))) for given in namespaces]


def _said(given: Mapping[str, Any]) -> Json:
    """Without what validation has filled with ``None``; in maps of the user's own it means something."""
    result: Json = {}
    for key, value in given.items():
        if value is None:
            continue
        nested = key in ("container_limits", "volume_limits", "network")
        result[key] = _said(value) if nested else value
    return result


def _tenant(given: Json) -> Tenant:
    limits = {name: _texts(part) for name, part in given.get("container_limits", {}).items()}
    network = dict(given.get("network", {}))
    for key in ("from_namespaces", "to_namespaces"):
        network[key] = tuple(network.get(key, ()))
    policies = network.get("policies", {})
    network["policies"] = {name: spec for name, spec in policies.items() if spec is not None}
    return Tenant(
        name=given["name"],
        adopt=given.get("adopt", False),
        labels=_texts(given.get("labels", {})),
        annotations=_texts(given.get("annotations", {})),
        pod_security=given.get("pod_security", "restricted"),
        quota=_texts(given.get("quota", {})),
        container_limits=ContainerLimits(**limits),
        volume_limits=_texts(given.get("volume_limits", {})),
        network=Network(**network),
        access=tuple(Access(item["group"], item["role"]) for item in given.get("access", ())),
        registry_secrets=tuple(_registry_secret(item) for item in given.get("registry_secrets", ())),
    )


def _registry_secret(given: Mapping[str, Any]) -> RegistrySecret:
    secret, store = given.get("from_secret"), given.get("from_store")
    return RegistrySecret(
        given["name"],
        True if given.get("pull") is None else given["pull"],
        (secret["namespace"], secret["name"]) if secret else (),
        (store.get("kind") or "ClusterSecretStore", store["name"], store["key"]) if store else (),
    )


def _texts(given: Mapping[str, Any]) -> Dict[str, str]:
    """Numbers are written as texts: in a label and in a quantity they are some."""
    return {str(key): str(value) for key, value in given.items() if value is not None}
