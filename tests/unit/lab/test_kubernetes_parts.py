"""What the lab's Kubernetes is made from: programs, images, components and the node's files."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from lab import topology
from lab.kubernetes import build, certificates, components, node_files
from lab.kubernetes.components import Cluster
from lab.kubernetes.images import Image, archive
from tests.unit.lab.test_topology import GATE, read

CONTAINERD = {"lab_volumes": ["/var/lib/containerd"]}


def test_all_libraries_of_kubernetes_have_its_release() -> None:
    """The module replaces them by folders of its repository; here each is named, with its number."""
    module = (build.MODULE / "go.mod").read_text()
    release = build.version().removeprefix("v1.")
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) v0\.(\S+)$", module, re.MULTILINE)
    assert len(replaced) > 25
    assert {number for _name, _target, number in replaced} == {release}
    assert all(name == target for name, target, _number in replaced)


def test_programs_are_kept_by_what_they_are_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MODULE", tmp_path)
    (tmp_path / "go.mod").write_text("module a\n\nrequire (\n\tk8s.io/kubernetes v1.2.3\n)\n")
    before = build.digest()
    assert build.digest() == before
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "main.go").write_text("package main\n")
    assert build.digest() != before


def test_a_component_gets_no_secret_as_an_argument_and_etcd_no_port() -> None:
    cluster = Cluster("lab", "10.0.0.1", 6443, *(PurePosixPath(name) for name in ("/p", "/c", "/d")))
    etcd, apiserver, *_others = components.control_plane(cluster)
    assert not [argument for argument in etcd.arguments if "http" in argument]
    assert "--etcd-servers=unix://etcd:1" in apiserver.arguments
    assert "--bind-address=::" in apiserver.arguments


def test_a_control_plane_of_the_machine_is_reached_from_it_alone() -> None:
    cluster = Cluster("lab", "127.0.0.1", 6443, *(PurePosixPath(name) for name in ("/p", "/c", "/d")))
    apiserver = components.control_plane(cluster)[1]
    assert "--bind-address=127.0.0.1" in apiserver.arguments


def test_keys_on_the_node_are_private(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, node_files.subjects("node1", "10.0.0.1", "fd00::1"))
    files = node_files.files("node1", "10.0.0.1", tmp_path, "registry.lab/pause:1")
    secret = {
        path for path, file in files.items() if b"PRIVATE KEY" in file.content or b"key-data" in file.content
    }
    assert len(secret) > 10
    assert {files[path].mode for path in secret} == {0o600}
    for component in ("etcd", "kube-apiserver", "kubelet", "kube-proxy", "kwok"):
        assert f"/usr/local/lib/kubernetes/{component}" in (
            files[PurePosixPath(f"/etc/systemd/system/{component}.service")].content.decode()
        )


def test_an_image_is_the_same_from_the_same_program() -> None:
    image = Image("pause", "1", b"program")
    assert archive(image) == archive(Image("pause", "1", b"program"))
    with tarfile.open(fileobj=io.BytesIO(archive(image))) as packed:
        manifest = packed.extractfile("manifest.json")
        assert manifest is not None
        (described,) = json.load(manifest)
        assert described["RepoTags"] == ["registry.lab/pause:1"]
        assert set(packed.getnames()) == {"manifest.json", described["Config"], "layer.tar"}
        configuration = packed.extractfile(described["Config"])
        assert configuration is not None
        assert json.load(configuration)["config"]["User"] == "65532:65532"


def test_the_inventory_names_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, gate=GATE, node={**GATE, **CONTAINERD, "lab_kubernetes": {"capacity_nodes": 3}})
    assert found.cluster is not None
    assert (found.cluster.host.name, found.cluster.capacity_nodes) == ("node", 3)
    assert read(monkeypatch, gate=GATE).cluster is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lab_kubernetes": True}, "node: lab_kubernetes is True: must be a map with capacity_nodes"),
        ({"lab_kubernetes": {"capacity_nodes": True}}, "capacity_nodes is True: must be a number"),
        ({"lab_kubernetes": {"nodes": 1}}, "must be a map with capacity_nodes"),
        (
            {"lab_kubernetes": {"capacity_nodes": 101}},
            "node: lab_kubernetes.capacity_nodes is 101: must be a number from 0 to 100",
        ),
        (
            {"lab_kubernetes": {"capacity_nodes": 1}, "lab_volumes": []},
            "node: lab_volumes is .*: must have /var/lib/containerd",
        ),
    ],
)
def test_a_node_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], message: str
) -> None:
    with pytest.raises(topology.TopologyError, match=message):
        read(monkeypatch, node={**GATE, **CONTAINERD, **change})


def test_two_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    node = {**GATE, **CONTAINERD, "lab_kubernetes": {"capacity_nodes": 1}}
    with pytest.raises(topology.TopologyError, match="lab_kubernetes is set on one, two: must be set on one"):
        read(monkeypatch, one=node, two=node)
