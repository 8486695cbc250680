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
import time
from typing import Any, Callable, Dict, Mapping, Optional

from .api import Api, ApiError
from .inventory import NAME, NAMESPACE
from .model import AddonError

_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
PATH = f"{_LEASES}/{NAME}"
# A run that was killed elsewhere keeps others out for this long, in seconds.
DURATION = 30
# A run that could not renew for this long takes it for lost: before others may take it for free.
PATIENCE = 20
# Clocks of two machines differ by less than this, in seconds: a lease that ended this long ago is over.
SKEW = 600
PROCESS = "groundwork.platform/process"


def holder() -> str:
    """Who runs this: user, machine and process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # Containers run as users that have no name.
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"


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
    """Held from entering to leaving; ``lost`` says why it is not any more, and is empty while it is.

    interval: seconds between renewals.
    """

    def __init__(self, api: Api, cluster: str, interval: float = DURATION / 3) -> None:
        self._api = api
        self._cluster = cluster
        self._interval = interval
        self._version = ""
        self._stop = threading.Event()
        self._since = _text(_now())
        self._renewed = time.monotonic()
        self._taken = ""
        self._thread: Optional[threading.Thread] = None

    @property
    def lost(self) -> str:
        """Asked by threads that are about to change something."""
        if self._taken:
            return self._taken
        seconds = time.monotonic() - self._renewed
        return f"it could not be renewed for {seconds:.0f} s" if seconds > PATIENCE else ""

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
            # It is somebody else's, or lapses by itself; what the run came to counts.
            return

    def _acquire(self) -> None:
        found = self._api.get(PATH)
        if found is not None:
            self._version = found["metadata"]["resourceVersion"]
            identity = ((found["metadata"].get("annotations")) or {}).get(PROCESS, "")
            left = seconds_left(found, _now())
            if left > 0 and not is_dead(identity):
                raise self._held(found, left)
            if (
                -SKEW < left <= 0
                and (found.get("spec") or {}).get("holderIdentity")
                and not is_dead(identity)
            ):
                self._watch()
        asked = time.monotonic()
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
        self._renewed = asked

    def _held(self, lease: Mapping[str, Any], left: float) -> AddonError:
        return AddonError(
            [
                f"{self._cluster} is being changed by {lease['spec']['holderIdentity']}, whose lease "
                f"{NAMESPACE}/{NAME} holds for {left:.0f} s more unless it is renewed: try again then"
            ]
        )

    def _watch(self) -> None:
        """A lease that is over by our clock may be held by a machine whose clock is late: it renews then."""
        time.sleep(self._interval * 1.5)
        found = self._api.get(PATH)
        if found is not None and found["metadata"]["resourceVersion"] != self._version:
            raise self._held(found, DURATION)

    def _renew(self) -> None:
        pause = self._interval
        while not self._stop.wait(pause):
            asked = time.monotonic()
            try:
                self._put(self._body(holder(), DURATION))
            except (ApiError, AddonError) as error:
                if isinstance(error, ApiError) and error.status in (404, 409):
                    self._look()
                pause = self._interval / 5
            else:
                self._renewed, pause = asked, self._interval

    def _look(self) -> None:
        """Somebody has written it: is it still ours?"""
        try:
            found = self._api.get(PATH)
        except (ApiError, AddonError):
            return
        spec = (found or {}).get("spec") or {}
        if found is None:
            self._taken = "somebody has deleted it"
        elif (spec.get("holderIdentity"), spec.get("acquireTime")) == (holder(), self._since):
            self._version = found["metadata"]["resourceVersion"]
        else:
            self._taken = f"it is held by {spec.get('holderIdentity') or 'nobody'} now"

    def _put(self, body: Dict[str, Any]) -> None:
        answer = self._api.request("PUT", PATH, body)
        self._version = answer["metadata"]["resourceVersion"]

    def _body(self, identity: str, duration: int) -> Dict[str, Any]:
        metadata: Dict[str, Any] = {"name": NAME, "namespace": NAMESPACE, "annotations": {PROCESS: process()}}
        if self._version:
            metadata["resourceVersion"] = self._version
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": identity,
                "leaseDurationSeconds": duration,
                "acquireTime": self._since,
                "renewTime": _text(_now()),
            },
        }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _text(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
