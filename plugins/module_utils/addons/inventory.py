# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster says of earlier runs, in two requests: metadata of releases, and our own ConfigMap."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from .api import MERGE, METADATA_ONLY, Api
from .digest import LABEL
from .model import AddonError, Json
from .objects import namespace, ref_from

NAMESPACE = "groundwork-system"
NAME = "groundwork-addons"
CONFIG_MAP = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
RELEASES = "/api/v1/secrets"

APPLYING = "applying"
READY = "ready"
FAILED = "failed"
REMOVING = "removing"


@dataclass(frozen=True)
class Record:
    """What we know of an item: written before it is touched (``applying``), and when it is done.

    digest: what was asked for. chart_digest, version, source: of what was installed; the digest was that of
    the lock, or the one that was seen first. revision: the last that we made. objects, crds: as
    :meth:`objects.Ref.text`, beside the release. needs: items that it needed.
    """

    state: str
    digest: str = ""
    version: str = ""
    source: str = ""
    chart_digest: str = ""
    release: str = ""
    namespace: str = ""
    revision: int = 0
    objects: Tuple[str, ...] = ()
    crds: Tuple[str, ...] = ()
    keep_crds: bool = True
    needs: Tuple[str, ...] = ()

    def text(self) -> str:
        """As JSON, for the ConfigMap."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Release:
    """The newest revision of a Helm release, from its Secret's metadata.

    deployed: the newest revision that Helm calls deployed, 0 where there is none. modified: seconds since
    the epoch, as Helm noted it.
    """

    name: str
    namespace: str
    revision: int
    status: str
    digest: str = ""
    deployed: int = 0
    modified: int = 0

    @property
    def pending(self) -> bool:
        return self.status.startswith("pending-") or self.status == "uninstalling"


@dataclass(frozen=True)
class State:
    """All of it. releases: by namespace and name."""

    records: Mapping[str, Record] = field(default_factory=dict)
    releases: Mapping[Tuple[str, str], Release] = field(default_factory=dict)


def read(api: Api) -> State:
    """Two requests, however many addons there are."""
    listed = api.request("GET", RELEASES, query={"labelSelector": "owner=helm"}, accept=METADATA_ONLY)
    return State(parse_records(api.get(CONFIG_MAP)), parse_releases(listed.get("items") or ()))


def parse_records(config_map: Optional[Mapping[str, Any]]) -> Dict[str, Record]:
    """Records by item. What a later version of the engine has added is left aside.

    AddonError where somebody has edited one so that it can't be read: to guess would install it once more.
    """
    found: Dict[str, Record] = {}
    wrong: List[str] = []
    for item, text in ((config_map or {}).get("data") or {}).items():
        try:
            found[item] = _record(json.loads(text))
        except (AttributeError, TypeError, ValueError) as error:
            wrong.append(
                f"the ConfigMap {NAMESPACE}/{NAME} has a record of {item} that can't be read ({error}): "
                "put it back, or take its key out; its release is adopted then"
            )
    if wrong:
        raise AddonError(wrong)
    return found


def _record(document: Mapping[str, Any]) -> Record:
    given = {key: value for key, value in document.items() if key in Record.__dataclass_fields__}
    for key in ("objects", "crds", "needs"):
        given[key] = tuple(given.get(key, ()))
    for text in (*given["objects"], *given["crds"]):
        ref_from(text)
    return Record(**given)


def parse_releases(items: Iterable[Mapping[str, Any]]) -> Dict[Tuple[str, str], Release]:
    """The newest revision of each release."""
    newest: Dict[Tuple[str, str], Release] = {}
    deployed: Dict[Tuple[str, str], int] = {}
    for item in items:
        metadata = item["metadata"]
        labels = metadata.get("labels") or {}
        if not labels.get("version", "").isdigit() or "name" not in labels:
            continue
        key = (metadata["namespace"], labels["name"])
        revision = int(labels["version"])
        status = labels.get("status", "")
        if status == "deployed":
            deployed[key] = max(revision, deployed.get(key, 0))
        if key not in newest or newest[key].revision < revision:
            modified = labels.get("modifiedAt") or labels.get("createdAt") or "0"
            newest[key] = Release(
                labels["name"],
                metadata["namespace"],
                revision,
                status,
                labels.get(LABEL, ""),
                0,
                int(modified),
            )
    return {
        key: Release(**{**asdict(release), "deployed": deployed.get(key, 0)})
        for key, release in newest.items()
    }


def prepare(api: Api) -> None:
    """Make the namespace and the ConfigMap, which only then can be patched one key at a time."""
    api.apply(f"/api/v1/namespaces/{NAMESPACE}", namespace(NAMESPACE, "restricted"))
    if api.get(CONFIG_MAP) is None:
        document: Json = {"apiVersion": "v1", "kind": "ConfigMap"}
        document["metadata"] = {"name": NAME, "namespace": NAMESPACE}
        api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", document)


def write(api: Api, item: str, record: Optional[Record]) -> None:
    """Write one record, or take it away; those of other items are not touched."""
    data = {item: record.text() if record is not None else None}
    api.request("PATCH", CONFIG_MAP, {"data": data}, content_type=MERGE)
