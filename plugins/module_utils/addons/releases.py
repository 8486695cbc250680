# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Helm keeps of a release: the Secret of a revision, read, or marked as failed."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import quote

from .api import Api
from .helm import Target
from .model import AddonError, Json
from .objects import from_manifest


def path(target: Target, revision: int) -> str:
    """Of the Secret of a revision."""
    name = f"sh.helm.release.v1.{target.release}.v{revision}"
    return f"/api/v1/namespaces/{quote(target.namespace)}/secrets/{name}"


def decode(secret: Mapping[str, Any]) -> Json:
    """The release that a Secret holds. It has the values in it: never show it."""
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        found: Json = json.loads(gzip.decompress(packed))
    except (EOFError, KeyError, OSError, TypeError, ValueError, zlib.error) as error:
        name = (secret.get("metadata") or {}).get("name")
        raise AddonError([f"the Secret {name} holds no release that could be read"]) from error
    return found


def encode(release: Mapping[str, Any]) -> str:
    """The other way."""
    packed = gzip.compress(json.dumps(release, separators=(",", ":")).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()


def read(api: Api, target: Target, revision: int) -> Optional[Json]:
    """A revision's release, ``None`` where its Secret is gone."""
    secret = api.get(path(target, revision))
    return decode(secret) if secret is not None else None


def manifest(release: Optional[Mapping[str, Any]], name: str) -> List[Json]:
    """The objects of a release without its hooks."""
    return from_manifest((release or {}).get("manifest") or "", f"the release {name}")


def mark_failed(api: Api, target: Target, revision: int) -> None:
    """Note that a revision has failed, as Helm does when it can: it goes on from there then.

    Nothing that the revision has made is taken away, and Helm still knows of it.
    """
    where = path(target, revision)
    secret: Dict[str, Any] = api.request("GET", where)
    release = decode(secret)
    release.setdefault("info", {})["status"] = "failed"
    release["info"]["description"] = "Interrupted; the next run of groundwork.platform goes on from here"
    secret["data"]["release"] = encode(release)
    secret["metadata"].setdefault("labels", {})["status"] = "failed"
    secret["metadata"].pop("managedFields", None)
    api.request("PUT", where, secret)
