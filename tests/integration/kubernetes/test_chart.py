"""The web application's chart, as a user installs it: pods that run, and answer over HTTP and gRPC."""

from __future__ import annotations

import pytest

from lab.kubernetes import build
from lab.process import run
from tests.integration.support import ROOT

from .clusters import Cluster, deployment, eventually

CHART = ROOT / "roles" / "k8s_addons" / "files" / "charts" / "web"


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Cluster:
    """The release ``shop`` under the strictest rules for pods, and a pod to ask it from."""
    cluster.apply(deployment("client"))
    cluster.settled("deployment", "client")
    # Only from here on: the pod that asks makes no promises about itself.
    cluster.kubectl("label", "namespace", cluster.namespace, "pod-security.kubernetes.io/enforce=restricted")
    run(
        str(build.program("helm")),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--namespace={cluster.namespace}",
        "install",
        "shop",
        str(CHART),
        "--set=title=The shop",
        "--wait",
        "--timeout=120s",
    )
    return cluster


def test_it_answers_over_http_and_grpc(installed: Cluster) -> None:
    assert eventually(lambda: installed.inside("client", "get", "http://shop/").returncode == 0)
    assert '"name":"The shop"' in installed.inside("client", "get", "http://shop/").stdout
    assert installed.inside("client", "check", "shop:9090").stdout == "SERVING\n"


def test_its_pods_really_run(installed: Cluster) -> None:
    pods = installed.get("pods", "--selector=app.kubernetes.io/instance=shop")["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node"}
    assert {pod["spec"]["securityContext"].get("runAsNonRoot") for pod in pods} == {True}
