# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster should have: the selection with all layers merged. No cluster is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from . import catalog, charts, checks, digest, layers, lock, objects, resolve
from .model import AddonError, Entry, Json

MONITORING = ".monitoring"
# The capability that monitors and alerts wait for.
METRICS = "metrics"
_LEVELS = ("restricted", "baseline", "privileged")


@dataclass(frozen=True)
class Settings:
    """What the inventory says of one cluster; the names are those of the role's variables without prefix."""

    selection: Tuple[str, ...] = ()
    environment: str = ""
    environment_values: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    inline_values: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One thing to be applied: an addon, or the monitors and alerts of one, which wait for another one.

    before, after: objects that go in before the chart, and once ``waits`` hold. pod_security: the widest of
    all addons in the namespace. content: digest of everything but chart and Helm.
    """

    id: str
    entry: Entry
    needs: Tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Tuple[Json, ...] = ()
    after: Tuple[Json, ...] = ()
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    pod_security: str = ""
    content: str = ""
    locked: str = ""

    @property
    def is_addon(self) -> bool:
        return not self.id.endswith(MONITORING)

    @property
    def fetched(self) -> bool:
        """Whether there is a file to be brought."""
        return self.is_addon and (self.entry.chart is not None or self.entry.manifests is not None)

    @property
    def released(self) -> bool:
        """Whether Helm has a release of it."""
        return self.is_addon and self.entry.chart is not None

    def trusts(self, known: str) -> bool:
        """Whether the digest of its file is taken as it comes: no lock has it, nor has an earlier run."""
        return self.fetched and bool(self.entry.source()) and not self.locked and not known

    def digest(self, chart_digest: str, helm_major: int) -> str:
        """What the release's label and our record have, once it is as it should be."""
        return digest.of_parts(
            {"content": self.content, "chart": chart_digest, "helm": helm_major if self.released else 0}
        )


def build(
    settings: Settings, entries: Mapping[str, Entry], locked: Mapping[str, lock.Locked]
) -> Dict[str, Item]:
    """All items, each after those that it needs. AddonError has a line for everything that is wrong."""
    wrong = list(_unknown_addons(settings, entries))
    graph: resolve.Graph = {}
    try:
        graph = resolve.resolve(settings.selection, entries)
    except AddonError as error:
        wrong.extend(error.reasons)
    if wrong:
        raise AddonError(wrong)
    chosen = {name: entries[name] for name in graph}
    wrong.extend(lock.violations(chosen, locked))
    levels = pod_security(chosen.values())
    metrics = tuple(sorted(name for name, entry in chosen.items() if METRICS in entry.offers()))
    items: Dict[str, Item] = {}
    for name, needs in graph.items():
        try:
            for item in _items(chosen[name], needs, settings, levels, metrics, locked):
                items[item.id] = item
        except AddonError as error:
            wrong.extend(error.reasons)
    wrong.extend(checks.violations([_asked(item, items) for item in items.values() if item.is_addon]))
    if wrong:
        raise AddonError(wrong)
    order = resolve.ordered({item.id: item.needs for item in items.values()})
    return {name: items[name] for name in order}


def _asked(item: Item, items: Mapping[str, Item]) -> checks.Asked:
    """An addon with its monitors and alerts."""
    monitoring = items.get(f"{item.id}{MONITORING}")
    watched = monitoring.after if monitoring is not None else ()
    return checks.Asked(item.entry, item.values, (*item.before, *item.after, *watched))


def pod_security(entries: Any) -> Dict[str, str]:
    """The level of each namespace: the widest that an addon in it asks for."""
    levels: Dict[str, str] = {}
    for entry in entries:
        if entry.namespace is not None:
            known = levels.get(entry.namespace.name, _LEVELS[0])
            levels[entry.namespace.name] = max(known, entry.namespace.pod_security, key=_LEVELS.index)
    return levels


def merged_values(entry: Entry, settings: Settings) -> Dict[str, Any]:
    """All layers of an addon's values. AddonError names secrets in them, and what is missing."""
    wrong: List[str] = []
    own = catalog.values_layers(entry, settings.environment)
    named: Sequence[Tuple[str, Mapping[str, Any]]] = (
        *((f"{entry.id}/values", layer) for layer in own),
        *(
            (f"{variable}.{entry.id}", layer.get(entry.id) or {})
            for variable, layer in (
                ("k8s_addons_environment_values", settings.environment_values),
                ("k8s_addons_values", settings.values),
                ("k8s_addons_inline_values", settings.inline_values),
            )
        ),
    )
    for name, layer in named:
        if not isinstance(layer, Mapping):
            raise AddonError([f"{name} must hold values by their keys"])
        wrong.extend(
            f"{name}.{path} is a secret: must not be among the values; refer to a Secret, made by "
            "k8s_addons_secrets or by External Secrets"
            for path in layers.secrets_in(layer)
        )
    merged = layers.merge_all([layer for _name, layer in named])
    wrong.extend(
        f"k8s_addons_values.{entry.id}.{path} is missing: {entry.id} can't do without, see its README.md"
        for path in entry.required_values
        if layers.at(merged, path) in (None, "", [], {})
    )
    if wrong:
        raise AddonError(wrong)
    return merged


def _items(
    entry: Entry,
    needs: Tuple[str, ...],
    settings: Settings,
    levels: Mapping[str, str],
    metrics: Tuple[str, ...],
    locked: Mapping[str, lock.Locked],
) -> List[Item]:
    values = merged_values(entry, settings)
    patches: Mapping[str, Any] = settings.resources.get(entry.id) or {}
    literal = layers.secrets_in(patches)
    if literal:
        raise AddonError(
            f"k8s_addons_resources.{entry.id}.{path} is a secret: it must not be among the objects"
            for path in literal
        )
    before, left = objects.overlaid(catalog.objects(entry, "policies"), patches)
    after, also = objects.overlaid(catalog.objects(entry, "resources"), patches)
    monitors = [*catalog.objects(entry, "monitors"), *catalog.alerts(entry)]
    watched, more = objects.overlaid(monitors, patches)
    untaken = {key: value for key, value in left.items() if key in also and key in more}
    after.extend(objects.added(entry.id, untaken))
    secrets = _secrets(entry, settings)
    level = levels.get(entry.namespace.name, "") if entry.namespace is not None else ""
    crds = entry.crds
    content = {
        "values": values,
        "before": before,
        "after": after,
        "crds": [crds.source, crds.keep, crds.values, catalog.crd_files(entry), crds.groups],
        "pod_security": level,
        "secrets": digest.of_secrets(secrets, entry.id),
        "release": [entry.release, entry.namespace.name if entry.namespace else ""],
    }
    addon = Item(
        entry.id,
        entry,
        needs,
        values,
        tuple(before),
        tuple(after),
        secrets,
        level,
        digest.of_parts(content),
        _pinned(entry, locked),
    )
    if not watched or not metrics:
        return [addon]
    return [
        addon,
        Item(
            f"{entry.id}{MONITORING}",
            entry,
            tuple(sorted({entry.id, *metrics})),
            after=tuple(watched),
            content=digest.of_parts({"after": watched}),
        ),
    ]


def _pinned(entry: Entry, locked: Mapping[str, lock.Locked]) -> str:
    """The digest of its file, where it is known before the file is there."""
    if entry.chart is not None and entry.chart.path:
        return charts.packed_digest(entry)
    pinned = locked.get(entry.id)
    return pinned.digest if pinned is not None else ""


def _secrets(entry: Entry, settings: Settings) -> Dict[str, Dict[str, str]]:
    given = settings.secrets.get(entry.id) or {}
    wrong: List[str] = []
    if given and entry.namespace is None:
        wrong.append(f"k8s_addons_secrets.{entry.id}: the addon has no namespace for Secrets")
    for name, data in given.items():
        if not isinstance(data, Mapping) or not all(isinstance(value, str) for value in data.values()):
            wrong.append(f"k8s_addons_secrets.{entry.id}.{name}: must hold texts by their keys")
    if wrong:
        raise AddonError(wrong)
    return {str(name): {str(key): str(value) for key, value in data.items()} for name, data in given.items()}


def _unknown_addons(settings: Settings, entries: Mapping[str, Entry]) -> List[str]:
    layered = {
        "k8s_addons_environment_values": settings.environment_values,
        "k8s_addons_values": settings.values,
        "k8s_addons_inline_values": settings.inline_values,
        "k8s_addons_resources": settings.resources,
        "k8s_addons_secrets": settings.secrets,
    }
    return [
        f"{variable} has {name}: no catalog has an addon of this name"
        for variable, layer in layered.items()
        for name in layer
        if name not in entries
    ]
