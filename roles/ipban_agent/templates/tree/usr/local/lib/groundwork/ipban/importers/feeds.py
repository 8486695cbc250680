"""One run of one feed: fetch, check, and hand the whole of it to the store in one call."""

from __future__ import annotations

import dataclasses
import datetime
import time
from typing import Protocol

from . import fetch, parsing
from .networks import RefusedError
from .settings import Feed, Settings
from .state import Memory, State


class Replaces(Protocol):
    def replace(
        self,
        networks: list[str],
        source: str,
        list_name: str,
        reason: str,
        expires_at: datetime.datetime | None,
        max_change: float | None,
    ) -> int: ...


def run(feed: Feed, settings: Settings, store: Replaces, accept: bool = False) -> State:
    """Import one feed and remember it. Raises :exc:`RefusedError` or the store's error; then nothing changed.

    accept: take an unusual number of entries, this once.
    """
    memory = Memory(settings, feed.name)
    now = time.time()
    try:
        return _run(feed, settings, store, accept, memory, now)
    except Exception as error:
        memory.failed(str(error), now)
        raise


def _run(feed: Feed, settings: Settings, store: Replaces, accept: bool, memory: Memory, now: float) -> State:
    known = memory.state()
    earlier = memory.networks() if known.read_as == feed.read_as else None
    fetched = fetch.fetch(feed, fetch.Validators() if earlier is None else known.validators)
    if fetched.content is not None:
        found = parsing.parse(feed, fetched.content, settings.own_networks)
    elif earlier is not None:
        # The rules may have become stricter since.
        found = parsing.parse(_as_kept(feed), "\n".join(earlier).encode(), settings.own_networks)
    else:
        raise RefusedError(f"{feed.url}: the server says that nothing has changed, but was not asked that")
    if earlier is not None and not accept:
        parsing.check_change(feed, len(found), len(earlier))
    expires_at = _expiry(feed, known, now)
    # Also when nothing changed: a store that was restored from a backup gets it all again.
    changed = store.replace(
        found,
        feed.source,
        feed.list,
        feed.reason,
        datetime.datetime.fromtimestamp(expires_at, datetime.timezone.utc) if expires_at else None,
        feed.max_change if not accept and max(len(found), len(earlier or ())) >= parsing.UNUSUAL else None,
    )
    state = State(
        read_as=feed.read_as,
        etag=fetched.validators.etag,
        last_modified=fetched.validators.last_modified,
        entries=len(found),
        expires_at=expires_at,
        succeeded_at=now,
        ran_at=now,
        changed=changed,
    )
    memory.keep(state, found)
    return state


def _as_kept(feed: Feed) -> Feed:
    """The feed in the format of the last good list."""
    return dataclasses.replace(feed, format="plain", skip_lines=0)


def _expiry(feed: Feed, known: State, now: float) -> float:
    """Renewed when half of it has gone: until then a run that finds the same list changes no row."""
    if not feed.expires_in:
        return 0
    left = known.expires_at - now
    if feed.expires_in / 2 < left <= feed.expires_in:
        return known.expires_at
    return float(int(now) + feed.expires_in)
