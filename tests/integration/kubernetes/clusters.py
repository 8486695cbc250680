"""What the tests hold in their hands: a cluster, by its kubeconfig, and what is put into it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.kubernetes import build, client
from lab.kubernetes.images import WEB
from lab.kubernetes.node_files import REGISTRY

INVENTORY = Path(__file__).parent / "inventory"
IMAGE = f"{REGISTRY}/web:{WEB}"


@dataclass(frozen=True)
class Cluster:
    """A cluster and the namespace of one test module in it."""

    kubeconfig: Path
    namespace: str = "default"

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints; fails the test when it fails."""
        return client.kubectl(self.kubeconfig, f"--namespace={self.namespace}", *arguments)

    def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def apply(self, *objects: dict[str, Any]) -> None:
        """Objects without a namespace go into that of the test."""
        for described in objects:
            if described["kind"] != "Namespace":
                described["metadata"].setdefault("namespace", self.namespace)
        client.apply(self.kubeconfig, objects)

    def settled(self, kind: str, name: str) -> None:
        """Wait until all pods of a Deployment or DaemonSet are ready."""
        self.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=120s")

    def pods(self, app: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("pods", f"--selector=app={app}")["items"]
        return found

    def inside(self, app: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program of the web application in one of its pods; never fails the test."""
        command = ["exec", f"deployment/{app}", "--", "/web", *arguments]
        return subprocess.run(
            [
                str(build.program("kubectl")),
                f"--kubeconfig={self.kubeconfig}",
                f"--namespace={self.namespace}",
                *command,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def eventually(what: Callable[[], bool], seconds: float = 120) -> bool:
    """Whether it came true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def deployment(
    app: str, image: str = IMAGE, replicas: int = 1, kind: str = "Deployment", command: Sequence[str] = ()
) -> dict[str, Any]:
    """A Deployment, or a DaemonSet, of one container that says when it is ready."""
    container = {
        "name": "web",
        "image": image,
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
        **({"args": list(command)} if command else {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": app},
        "spec": {
            **({"replicas": replicas} if kind == "Deployment" else {}),
            "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}},
        },
    }


def service(app: str, kind: str = "ClusterIP") -> dict[str, Any]:
    """A Service in front of it: HTTP on 80, gRPC on 9090."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": app},
        "spec": {
            "type": kind,
            "selector": {"app": app},
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "grpc", "port": 9090, "targetPort": 9090},
            ],
        },
    }
