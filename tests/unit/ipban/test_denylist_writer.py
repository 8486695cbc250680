"""A pass: what is read, what is written where, and what is left alone when something is wrong."""

from __future__ import annotations

import copy
import itertools
from ipaddress import ip_network
from typing import Any

import pytest
from ipban.denylist import targets
from ipban.denylist.api import ApiError, Changed
from ipban.denylist.report import metrics
from ipban.denylist.settings import check
from ipban.denylist.writer import Writer
from ipban.model import AgentError, Newest, Position, StoreError
from ipban.packed import pack_network
from ipban_fakes import Clock, Logged, allowed

NGINX = {"kind": "ingress-nginx", "namespace": "ingress", "name": "controller"}
ENVOY = {"kind": "envoy-gateway", "namespace": "gateways", "name": "ipban", "gateways": ["public", "other"]}
CILIUM = {"kind": "cilium", "name": "ipban"}


class Database:
    """Bans, newest first."""

    def __init__(self) -> None:
        self.banned: list[str] = []
        self.allow: tuple[str, ...] = ()
        self.generation = 0
        self.reads = 0
        self.more = 0
        self.up = True

    def ban(self, *networks: str) -> None:
        self.banned[:0] = networks
        self.generation += 1

    def connect(self) -> None:
        if not self.up:
            raise StoreError("connect: refused")

    def head(self) -> Position:
        return Position(self.generation, f"stamp-{self.generation}")

    def newest(self, limit: int) -> Newest:
        assert limit > 0
        self.reads += 1
        banned = [pack_network(ip_network(network)) for network in self.banned]
        return Newest(self.head(), banned, allowed(*self.allow), len(banned) + self.more)


class Cluster:
    """Objects by their path; server-side apply with one other manager."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.applied: list[tuple[str, bool]] = []
        self.fail: list[Exception] = []
        self.versions = itertools.count(1)

    def get(self, path: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.objects.get(path))

    def apply(self, path: str, document: dict[str, Any], *, force: bool) -> None:
        if self.fail:
            raise self.fail.pop()
        live = self.objects.setdefault(path, {"metadata": {"resourceVersion": "0"}})
        wanted = document["metadata"].get("resourceVersion")
        assert wanted in (None, live["metadata"]["resourceVersion"])
        self.applied.append((path, force))
        live["metadata"]["annotations"] = document["metadata"].get("annotations", {})
        live["metadata"]["resourceVersion"] = str(next(self.versions))
        if "spec" in document:
            live["spec"] = document["spec"]
        live.get("data", {}).pop(targets.KEY, None)
        live.setdefault("data", {}).update(document.get("data", {}))

    def delete(self, path: str) -> None:
        self.objects.pop(path, None)


class World:
    def __init__(self, *given: dict[str, Any], **settings: Any) -> None:
        described = {"conninfo": "service=ipban", "targets": [*given], **settings}
        self.settings = check(described)
        self.database = Database()
        self.cluster = Cluster()
        self.clock = Clock()
        self.log = Logged()
        for target in self.settings.targets:
            if not targets.ours(target):
                self.cluster.objects[targets.path(target)] = {
                    "metadata": {"resourceVersion": "0"},
                    "data": {"use-http2": "true"},
                }
        self.writer = self.again()

    def again(self) -> Writer:
        """What a fresh process begins with."""
        return Writer(self.settings, self.database, self.cluster, self.log, self.clock)

    def live(self, index: int = 0) -> dict[str, Any]:
        return self.cluster.objects[targets.path(self.settings.targets[index])]

    def denied(self, index: int = 0) -> tuple[str, ...]:
        return targets.carried(self.settings.targets[index], self.live(index))


def test_each_kind_of_object_is_as_its_ingress_reads_it() -> None:
    world = World(NGINX, ENVOY, CILIUM)
    world.database.ban("192.0.2.1/32", "2001:db8::/32")
    assert world.writer.run()
    nginx, envoy, cilium = (world.live(index) for index in range(3))
    assert nginx["data"] == {"use-http2": "true", "block-cidrs": "192.0.2.1/32,2001:db8::/32"}
    assert [ref["name"] for ref in envoy["spec"]["targetRefs"]] == ["public", "other"]
    authorization = envoy["spec"]["authorization"]
    assert authorization["defaultAction"] == "Allow"
    (rule,) = authorization["rules"]
    assert (rule["action"], rule["principal"]) == (
        "Deny",
        {"clientCIDRs": ["192.0.2.1/32", "2001:db8::/32"]},
    )
    assert cilium["spec"] == {"externalCIDRs": ["192.0.2.1/32", "2001:db8::/32"]}
    assert world.database.reads == 1


def test_with_nobody_banned_nobody_is_denied() -> None:
    world = World(NGINX, ENVOY, CILIUM)
    world.writer.run()
    assert world.live(1)["spec"]["authorization"] == {"defaultAction": "Allow", "rules": []}
    assert [world.denied(index) for index in range(3)] == [(), (), ()]


def test_the_same_again_reads_and_writes_nothing() -> None:
    world = World(NGINX, ENVOY, CILIUM)
    world.database.ban("192.0.2.1/32")
    world.writer.run()
    written, reads = len(world.cluster.applied), world.database.reads
    assert not world.again().run()
    assert (len(world.cluster.applied), world.database.reads) == (written, reads)


@pytest.mark.parametrize("change", ["database", "object", "settings"])
def test_what_has_changed_leads_to_a_write(change: str) -> None:
    world = World(NGINX)
    world.database.ban("192.0.2.1/32")
    world.writer.run()
    if change == "database":
        world.database.ban("192.0.2.9/32")
    elif change == "object":
        world.live()["data"]["block-cidrs"] = "0.0.0.0/0"
    else:
        world.settings = check({"conninfo": "x=y", "targets": [NGINX], "protected": ["10.0.0.0/8"]})
    assert world.again().run()
    assert "192.0.2.1/32" in world.denied()
    assert "0.0.0.0/0" not in world.denied()


def test_neither_the_allow_list_nor_what_is_protected_is_denied() -> None:
    world = World(NGINX, protected=["10.0.0.0/8"])
    world.database.allow = ("192.0.2.0/32",)
    world.database.ban("192.0.2.0/31", "10.1.2.3/32")
    world.writer.run()
    assert world.denied() == ("192.0.2.1/32",)


def test_what_does_not_fit_is_told_everywhere() -> None:
    world = World({**NGINX, "max_entries": 2})
    for last in (1, 5, 9):
        world.database.ban(f"192.0.2.{last}/32")
    world.writer.run()
    assert world.denied() == ("192.0.2.5/32", "192.0.2.9/32")
    assert targets.notes(world.live())["left-out"] == "1"
    told = [values for level, event, values in world.log.lines if event == "denylist_too_long"]
    assert [values["left_out"] for values in told] == [1]
    text = metrics(world.writer.report)
    assert 'groundwork_ipban_denylist_left_out{target="ingress-nginx/ingress/controller"} 1\n' in text
    # And still by a process that finds all as it has to be.
    again = world.again()
    again.run()
    assert again.report.targets["ingress-nginx/ingress/controller"].left_out == 1


def test_bans_that_were_not_even_read_count_as_left_out() -> None:
    world = World(NGINX)
    world.database.ban("192.0.2.1/32")
    world.database.more = 1_000_000
    world.writer.run()
    assert targets.notes(world.live())["left-out"] == "1000000"


def test_what_else_is_in_a_config_map_takes_room_from_the_list() -> None:
    world = World({**NGINX, "max_entries": 100_000, "max_bytes": 1_000_000})
    world.live()["data"]["main-snippet"] = "#" * (1024 * 1024 - 4096 - 9 - 3 - 100)
    world.database.ban(*(f"198.51.{number}.1/32" for number in range(20)))
    world.writer.run()
    (status,) = world.writer.report.targets.values()
    assert 0 < len(world.denied()) < 20
    assert len(world.denied()) + int(status.left_out or 0) == 20
    assert sum(len(key) + len(value) for key, value in world.live()["data"].items()) < 1024 * 1024


def test_fields_of_somebody_else_are_only_taken_over_where_they_were_ours() -> None:
    world = World(NGINX)
    world.cluster.fail = [ApiError('409, Apply failed with 1 conflict: conflict with "helm"')]
    with pytest.raises(AgentError, match='conflict with "helm"'):
        world.writer.run()
    world.writer.run()
    world.database.ban("192.0.2.1/32")
    world.writer.run()
    assert [force for _path, force in world.cluster.applied] == [False, True]


def test_another_replica_that_was_faster_is_no_failure() -> None:
    world = World(NGINX)
    world.database.ban("192.0.2.1/32")
    world.cluster.fail = [Changed("409, the object has been modified")]
    assert world.writer.run()
    (status,) = world.writer.report.targets.values()
    assert (status.failures, status.error, world.denied()) == (0, "", ("192.0.2.1/32",))


def test_one_object_that_fails_does_not_stop_the_others() -> None:
    world = World(NGINX, CILIUM)
    world.database.ban("192.0.2.1/32")
    del world.cluster.objects[targets.path(world.settings.targets[0])]
    for _time in range(2):
        with pytest.raises(AgentError, match="the name must be that of the controller's ConfigMap"):
            world.writer.run()
    assert world.denied(1) == ("192.0.2.1/32",)
    assert [status.failures for status in world.writer.report.targets.values()] == [2, 0]
    assert [event for _level, event, _values in world.log.lines].count("denylist_failed") == 1


def test_without_the_database_the_list_stays() -> None:
    world = World(NGINX)
    world.database.ban("192.0.2.1/32")
    world.writer.run()
    world.database.up = False
    with pytest.raises(AgentError, match="connect: refused"):
        world.writer.run()
    assert world.denied() == ("192.0.2.1/32",)
    assert "groundwork_ipban_denylist_store_up 0\n" in metrics(world.writer.report)


def test_an_unusual_change_waits_for_consent() -> None:
    world = World(NGINX, breaker={"shrink_factor": 0.5, "shrink_minimum": 2})
    world.database.ban(*(f"198.51.{number}.1/32" for number in range(10)))
    world.writer.run()
    del world.database.banned[:9]
    world.database.ban()
    with pytest.raises(AgentError, match=r"shrink from 10 to 1 entries.*taking the annotation"):
        world.writer.run()
    (status,) = world.writer.report.targets.values()
    assert (status.breaker_open, len(world.denied())) == (True, 10)
    del world.live()["metadata"]["annotations"]["groundwork.platform/ipban-banned"]
    assert world.writer.run()
    assert (status.breaker_open, len(world.denied())) == (False, 1)


def test_removal_takes_the_list_along_and_nothing_else() -> None:
    world = World(NGINX, ENVOY, CILIUM)
    world.database.ban("192.0.2.1/32")
    world.writer.run()
    world.again().remove()
    assert list(world.cluster.objects) == [targets.path(world.settings.targets[0])]
    assert world.live()["data"] == {"use-http2": "true"}
    assert world.live()["metadata"]["annotations"] == {}
    world.again().remove()
