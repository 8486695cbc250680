"""What cannot be pulled goes to nodes that are only played; all else runs on the real one."""

from __future__ import annotations

import pytest

from lab.kubernetes.node_files import REGISTRY

from .clusters import Cluster, deployment

ELSEWHERE = "registry.example.com/operators/operator:1.2.3"


def nodes_of(cluster: Cluster, app: str) -> set[str]:
    return {pod["spec"].get("nodeName", "") for pod in cluster.pods(app)}


def test_the_nodes_are_what_they_are_said_to_be(whole_cluster: Cluster) -> None:
    nodes = {node["metadata"]["name"]: node for node in whole_cluster.get("nodes")["items"]}
    assert set(nodes) == {"node", "capacity1"}
    assert "taints" not in nodes["node"]["spec"]
    assert [taint["key"] for taint in nodes["capacity1"]["spec"]["taints"]] == ["kwok.x-k8s.io/node"]
    assert nodes["node"]["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")


def test_names_are_served_by_a_real_pod(whole_cluster: Cluster) -> None:
    pods = whole_cluster.get("pods", "--all-namespaces", "--selector=k8s-app=kube-dns")["items"]
    assert [pod["spec"]["nodeName"] for pod in pods] == ["node"]
    assert pods[0]["spec"]["containers"][0]["image"].startswith(f"{REGISTRY}/coredns:")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Deployment", {}),
        ("Deployment", {"nodeSelector": {"kubernetes.io/os": "linux"}}),
        ("Deployment", {"tolerations": [{"key": "example.com/own", "operator": "Exists"}]}),
        ("DaemonSet", {}),
        ("DaemonSet", {"tolerations": [{"key": "example.com/own", "operator": "Exists"}]}),
    ],
)
def test_images_from_elsewhere_land_on_capacity(
    cluster: Cluster, kind: str, change: dict[str, object], request: pytest.FixtureRequest
) -> None:
    app = f"elsewhere-{abs(hash(request.node.name))}"
    described = deployment(app, ELSEWHERE, kind=kind)
    described["spec"]["template"]["spec"].update(change)
    cluster.apply(described)
    cluster.settled(kind.lower(), app)
    assert nodes_of(cluster, app) == {"capacity1"}


def test_an_image_of_the_lab_that_is_missing_is_an_error_and_not_played(cluster: Cluster) -> None:
    cluster.apply(deployment("missing", f"{REGISTRY}/missing:1"))
    reason = "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    cluster.kubectl("wait", "pod", "--selector=app=missing", f"{reason}=ErrImagePull", "--timeout=60s")
    assert nodes_of(cluster, "missing") == {"node"}
