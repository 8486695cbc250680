"""One double of GitLab, people in it, and a way to converge models against it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gitlab
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab import client, engine
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.export import export
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.model import RefusedError

from lab.doubles.gitlab import Server

DIGEST_KEY = "a key of the tests"
PEOPLE = ("alice", "bob", "carol")


def public_key(number: int = 0) -> str:
    """A public key that nobody has the private one of."""
    kind = b"ssh-ed25519"
    blob = struct.pack(">I", len(kind)) + kind + struct.pack(">I", 32) + bytes([number]) * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


@dataclass
class World:
    """The double, python-gitlab as somebody independent, and what the last run told."""

    server: Server
    root: gitlab.Gitlab
    lines: list[str] = field(default_factory=list)

    def run(
        self,
        groups: Sequence[Mapping[str, Any]],
        *,
        check: bool = False,
        token: str = "",
        workers: int = 4,
        confirm: Sequence[str] = (),
        digest_key: str = DIGEST_KEY,
        **request: Any,
    ) -> dict[str, Any]:
        """Converge a model; the result of the module."""
        asked = engine.Request(
            list(groups),
            request.get("instance"),
            request.get("defaults"),
            request.get("enforce"),
            list(confirm),
            digest_key,
            request.get("render"),
            request.get("find"),
        )
        self.server.requests.clear()
        self.lines.clear()
        with client.Client(self.server.url, token or self.server.root_token, workers=workers) as connected:
            return engine.converge(asked, connected, connected.meter, check, self.lines.append)

    def again(self, groups: Sequence[Mapping[str, Any]], **request: Any) -> dict[str, Any]:
        """Converge what was converged already: nothing may change, and nothing may be written."""
        result = self.run(groups, **request)
        assert result["plan"] == []
        assert self.server.requests.writes == []
        assert not result["changed"]
        return result

    def refused(self, groups: Sequence[Mapping[str, Any]], **request: Any) -> list[str]:
        """Converge what has to be refused; the lines, and nothing was written."""
        try:
            result = self.run(groups, **request)
        except RefusedError as error:
            assert self.server.requests.writes == []
            return error.lines
        raise AssertionError(f"accepted: {result['plan']}")

    def export(self, *paths: str) -> dict[str, Any]:
        with client.Client(self.server.url, self.server.root_token, workers=4) as connected:
            return export(connected, list(paths))

    def project(self, path: str = "acme/web") -> Any:
        return self.root.projects.get(path)

    def group(self, path: str = "acme") -> Any:
        return self.root.groups.get(path)

    def user_token(self, username: str, scopes: Sequence[str] = ("api",)) -> str:
        """A token of somebody who is no administrator."""
        (user,) = self.root.users.list(username=username)
        made = user.personal_access_tokens.create({"name": "test", "scopes": list(scopes)})
        return str(made.token)


@contextmanager
def world(edition: str = "ce", **options: Any) -> Iterator[World]:
    with Server(edition=edition, **options) as server:
        root = gitlab.Gitlab(server.url, private_token=server.root_token)
        for name in PEOPLE:
            root.users.create(
                {
                    "username": name,
                    "name": name,
                    "email": f"{name}@example.com",
                    "password": "only-4-the-Test",
                }
            )
        yield World(server, root)


def acme(*projects: Mapping[str, Any], **group: Any) -> list[dict[str, Any]]:
    """A model of one group."""
    return [{"path": "acme", **group, "projects": list(projects)}]


def keys(result: Mapping[str, Any]) -> list[str]:
    """Kind and key of each change of a plan."""
    return [f"{change['kind']} {change['key']}" for change in result["plan"]]
