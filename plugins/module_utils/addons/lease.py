# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for each cluster: a Lease that is renewed while the run goes on."""

from __future__ import annotations

import datetime
import getpass
import os
import socket
import threading
from typing import Any, Callable, Dict, Mapping, Optional

from .api import Api, ApiError
from .inventory import NAME, NAMESPACE
from .model import AddonError

_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
PATH = f"{_LEASES}/{NAME}"
# A run that was killed elsewhere keeps others out for this long, in seconds.
DURATION = 30
PROCESS = "groundwork.platform/process"


def holder() -> str:
    """Who runs this: user, machine and process."""
    return f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()})"


def process() -> str:
    """This process among all machines that were ever booted, as ``boot/namespace/pid/start``."""
    return _process(os.getpid()) or ""


def _process(pid: int) -> Optional[str]:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as opened:
            boot = opened.read().strip()
        with open(f"/proc/{pid}/stat", encoding="utf-8") as opened:
            started = opened.read().rpartition(")")[2].split()[19]
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}/{pid}/{started}"
    except (OSError, IndexError):
        return None


def is_dead(identity: str, look: Callable[[int], Optional[str]] = _process) -> bool:
    """Whether a process is known to be gone: it was of this machine, and is not there any more."""
    parts = identity.split("/")
    own = (look(os.getpid()) or "").split("/")
    return len(parts) == 4 and parts[:2] == own[:2] and parts[2].isdigit() and look(int(parts[2])) != identity


def seconds_left(lease: Mapping[str, Any], now: datetime.datetime) -> float:
    """How long a Lease still holds others out; 0 or less where it does not."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return 0.0
    renewed = datetime.datetime.fromisoformat(spec["renewTime"].replace("Z", "+00:00"))
    return (renewed - now).total_seconds() + float(spec.get("leaseDurationSeconds") or 0)


class Lease:
    """Held from entering to leaving; ``lost`` tells that it could not be renewed in time."""

    def __init__(self, api: Api, cluster: str) -> None:
        self._api = api
        self._cluster = cluster
        self._version = ""
        self._stop = threading.Event()
        self._renewed = _now()
        self._thread: Optional[threading.Thread] = None

    @property
    def lost(self) -> bool:
        return (_now() - self._renewed).total_seconds() > DURATION

    def __enter__(self) -> Lease:
        self._acquire()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._put(self._body("", 1))
        except (ApiError, AddonError):
            # It lapses by itself; what the run came to counts.
            return

    def _acquire(self) -> None:
        found = self._api.get(PATH)
        if found is not None:
            left = seconds_left(found, _now())
            identity = ((found["metadata"].get("annotations")) or {}).get(PROCESS, "")
            if left > 0 and not is_dead(identity):
                raise AddonError(
                    [
                        f"{self._cluster} is being changed by {found['spec']['holderIdentity']}, whose lease "
                        f"{NAMESPACE}/{NAME} holds for {left:.0f} s more unless it is renewed: try again then"
                    ]
                )
            self._version = found["metadata"]["resourceVersion"]
        try:
            if found is None:
                answer = self._api.request("POST", _LEASES, self._body(holder(), DURATION))
                self._version = answer["metadata"]["resourceVersion"]
            else:
                self._put(self._body(holder(), DURATION))
        except ApiError as error:
            if error.status != 409:
                raise
            raise AddonError(
                [f"{self._cluster} is being changed by a run that began at this moment"]
            ) from error
        self._renewed = _now()

    def _renew(self) -> None:
        while not self._stop.wait(DURATION / 3):
            try:
                self._put(self._body(holder(), DURATION))
            except (ApiError, AddonError):
                continue
            self._renewed = _now()

    def _put(self, body: Dict[str, Any]) -> None:
        answer = self._api.request("PUT", PATH, body)
        self._version = answer["metadata"]["resourceVersion"]

    def _body(self, identity: str, duration: int) -> Dict[str, Any]:
        metadata: Dict[str, Any] = {"name": NAME, "namespace": NAMESPACE, "annotations": {PROCESS: process()}}
        if self._version:
            metadata["resourceVersion"] = self._version
        now = _now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": identity,
                "leaseDurationSeconds": duration,
                "acquireTime": now,
                "renewTime": now,
            },
        }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
