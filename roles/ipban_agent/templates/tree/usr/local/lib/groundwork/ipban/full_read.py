"""A full read of the database: one thread fetches the next chunk while the kernel is given the last."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Empty, Queue
from typing import Any

import psycopg

from ipban.model import READ_ORDER, Allowed, Position, StoreError, entry_width

# More would only be memory: the kernel takes longer than the database.
_AHEAD = 4
_PARTS = {
    "hosts4": (4, "host"),
    "networks4": (4, "network"),
    "hosts6": (6, "host"),
    "networks6": (6, "network"),
}
_NEXT = "SELECT chunk, entries FROM ipban.packed_after(%s, %s, %s, %s)"


class PostgresRead:
    """The connection belongs to the thread until :meth:`finish` has returned."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        lists: Sequence[str],
        position: Position,
        allowed: Allowed,
        extent: tuple[int, int],
        store_addresses: tuple[bytes, ...],
    ) -> None:
        self.position = position
        self.allowed = allowed
        self.at_least, self.at_most = extent
        self.store_addresses = store_addresses
        self._connection = connection
        self._lists = list(lists)
        # A chunk, an error, or None at the end.
        self._queue: Queue[tuple[str, bytes] | Exception | None] = Queue(_AHEAD)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._fetch, daemon=True)
        self._thread.start()

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        while True:
            found = self._queue.get()
            if found is None:
                return
            if isinstance(found, Exception):
                raise found
            yield found

    def finish(self) -> None:
        """Give the connection back, with what was not read left unread."""
        self._given_up.set()
        while self._thread.is_alive():
            try:
                # The thread may be waiting for room.
                self._queue.get(timeout=0.01)
            except Empty:
                continue
        self._thread.join()

    def _fetch(self) -> None:
        try:
            for name in READ_ORDER:
                for chunk in self._of(name):
                    if self._given_up.is_set():
                        return
                    self._queue.put((name, chunk))
        except Exception as error:  # because it is raised where the chunks are waited for
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _of(self, name: str) -> Iterator[bytes]:
        family, kind = _PARTS[name]
        width = entry_width(name)
        last: bytes | None = None
        while True:
            row = self._connection.execute(_NEXT, (family, kind, self._lists, last), binary=True).fetchone()
            chunk, entries = row or (None, None)
            if chunk is None and entries == 0:
                return
            if not chunk or entries is None or len(chunk) != entries * width:
                size = len(chunk or b"")
                raise StoreError(
                    f"full load: {name} came with {size} bytes, not with {entries} entries of {width}"
                )
            if last is not None and last >= chunk[:width]:
                raise StoreError(f"full load: {name} did not come sorted")
            yield chunk
            last = chunk[-width:]
