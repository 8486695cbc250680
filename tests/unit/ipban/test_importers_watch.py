"""Rules over logs: counting within a window, batches, and a store that is away."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ipban.importers import counting, logs, watch
from ipban.importers.counting import Counter
from ipban.importers.networks import Ranges, RefusedError
from ipban.importers.settings import Rule, Settings
from ipban.importers.store import StoreError

RULE = Rule(
    "sshd",
    "sshd",
    "ssh",
    "logins that fail",
    r"Failed password for .* from (?P<address>\S+)",
    limit=3,
    window=60,
)


def failed(address: str) -> str:
    return f"Failed password for root from {address} port 22 ssh2"


class FakeStore:
    def __init__(self) -> None:
        self.calls: list[tuple[list[str], str, str, str]] = []
        self.away = False
        self.refuses = ""

    def ban(
        self,
        networks: Sequence[str],
        reason: str,
        source: str,
        list_name: str,
        expires_at: datetime.datetime | None,
    ) -> int:
        assert expires_at is not None
        if self.away:
            raise StoreError("the store: connection refused")
        if self.refuses in networks:
            raise RefusedError(f"{self.refuses}: must not be banned")
        self.calls.append((list(networks), reason, source, list_name))
        return len(networks)


@pytest.fixture
def counter() -> Counter:
    return Counter(RULE, Ranges(["198.51.100.0/24"]))


def test_the_limit_within_the_window_bans_once(counter: Counter) -> None:
    seen = [counter.line(failed("192.0.2.7"), 1000.0 + n) for n in range(6)]
    assert seen == [None, None, "192.0.2.7", None, None, None]


def test_old_lines_do_not_count(counter: Counter) -> None:
    assert [counter.line(failed("192.0.2.7"), 1000.0 + 31 * n) for n in range(10)] == [None] * 10


def test_addresses_are_counted_apart(counter: Counter) -> None:
    assert [counter.line(failed(f"192.0.2.{n % 2}"), 1000.0) for n in range(5)] == [*[None] * 4, "192.0.2.0"]


def test_ipv6_is_counted_by_network(counter: Counter) -> None:
    seen = [counter.line(failed(f"2001:db8::{n}"), 1000.0) for n in range(3)]
    assert seen == [None, None, "2001:db8::/64"]


def test_own_networks_never_count(counter: Counter) -> None:
    assert [counter.line(failed("198.51.100.7"), 1000.0) for _ in range(9)] == [None] * 9


@pytest.mark.parametrize(
    "text", ["Accepted publickey", failed("UNKNOWN"), failed("999.1.1.1"), failed("x" * 999)]
)
def test_what_is_no_address_is_no_matter(counter: Counter, text: str) -> None:
    assert [counter.line(text, 1000.0) for _ in range(9)] == [None] * 9


def test_a_ban_is_renewed_when_it_is_half_over(counter: Counter) -> None:
    for _ in range(3):
        counter.line(failed("192.0.2.7"), 1000.0)
    later = 1000.0 + RULE.ban / 2 + 1
    assert [counter.line(failed("192.0.2.7"), later) for _ in range(3)] == [None, None, "192.0.2.7"]


def test_memory_has_an_end(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "REMEMBERED", 10)
    for n in range(1000):
        counter.line(failed(f"192.0.{n // 250}.{n % 250}"), 1000.0)
    assert len(counter._seen) <= 10


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text(failed("192.0.2.1") + "\n")
    return path


def settings(log: Path, *rules: Rule) -> Settings:
    here = log.parent
    return Settings("", (), (), rules or (dataclasses.replace(RULE, file=str(log)),), here, here)


def append(log: Path, *addresses: str) -> None:
    with log.open("a") as file:
        file.writelines(failed(address) + "\n" for address in addresses)


def test_all_that_is_found_at_once_is_one_call(log: Path) -> None:
    store, said = FakeStore(), []
    watching = watch.Watch(settings(log), store, said.append)
    watching.step()
    append(log, *["192.0.2.1", "192.0.2.2"] * 3)
    watching.step()
    watching.step()
    assert store.calls == [(["192.0.2.1", "192.0.2.2"], "logins that fail", "sshd", "ssh")]
    assert "rule sshd: banned 192.0.2.1, 192.0.2.2 (2) for 3600 s" in said


def test_a_store_that_is_away_is_made_up_for(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, said = FakeStore(), []
    watching = watch.Watch(settings(log), store, said.append)
    store.away = True
    append(log, *["192.0.2.1"] * 3)
    watching.step()
    assert "next try in 1 s" in said[-1]
    watching.step()
    assert len(said) == 1
    store.away = False
    now = time.monotonic()
    monkeypatch.setattr(watch.time, "monotonic", lambda: now + 2)
    watching.step()
    assert store.calls[0][0] == ["192.0.2.1"]


def test_one_that_the_store_refuses_does_not_keep_the_others(log: Path) -> None:
    store, said = FakeStore(), []
    store.refuses = "192.0.2.2"
    watching = watch.Watch(settings(log), store, said.append)
    append(log, *["192.0.2.1", "192.0.2.2", "192.0.2.3"] * 3)
    watching.step()
    assert [call[0] for call in store.calls] == [["192.0.2.1"], ["192.0.2.3"]]
    assert "rule sshd: 192.0.2.2 was not banned: 192.0.2.2: must not be banned" in said


def test_rotation_loses_no_line(log: Path) -> None:
    store = FakeStore()
    watching = watch.Watch(settings(log), store, lambda _: None)
    watching.step()
    append(log, "192.0.2.1")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), "192.0.2.1")
    append(log, "192.0.2.1")
    watching.step()
    assert store.calls[0][0] == ["192.0.2.1"]
    # Emptied in place.
    append(log, "192.0.2.9")
    watching.step()
    log.write_text("")
    watching.step()
    append(log, "192.0.2.9", "192.0.2.9")
    watching.step()
    assert store.calls[1][0] == ["192.0.2.9"]


def test_a_file_that_comes_later_is_read_from_its_beginning(log: Path) -> None:
    log.unlink()
    store = FakeStore()
    watching = watch.Watch(settings(log), store, lambda _: None)
    watching.step()
    append(log, *["192.0.2.1"] * 3)
    watching.step()
    assert store.calls[0][0] == ["192.0.2.1"]


def test_half_a_line_is_waited_for(log: Path) -> None:
    file = logs.File(str(log))
    with log.open("a") as writer:
        writer.write("first")
        writer.flush()
        assert list(file.lines()) == []
        writer.write(" line\n")
    assert [text for text, _ in file.lines()] == ["first line"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"MESSAGE": "x", "__REALTIME_TIMESTAMP": "1700000000000000"}, [("x", 1.7e9)]),
        ({"MESSAGE": [120, 255], "__REALTIME_TIMESTAMP": "1700000000000000"}, [("x\ufffd", 1.7e9)]),
        ({"MESSAGE": None, "__REALTIME_TIMESTAMP": "1700000000000000"}, []),
        ({"__REALTIME_TIMESTAMP": "1700000000000000"}, []),
        ("-- cursor", []),
    ],
)
def test_entries_of_the_journal(entry: Any, expected: list[tuple[str, float]]) -> None:
    assert list(logs.Journal((), 60)._entry(json.dumps(entry).encode())) == expected


def test_metrics(log: Path) -> None:
    watching = watch.Watch(settings(log), FakeStore(), lambda _: None)
    append(log, *["192.0.2.1"] * 3)
    watching.step()
    watching._write_metrics()
    text = (log.parent / "groundwork_ipban_watch.prom").read_text()
    assert 'groundwork_ipban_watch_matches_total{rule="sshd"} 3' in text
    assert 'groundwork_ipban_watch_bans_total{rule="sshd"} 1' in text
