# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run: read, plan, refuse what can't be, and work through it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..plan import DELETE, UPDATE, Change, Meter
from . import checks, desired, drift, inventory, plan, prepare, remove, report, schedule
from .apply import ApplyError, Applying
from .cluster import Cluster
from .inventory import Record, Release, State
from .lease import Lease
from .model import AddonError, Entry, Json
from .plan import Step

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How a run goes about it.

    skip_unavailable: leave out what has no chart source, in place of refusing. repair: look for drift too,
    and apply what has drifted once more.
    """

    check: bool = False
    diff: bool = False
    prune: bool = False
    remove_crds: bool = False
    skip_unavailable: bool = False
    repair: bool = False
    workers: int = 6


@dataclass(frozen=True)
class Planned:
    """The steps in order. removed: what goes, each after what has to go before. kept: what is left over."""

    steps: Tuple[Step, ...]
    removed: Mapping[str, Tuple[str, ...]]
    kept: Tuple[str, ...] = ()


@dataclass
class Run:
    """One run against one cluster."""

    cluster: Cluster
    items: Mapping[str, desired.Item]
    catalog: Mapping[str, Entry]
    options: Options
    meter: Meter
    say: Say
    absent: bool = False
    addons: Dict[str, Dict[str, object]] = field(default_factory=dict)
    failures: List[str] = field(default_factory=list)

    def present(self) -> Json:
        """Make the cluster what the items say, or tell what that takes. The result of the task."""
        state = inventory.read(self.cluster.api)
        planned = self._plan(state)
        ready = self._prepare(planned, state)
        steps = self._startable(planned, ready)
        changes = [step.change(self.items.get(step.item), state.records.get(step.item)) for step in steps]
        for step in steps:
            self.say(report.step_line(step, self._version(step.item, state)))
        if planned.kept:
            self.say(f"not selected any more, and kept without k8s_addons_prune: {', '.join(planned.kept)}")
        for name, found in self.addons.items():
            if found["state"] == report.UNAVAILABLE:
                self.say(f"{name} is left out: {found['reason']}")
        differences = (
            self._differences(steps, ready, state) if self.options.check or self.options.diff else []
        )
        if steps and not self.options.check:
            self._work(steps, planned, ready)
        self._unchanged(state)
        for line in report.table(self.addons) if not self.options.check else ():
            self.say(line)
        return self._result(changes, differences, planned.kept)

    @property
    def warnings(self) -> List[str]:
        """What the selection has that should not stay; nothing is refused for it."""
        return checks.warnings(item.entry for item in self.items.values() if item.is_addon)

    def drifted(self) -> Json:
        """Compare live objects with what was applied; nothing is changed."""
        state = inventory.read(self.cluster.api)
        planned = self._plan(state)
        found = self._drift(self.items.values(), state)
        for difference in found:
            self.say(f"{difference.item}: {difference.title}: {difference.kind}")
        changes = [
            step.change(self.items.get(step.item), state.records.get(step.item)) for step in planned.steps
        ]
        result = self._result(changes, [difference.shown for difference in found], planned.kept)
        result["drift"] = [
            {"addon": difference.item, "kind": difference.kind, "object": difference.title}
            for difference in found
        ]
        result["changed"] = bool(found or changes)
        return result

    def _drift(self, items: Iterable[desired.Item], state: State) -> List[drift.Difference]:
        """Where live objects are not as they were applied."""

        def one(item: desired.Item) -> List[drift.Difference]:
            return drift.of_live(self.cluster, item, state.records[item.id], self._release(item, state))

        with ThreadPoolExecutor(max_workers=self.options.workers) as pool:
            known = [item for item in items if item.id in state.records]
            return [difference for part in pool.map(one, known) for difference in part]

    def _repairs(self, steps: Sequence[Step], state: State) -> List[Step]:
        """Steps for items that only drift tells to be wrong."""
        planned = {step.item for step in steps}
        counts: Dict[str, int] = {}
        for found in self._drift((item for item in self.items.values() if item.id not in planned), state):
            counts[found.item] = counts.get(found.item, 0) + 1
        return [
            Step(UPDATE, name, (f"{count} objects have drifted",), state.records[name].chart_digest)
            for name, count in counts.items()
        ]

    def _plan(self, state: State) -> Planned:
        steps: List[Step] = []
        for item in self.items.values() if not self.absent else ():
            record = state.records.get(item.id)
            chart = plan.chart_digest(item, record)
            major = self.cluster.helm.version[0] if item.released else 0
            step = plan.decide(item, chart, item.digest(chart, major), record, self._release(item, state))
            if step is not None:
                steps.append(step)
        if self.options.repair and not self.absent:
            steps += self._repairs(steps, state)
        surplus = plan.surplus({} if self.absent else self.items, state)
        if not (self.options.prune or self.absent):
            return Planned(tuple(steps), {}, tuple(surplus))
        why = "is to be removed" if self.absent else "is not selected any more"
        steps += [Step(DELETE, name, (why,)) for name in surplus]
        return Planned(tuple(steps), surplus)

    def _prepare(self, planned: Planned, state: State) -> Dict[str, prepare.Prepared]:
        outcome = prepare.prepare(
            self.cluster.api,
            self.cluster.store,
            self.items,
            [step for step in planned.steps if step.kind != DELETE],
            state,
            self.options.workers,
            self.options.skip_unavailable,
        )
        if outcome.unavailable and not self.options.skip_unavailable:
            raise AddonError(outcome.unavailable.values())
        for name, why in outcome.unavailable.items():
            self.addons[name] = report.entry(report.UNAVAILABLE, self._version(name, state), reason=why)
        for name, missing in outcome.left_out.items():
            if not self.items[name].is_addon:
                continue
            why = f"needs {missing}, which is left out"
            self.addons[name] = report.entry(report.BLOCKED, self._version(name, state), reason=why)
        for name, made in outcome.ready.items():
            if made.item.trusts(plan.chart_digest(made.item, state.records.get(name))):
                self.say(f"{name}: the lock has no digest; trusting {made.step.chart_digest}, seen first now")
        return outcome.ready

    def _startable(self, planned: Planned, ready: Mapping[str, prepare.Prepared]) -> List[Step]:
        """The steps that can be made; those that were brought have their file's digest now."""
        return [
            ready[step.item].step if step.kind != DELETE else step
            for step in planned.steps
            if step.kind == DELETE or step.item in ready
        ]

    def _differences(
        self, steps: Sequence[Step], ready: Mapping[str, prepare.Prepared], state: State
    ) -> List[Dict[str, str]]:
        def one(step: Step) -> List[drift.Difference]:
            if step.kind == DELETE:
                record = state.records[step.item]
                return drift.of_removal(self.cluster, step.item, record, _of_record(record, state))
            prepared = ready[step.item]
            return drift.of_step(self.cluster, prepared, self._release(prepared.item, state))

        with ThreadPoolExecutor(max_workers=self.options.workers) as pool:
            found = [difference for part in pool.map(one, steps) for difference in part]
        for difference in found:
            if difference.kind == "refused":
                self.say(
                    f"{difference.item}: {difference.title} would be {difference.shown['after'].strip()}"
                )
        return [difference.shown for difference in found]

    def _work(self, steps: Sequence[Step], known: Planned, ready: Dict[str, prepare.Prepared]) -> None:
        """Apply and remove, as the only run that does, by what the cluster is then."""
        api = self.cluster.api
        inventory.prepare(api)
        with Lease(api, self.cluster.name) as lease:
            state = inventory.read(api)
            planned = self._plan(state)
            announced = {step.item for step in steps if step.kind == DELETE}
            sudden = sorted(set(planned.removed) - announced)
            if sudden:
                raise AddonError(
                    [f"{', '.join(sudden)} would be removed, which the plan did not say: run again"]
                )
            if planned != known:
                ready = self._prepare(planned, state)

            def stopped() -> str:
                return f"the run has lost its lease: {lease.lost}" if lease.lost else ""

            self._schedule(self._startable(planned, ready), planned, ready, state, stopped)
            if self.absent and not self.failures and not stopped():
                api.delete(inventory.CONFIG_MAP)

    def _schedule(
        self,
        steps: Sequence[Step],
        planned: Planned,
        ready: Mapping[str, prepare.Prepared],
        state: State,
        stopped: Callable[[], str],
    ) -> None:
        applied = [step.item for step in steps if step.kind != DELETE]
        graph = plan.schedule(applied, self.items, planned.removed, self._first(planned, applied))
        begun: Dict[str, float] = {}
        removed = set(planned.removed)

        def work(name: str, say: Say) -> None:
            record = state.records.get(name)
            if name in removed:
                if record is not None:
                    release = _of_record(record, state)
                    crds = self.options.remove_crds
                    remove.remove(self.cluster, name, record, release, crds, say, stopped)
                return
            release = self._release(ready[name].item, state)
            Applying(self.cluster, ready[name], record, release, say, stopped).run()

        def tell(event: schedule.Event) -> None:
            name = event.item
            version = self._version(name, state)
            if event.kind == "start":
                begun[name] = time.monotonic()
                self.say(f"{name}: {'removing' if name in removed else 'applying'} {version}".rstrip())
            elif event.kind == "say":
                self.say(f"{name}: {event.text}")
            elif event.kind == "done":
                seconds = time.monotonic() - begun[name]
                self.say(report.done_line(name, name in removed, seconds))
                done = report.REMOVED if name in removed else report.READY
                self.addons[name] = report.entry(done, version, seconds)
            else:
                self._failed(event, version, time.monotonic() - begun[name] if name in begun else None)

        for name, needs in graph.items():
            if needs and name not in removed:
                self.say(f"{name}: waiting for {', '.join(needs)}")
        schedule.run(graph, work, self.options.workers, tell, stopped)

    def _failed(self, event: schedule.Event, version: str, seconds: Optional[float]) -> None:
        blocked = event.kind == "blocked"
        lines = [f"{event.item}: {'not started: ' if blocked else 'failed: '}{event.text}"]
        if isinstance(event.error, ApplyError):
            lines += [f"{event.item}: {line}" for line in event.error.evidence]
        elif event.error is not None and not isinstance(event.error, Exception):
            raise event.error
        for line in lines:
            self.say(line)
        self.failures += lines
        state = report.BLOCKED if blocked else report.FAILED
        self.addons[event.item] = report.entry(state, version, seconds, event.text)

    def _first(self, planned: Planned, applied: Sequence[str]) -> Dict[str, Tuple[str, ...]]:
        """What has to be gone before something that conflicts with it comes."""
        found: Dict[str, Tuple[str, ...]] = {}
        for name in planned.removed:
            old = self.catalog.get(name)
            if old is None:
                continue
            others = tuple(
                other
                for other in applied
                if set(self.items[other].entry.conflicts) & set(old.offers())
                or set(old.conflicts) & set(self.items[other].entry.offers())
            )
            if others:
                found[name] = others
        return found

    def _release(self, item: desired.Item, state: State) -> Optional[Release]:
        if not item.released or item.entry.namespace is None:
            return None
        return state.releases.get((item.entry.namespace.name, item.entry.release))

    def _version(self, name: str, state: State) -> str:
        item = self.items.get(name) if not self.absent else None
        if item is not None:
            return item.entry.version() if item.is_addon else ""
        record = state.records.get(name)
        return record.version if record is not None else ""

    def _unchanged(self, state: State) -> None:
        for name, item in self.items.items() if not self.absent else ():
            if name not in self.addons and name in state.records and not self.options.check:
                version = item.entry.version() if item.is_addon else ""
                self.addons[name] = report.entry(report.UNCHANGED, version)

    def _result(
        self, changes: Sequence[Change], differences: Sequence[Dict[str, str]], kept: Sequence[str]
    ) -> Json:
        result: Dict[str, Any] = {
            "changed": bool(changes),
            "plan": [change.public() for change in changes],
            "diff": list(differences),
            "addons": self.addons,
            "unselected": list(kept),
            "warnings": self.warnings,
            "stats": {**self.meter.stats(), "processes": self.cluster.helm.processes},
        }
        if self.failures:
            result["failed"] = True
            result["msg"] = "\n".join(self.failures)
        return result


def _of_record(record: Record, state: State) -> Optional[Release]:
    return state.releases.get((record.namespace, record.release)) if record.release else None
