"""Tenants in a real API: what the tests of k8s_tenants hold in their hands."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError
from ansible_collections.groundwork.platform.plugins.module_utils.tenants import run

from tests.integration.addons.accounts import kubectl
from tests.integration.support import ROOT

CLUSTER_ROLE = ROOT / "roles/k8s_tenants/files/clusterrole.yml"


@dataclass
class Tenants:
    """kubeconfig: of an account that may only what the role documents. admin: may everything."""

    admin: Path
    kubeconfig: Path
    lines: list[str] = field(default_factory=list)

    def run(self, *namespaces: dict[str, Any], check: bool = False, **arguments: Any) -> dict[str, Any]:
        """One task of the role. What it said is in ``lines``."""
        self.lines = []
        given = {
            "state": "present",
            "kubeconfig": str(self.kubeconfig),
            "context": "",
            "namespaces": list(namespaces),
            "defaults": {},
            "prune": False,
            "remove_volumes": False,
            "timeout": 60,
            **arguments,
        }
        return run.answer(given, "tests", self.lines.append, check)

    def refused(self, *namespaces: dict[str, Any], **arguments: Any) -> str:
        """Why a task was refused; fails the test where it was not, or where anything was changed."""
        before = self.fingerprint()
        try:
            result = self.run(*namespaces, **arguments)
        except AddonError as error:
            assert self.fingerprint() == before
            return str(error)
        raise AssertionError(f"accepted: {result}")

    def fingerprint(self) -> str:
        """Every object that a run could touch, by its version."""
        kinds = "namespaces,resourcequotas,limitranges,networkpolicies,rolebindings,secrets,serviceaccounts"
        listed = json.loads(self.kubectl("get", kinds, "--all-namespaces", "--output=json"))
        return "\n".join(
            f"{item['kind']}/{item['metadata'].get('namespace')}/{item['metadata']['name']}"
            f"={item['metadata']['resourceVersion']}"
            for item in listed["items"]
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl as the administrator."""
        return kubectl(self.admin, *arguments, stdin=stdin)

    def create(self, *things: dict[str, Any]) -> None:
        """Apply objects as the administrator."""
        self.kubectl(
            "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=yaml.safe_dump_all(things)
        )

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object, ``None`` where it is not there."""
        where = (f"--namespace={namespace}",) if namespace else ()
        text = self.kubectl("get", kind, name, *where, "--output=json", "--ignore-not-found")
        return dict(json.loads(text)) if text.strip() else None

    def may(self, group: str, verb: str, resource: str, namespace: str) -> bool:
        """Whether somebody of a group may do something in a namespace, as the API server decides it."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "somebody",
                "groups": [group],
                "resourceAttributes": {"namespace": namespace, "verb": verb, "resource": resource},
            },
        }
        text = self.kubectl("create", "--filename=-", "--output=json", stdin=json.dumps(review))
        return bool(json.loads(text)["status"]["allowed"])
