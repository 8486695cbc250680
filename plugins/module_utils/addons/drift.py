# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects compared with what they should be, by a dry run of the API server: for plans, and for drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from . import objects, releases
from .api import ApiError
from .cluster import Cluster, manifests, target
from .desired import Item
from .helm import HelmError, Target
from .inventory import Record, Release
from .model import AddonError, Json
from .objects import Ref
from .prepare import Prepared

Differences = List[Dict[str, str]]


@dataclass(frozen=True)
class Difference:
    """One object that is not as it should be. kind: ``create``, ``update``, ``delete`` or ``refused``."""

    item: str
    kind: str
    title: str
    shown: Dict[str, str]


def of_step(cluster: Cluster, prepared: Prepared, release: Optional[Release]) -> List[Difference]:
    """What applying would change, object by object. Hooks and what they make are not in it."""
    item = prepared.item
    found: List[Difference] = []
    own: List[Json] = [objects.secret(name, _home(item), data) for name, data in item.secrets.items()]
    own += [*item.before, *item.after]
    if item.is_addon:
        if item.entry.namespace is not None:
            own.insert(0, objects.namespace(item.entry.namespace.name, item.pod_security))
        try:
            keep = item.entry.crds.keep
            definitions = [
                objects.owned(thing, item.id, keep) for thing in cluster.definitions(item, prepared.path)
            ]
            own = [*definitions, *own]
            if item.fetched and not item.released:
                own += [thing for thing in manifests(prepared.path) if not objects.is_crd(thing)]
        except HelmError as error:
            return [_refused(item.id, item.id, str(error))]
    for thing in own:
        wanted = thing if thing.get("kind") == "Namespace" else objects.owned(thing, item.id)
        found += _one(cluster, item.id, wanted, {})
    if item.released:
        found += _of_release(cluster, prepared, release)
    return found


def of_removal(cluster: Cluster, item: str, record: Record, release: Optional[Release]) -> List[Difference]:
    """What removing would take away."""
    refs = [ref for ref in map(objects.ref_from, record.objects) if ref.kind not in objects.STAYING]
    if release is not None:
        held = releases.read(cluster.api, Target(release.name, release.namespace), release.revision)
        refs += [_ref(cluster, thing, release.namespace) for thing in releases.manifest(held, item)]
    found = []
    own = set(record.objects)
    for ref in refs:
        live = cluster.get(ref)
        if live is not None and ref.text() in own and objects.owner(live) != item:
            continue
        shown = objects.difference(live, None, ref.title()) if live is not None else None
        if shown is not None:
            found.append(Difference(item, "delete", ref.title(), shown))
    return found


def of_live(cluster: Cluster, item: Item, record: Record, release: Optional[Release]) -> List[Difference]:
    """Where live objects are not what was applied last: somebody has changed or deleted them."""
    found: List[Difference] = []
    secrets = [objects.secret(name, _home(item), data) for name, data in item.secrets.items()]
    compared = set()
    for thing in [*secrets, *item.before, *item.after]:
        found += _one(cluster, item.id, objects.owned(thing, item.id), {})
        compared.add(_located(cluster, thing))
    # What the item's file brought is there or not; the file itself may be in no cache any more.
    for ref in map(objects.ref_from, (*record.crds, *record.objects)):
        if ref not in compared and cluster.get(ref) is None:
            shown = {"before_header": f"{ref.title()} (before)", "after_header": f"{ref.title()} (create)"}
            found.append(
                Difference(item.id, "create", ref.title(), {**shown, "before": "", "after": "is missing\n"})
            )
    if item.released and release is not None:
        held = releases.read(cluster.api, target(item), release.revision)
        for thing in releases.manifest(held, item.id):
            found += _one(cluster, item.id, _within(cluster, thing, release.namespace), {})
    return found


def _of_release(cluster: Cluster, prepared: Prepared, release: Optional[Release]) -> List[Difference]:
    item = prepared.item
    try:
        rendered = cluster.render(item, prepared.path)
    except HelmError as error:
        return [_refused(item.id, item.id, str(error))]
    former: Dict[Ref, Json] = {}
    if release is not None:
        held = releases.read(cluster.api, target(item), release.revision)
        former = {
            _ref(cluster, thing, release.namespace): thing for thing in releases.manifest(held, item.id)
        }
    found: List[Difference] = []
    kept = set()
    for thing in (_within(cluster, thing, _home(item)) for thing in objects.in_order(rendered)):
        ref = _ref(cluster, thing, _home(item))
        kept.add(ref)
        found += _one(cluster, item.id, thing, former.get(ref) or {})
    for ref in former:
        live = cluster.get(ref) if ref not in kept else None
        shown = objects.difference(live, None, ref.title()) if live is not None else None
        if shown is not None:
            found.append(Difference(item.id, "delete", ref.title(), shown))
    return found


def _one(cluster: Cluster, item: str, wanted: Json, former: Mapping[str, object]) -> Iterable[Difference]:
    title = objects.ref(wanted).title()
    try:
        ref = cluster.located(wanted)
        title = ref.title()
        path = cluster.kinds.path(ref)
        live: Optional[Json] = cluster.api.get(path)
        after = cluster.api.apply(path, wanted, dry_run=True)
    except ApiError as error:
        if error.status != 404:
            return [_refused(item, title, objects.quotable(error.message, wanted))]
        # Its namespace or its kind will be there by then.
        live, after = None, wanted
    if former and live is not None:
        after = objects.without_dropped(after, former, wanted)
    shown = objects.difference(live, after, title)
    if shown is None:
        return []
    return [Difference(item, "create" if live is None else "update", title, shown)]


def _located(cluster: Cluster, thing: Json) -> Ref:
    try:
        return cluster.located(thing)
    except ApiError:
        # Its kind is gone, and so is it.
        return objects.ref(thing)


def _refused(item: str, title: str, why: str) -> Difference:
    shown = {"before_header": f"{title} (before)", "after_header": f"{title} (refused)"}
    return Difference(item, "refused", title, {**shown, "before": "", "after": f"refused: {why}\n"})


def _home(item: Item) -> str:
    return item.entry.namespace.name if item.entry.namespace is not None else "default"


def _within(cluster: Cluster, thing: Json, namespace: str) -> Json:
    """An object of a release: without a namespace of its own it is in that of the release."""
    metadata = thing.get("metadata") or {}
    if metadata.get("namespace") or not _namespaced(cluster, thing):
        return thing
    return {**thing, "metadata": {**metadata, "namespace": namespace}}


def _namespaced(cluster: Cluster, thing: Json) -> bool:
    try:
        return cluster.kinds.resource(thing["apiVersion"], thing["kind"])[1]
    except (ApiError, AddonError):
        return False


def _ref(cluster: Cluster, thing: Json, namespace: str) -> Ref:
    return objects.ref(_within(cluster, thing, namespace))


def summary(found: Iterable[Difference]) -> List[Tuple[str, str]]:
    """Kind and object of each, for people."""
    return [(difference.kind, difference.title) for difference in found]
