# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing one item: what others look after first, then its release, and its definitions only where told."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Optional, Sequence

from . import inventory, objects
from .cluster import Cluster, StepError
from .helm import Target
from .inventory import REMOVING, Record, Release

# How long finalizers may take, in seconds.
TIMEOUT = 300


def remove(
    cluster: Cluster,
    item: str,
    record: Record,
    release: Optional[Release],
    with_crds: bool,
    say: Callable[[str], None],
    stopped: Callable[[], str] = lambda: "",
) -> None:
    """Take away all that the record names. Namespaces stay, and so do definitions that are to be kept.

    Its own custom resources go while its controllers are there to do their finalizers; so do definitions,
    which take all objects of their kinds with them. Between its parts it ends where ``stopped`` says why.
    """

    def delete(refs: Sequence[objects.Ref]) -> None:
        if stopped():
            raise StepError(stopped())
        cluster.delete(refs, item, TIMEOUT, say)

    inventory.write(cluster.api, item, replace(record, state=REMOVING))
    own = [objects.ref_from(text) for text in record.objects]
    secrets = [ref for ref in own if ref.kind == "Secret"]
    delete([ref for ref in own if ref not in secrets][::-1])
    if record.crds and (with_crds or not record.keep_crds):
        say(f"removing {len(record.crds)} kinds with all their objects")
        delete([objects.ref_from(text) for text in record.crds][::-1])
    if record.release and release is not None:
        cluster.helm.uninstall(Target(record.release, record.namespace), TIMEOUT)
    delete(secrets)
    inventory.write(cluster.api, item, None)
