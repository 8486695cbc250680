# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying one item: in order, noted before and after, and taken back where it fails."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from . import health, inventory, objects, releases
from .api import METADATA_ONLY, ApiError
from .cluster import Cluster, StepError, manifests, target
from .digest import LABEL
from .helm import HelmError
from .inventory import APPLYING, FAILED, READY, Record, Release
from .model import AddonError, Json
from .objects import Ref
from .prepare import Prepared

Say = Callable[[str], None]


class ApplyError(Exception):
    """An item could not be applied; ``evidence`` has lines that tell why."""

    def __init__(self, reason: str, evidence: Sequence[str], outcome: str) -> None:
        super().__init__(f"{reason}; {outcome}")
        self.evidence = list(evidence)


class Applying:
    """One item on its way. former: our record of it; release: Helm's newest revision, as they were."""

    def __init__(
        self,
        cluster: Cluster,
        prepared: Prepared,
        former: Optional[Record],
        release: Optional[Release],
        say: Say,
    ) -> None:
        self._cluster = cluster
        self._prepared = prepared
        self._item = prepared.item
        self._former = former
        self._release = release
        self._say = say
        self._timeout = float(prepared.item.entry.timeout)
        self._objects: List[Ref] = []
        self._crds: List[Ref] = []
        self._released = False

    def run(self) -> Record:
        """Everything; the record of it. ApplyError says why it failed, and what it is back to."""
        record = self._record(APPLYING)
        earlier = self._former.objects if self._former is not None else ()
        # Noted before it is made: what an interrupted run leaves is known to the next one.
        own = tuple(
            self._cluster.located(thing).text()
            for thing in self._plain()
            if self._cluster.kinds.knows(thing["apiVersion"], thing["kind"])
        )
        self._write(replace(record, objects=tuple(sorted({*earlier, *own}))))
        try:
            self._before()
            revision = self._main()
            self._after()
        except (StepError, HelmError, ApiError, AddonError, health.NotReadyError) as error:
            raise self._failed(error, record) from error
        gone = [objects.ref_from(text) for text in earlier if objects.ref_from(text) not in self._objects]
        try:
            self._cluster.delete(gone[::-1], self._timeout, self._say)
        except (StepError, ApiError) as error:
            raise ApplyError(
                f"what it has no more is still there: {error}", [], "the rest is applied"
            ) from error
        record = replace(
            record,
            state=READY,
            revision=revision,
            objects=tuple(ref.text() for ref in self._objects),
            crds=tuple(ref.text() for ref in self._crds),
        )
        self._write(record)
        return record

    def _write(self, record: Record) -> None:
        inventory.write(self._cluster.api, self._item.id, record)

    def _record(self, state: str) -> Record:
        item, chart = self._item, self._prepared.step.chart_digest
        former = self._former
        home = item.entry.namespace.name if item.entry.namespace is not None and item.is_addon else ""
        return Record(
            state,
            item.digest(chart, self._cluster.helm.version[0]),
            item.entry.version() if item.is_addon else "",
            item.entry.source() if item.is_addon else "",
            chart,
            item.entry.release if item.released else "",
            home,
            former.revision if former is not None else 0,
            (),
            former.crds if former is not None else (),
            item.entry.crds.keep,
            item.needs,
        )

    def _plain(self) -> List[Json]:
        """Objects of the entry itself: they are in no release."""
        item = self._item
        where = item.entry.namespace.name if item.entry.namespace is not None else ""
        secrets = [objects.secret(name, where, data) for name, data in item.secrets.items()]
        whole = manifests(self._prepared.path) if item.fetched and not item.released else []
        return [*secrets, *item.before, *(thing for thing in whole if not objects.is_crd(thing)), *item.after]

    def _before(self) -> None:
        item, cluster, id_ = self._item, self._cluster, self._item.id
        namespace = item.entry.namespace
        if namespace is not None and item.is_addon:
            # Not among the objects: it stays when the addon goes.
            made = objects.namespace(namespace.name, item.pod_security)
            cluster.api.apply(f"/api/v1/namespaces/{namespace.name}", made)
        if item.secrets and namespace is not None:
            secrets = [objects.secret(name, namespace.name, data) for name, data in item.secrets.items()]
            self._objects += cluster.apply(secrets, id_, self._timeout)
        definitions = cluster.definitions(item, self._prepared.path) if item.is_addon else []
        if definitions:
            self._say(f"defining {len(definitions)} kinds")
            self._crds = cluster.define(definitions, id_, item.entry.crds.keep, self._timeout)
        self._objects += cluster.apply(objects.in_order(item.before), id_, self._timeout)

    def _main(self) -> int:
        """The release or the manifests; the revision that the release has then."""
        item, cluster = self._item, self._cluster
        if item.released:
            return self._upgrade()
        if item.fetched:
            things = [thing for thing in manifests(self._prepared.path) if not objects.is_crd(thing)]
            self._objects += cluster.apply(things, item.id, self._timeout)
        return 0

    def _upgrade(self) -> int:
        item, helm, where = self._item, self._cluster.helm, target(self._item)
        release = self._release
        if release is not None and release.pending:
            self._say(f"recovering the release, which is {release.status}")
            releases.mark_failed(self._cluster.api, where, release.revision)
            if release.deployed:
                helm.rollback(where, release.deployed, item.entry.timeout)
        self._released = True
        digest = item.digest(self._prepared.step.chart_digest, helm.version[0])
        helm.upgrade(where, self._prepared.path, item.values, {LABEL: digest}, item.entry.timeout)
        return self._newest()

    def _newest(self) -> int:
        """The revision that Helm has reached."""
        where = target(self._item)
        listed = self._cluster.api.request(
            "GET",
            f"/api/v1/namespaces/{where.namespace}/secrets",
            query={"labelSelector": f"owner=helm,name={where.release}"},
            accept=METADATA_ONLY,
        )
        found = inventory.parse_releases(listed.get("items") or ())
        release = found.get((where.namespace, where.release))
        return release.revision if release is not None else 0

    def _after(self) -> None:
        item, cluster = self._item, self._cluster
        deadline = time.monotonic() + self._timeout

        def left() -> float:
            return max(1.0, deadline - time.monotonic())

        if item.is_addon:
            health.wait(cluster.api, cluster.kinds, item.entry.waits, left(), self._say)
        self._objects += cluster.apply(objects.in_order(item.after), item.id, left())
        if item.is_addon:
            health.wait(cluster.api, cluster.kinds, item.entry.health, left(), self._say)

    def _failed(self, error: Exception, record: Record) -> ApplyError:
        """Say why, go back to what was good, and note it."""
        item = self._item
        evidence = (
            health.evidence(self._cluster.api, record.namespace, record.release) if self._released else []
        )
        outcome = "nothing of its release was changed"
        revision = record.revision
        if self._released:
            outcome, revision = self._back()
        known = {*(self._former.objects if self._former is not None else ())}
        known |= {ref.text() for ref in self._objects}
        crds = tuple(sorted({*record.crds, *(ref.text() for ref in self._crds)}))
        try:
            self._write(
                replace(record, state=FAILED, revision=revision, objects=tuple(sorted(known)), crds=crds)
            )
        except (ApiError, AddonError) as lost:
            outcome += f"; and that could not be noted: {lost}"
        return ApplyError(_text(error, item.secrets), evidence, outcome)

    def _back(self) -> Tuple[str, int]:
        helm, where, good = self._cluster.helm, target(self._item), self._good()
        self._say("going back" if good else "taking it away again")
        try:
            if good:
                helm.rollback(where, good, self._item.entry.timeout)
                return f"rolled back to revision {good}", self._newest()
            helm.uninstall(where, self._item.entry.timeout)
            return "there was no good release to go back to: its release is removed", 0
        except (HelmError, ApiError) as error:
            return f"and it could not be rolled back: {error}", 0

    def _good(self) -> int:
        """The newest revision from before this run that was good; 0 where there was none."""
        return self._release.deployed if self._release is not None else 0


def _text(error: Exception, secrets: Mapping[str, Mapping[str, str]]) -> str:
    """The error without values of Secrets, should an answer quote one."""
    text = str(error)
    hidden: Dict[str, None] = {value: None for data in secrets.values() for value in data.values() if value}
    for value in hidden:
        text = text.replace(value, objects.HIDDEN)
    return text
