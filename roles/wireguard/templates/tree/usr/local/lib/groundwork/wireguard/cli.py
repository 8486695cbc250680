"""The command: ``groundwork-wireguard VERB``. Exit codes: 0 done, 1 failed, 2 used wrongly."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wireguard import settings as files
from wireguard.errors import HubError, UsageError

FAILED = 1
MISUSED = 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundwork-wireguard", description="The VPN's hub on this host, kept equal to its settings."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, does: Callable[[argparse.Namespace], Any], says: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=says, description=says)
        added.add_argument("--json", action="store_true", help="print JSON")
        added.set_defaults(does=does)
        return added

    one = verb("apply", _apply, "make the kernel equal to the settings")
    one.add_argument("--check", action="store_true", help="only tell what differs")
    one.add_argument("--accept-older", action="store_true", help="take settings older than those before")
    one = verb("check-settings", _check_settings, "tell what is wrong with the settings")
    one.add_argument("--file", type=Path, help="another file than the hub's")
    verb("show", _show, "public keys, and what the peers do")
    one = verb("key", _key, "make the hub's key where there is none, and print its public half")
    one.add_argument("--check", action="store_true", help="only print the public half of what is there")
    _names_hub(one)
    one = verb("preshared", _preshared, "print preshared keys of peers, for handing over")
    one.add_argument(
        "names", nargs="*", metavar="NAME", help="peers of the settings; others as JSON by standard input"
    )
    one = verb("rotate", _rotate, "give the hub a new key, beside the old one until all peers have moved")
    one.add_argument("step", choices=["begin", "finish", "abort"])
    one = verb("rotate-preshared", _rotate_preshared, "give a peer another preshared key")
    one.add_argument("name", metavar="NAME")
    verb("bundle", _bundle, "make a key and an encrypted configuration, from JSON by standard input")
    one = verb("share-key", _share_key, "hand the hub's keys to another hub of the same name, encrypted")
    one.add_argument("step", choices=["recipient", "export", "import"])
    one.add_argument("--recipient", default="", help="who may read the export")
    _names_hub(one)
    one = verb("metrics", _metrics, "write metrics for the node exporter")
    one.add_argument("--directory", type=Path, help="where its textfile collector looks")
    verb("down", _down, "stop the tunnels and take the firewall's table away")
    return parser


def _names_hub(one: argparse.ArgumentParser) -> None:
    one.add_argument("--interface", help="of a hub that has no settings yet")
    one.add_argument("--port", type=int, default=51820, help="of a hub that has no settings yet")
    one.add_argument("--rotation-port", type=int, default=51821, help="of a hub that has no settings yet")


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        if os.geteuid() != 0:
            raise UsageError("must be run by root")
        found = options.does(options)
    except UsageError as error:
        _complain(error)
        return MISUSED
    except HubError as error:
        _complain(error)
        return FAILED
    if found is not None:
        print(json.dumps(found, indent=None if options.json else 2))
    return 0


def _complain(error: HubError) -> None:
    print(f"groundwork-wireguard: {error}", file=sys.stderr)


def run_as_program() -> int:
    os.umask(0o077)
    try:
        return main(sys.argv[1:])
    except BrokenPipeError:
        return FAILED


def _apply(options: argparse.Namespace) -> Any:
    from wireguard import apply

    result = apply.apply(options.check, options.accept_older)
    if options.json:
        return result.document()
    would = "would " if options.check else ""
    for change in result.changes:
        print(
            f"{would}{change['kind']} {change['key']}: {_told(change['before'])} -> {_told(change['after'])}"
        )
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return None


def _told(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)


def _check_settings(options: argparse.Namespace) -> None:
    from wireguard import apply, state

    found = files.load(options.file or files.find())
    apply.check_interface(found)
    files.check_revision(found, state.load(found.interface).revision)


def _show(options: argparse.Namespace) -> Any:
    from wireguard import public

    found = public.of_hub(files.load(files.find()))
    if options.json:
        return found
    print(f"{found['interface']}: hub {found['hub']} of {found['environment']}, {found['backend']}, ", end="")
    print(f"revision {found['revision']}, port {found['port']}, public key {found['public_key']}")
    if found["next_public_key"]:
        print(f"  rotation under way: port {found['next_port']}, public key {found['next_public_key']}")
    for peer in found["peers"]:
        age = "never" if peer["handshake_age"] is None else f"{peer['handshake_age']} s ago"
        print(f"  {peer['name']}: {', '.join(peer['addresses'])}, heard of {age}, from {peer['endpoint']}")
    return None


def _interface(options: argparse.Namespace) -> tuple[str, dict[str, int]]:
    """The hub's interface and ports, by its settings or by what was given."""
    if options.interface:
        return options.interface, {"a": options.port, "b": options.rotation_port}
    found = files.load(files.find())
    return found.interface, found.ports


def _key(options: argparse.Namespace) -> Any:
    from wireguard import keys, public, state, system

    interface, ports = _interface(options)
    with system.alone():
        active = keys.active_slot(interface, state.load(interface).active)
        missing = keys.read(interface, active) is None
        if not options.check:
            keys.make(interface, active)
    return {"changed": missing, **public.of_keys(interface, ports)}


def _preshared(options: argparse.Namespace) -> Any:
    from wireguard import keys

    found = files.load(files.find())
    if options.names:
        known = {peer.name: peer.addresses for peer in found.peers}
        unknown = [name for name in options.names if name not in known]
        if unknown:
            raise UsageError(f"{', '.join(unknown)}: no such peer in the settings of this hub")
        asked = {name: list(known[name]) for name in options.names}
    else:
        asked = {one["name"]: one["addresses"] for one in _request(list)}
    if not found.preshared_keys:
        return dict.fromkeys(asked)
    preshared = keys.make_preshared(found.interface)
    return {name: preshared.of(name, addresses) for name, addresses in asked.items()}


def _request(kind: type) -> Any:
    """JSON by standard input; bad JSON is never shown, it may hold secrets."""
    try:
        found = json.load(sys.stdin)
    except ValueError as error:
        raise UsageError("standard input must be JSON") from error
    if not isinstance(found, kind):
        raise UsageError(f"standard input must be a JSON {'array' if kind is list else 'object'}")
    return found


def _rotate(options: argparse.Namespace) -> Any:
    from wireguard import rotation

    return rotation.rotate(options.step)


def _rotate_preshared(options: argparse.Namespace) -> Any:
    from wireguard import rotation

    if options.name not in {peer.name for peer in files.load(files.find()).peers}:
        raise UsageError(f"{options.name}: no such peer in the settings of this hub")
    return rotation.rotate_preshared(options.name)


def _bundle(_options: argparse.Namespace) -> Any:
    from wireguard import bundle

    return bundle.make(files.load(files.find()).interface, _request(dict))


def _share_key(options: argparse.Namespace) -> Any:
    from wireguard import sharing

    interface, _ports = _interface(options)
    if options.step == "recipient":
        return sharing.recipient(interface)
    if options.step == "export":
        return sharing.export(interface, options.recipient)
    return sharing.take(interface, sys.stdin.read())


def _metrics(options: argparse.Namespace) -> None:
    from wireguard import metrics

    metrics.write(options.directory)


def _down(options: argparse.Namespace) -> Any:
    from wireguard import apply

    done = apply.down()
    return {"changed": bool(done), "stopped": done} if options.json else None
