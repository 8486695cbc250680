"""The lab's registry: images and charts that were made on the spot."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab.kubernetes import build, images, node_files
from lab.process import CommandError
from tests.integration.support import RealHost

from .clusters import Cluster, deployment


@pytest.fixture(scope="module")
def registry(whole_cluster: Cluster, node_host: RealHost) -> str:
    return f"{node_host.address}:{node_files.REGISTRY_PORT}"


def test_an_image_made_on_the_spot_runs(cluster: Cluster, registry: str) -> None:
    image = images.Image("made-here", "1", build.program("web").read_bytes())
    images.push(image, f"http://{registry}")
    cluster.apply(deployment("made-here", image.reference))
    cluster.settled("deployment", "made-here")
    (pod,) = cluster.pods("made-here")
    assert pod["spec"]["nodeName"] == "node"
    assert pod["status"]["containerStatuses"][0]["imageID"].startswith(f"{node_files.REGISTRY}/made-here@")


def test_podman_pushes_to_it(registry: str, tmp_path: Path) -> None:
    image = images.Image("by-podman", "1", build.program("pause").read_bytes())
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.archive(image))
    for command in (
        ["load", "--input", str(archive)],
        ["push", "--tls-verify=false", image.reference, f"docker://{registry}/by-podman:1"],
        ["rmi", image.reference],
    ):
        done = subprocess.run(["podman", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with urllib.request.urlopen(f"http://{registry}/v2/by-podman/tags/list", timeout=10) as answer:
        assert answer.read().decode().strip() == '{"name":"by-podman","tags":["1"]}'


def test_charts_are_served_from_it(registry: str, tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    helm = str(build.program("helm"))
    for command in (
        ["create", "example"],
        ["package", "example"],
        ["push", "example-0.1.0.tgz", f"oci://{registry}/charts", "--plain-http"],
        ["pull", f"oci://{registry}/charts/example", "--version=0.1.0", "--plain-http", "--destination=back"],
    ):
        done = subprocess.run([helm, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "back/example-0.1.0.tgz").read_bytes() == (tmp_path / "example-0.1.0.tgz").read_bytes()


def test_a_registry_that_is_away_is_named() -> None:
    image = images.Image("nowhere", "1", b"")
    with pytest.raises(CommandError, match=r"HEAD http://127\.0\.0\.1:1/v2/nowhere/blobs/sha256:.*refused"):
        images.push(image, "http://127.0.0.1:1")
