"""Synthetic charts of the shape that most addons have, a catalog of them, and a mirror that has them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import yaml

VERSION = "1.0.0"
NAMESPACE = "bench-engine"
# So many come first, and each of the others needs one of them.
FIRST = 5
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  colour: {{ .Values.colour | quote }}
"""
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
      containers:
        - name: main
          image: registry.test/main:{{ .Values.colour }}
"""


def names(count: int) -> list[str]:
    """In an order in which each comes after what it needs."""
    return [f"app-{number:02}" for number in range(count)]


def write(folder: Path, count: int) -> None:
    """``catalog/`` with an entry for each, and ``mirror/`` with its chart."""
    (folder / "mirror").mkdir(parents=True)
    for number, name in enumerate(names(count)):
        (folder / "mirror" / f"{name}-{VERSION}.tgz").write_bytes(packed(name))
        entry = folder / "catalog" / name
        entry.mkdir(parents=True)
        document = {
            "id": name,
            "category": "applications",
            "description": "A part of a benchmark.",
            "chart": {"name": name, "version": VERSION, "repository": "https://charts.example.com"},
            "release": name,
            "namespace": {"name": NAMESPACE, "pod_security": "baseline"},
            "needs": [names(FIRST)[number % FIRST]] if number >= FIRST else [],
            "kubernetes": ">=1.30",
            "crds": {"from": "none"},
            "health": [{"deployment": name}],
        }
        (entry / "addon.yml").write_text(yaml.safe_dump(document))


def packed(name: str) -> bytes:
    """A chart as ``helm package`` makes it."""
    texts = {
        "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": name, "version": VERSION}),
        "values.yaml": yaml.safe_dump({"colour": "red", "replicas": 1}),
        "templates/config.yaml": CONFIG,
        "templates/main.yaml": DEPLOYMENT,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in texts.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
