"""The verb for the deny list. The agent loads this module too: the rest is loaded where it is used."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from ipban import log

_PATH = "/etc/groundwork/ipban/denylist.json"


def add_verbs(subparsers: Any) -> None:
    """Add the verbs to those of the agent."""
    says = "write the ban list as the deny list of a cluster's ingress, in a pod of the cluster"
    verb: argparse.ArgumentParser = subparsers.add_parser("denylist", help=says, description=says)
    verb.add_argument("path", nargs="?", type=Path, default=Path(_PATH), help=f"settings, default {_PATH}")
    verb.add_argument("--listen", help="address:port for Prometheus, in place of that of the settings")
    how = verb.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="once, in place of whenever something changes")
    how.add_argument("--remove", action="store_true", help="take the list out of the cluster")
    how.add_argument("--check", action="store_true", help="check the settings, do nothing else")
    verb.set_defaults(handler=_denylist)


def _denylist(given: argparse.Namespace) -> int:
    from ipban.denylist.settings import load
    from ipban.settings import listen_address

    settings = load(given.path)
    if given.check:
        print(f"The settings are right: {', '.join(target.label for target in settings.targets)}.")
        return 0
    if given.listen:
        settings = dataclasses.replace(settings, listen=listen_address(given.listen))
    from ipban.denylist.api import Api
    from ipban.denylist.writer import Writer
    from ipban.store import PostgresStore

    store = PostgresStore(settings.conninfo, settings.lists)
    writer = Writer(settings, store, Api(), log.to_stderr, time.time)
    if given.remove:
        writer.remove()
        return 0
    if given.once:
        try:
            print("Written." if writer.run() else "Up to date.")
        finally:
            store.close()
        return 0
    from ipban.denylist.service import DenylistService

    DenylistService(settings, writer, store, log.to_stderr).run()
    return 0
