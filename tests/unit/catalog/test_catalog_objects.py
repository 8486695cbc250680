"""Objects beside the charts: custom resources meet their definitions, policies cover what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import catalog

from .crds import definitions, violations
from .entries import runs, the_catalog
from .shipped import CATALOG, ENTRIES, load_all

FILES = sorted(
    path for kind in ("policies", "resources", "monitors") for path in CATALOG.glob(f"*/{kind}/*.yml")
)
NAMES = [str(path.relative_to(CATALOG)) for path in FILES]
BUILT_IN = {
    "v1",
    "admissionregistration.k8s.io/v1",
    "apps/v1",
    "batch/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
}
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.fixture(scope="module")
def served(contracts: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return definitions(contracts)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_custom_resources_meet_their_definitions(path: Path, served: dict[Any, Any]) -> None:
    for thing in load_all(path):
        kind = thing["apiVersion"], thing["kind"]
        if thing["apiVersion"] in BUILT_IN:
            continue
        assert kind in served, f"{kind} is not served"
        assert violations(thing, served[kind]["schema"]) == []
        assert ("namespace" in thing["metadata"]) == (served[kind]["scope"] == "Namespaced")


def test_alerts_meet_their_definition(served: dict[Any, Any]) -> None:
    for entry in the_catalog().values():
        for rule in catalog.alerts(entry):
            assert violations(rule, served[rule["apiVersion"], rule["kind"]]["schema"]) == []


def test_a_field_that_is_not_known_is_found(served: dict[Any, Any]) -> None:
    issuer = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": "demo"},
        "spec": {"selfSinged": {}},
    }
    assert "selfSinged" in "".join(
        violations(issuer, served["cert-manager.io/v1", "ClusterIssuer"]["schema"])
    )


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_objects_say_where_they_are(path: Path) -> None:
    """No object lands where a kubeconfig happens to point at, or in another addon's namespace."""
    entry = the_catalog()[path.parent.parent.name]
    own = {entry.namespace.name} if entry.namespace else set()
    made = {
        thing["metadata"]["name"]
        for file in (CATALOG / entry.id).glob("resources/*.yml")
        for thing in load_all(file)
        if thing["kind"] == "Namespace"
    }
    for thing in load_all(path):
        if thing["apiVersion"] in BUILT_IN:
            assert ("namespace" in thing["metadata"]) == (thing["kind"] not in CLUSTER_WIDE)
        if "namespace" in thing["metadata"]:
            assert thing["metadata"]["namespace"] in own | made


@pytest.mark.parametrize("name", ENTRIES)
def test_no_object_is_there_twice(name: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for path in FILES:
        if path.parent.parent.name != name:
            continue
        for thing in load_all(path):
            key = (
                thing["apiVersion"],
                thing["kind"],
                thing["metadata"].get("namespace", ""),
                thing["metadata"]["name"],
            )
            assert key not in seen
            seen.add(key)


@pytest.mark.parametrize("name", [name for name in ENTRIES if runs(name)])
def test_every_pod_of_an_addon_is_under_a_policy(name: str) -> None:
    policies = [thing for path in (CATALOG / name / "policies").glob("*.yml") for thing in load_all(path)]
    everything = [policy for policy in policies if policy["spec"]["podSelector"] == {}]
    assert any("Ingress" in policy["spec"]["policyTypes"] for policy in everything)


def test_prometheus_reaches_what_monitors_name() -> None:
    """Metrics of an addon are read from the namespace that the addon that provides `metrics` runs in."""
    homes = {
        entry.namespace.name
        for entry in the_catalog().values()
        if entry.namespace and "metrics" in entry.provides
    }
    for name in ENTRIES:
        if not (CATALOG / name / "monitors").is_dir():
            continue
        ports = [
            (rule.get("from"), rule.get("ports"))
            for path in (CATALOG / name / "policies").glob("*.yml")
            for policy in load_all(path)
            for rule in policy["spec"].get("ingress", ())
        ]
        reached = [
            peers is None
            or any(
                peer["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name") in homes
                for peer in peers
                if "namespaceSelector" in peer
            )
            for peers, _ports in ports
        ]
        assert any(reached), name
