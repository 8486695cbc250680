"""The project's own chart, installed with Helm into the namespace that its entry describes."""

from __future__ import annotations

from pathlib import Path

from lab import process
from lab.kubernetes import build, client
from tests.unit.catalog.shipped import CATALOG, FILES

CHART = str(FILES / "charts" / "web")


def upgrade(kubeconfig: Path, *arguments: str) -> None:
    process.run(
        str(build.program("helm")),
        "upgrade",
        "--install",
        "web",
        CHART,
        f"--kubeconfig={kubeconfig}",
        "--namespace=web",
        "--reset-values",
        f"--values={CATALOG / 'web' / 'values.yml'}",
        "--wait",
        "--timeout=2m",
        *arguments,
    )


def test_it_gets_ready_under_the_restricted_level(cluster: Path) -> None:
    upgrade(cluster)
    ready = client.kubectl(
        cluster, "-n", "web", "get", "deployment/web", "--output=jsonpath={.status.readyReplicas}"
    )
    assert ready == "2"
    assert client.kubectl(cluster, "-n", "web", "get", "poddisruptionbudget", "--output=name").split()


def test_what_is_turned_off_goes_and_what_is_turned_on_comes(cluster: Path) -> None:
    upgrade(cluster, "--set=podDisruptionBudget.enabled=false", "--set=ingress.hosts={web.lab.test}")
    there = client.kubectl(cluster, "-n", "web", "get", "poddisruptionbudget,ingress", "--output=name")
    assert there.split() == ["ingress.networking.k8s.io/web"]
