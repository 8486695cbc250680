# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the catalog, read from their folders and held against the schema."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from . import documents, schema
from .model import AddonError, Chart, Crds, Entry, Json, Manifests, Namespace, NeededSecret, Probe

ENTRY = "addon.yml"
SCHEMA = "addon.schema.json"


def read_catalogs(folders: Sequence[str], schema_file: str) -> Dict[str, Entry]:
    """All entries of all catalogs by name. AddonError names file and rule of everything that is wrong."""
    with open(schema_file, encoding="utf-8") as opened:
        rules = json.load(opened)
    entries: Dict[str, Entry] = {}
    wrong: List[str] = []
    for folder in folders:
        if not os.path.isdir(folder):
            wrong.append(f"the catalog {folder} is no folder")
            continue
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name, ENTRY)
            if not os.path.isfile(path):
                continue
            if name in entries:
                wrong.append(f"{path}: {entries[name].folder} is an entry of the same name")
                continue
            try:
                entries[name] = read_entry(os.path.join(folder, name), rules)
            except AddonError as error:
                wrong.extend(error.reasons)
    if wrong:
        raise AddonError(wrong)
    return entries


def read_entry(folder: str, rules: Mapping[str, Any]) -> Entry:
    """The entry in a folder; AddonError with a line for each rule of the schema that it breaks."""
    path = os.path.join(folder, ENTRY)
    with open(path, encoding="utf-8") as opened:
        document = documents.load(opened, path)
    wrong = [f"{path}: {line}" for line in schema.violations(document, rules, rules)]
    if not wrong and document["id"] != os.path.basename(folder):
        wrong.append(f"{path}: id is {document['id']}: must be the folder's name")
    if wrong:
        raise AddonError(wrong)
    return parse(document, folder)


def parse(document: Json, folder: str) -> Entry:
    """An entry that meets the schema."""
    namespace = Namespace(**document["namespace"]) if "namespace" in document else None
    home = namespace.name if namespace else ""
    chart = dict(document["chart"]) if "chart" in document else None
    if chart is not None and "path" in chart:
        # Charts of the collection lie beside the catalog.
        chart["path"] = os.path.join(os.path.dirname(os.path.dirname(folder)), chart["path"])
    crds = document.get("crds", {"from": "none"})
    return Entry(
        id=document["id"],
        folder=folder,
        category=document["category"],
        description=document["description"],
        kubernetes=document.get("kubernetes", ""),
        chart=Chart(**chart) if chart is not None else None,
        manifests=Manifests(**document["manifests"]) if "manifests" in document else None,
        release=document.get("release", ""),
        namespace=namespace,
        needs=tuple(document.get("needs", ())),
        provides=tuple(document.get("provides", ())),
        conflicts=tuple(document.get("conflicts", ())),
        crds=Crds(
            crds["from"],
            crds.get("keep", True),
            crds.get("values", {}),
            tuple(crds.get("files", ())),
            tuple(crds.get("groups", ())),
        ),
        waits=tuple(_probe(probe, home) for probe in document.get("waits", ())),
        health=tuple(_probe(probe, home) for probe in document.get("health", ())),
        secrets=tuple(
            NeededSecret(
                secret["name"], tuple(secret["keys"]), secret["description"], secret.get("optional", False)
            )
            for secret in document.get("secrets", ())
        ),
        free_form=tuple(document.get("values_free_form", ())),
        required_values=tuple(document.get("values_required", ())),
        timeout=seconds(document.get("timeout", "5m")),
        maintained=document.get("maintained", True),
        retired=document.get("retired", False),
        successors=tuple(document.get("successors", ())),
        note=document.get("note", ""),
        default_ingress_class=document.get("default_ingress_class", ""),
    )


def _probe(probe: Json, home: str) -> Probe:
    if "condition" in probe:
        about = probe["condition"]
        return Probe(
            "condition",
            about["name"],
            about.get("namespace", home),
            about["api_version"],
            about["kind"],
            about["type"],
            about.get("status", "True"),
        )
    (kind,) = (key for key in probe if key != "namespace")
    return Probe(kind, probe[kind], "" if kind in ("webhook", "apiservice") else probe.get("namespace", home))


def seconds(duration: str) -> int:
    """``90s`` or ``5m`` in seconds."""
    return int(duration[:-1]) * (60 if duration.endswith("m") else 1)


def values_layers(entry: Entry, environment: str) -> List[Json]:
    """values.yml and values.ENVIRONMENT.yml of an entry, those that are there."""
    names = ["values.yml", *([f"values.{environment}.yml"] if environment else [])]
    layers: List[Json] = []
    for name in names:
        path = os.path.join(entry.folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as opened:
                layer = documents.load(opened, path) or {}
            if not isinstance(layer, dict):
                raise AddonError([f"{path}: must hold values by their keys"])
            layers.append(layer)
    return layers


def objects(entry: Entry, kind: str) -> List[Json]:
    """The objects in a folder of an entry (``policies``, ``resources``, ``monitors``), in files' order."""
    found: List[Json] = []
    for path in _files(entry, kind):
        with open(path, encoding="utf-8") as opened:
            found.extend(documents.load_all(opened, path))
    return found


def alerts(entry: Entry) -> List[Json]:
    """A PrometheusRule for each rule file of an entry, in its namespace."""
    found: List[Json] = []
    for path in _files(entry, "alerts"):
        with open(path, encoding="utf-8") as opened:
            document = documents.load(opened, path)
        if not isinstance(document, dict) or "groups" not in document:
            raise AddonError([f"{path}: must have groups, as rule files of Prometheus"])
        stem = os.path.splitext(os.path.basename(path))[0].replace("_", "-")
        found.append(
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": {
                    "name": f"groundwork-{entry.id}-{stem}",
                    "namespace": entry.namespace.name if entry.namespace else "default",
                },
                "spec": {"groups": document["groups"]},
            }
        )
    return found


def crd_files(entry: Entry) -> List[Tuple[str, bytes]]:
    """Names and bytes of the entry's own files with definitions."""
    found: List[Tuple[str, bytes]] = []
    for name in entry.crds.files:
        with open(os.path.join(entry.folder, name), "rb") as opened:
            found.append((name, opened.read()))
    return found


def _files(entry: Entry, kind: str) -> List[str]:
    folder = os.path.join(entry.folder, kind)
    if not os.path.isdir(folder):
        return []
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".yml")]
