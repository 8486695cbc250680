"""One process of a host is at work; another one refuses, or stands by."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from ipban import cli
from ipban.model import AgentError


class Control:
    """Taken for so many times that somebody asks."""

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.asked = 0

    def acquire(self) -> bool:
        self.asked += 1
        return self.asked > self.taken


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    found: list[float] = []
    monkeypatch.setattr(cli.time, "sleep", found.append)
    before = signal.getsignal(signal.SIGTERM)
    yield found
    signal.signal(signal.SIGTERM, before)


def test_a_second_process_refuses(waits: list[float]) -> None:
    with pytest.raises(AgentError, match="another process of ipban is at work"):
        cli._alone(Control(1))  # type: ignore[arg-type]
    assert waits == []


def test_one_that_was_told_to_stands_by(waits: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    control = Control(4)
    cli._alone(control, wait=True)  # type: ignore[arg-type]
    assert (control.asked, len(waits)) == (5, 3)
    assert capsys.readouterr().err.count("event=standing_by") == 1


def test_standing_by_ends_when_it_is_told_to(waits: list[float]) -> None:
    """As the first process of a container it has to say itself what a signal does."""
    cli._alone(Control(2), wait=True)  # type: ignore[arg-type]
    assert len(waits) == 1
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_the_first_process_does_not_wait(waits: list[float]) -> None:
    cli._alone(Control(0), wait=True)  # type: ignore[arg-type]
    assert waits == []
