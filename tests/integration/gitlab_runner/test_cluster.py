"""Runners in a real API server: what a job's pod may be, what the manager may do, and where tokens stay."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.filter import gitlab_runner as filters
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import config, model
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner.cluster import (
    Cluster,
    ClusterError,
)

local = pytest.importorskip(
    "lab.kubernetes.local", reason="the lab's control plane is not part of this checkout"
)

NAME = "gitlab-runner-tests"
MANAGER = "system:serviceaccount:gitlab-runner:gitlab-runner"
JOB = "system:serviceaccount:ci-shop-build:job"
IMAGE = "registry.example.com/shop/app:1"
RUNNERS: list[dict[str, Any]] = [
    {
        "name": "shop-build",
        "project": "shop/api",
        "kubernetes": ["one"],
        "image": IMAGE,
        "allowed_images": ["registry.example.com/shop/*"],
        "tags": ["build"],
        "concurrency": 2,
    },
    {"name": "blog-build", "project": "blog/site", "kubernetes": ["one"], "image": IMAGE, "tags": ["build"]},
]
CONTEXT = {
    "privileged": False,
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "capabilities": {"drop": ["ALL"]},
}
# As the Kubernetes executor makes it of our config.toml.
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "runner-", "namespace": "ci-shop-build"},
    "spec": {
        "serviceAccountName": "job",
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "repo", "emptyDir": {}}],
        "containers": [
            {"name": "build", "image": IMAGE, "imagePullPolicy": "Always", "securityContext": CONTEXT}
        ],
    },
}


class Kubectl:
    """One API server by kubectl, as anybody."""

    def __init__(self, kubeconfig: Path, program: Path) -> None:
        self.kubeconfig = kubeconfig
        self.program = program

    def __call__(
        self, *arguments: str, stdin: Any = None, user: str = ""
    ) -> subprocess.CompletedProcess[str]:
        impersonate = [f"--as={user}"] if user else []
        return subprocess.run(
            [str(self.program), f"--kubeconfig={self.kubeconfig}", *impersonate, *arguments],
            input=json.dumps(stdin) if stdin else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def make(self, pod: dict[str, Any], user: str = MANAGER) -> subprocess.CompletedProcess[str]:
        return self("create", "--dry-run=server", "-f", "-", stdin=pod, user=user)

    def may(self, user: str, verb: str, what: str, namespace: str) -> bool:
        answer = self("auth", "can-i", verb, what, f"--namespace={namespace}", user=user)
        return answer.stdout.strip() == "yes"


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """A control plane of these tests' own, with what two runners get."""
    from lab.kubernetes import build

    server = Kubectl(local.up(NAME, 0), build.folder() / "kubectl")
    found = filters.gitlab_runner_objects(RUNNERS, "one")
    for kinds in (("Namespace",), ()):
        chosen = [one for one in found.values() if not kinds or one["kind"] in kinds]
        done = server("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": chosen})
        assert done.returncode == 0, done.stderr
    # The API server compiles a new policy within a second or so.
    for _attempt in range(40):
        if "only the manager" in server.make(POD, user="").stderr:
            break
    yield server
    local.down(NAME)


def test_a_job_as_declared_is_let_in(kubectl: Kubectl) -> None:
    done = kubectl.make(POD)
    assert done.returncode == 0, done.stderr


def changed(path: str, value: Any) -> dict[str, Any]:
    """The pod with one thing otherwise; ``None`` takes it away."""
    pod = copy.deepcopy(POD)
    *way, last = path.split(".")
    place: Any = pod
    for key in way:
        place = place[int(key)] if key.isdigit() else place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return pod


BUILD = "spec.containers.0"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.serviceAccountName", "default", "a job can't choose its service account"),
        ("spec.automountServiceAccountToken", True, "a job has no token of a service account"),
        ("spec.automountServiceAccountToken", None, "a job has no token of a service account"),
        ("spec.nodeName", "node1", "a job can't choose its node"),
        ("spec.tolerations", [{"operator": "Exists"}], "a job tolerates no taints"),
        (f"{BUILD}.imagePullPolicy", "IfNotPresent", "images are pulled by the policies Always only"),
        (f"{BUILD}.image", "registry.example.com/blog/app:1", "none of those that the runner allows"),
        (f"{BUILD}.image", "evil.example.com/registry.example.com/shop/app", "none of those that"),
        ("spec.volumes", [{"name": "s", "secret": {"secretName": "x"}}], "a job has volumes of its own only"),
    ],
)
def test_what_a_job_would_choose_is_refused(kubectl: Kubectl, path: str, value: Any, says: str) -> None:
    done = kubectl.make(changed(path, value))
    assert done.returncode != 0
    assert says in done.stderr


PRIVILEGES = {"privileged": True, "allowPrivilegeEscalation": True}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{BUILD}.securityContext", {**CONTEXT, **PRIVILEGES}),
        (f"{BUILD}.securityContext", {**CONTEXT, "capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]}}),
        ("spec.securityContext", {"runAsNonRoot": True}),
        ("spec.hostNetwork", True),
    ],
)
def test_pod_security_refuses_privileges(kubectl: Kubectl, path: str, value: Any) -> None:
    assert "violates PodSecurity" in kubectl.make(changed(path, value)).stderr


@pytest.fixture
def relaxed(kubectl: Kubectl) -> Iterator[Kubectl]:
    """Somebody has taken Pod Security away."""
    level = ("label", "--overwrite", "namespace", "ci-shop-build")
    kubectl(*level, "pod-security.kubernetes.io/enforce=privileged")
    yield kubectl
    kubectl(*level, "pod-security.kubernetes.io/enforce=restricted")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (f"{BUILD}.securityContext", {**CONTEXT, **PRIVILEGES}, "can't choose its privileges"),
        (f"{BUILD}.securityContext.allowPrivilegeEscalation", True, "can't choose its privileges"),
        (f"{BUILD}.securityContext", None, "can't choose its privileges"),
        ("spec.hostNetwork", True, "none of the node's namespaces"),
        ("spec.hostPID", True, "none of the node's namespaces"),
        ("spec.volumes", [{"name": "h", "hostPath": {"path": "/"}}], "volumes of its own only"),
    ],
)
def test_the_policy_refuses_them_by_itself(relaxed: Kubectl, path: str, value: Any, says: str) -> None:
    assert says in relaxed.make(changed(path, value)).stderr


def test_nobody_else_makes_pods_there_not_even_an_administrator(kubectl: Kubectl) -> None:
    assert "only the manager of the runners makes pods here" in kubectl.make(POD, user="").stderr


def test_the_manager_works_in_namespaces_of_jobs_and_nowhere_else(kubectl: Kubectl) -> None:
    allowed = {
        namespace: kubectl.may(MANAGER, "create", "pods", namespace)
        for namespace in ("ci-shop-build", "ci-blog-build", "default", "kube-system", "gitlab-runner")
    }
    assert [name for name, may in allowed.items() if may] == ["ci-shop-build", "ci-blog-build"]
    assert not kubectl.may(MANAGER, "create", "serviceaccounts", "ci-shop-build")
    assert not kubectl.may(MANAGER, "create", "rolebindings", "ci-shop-build")


def test_a_job_may_do_nothing(kubectl: Kubectl) -> None:
    for verb, what in (("get", "secrets"), ("create", "pods"), ("list", "configmaps"), ("get", "pods")):
        for namespace in ("ci-shop-build", "ci-blog-build", "gitlab-runner"):
            assert not kubectl.may(JOB, verb, what, namespace), (verb, what, namespace)


def test_a_job_more_than_declared_is_refused(kubectl: Kubectl) -> None:
    made = [kubectl("create", "-f", "-", stdin=POD, user=MANAGER) for _number in range(3)]
    assert [done.returncode for done in made[:2]] == [0, 0], made[0].stderr + made[1].stderr
    assert "exceeded quota: jobs" in made[2].stderr


def test_tokens_are_kept_in_the_secret_and_nobody_s_change_is_lost(kubectl: Kubectl) -> None:
    first, second = Cluster(str(kubectl.kubeconfig)), Cluster(str(kubectl.kubeconfig))
    assert first.read() == ""
    runners = model.at(model.parse(RUNNERS), "one", kubernetes=True)
    given = {runner.label("one"): {"id": 7, "token": f"glrt-{runner.name}"} for runner in runners}
    document = config.merged(config.desired(runners, "one", config.Settings("https://x")), {}, given)
    first.write(config.text(document), "glrt-shop-build")
    assert config.known(config.parse(second.read())).keys() == given.keys()
    assert first.read() == config.text(document)
    first.write(config.text(document) + "\n", "glrt-shop-build")
    with pytest.raises(ClusterError, match="409"):
        second.write(config.text(document), "glrt-shop-build")
    labels = kubectl("get", "namespace", "gitlab-runner", "-o", "jsonpath={.metadata.labels}").stdout
    assert json.loads(labels)["pod-security.kubernetes.io/enforce"] == "restricted"
