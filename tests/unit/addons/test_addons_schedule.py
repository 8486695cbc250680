"""The ready set: what starts, what waits, what never will."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ansible_collections.groundwork.platform.plugins.module_utils.addons import schedule
from ansible_collections.groundwork.platform.plugins.module_utils.addons.schedule import Event

GRAPH = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}


def run(work: Callable[[str], None], workers: int = 4, **more: Callable[[], str]) -> list[Event]:
    events: list[Event] = []
    schedule.run(GRAPH, lambda item, _say: work(item), workers, events.append, **more)
    return events


def position(events: list[Event], kind: str, item: str) -> int:
    return next(i for i, event in enumerate(events) if (event.kind, event.item) == (kind, item))


def test_ready_and_blocked() -> None:
    none: frozenset[str] = frozenset()
    assert schedule.ready(GRAPH, none, none, {}) == (["a", "e"], {})
    assert schedule.ready(GRAPH, frozenset({"a"}), frozenset({"e"}), {}) == (["b", "c"], {})
    assert schedule.ready(GRAPH, frozenset({"e"}), none, {"a": "why"}) == (
        [],
        {"b": "a", "c": "a", "d": "b"},
    )


def test_each_starts_once_all_it_needs_is_done() -> None:
    events = run(lambda _item: None)
    assert [event.item for event in events if event.kind == "done"].count("d") == 1
    for item, needs in GRAPH.items():
        for need in needs:
            assert position(events, "done", need) < position(events, "start", item)


def test_a_failure_blocks_what_needs_it_and_nothing_else() -> None:
    def work(item: str) -> None:
        if item == "b":
            raise ValueError("broken")

    events = run(work)
    last = {event.item: event.kind for event in events}
    assert last == {"a": "done", "b": "failed", "c": "done", "d": "blocked", "e": "done"}
    assert events[position(events, "failed", "b")].text == "broken"


def test_no_more_than_the_workers_at_a_time() -> None:
    running: set[str] = set()
    most: list[int] = []
    lock = threading.Lock()

    def work(item: str) -> None:
        with lock:
            running.add(item)
            most.append(len(running))
        with lock:
            running.discard(item)

    run(work, workers=1)
    assert max(most) == 1


def test_two_that_need_nothing_of_each_other_run_at_once() -> None:
    both = threading.Barrier(2, timeout=30)

    def work(item: str) -> None:
        if item in ("b", "c"):
            both.wait()

    assert {event.kind for event in run(work, workers=2)} == {"start", "done"}


def test_nothing_starts_once_it_may_not() -> None:
    events = run(lambda _item: None, stopped=lambda: "the lease is lost")
    assert {event.kind for event in events} == {"blocked"}
    assert {event.item for event in events} == set(GRAPH)
    assert "the lease is lost" in {event.text for event in events}


def test_what_waits_for_itself_is_told() -> None:
    events: list[Event] = []
    schedule.run({"a": ("b",), "b": ("a",), "c": ()}, lambda _item, _say: None, workers=2, tell=events.append)
    assert {event.item: event.kind for event in events} == {"a": "blocked", "b": "blocked", "c": "done"}


def test_lines_come_in_order_between_start_and_end() -> None:
    def work(_item: str, say: Callable[[str], None]) -> None:
        say("one")
        say("two")

    events: list[Event] = []
    schedule.run({"a": ()}, work, 1, events.append)
    assert [event.text for event in events if event.kind == "say"] == ["one", "two"]
    assert [event.kind for event in events] == ["start", "say", "say", "done"]
