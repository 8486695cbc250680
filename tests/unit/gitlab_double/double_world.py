"""A small company on a double, and clients of people in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gitlab

from lab.doubles.gitlab import Server
from lab.doubles.gitlab.resources.tokens import user_token


@dataclass
class World:
    server: Server
    root: gitlab.Gitlab
    group: Any
    project: Any

    def user(self, name: str, level: int = 0, scopes: tuple[str, ...] = ("api",)) -> gitlab.Gitlab:
        """A client of somebody who is a member of the project at ``level``, or of nothing."""
        secret = user_token(self.server.state, name, list(scopes))
        client = gitlab.Gitlab(self.server.url, private_token=secret)
        if level:
            (user,) = self.root.users.list(username=name)
            self.project.members.create({"user_id": user.id, "access_level": level})
        return client


def build(server: Server) -> World:
    root = gitlab.Gitlab(server.url, private_token=server.root_token)
    group = root.groups.create({"name": "Acme", "path": "acme"})
    project = root.projects.create({"name": "Shop", "namespace_id": group.id, "initialize_with_readme": True})
    return World(server, root, group, project)


def status_of(call: Any, *arguments: Any, **named: Any) -> int:
    """What the server answered to a call that it has to refuse; 0 when it did not refuse."""
    try:
        call(*arguments, **named)
    except gitlab.GitlabError as error:
        return int(error.response_code or 0)
    return 0
