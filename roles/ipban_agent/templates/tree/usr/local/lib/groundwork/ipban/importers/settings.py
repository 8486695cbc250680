"""What a host imports and watches: its settings file, checked key by key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import networks

PATH = Path("/etc/groundwork/ipban/importer.json")

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class SettingsError(Exception):
    """A settings file that can't be used; the message names key, value and rule."""


@dataclass(frozen=True)
class Feed:
    """A list from elsewhere. Sizes in bytes and entries, times in seconds; 0 ``expires_in`` is never."""

    name: str
    url: str
    source: str
    list: str
    reason: str
    format: str = "plain"
    column: int = 1
    delimiter: str = ","
    skip_lines: int = 0
    ignore: tuple[str, ...] = ()
    sha256: str = ""
    checksum_url: str = ""
    max_bytes: int = 32 << 20
    min_entries: int = 1
    max_entries: int = 500_000
    max_change: float = 2.0
    expires_in: int = 7 * 86400
    timeout: int = 60

    @property
    def read_as(self) -> str:
        """All that decides which networks a file of the feed holds."""
        return json.dumps(
            [self.url, self.format, self.column, self.delimiter, self.skip_lines, list(self.ignore)]
        )


@dataclass(frozen=True)
class Rule:
    """Who is found ``limit`` times within ``window`` seconds in a log is banned for ``ban`` seconds."""

    name: str
    source: str
    list: str
    reason: str
    pattern: str
    journal: tuple[str, ...] = ()
    file: str = ""
    limit: int = 5
    window: int = 600
    ban: int = 3600
    prefix4: int = 32
    prefix6: int = 64


@dataclass(frozen=True)
class Settings:
    conninfo: str
    own_networks: tuple[str, ...] = ()
    feeds: tuple[Feed, ...] = ()
    rules: tuple[Rule, ...] = ()
    state_directory: Path = Path("/var/lib/groundwork-ipban-import")
    textfile_directory: Path = field(default=Path("/var/lib/groundwork-ipban-import"))

    def feed(self, name: str) -> Feed:
        for feed in self.feeds:
            if feed.name == name:
                return feed
        names = ", ".join(feed.name for feed in self.feeds) or "none"
        raise SettingsError(f"feed {name}: must be one of {names}")


def duration(text: str) -> int:
    """``2h``, ``1d12h``, ``90`` as seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if not text or not match:
        raise ValueError("must be a time span such as 2h or 1d12h")
    units = (604800, 86400, 3600, 60, 1)
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), units))


def load(path: Path = PATH) -> Settings:
    """The checked file. Raises :exc:`SettingsError`."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{path} is missing: this host holds no login that may write bans;"
            " the role ipban_importer gives it one"
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error
    return parse(given)


def parse(given: Any) -> Settings:
    """The file's content as :class:`Settings`. Raises :exc:`SettingsError`."""
    top = _Keys("", given)
    store = _Keys("store", top.take("store", _mapping, {}))
    settings = Settings(
        conninfo=store.take("conninfo", _text),
        own_networks=top.take("own_networks", _networks, ()),
        feeds=tuple(_feed(f"feeds[{n}]", feed) for n, feed in enumerate(top.take("feeds", _list, []))),
        rules=tuple(_rule(f"rules[{n}]", rule) for n, rule in enumerate(top.take("rules", _list, []))),
        state_directory=Path(top.take("state_directory", _path, str(Settings.state_directory))),
        textfile_directory=Path(top.take("textfile_directory", _path, str(Settings.textfile_directory))),
    )
    store.done()
    top.done()
    for kind, names in (
        ("feeds", [feed.name for feed in settings.feeds]),
        ("rules", [rule.name for rule in settings.rules]),
        # Two feeds with one source would take each other's bans away.
        (
            "feeds and rules",
            [f"source {feed.source}" for feed in settings.feeds]
            + [f"source {rule.source}" for rule in settings.rules],
        ),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SettingsError(f"{kind}: {', '.join(twice)} is there twice")
    return settings


def _feed(where: str, given: Any) -> Feed:
    keys = _Keys(where, given)
    name = keys.take("name", _name)
    feed = Feed(
        name=name,
        url=keys.take("url", _url),
        source=keys.take("source", _name, name),
        list=keys.take("list", _name, "all"),
        reason=keys.take("reason", _text, f"feed {name}"),
        format=keys.take("format", _choice("plain", "csv"), Feed.format),
        column=keys.take("column", _number(1, 1000), Feed.column),
        delimiter=keys.take("delimiter", _matching(".", "one character"), Feed.delimiter),
        skip_lines=keys.take("skip_lines", _number(0, 10_000), Feed.skip_lines),
        ignore=keys.take("ignore", _networks, Feed.ignore),
        sha256=keys.take("sha256", _matching(f"(?:{_SHA256.pattern})?", "64 hexadecimal digits"), ""),
        checksum_url=keys.take("checksum_url", _checksum_url, ""),
        max_bytes=keys.take("max_bytes", _number(1, 1 << 30), Feed.max_bytes),
        min_entries=keys.take("min_entries", _number(1, 10_000_000), Feed.min_entries),
        max_entries=keys.take("max_entries", _number(1, 10_000_000), Feed.max_entries),
        max_change=keys.take("max_change", _factor, Feed.max_change),
        expires_in=keys.take("expires_in", _span_or_never, Feed.expires_in),
        timeout=keys.take("timeout", _span, Feed.timeout),
    )
    keys.done()
    if feed.url.startswith("http:") and not (feed.sha256 or feed.checksum_url):
        raise SettingsError(
            f"{where}.url is {feed.url}: must be https, or have sha256 or checksum_url;"
            " anyone on the way could ban whom they like"
        )
    if feed.min_entries > feed.max_entries:
        raise SettingsError(f"{where}.min_entries is {feed.min_entries}: must not be more than max_entries")
    return feed


def _rule(where: str, given: Any) -> Rule:
    keys = _Keys(where, given)
    name = keys.take("name", _name)
    rule = Rule(
        name=name,
        source=keys.take("source", _name, name),
        list=keys.take("list", _name, "all"),
        reason=keys.take("reason", _text, f"rule {name}"),
        pattern=keys.take("pattern", _pattern),
        journal=keys.take("journal", _matches, ()),
        file=keys.take("file", _path, ""),
        limit=keys.take("limit", _number(1, 1000), Rule.limit),
        window=keys.take("window", _span, Rule.window),
        ban=keys.take("ban", _span, Rule.ban),
        prefix4=keys.take("prefix4", _number(networks.WIDEST[4], 32), Rule.prefix4),
        prefix6=keys.take("prefix6", _number(networks.WIDEST[6], 128), Rule.prefix6),
    )
    keys.done()
    if bool(rule.journal) == bool(rule.file):
        raise SettingsError(f"{where}: must have either journal or file")
    return rule


class _Keys:
    """A mapping whose keys are taken one by one; what is left over is unknown."""

    def __init__(self, where: str, given: Any) -> None:
        self._where = where
        self._given = dict(_checked(where or "the settings", given, _mapping))

    def take(self, key: str, check: Callable[[Any], Any], *default: Any) -> Any:
        path = f"{self._where}.{key}" if self._where else key
        if key not in self._given:
            if default:
                return default[0]
            raise SettingsError(f"{path} is missing")
        return _checked(path, self._given.pop(key), check)

    def done(self) -> None:
        if self._given:
            where = f"{self._where}." if self._where else ""
            raise SettingsError(f"{where}{sorted(self._given)[0]} is unknown")


def _checked(path: str, value: Any, check: Callable[[Any], Any]) -> Any:
    try:
        return check(value)
    except ValueError as rule:
        raise SettingsError(f"{path} is {json.dumps(value)}: {rule}") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\n" in value:
        raise ValueError("must be text of one line")
    return value


def _matching(pattern: str, rule: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"must be {rule}")
        return value

    return check


_name = _matching(_NAME.pattern, "a name of lower case letters, digits, - and _, at most 31 long")
_path = _matching(r"/[^\n]*", "an absolute path")


def _choice(*choices: str) -> Callable[[Any], str]:
    return _matching("|".join(choices), " or ".join(choices))


def _url(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(https?://[^\s/@]+/\S*|file:///\S+)", value):
        raise ValueError("must be https://HOST/PATH without a login, or file:///PATH")
    return value


def _checksum_url(value: Any) -> str:
    if value and not str(value).startswith(("https://", "file:///")):
        raise ValueError("must be https://HOST/PATH, or file:///PATH")
    return _url(value) if value else ""


def _number(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return check


def _span(value: Any) -> int:
    """Seconds of ``"2h"``; not more than a hundred years, so that every end can be written down."""
    seconds = duration(value) if isinstance(value, str) else 0
    if not 1 <= seconds <= 100 * 366 * 86400:
        raise ValueError("must be a time span such as 2h or 1d12h")
    return seconds


def _span_or_never(value: Any) -> int:
    return 0 if value == "never" else _span(value)


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 < value <= 1000:
        raise ValueError("must be a factor above 1, at most 1000")
    return float(value)


def _networks(value: Any) -> tuple[str, ...]:
    for entry in _list(value):
        try:
            networks.parse(entry if isinstance(entry, str) else "")
        except networks.RefusedError as refused:
            raise ValueError(str(refused)) from None
    return tuple(value)


def _matches(value: Any) -> tuple[str, ...]:
    for entry in _list(value):
        if not isinstance(entry, str) or not re.fullmatch(r"[A-Z_]+=[^\n]+", entry):
            raise ValueError("must be matches of journalctl, such as _SYSTEMD_UNIT=ssh.service")
    return tuple(value)


def _pattern(value: Any) -> str:
    try:
        groups = re.compile(_text(value)).groupindex
    except re.error as error:
        raise ValueError(f"must be a regular expression of Python: {error}") from None
    if "address" not in groups:
        raise ValueError("must have a group (?P<address>...)")
    return str(value)
