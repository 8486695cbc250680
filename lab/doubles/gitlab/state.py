"""Everything the double knows, in rows of plain values, so that it can be kept in a file."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class State:
    """Tables of rows: ``projects``, ``users`` … and, by owner, ``project/12/labels``. No id is used twice.

    ``lock`` is held by whoever reads or changes rows.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.tables: dict[str, dict[str, Row]] = {}
        self.last_ids: dict[str, int] = {}
        # Full paths in lower case: {"group/project": ["project", 12]}; those left behind lead on as well.
        self.paths: dict[str, list[Any]] = {}
        self.redirects: dict[str, list[Any]] = {}
        self.dirty = False
        self._file = file
        if file is not None and file.exists():
            kept = json.loads(file.read_text())
            self.tables = kept["tables"]
            self.last_ids = kept["last_ids"]
            self.paths = kept["paths"]
            self.redirects = kept["redirects"]

    @property
    def empty(self) -> bool:
        return not self.tables

    def rows(self, table: str) -> dict[str, Row]:
        return self.tables.setdefault(table, {})

    def peek(self, table: str) -> dict[str, Row]:
        """As :meth:`rows`, for reading: no table comes to be."""
        return self.tables.get(table, {})

    def next_id(self, kind: str) -> int:
        self.last_ids[kind] = self.last_ids.get(kind, 0) + 1
        return self.last_ids[kind]

    def insert(self, table: str, row: Row) -> Row:
        """Ids count up over all owners of a kind, as in a database: two labels never share one."""
        row = {"id": self.next_id(table.rsplit("/", 1)[-1]), **row}
        self.rows(table)[str(row["id"])] = row
        return row

    def row(self, table: str, identity: Any) -> Row | None:
        return self.tables.get(table, {}).get(str(identity))

    def drop_owner(self, owner_key: str) -> None:
        """All that belongs to a project or a group goes with it."""
        for table in [name for name in self.tables if name.startswith(f"{owner_key}/")]:
            del self.tables[table]

    def save(self) -> None:
        """Write the file when something has changed; readable by its owner alone, for it holds tokens."""
        if self._file is None:
            return
        with self.lock:
            if not self.dirty:
                return
            content = json.dumps(
                {
                    "tables": self.tables,
                    "last_ids": self.last_ids,
                    "paths": self.paths,
                    "redirects": self.redirects,
                }
            )
            self.dirty = False
        staged = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        staged.unlink(missing_ok=True)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(content)
        staged.replace(self._file)
