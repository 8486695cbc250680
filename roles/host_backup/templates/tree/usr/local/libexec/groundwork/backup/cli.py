"""The two commands. They say what went wrong in one line and end with a status other than 0."""

from __future__ import annotations

import argparse
import json
import os
import sys

import backup
import drill
import restore
import state
from dropins import read_all
from repository import Repository
from settings import BackupError, say, settings


def main(arguments: list[str]) -> int:
    os.umask(0o077)
    if os.geteuid() != 0:
        print("This needs root.", file=sys.stderr)
        return 2
    program, *rest = arguments
    parser = _backup_parser() if program == "groundwork-backup" else _restore_parser()
    try:
        return _dispatch(parser.parse_args(rest))
    except BackupError as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _dispatch(given: argparse.Namespace) -> int:
    if given.verb == "backup":
        return int(backup.back_up(tuple(given.job)) > 0)
    if given.verb == "forget":
        return backup.forget()
    if given.verb == "check":
        return backup.check(given.whole)
    if given.verb == "status":
        return _status(given.json)
    if given.verb == "validate":
        return _validate()
    if given.verb == "restic":
        return _restic(given.argument)
    if given.verb == "list":
        restore.list_snapshots(given.job or "", given.host, given.json)
        return 0
    subset = {"structure": ""}.get(given.check, given.check)
    if given.verb == "drill":
        return drill.drill(tuple(given.job), subset, given.json)
    restore.restore(
        given.job,
        given.snapshot,
        given.target,
        given.host,
        tuple(given.include),
        subset,
        given.accept_differences,
    )
    return 0


def _status(as_json: bool) -> int:
    known = state.load()
    for of in known["jobs"].values():
        of.pop("moved", None)
    if as_json:
        say(json.dumps(known, indent=2, sort_keys=True))
        return 0
    for name, of in sorted(
        {
            **known["jobs"],
            **{what: known[what] for what in ("check", "forget", "drill") if known[what]},
        }.items()
    ):
        say(f"FAILED {name}: {of['message']}" if of["failed"] else f"ok {name}: {of['seconds']} s")
    return 0


def _validate() -> int:
    refused = read_all()[1]
    for one in refused:
        print(one.reason, file=sys.stderr)
    return int(bool(refused))


def _restic(arguments: list[str]) -> int:
    repository = Repository()
    command = repository.command(*arguments)
    os.execve(command[0], command, repository.environment())  # noqa: S606 - no shell is wanted


def _backup_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("groundwork-backup", description="Backups of this host.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("backup", help="run all jobs, or those named")
    verb.add_argument("job", nargs="*")
    verbs.add_parser("forget", help="remove the snapshots that retention does not keep")
    verb = verbs.add_parser("check", help="check the repository and the next part of its data")
    verb.add_argument("--whole", action="store_true", help="all data")
    verb = verbs.add_parser("status", help="what the last runs came to")
    verb.add_argument("--json", action="store_true")
    verbs.add_parser("validate", help="look at the drop-ins, do nothing else")
    verb = verbs.add_parser("restic", help="run restic itself on the repository, with all that it needs")
    verb.add_argument("argument", nargs=argparse.REMAINDER)
    return parser


def _restore_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("groundwork-restore", description="Give back what was backed up.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("list", help="list snapshots")
    verb.add_argument("job", nargs="?")
    _host(verb, "another host's snapshots, or those of all")
    verb.add_argument("--json", action="store_true")
    verb = verbs.add_parser("restore", help="restore a job's data")
    verb.add_argument("job")
    verb.add_argument("--snapshot", default="latest", metavar="ID")
    place = verb.add_mutually_exclusive_group(required=True)
    place.add_argument("--target", metavar="DIR", help="an empty or new folder; its parent must be there")
    place.add_argument("--in-place", action="store_true", help="to where the data was, over what is there")
    verb.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="PATH",
        help="only this, as it was called (again for more)",
    )
    _host(verb, "another host's data")
    verb.add_argument(
        "--accept-differences", action="store_true", help="restore what differs from the manifest, too"
    )
    _check(verb)
    verb = verbs.add_parser("drill", help="restore the last snapshots for practice, compare, report")
    verb.add_argument("job", nargs="*")
    verb.add_argument("--json", action="store_true")
    _check(verb)
    return parser


def _host(verb: argparse.ArgumentParser, text: str) -> None:
    verb.add_argument("--host", default="", help=text)


def _check(verb: argparse.ArgumentParser) -> None:
    try:
        default = str(settings()["restore_check"])
    except BackupError:
        default = "100%"
    verb.add_argument(
        "--check",
        default=default,
        help=f"data to check first: 100%%, 5%%, 2G, structure (default {default.replace('%', '%%')})",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
