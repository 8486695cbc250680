"""Service accounts that may what a role documents, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes import build

RBAC = "rbac.authorization.k8s.io"


def kubectl(admin: Path, *arguments: str, stdin: str | None = None) -> str:
    return subprocess.run(
        [str(build.program("kubectl")), "--kubeconfig", str(admin), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def account(admin: Path, name: str, documented: Path, folder: Path, *further: dict[str, Any]) -> Path:
    """The kubeconfig of a service account in a namespace of its own.

    documented: the file with the ClusterRole that it is bound to. further: rules beside that one's.
    """
    (role,) = (
        document["metadata"]["name"]
        for document in yaml.safe_load_all(documented.read_text())
        if document["kind"] == "ClusterRole"
    )
    things: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": name}},
        _binding(name, name, role),
    ]
    if further:
        things.append(
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": f"{name}-further"},
                "rules": list(further),
            }
        )
        things.append(_binding(f"{name}-further", name, f"{name}-further"))
    text = documented.read_text() + "\n---\n" + yaml.safe_dump_all(things)
    kubectl(admin, "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=text)
    token = kubectl(admin, "create", "token", name, "--namespace", name, "--duration=8h").strip()
    config = yaml.safe_load(admin.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


def _binding(name: str, subject: str, role: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": subject}],
    }
