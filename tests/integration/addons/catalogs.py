"""Small catalogs with charts of their own: what upstream's would do, without upstream."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import charts

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  colour: {{ .Values.colour | quote }}
"""
# Where no node has the label `nodes`, its pods stay pending.
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app.kubernetes.io/instance: {{ .Release.Name }}}
    spec:
      {{- with .Values.nodes }}
      nodeSelector: {nodes: {{ . }}}
      {{- end }}
      tolerations: [{operator: Exists}]
      containers:
        - name: main
          image: registry.test/main:{{ .Values.colour }}
"""
VALUES = {"colour": "red", "replicas": 1, "nodes": "", "labels": {}}


@dataclass(frozen=True)
class Catalog:
    """A catalog in a folder, with a mirror beside it that has its charts."""

    folder: Path

    @property
    def mirror(self) -> Path:
        return self.folder.parent / f"{self.folder.name}-mirror"

    def addon(
        self,
        name: str,
        templates: Mapping[str, str] | None = None,
        version: str = "1.0.0",
        chart_files: Mapping[str, str] | None = None,
        files: Mapping[str, Any] | None = None,
        namespace: str = "addons",
        **entry: Any,
    ) -> None:
        """An entry with a chart; templates: one ConfigMap by default. files: beside addon.yml, as data."""
        self.chart(name, version, templates or {"config.yaml": CONFIG}, chart_files or {})
        self.entry(
            name,
            files or {},
            chart={"name": name, "version": version, "repository": "https://charts.example.com/stable"},
            release=name,
            namespace={"name": namespace, "pod_security": "baseline"},
            **{"crds": {"from": "none"}, "timeout": "60s", **entry},
        )

    def chart(self, name: str, version: str, templates: Mapping[str, str], files: Mapping[str, str]) -> None:
        """A chart in the mirror, and nowhere else."""
        folder = self.folder.parent / "charts" / name
        shutil.rmtree(folder, ignore_errors=True)
        texts = {
            "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": name, "version": version}),
            "values.yaml": yaml.safe_dump(VALUES),
            **{f"templates/{file}": text for file, text in templates.items()},
            **files,
        }
        for file, text in texts.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        self.mirror.mkdir(exist_ok=True)
        (self.mirror / f"{name}-{version}.tgz").write_bytes(charts.packed(str(folder), name))

    def entry(self, name: str, files: Mapping[str, Any], **entry: Any) -> None:
        """An entry alone."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        document = {
            "id": name,
            "category": "applications",
            "description": f"What the tests need of {name}.",
            "kubernetes": ">=1.30",
            **entry,
        }
        for file, content in {"addon.yml": document, **files}.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            documents = content if isinstance(content, Sequence) else [content]
            path.write_text(yaml.safe_dump_all(documents))

    def lock(self, name: str, version: str = "1.0.0", digest: str = "") -> None:
        """A lock with one chart."""
        pinned = {"version": version, "repository": "https://charts.example.com/stable", "digest": digest}
        (self.folder / "lock.yml").write_text(yaml.safe_dump({"charts": {name: pinned}}))


def definition(kind: str, group: str = "tests.example.com") -> dict[str, Any]:
    """A definition of a namespaced kind whose objects have a status."""
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}
        },
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def custom(kind: str, name: str, namespace: str = "addons", **spec: Any) -> dict[str, Any]:
    """An object of such a kind."""
    return {
        "apiVersion": "tests.example.com/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
