"""Avatars of groups and projects."""

from __future__ import annotations

import base64
from typing import Any

from lab.doubles.gitlab.api import Raw, Request, Upload, bad_request, not_found
from lab.doubles.gitlab.state import Row

MOST = 200 * 1024
TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}


def keep(request: Request, row: Row) -> None:
    """Take the avatar of the request, if it brings one; an empty text removes it."""
    given = request.params.get("avatar")
    if given is None:
        return
    if given == "":
        row["avatar"] = None
        return
    if not isinstance(given, Upload):
        raise bad_request({"avatar": ["file format is not supported"]})
    suffix = given.filename.rpartition(".")[2].lower()
    if suffix not in TYPES:
        raise bad_request(
            {"avatar": ["file format is not supported. Please try one of the following supported formats"]}
        )
    if len(given.content) > MOST:
        raise bad_request({"avatar": ["is too big (should be at most 200 KiB)"]})
    row["avatar"] = {"filename": given.filename, "content": base64.b64encode(given.content).decode()}


def url(request: Request, kind: str, row: Row) -> str | None:
    if not row["avatar"]:
        return None
    return f"{request.base_url}/uploads/-/system/{kind}/avatar/{row['id']}/{row['avatar']['filename']}"


def content(row: Row) -> Any:
    if not row["avatar"]:
        raise not_found("Avatar")
    suffix = row["avatar"]["filename"].rpartition(".")[2].lower()
    return Raw(base64.b64decode(row["avatar"]["content"]), TYPES[suffix])
