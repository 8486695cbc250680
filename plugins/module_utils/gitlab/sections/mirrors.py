# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""Push mirrors, by URL without login."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, Iterator, Mapping, Tuple
from urllib.parse import quote, urlsplit, urlunsplit

from ..context import Context
from ..model import Node
from . import attributes
from .base import Difference, Field, Item, Row, Section, declare


class Mirrors(Section):
    """A login can't be changed in place, so a mirror with another one is made before the old one goes."""

    name = "mirrors"
    path = "remote_mirrors"
    identity = "url"
    fields = declare(
        enabled=Field("flag", default=True),
        only_protected_branches=Field("flag", default=False),
        keep_divergent_refs=Field("flag"),
        auth_method=Field(choices=("password", "ssh_public_key")),
        mirror_branch_regex=Field(enterprise=True),
        user=Field(),
        password=Field(secret=True),
    )

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        parts = urlsplit(key)
        if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
            yield f"{node.place}.mirrors", key, "must be keyed by a URL with https, ssh or git", False
        if parts.username and parts.scheme != "ssh":
            yield (
                f"{node.place}.mirrors",
                "(secret)",
                "must not carry a login in the URL; use user and password",
                False,
            )

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        for key, item in self.entries(node).items():
            if item.get("password") and not context.digester:
                yield (
                    "gitlab_config_digest_key",
                    "",
                    f"is needed: {node.place}.mirrors[{key}] has a password",
                    False,
                )

    def key_of(self, row: Row) -> str:
        return _bare(str(row["url"]))

    def view(self, context: Context, node: Node, row: Row) -> Item:
        seen = super().view(context, node, row)
        # GitLab shows stars in place of the login.
        return {name: value for name, value in seen.items() if name not in ("user", "password")}

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        for difference in super().differences(context, node, actual):
            wanted, row = difference.wanted, difference.actual
            if wanted is None or row is None:
                yield difference
                continue
            changed = [name for name in difference.changed if name not in ("user", "password")]
            login = _login(wanted)
            if login and attributes.changed(
                context, node, _attribute(difference.key), login, self.name, difference.key
            ):
                changed.append("password")
            if changed:
                yield Difference(difference.key, row, wanted, tuple(changed))

    def payload(self, context: Context, node: Node, item: Mapping[str, Any]) -> Dict[str, Any]:
        fields = {name: value for name, value in item.items() if name not in ("user", "password")}
        return super().payload(context, node, fields)

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        wanted = difference.item
        context.client.post(
            self.address(node),
            {"url": _full(difference.key, wanted), **self.payload(context, node, wanted)},
        )
        login = _login(wanted)
        if login:
            digest = context.digester(login, node.kind, node.id, self.name, difference.key)
            attributes.keep(context, node, _attribute(difference.key), digest)

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        if "password" in difference.changed:
            self.replace(context, node, difference)
        else:
            super().update(context, node, difference)


def _bare(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _login(item: Item) -> str:
    return f"{item.get('user', '')}:{item['password']}" if item.get("password") else ""


def _full(url: str, item: Item) -> str:
    if not item.get("user") and not item.get("password"):
        return url
    parts = urlsplit(url)
    login = f"{quote(item.get('user', ''), safe='')}:{quote(item.get('password', ''), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


def _attribute(url: str) -> str:
    return f"groundwork_mirror_{hashlib.sha256(url.encode()).hexdigest()[:16]}"
