"""The lease: who holds it, who may take it, and how a run finds out that it is not its own any more."""

from __future__ import annotations

import datetime
import getpass
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import lease
from ansible_collections.groundwork.platform.plugins.module_utils.addons.api import ApiError
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError

INTERVAL = 0.02


class Server:
    """The part of an API server that leases take: one object, whose version has to be known to write it."""

    def __init__(self, **spec: Any) -> None:
        self.held: dict[str, Any] | None = None
        self.version = 0
        self.looks = 0
        self.away = False
        if spec:
            self.write({"metadata": {}, "spec": spec})

    def write(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version)}
        self.held = {**body, "metadata": metadata}
        return self.held

    def get(self, _path: str) -> dict[str, Any] | None:
        self.looks += 1
        return self.held

    def request(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.away:
            raise AddonError(["no answer"])
        if method == "PUT" and self.held is None:
            raise ApiError(404, "NotFound", "it is not there", path)
        if method == "POST" and self.held is not None:
            raise ApiError(409, "AlreadyExists", "it is there", path)
        if method == "PUT" and body["metadata"]["resourceVersion"] != str(self.version):
            raise ApiError(409, "Conflict", "it has been modified", path)
        return self.write(body)


def held(server: Server) -> lease.Lease:
    return lease.Lease(server, "shop", INTERVAL)  # type: ignore[arg-type]


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(INTERVAL / 4)


def ago(seconds: float) -> str:
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_it_is_renewed_and_given_back() -> None:
    server = Server()
    with held(server) as mine:
        first = server.version
        eventually(lambda: server.version > first + 2)
        assert not mine.lost
        assert server.held is not None and server.held["spec"]["holderIdentity"] == lease.holder()
    assert server.held["spec"]["holderIdentity"] == ""


def test_it_stays_ours_when_somebody_notes_something_on_it() -> None:
    server = Server()
    with held(server) as mine:
        assert server.held is not None
        touched = server.write(server.held)["metadata"]["resourceVersion"]
        eventually(lambda: server.version > int(touched) + 1)
        assert not mine.lost


def test_it_is_lost_at_once_when_somebody_takes_it() -> None:
    server = Server()
    with held(server) as mine:
        assert server.held is not None
        other = {**server.held["spec"], "holderIdentity": "alice@elsewhere (process 7)"}
        taken = server.write({**server.held, "spec": other})
        eventually(lambda: mine.lost)
        assert mine.lost == "it is held by alice@elsewhere (process 7) now"
    assert server.held == taken


def test_it_is_lost_when_another_run_of_the_same_process_has_it() -> None:
    server = Server()
    with held(server) as mine:
        assert server.held is not None
        server.write({**server.held, "spec": {**server.held["spec"], "acquireTime": ago(-5)}})
        eventually(lambda: mine.lost)


def test_it_is_lost_when_somebody_deletes_it() -> None:
    server = Server()
    with held(server) as mine:
        server.held = None
        eventually(lambda: mine.lost)
        assert mine.lost == "somebody has deleted it"
    assert server.held is None


def test_it_is_lost_before_others_may_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lease.PATIENCE < lease.DURATION
    monkeypatch.setattr(lease, "PATIENCE", INTERVAL)
    server = Server()
    with held(server) as mine:
        server.away = True
        eventually(lambda: mine.lost.startswith("it could not be renewed for"))
        server.away = False
        # Nobody has taken it in the meantime.
        eventually(lambda: not mine.lost)


@pytest.mark.parametrize("seconds", [0, 20])
def test_one_that_is_held_is_refused(seconds: float) -> None:
    server = Server(holderIdentity="alice@elsewhere", renewTime=ago(seconds), leaseDurationSeconds=30)
    with pytest.raises(AddonError, match="shop is being changed by alice@elsewhere"):
        held(server).__enter__()


def test_one_that_is_over_by_our_clock_alone_is_refused() -> None:
    """The clock of the machine that holds it is late; it goes on renewing."""
    server = Server(holderIdentity="alice@elsewhere", renewTime=ago(45), leaseDurationSeconds=30)

    def look(_path: str) -> dict[str, Any] | None:
        found = server.held
        assert found is not None
        server.write({**found, "spec": {**found["spec"], "renewTime": ago(45)}})
        return found

    server.get = look  # type: ignore[method-assign]
    with pytest.raises(AddonError, match="shop is being changed by alice@elsewhere"):
        held(server).__enter__()


@pytest.mark.parametrize(("seconds", "looks"), [(45, 2), (lease.SKEW + 60, 1)])
def test_one_that_is_over_is_taken(seconds: float, looks: int) -> None:
    server = Server(holderIdentity="alice@elsewhere", renewTime=ago(seconds), leaseDurationSeconds=30)
    with held(server) as mine:
        assert not mine.lost
        assert server.looks == looks


def test_a_user_without_a_name_has_a_lease_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000650000")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert lease.holder().startswith(f"user {os.getuid()}@")
