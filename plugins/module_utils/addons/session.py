# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task: its arguments, what they are about, and its result."""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping, Sequence

from ..plan import Meter
from . import api, catalog, desired, lock, locking
from .charts import Store
from .cluster import Cluster
from .engine import Options, Run
from .helm import Helm
from .model import Json

Say = Callable[[str], None]
_SETTINGS = ("environment", "environment_values", "values", "inline_values", "resources", "secrets")


def answer(
    arguments: Mapping[str, Any],
    catalogs: Sequence[str],
    schema: str,
    name: str,
    say: Say,
    check: bool,
    diff: bool,
) -> Json:
    """The result of the task. AddonError, ApiError or HelmError where it is refused.

    arguments: as the documentation of the module has them, defaults filled in. name: of the cluster.
    """
    state = arguments["state"]
    if state == "locked":
        helm = Helm(arguments["helm"], "", "", arguments["cache"])
        return locking.refresh(
            catalogs, schema, Store(arguments["cache"], arguments["charts_mirror"], helm), say, check
        )
    entries = catalog.read_catalogs(catalogs, schema)
    settings = desired.Settings(
        selection=tuple(arguments["selection"]), **{key: _plain(arguments[key]) for key in _SETTINGS}
    )
    items = desired.build(settings, entries, lock.read(catalogs)) if state != "absent" else {}
    if state == "valid":
        return {"changed": False, "addons": {item.id: {"needs": list(item.needs)} for item in items.values()}}
    meter = Meter()
    connection = api.connect(arguments["kubeconfig"], arguments["context"], meter, name)
    helm = Helm(arguments["helm"], arguments["kubeconfig"], connection.context, arguments["cache"])
    store = Store(arguments["cache"], arguments["charts_mirror"], helm)
    options = Options(
        check=check,
        diff=diff,
        prune=arguments["prune"],
        remove_crds=arguments["remove_crds"],
        skip_unavailable=arguments["unavailable"] == "skip",
        repair=arguments["repair"],
        workers=arguments["workers"],
    )
    cluster = Cluster(name, connection, api.Kinds(connection), helm, store)
    run = Run(cluster, items, entries, options, meter, say, absent=state == "absent")
    return run.drifted() if state == "drift" else run.present()


def _plain(value: Any) -> Any:
    """Data as YAML and JSON have it: what Ansible hands over also carries where it comes from."""
    return json.loads(json.dumps(value, default=str))
