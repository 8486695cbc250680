"""The catalog as it is, with charts that stand in for upstream's: what entries wait for, and nothing else.

Kinds are open: what their definitions say is tried elsewhere, against the real ones.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import catalog, layers
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import Entry, Probe

from tests.integration.addons.catalogs import Catalog, definition
from tests.integration.addons.world import SCHEMA, World

FILES = SCHEMA.parent.parent
BUILT_IN = re.compile(
    r"v1|(apps|batch|policy|autoscaling)/v\d|[a-z.]+\.k8s\.io/v1|rbac\.authorization\.k8s\.io/v1"
)
# Groups of kinds that an entry uses and another one defines, under a name that is not the entry's own.
OWNERS = {
    "argoproj.io": ("argo-cd",),
    "cert-manager.io": ("cert-manager",),
    "external-secrets.io": ("external-secrets",),
    "gateway.envoyproxy.io": ("envoy-gateway",),
    "gateway.networking.k8s.io": ("gateway-api-crds",),
    "generators.external-secrets.io": ("external-secrets",),
    # Either of them, never both.
    "monitoring.coreos.com": ("kube-prometheus-stack", "prometheus-operator-crds"),
    "policies.kyverno.io": ("kyverno",),
    "traefik.io": ("traefik",),
    "velero.io": ("velero",),
}
ALWAYS = ("PrometheusRule", "ServiceMonitor", "PodMonitor")


class Stubs:
    """entries: those of the catalog that can be selected. values: what they can't do without, by entry."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(FILES, folder / "files")
        self.catalog = Catalog(folder / "files" / "catalog")
        self.catalog.mirror.mkdir()
        lock = self.catalog.folder / "lock.yml"
        lock.write_text(re.sub(r"digest: \S+", 'digest: ""', lock.read_text()))
        found = catalog.read_catalogs([str(self.catalog.folder)], str(SCHEMA))
        self.entries = {name: entry for name, entry in found.items() if not entry.retired}
        self.values = {
            name: _required(entry) for name, entry in self.entries.items() if entry.required_values
        }
        self.kinds = self._kinds()
        for entry in self.entries.values():
            self._file(entry)

    def selections(self) -> list[list[str]]:
        """All entries, in as few selections as conflicts leave; each has what its entries need."""
        left, found = sorted(self.entries), []
        while left:
            chosen: list[str] = []
            for name in [*left, *sorted(set(self.entries) - set(left))]:
                new = name in left or any(
                    name in self._providers(need) for one in chosen for need in self._unmet(one, chosen)
                )
                if new and not any(self._conflict(name, other) for other in chosen):
                    chosen.append(name)
            found.append(chosen)
            left = [name for name in left if name not in chosen]
        return found

    def secrets(self, selection: list[str]) -> dict[str, dict[str, dict[str, str]]]:
        """What the entries want somebody to have made."""
        return {
            name: {needed.name: dict.fromkeys(needed.keys, "only-an-example") for needed in entry.secrets}
            for name in selection
            for entry in [self.entries[name]]
            if entry.secrets
        }

    def objects(self, entry: Entry) -> list[dict[str, Any]]:
        """All objects beside the chart."""
        return [
            thing for kind in ("policies", "resources", "monitors") for thing in catalog.objects(entry, kind)
        ]

    def _unmet(self, name: str, chosen: list[str]) -> list[str]:
        offered = {offer for one in chosen for offer in self.entries[one].offers()}
        return [need for need in self.entries[name].needs if need not in offered]

    def _providers(self, need: str) -> list[str]:
        return [name for name, entry in self.entries.items() if need in entry.offers()]

    def _conflict(self, one: str, other: str) -> bool:
        a, b = self.entries[one], self.entries[other]
        return bool(set(a.conflicts) & set(b.offers()) or set(b.conflicts) & set(a.offers()))

    def _kinds(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Definitions by group and name, of all kinds that entries have objects of, or wait for."""
        used = {
            (thing["apiVersion"], thing["kind"], bool(thing["metadata"].get("namespace")))
            for entry in self.entries.values()
            for thing in self.objects(entry)
        }
        known = {(version, kind) for version, kind, _within in used}
        for entry in self.entries.values():
            for probe in conditions(entry):
                if (probe.api_version, probe.object_kind) not in known:
                    used.add((probe.api_version, probe.object_kind, True))
        used |= {("monitoring.coreos.com/v1", kind, True) for kind in ALWAYS}
        made: dict[str, dict[str, dict[str, Any]]] = {}
        for api_version, kind, within in used:
            group, _, version = api_version.partition("/")
            if group in OWNERS:
                thing = _definition(group, version, kind, within)
                made.setdefault(group, {})[thing["metadata"]["name"]] = thing
            else:
                assert BUILT_IN.fullmatch(api_version), f"{api_version} {kind}: who defines it? See OWNERS"
        return made

    def defined(self, entry: Entry) -> list[dict[str, Any]]:
        """What the stand-in of an entry defines; one kind of its own where nobody uses any of its kinds."""
        if entry.crds.source == "none":
            return []
        found = [
            thing
            for group, things in self.kinds.items()
            if entry.id in OWNERS[group]
            for thing in things.values()
        ]
        return found or [_definition(f"{entry.id}.example.com", "v1", "Stub", True)]

    def _file(self, entry: Entry) -> None:
        """The chart, or the manifests, in the mirror."""
        if entry.manifests is not None:
            path = self.catalog.mirror / f"{entry.id}-{entry.manifests.version}.yml"
            path.write_text(yaml.safe_dump_all(self.defined(entry)))
        if entry.chart is None or entry.chart.path:
            return
        values = layers.merge(
            layers.merge_all(catalog.values_layers(entry, "")), self.values.get(entry.id, {})
        )
        texts = {"values.yaml": yaml.safe_dump(values)}
        for number, thing in enumerate(self.defined(entry)):
            texts[f"crds/{number}.yaml"] = yaml.safe_dump(thing)
        own = {(thing["kind"], thing["metadata"]["name"]) for thing in self.objects(entry)}
        things = [
            thing
            for probe in (*entry.waits, *entry.health)
            for thing in stand_in(probe)
            if (thing["kind"], thing["metadata"]["name"]) not in own
        ]
        unique = {(thing["kind"], thing["metadata"]["name"]): thing for thing in things}
        templates = {f"{number}.yaml": yaml.safe_dump(thing) for number, thing in enumerate(unique.values())}
        self.catalog.chart(
            entry.chart.name, entry.version(), templates or {"none.yaml": "# nothing\n"}, texts
        )


def _required(entry: Entry) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in entry.required_values:
        *above, last = layers.split_path(path)
        within = values
        for key in above:
            within = within.setdefault(key, {})
        within[last] = "example.com"
    return values


def _definition(group: str, version: str, kind: str, within: bool) -> dict[str, Any]:
    made = definition(kind, group)
    lower = kind.lower()
    plural = re.sub(r"(?<![aeiou])y$", "ie", lower) + ("es" if lower.endswith("s") else "s")
    made["metadata"]["name"] = f"{plural}.{group}"
    if group.endswith(".k8s.io"):
        # Kubernetes keeps these groups to itself otherwise.
        made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a stand-in"}
    made["spec"]["names"]["plural"] = plural
    made["spec"]["scope"] = "Namespaced" if within else "Cluster"
    made["spec"]["versions"][0]["name"] = version
    return made


def conditions(entry: Entry) -> list[Probe]:
    """What an entry wants somebody to say of objects that are not the API server's own."""
    return [
        probe
        for probe in (*entry.waits, *entry.health)
        if probe.kind == "condition" and probe.object_kind != "CustomResourceDefinition"
    ]


def stand_in(probe: Probe) -> Iterator[Mapping[str, Any]]:
    """What a chart has to make for a probe to hold."""
    metadata: dict[str, Any] = {"name": probe.name}
    if probe.kind == "webhook":
        # Of both kinds, as some addons have; without webhooks nothing is asked.
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
            yield {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata}
    elif probe.kind == "apiservice":
        version, _, group = probe.name.partition(".")
        # Without a service it is the API server's own, and always available.
        spec = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100}
        yield {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": metadata,
            "spec": spec,
        }
    elif probe.kind == "condition":
        if probe.object_kind != "CustomResourceDefinition":
            yield {
                "apiVersion": probe.api_version,
                "kind": probe.object_kind,
                "metadata": metadata,
                "spec": {},
            }
    else:
        yield _workload(probe, metadata)


def _workload(probe: Probe, metadata: dict[str, Any]) -> dict[str, Any]:
    labels = {"stub": probe.name}
    container = {
        "name": "main",
        "image": "registry.test/main:1",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    kind = {"deployment": "Deployment", "daemonset": "DaemonSet", "statefulset": "StatefulSet"}[probe.kind]
    if kind == "StatefulSet":
        spec["serviceName"] = probe.name
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {**metadata, "namespace": probe.namespace},
        "spec": spec,
    }


@contextmanager
def controllers(world: World, entries: Mapping[str, Entry]) -> Iterator[None]:
    """Say of each object that an entry waits for what it waits for, as soon as the object is there."""
    left = [probe for entry in entries.values() for probe in conditions(entry)]
    done = threading.Event()

    def work() -> None:
        while left and not done.wait(0.5):
            left[:] = [probe for probe in left if not _told(world, probe)]

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _told(world: World, probe: Probe) -> bool:
    resource = f"{probe.object_kind.lower()}.{probe.api_version.partition('/')[0]}"
    patch = {"status": {"conditions": [{"type": probe.condition, "status": probe.status}]}}
    answer = world.kubectl(
        *("patch", resource, probe.name, f"--namespace={probe.namespace}", "--subresource=status"),
        *("--type=merge", f"--patch={json.dumps(patch)}"),
        check=False,
    )
    return bool(answer.strip())
