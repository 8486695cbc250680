"""Pages, connections, limits, faults, and what is kept between two starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gitlab
import pytest
import requests
from double_world import World, build, status_of

from lab.doubles.gitlab import Fault, Server
from lab.doubles.gitlab.server import RateLimit


@pytest.fixture
def labelled(world: World) -> Iterator[World]:
    """A project with 45 labels."""
    for number in range(45):
        world.project.labels.create({"name": f"label{number:02}", "color": "#ff0000"})
    world.server.requests.clear()
    yield world


def get(world: World, path: str, **query: Any) -> requests.Response:
    return requests.get(
        f"{world.server.url}/api/v4{path}",
        params=query,
        headers={"PRIVATE-TOKEN": world.server.root_token},
        timeout=10,
    )


def test_pages_have_totals_and_lead_on(labelled: World) -> None:
    answer = get(labelled, f"/projects/{labelled.project.id}/labels", per_page=20, page=2)
    assert len(answer.json()) == 20
    headers = {
        name: answer.headers[f"X-{name}"] for name in ("Total", "Total-Pages", "Next-Page", "Prev-Page")
    }
    assert headers == {"Total": "45", "Total-Pages": "3", "Next-Page": "3", "Prev-Page": "1"}
    assert set(answer.links) == {"first", "prev", "next", "last"}
    assert parse_qs(urlsplit(answer.links["next"]["url"]).query)["page"] == ["3"]


def test_a_client_walks_all_pages(labelled: World) -> None:
    names = [label.name for label in labelled.project.labels.list(iterator=True, per_page=20)]
    assert sorted(names) == [f"label{number:02}" for number in range(45)]
    assert labelled.server.requests.count("GET") == 3


def test_a_page_has_no_more_than_a_hundred(labelled: World) -> None:
    answer = get(labelled, f"/projects/{labelled.project.id}/labels", per_page=1000)
    assert answer.headers["X-Per-Page"] == "100"
    assert get(labelled, f"/projects/{labelled.project.id}/labels", per_page=0).status_code == 400
    assert get(labelled, f"/projects/{labelled.project.id}/labels", page="x").status_code == 400


def test_pages_by_keyset_lose_nothing_when_rows_go(world: World) -> None:
    for number in range(6):
        world.root.projects.create({"name": f"p{number}", "namespace_id": world.group.id})
    seen = []
    walk = world.root.projects.list(
        iterator=True, per_page=2, pagination="keyset", order_by="id", sort="asc", simple=True
    )
    for project in walk:
        seen.append(project.id)
        if len(seen) == 2:
            world.root.http_delete(f"/projects/{seen[0]}")
            world.root.http_delete(
                f"/projects/{seen[0]}",
                query_data={
                    "permanently_remove": True,
                    "full_path": world.root.projects.get(seen[0]).path_with_namespace,
                },
            )
    assert seen == list(range(1, 8))
    for path, order in (("/projects", "name"), ("/groups", "id")):
        assert get(world, path, pagination="keyset", order_by=order).status_code == 400
    down = world.root.projects.list(iterator=True, per_page=2, pagination="keyset", order_by="id")
    assert [project.id for project in down] == list(range(7, 1, -1))


def test_a_limit_is_told_and_held(world: World) -> None:
    world.server.rate_limit = RateLimit(requests=2, seconds=600)
    left = [get(world, "/version").headers["RateLimit-Remaining"] for _attempt in range(2)]
    assert left == ["1", "0"]
    answer = get(world, "/version")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_faults_hit_what_they_name_and_nothing_else(world: World) -> None:
    world.server.faults.add(Fault(status=502, method="PUT", path=r"/projects/\d+$", skip=1, times=2))
    world.project.description = "a"
    statuses = []
    for _attempt in range(4):
        world.project.description = f"{_attempt}"
        statuses.append(status_of(world.project.save))
        assert status_of(world.group.save) == 0
    assert statuses == [0, 502, 502, 0]
    assert world.server.faults.hits == 2


def test_a_client_waits_as_it_is_told(world: World) -> None:
    world.server.faults.add(Fault(status=429, retry_after=0, times=2))
    world.server.requests.clear()
    world.root.http_get("/version")
    assert [each.status for each in world.server.requests] == [429, 429, 200]


@pytest.mark.parametrize(("cut", "made"), [("before", 0), ("after", 1)])
def test_a_connection_is_cut_before_or_after_the_write(world: World, cut: str, made: int) -> None:
    world.server.faults.add(Fault(cut=cut, method="POST"))
    with pytest.raises(requests.exceptions.ConnectionError):
        world.project.labels.create({"name": "bug", "color": "#ff0000"})
    assert len(world.project.labels.list()) == made


def test_connections_stay_open(world: World) -> None:
    with requests.Session() as session:
        session.headers["PRIVATE-TOKEN"] = world.server.root_token
        ports = set()
        for _attempt in range(3):
            answer = session.get(f"{world.server.url}/api/v4/version", stream=True)
            ports.add(answer.raw.connection.sock.getsockname())
            answer.content  # noqa: B018  # reading it gives the connection back
    assert len(ports) == 1


def test_every_request_is_recorded(world: World) -> None:
    world.server.requests.clear()
    world.project.labels.create({"name": "bug", "color": "#ff0000"})
    status_of(world.root.http_get, "/nowhere")
    recorded = [(each.method, each.route, each.status, each.user) for each in world.server.requests]
    assert recorded == [("POST", "POST /projects/{id}/labels", 201, "root"), ("GET", "", 404, "")]
    assert len(world.server.requests.writes) == 1


def test_state_is_kept_between_two_starts(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Server(file=file) as server:
        world = build(server)
        world.project.path = "store"
        world.project.save()
        token = server.root_token
    assert file.stat().st_mode & 0o777 == 0o600
    with Server(file=file) as server:
        assert server.root_token == token
        api = gitlab.Gitlab(server.url, private_token=token)
        assert api.projects.get("acme/store").id == world.project.id
        assert api.projects.get("acme/shop").id == world.project.id
        assert api.projects.create({"name": "New", "namespace_id": world.group.id}).id == world.project.id + 1


def test_it_says_that_it_is_a_double(world: World) -> None:
    answer = requests.get(f"{world.server.url}/-/health", timeout=10)
    assert (answer.status_code, answer.text) == (200, "GitLab OK (double)")
    assert json.loads(get(world, "/metadata").text)["version"].endswith("-double")
    assert get(world, "/version").headers["Server"].startswith("gitlab-double")


def test_a_mistake_of_its_own_is_an_error_of_the_server(world: World) -> None:
    with world.server.state.lock:
        del world.server.state.tables["projects"][str(world.project.id)]["visibility"]
    assert get(world, f"/projects/{world.project.id}").status_code == 500
    assert "KeyError" in world.server.errors.pop()
