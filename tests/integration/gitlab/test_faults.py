"""A GitLab that is busy, broken for a moment, or gone between two writes; the next run ends clean."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab import client as client_module
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import ApiError, Client
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.engine import FailedError

from lab.doubles.gitlab import Fault
from tests.integration.gitlab.world import World, acme, keys, public_key


def model(path: str = "acme") -> list[dict[str, Any]]:
    (top,) = acme(
        {
            "path": "web",
            "files": {"README.md": "hello\n"},
            "members": {"alice": "developer"},
            "variables": {"A": "1", "SECRET": {"value": "hidden-value", "hidden": True}},
            "protected_branches": {"main": {"push": "no one", "merge": "maintainer"}},
            "protected_tags": {"v*": "maintainer"},
            "hooks": {"https://hook.example/": {"token": "t", "push_events": True}},
            "deploy_keys": {"ci": {"key": public_key()}},
            "deploy_tokens": {"pull": {"scopes": ["read_registry"], "deliver": {"variable": "PULL"}}},
            "schedules": {"nightly": {"cron": "0 1 * * *", "ref": "main", "variables": {"A": "1"}}},
            "labels": {"bug": "#ff0000"},
        },
        groups=[{"path": "ops", "labels": {"bug": "#ff0000"}}],
    )
    return [{**top, "path": path}]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been waited for, in seconds."""
    waited: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        real(min(seconds, 0.02))

    monkeypatch.setattr(client_module.time, "sleep", sleep)
    return waited


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_rate_limit_is_waited_for_as_long_as_it_says(ce: World, pauses: list[float], method: str) -> None:
    ce.server.faults.add(Fault(status=429, retry_after=7, method=method, times=1))
    ce.run(model(), workers=1)
    assert ce.server.faults.hits == 1
    assert max(pauses) == pytest.approx(7, abs=0.5)
    ce.again(model())


def test_a_limit_that_several_workers_meet_fails_nobody(ce: World, pauses: list[float]) -> None:
    ce.server.faults.add(Fault(status=429, retry_after=3, skip=12, times=5))
    ce.run(model(), workers=8)
    assert ce.server.faults.hits == 5
    assert max(pauses) > 2
    ce.again(model(), workers=8)


def test_a_pause_that_is_too_long_is_an_error(ce: World) -> None:
    ce.server.faults.add(Fault(status=429, retry_after=3600, times=0))
    with pytest.raises(ApiError, match="429"):
        ce.run(model())


@pytest.mark.parametrize(
    "fault", [{"status": 502}, {"status": 503}, {"cut": "before"}, {"cut": "after"}, {"delay": 0.2}]
)
def test_reads_are_repeated(ce: World, pauses: list[float], fault: dict[str, Any]) -> None:
    ce.run(model())
    ce.server.faults.add(Fault(method="GET", times=3, **fault))
    ce.again(model())
    assert ce.server.faults.hits == 3


@pytest.mark.parametrize("fault", [{"status": 502}, {"cut": "before"}, {"cut": "after"}])
def test_a_change_in_place_is_repeated(ce: World, pauses: list[float], fault: dict[str, Any]) -> None:
    ce.run(model())
    changed = model()
    changed[0]["projects"][0]["labels"]["bug"] = "#00ff00"
    ce.server.faults.add(Fault(method="PUT", times=1, **fault))
    ce.run(changed)
    assert ce.server.faults.hits == 1
    ce.again(changed)


def test_a_broken_gitlab_is_an_error_that_names_the_request(ce: World, pauses: list[float]) -> None:
    ce.server.faults.add(Fault(status=502, method="GET", path="/groups/acme", times=0))
    with pytest.raises(ApiError, match=r"GET /groups/acme: 502"):
        ce.run(model())
    assert ce.server.requests.writes == []


def test_a_connection_that_is_refused(pauses: list[float]) -> None:
    with Client("http://127.0.0.1:9", "token") as nowhere, pytest.raises(ApiError, match="refused"):
        nowhere.get("/metadata")


def test_creating_is_never_sent_twice(ce: World) -> None:
    ce.server.faults.add(Fault(method="POST", path="/labels", cut="after", times=1))
    with pytest.raises(FailedError):
        ce.run(model())
    routes = [request.route for request in ce.server.requests.writes if request.path.endswith("/labels")]
    assert len(routes) == len(
        {request.path for request in ce.server.requests.writes if "/labels" in request.path}
    )


@pytest.mark.parametrize("cut, every", [("before", 4), ("after", 1)])
def test_a_connection_that_is_cut_at_any_creation_is_made_up_for(ce: World, cut: str, every: int) -> None:
    """For each of them in turn: the connection is cut off there, and the next run ends where it should."""
    ce.run(model("first"), workers=1)
    creations = ce.server.requests.count("POST")
    assert creations > 15
    for position in range(0, creations, every):
        name = f"acme{position}"
        ce.server.faults.add(Fault(method="POST", cut=cut, skip=position, times=1))
        with pytest.raises(FailedError):
            ce.run(model(name), workers=1)
        ce.server.faults.clear()
        ce.run(model(name), workers=1)
        ce.again(model(name))
        project = ce.project(f"{name}/web")
        assert len(project.deploytokens.list()) == 1
        assert len(project.hooks.list()) == 1
        assert len(project.pipelineschedules.list()) == 1


def test_what_fails_stops_its_own_project_and_no_other(ce: World) -> None:
    several = acme(
        *({"path": name, "labels": {"bug": "#ff0000"}, "variables": {"A": "1"}} for name in ("a", "b", "c"))
    )
    ce.run(acme({"path": "a"}, {"path": "b"}, {"path": "c"}))
    number = ce.project("acme/b").id
    ce.server.faults.add(Fault(method="POST", path=f"/projects/{number}/variables", status=500, times=1))
    with pytest.raises(FailedError) as failure:
        ce.run(several)
    result = failure.value.result
    assert result["changed"]
    assert [one["object"] for one in result["failures"]] == ["acme/b"]
    assert [change["key"] for change in result["pending"]] == ["acme/b labels bug"]
    assert len(result["applied"]) == 4
    assert keys(ce.run(several)) == ["create acme/b variables A", "create acme/b labels bug"]
    ce.again(several)


def test_a_group_that_fails_keeps_what_is_in_it_from_being_tried(ce: World) -> None:
    ce.server.faults.add(Fault(method="POST", path="/groups$", status=500, skip=1, times=1))
    with pytest.raises(FailedError) as failure:
        ce.run(acme(groups=[{"path": "ops", "projects": [{"path": "infra", "labels": {"bug": "#ff0000"}}]}]))
    assert [one["object"] for one in failure.value.result["failures"]] == ["acme/ops"]
    assert {change["key"] for change in failure.value.result["pending"]} == {
        "acme/ops/infra",
        "acme/ops/infra labels bug",
    }


def test_connections_are_kept(ce: World) -> None:
    opened: list[Any] = []
    listener = ce.server._listener  # because only the listener knows
    accept = listener.get_request

    def counting() -> Any:
        opened.append(1)
        return accept()

    listener.get_request = counting
    ce.run(model(), workers=4)
    assert len(ce.server.requests) > 30
    assert len(opened) <= 5
