"""A control plane without a real node, on which the engine has no more rights than it documents."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.kubernetes import build, local
from tests.integration.addons.catalogs import Catalog
from tests.integration.addons.world import CLUSTER_ROLE, World

NAME = "engine"


def kubectl(admin: Path, *arguments: str, stdin: str | None = None) -> str:
    return subprocess.run(
        [str(build.program("kubectl")), "--kubeconfig", str(admin), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.fixture(scope="session")
def admin() -> Iterator[Path]:
    """The administrator's kubeconfig; GROUNDWORK_KEEP=1 leaves the control plane for the next run."""
    yield local.up(NAME, nodes=2)
    if not os.environ.get("GROUNDWORK_KEEP"):
        local.down(NAME)


@pytest.fixture(scope="session")
def engine(admin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of a service account with the documented ClusterRole."""
    (role,) = (
        document["metadata"]["name"]
        for document in yaml.safe_load_all(CLUSTER_ROLE.read_text())
        if document["kind"] == "ClusterRole"
    )
    account = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAME}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}],
        },
        # As a site does it that has kinds of its own: the role names those of the catalog.
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"{NAME}-kinds"},
            "rules": [{"apiGroups": ["tests.example.com"], "resources": ["*"], "verbs": ["*"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{NAME}-kinds"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"{NAME}-kinds",
            },
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}],
        },
    ]
    text = CLUSTER_ROLE.read_text() + "\n---\n" + yaml.safe_dump_all(account)
    kubectl(admin, "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=text)
    token = kubectl(admin, "create", "token", NAME, "--namespace", NAME, "--duration=8h").strip()
    config = yaml.safe_load(admin.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = tmp_path_factory.mktemp("engine") / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def world(admin: Path, engine: Path, cache: Path, tmp_path: Path) -> World:
    """An empty cluster, and an empty catalog."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    made = World(admin, engine, Catalog(folder), cache, os.environ.get("HELM") or str(build.program("helm")))
    made.clear()
    return made
