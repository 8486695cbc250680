"""Settings of feeds and rules: each error names key, value and rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ipban.importers import settings
from ipban.importers.settings import SettingsError

FEED: dict[str, Any] = {"name": "drop", "url": "https://lists.example.com/drop.txt"}
RULE: dict[str, Any] = {
    "name": "sshd",
    "pattern": "Failed password .* from (?P<address>[0-9a-f.:]+)",
    "journal": ["_SYSTEMD_UNIT=ssh.service"],
}


def given(feed: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **top: Any) -> Any:
    return {
        "store": {"conninfo": "host=data dbname=ipban"},
        "feeds": [{**FEED, **(feed or {})}],
        "rules": [{**RULE, **(rule or {})}],
        **top,
    }


def test_what_is_left_out_has_a_default() -> None:
    found = settings.parse(given())
    assert found.feed("drop").source == "drop"
    assert found.feed("drop").list == "all"
    assert found.rules[0].reason == "rule sshd"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"store": {}}, "store.conninfo is missing"),
        ({"store": {"conninfo": "host=data", "password": "x"}}, "store.password is unknown"),
        ({"more": 1}, "more is unknown"),
        (
            {"own_networks": ["10.0.0.1/8"]},
            'own_networks is ["10.0.0.1/8"]: 10.0.0.1/8: must not have host bits',
        ),
        ({"feeds": {}}, "feeds is {}: must be a list"),
        ({"feeds": [FEED, FEED]}, "feeds: drop is there twice"),
        ({"feeds": [FEED, {**FEED, "name": "other", "source": "drop"}]}, "source drop is there twice"),
        ({"rules": [{**RULE, "name": "drop"}]}, "source drop is there twice"),
        ({"state_directory": "state"}, 'state_directory is "state": must be an absolute path'),
    ],
)
def test_bad_settings(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.parse(given(**bad))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"name": "Drop"}, 'feeds[0].name is "Drop": must be a name'),
        ({"url": "ftp://x/y"}, "must be https://HOST/PATH without a login, or file:///PATH"),
        ({"url": "https://user:secret@x/y"}, "without a login"),
        ({"url": "http://x/y"}, "must be https, or have sha256 or checksum_url"),
        ({"checksum_url": "http://x/y"}, "must be https://HOST/PATH, or file:///PATH"),
        ({"sha256": "abc"}, "must be 64 hexadecimal digits"),
        ({"format": "json"}, "must be plain or csv"),
        ({"max_bytes": 0}, "feeds[0].max_bytes is 0: must be from 1 to"),
        ({"max_bytes": True}, "feeds[0].max_bytes is true: must be from 1 to"),
        ({"max_change": 1}, "must be a factor above 1"),
        (
            {"min_entries": 9, "max_entries": 8},
            "feeds[0].min_entries is 9: must not be more than max_entries",
        ),
        ({"ignore": ["all"]}, "must be an IPv4 or IPv6 address or network"),
        ({"shedule": "daily"}, "feeds[0].shedule is unknown"),
        ({"reason": "two\nlines"}, "must be text of one line"),
        ({"expires_in": 3600}, "feeds[0].expires_in is 3600: must be a time span such as 2h"),
        ({"expires_in": "0s"}, "must be a time span such as 2h"),
        ({"timeout": "soon"}, "must be a time span such as 2h"),
    ],
)
def test_a_bad_feed(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.parse(given(feed=bad))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"pattern": "("}, "must be a regular expression of Python"),
        ({"pattern": "from .*"}, "must have a group (?P<address>...)"),
        ({"journal": []}, "rules[0]: must have either journal or file"),
        ({"file": "/var/log/nginx/access.log"}, "rules[0]: must have either journal or file"),
        ({"journal": ["ssh.service"]}, "must be matches of journalctl"),
        ({"limit": 0}, "rules[0].limit is 0: must be from 1 to 1000"),
        ({"window": "999w999w"}, "rules[0].window is"),
        ({"ban": "9999w"}, "rules[0].ban is"),
        ({"prefix4": 8}, "rules[0].prefix4 is 8: must be from 16 to 32"),
        ({"prefix6": 16}, "rules[0].prefix6 is 16: must be from 32 to 128"),
    ],
)
def test_a_bad_rule(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.parse(given(rule=bad))
    assert says in str(refused.value)


def test_time_spans_are_seconds() -> None:
    found = settings.parse(given({"expires_in": "never", "timeout": "2m"}, {"window": "1h", "ban": "1d"}))
    assert (found.feeds[0].expires_in, found.feeds[0].timeout) == (0, 120)
    assert (found.rules[0].window, found.rules[0].ban) == (3600, 86400)


def test_http_is_fine_with_a_checksum() -> None:
    assert settings.parse(given({"url": "http://x/y", "sha256": "0" * 64})).feeds[0].sha256
    assert settings.parse(given({"url": "http://x/y", "checksum_url": "https://x/y.sha256"}))


def test_a_missing_file_says_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no login that may write bans; the role ipban_importer"):
        settings.load(tmp_path / "importer.json")


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "importer.json").write_text("{")
    with pytest.raises(SettingsError, match="can't be read"):
        settings.load(tmp_path / "importer.json")


def test_an_unknown_feed_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "importer.json").write_text(json.dumps(given()))
    with pytest.raises(SettingsError, match="feed x: must be one of drop"):
        settings.load(tmp_path / "importer.json").feed("x")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("2h", 7200), ("1d12h", 129_600), ("1w", 604_800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert settings.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2x", "-2h", "1.5h", "2h1d", "-1"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time span"):
        settings.duration(text)
