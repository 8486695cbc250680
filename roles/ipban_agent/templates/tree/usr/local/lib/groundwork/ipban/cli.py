"""The command line. Exit codes: 0 yes or done, 1 no or failed, 2 bad usage."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ipban import build, log
from ipban.backends import BackendError, Policy
from ipban.control import Control, duration
from ipban.model import AgentError
from ipban.settings import PATH, Settings, SettingsError, listen_address, load

_ANSWER_WITHIN = 120.0
_STAND_BY = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        return int(given.handler(given))
    except (AgentError, SettingsError) as error:
        print(f"ipban: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"ipban: {error}: this needs root", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ipban", description="The ban list on this host.")
    parser.add_argument("--settings", type=Path, default=PATH, help=f"default {PATH}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, handler: Any, says: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=says, description=says)
        added.set_defaults(handler=handler)
        return added

    run = verb("run", _run, "keep the kernel in step with the database (the service runs this)")
    run.add_argument("--listen", help="address:port for Prometheus, in place of that of the settings")
    run.add_argument("--wait", action="store_true", help="while another process is at work, wait for its end")
    verb("restore", _restore, "fill the kernel's sets from the state file (at boot)")
    verb("remove", _remove, "take sets and rules out of the kernel")
    verb("status", _status, "what the service is doing").add_argument("--json", action="store_true")
    verb("test", _test, "whether packets of an address are dropped here").add_argument(
        "address", type=_address
    )
    verb("why", _why, "what the database knows of an address").add_argument("address", type=_address)
    sync = verb("sync", _sync, "synchronise now")
    sync.add_argument("--full", action="store_true", help="load everything anew")
    sync.add_argument("--accept", action="store_true", help="take an unusual change, this once")
    pause = verb("pause", _pause, "let all packets through on this host; the sets stay")
    pause.add_argument(
        "duration", nargs="?", type=_duration, default=math.inf, help="such as 30m; default: no end"
    )
    verb("resume", _resume, "end a pause")
    check = verb("check-settings", _check_settings, "check the settings, do nothing else")
    check.add_argument("path", nargs="?", type=Path, default=None)
    for package in ("ipban.importers.cli", "ipban.denylist.cli"):
        try:
            part = importlib.import_module(package)
        except ImportError:
            continue
        part.add_verbs(verbs)
    return parser


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address, such as 192.0.2.7 or 2001:db8::7"
        ) from error


def _duration(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _alone(control: Control, wait: bool = False) -> None:
    if control.acquire():
        return
    if not wait:
        raise AgentError("another process of ipban is at work on this host")
    # As the first process of a container it would else not end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    log.to_stderr("notice", "standing_by", reason="another process of ipban is at work on this host")
    while not control.acquire():
        time.sleep(_STAND_BY)


def _run(given: argparse.Namespace) -> int:
    from ipban.notify import Notifier
    from ipban.service import Service

    settings = load(given.settings)
    if given.listen:
        settings = dataclasses.replace(settings, listen=listen_address(given.listen))
    control = Control()
    _alone(control, given.wait)
    parts = build.parts(settings)
    Service(
        settings,
        parts.engine,
        parts.store,
        parts.backend,
        control,
        log.to_stderr,
        notifier=Notifier(),
        others=_Once(lambda: build.remove_other(parts.backend.name, build.policy(settings))),
    ).run()
    return 0


class _Once:
    def __init__(self, action: Any) -> None:
        self._action = action

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action:
            action()


def _restore(given: argparse.Namespace) -> int:
    settings = load(given.settings)
    control = Control()
    _alone(control)
    parts = build.parts(settings, with_store=False)
    if parts.backend.ensure():
        print("The kernel has its sets already.")
        return 0
    if parts.engine.restore():
        print(f"Restored {sum(parts.engine.status.database.values())} entries.")
        return 0
    # A host that never was in touch with the database has nothing to restore.
    return int(any((Path(settings.state_directory) / name).exists() for name in ("sets", "sets.previous")))


def _remove(given: argparse.Namespace) -> int:
    try:
        wanted = build.policy(load(given.settings))
    except SettingsError:
        # The settings may have gone before.
        wanted = Policy()
    control = Control()
    _alone(control)
    build.open_backend("nft", wanted).remove()
    build.open_backend("ipset", wanted).remove()
    print("Nothing is dropped on this host any more.")
    return 0


def _status(given: argparse.Namespace) -> int:
    control = Control()
    status = control.status()
    running = control.running()
    if given.json:
        print(json.dumps({**status, "running": running}, indent=1, sort_keys=True))
        return 0 if running and not status["error"] else 1
    lag = "" if status["head"] in (None, status["generation"]) else f", the database is at {status['head']}"
    age = "never" if status["last_sync"] is None else f"{max(0, time.time() - status['last_sync']):.0f} s ago"
    state = f"running, process {status['pid']}" if running else "NOT RUNNING"
    print(f"service     {state}, backend {status['backend']}")
    print(f"lists       {', '.join(status['lists'])}")
    print(f"database    {'answers' if status['store_up'] else 'AWAY'}, last up to date {age}")
    print(f"generation  {status['generation']}{lag}")
    for name, count in sorted(status["database"].items()):
        print(f"{name:<11} {count} (kernel: {status['kernel'].get(name, 'not counted')})")
    for family, values in sorted(status["dropped"].items()):
        print(f"dropped     IPv{family}: {values['packets']} packets, {values['bytes']} bytes")
    print(f"withheld    {status['withheld']} banned hosts are protected")
    for key in ("paused", "breaker_open", "error", "state_error"):
        if status[key]:
            print(f"{key.upper():<11} {status[key]}")
    return 0 if running and not status["error"] else 1


def _test(given: argparse.Namespace) -> int:
    kernel = build.backend(load(given.settings))
    if not kernel.attach():
        raise BackendError("this host's kernel has not all sets of the ban list; `ipban status` says why")
    found = kernel.contains(ip_address(given.address).packed)
    if kernel.paused():
        print(
            f"{given.address} passes: dropping is paused on this host"
            + (f" ({', '.join(found)})" if found else "")
        )
        return 1
    if not found:
        print(f"{given.address} passes: it is in no set")
        return 1
    if found[0].startswith("allow"):
        banned = f", though it is in {', '.join(found[1:])}" if len(found) > 1 else ""
        print(f"{given.address} passes: it is in {found[0]}{banned}")
        return 1
    print(f"{given.address} is dropped: it is in {', '.join(found)}")
    return 0


def _why(given: argparse.Namespace) -> int:
    from ipban.store import PostgresStore

    settings = load(given.settings)
    store = PostgresStore(settings.store.conninfo, settings.lists)
    store.connect()
    try:
        found = store.whois(given.address)
    finally:
        store.close()
    for one in found:
        where = f" on list {one.list}" if one.list else ""
        until = f"until {one.expires_at}" if one.expires_at else "without end"
        what = "allowed" if one.kind == "allow" else "banned"
        print(
            f"{one.network} {what}{where}: {one.reason} (source {one.source or '-'}, by {one.actor},"
            f" since {one.created_at}, {until})"
        )
    if not found:
        print(f"Nothing covers {given.address}.")
    return 0 if found else 1


def _sync(given: argparse.Namespace) -> int:
    settings = load(given.settings)
    control = Control()
    if not control.acquire():
        name = control.request(sync=True, full=given.full, accept=given.accept)
        status = _answered(control, name)
        if status["error"]:
            raise AgentError(status["error"])
        print(f"Up to date with generation {status['generation']}.")
        return 0
    parts = build.parts(settings)
    parts.backend.ensure()
    parts.engine.accept = given.accept
    parts.engine.remember()
    parts.store.connect()
    try:
        parts.engine.sync()
    finally:
        parts.store.close()
    print(f"Up to date with generation {parts.engine.status.generation}.")
    return 0


def _answered(control: Control, name: str) -> dict[str, Any]:
    until = time.monotonic() + _ANSWER_WITHIN
    while time.monotonic() < until:
        status = control.status()
        if status["request"] == name:
            return status
        time.sleep(0.05)
    raise AgentError("the service has not answered in time; see its log")


def _pause(given: argparse.Namespace) -> int:
    return _set_pause(given, given.duration, "All packets are let through on this host")


def _resume(given: argparse.Namespace) -> int:
    return _set_pause(given, None, "Packets of banned addresses are dropped again")


def _set_pause(given: argparse.Namespace, seconds: float | None, says: str) -> int:
    settings = load(given.settings)
    control = Control()
    control.set_pause(seconds)
    if control.acquire():
        kernel = build.backend(settings)
        kernel.ensure()
        kernel.set_paused(seconds is not None)
        says += "; the service is not running, so that only a command ends it" if seconds else ""
    else:
        status = _answered(control, control.request())
        if status["paused"] != (seconds is not None):
            raise AgentError("the service could not change the rules; see its log")
    print(f"{says}.")
    return 0


def _check_settings(given: argparse.Namespace) -> int:
    found: Settings = load(given.path or given.settings)
    print(f"The settings are right: lists {', '.join(found.lists)}, backend {found.backend}.")
    return 0


def run_as_program() -> int:
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # A reader that has gone (| head) is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
