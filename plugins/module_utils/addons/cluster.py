# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster in a run's hands: its API, its kinds, Helm for it, and objects in and out of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, Iterable, List, Mapping, Optional, Sequence, Tuple, TypeVar

from . import catalog, charts, documents, objects
from .api import Api, ApiError, Kinds, UnreachableError, passing
from .desired import Item
from .helm import Helm, Target
from .layers import merge
from .model import AddonError, Json
from .objects import Ref

_PAUSE = 0.5
_Found = TypeVar("_Found")


class StepError(Exception):
    """A step of applying or removing went wrong."""


@dataclass(frozen=True)
class Cluster:
    """api, kinds and helm are of one cluster; store is where charts are. version: as the API tells it."""

    name: str
    api: Api
    kinds: Kinds
    helm: Helm
    store: charts.Store

    def located(self, thing: Json) -> Ref:
        """Which object it is, with the namespace that its kind has or has not."""
        ref = objects.ref(thing)
        _plural, namespaced = self.kinds.resource(ref.api_version, ref.kind)
        return replace(ref, namespace=(ref.namespace or "default") if namespaced else "")

    def get(self, ref: Ref) -> Optional[Json]:
        """The object; ``None`` where it, or its kind, is not there."""
        if not self.kinds.knows(ref.api_version, ref.kind):
            return None
        found: Optional[Json] = self.api.get(self.kinds.path(ref))
        return found

    def apply(self, things: Iterable[Json], addon: str, timeout: float, keep: bool = False) -> List[Ref]:
        """Apply objects in order, and wait for what serves or admits them while it is starting."""
        deadline = time.monotonic() + timeout
        return [_patiently(partial(self._apply, thing, addon, keep), thing, deadline) for thing in things]

    def _apply(self, thing: Json, addon: str, keep: bool) -> Ref:
        ref = self.located(thing)
        self.api.apply(self.kinds.path(ref), objects.owned(thing, addon, keep))
        return ref

    def define(self, definitions: Sequence[Json], addon: str, keep: bool, timeout: float) -> List[Ref]:
        """Apply definitions of custom resources, and wait until their kinds are served."""
        done = self.apply(definitions, addon, timeout, keep)
        deadline = time.monotonic() + timeout
        for definition, ref in zip(definitions, done):
            while not _established(_patiently(partial(self.get, ref), definition, deadline)):
                if time.monotonic() >= deadline:
                    raise StepError(f"{ref.title()} was not established within {timeout:.0f} s")
                time.sleep(_PAUSE / 5)
            self.kinds.learn(definition)
        return done

    def delete(self, refs: Sequence[Ref], addon: str, timeout: float, say: Callable[[str], None]) -> None:
        """Delete objects, and wait until they are gone: who has a finalizer on them has to do its part.

        What is somebody else's by now stays, and so do namespaces and volumes.
        """
        deadline = time.monotonic() + timeout
        left: List[Tuple[Ref, str]] = []
        for ref in refs:
            if ref.kind not in objects.STAYING and self.kinds.knows(ref.api_version, ref.kind):
                path = self.kinds.path(ref)
                if _patiently(partial(self._delete, ref, path, addon, say), {}, deadline, ref.title()):
                    left.append((ref, path))
        told = ""
        while left:
            held = [
                (ref, path, found)
                for ref, path in left
                for found in [_patiently(partial(self.api.get, path), {}, deadline, ref.title())]
                if found
            ]
            left = [(ref, path) for ref, path, _found in held]
            if not held:
                return
            ref, _path, found = held[0]
            finalizers = ", ".join(found["metadata"].get("finalizers") or ()) or "none"
            text = f"{ref.title()} is not gone yet, its finalizers: {finalizers}"
            if time.monotonic() >= deadline:
                raise StepError(f"{text}, after {timeout:.0f} s")
            if text != told and finalizers != "none":
                say(text)
                told = text
            time.sleep(_PAUSE)

    def _delete(self, ref: Ref, path: str, addon: str, say: Callable[[str], None]) -> bool:
        """Whether it is on its way out. Somebody may take it over between the look and the deletion."""
        found = self.api.get(path)
        if found is None:
            return False
        if objects.owner(found) != addon:
            say(f"{ref.title()} is of {objects.owner(found) or 'nobody of ours'} by now, and stays")
            return False
        return self.api.delete(path, found["metadata"]["resourceVersion"])

    def definitions(self, item: Item, path: str) -> List[Json]:
        """The definitions of custom resources that the engine applies for an item."""
        crds = item.entry.crds
        if crds.source == "files":
            return [
                thing
                for name, content in catalog.crd_files(item.entry)
                for thing in documents.load_all(content, name)
            ]
        if crds.source == "manifests":
            return [thing for thing in manifests(path) if objects.is_crd(thing)]
        if crds.source == "chart":
            rendered = self.render(item, path, crds.values, with_crds=True)
            found = [thing for thing in rendered if objects.is_crd(thing)]
            return [thing for thing in found if not crds.groups or thing["spec"]["group"] in crds.groups]
        return []

    def render(
        self, item: Item, path: str, over: Optional[Mapping[str, object]] = None, with_crds: bool = False
    ) -> List[Json]:
        """What the chart renders to with the merged values, and ``over`` on top; hooks are left out."""
        values = merge(item.values, over) if over else item.values
        text = self.helm.template(
            target(item), path, values, self.api.version(), self.kinds.api_versions(), with_crds
        )
        return objects.from_manifest(text, f"the chart of {item.id}")


def _patiently(
    action: Callable[[], _Found], thing: Mapping[str, object], deadline: float, title: str = ""
) -> _Found:
    """What the action comes to, asked again while the API, or a webhook behind it, is not ready to answer.

    404 where a kind is not served yet, 409 where somebody else has written at the same time.
    """
    while True:
        try:
            return action()
        except (ApiError, UnreachableError) as error:
            worth = passing(error) or (isinstance(error, ApiError) and error.status in (404, 409))
            if not worth or time.monotonic() >= deadline:
                why = error.message if isinstance(error, ApiError) else str(error)
                name = title or objects.ref(thing).title()
                raise StepError(f"{name}: {objects.quotable(why, thing)}") from error
            time.sleep(_PAUSE)


def manifests(path: str) -> List[Json]:
    """The objects of an entry without a chart, in order."""
    with open(path, "rb") as opened:
        return objects.in_order(documents.load_all(opened, path))


def target(item: Item) -> Target:
    """The item's release."""
    if item.entry.namespace is None:
        raise AddonError([f"{item.id} has a chart and no namespace"])
    return Target(item.entry.release, item.entry.namespace.name)


def _established(thing: Optional[Json]) -> bool:
    return any(
        found.get("type") == "Established" and found.get("status") == "True"
        for found in ((thing or {}).get("status") or {}).get("conditions") or ()
    )
