"""One pass: every object that carries the deny list is brought to what the database says.

It fails static, as the agent does: whatever goes wrong, the last good list stays where it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any, Protocol

from ipban import breaker
from ipban.denylist import targets
from ipban.denylist.api import ApiError, Changed
from ipban.denylist.report import Report, Written
from ipban.denylist.selection import Selection, select
from ipban.denylist.settings import DenylistSettings, Target
from ipban.log import Log
from ipban.model import AgentError, Newest, Position
from ipban.packed import WIDTHS, entries, pack_network

# More are never asked for: an ingress that could take them all is not known.
READ_LIMIT = 200_000


class Cluster(Protocol):
    def get(self, path: str) -> dict[str, Any] | None: ...

    def apply(self, path: str, document: dict[str, Any], *, force: bool) -> None: ...

    def delete(self, path: str) -> None: ...


class Database(Protocol):
    def connect(self) -> None: ...

    def head(self) -> Position: ...

    def newest(self, limit: int) -> Newest: ...


class Writer:
    def __init__(
        self,
        settings: DenylistSettings,
        database: Database,
        cluster: Cluster,
        log: Log,
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._database = database
        self._cluster = cluster
        self._log = log
        self._wall = wall
        self._protected = [pack_network(ip_network(network)) for network in settings.protected]
        self._newest: Newest | None = None
        self.report = Report(
            targets={
                target.label: Written(limit_entries=target.max_entries, limit_bytes=target.max_bytes)
                for target in settings.targets
            }
        )

    def run(self) -> bool:
        """Do it; whether anything was written. Raises :exc:`AgentError` after the last object."""
        wrote = False
        failed = []
        for target in self._settings.targets:
            status = self.report.targets[target.label]
            try:
                try:
                    wrote = self._bring(target, status) or wrote
                except Changed:
                    # Another replica was faster: by now it may be as it has to be.
                    wrote = self._bring(target, status) or wrote
                status.error, status.breaker_open = "", False
                status.last_success = self._wall()
            except AgentError as error:
                status.failures += 1
                status.breaker_open = isinstance(error, breaker.BreakerOpen)
                if status.error != str(error):
                    self._log("error", "denylist_failed", target=target.label, reason=error)
                status.error = str(error)
                failed.append(f"{target.label}: {error}")
        if failed:
            raise AgentError("\n".join(failed))
        return wrote

    def remove(self) -> None:
        """Take the list out of every object, and away what is this program's own."""
        for target in self._settings.targets:
            path = targets.path(target)
            if targets.ours(target):
                self._cluster.delete(path)
            elif self._cluster.get(path) is not None:
                self._cluster.apply(path, targets.document(target, None, {}, None), force=True)
            self._log("notice", "denylist_removed", target=target.label)

    def _bring(self, target: Target, status: Written) -> bool:
        path = targets.path(target)
        # Looked at before the database is: what is written later by somebody else makes this a conflict.
        live = self._cluster.get(path)
        if live is None and not targets.ours(target):
            raise ApiError(f"{path} is not there: the name must be that of the controller's ConfigMap")
        position = self._position()
        known = targets.notes(live) if live else {}
        now = targets.carried(target, live) if live else ()
        wanted = _mark(position)
        if known.get("generation") == wanted and known.get("digest") == self._digest(target, now):
            self._note(status, now, known)
            status.generation = position.generation
            return False
        newest = self._read()
        before = known.get("banned", "")
        usual = int(before) if before.isdigit() else None
        try:
            breaker.check(self._settings.breaker, usual, newest.total)
        except breaker.BreakerOpen as error:
            said = str(error).partition(";")[0]
            raise breaker.BreakerOpen(
                f"{said}; taking the annotation {targets.ANNOTATIONS}banned from the object accepts it"
            ) from error
        selection = self._selected(target, newest, targets.room(target, live))
        left_out = newest.total - selection.taken
        notes = {
            "generation": _mark(newest.position),
            "banned": str(newest.total),
            "left-out": str(left_out),
            "digest": self._digest(target, selection.networks),
        }
        version = live["metadata"]["resourceVersion"] if live else None
        # What somebody else has said is only taken over where the list was ours before.
        self._cluster.apply(
            path, targets.document(target, selection.networks, notes, version), force=bool(known)
        )
        status.writes += 1
        status.generation = newest.position.generation
        self._note(status, selection.networks, notes)
        self._tell(target, newest, selection)
        return True

    def _position(self) -> Position:
        try:
            self._database.connect()
            position = self._database.head()
        except AgentError:
            self.report.store_up = False
            raise
        self.report.store_up = True
        if self._newest is not None and self._newest.position != position:
            self._newest = None
        return position

    def _read(self) -> Newest:
        if self._newest is None:
            self._newest = self._database.newest(READ_LIMIT)
        self.report.banned = self._newest.total
        return self._newest

    def forget(self) -> None:
        """What was read is of no use any more: a pass is over, memory is not for keeping it."""
        self._newest = None

    def _selected(self, target: Target, newest: Newest, room: int) -> Selection:
        protected = list(self._protected)
        for family, width in WIDTHS.items():
            protected += entries(newest.allowed.networks[family], width + 1)

        def fits(networks: Sequence[str]) -> bool:
            return len(networks) <= target.max_entries and targets.size(networks) <= room

        return select(newest.banned, protected, fits)

    def _digest(self, target: Target, networks: Sequence[str]) -> str:
        """Of the list and of all settings that it depends on."""
        said = [
            *(self._settings.lists, self._settings.protected),
            *(target.max_entries, target.max_bytes, target.gateways, list(networks)),
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:40]

    def _note(self, status: Written, networks: Sequence[str], notes: dict[str, str]) -> None:
        status.entries, status.bytes = len(networks), targets.size(networks)
        status.left_out = int(notes.get("left-out") or 0)
        self.report.banned = int(notes.get("banned") or 0)

    def _tell(self, target: Target, newest: Newest, selection: Selection) -> None:
        self._log(
            "notice",
            "denylist_written",
            target=target.label,
            generation=newest.position.generation,
            entries=len(selection.networks),
            banned=newest.total,
        )
        left_out = newest.total - selection.taken
        if left_out:
            limits = f"{target.max_entries} entries and {target.max_bytes} bytes"
            self._log(
                "warning",
                "denylist_too_long",
                target=target.label,
                left_out=left_out,
                reason=f"of {newest.total} bans only the newest {selection.taken} fit into {limits}",
            )


def _mark(position: Position) -> str:
    return f"{position.generation}/{position.stamp}"
