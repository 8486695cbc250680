# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of secrets that have no description to stand in: custom attributes of their project or group.

They come with the lists that are read anyway, but only for administrators. With a lesser token such a secret
is written when it is made and when something beside it changes; a warning says so.
"""

from __future__ import annotations

from typing import Optional

from ..client import ApiError, quoted
from ..context import Context
from ..model import Node


def kept(node: Node, key: str) -> Optional[str]:
    """The digest; nothing (``""``) where none was kept, None where the token may not see it."""
    rows = node.row.get("custom_attributes")
    if rows is None:
        return None
    return next((str(row["value"]) for row in rows if row["key"] == key), "")


def keep(context: Context, node: Node, key: str, digest: str) -> None:
    """Keep the digest of a secret that was just written."""
    try:
        context.client.put(f"{node.address}/custom_attributes/{quoted(key)}", {"value": digest})
    except ApiError as error:
        if error.status not in (401, 403):
            raise
        context.warn(
            f"{node.place}: a change of a secret can't be told without an administrator's token; "
            "it is written with the next change of what it belongs to"
        )


def changed(context: Context, node: Node, key: str, secret: str, *place: object) -> bool:
    """Whether the secret is another one than that which was written last, as far as can be told."""
    digest = kept(node, key)
    return digest is not None and digest != context.digester(secret, node.kind, node.id, *place)
