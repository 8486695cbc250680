"""Nodes that kwok plays: room for pods whose images nobody can pull here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.kubernetes import client

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
LABEL = {"type": "kwok"}


def ensure(kubeconfig: Path, count: int, tainted: bool) -> None:
    """Bring ``count`` nodes into the cluster. Where there is a real node beside them, they are tainted."""
    if count:
        client.apply(kubeconfig, [_node(f"capacity{number}", tainted) for number in range(1, count + 1)])
        client.kubectl(
            kubeconfig, "wait", "node", "--selector=type=kwok", "--for=condition=Ready", "--timeout=30s"
        )


def _node(name: str, tainted: bool) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                **LABEL,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
                "node-role.kubernetes.io/capacity": "",
            },
        },
        "spec": {"taints": [TAINT]} if tainted else {},
    }
