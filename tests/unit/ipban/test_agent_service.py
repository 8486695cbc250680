"""When what happens, with a clock that the test turns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from ipban.control import Control
from ipban.engine import Engine
from ipban.kernel import Kernel
from ipban.notify import Notifier
from ipban.service import Service
from ipban.settings import check
from ipban.statefile import StateFile
from ipban_fakes import Clock, FakeDatabase, FakeGuards, FakeKernel, Logged

HOST, OTHER = "192.0.2.7", "198.51.100.9"


class Running:
    """A service whose waiting moves the clock, and ends early when the database has news."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.database = FakeDatabase()
        self.kernel = FakeKernel()
        self.log = Logged()
        self.waits: list[float] = []
        for name in ("state", "run", "textfiles"):
            (directory / name).mkdir()
        self.textfile = directory / "textfiles" / "groundwork_ipban.prom"
        settings = check(
            {
                "state_directory": str(directory / "state"),
                "textfile_directory": str(directory / "textfiles"),
                "poll_seconds": 30,
                "audit_seconds": 86400,
            }
        )
        self.control = Control(directory / "run", self.clock)
        self.engine = Engine(
            settings,
            self.database,
            Kernel(self.kernel, FakeGuards()),
            StateFile(directory / "state", settings.lists),
            self.log,
            self.clock,
            self.clock,
        )
        self.service = Service(
            settings,
            self.engine,
            self.database,
            self.kernel,
            self.control,
            self.log,
            clock=self.clock,
            waiter=self.wait,
            notifier=Notifier({}),
            jitter=lambda low, high: (low + high) / 2,
        )

    def wait(self, descriptors: Sequence[int], timeout: float) -> Sequence[int]:
        self.waits.append(timeout)
        if self.database.news and 100 in descriptors:
            self.clock.now += 0.001
            return [100]
        self.clock.now += timeout
        return []

    def pass_time(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.service.turn()

    def status(self) -> dict[str, object]:
        return dict(self.control.status())


@pytest.fixture
def running(tmp_path: Path) -> Running:
    made = Running(tmp_path)
    made.database.change(ban=[HOST])
    made.service.start()
    made.service.turn()
    return made


def test_it_begins_with_all_of_it(running: Running) -> None:
    assert running.kernel.drops(HOST)
    running.pass_time(2)
    assert running.status()["generation"] == 1
    assert running.status()["store_up"] is True


def test_news_is_acted_on_at_once(running: Running) -> None:
    before = running.clock.now
    running.database.change(ban=[OTHER])
    running.service.turn()
    assert running.kernel.drops(OTHER)
    assert running.clock.now - before < 0.01


def test_lost_news_is_made_up_for_by_polling(running: Running) -> None:
    running.database.change(ban=[OTHER])
    running.database.news = False
    running.pass_time(40)
    assert running.kernel.drops(OTHER)


def test_an_hour_without_the_database(running: Running) -> None:
    running.database.change(ban=[OTHER])
    running.service.turn()
    running.database.up = False
    running.database.connected = False
    running.pass_time(3600)
    assert running.kernel.drops(HOST)
    assert running.kernel.drops(OTHER)
    assert running.status()["store_up"] is False
    tries = running.database.calls.count("connect")
    assert 50 <= tries <= 140, "it tries, and does not storm"
    assert running.log.events().count("sync_failed") == 1, "it says so once"
    running.database.up = True
    running.database.change(unban=[OTHER], ban=["192.0.2.8"])
    running.pass_time(80)
    assert not running.kernel.drops(OTHER)
    assert running.kernel.drops("192.0.2.8")
    assert running.kernel.loads == 1, "a delta was enough"
    assert running.status()["error"] == ""


def test_a_boot_without_the_database_goes_on_trying(tmp_path: Path) -> None:
    made = Running(tmp_path)
    made.database.change(ban=[HOST])
    made.database.up = False
    made.service.start()
    made.pass_time(600)
    assert not made.kernel.drops(HOST)
    made.database.up = True
    made.pass_time(80)
    assert made.kernel.drops(HOST)


def test_a_connection_that_is_cut_while_waiting(running: Running) -> None:
    running.database.up = False
    running.database.news = True
    running.service.turn()
    running.database.news = False
    running.database.up = True
    running.database.change(ban=[OTHER])
    running.pass_time(10)
    assert running.kernel.drops(OTHER)


def test_a_set_deleted_by_hand_is_back_in_a_second(running: Running) -> None:
    running.kernel.remove()
    running.pass_time(1.1)
    assert running.kernel.drops(HOST)


def test_a_day_brings_an_audit(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipban.service.CHECK_EVERY", 60.0)
    running.pass_time(90000)
    assert running.kernel.loads == 2
    assert running.engine.status.mismatches == 0


def test_deltas_are_written_within_seconds(running: Running, tmp_path: Path) -> None:
    running.database.change(ban=[OTHER])
    running.service.turn()
    running.pass_time(6)
    saved, _ = StateFile(tmp_path / "state", []).read()
    assert saved is not None
    assert saved.content.position == running.database.position


def test_a_pause_ends_by_itself(running: Running) -> None:
    running.control.set_pause(60)
    running.pass_time(1.5)
    assert running.kernel.is_paused
    assert running.status()["paused"] is True
    running.pass_time(60)
    assert not running.kernel.is_paused
    assert running.status()["paused"] is False


def test_a_pause_without_end_is_ended_by_command(running: Running) -> None:
    running.control.set_pause(float("inf"))
    running.pass_time(1000)
    assert running.kernel.is_paused
    running.control.set_pause(None)
    running.pass_time(1.5)
    assert not running.kernel.is_paused


def test_a_request_is_answered_in_the_status(running: Running, tmp_path: Path) -> None:
    request = {"id": "abc", "sync": True, "full": True, "accept": False}
    (tmp_path / "run" / "request.json").write_text(json.dumps(request))
    running.pass_time(2.5)
    assert running.status()["request"] == "abc"
    assert running.kernel.loads == 2


def test_metrics_are_laid_down(running: Running) -> None:
    running.pass_time(2)
    text = running.textfile.read_text()
    assert "groundwork_ipban_generation 1\n" in text
    assert 'groundwork_ipban_entries{family="4",kind="host",place="database"} 1\n' in text
    assert 'groundwork_ipban_dropped_packets_total{family="4"} 7\n' in text
    assert 'groundwork_ipban_syncs_total{kind="full",result="ok"} 1\n' in text


def test_it_does_not_turn_without_reason(running: Running) -> None:
    running.clock.now += 0.3
    running.waits.clear()
    running.pass_time(600)
    assert len(running.waits) < 1000
    assert sum(wait < 0.01 for wait in running.waits) < 10


def test_stopping_leaves_the_sets(running: Running) -> None:
    running.service.stop()
    assert running.kernel.drops(HOST)
