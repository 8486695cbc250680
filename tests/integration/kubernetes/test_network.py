"""Pods reach each other, services and names: seen from inside pods that really run."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from tests.integration.support import RealHost

from .clusters import Cluster, deployment, eventually, service

# Twice as many as it takes for both of two pods to have answered at least once, almost surely.
REQUESTS = 20


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Cluster:
    """A client of one pod, and a server of two behind a service."""
    cluster.apply(deployment("client"), deployment("server", replicas=2), service("server", "NodePort"))
    cluster.settled("deployment", "client")
    cluster.settled("deployment", "server")
    # The node learns of a service's pods a moment after they are ready.
    assert eventually(lambda: cluster.inside("client", "get", "http://server/").returncode == 0)
    return cluster


def answer(cluster: Cluster, app: str, url: str) -> dict[str, str]:
    done = cluster.inside(app, "get", url)
    assert done.returncode == 0, done.stderr
    answered: dict[str, str] = json.loads(done.stdout)
    return answered


def names(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.pods("server")}


def test_a_pod_reaches_a_pod(web: Cluster) -> None:
    for pod in web.pods("server"):
        answered = answer(web, "client", f"http://{pod['status']['podIP']}:8080/")
        assert answered["pod"] == pod["metadata"]["name"]


def test_pods_see_each_others_addresses(web: Cluster) -> None:
    (client,) = web.pods("client")
    server = web.pods("server")[0]
    answered = answer(web, "client", f"http://{server['status']['podIP']}:8080/")
    assert answered["client"].rpartition(":")[0] == client["status"]["podIP"]


def test_a_service_spreads_over_its_pods(web: Cluster) -> None:
    assert {answer(web, "client", "http://server/")["pod"] for _ in range(REQUESTS)} == names(web)


def test_a_pod_reaches_itself_through_its_service(web: Cluster) -> None:
    """The way out and back in: what breaks first where a node's network is half set up."""
    assert {answer(web, "server", "http://server/")["pod"] for _ in range(REQUESTS)} == names(web)


def test_grpc_through_a_service(web: Cluster) -> None:
    done = web.inside("client", "check", "server:9090")
    assert (done.returncode, done.stdout) == (0, "SERVING\n"), done.stderr


@pytest.mark.parametrize("name", ["server", "server.{}", "server.{}.svc.cluster.local"])
def test_names_of_services(web: Cluster, name: str) -> None:
    address = web.get("service", "server")["spec"]["clusterIP"]
    assert web.inside("client", "resolve", name.format(web.namespace)).stdout == f"{address}\n"


def test_a_name_that_nobody_has(web: Cluster) -> None:
    done = web.inside("client", "resolve", "nobody.example.invalid")
    assert done.returncode == 1
    assert "no such host" in done.stderr


def test_the_api_answers_pods(web: Cluster) -> None:
    done = web.inside("client", "get", "https://kubernetes.default/")
    # The program knows nothing of the cluster's authority: that it complains shows who answered.
    assert "certificate signed by unknown authority" in done.stderr


def test_the_api_server_reaches_pods_of_a_service(web: Cluster) -> None:
    """What webhooks and added API servers need."""
    path = f"/api/v1/namespaces/{web.namespace}/services/server:http/proxy/"
    assert json.loads(web.kubectl("get", "--raw", path))["pod"] in names(web)


def test_a_node_port_answers_the_machine(web: Cluster, node_host: RealHost) -> None:
    port = web.get("service", "server")["spec"]["ports"][0]["nodePort"]
    with urllib.request.urlopen(f"http://{node_host.address}:{port}/", timeout=10) as answered:
        assert json.load(answered)["pod"] in names(web)


def test_network_policies_are_kept_and_not_enforced(web: Cluster) -> None:
    """The lab's network has nobody who enforces them. This says so, and fails when that has changed."""
    web.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "nothing-gets-in"},
            "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
        }
    )
    time.sleep(2)
    assert web.inside("client", "get", "http://server/").returncode == 0
