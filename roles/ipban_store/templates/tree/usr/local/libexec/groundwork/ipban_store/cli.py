"""The store's command on its host. What goes wrong is said in one line, with a status other than 0."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

import store
from settings import StoreError

VERBS: dict[str, tuple[Callable[[], None], bool, str]] = {
    "converge": (
        store.converge,
        True,
        "bring schema, logins, lists, allow entries and limits to what the role laid down",
    ),
    "validate": (store.validate, True, "check what the role laid down, without the server"),
    "dump": (store.dump, True, f"write {store.BACKUPS}/ipban.dump"),
    "drop": (store.drop, True, "remove the database and its logins for good"),
    "expire": (store.expire, False, "open what has expired; run by a timer"),
    "maintain": (store.maintain, False, "remove old tombstones and journal entries; run by a timer"),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="groundwork-ipban-store", description="The ban list's store on this host."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, (_ignored, _ignored, text) in VERBS.items():
        verbs.add_parser(name, help=text, description=text)
    run, needs_root, _ignored = VERBS[parser.parse_args(arguments).verb]
    if needs_root and os.geteuid() != 0:
        print("This needs root.", file=sys.stderr)
        return 2
    try:
        run()
    except StoreError as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    except Exception as failure:
        # Errors of the database say what was asked for and which rule refused it.
        if type(failure).__module__.partition(".")[0] != "psycopg":
            raise
        print(f"FAILED: {str(failure).strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
