"""What the runner's own configuration says: TOML in a value, which no schema of the chart looks into."""

from __future__ import annotations

from typing import Any

import pytest
import tomllib

from .entries import ENVIRONMENTS, merged
from .shipped import CATALOG, load_all

# What a job could choose by its variables.
OPEN = (
    "namespace",
    "service_account",
    "bearer_token",
    "node_selector",
    "node_tolerations",
    "pod_labels",
    "pod_annotations",
)
CONTAINERS = ("", "helper_", "service_")
RESOURCES = ("cpu", "memory", "ephemeral_storage")


def runner(environment: str) -> dict[str, Any]:
    (found,) = tomllib.loads(merged("gitlab-runner", environment)["runners"]["config"])["runners"]
    return dict(found)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_job_chooses_nothing_by_its_variables(environment: str) -> None:
    pods = runner(environment)["kubernetes"]
    closed = {name: pods[name] for name in pods if "_overwrite_" in name}
    wanted = {f"{name}_overwrite_allowed" for name in OPEN} | {
        f"{container}{resource}_{what}_overwrite_max_allowed"
        for container in CONTAINERS
        for resource in RESOURCES
        for what in ("request", "limit")
    }
    assert set(closed) == wanted
    assert {name for name, value in closed.items() if value} == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_pods_of_jobs_meet_the_level_of_their_namespace(environment: str) -> None:
    found = runner(environment)
    pods = found["kubernetes"]
    assert pods["pod_security_context"]["run_as_non_root"] is True
    assert (pods["privileged"], pods["allow_privilege_escalation"], pods["cap_drop"]) == (
        False,
        False,
        ["ALL"],
    )
    (patch,) = pods["pod_spec"]
    assert "RuntimeDefault" in patch["patch"]
    assert found["feature_flags"]["FF_USE_ADVANCED_POD_SPEC_CONFIGURATION"] is True


def test_configuration_and_objects_name_the_same() -> None:
    pods = runner("")["kubernetes"]
    things = load_all(CATALOG / "gitlab-runner" / "resources" / "jobs.yml")
    names = {(thing["kind"], thing["metadata"]["name"]) for thing in things}
    assert {("Namespace", pods["namespace"]), ("ServiceAccount", pods["service_account"])} <= names
    values = merged("gitlab-runner", "")
    (binding,) = [thing for thing in things if thing["kind"] == "RoleBinding"]
    assert [subject["name"] for subject in binding["subjects"]] == [values["serviceAccount"]["name"]]
