"""When the running writer makes a pass; and the API, as a pod asks it."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ipban.denylist import api
from ipban.denylist.report import Report
from ipban.denylist.service import DenylistService
from ipban.denylist.settings import check
from ipban.model import AgentError, StoreError
from ipban_fakes import Clock, Logged

SETTINGS = {
    "conninfo": "service=ipban",
    "targets": [{"kind": "cilium", "name": "ipban"}],
    "poll_seconds": 30,
    "min_seconds": 5,
}
DATABASE = 100


class Store:
    def __init__(self) -> None:
        self.news = False
        self.lost = False
        self.closed = False

    def fileno(self) -> int | None:
        return None if self.closed else DATABASE

    def notified(self) -> bool:
        if self.lost:
            raise StoreError("wait: the connection was cut")
        news, self.news = self.news, False
        return news

    def close(self) -> None:
        self.closed = True


class Writer:
    def __init__(self) -> None:
        self.report = Report()
        self.passes: list[float] = []
        self.fails = False
        self.clock = Clock()

    def run(self) -> bool:
        self.passes.append(self.clock.now)
        if self.fails:
            raise AgentError("no")
        return True

    def forget(self) -> None:
        return


class World:
    def __init__(self) -> None:
        self.store = Store()
        self.writer = Writer()
        self.log = Logged()
        self.waits: list[float] = []
        self.service = DenylistService(
            check(SETTINGS),
            self.writer,  # type: ignore[arg-type]
            self.store,  # type: ignore[arg-type]
            self.log,
            clock=self.writer.clock,
            waiter=self.wait,
            jitter=lambda low, high: (low + high) / 2,
        )

    def wait(self, descriptors: Sequence[int], timeout: float) -> Sequence[int]:
        self.waits.append(timeout)
        if (self.store.news or self.store.lost) and DATABASE in descriptors:
            return [DATABASE]
        self.writer.clock.now += timeout
        return []

    def after(self, seconds: float) -> None:
        self.writer.clock.now += seconds


def test_a_pass_at_the_start_and_then_now_and_then() -> None:
    world = World()
    for _turn in range(3):
        world.service.turn()
    assert world.writer.passes == [1000.0, 1030.0, 1060.0]


def test_news_leads_to_a_pass_at_once() -> None:
    world = World()
    world.service.turn()
    world.after(12)
    world.store.news = True
    world.service.turn()
    assert world.writer.passes == [1000.0, 1012.0]


def test_news_that_come_close_together_are_one_pass() -> None:
    world = World()
    world.service.turn()
    for _change in range(3):
        world.after(1)
        world.store.news = True
        world.service.turn()
    assert world.writer.passes == [1000.0]
    world.service.turn()
    assert world.writer.passes == [1000.0, 1005.0]


def test_failures_are_tried_again_with_growing_pauses() -> None:
    world = World()
    world.writer.fails = True
    for _turn in range(9):
        world.service.turn()
    pauses = [after - before for before, after in zip(world.writer.passes, world.writer.passes[1:])]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    world.writer.fails = False
    world.service.turn()
    world.service.turn()
    assert world.writer.passes[-1] - world.writer.passes[-2] == 30


def test_a_connection_that_was_cut_is_closed_and_leads_to_a_pass() -> None:
    world = World()
    world.service.turn()
    world.after(12)
    world.store.lost = True
    world.service.turn()
    assert world.store.closed
    assert world.writer.passes == [1000.0, 1012.0]
    assert world.log.events() == ["store_lost"]


class Answer:
    def __init__(self, status: int, document: Any) -> None:
        self.status = status
        self._text = document if isinstance(document, bytes) else json.dumps(document).encode()

    def read(self) -> bytes:
        return self._text


class Connection:
    """In place of the library's: answers what it is told to, and keeps what it was asked."""

    answer = Answer(200, {})
    asked: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, host: str, port: int, timeout: float, context: ssl.SSLContext) -> None:
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert timeout > 0
        self.asked.append((host, port))

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        self.asked.append((method, path, body, headers))

    def getresponse(self) -> Answer:
        return self.answer

    def close(self) -> None:
        self.asked.append(("closed",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    Connection.asked = []
    monkeypatch.setattr(http.client, "HTTPSConnection", Connection)
    monkeypatch.setattr(
        ssl, "create_default_context", lambda **_given: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    return Connection.asked


@pytest.fixture
def kubernetes(tmp_path: Path) -> api.Api:
    (tmp_path / "token").write_text("first\n")
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    return api.Api(environment, tmp_path)


def test_it_asks_with_the_token_of_the_moment(
    kubernetes: api.Api, asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    Connection.answer = Answer(200, {"kind": "ConfigMap"})
    assert kubernetes.get("/api/v1/x") == {"kind": "ConfigMap"}
    (tmp_path / "token").write_text("second\n")
    kubernetes.get("/api/v1/x")
    assert [given[3]["Authorization"] for given in asked if given[0] == "GET"] == [
        "Bearer first",
        "Bearer second",
    ]
    assert asked[0] == ("10.0.0.1", 6443)
    assert asked.count(("closed",)) == 2


def test_it_applies_as_itself(kubernetes: api.Api, asked: list[tuple[Any, ...]]) -> None:
    Connection.answer = Answer(200, {})
    kubernetes.apply("/api/v1/x", {"kind": "ConfigMap"}, force=True)
    (method, path, body, headers) = asked[1]
    assert (method, path) == ("PATCH", "/api/v1/x?fieldManager=groundwork-ipban&force=true")
    assert json.loads(body) == {"kind": "ConfigMap"}
    assert headers["Content-Type"] == "application/apply-patch+yaml"


@pytest.mark.usefixtures("asked")
def test_refusals_are_told_without_the_token(kubernetes: api.Api) -> None:
    Connection.answer = Answer(404, {"message": "not found"})
    assert kubernetes.get("/api/v1/x") is None
    kubernetes.delete("/api/v1/x")
    with pytest.raises(api.ApiError, match="404, there is no such kind or namespace"):
        kubernetes.apply("/api/v1/x", {}, force=False)
    Connection.answer = Answer(403, {"message": "may not"})
    with pytest.raises(api.ApiError, match=r"^GET /api/v1/x: 403, may not$"):
        kubernetes.get("/api/v1/x")
    Connection.answer = Answer(409, {"message": "the object has been modified; please apply again"})
    with pytest.raises(api.Changed):
        kubernetes.apply("/api/v1/x", {}, force=False)
    Connection.answer = Answer(409, {"message": 'conflict with "helm": .data.block-cidrs'})
    with pytest.raises(api.ApiError, match='conflict with "helm"') as caught:
        kubernetes.apply("/api/v1/x", {}, force=False)
    assert not isinstance(caught.value, api.Changed)
    Connection.answer = Answer(502, b"<html>")
    with pytest.raises(api.ApiError, match="502, <html>"):
        kubernetes.get("/api/v1/x")


def test_outside_of_a_cluster_it_says_so() -> None:
    with pytest.raises(api.ApiError, match="KUBERNETES_SERVICE_HOST is not set"):
        api.Api({})


def test_an_api_that_is_away_is_named(tmp_path: Path) -> None:
    away = api.Api({"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}, tmp_path)
    with pytest.raises(api.ApiError, match="GET /api/v1/x: "):
        away.get("/api/v1/x")
