"""Probes: what counts as ready, and what is told while it is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import health


def workload(wanted: int | None = 2, **status: Any) -> dict[str, Any]:
    spec = {} if wanted is None else {"replicas": wanted}
    return {"metadata": {"generation": 3}, "spec": spec, "status": {"observedGeneration": 3, **status}}


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (None, "is not there"),
        (workload(updatedReplicas=2, availableReplicas=2, replicas=2), ""),
        (workload(updatedReplicas=1, availableReplicas=2, replicas=2), "1 of 2 of the new kind"),
        (workload(updatedReplicas=2, availableReplicas=0, replicas=2), "0 of 2 available"),
        (workload(updatedReplicas=2, availableReplicas=2, replicas=3), "old replicas are left"),
        (workload(0), ""),
        (workload(None, updatedReplicas=1, availableReplicas=1, replicas=1), ""),
        (
            workload(observedGeneration=2, updatedReplicas=2, availableReplicas=2),
            "its controller has not seen it yet",
        ),
    ],
)
def test_deployment(thing: dict[str, Any] | None, why: str) -> None:
    assert health.deployment(thing) == (not why, why)


def test_statefulset_waits_for_new_pods_unless_people_replace_them() -> None:
    half = workload(updatedReplicas=1, availableReplicas=2)
    assert health.statefulset(half) == (False, "1 of 2 of the new kind")
    half["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert health.statefulset(half) == (True, "")
    half["status"]["availableReplicas"] = 1
    assert health.statefulset(half)[0] is False


def test_daemonset_counts_the_nodes_that_it_is_for() -> None:
    ready = workload(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=2)
    assert health.daemonset(ready) == (True, "")
    ready["status"]["numberAvailable"] = 1
    assert health.daemonset(ready) == (False, "1 of 2 available")


def conditions(*found: dict[str, str]) -> dict[str, Any]:
    return {"status": {"conditions": list(found)}}


def test_condition() -> None:
    bad = {"type": "Ready", "status": "False", "reason": "NoAccount", "message": "no e-mail"}
    assert health.condition(conditions({"type": "Ready", "status": "True"}), "Ready", "True") == (True, "")
    assert health.condition(conditions(bad), "Ready", "True") == (
        False,
        "Ready is False (NoAccount: no e-mail)",
    )
    assert health.condition(conditions(), "Ready", "True") == (False, "has no condition Ready yet")
    assert health.condition(conditions(bad), "Ready", "False") == (True, "")


def test_a_job_that_failed_is_told_so_at_once() -> None:
    assert health.job(conditions({"type": "Complete", "status": "True"})) == (True, "")
    holds, why = health.job(conditions({"type": "Failed", "status": "True"}))
    assert not holds and why.startswith("failed")
