"""A control plane without a real node, on which the engine has no more rights than it documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes import build, local
from tests.integration.addons.accounts import account
from tests.integration.addons.catalogs import Catalog
from tests.integration.addons.world import CLUSTER_ROLE, World

NAME = "engine"


@pytest.fixture(scope="package")
def admin() -> Iterator[Path]:
    """The administrator's kubeconfig; GROUNDWORK_KEEP=1 leaves the control plane for the next run."""
    yield local.up(NAME, nodes=2)
    if not os.environ.get("GROUNDWORK_KEEP"):
        local.down(NAME)


@pytest.fixture(scope="package")
def engine(admin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of a service account with the documented ClusterRole."""
    # As a site does it that has kinds of its own: the role names those of the catalog.
    own = {"apiGroups": ["tests.example.com"], "resources": ["*"], "verbs": ["*"]}
    return account(admin, NAME, CLUSTER_ROLE, tmp_path_factory.mktemp("engine"), own)


@pytest.fixture(scope="package")
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
