# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what was applied works: probes of an entry, and what tells why it does not."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .api import Api, ApiError, Kinds, UnreachableError, passing
from .model import AddonError, Json, Probe
from .objects import Ref

# What a probe comes to: whether it holds, and if not, why.
Verdict = Tuple[bool, str]
_APPS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_SHORTEST, _LONGEST = 0.2, 2.0


class NotReadyError(Exception):
    """A probe did not hold in time, or never will."""


def wait(api: Api, kinds: Kinds, probes: Sequence[Probe], timeout: float, say: Callable[[str], None]) -> None:
    """Until all probes hold. NotReadyError names the one that does not, and why."""
    deadline = time.monotonic() + timeout
    for probe in probes:
        pause, told = _SHORTEST, ""
        while True:
            try:
                holds, why = check(api, kinds, probe)
            except (ApiError, UnreachableError) as error:
                # An API server that restarts says nothing about the addon.
                if not passing(error):
                    raise
                holds, why = False, str(error)
            if holds:
                break
            if why != told:
                say(f"waiting for {probe.title()}: {why}")
                told = why
            if time.monotonic() >= deadline or why.startswith("failed"):
                raise NotReadyError(f"{probe.title()}: {why}, after {timeout:.0f} s at most")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST)


def check(api: Api, kinds: Kinds, probe: Probe) -> Verdict:
    """One look at one probe."""
    if probe.kind == "webhook":
        return _webhook(api, probe.name)
    if probe.kind == "apiservice":
        found = api.get(f"/apis/apiregistration.k8s.io/v1/apiservices/{probe.name}")
        return condition(found, "Available", "True")
    if probe.kind == "condition":
        try:
            path = kinds.path(Ref(probe.api_version, probe.object_kind, probe.namespace, probe.name))
        except ApiError as error:
            return False, error.message
        return condition(api.get(path), probe.condition, probe.status)
    if probe.kind == "job":
        return job(api.get(f"/apis/batch/v1/namespaces/{probe.namespace}/jobs/{probe.name}"))
    found = api.get(f"/apis/apps/v1/namespaces/{probe.namespace}/{_APPS[probe.kind]}/{probe.name}")
    return {"deployment": deployment, "statefulset": statefulset, "daemonset": daemonset}[probe.kind](found)


def condition(thing: Optional[Json], name: str, wanted: str) -> Verdict:
    """A condition in the status of any object."""
    if thing is None:
        return False, "is not there"
    for found in (thing.get("status") or {}).get("conditions") or ():
        if found.get("type") == name:
            if found.get("status") == wanted:
                return True, ""
            why = ": ".join(part for part in (found.get("reason"), found.get("message")) if part)
            return False, f"{name} is {found.get('status')}" + (f" ({why})" if why else "")
    return False, f"has no condition {name} yet"


def _rolled_out(thing: Optional[Json], wanted: int, updated: str, available: str) -> Verdict:
    if thing is None:
        return False, "is not there"
    status = thing.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(thing["metadata"].get("generation") or 0):
        return False, "its controller has not seen it yet"
    for key, what in ((updated, "of the new kind"), (available, "available")):
        if int(status.get(key) or 0) < wanted:
            return False, f"{int(status.get(key) or 0)} of {wanted} {what}"
    return True, ""


def deployment(thing: Optional[Json]) -> Verdict:
    """All replicas are new ones and available, and no old one is left."""
    wanted = _replicas(thing)
    holds, why = _rolled_out(thing, wanted, "updatedReplicas", "availableReplicas")
    if holds and thing is not None and int((thing.get("status") or {}).get("replicas") or 0) > wanted:
        return False, "old replicas are left"
    return holds, why


def statefulset(thing: Optional[Json]) -> Verdict:
    """All replicas are available, and new ones, unless replacing them is left to people."""
    strategy = (((thing or {}).get("spec") or {}).get("updateStrategy") or {}).get("type")
    updated = "availableReplicas" if strategy == "OnDelete" else "updatedReplicas"
    return _rolled_out(thing, _replicas(thing), updated, "availableReplicas")


def daemonset(thing: Optional[Json]) -> Verdict:
    """Each node that it is for has a new one that is available."""
    wanted = int(((thing or {}).get("status") or {}).get("desiredNumberScheduled") or 0)
    return _rolled_out(thing, wanted, "updatedNumberScheduled", "numberAvailable")


def job(thing: Optional[Json]) -> Verdict:
    """It is complete; one that has failed never will be."""
    failed, why = condition(thing, "Failed", "True")
    if failed:
        return False, f"failed {why}".strip()
    return condition(thing, "Complete", "True")


def _replicas(thing: Optional[Json]) -> int:
    found = ((thing or {}).get("spec") or {}).get("replicas")
    return 1 if found is None else int(found)


def _webhook(api: Api, name: str) -> Verdict:
    configurations = [
        found
        for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
        for found in [api.get(f"{_ADMISSION}/{kind}/{name}")]
        if found is not None
    ]
    if not configurations:
        return False, "is not there"
    services = set()
    for webhook in (webhook for found in configurations for webhook in found.get("webhooks") or ()):
        client = webhook["clientConfig"]
        if not client.get("caBundle"):
            return False, f"{webhook['name']} has no CA yet"
        if "service" in client:
            services.add((client["service"]["namespace"], client["service"]["name"]))
    for namespace, service in sorted(services):
        if not _has_endpoint(api, namespace, service):
            return False, f"service {namespace}/{service} has no endpoint that is ready"
    return True, ""


def _has_endpoint(api: Api, namespace: str, service: str) -> bool:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    found = api.get(path, labelSelector=f"kubernetes.io/service-name={service}") or {}
    return any(
        (endpoint.get("conditions") or {}).get("ready", True) is not False
        for portion in found.get("items") or ()
        for endpoint in portion.get("endpoints") or ()
    )


def evidence(api: Api, namespace: str, release: str, limit: int = 5) -> List[str]:
    """Why a release does not come up: pods that are not ready with their last words, and warnings."""
    if not namespace:
        return []
    try:
        pods = (api.get(f"/api/v1/namespaces/{namespace}/pods") or {}).get("items") or []
        events = (api.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector="type=Warning") or {}).get(
            "items"
        ) or []
    except (ApiError, AddonError) as error:
        return [f"events and pods can't be read: {error}"]
    own = [pod for pod in pods if _label(pod, "app.kubernetes.io/instance") == release] or pods
    lines = [line for pod in own for line in _about_pod(api, namespace, pod)][: limit * 3]
    return [*lines, *_warnings(events, limit)]


def _label(thing: Mapping[str, Any], name: str) -> Any:
    return (thing["metadata"].get("labels") or {}).get(name)


def _warnings(events: Iterable[Json], limit: int) -> List[str]:
    newest = sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    told: Dict[str, None] = {}
    for event in reversed(newest):
        about = event.get("involvedObject") or {}
        told[
            f"event: {about.get('kind')} {about.get('name')}: {event.get('reason')}: {event.get('message')}"
        ] = None
    return list(told)[:limit]


def _about_pod(api: Api, namespace: str, pod: Json) -> Iterable[str]:
    name = pod["metadata"]["name"]
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    if not statuses and status.get("phase") == "Pending":
        scheduled = condition(pod, "PodScheduled", "True")
        yield f"pod {name}: is Pending{'' if scheduled[0] else ', ' + scheduled[1]}"
    for container in statuses:
        state = container.get("state") or {}
        if container.get("ready") or (state.get("terminated") or {}).get("exitCode") == 0:
            continue
        bad = state.get("waiting") or state.get("terminated") or {}
        what = ": ".join(part for part in (bad.get("reason"), bad.get("message")) if part) or "is not ready"
        yield f"pod {name}, container {container['name']}: {what}"
        query = {"container": container["name"], "tailLines": "5"}
        if container.get("restartCount"):
            query["previous"] = "true"
        try:
            words = api.get(f"/api/v1/namespaces/{namespace}/pods/{name}/log", **query)
        except (ApiError, AddonError):
            continue
        for line in str(words or "").splitlines()[-5:]:
            yield f"log of {name}/{container['name']}: {line[:300]}"
