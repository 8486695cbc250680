"""Settings: each error names key, value and rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ipban.breaker import BreakerOpen
from ipban.breaker import check as check_breaker
from ipban.control import duration
from ipban.settings import Breaker, Settings, SettingsError, check, load


def test_everything_has_a_default() -> None:
    assert check({}) == Settings()


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "agent.json"
    path.write_text(
        json.dumps(
            {
                "store": {"conninfo": "host=data dbname=ipban user=agent_node1 passfile=/etc/x"},
                "lists": ["all", "ssh"],
                "backend": "nft",
                "families": [4],
                "action": "reject",
                "counters": False,
                "log_sample": 10,
                "poll_seconds": 12.5,
                "guard": {"networks": ["10.90.0.0/24", "fd42::/64"], "ssh_peers": False},
                "breaker": {"growth_factor": 3},
                "listen": "[::1]:9900",
            }
        )
    )
    found = load(path)
    assert found.lists == ("all", "ssh")
    assert found.guard.networks == ("10.90.0.0/24", "fd42::/64")
    assert found.breaker.growth_minimum == 10000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lists": "all"}, 'lists is "all": must be a list of strings'),
        ({"lists": []}, "lists is []: must name at least one list"),
        ({"lists": ["Web"]}, 'lists is "Web": must be lower case'),
        ({"backend": "pf"}, 'backend is "pf": must be auto, nft or ipset'),
        ({"families": [5]}, "families is [5]: must be 4, 6 or both"),
        ({"families": [4, 4]}, "families is [4, 4]: must be 4, 6 or both"),
        ({"families": [True]}, "families is [true]: must be a list of numbers"),
        ({"action": "tarpit"}, 'action is "tarpit": must be drop or reject'),
        ({"counters": 1}, "counters is 1: must be true or false"),
        ({"poll_seconds": 0}, "poll_seconds is 0: must be from 1 to 3600"),
        ({"poll_seconds": "30"}, 'poll_seconds is "30": must be a number'),
        ({"host_limit": 1.5}, "host_limit is 1.5: must be a whole number"),
        ({"host_limit": True}, "host_limit is true: must be a whole number"),
        ({"log_sample": -1}, "log_sample is -1: must be from 0 to 6000"),
        ({"guard": {"networks": ["10.0.0.1/8"]}}, 'guard.networks is "10.0.0.1/8": must be a network'),
        ({"guard": {"everything": True}}, "guard.everything is unknown: must be one of gateway"),
        ({"guard": []}, "guard is []: must be a JSON object"),
        ({"breaker": {"growth_factor": 1}}, "breaker.growth_factor is 1: must be above 1"),
        ({"breaker": {"shrink_factor": 1}}, "breaker.shrink_factor is 1: must be from 0 to below 1"),
        ({"breaker": {"shrink_minimum": -1}}, "breaker.shrink_minimum is -1: must not be negative"),
        ({"store": {"conninfo": ""}}, 'store.conninfo is "": must name a database'),
        ({"state_directory": "var"}, 'state_directory is "var": must be an absolute path'),
        ({"listen": "9900"}, 'listen is "9900": must be address:port'),
        ({"listen": "::1:70000"}, 'listen is "::1:70000": must be address:port'),
        ({"colour": "red"}, "colour is unknown: must be one of action"),
        ([], "the settings is []: must be a JSON object"),
    ],
)
def test_refused(given: object, says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check(given)
    assert says in str(raised.value)


def test_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as raised:
        check({"store": {"conninfo": "host=data password=hunter2"}})
    assert "passfile" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        check({"backend": "pf", "action": "tarpit"})
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize(("text", "says"), [(None, "can't be read"), ("{", "is no JSON")])
def test_a_file_that_can_not_be_used(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "agent.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load(path)


@pytest.mark.parametrize(
    ("before", "after", "opens"),
    [
        (None, 5_000_000, False),
        (1000, 12_000, True),
        (1000, 10_999, False),
        (100_000, 200_000, False),
        (100_000, 200_001, True),
        (100_000, 50_000, False),
        (100_000, 49_999, True),
        (1500, 600, False),
        (1500, 0, True),
        (0, 10_000, False),
        (0, 5_000_000, False),
    ],
)
def test_the_breaker(before: int | None, after: int, opens: bool) -> None:
    if opens:
        with pytest.raises(BreakerOpen, match="--accept"):
            check_breaker(Breaker(), before, after)
    else:
        check_breaker(Breaker(), before, after)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("5s", 5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "h", "10 m", "1m1h"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration(text)
