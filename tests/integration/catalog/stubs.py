"""Charts that stand in for upstream's: real values and definitions, and what else an entry waits for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import charts
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import Entry, Probe

from tests.unit.catalog.shipped import CONTRACTS, load

SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}


def mirror(entries: list[Entry], folder: Path) -> Path:
    """A folder with a file for each entry that upstream has one for."""
    target = folder / "mirror"
    target.mkdir()
    for entry in entries:
        if entry.chart is not None and entry.source():
            content = charts.packed(str(chart(entry, folder)), entry.chart.name)
            (target / f"{entry.chart.name}-{entry.chart.version}.tgz").write_bytes(content)
        elif entry.manifests is not None:
            things = [load(path) for path in sorted((CONTRACTS / entry.id / "crds").glob("*.yaml"))]
            (target / f"{entry.id}-{entry.version()}.yml").write_text(yaml.safe_dump_all(things))
    return target


def chart(entry: Entry, folder: Path) -> Path:
    """The folder of a chart with the entry's workloads and webhooks."""
    assert entry.chart is not None
    here = folder / entry.id
    texts = {
        "Chart.yaml": json.dumps(
            {"apiVersion": "v2", "name": entry.chart.name, "version": entry.chart.version}
        ),
        "values.yaml": (CONTRACTS / entry.id / "values.yaml").read_text(),
        "templates/workloads.yaml": "\n---\n".join(
            json.dumps(workload(probe)).replace('"STRATEGY"', '{{ include "strategy" . | quote }}')
            for probe in dict.fromkeys((*entry.waits, *entry.health))
            if probe.kind in KINDS
        ),
        "templates/webhooks.yaml": "\n---\n".join(
            json.dumps(webhook(probe.name)) for probe in entry.waits if probe.kind == "webhook"
        ),
        "templates/_strategy.tpl": (
            '{{- define "strategy" -}}{{ dig "server" "updateStrategyType" "RollingUpdate" '
            "(merge (dict) .Values) }}{{- end -}}"
        ),
    }
    for probe in entry.waits:
        if probe.kind == "apiservice":
            texts["templates/apiservice.yaml"] = json.dumps(apiservice(probe.name))
    schema = CONTRACTS / entry.id / "values.schema.json"
    if schema.is_file():
        texts["values.schema.json"] = schema.read_text()
    known = {addon["name"]: addon for addon in load(CONTRACTS / "INDEX.yaml")["addons"]}[entry.id]
    for path in sorted((CONTRACTS / known.get("crds_from", entry.id) / "crds").glob("*.yaml")):
        texts[f"crds/{path.name}"] = path.read_text()
    for dependency in load(CONTRACTS / entry.id / "Chart.yaml").get("dependencies", ()):
        below = CONTRACTS / dependency["name"]
        if (below / "values.yaml").is_file():
            for name in ("Chart.yaml", "values.yaml"):
                texts[f"charts/{dependency['name']}/{name}"] = (below / name).read_text()
    if entry.crds.groups:
        texts["crds/of-another-addon.yaml"] = json.dumps(foreign())
    for name, text in texts.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    return here


def workload(probe: Probe) -> dict[str, Any]:
    """One that gets ready under the strictest level; its pods change with any of the values."""
    labels = {"stub": probe.name}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"values": "{{ toJson .Values | sha256sum }}"}},
            "spec": {
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {
                        "name": "main",
                        "image": "registry.test/main:1",
                        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
                        "securityContext": SECURITY,
                    }
                ],
            },
        },
    }
    if probe.kind == "statefulset":
        spec |= {"serviceName": probe.name, "replicas": 2, "updateStrategy": {"type": "STRATEGY"}}
    metadata = {"name": probe.name, **({"namespace": probe.namespace} if probe.namespace else {})}
    return {"apiVersion": "apps/v1", "kind": KINDS[probe.kind], "metadata": metadata, "spec": spec}


def webhook(name: str) -> dict[str, Any]:
    """A configuration that nothing is ever asked of."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "stub.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": base64.b64encode(b"-").decode()},
            }
        ],
    }


def apiservice(name: str) -> dict[str, Any]:
    """One that nothing stands behind, so that the API server calls it available."""
    version, group = name.split(".", 1)
    spec = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": spec,
    }


def foreign() -> dict[str, Any]:
    """A definition that a chart has and that is not its addon's."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foreigns.stubs.example.com"},
        "spec": {
            "group": "stubs.example.com",
            "names": {"kind": "Foreign", "plural": "foreigns"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
