# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying one item: in order, noted before and after, and taken back where it fails."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, List, Optional, Sequence, Tuple

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


class StoppedError(Exception):
    """The run may not go on: somebody else may be at work by now."""


class Applying:
    """One item on its way. former: our record of it; release: Helm's newest revision, as they were.

    stopped: says why nothing more may be changed; empty while it may.
    """

    def __init__(
        self,
        cluster: Cluster,
        prepared: Prepared,
        former: Optional[Record],
        release: Optional[Release],
        say: Say,
        stopped: Callable[[], str] = lambda: "",
    ) -> None:
        self._stopped = stopped
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
        self._noted = Record(APPLYING)

    def run(self) -> Record:
        """Everything; the record of it. ApplyError says why it failed, and what it is back to."""
        record = self._record(APPLYING)
        earlier = self._former.objects if self._former is not None else ()
        self._note(replace(record, objects=earlier))
        try:
            self._before()
            self._hold()
            revision = self._main()
            self._hold()
            self._after()
            self._hold()
        except StoppedError as error:
            raise ApplyError(
                str(error), [], "it is left as it is, and the next run goes on from there"
            ) from error
        except Exception as error:  # pylint: disable=broad-except  # whatever it is, nothing stays half applied
            raise self._failed(error) from error
        gone = [objects.ref_from(text) for text in earlier if objects.ref_from(text) not in self._objects]
        try:
            self._cluster.delete(gone[::-1], self._item.id, self._timeout, self._say)
        except (StepError, ApiError, AddonError) as error:
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

    def _hold(self) -> None:
        if self._stopped():
            raise StoppedError(self._stopped())

    def _note(self, record: Record) -> None:
        """Note what is about to be made: what a run leaves that fails or is killed the next one knows."""
        own = {
            self._cluster.located(thing).text()
            for thing in self._plain()
            if self._cluster.kinds.knows(thing["apiVersion"], thing["kind"])
        }
        crds = {*record.crds, *(ref.text() for ref in self._crds)}
        noted = replace(record, objects=tuple(sorted({*record.objects, *own})), crds=tuple(sorted(crds)))
        if noted != self._noted:
            self._write(noted)
            self._noted = noted

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
            # The last that was good: what it was before we came, where we adopt it.
            former.revision if former is not None else self._release.deployed if self._release else 0,
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
            # Its own objects may be of these kinds.
            self._note(self._noted)
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
            good = self._good()
            if good:
                helm.rollback(where, good, item.entry.timeout)
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

    def _failed(self, error: Exception) -> ApplyError:
        """Say why, go back to what was good, and note it."""
        item, record = self._item, self._noted
        secrets = [value for data in item.secrets.values() for value in data.values()]
        reason = objects.hidden(str(error) or type(error).__name__, secrets)
        found = health.evidence(self._cluster.api, record.namespace, record.release) if self._released else []
        evidence = [objects.hidden(line, secrets) for line in found]
        if self._stopped():
            return ApplyError(f"{reason}; {self._stopped()}", evidence, "it is left as it is")
        outcome = "nothing of its release was changed"
        revision = record.revision
        if self._released:
            outcome, revision = self._back(record.revision)
            outcome = objects.hidden(outcome, secrets)
        if self._objects:
            outcome += f"; {len(self._objects)} objects beside it stay as they were applied"
        try:
            self._write(replace(record, state=FAILED, revision=revision))
        except (ApiError, AddonError) as lost:
            outcome += f"; and that could not be noted: {lost}"
        return ApplyError(reason, evidence, outcome)

    def _back(self, last: int) -> Tuple[str, int]:
        """What it is back to, and the revision to go back to next time. last: the one of this time."""
        helm, where = self._cluster.helm, target(self._item)
        try:
            good = self._good()
            if not good and last:
                # It was good once, and its volumes may be in it.
                return f"its revision {last} is gone, and so its release is left as it is", last
            self._say("going back" if good else "taking it away again")
            if good:
                helm.rollback(where, good, self._item.entry.timeout)
                return f"rolled back to revision {good}", self._newest()
            helm.uninstall(where, self._item.entry.timeout)
            return "there was no good release to go back to: its release is removed", 0
        except (HelmError, ApiError, AddonError, OSError) as error:
            return f"and it could not be rolled back: {error}", last

    def _good(self) -> int:
        """The newest revision from before this run that was good; 0 where there was none.

        After a run that failed it is what our record says: Helm calls deployed what never got ready.
        """
        former, release = self._former, self._release
        if release is None:
            return 0
        if former is None or former.state == READY or not former.revision:
            return release.deployed
        kept = self._cluster.api.get(releases.path(target(self._item), former.revision))
        return former.revision if kept is not None else release.deployed
