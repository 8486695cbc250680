"""What a cluster gets of a declaration: values of the chart, and objects that shut jobs in."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.filter import gitlab_runner as filters
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import kubernetes, model

ENTRY: dict[str, Any] = {
    "name": "shop-build",
    "project": "shop/api",
    "kubernetes": ["one"],
    "image": "debian:13",
    "tags": ["build"],
    "concurrency": 2,
    "egress": [{"to": "198.51.100.7/32", "ports": [443]}],
}
OTHER = {**ENTRY, "name": "blog-build", "project": "blog/site", "pull_policies": ["if-not-present", "always"]}


def objects(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return filters.gitlab_runner_objects(list(entries), "one", **more)


def test_each_runner_has_a_namespace_of_its_own() -> None:
    found = objects(ENTRY, OTHER, {**ENTRY, "name": "elsewhere", "kubernetes": ["two"]})
    namespaces = sorted(key for key in found if key.startswith("Namespace/"))
    assert namespaces == ["Namespace/ci-blog-build", "Namespace/ci-shop-build"]
    metadata = found["Namespace/ci-shop-build"]["metadata"]
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert metadata["annotations"] == {"groundwork.platform/pull-policies": "Always"}
    other = found["Namespace/ci-blog-build"]["metadata"]["annotations"]
    assert other == {"groundwork.platform/pull-policies": "IfNotPresent,Always"}
    kinds = {key.split("/")[0] for key in found if "/ci-shop-build/" in key}
    assert kinds == {"LimitRange", "NetworkPolicy", "ResourceQuota", "Role", "RoleBinding", "ServiceAccount"}
    assert found["ServiceAccount/ci-shop-build/job"]["automountServiceAccountToken"] is False


def test_the_network_is_shut_but_for_what_is_declared() -> None:
    spec = objects(ENTRY)["NetworkPolicy/ci-shop-build/jobs"]["spec"]
    assert (spec["podSelector"], spec["policyTypes"], spec["ingress"]) == ({}, ["Ingress", "Egress"], [])
    names, declared = spec["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert declared == {
        "to": [{"ipBlock": {"cidr": "198.51.100.7/32"}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    }


def test_quotas_are_of_the_runner_or_of_all() -> None:
    quotas = {"": {"cpu": "10"}, "shop-build": {"memory": "1Gi", "pods": 5}}
    found = objects(ENTRY, OTHER, quotas=quotas)
    hard = found["ResourceQuota/ci-shop-build/jobs"]["spec"]["hard"]
    assert (hard["pods"], hard["limits.cpu"], hard["limits.memory"]) == ("5", "10", "1Gi")
    assert found["ResourceQuota/ci-blog-build/jobs"]["spec"]["hard"]["limits.memory"] == "16Gi"


def test_the_manager_may_do_nothing_outside_of_jobs() -> None:
    found = objects(ENTRY)
    assert not any(key.startswith("ClusterRole") for key in found)
    verbs = {verb for rule in found["Role/ci-shop-build/gitlab-runner"]["rules"] for verb in rule["verbs"]}
    assert "*" not in verbs
    (subject,) = found["RoleBinding/ci-shop-build/gitlab-runner"]["subjects"]
    assert (subject["name"], subject["namespace"]) == ("gitlab-runner", "gitlab-runner")


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("registry.example.com/shop/app:1", True),
        ("registry.example.com/shop/deep/app:1", False),
        ("registry.example.com/any/deep/app@sha256:0", True),
        ("registry.example.com.evil/any/app", False),
        ("evil/registry.example.com/shop/app", False),
        ("debian:13", True),
        ("debian:12", False),
        ("registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v18", True),
    ],
)
def test_patterns_of_images_mean_the_same_to_the_cluster(image: str, allowed: bool) -> None:
    patterns = ["registry.example.com/shop/*", "registry.example.com/any/**"]
    (runner,) = model.parse([{**ENTRY, "allowed_images": patterns}])
    assert bool(re.search(kubernetes.image_pattern(runner), image)) is allowed


def test_values_start_the_manager_again_when_the_declaration_changes() -> None:
    def values(*entries: dict[str, Any]) -> dict[str, Any]:
        return filters.gitlab_runner_values(list(entries), "one", "https://gitlab.example.com")

    first = values(ENTRY)
    assert first["runners"] == {"config": "", "secret": "gitlab-runner-config"}
    assert first["concurrent"] == 2
    assert first["unregisterRunners"] is False
    assert first["podAnnotations"] != values({**ENTRY, "image": "debian:12"})["podAnnotations"]
    assert first == values(ENTRY)
    assert "glrt" not in yaml.safe_dump(first)


def test_the_admission_policy_comes_with_them() -> None:
    found = objects(ENTRY)
    policy = found["ValidatingAdmissionPolicy/gitlab-runner-jobs"]["spec"]
    assert policy["failurePolicy"] == "Fail"
    binding = found["ValidatingAdmissionPolicyBinding/gitlab-runner-jobs"]["spec"]
    (expression,) = binding["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert expression == {"key": kubernetes.LABEL, "operator": "Exists"}
    assert kubernetes.LABEL in found["Namespace/ci-shop-build"]["metadata"]["labels"]
