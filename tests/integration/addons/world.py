"""A real API and an engine on it: what the tests hold in their hands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import session
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError

from lab.kubernetes import build
from tests.integration.addons.catalogs import Catalog
from tests.integration.support import ROOT

SCHEMA = ROOT / "roles/k8s_addons/files/catalog/addon.schema.json"
CLUSTER_ROLE = ROOT / "roles/k8s_addons/files/clusterrole.yml"
SYSTEM = "groundwork-system"


@dataclass
class World:
    """kubeconfig: the engine's, which may only what its ClusterRole says. admin: may everything."""

    admin: Path
    kubeconfig: Path
    catalog: Catalog
    cache: Path
    helm: str
    lines: list[str] = field(default_factory=list)

    def run(
        self, *selection: str, check: bool = False, diff: bool = False, **arguments: Any
    ) -> dict[str, Any]:
        """One task of the engine. What it said is in ``lines``."""
        self.lines = []
        return session.answer(
            self.arguments(*selection, **arguments),
            [str(self.catalog.folder)],
            str(SCHEMA),
            "engine",
            self.lines.append,
            check,
            diff,
        )

    def arguments(self, *selection: str, **arguments: Any) -> dict[str, Any]:
        """Arguments of the task, those of the role's defaults filled in."""
        return {
            "state": "present",
            "kubeconfig": str(self.kubeconfig),
            "context": "",
            "selection": list(selection),
            "environment": "",
            "environment_values": {},
            "values": {},
            "inline_values": {},
            "resources": {},
            "secrets": {},
            "prune": False,
            "remove_crds": False,
            "repair": False,
            "charts_mirror": str(self.catalog.mirror),
            "unavailable": "refuse",
            "helm": self.helm,
            "cache": str(self.cache),
            "workers": 6,
            **arguments,
        }

    def refused(self, *selection: str, **arguments: Any) -> str:
        """Why a task was refused; fails the test where it was not, or where anything was changed."""
        before = self.fingerprint()
        try:
            result = self.run(*selection, **arguments)
        except AddonError as error:
            assert self.fingerprint() == before
            return str(error)
        raise AssertionError(f"accepted: {result}")

    def fingerprint(self) -> str:
        """Every object that a run could touch, by its version."""
        kinds = "namespaces,configmaps,secrets,deployments,customresourcedefinitions,networkpolicies"
        listed = self.kubectl("get", kinds, "--all-namespaces", "--output=json")
        return "\n".join(
            f"{item['kind']}/{item['metadata'].get('namespace')}/{item['metadata']['name']}"
            f"={item['metadata']['resourceVersion']}"
            for item in json.loads(listed)["items"]
        )

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl as the administrator."""
        return self._run([str(build.program("kubectl")), *arguments], stdin, check)

    def helm_command(self, *arguments: str, stdin: str | None = None) -> str:
        """Helm as the administrator: somebody else, beside the engine."""
        return self._run([self.helm, *arguments], stdin, True)

    def _run(self, command: Sequence[str], stdin: str | None, check: bool) -> str:
        done = subprocess.run(
            [*command, "--kubeconfig", str(self.admin)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def create(self, *things: dict[str, Any]) -> None:
        """Apply objects as the administrator."""
        self.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(things))

    def get(self, kind: str, name: str, namespace: str = "addons") -> dict[str, Any] | None:
        """One object, ``None`` where it is not there."""
        text = self.kubectl(
            "get", kind, name, "--namespace", namespace, "--output=json", "--ignore-not-found", check=False
        )
        return dict(json.loads(text)) if text.strip() else None

    def colour(self, name: str, namespace: str = "addons") -> str | None:
        """What the ConfigMap of a chart says."""
        found = self.get("configmap", name, namespace)
        return found["data"]["colour"] if found else None

    def record(self, item: str) -> dict[str, Any] | None:
        """What the engine has noted of an item."""
        found = self.get("configmap", "groundwork-addons", SYSTEM) or {}
        text = (found.get("data") or {}).get(item)
        return dict(json.loads(text)) if text else None

    def revisions(self, release: str, namespace: str = "addons") -> list[tuple[int, str]]:
        """Revisions of a release with their status, oldest first."""
        listed = json.loads(
            self.kubectl(
                *("get", "secrets", "--namespace", namespace, "--output=json"),
                f"--selector=owner=helm,name={release}",
            )
        )
        labels = [item["metadata"]["labels"] for item in listed["items"]]
        return sorted((int(label["version"]), label["status"]) for label in labels)

    def clear(self) -> None:
        """Nothing of an earlier test is left. Namespaces stay, as they take seconds to go."""
        self.kubectl("delete", "leases,configmaps", "--all", "--namespace", SYSTEM)
        kinds = "deployments,configmaps,secrets,networkpolicies,jobs,endpointslices"
        self.kubectl("delete", kinds, "--all", "--namespace", "addons", "--wait=true")
        definitions = self.kubectl("get", "customresourcedefinitions", "--output=name").split()
        if definitions:
            self.kubectl("delete", "--wait=true", *definitions)
