"""Tenants on a real API, by an account that has no more rights than the role documents."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.plan import PlanError

from tests.integration.addons.accounts import account
from tests.integration.addons.catalogs import definition
from tests.integration.addons.tenants import CLUSTER_ROLE, Tenants
from tests.unit.catalog.shipped import CONTRACTS, there

READS = 8
STORED = "externalsecrets.external-secrets.io"
DEFAULTS: dict[str, Any] = {
    "quota": {"requests.cpu": "0.5", "limits.memory": "2048Mi", "pods": 3, "requests.storage": "10Gi"},
    "container_limits": {"default": {"memory": "256Mi"}, "default_request": {"cpu": "100m"}},
    "volume_limits": {"max": "5Gi"},
}


@pytest.fixture(scope="module")
def tenants(admin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """A cluster with a store for Secrets and a login to a registry, and no tenants."""
    kubeconfig = account(admin, "tenants", CLUSTER_ROLE, tmp_path_factory.mktemp("tenants"))
    made = Tenants(admin, kubeconfig)
    made.create(store_kinds())
    login = {
        ".dockerconfigjson": json.dumps({"auths": {"registry.example.com": {"auth": "b3BlbnNlc2FtZQ=="}}})
    }
    source = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "tenants"}}
    made.create({**source, "type": "kubernetes.io/dockerconfigjson", "stringData": login})
    made.kubectl("wait", "--for=condition=Established", f"customresourcedefinition/{STORED}")
    yield made
    made.run(state="absent", remove_volumes=True)
    made.kubectl("delete", "customresourcedefinition", STORED)


def store_kinds() -> dict[str, Any]:
    """The real definition where the contracts are, and one that takes any spec elsewhere."""
    if not there():
        return definition("ExternalSecret", "external-secrets.io")
    path = CONTRACTS / "external-secrets" / "crds" / f"{STORED}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def everything(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {"team": name},
        "network": {
            "from_namespaces": ["traefik"],
            "internet": True,
            "policies": {"metrics": {"ingress": [{}]}},
        },
        "access": [{"group": f"{name}-developers", "role": "edit"}, {"group": "auditors", "role": "view"}],
        "registry_secrets": [
            {"name": "copied", "from_secret": {"namespace": "tenants", "name": "login"}},
            {"name": "fetched", "pull": False, "from_store": {"name": "openbao", "key": "registry/shop"}},
        ],
    }


def pod(name: str, namespace: str, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": "registry.test/main:1",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    **container,
                }
            ],
        },
    }


def denied(tenants: Tenants, thing: dict[str, Any]) -> str:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        tenants.create(thing)
    return str(caught.value.stderr)


def claim(tenants: Tenants, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "data", "namespace": namespace}
    tenants.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})


def test_check_converge_and_once_more(tenants: Tenants) -> None:
    given = [everything("shop"), {"name": "blog"}]
    before = tenants.fingerprint()
    told = tenants.run(*given, defaults=DEFAULTS, check=True)
    assert told["changed"]
    assert tenants.fingerprint() == before
    done = tenants.run(*given, defaults=DEFAULTS)
    assert done["plan"] == told["plan"]
    assert "opensesame" not in json.dumps(done)
    before = tenants.fingerprint()
    again = tenants.run(*given, defaults=DEFAULTS)
    assert (again["changed"], again["plan"], tenants.lines) == (False, [], [])
    # One more for the Secret that is copied; as many for two tenants as for twenty.
    assert again["stats"]["calls"] == READS + 1
    assert tenants.fingerprint() == before


def test_the_number_of_reads_does_not_grow_with_tenants(tenants: Tenants) -> None:
    given = [{"name": f"many-{number}"} for number in range(10)]
    tenants.run(*given)
    assert tenants.run(*given)["stats"]["calls"] == READS


def test_bounds_hold(tenants: Tenants) -> None:
    tenants.run({"name": "bound"}, defaults=DEFAULTS)
    root = pod("root", "bound", securityContext={"privileged": True})
    assert 'violates PodSecurity "restricted' in denied(tenants, root)
    tenants.create(pod("small", "bound"))
    made = tenants.get("pod", "small", "bound") or {}
    resources = made["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}}
    greedy = pod("greedy", "bound", resources={"requests": {"cpu": "450m"}})
    assert "exceeded quota: groundwork-quota" in denied(tenants, greedy)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "6Gi"}}}
    metadata = {"name": "big", "namespace": "bound"}
    big = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    assert "maximum storage usage per PersistentVolumeClaim is 5Gi" in denied(tenants, big)


def test_groups_may_what_their_role_says(tenants: Tenants) -> None:
    tenants.run(everything("rights"), {"name": "others"})
    assert tenants.may("rights-developers", "create", "pods", "rights")
    assert not tenants.may("rights-developers", "create", "pods", "others")
    assert not tenants.may("rights-developers", "update", "resourcequotas", "rights")
    assert tenants.may("auditors", "list", "pods", "rights")
    assert not tenants.may("auditors", "create", "pods", "rights")
    without = {**everything("rights"), "access": []}
    tenants.run(without, {"name": "others"})
    assert not tenants.may("rights-developers", "create", "pods", "rights")


def test_registry_logins_come_by_reference(tenants: Tenants) -> None:
    tenants.run(everything("pulls"))
    copied = tenants.get("secret", "copied", "pulls") or {}
    source = tenants.get("secret", "login", "tenants") or {}
    assert (copied["type"], copied["data"]) == (source["type"], source["data"])
    account_of_pods = tenants.get("serviceaccount", "default", "pulls") or {}
    assert account_of_pods["imagePullSecrets"] == [{"name": "copied"}]
    fetched = tenants.get("externalsecrets", "fetched", "pulls") or {}
    assert fetched["spec"]["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "openbao"}
    tenants.run({"name": "pulls"})
    assert tenants.get("secret", "copied", "pulls") is None
    assert tenants.get("externalsecrets", "fetched", "pulls") is None
    account_of_pods = tenants.get("serviceaccount", "default", "pulls") or {}
    assert "imagePullSecrets" not in account_of_pods


def test_what_somebody_has_changed_is_put_back(tenants: Tenants) -> None:
    tenants.run(everything("drifts"), defaults=DEFAULTS)
    tenants.kubectl("delete", "networkpolicy", "groundwork-default-deny", "--namespace=drifts")
    patch = '--patch={"spec":{"hard":{"pods":"1000","services":"1"}}}'
    tenants.kubectl("patch", "resourcequota", "groundwork-quota", "--namespace=drifts", "--type=merge", patch)
    level = "pod-security.kubernetes.io/enforce=privileged"
    tenants.kubectl("label", "--overwrite", "namespace", "drifts", level, "theirs=yes")
    result = tenants.run(everything("drifts"), defaults=DEFAULTS)
    assert [(change["kind"], change["key"]) for change in result["plan"]] == [
        ("update", "Namespace drifts"),
        ("update", "ResourceQuota drifts/groundwork-quota"),
        ("create", "NetworkPolicy drifts/groundwork-default-deny"),
    ]
    labels = (tenants.get("namespace", "drifts") or {})["metadata"]["labels"]
    assert (labels["pod-security.kubernetes.io/enforce"], labels["theirs"]) == ("restricted", "yes")
    quota = tenants.get("resourcequota", "groundwork-quota", "drifts") or {}
    assert quota["spec"]["hard"]["pods"] == "3"


def test_a_key_that_somebody_adds_to_a_quota_is_told_once_and_goes(tenants: Tenants) -> None:
    tenants.run({"name": "adds"}, defaults=DEFAULTS)
    patch = '--patch={"spec":{"hard":{"services":"1"}}}'
    tenants.kubectl("patch", "resourcequota", "groundwork-quota", "--namespace=adds", "--type=merge", patch)
    assert tenants.run({"name": "adds"}, defaults=DEFAULTS)["changed"]
    quota = tenants.get("resourcequota", "groundwork-quota", "adds") or {}
    assert "services" not in quota["spec"]["hard"]
    assert not tenants.run({"name": "adds"}, defaults=DEFAULTS)["changed"]


def test_what_a_tenant_needs_and_is_not_there(tenants: Tenants) -> None:
    missing = {"name": "r", "from_secret": {"namespace": "tenants", "name": "nowhere"}}
    why = tenants.refused({"name": "needs", "registry_secrets": [missing]})
    assert "the Secret tenants/nowhere" in why
    assert "must be a quantity" in tenants.refused({"name": "needs", "quota": {"pods": "lots"}})


def test_a_role_that_may_not_be_given_fails_with_its_object(tenants: Tenants) -> None:
    """The account may bind admin, edit and view: the API server refuses it others."""
    given = {"name": "reaches", "access": [{"group": "g", "role": "system:node"}]}
    with pytest.raises(PlanError, match="403 Forbidden") as caught:
        tenants.run(given)
    assert caught.value.result()["failed_change"]["key"] == "RoleBinding reaches/groundwork-system:node"


def test_an_unlisted_tenant_is_told_and_goes_on_demand_but_not_with_its_volumes(tenants: Tenants) -> None:
    tenants.run({"name": "stays"}, {"name": "former"})
    claim(tenants, "former")
    result = tenants.run({"name": "stays"})
    assert not result["changed"]
    assert "former" in result["unlisted"]
    assert [line for line in tenants.lines if "kept without k8s_tenants_prune" in line and "former" in line]
    why = tenants.refused({"name": "another"}, prune=True)
    assert (
        "former holds volumes (data), which would be lost: delete them, or set k8s_tenants_remove_volumes"
        in why
    )
    assert "former holds volumes" in tenants.refused(state="absent")
    told = tenants.run({"name": "stays"}, prune=True, remove_volumes=True, check=True)
    assert ("delete", "Namespace former") in [(change["kind"], change["key"]) for change in told["plan"]]
    assert tenants.get("namespace", "former") is not None
    tenants.run({"name": "stays"}, prune=True, remove_volumes=True)
    assert tenants.get("namespace", "former") is None
    assert "former: removed" in tenants.lines
    assert tenants.get("namespace", "stays") is not None


def test_a_namespace_of_somebody_else(tenants: Tenants) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "theirs", "labels": {"kept": "yes"}},
    }
    tenants.create(theirs)
    claim(tenants, "theirs")
    assert "somebody else has made the namespace" in tenants.refused({"name": "theirs"})
    given = {**everything("theirs"), "adopt": True}
    tenants.run(given)
    assert not tenants.run(given)["changed"]
    assert tenants.get("networkpolicy", "groundwork-default-deny", "theirs") is not None
    # Its volumes are safe: the namespace is not ours to delete.
    tenants.run(state="absent")
    home = tenants.get("namespace", "theirs") or {}
    assert (home["status"]["phase"], home["metadata"]["labels"]["kept"]) == ("Active", "yes")
    assert "pod-security.kubernetes.io/enforce" not in home["metadata"]["labels"]
    listed = tenants.kubectl(
        "get", "networkpolicies,resourcequotas,rolebindings", "--namespace=theirs", "--output=name"
    )
    assert listed.strip() == ""
    assert tenants.get("persistentvolumeclaim", "data", "theirs") is not None
    tenants.kubectl("delete", "namespace", "theirs", "--wait=false")
    assert "the namespace is being deleted" in tenants.refused({**given, "adopt": True})
