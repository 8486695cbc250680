"""What can't be is refused with the variable, the value and the rule."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.tenants import checks, model

from .world import tenant

IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "no quantity": (
        {"quota": {"requests.memory": "lots"}},
        ".quota.requests.memory is lots: must be a quantity",
    ),
    "negative": ({"quota": {"pods": -1}}, ".quota.pods is -1: must not be negative"),
    "half a pod": ({"quota": {"pods": "1.5"}}, ".quota.pods is 1.5: must be a whole number"),
    "half a deployment": ({"quota": {"count/deployments.apps": "500m"}}, "must be a whole number"),
    "an unknown resource": ({"quota": {"memmory": "1Gi"}}, ".quota has memmory: no resource of this name"),
    "twice the same": ({"quota": {"cpu": 1, "requests.cpu": 1}}, ".quota has cpu and requests.cpu"),
    "requests above limits": (
        {"quota": {"requests.memory": "8Gi", "limits.memory": "4Gi"}},
        ".quota.requests.memory is 8Gi: must not be above limits.memory, which is 4Gi",
    ),
    "requests above limits, in short": (
        {"quota": {"cpu": 2, "limits.cpu": "1500m"}},
        ".quota.requests.cpu is 2: must not be above limits.cpu, which is 1500m",
    ),
    "a default limit above the quota": (
        {"quota": {"limits.memory": "1Gi"}, "container_limits": {"default": {"memory": "2Gi"}}},
        ".container_limits.default.memory is 2Gi: must not be above quota.limits.memory, which is 1Gi",
    ),
    "a default limit that follows from the greatest": (
        {"quota": {"limits.cpu": 1}, "container_limits": {"max": {"cpu": 2}}},
        ".container_limits.default.cpu is 2: must not be above quota.limits.cpu, which is 1",
    ),
    "a request that follows from the limit": (
        {"quota": {"memory": "1Gi"}, "container_limits": {"default": {"memory": "2Gi"}}},
        ".container_limits.default_request.memory is 2Gi: must not be above quota.requests.memory",
    ),
    "a least request that nobody may have": (
        {"quota": {"requests.cpu": "100m"}, "container_limits": {"min": {"cpu": "200m"}}},
        ".container_limits.min.cpu is 200m: must not be above quota.requests.cpu",
    ),
    "a request above the limit": (
        {"container_limits": {"default": {"cpu": 1}, "default_request": {"cpu": 2}}},
        ".container_limits.default_request.cpu is 2: must not be above default.cpu, which is 1",
    ),
    "a limit above the greatest": (
        {"container_limits": {"default": {"cpu": 2}, "max": {"cpu": 1}}},
        ".container_limits.default.cpu is 2: must not be above max.cpu, which is 1",
    ),
    "the least above the greatest": (
        {"container_limits": {"min": {"cpu": 2}, "max": {"cpu": 1}}},
        ".container_limits.min.cpu is 2: must not be above max.cpu, which is 1",
    ),
    "a limit that is none": (
        {"container_limits": {"max": {"memory": "1GB"}}},
        ".container_limits.max.memory is 1GB: must be a quantity",
    ),
    "a volume above the quota": (
        {"quota": {"requests.storage": "10Gi"}, "volume_limits": {"max": "20Gi"}},
        ".volume_limits.max is 20Gi: must not be above quota.requests.storage, which is 10Gi",
    ),
    "the least volume above the greatest": (
        {"volume_limits": {"min": "2Gi", "max": "1Gi"}},
        ".volume_limits.min is 2Gi: must not be above max, which is 1Gi",
    ),
    "a namespace of the cluster": (
        {"name": "kube-system"},
        "kube-system: must not be a namespace of the cluster's",
    ),
    "the engine's namespace": ({"name": "groundwork-system"}, "must not be a namespace of the cluster's own"),
    "a name with capitals": ({"name": "Shop"}, ".Shop: must be of lower case letters"),
    "a label of Pod Security": (
        {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        ".labels has pod-security.kubernetes.io/enforce: it is set by the role",
    ),
    "a namespace that is none": (
        {"network": {"from_namespaces": ["Traefik"]}},
        ".network.from_namespaces has Traefik: must be the name of a namespace",
    ),
    "a policy of our name": (
        {"network": {"policies": {"groundwork-dns": {}}}},
        ".network.policies.groundwork-dns: must be a name for an object that does not begin with groundwork-",
    ),
    "a policy with an unknown key": (
        {"network": {"policies": {"a": {"ingres": []}}}},
        ".network.policies.a.ingres: is not known",
    ),
    "a policy that is a text": (
        {"network": {"policies": {"a": "all"}}},
        ".network.policies.a: must be of type object",
    ),
    "from in what goes out": (
        {"network": {"policies": {"a": {"egress": [{"from": []}]}}}},
        ".network.policies.a.egress[0].from: is not known",
    ),
    "an address in place of a network": (
        {"network": {"policies": {"a": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1"}}]}]}}}},
        ".network.policies.a.egress[0].to[0].ipBlock.cidr: '10.0.0.1' must match",
    ),
    "a peer without its network": (
        {"network": {"policies": {"a": {"ingress": [{"from": [{"ipBlock": {"except": ["10.0.0.0/8"]}}]}]}}}},
        ".network.policies.a.ingress[0].from[0].ipBlock.cidr: is missing",
    ),
    "ports that are no list": (
        {"network": {"policies": {"a": {"ingress": [{"ports": 80}]}}}},
        ".network.policies.a.ingress[0].ports: must be of type array",
    ),
    "everybody": ({"access": [{"group": "system:authenticated", "role": "view"}]}, "not everybody"),
    "the whole cluster": (
        {"access": [{"group": "shop", "role": "cluster-admin"}]},
        ".access.shop has the role 'cluster-admin': must be a ClusterRole that leaves quota and policies",
    ),
    "a Secret of two sources": (
        {
            "registry_secrets": [
                {
                    "name": "r",
                    "from_secret": {"namespace": "a", "name": "b"},
                    "from_store": {"name": "s", "key": "k"},
                }
            ]
        },
        ".registry_secrets.r: can have from_secret or from_store, not both",
    ),
    "a Secret of itself": (
        {"registry_secrets": [{"name": "r", "from_secret": {"namespace": "shop", "name": "r"}}]},
        ".registry_secrets.r.from_secret: must not be the Secret itself",
    ),
    "a Secret twice": (
        {"registry_secrets": [{"name": "r"}, {"name": "r"}]},
        ".registry_secrets.r: is there twice",
    ),
    "a Secret that is a path": (
        {"registry_secrets": [{"name": "r", "from_secret": {"namespace": "a/b", "name": "c"}}]},
        ".registry_secrets.r.from_secret.namespace is 'a/b': must be a name",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_can_not_be_is_refused(case: str) -> None:
    given, line = IMPOSSIBLE[case]
    wrong = checks.violations([tenant(**given)])
    assert any(line in found and found.startswith("k8s_tenants_namespaces.") for found in wrong), wrong


def test_the_same_name_twice_is_refused() -> None:
    assert checks.violations([tenant(), tenant()]) == ["k8s_tenants_namespaces has shop twice"]


def test_what_can_be_is_not() -> None:
    given = {
        "quota": {
            "cpu": "500m",
            "limits.cpu": "0.5",
            "limits.memory": "1Gi",
            "pods": 0,
            "count/jobs.batch": "10",
            "requests.nvidia.com/gpu": 1,
            "fast.storageclass.storage.k8s.io/requests.storage": "5Gi",
            "services.loadbalancers": 0,
        },
        "container_limits": {
            "min": {"cpu": "10m"},
            "default_request": {"cpu": "0.1", "memory": "64Mi"},
            "default": {"cpu": "100m", "memory": "1024Mi"},
            "max": {"memory": "1Gi"},
        },
        "volume_limits": {"min": "1Gi", "max": "1024Mi"},
        "network": {
            "policies": {
                "a": {
                    "podSelector": {"matchLabels": {"app": "a"}},
                    "policyTypes": ["Ingress"],
                    "ingress": [
                        {},
                        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
                    ],
                }
            }
        },
        "access": [{"group": "system:serviceaccounts:ci", "role": "edit"}],
    }
    assert checks.violations(model.parse({}, [{"name": "a-1", **given}])) == []
