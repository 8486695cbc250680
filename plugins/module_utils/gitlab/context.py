# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all sections share in one run: the client, who is who, and what is to be told in the end."""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterable, List, Mapping, Optional

from .client import ApiError, Client, quoted
from .model import GROUP, PROJECT, Model, Node, Violations
from .secrets import Digester


class Context:
    """One run against one GitLab; safe to be used by several threads.

    Users, groups and projects are resolved once. Users come for free with the members that are read anyway.
    """

    def __init__(
        self,
        client: Client,
        model: Model,
        digester: Digester,
        violations: Violations,
        confirmed: Iterable[str] = (),
    ) -> None:
        self.client = client
        self.model = model
        self.digester = digester
        self.violations = violations
        self.confirmed = frozenset(confirmed)
        self.warnings: List[str] = []
        self.unlisted: List[Dict[str, str]] = []
        self.me: Dict[str, Any] = {}
        self.enterprise = False
        self._lock = threading.Lock()
        self._users: Dict[str, Optional[int]] = {}
        self._names: Dict[int, str] = {}
        self._paths: Dict[int, str] = {}
        self._runners: Optional[Dict[str, List[int]]] = None
        self._ids: Dict[str, Dict[str, Optional[int]]] = {GROUP: {}, PROJECT: {}}
        self._nodes = {node.path.lower(): node for node in model.nodes}

    def warn(self, text: str) -> None:
        with self._lock:
            if text not in self.warnings:
                self.warnings.append(text)

    def note_unlisted(self, node: Node, section: str, key: str) -> None:
        with self._lock:
            self.unlisted.append({"object": node.path, "section": section, "key": key})

    # -- users

    def learn(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take ids and user names out of rows that name users."""
        with self._lock:
            for row in rows:
                if row.get("username") and row.get("id"):
                    self._users[str(row["username"]).lower()] = int(row["id"])
                    self._names[int(row["id"])] = str(row["username"])

    def resolve(self, usernames: Iterable[str]) -> None:
        """Ask for the users that nothing has named so far, each once."""
        wanted = sorted({name.lower() for name in usernames} - set(self._users))
        for name, rows in zip(
            wanted, self.client.map(lambda name: self.client.get("/users", username=name), wanted)
        ):
            self.learn(rows)
            with self._lock:
                self._users.setdefault(name, None)

    def user_id(self, username: str) -> Optional[int]:
        """The id of a user, None for one that GitLab does not know; resolved by :meth:`resolve`."""
        return self._users.get(username.lower())

    def learn_ids(self, ids: Iterable[int]) -> None:
        """Ask for the names of users that only ids are known of."""
        wanted = sorted(set(ids) - set(self._names))
        self.learn(self.client.map(lambda number: self.client.find(f"/users/{number}") or {}, wanted))

    def username(self, user_id: int) -> str:
        return self._names.get(user_id, f"#{user_id}")

    # -- groups and projects that others refer to

    def id_of(self, kind: str, path: str) -> Optional[int]:
        """The id of a group or project by its full path; None where there is none (yet)."""
        node = self._nodes.get(path.lower())
        if node is not None and node.kind == kind and node.id:
            return int(node.id)
        known = self._ids[kind]
        with self._lock:
            if path.lower() in known:
                return known[path.lower()]
        row = self.client.find(f"/{kind}s/{quoted(path)}")
        with self._lock:
            known[path.lower()] = int(row["id"]) if row else None
        return known[path.lower()]

    def group_path(self, number: int) -> str:
        """The full path of a group that only the id is known of; asked for once."""
        with self._lock:
            if number not in self._paths:
                known = {node.id: node.path for node in self.model.of(GROUP) if node.id}
                row = (
                    {}
                    if number in known
                    else self.client.find(f"/groups/{number}", with_projects=False) or {}
                )
                self._paths[number] = known.get(number) or str(row.get("full_path", number))
            return self._paths[number]

    def runners(self) -> Dict[str, List[int]]:
        """The ids of project runners by description; read once."""
        with self._lock:
            if self._runners is None:
                try:
                    rows = self.client.pages("/runners/all", type="project_type")
                except ApiError as error:
                    # All runners are an administrator's to see; others see those of their own projects.
                    if error.status != 403:
                        raise
                    rows = self.client.pages("/runners", type="project_type")
                self._runners = {}
                for row in rows:
                    self._runners.setdefault(str(row["description"]), []).append(int(row["id"]))
            return self._runners

    def exists(self, kind: str, path: str) -> bool:
        """Whether a group or project is there, or will be when this run is over."""
        node = self._nodes.get(path.lower())
        if node is not None and node.kind == kind:
            return not node.absent
        return self.id_of(kind, path) is not None
