"""The lab's part: the double as a process of its own, that outlives the command and is shown by it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import gitlab
import pytest

from lab.parts import gitlab as part
from lab.process import CommandError
from lab.topology import Host, Network, Topology

# The machine's own address is the first one of the network: here, that of loopback.
NETWORK = Network("net", "127.0.0.0/8", "::1/128")
TOPOLOGY = Topology(Path("inventory"), (Host("node1", "debian12", "127.0.0.2", "::1", NETWORK),))


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[part.Gitlab]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setattr(part, "PORT", free.getsockname()[1])
    monkeypatch.setenv("GROUNDWORK_CACHE", str(tmp_path))
    # The packages' doubles go onto hosts, and here are none.
    monkeypatch.setattr(part, "play", lambda _topology, _playbook: None)
    gitlab_part = part.Gitlab()
    yield gitlab_part
    gitlab_part.down(TOPOLOGY)


def client() -> gitlab.Gitlab:
    return gitlab.Gitlab(part.url("127.0.0.1"), private_token=part.token_file().read_text().strip())


def test_it_comes_up_once_and_goes_wholly(double: part.Gitlab) -> None:
    assert double.status(TOPOLOGY) == []
    assert double.up(TOPOLOGY)
    assert not double.up(TOPOLOGY)
    assert part.token_file().stat().st_mode & 0o777 == 0o600
    process = part.running()
    assert process is not None
    token = part.token_file().read_text().strip().encode()
    assert token not in Path(f"/proc/{process}/cmdline").read_bytes()
    double.down(TOPOLOGY)
    assert part.running() is None
    assert not part.directory().exists()
    assert double.status(TOPOLOGY) == []


def test_it_shows_groups_projects_and_runners(double: part.Gitlab) -> None:
    double.up(TOPOLOGY)
    api = client()
    group = api.groups.create({"name": "Acme", "path": "acme"})
    project = api.projects.create({"name": "Shop", "path": "shop", "namespace_id": group.id})
    api.http_post(
        "/user/runners",
        post_data={"runner_type": "project_type", "project_id": project.id, "tag_list": ["build"]},
    )
    instance, *rest = [row.runs for row in double.status(TOPOLOGY)]
    assert "double" in instance
    assert instance.endswith("1 groups, 1 projects, 1 runners")
    assert rest == ["group acme: shop", "runner 1 [build] for acme/shop"]


def test_what_it_knew_is_there_after_a_stop(double: part.Gitlab) -> None:
    double.up(TOPOLOGY)
    client().groups.create({"name": "Acme", "path": "acme"})
    process = part.running()
    assert process is not None
    os.kill(process, signal.SIGTERM)
    os.waitpid(process, 0)
    assert [row.runs for row in double.status(TOPOLOGY)] == ["stopped"]
    assert double.up(TOPOLOGY)
    assert [each.path for each in client().groups.list()] == ["acme"]


def test_another_process_with_its_number_is_left_alone(double: part.Gitlab) -> None:
    part.directory().mkdir()
    (part.directory() / "pid").write_text(str(os.getpid()))
    assert part.running() is None
    double.down(TOPOLOGY)


def test_why_it_did_not_start_is_told(double: part.Gitlab, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", part.PORT)), pytest.raises(CommandError, match="in use"):
        double.up(TOPOLOGY)
