"""Entries on a real API by the engine, with the rights that it documents: in, again, changed, and out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import session
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import Entry, Probe
from ansible_collections.groundwork.platform.plugins.module_utils.addons.objects import OWNER_LABEL

from lab.kubernetes import build, client
from lab.process import CommandError
from tests.unit.catalog.entries import the_catalog
from tests.unit.catalog.shipped import CATALOG, NO_CONTRACTS, there

from . import stubs

SELECTION = (
    "gateway-api-crds",
    "alloy",
    "argo-cd",
    "cert-manager",
    "cloudnative-pg",
    "envoy-gateway",
    "gitlab-runner",
    "ingress-nginx",
    "keda",
    "loki",
    "openbao",
    "platform-alerts",
    "prometheus-operator-crds",
    "reloader",
    "sealed-secrets",
    "vault",
    "velero",
    "victoria-metrics-k8s-stack",
)
SECRETS = {
    "gitlab-runner": {"gitlab-runner": {"runner-token": "glrt-of-nobody"}},
    "velero": {"velero-repo-credentials": {"repository-password": "of-nobody"}},
    "victoria-metrics-k8s-stack": {"grafana-admin": {"admin-user": "admin", "admin-password": "of-nobody"}},
}
ROLE = CATALOG.parent / "clusterrole.yml"
ACCOUNT = "system:serviceaccount:trial:trial"
MANAGER = "system:serviceaccount:gitlab-runner:gitlab-runner"
# Made anew by Kubernetes in each namespace.
ALWAYS = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


@dataclass(frozen=True)
class Trial:
    admin: Path
    kubeconfig: Path
    mirror: Path
    cache: Path

    def run(self, **arguments: Any) -> dict[str, Any]:
        """One task of the engine over the selection."""
        given = {
            "state": "present",
            "kubeconfig": str(self.kubeconfig),
            "context": "",
            "selection": list(SELECTION),
            "environment": "lab",
            "environment_values": {},
            "values": {},
            "inline_values": {},
            "resources": {},
            "secrets": SECRETS,
            "prune": False,
            "remove_crds": False,
            "repair": False,
            "charts_mirror": str(self.mirror),
            "unavailable": "refuse",
            "helm": str(build.program("helm")),
            "cache": str(self.cache),
            "workers": 6,
            **arguments,
        }
        schema = str(CATALOG / "addon.schema.json")
        return dict(session.answer(given, [str(CATALOG)], schema, "trial", lambda _line: None, False, False))

    def listed(self, kinds: str, namespace: str = "") -> list[dict[str, Any]]:
        where = f"--namespace={namespace}" if namespace else "--all-namespaces"
        text = client.kubectl(self.admin, "get", kinds, where, "--output=json")
        return list(json.loads(text)["items"])


def entries() -> list[Entry]:
    return [the_catalog()[name] for name in SELECTION]


@pytest.fixture(scope="module")
def trial(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    if not there():
        pytest.skip(NO_CONTRACTS)
    folder = tmp_path_factory.mktemp("trial")
    role = ROLE.read_text()
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "trial"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": yaml.safe_load(role)["metadata"]["name"],
        },
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": ACCOUNT}],
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trial"}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "trial", "namespace": "trial"},
    }
    client.apply(cluster, [yaml.safe_load(role), namespace, account, binding])
    token = client.kubectl(cluster, "create", "token", "trial", "--namespace=trial", "--duration=1h").strip()
    config = yaml.safe_load(cluster.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(yaml.safe_dump(config))
    made = Trial(cluster, kubeconfig, stubs.mirror(entries(), folder), folder / "cache")
    over = threading.Event()
    controllers = threading.Thread(target=report, args=(cluster, over))
    controllers.start()
    try:
        yield made
    finally:
        over.set()
        controllers.join()


def report(admin: Path, over: threading.Event) -> None:
    """In place of the controllers: the conditions that entries wait for, on objects once they are there."""
    left = [probe for entry in entries() for probe in (*entry.waits, *entry.health) if probe.object_kind]
    while left and not over.wait(2):
        left = [probe for probe in left if not reported(admin, probe)]


def reported(admin: Path, probe: Probe) -> bool:
    condition = {
        "type": probe.condition,
        "status": probe.status,
        "reason": "Stub",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    group = probe.api_version.partition("/")[0]
    where = [f"--namespace={probe.namespace}"] if probe.namespace else []
    try:
        client.kubectl(
            admin,
            *("patch", f"{probe.object_kind}.{group}", probe.name, *where),
            *("--subresource=status", "--type=merge"),
            f"--patch={json.dumps({'status': {'conditions': [condition]}})}",
        )
    except CommandError:
        return False
    return True


@pytest.fixture(scope="module")
def installed(trial: Trial) -> dict[str, Any]:
    return trial.run()


def test_all_go_in(installed: dict[str, Any], trial: Trial) -> None:
    assert installed["changed"]
    again = trial.run()
    assert not again["changed"]
    assert (again["stats"]["calls"], again["stats"]["processes"]) == (2, 0)


def test_one_that_nobody_maintains_is_warned_of(installed: dict[str, Any]) -> None:
    (warning,) = [text for text in installed["warnings"] if "ingress-nginx" in text]
    assert "traefik" in warning
    assert "envoy-gateway" in warning


def test_definitions_of_other_addons_are_not_touched(installed: dict[str, Any], trial: Trial) -> None:
    names = {thing["metadata"]["name"] for thing in trial.listed("customresourcedefinitions")}
    assert "envoyproxies.gateway.envoyproxy.io" in names
    assert "foreigns.stubs.example.com" not in names


def test_a_change_leaves_it_to_people_to_replace_what_comes_back_sealed(
    installed: dict[str, Any], trial: Trial
) -> None:
    names = ("openbao", "vault")
    before = {name: pods(trial, name) for name in names}
    assert trial.run(values={name: {"server": {"logLevel": "debug"}} for name in names})["changed"]
    assert {name: pods(trial, name) for name in names} == before
    for name in names:
        (found,) = trial.listed("statefulsets", name)
        assert found["status"]["currentRevision"] != found["status"]["updateRevision"]


def pods(trial: Trial, namespace: str) -> set[str]:
    return {thing["metadata"]["uid"] for thing in trial.listed("pods", namespace)}


JOB: dict[str, Any] = {
    "serviceAccountName": "job",
    "automountServiceAccountToken": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "volumes": [{"name": "builds", "emptyDir": {}}],
    "containers": [
        {
            "name": "build",
            "image": "registry.test/build:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}
CONTAINER = JOB["containers"][0]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another service account": ({"serviceAccountName": "default"}, "as the service account job"),
    "a token": ({"automountServiceAccountToken": True}, "has no token"),
    "privilege": (
        {"containers": [{**CONTAINER, "securityContext": {"privileged": True}}]},
        'violates PodSecurity "restricted',
    ),
    "no seccomp profile": ({"securityContext": {"runAsNonRoot": True}}, 'violates PodSecurity "restricted'),
    "a Secret of another job": (
        {"volumes": [{"name": "a", "secret": {"secretName": "a"}}]},
        "has no volumes but",
    ),
    "a token by a volume": (
        {"volumes": [{"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "a"}}]}}]},
        "has no volumes but",
    ),
    "a node": ({"nodeName": "node-0"}, "does not choose its node"),
    "a kind of node": ({"nodeSelector": {"a": "b"}}, "does not choose its node"),
    "taints": ({"tolerations": [{"operator": "Exists"}]}, "tolerates no taints"),
    "priority": ({"priorityClassName": "system-node-critical"}, "has no priority of its own"),
    "more memory than all": (
        {"containers": [{**CONTAINER, "resources": {"limits": {"memory": "1Ti"}}}]},
        "maximum memory usage per Container is 16Gi",
    ),
}


def made_by(trial: Trial, who: str, change: dict[str, Any], namespace: str = "gitlab-runner-jobs") -> str:
    """What the API answers to somebody who makes a pod; empty where it does not mind."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "runner-a", "namespace": namespace},
        "spec": {**JOB, **change},
    }
    try:
        client.kubectl(
            trial.admin, f"--as={who}", "create", "--dry-run=server", "--filename=-", stdin=json.dumps(pod)
        )
    except CommandError as error:
        return str(error)
    return ""


def test_a_job_runs(installed: dict[str, Any], trial: Trial) -> None:
    assert made_by(trial, MANAGER, {}) == ""


@pytest.mark.parametrize("case", REFUSED)
def test_a_job_can_not_choose(case: str, installed: dict[str, Any], trial: Trial) -> None:
    change, reason = REFUSED[case]
    said = made_by(trial, MANAGER, change)
    assert said
    assert reason in said


def test_a_job_can_not_choose_its_namespace(installed: dict[str, Any], trial: Trial) -> None:
    for namespace in ("gitlab-runner", "kube-system"):
        assert "forbidden" in made_by(trial, MANAGER, {}, namespace)


def test_nobody_else_makes_jobs(installed: dict[str, Any], trial: Trial) -> None:
    assert "Only the runner's manager" in made_by(trial, ACCOUNT, {})


@pytest.mark.parametrize("namespace", ["gitlab-runner-jobs", "gitlab-runner"])
def test_the_account_of_jobs_may_nothing(namespace: str, installed: dict[str, Any], trial: Trial) -> None:
    who = "--as=system:serviceaccount:gitlab-runner-jobs:job"
    for verb, kind in (("get", "secrets"), ("list", "pods"), ("create", "pods"), ("create", "pods/exec")):
        said = client.kubectl(
            trial.admin, "auth", "can-i", verb, kind, f"--namespace={namespace}", who, check=False
        )
        assert said.strip() == "no", (verb, kind)


def test_removal_leaves_what_the_readmes_name(installed: dict[str, Any], trial: Trial) -> None:
    assert trial.run(state="absent", selection=[])["changed"]
    homes = {entry.namespace.name for entry in entries() if entry.namespace} | {"gitlab-runner-jobs"}
    kinds = client.kubectl(
        trial.admin, "api-resources", "--namespaced", "--verbs=list,delete", "--output=name"
    ).split()
    watched = [kind for kind in kinds if kind not in ("events", "events.events.k8s.io", "leases")]
    left = {
        (thing["metadata"]["namespace"], thing["kind"], thing["metadata"]["name"])
        for thing in trial.listed(",".join(watched))
        if thing["metadata"]["namespace"] in homes
        and (thing["kind"], thing["metadata"]["name"]) not in ALWAYS
        and "deletionTimestamp" not in thing["metadata"]
    }
    assert left == {(name, "PersistentVolumeClaim", "snapshots") for name in ("openbao", "vault")}
    names = {thing["metadata"]["name"] for thing in trial.listed("namespaces")}
    assert homes <= names
    everywhere = client.kubectl(
        trial.admin, "api-resources", "--namespaced=false", "--verbs=list,delete", "--output=name"
    ).split()
    ours = {
        (thing["kind"], thing["metadata"]["labels"][OWNER_LABEL])
        for thing in trial.listed(",".join(everywhere))
        if OWNER_LABEL in thing["metadata"].get("labels", {})
    }
    assert {kind for kind, _owner in ours} == {"CustomResourceDefinition", "Namespace"}
