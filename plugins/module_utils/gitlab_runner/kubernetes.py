# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runners in a cluster: values for the catalog's entry `gitlab-runner`, and the objects that shut jobs in.

One manager serves all runners of a cluster. The jobs of each run in a namespace of their own, as a service
account that may do nothing. Nothing of that can be chosen by a job: the configuration has no overwrites, and
an admission policy refuses pods that differ all the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Dict, List, Mapping, Sequence

from .config import Settings, desired, namespace
from .model import Runner

ADDON = "gitlab-runner"
MANAGER_NAMESPACE = "gitlab-runner"
MANAGER_ACCOUNT = "gitlab-runner"
JOB_ACCOUNT = "job"
SECRET = "gitlab-runner-config"  # noqa: S105  # because it is the name of a Secret, not what is in it
LABEL = "groundwork.platform/gitlab-runner"
PULL_POLICIES = "groundwork.platform/pull-policies"
IMAGES = "groundwork.platform/images"

_KUBERNETES_POLICY = {"always": "Always", "if-not-present": "IfNotPresent", "never": "Never"}
# gitlab-runner's own, which clones the repository and moves artifacts.
HELPER_IMAGES = ("registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:*",)

# What the Kubernetes executor does in the namespace of jobs.
_MANAGER_RULES = (
    (("",), ("pods",), ("create", "delete", "get", "list", "watch")),
    (("",), ("pods/attach", "pods/exec"), ("create", "delete", "get", "patch")),
    (("",), ("pods/log",), ("get", "list")),
    (("",), ("secrets", "configmaps"), ("create", "delete", "get", "update")),
    (("",), ("serviceaccounts",), ("get",)),
    (("",), ("events",), ("list", "watch")),
)

Object = Dict[str, Any]


def values(runners: Sequence[Runner], cluster: str, settings: Settings) -> Object:
    """Values of the chart. The manager starts again when the declaration changes."""
    document = desired(runners, cluster, settings)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {
        "gitlabUrl": settings.url,
        "concurrent": document["concurrent"],
        "checkInterval": document["check_interval"],
        # The runners stay at GitLab when the manager goes: they belong to the declaration.
        "unregisterRunners": False,
        "rbac": {"create": False},
        "serviceAccount": {"create": True, "name": MANAGER_ACCOUNT},
        "runners": {"config": "", "secret": SECRET},
        "secrets": [{"name": SECRET, "items": [{"key": "config.toml", "path": "config.toml"}]}],
        # The chart registers one runner; this is all of them.
        "preEntrypointScript": (
            "install -m 0600 /secrets/config.toml /home/gitlab-runner/.gitlab-runner/config.toml\n"
        ),
        "podAnnotations": {"groundwork.platform/declaration": digest[:16]},
    }


def objects(
    runners: Sequence[Runner], quotas: Mapping[str, Any], policy: Sequence[Mapping[str, Any]]
) -> Dict[str, Object]:
    """All objects, as `k8s_addons_resources` wants them: by ``Kind/namespace/name`` or ``Kind/name``.

    ``quotas`` has ``{"pods", "cpu", "memory"}`` by the runner's name, and for all others
    under the empty name.
    ``policy`` are the role's objects of the admission policy.
    """
    found: List[Mapping[str, Any]] = list(policy)
    for runner in runners:
        quota = {**quotas.get("", {}), **quotas.get(runner.name, {})}
        found.extend(_of_runner(runner, quota))
    return {_key(entry): dict(entry) for entry in found}


def _key(entry: Mapping[str, Any]) -> str:
    metadata = entry["metadata"]
    return "/".join(
        [entry["kind"], *([metadata["namespace"]] if "namespace" in metadata else []), metadata["name"]]
    )


def _of_runner(runner: Runner, quota: Mapping[str, Any]) -> List[Object]:
    where = namespace(runner)
    return [
        _namespace(runner),
        _object("v1", "ServiceAccount", where, JOB_ACCOUNT, automountServiceAccountToken=False),
        _object("v1", "ResourceQuota", where, "jobs", spec={"hard": _hard(runner, quota)}),
        _object("v1", "LimitRange", where, "jobs", spec={"limits": [_limits()]}),
        _object("networking.k8s.io/v1", "NetworkPolicy", where, "jobs", spec=_network(runner)),
        _object("rbac.authorization.k8s.io/v1", "Role", where, MANAGER_ACCOUNT, rules=_rules()),
        _object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            where,
            MANAGER_ACCOUNT,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": MANAGER_ACCOUNT},
            subjects=[{"kind": "ServiceAccount", "name": MANAGER_ACCOUNT, "namespace": MANAGER_NAMESPACE}],
        ),
    ]


def _object(version: str, kind: str, where: str, name: str, **content: Any) -> Object:
    metadata = {"name": name, "namespace": where}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _namespace(runner: Runner) -> Object:
    security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    annotations = {
        PULL_POLICIES: ",".join(_KUBERNETES_POLICY[policy] for policy in runner.pull_policies),
        IMAGES: image_pattern(runner),
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": namespace(runner),
            "labels": {LABEL: runner.name, **security},
            "annotations": {key: value for key, value in annotations.items() if value},
        },
    }


def image_pattern(runner: Runner) -> str:
    """A regular expression for the images that pods may have; empty where all are allowed.

    gitlab-runner's own patterns know ``*`` for anything but a slash, and ``**`` for anything.
    """
    if not runner.allowed_images:
        return ""
    allowed = (*runner.allowed_images, *runner.allowed_services, runner.image, *HELPER_IMAGES)
    parts = []
    for pattern in dict.fromkeys(allowed):
        words = re.split(r"(\*\*|\*)", pattern)
        parts.append("".join({"**": ".*", "*": "[^/]*"}.get(word, re.escape(word)) for word in words))
    return f"^({'|'.join(parts)})$"


def _hard(runner: Runner, quota: Mapping[str, Any]) -> Object:
    return {
        "pods": str(quota.get("pods", runner.concurrency)),
        "limits.cpu": str(quota.get("cpu", runner.concurrency * 4)),
        "limits.memory": str(quota.get("memory", f"{runner.concurrency * 8}Gi")),
        "persistentvolumeclaims": "0",
        "services": "0",
    }


def _limits() -> Object:
    return {
        "type": "Container",
        "default": {"cpu": "1", "memory": "1Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
    }


def _network(runner: Runner) -> Object:
    """Nothing comes in; out go names to the cluster's resolver, and what is declared."""
    names = {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }
    declared = [
        {
            "to": [{"ipBlock": {"cidr": rule.to}}],
            "ports": [{"protocol": "TCP", "port": port} for port in rule.ports],
        }
        for rule in runner.egress
    ]
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [names, *declared],
    }


def _rules() -> List[Object]:
    return [
        {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}
        for groups, resources, verbs in _MANAGER_RULES
    ]
