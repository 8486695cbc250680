"""A tour of the double: what its stops hand on to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gitlab

from lab.doubles.gitlab import Server


@dataclass
class Tour:
    server: Server
    api: gitlab.Gitlab
    group: Any = None
    project: Any = None
    other: Any = None
    user: Any = None

    @property
    def project_path(self) -> str:
        return f"/projects/{self.project.id}"

    @property
    def group_path(self) -> str:
        return f"/groups/{self.group.id}"

    @property
    def ee(self) -> bool:
        return self.server.edition == "ee"
