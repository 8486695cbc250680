"""The verbs that write bans: ``import``, ``feeds``, ``watch``, ``ban``, ``unban`` and ``check-importer``.

Each sets ``handler`` in the parsed arguments: a function of them that returns the exit code. The agent loads
this module too, so what only importers need is imported where it is used.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import Settings
    from .store import Store

_FOLDER = Path("/etc/groundwork/ipban")
_SOURCE = "operator"


def add_verbs(subparsers: Any) -> None:
    """Add the verbs to those of the agent."""
    verb = _verb(subparsers, "import", _import, "fetch a feed and hand it to the store")
    verb.add_argument("name", help="a feed of the settings")
    verb.add_argument("--accept", action="store_true", help="take an unusual number of entries, this once")
    verb = _verb(subparsers, "feeds", _feeds, "what the last imports came to")
    verb.add_argument("--json", action="store_true")
    _verb(subparsers, "watch", _watch, "ban who the rules find in logs (the service runs this)")
    verb = _verb(subparsers, "ban", _ban, "ban addresses or networks on all hosts")
    verb.add_argument("network", nargs="+")
    verb.add_argument("--reason", required=True)
    verb.add_argument("--source", default=_SOURCE, help=f"whose ban it is (default {_SOURCE})")
    verb.add_argument("--list", default="all", help="the list that hosts take (default all)")
    verb.add_argument(
        "--expires-in", default="never", metavar="TIME", help="such as 2h or 1d12h, in seconds without a unit"
    )
    verb = _verb(subparsers, "unban", _unban, "take bans back")
    verb.add_argument("network", nargs="+")
    verb.add_argument("--source", default=_SOURCE, help=f"whose bans (default {_SOURCE})")
    verb.add_argument("--list", default=None, help="only this list (default: every)")
    verb = _verb(
        subparsers, "check-importer", _check, "check the settings of feeds and rules, do nothing else"
    )
    verb.add_argument("path", nargs="?", type=Path, default=None)


def _verb(
    subparsers: Any, name: str, handler: Callable[[argparse.Namespace], int], says: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=says, description=says)
    parser.set_defaults(handler=lambda given: _guarded(handler, given))
    return parser


def _guarded(handler: Callable[[argparse.Namespace], int], given: argparse.Namespace) -> int:
    from .networks import RefusedError
    from .settings import SettingsError
    from .store import StoreError

    try:
        return handler(given)
    except (RefusedError, SettingsError, StoreError) as error:
        print(f"ipban: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"ipban: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1


def _import(given: argparse.Namespace) -> int:
    from . import feeds, settings
    from .networks import RefusedError
    from .state import write_metrics
    from .store import StoreError

    found = settings.load()
    feed = found.feed(given.name)
    try:
        state = feeds.run(feed, found, _store(found), given.accept)
    except (RefusedError, StoreError) as error:
        print(f"ipban: feed {feed.name}: {error}. Nothing was changed.", file=sys.stderr)
        return 1
    finally:
        write_metrics(found)
    say(f"feed {feed.name}: {state.entries} networks, {state.changed} bans changed")
    return 0


def _feeds(given: argparse.Namespace) -> int:
    from . import settings
    from .state import Memory

    found = settings.load()
    states = {feed.name: Memory(found, feed.name).state() for feed in found.feeds}
    if given.json:
        say(json.dumps({name: vars(state) for name, state in states.items()}, indent=2))
        return 0
    for name, state in states.items():
        when = f"{_time(state.succeeded_at)}: {state.entries} networks" if state.succeeded_at else "never"
        say(f"FAILED {name}: {state.error}; last good: {when}" if state.error else f"ok {name}: {when}")
    return int(any(state.error for state in states.values()))


def _watch(_ignored: argparse.Namespace) -> int:
    from . import settings
    from .watch import Watch

    found = settings.load()
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    store = _store(found)
    try:
        Watch(found, store, say).run(lambda: bool(stopped))
    finally:
        store.close()
    return 0


def _ban(given: argparse.Namespace) -> int:
    from . import networks, settings

    expires_at = _expiry(given.expires_in)
    for network in given.network:
        networks.parse(network)
    changed = _store(settings.load()).ban(given.network, given.reason, given.source, given.list, expires_at)
    say(f"{changed} bans changed")
    return 0


def _unban(given: argparse.Namespace) -> int:
    from . import networks, settings

    for network in given.network:
        networks.parse(network)
    changed = _store(settings.load()).unban(given.network, given.source, given.list)
    say(f"{changed} bans changed")
    return 0


def _check(given: argparse.Namespace) -> int:
    from . import settings

    settings.load(given.path or settings.PATH)
    return 0


def _expiry(text: str) -> datetime.datetime | None:
    from .networks import RefusedError, shown
    from .settings import duration

    # fail2ban says -1 for a ban without an end.
    if text in ("never", "-1"):
        return None
    try:
        seconds = duration(text)
        if seconds < 1:
            raise ValueError("must be more than nothing")
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"--expires-in {shown(text)}: {error}") from None


def _store(found: Settings) -> Store:
    from .store import Store

    if os.geteuid() == 0:
        # As the role laid them down; services have copies of their own, which their environment names.
        os.environ["PGPASSFILE"] = str(_FOLDER / "importer.pgpass")
        os.environ["PGSSLKEY"] = str(_FOLDER / "importer.key")
    person = os.environ.get("SUDO_USER") or os.environ.get("USER") or "service"
    return Store(found.conninfo, f"{person}@{socket.gethostname()}")


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(message: str) -> None:
    print(message, flush=True)
