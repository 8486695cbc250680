# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be refused is refused here, before anything changes; and what a plan needs is brought."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Callable, Dict, List, Mapping, Sequence, Tuple, Union

from . import charts, known, objects, releases
from .api import Api
from .cluster import manifests
from .desired import Item
from .helm import Target
from .inventory import State
from .model import AddonError, Entry
from .plan import Step
from .versions import satisfies

# Who comes later than this after a release was left pending is not in its way, in seconds.
_PENDING = 600


@dataclass(frozen=True)
class Prepared:
    """A step that can be made: its file is there, and nothing speaks against it."""

    item: Item
    step: Step
    path: str = ""


@dataclass(frozen=True)
class Outcome:
    """ready: by item. unavailable: items whose file has no source, each with what to set.

    left_out: items that need one of those, or one that is left out for that, each with which.
    """

    ready: Dict[str, Prepared] = field(default_factory=dict)
    unavailable: Dict[str, str] = field(default_factory=dict)
    left_out: Dict[str, str] = field(default_factory=dict)


def prepare(
    api: Api,
    store: charts.Store,
    items: Mapping[str, Item],
    steps: Sequence[Step],
    state: State,
    workers: int,
    lenient: bool = False,
    now: Callable[[], float] = time.time,
) -> Outcome:
    """Bring and check what the steps need. AddonError has a line for everything that is wrong.

    lenient: what has no source will be left out, and is not looked for on every run.
    """
    wanted = [(items[step.item], step) for step in steps if step.item in items]
    if not wanted:
        return Outcome()
    outcome = Outcome()

    def bring(pair: Tuple[Item, Step]) -> Union[Prepared, AddonError]:
        try:
            return _bring(store, *pair, state, lenient, now())
        except charts.NoSourceError as error:
            return error
        except AddonError as error:
            name = f"{pair[0].id} {pair[0].entry.version()}: "
            return AddonError(why if pair[0].id in why else name + why for why in error.reasons)

    def check(item: Item) -> List[str]:
        try:
            _check_release(api, item, state, now())
            _check_secrets(api, item)
        except AddonError as error:
            return error.reasons
        return []

    wrong: List[str] = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for (item, _step), result in zip(wanted, pool.map(bring, wanted)):
            if isinstance(result, Prepared):
                outcome.ready[item.id] = result
            elif isinstance(result, charts.NoSourceError):
                outcome.unavailable[item.id] = str(result)
            else:
                wrong.extend(result.reasons)
        _leave_out(outcome, items)
        # What is left out is not asked about: a run that leaves it out again makes two requests.
        left = [made.item for made in outcome.ready.values()]
        wrong.extend(line for lines in pool.map(check, left) for line in lines)
    wrong.extend(_too_old(api, [item.entry for item in left]))
    if wrong:
        raise AddonError(wrong)
    return outcome


def _leave_out(outcome: Outcome, items: Mapping[str, Item]) -> None:
    for item in items.values():
        gone = (need for need in item.needs if need in outcome.unavailable or need in outcome.left_out)
        missing = next(gone, None)
        if item.id in outcome.ready and missing is not None:
            del outcome.ready[item.id]
            outcome.left_out[item.id] = missing


def _too_old(api: Api, entries: Sequence[Entry]) -> List[str]:
    if not entries:
        return []
    version = api.version()
    return sorted(
        {
            f"{entry.id} {entry.version()} needs Kubernetes {entry.kubernetes}: the cluster has {version}"
            for entry in entries
            if entry.kubernetes and not satisfies(version, entry.kubernetes)
        }
    )


def _bring(store: charts.Store, item: Item, step: Step, state: State, lenient: bool, now: float) -> Prepared:
    if not item.fetched:
        return Prepared(item, step)
    entry, digest = item.entry, step.chart_digest
    if not store.has(entry, digest):
        found = store.fetch_unless_away(entry, now) if lenient else store.fetch(entry)
        if digest and found != digest:
            record = state.records.get(item.id)
            whose = "the lock" if item.locked else "the digest that was seen first"
            hint = "" if item.locked or record is None else "; put the digest into the lock if it is right"
            raise AddonError(
                [f"{item.id} {entry.version()}: its file has digest {found}, {whose} says {digest}{hint}"]
            )
        digest = found
    path = store.path(entry, digest)
    if entry.chart is not None:
        charts.check_metadata(path, entry)
        _check_values(item, path)
    else:
        for thing in manifests(path):
            objects.ref(thing)
    return Prepared(item, replace(step, chart_digest=digest), path)


def _check_values(item: Item, path: str) -> None:
    found = known.unknown(item.values, charts.keys(path), item.entry.free_form)
    if found and item.entry.chart is not None:
        chart = f"the chart {item.entry.chart.name} {item.entry.version()}"
        raise AddonError(
            f"k8s_addons_values.{item.id} has {key}: {chart} knows no such value" for key in found
        )


def _check_secrets(api: Api, item: Item) -> None:
    if not item.is_addon or item.entry.namespace is None:
        return
    wrong: List[str] = []
    for needed in item.entry.secrets:
        if needed.optional or needed.name in item.secrets:
            continue
        where = item.entry.namespace.name
        found = api.get(f"/api/v1/namespaces/{where}/secrets/{needed.name}")
        missing = [key for key in needed.keys if key not in ((found or {}).get("data") or {})]
        if missing:
            what = f"lacks {', '.join(missing)}" if found is not None else "is missing"
            wrong.append(
                f"{item.id} needs the Secret {where}/{needed.name}, which {what}: {needed.description} "
                f"Make it, or set k8s_addons_secrets.{item.id}.{needed.name}"
            )
    if wrong:
        raise AddonError(wrong)


def _check_release(api: Api, item: Item, state: State, now: float) -> None:
    """Refuse a release that is somebody else's, or that somebody is changing at this moment."""
    if not item.released or item.entry.namespace is None or item.entry.chart is None:
        return
    where = item.entry.namespace.name
    release = state.releases.get((where, item.entry.release))
    if release is None:
        return
    record = state.records.get(item.id)
    if release.pending and (record is None or record.state == "ready") and now - release.modified < _PENDING:
        raise AddonError(
            [
                f"{item.id}: somebody's Helm is changing the release {where}/{release.name} "
                f"({release.status}) since {now - release.modified:.0f} s: it counts as interrupted "
                f"after {_PENDING} s"
            ]
        )
    if record is None and not release.deployed and not release.digest:
        raise AddonError(
            [
                f"{item.id}: somebody else made the release {where}/{release.name}, which never was deployed "
                f"(it is {release.status}): there is nothing to go back to; put it right or remove it first"
            ]
        )
    if record is None:
        held = releases.read(api, Target(release.name, where), release.revision) or {}
        chart = ((held.get("chart") or {}).get("metadata") or {}).get("name")
        if chart != item.entry.chart.name:
            raise AddonError(
                [
                    f"{item.id}: the release {where}/{release.name} is of the chart {chart}, not "
                    f"{item.entry.chart.name}: remove it, or don't select {item.id}"
                ]
            )
