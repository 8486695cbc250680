"""The declaration: each rule refuses with the runner, the value and the rule named, and all at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import model

GOOD: dict[str, Any] = {
    "name": "shop-build",
    "project": "shop/api",
    "on": ["node1"],
    "executor": "docker",
    "image": "debian:13",
    "tags": ["build"],
}


def violations(*entries: dict[str, Any]) -> list[str]:
    try:
        model.parse(list(entries))
    except model.DeclarationError as error:
        return error.violations
    return []


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key not in keys}


def test_a_good_one_has_safe_defaults() -> None:
    (runner,) = model.parse([GOOD])
    assert (runner.locked, runner.run_untagged, runner.protected_only) == (True, False, False)
    assert (runner.concurrency, runner.pull_policies) == (1, ("always",))
    assert runner.label("node1") == "shop-build on node1 (groundwork)"
    assert model.is_ours(runner.label("node1"))
    (group,) = model.parse([{**without("project"), "group": "shop"}])
    assert (group.kind, group.owner, group.locked) == ("group", "shop", False)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({**GOOD, "name": "Shop"}, "[Shop].name: must have 1 to 40 lower case letters"),
        ({**GOOD, "group": "shop"}, "[shop-build]: must have exactly one of project, group, instance"),
        (without("project"), "[shop-build]: must have exactly one of project, group, instance"),
        ({**GOOD, "project": "api"}, ".project is 'api': must be a full path"),
        ({**GOOD, "project": "shop/../api x"}, ".project is 'shop/../api x': must be a full path"),
        ({**without("project"), "group": "shop", "locked": True}, ".locked: is for runners of projects"),
        (without("on"), ": must have either on, a list of hosts, or kubernetes"),
        (
            {**without("executor"), "kubernetes": ["one"]},
            ": must have either on, a list of hosts, or kubernetes",
        ),
        (
            {**GOOD, "executor": "kubernetes"},
            ".executor is 'kubernetes': must be one of shell, docker, podman",
        ),
        ({**without("on"), "kubernetes": ["one"]}, ".executor is 'docker': must be left out in a cluster"),
        ({**GOOD, "executor": "shell"}, ".image: has no meaning with the executor shell"),
        (without("image"), ".image: must name the image of jobs that name none"),
        (without("tags"), ".tags: must not be empty, or run_untagged is true"),
        ({**GOOD, "tags": ["a,b"]}, ".tags: 'a,b' must have 1 to 100 characters, no comma"),
        ({**GOOD, "concurrency": 0}, ".concurrency is 0: must be 1 or more"),
        ({**GOOD, "concurrency": True}, ".concurrency is True: must be a whole number"),
        ({**GOOD, "maximum_timeout": 60}, ".maximum_timeout is 60: must be 600 seconds or more"),
        ({**GOOD, "pull_policies": ["sometimes"]}, ".pull_policies: 'sometimes' must be one of always"),
        ({**GOOD, "pull_policies": []}, ".pull_policies: must not be empty"),
        ({**GOOD, "environment": {"a b": "x"}}, ".environment: 'a b' must be the name of a variable"),
        ({**GOOD, "egress": [{"to": "10.0.0.0/8", "ports": [1]}]}, ".egress: is for runners in a cluster"),
        ({**GOOD, "privileged": True}, ".privileged: is not known; it must be one of"),
        ({**GOOD, "tags": "build"}, ".tags is 'build': must be a list"),
    ],
)
def test_a_bad_one_is_refused_by_name(entry: dict[str, Any], says: str) -> None:
    found = violations(entry)
    assert len(found) == 1, found
    assert says in found[0]
    assert found[0].startswith("gitlab_runner_runners[")


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(violations({**GOOD, "name": "X", "concurrency": 0}, {**GOOD, "tags": []})) == 3
    assert violations(GOOD, {**GOOD, "project": "blog/site"}) == [
        "gitlab_runner_runners[shop-build].name: must be there once only"
    ]


def test_shells_of_two_projects_never_share_a_host() -> None:
    shell = {**without("image"), "executor": "shell"}
    found = violations(shell, {**shell, "name": "blog-build", "project": "blog/site"})
    assert found == [
        "gitlab_runner_runners[blog-build].on: node1 has the shell runner shop-build of shop/api; "
        "their jobs would be one user and could read each other's files"
    ]
    assert violations(shell, {**shell, "name": "shop-test"}) == []
    assert violations(shell, {**shell, "name": "b", "project": "blog/site", "on": ["node2"]}) == []


def test_places_are_told_apart() -> None:
    cluster = {**without("on", "executor"), "name": "in-cluster", "kubernetes": ["node1"]}
    runners = model.parse([GOOD, cluster])
    assert [runner.name for runner in model.at(runners, "node1", kubernetes=False)] == ["shop-build"]
    assert [runner.name for runner in model.at(runners, "node1", kubernetes=True)] == ["in-cluster"]
    assert model.at(runners, "node2", kubernetes=False) == ()
