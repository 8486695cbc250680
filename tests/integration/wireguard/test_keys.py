"""Keys of the hub, of its peers, for handing over, and for another hub. Nobody sees them who should not."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .conftest import World
from .world import INTERFACE, SERVER, Hub, Peer

NewPeer = Callable[..., Peer]
KEYS = "/etc/groundwork/wireguard/keys"


@contextmanager
def watched(hub: Hub) -> Iterator[list[str]]:
    """Every argument list that a tool which handles keys is given while the context is open."""
    tools = ("/usr/bin/wg", "/usr/bin/age", "/usr/bin/qrencode", "/usr/sbin/nft", "/usr/sbin/ip")
    seen: list[str] = []
    for tool in tools:
        script = f'#!/bin/sh\necho "$0 $*" >> /root/argv\nexec {tool}.real "$@"\n'
        hub.host.output(f"cp -p --dereference {tool} {tool}.real && rm {tool}")
        hub.host.run(f"cat > {tool} && chmod 755 {tool}", stdin=script)
    hub.host.output(": > /root/argv")
    try:
        yield seen
        seen += hub.host.output("cat /root/argv").splitlines()
    finally:
        for tool in tools:
            hub.host.output(f"mv {tool}.real {tool}")


def test_no_key_is_in_an_argument_a_log_or_a_plan(hub: Hub, new_peer: NewPeer) -> None:
    guest = new_peer("secretive", 80)
    secrets = hub.secrets()
    with watched(hub) as arguments:
        hub.admit(guest)
        printed = json.dumps(hub.change())
        hub.host.output(f"wg.real genkey | wg.real set {INTERFACE} private-key /dev/stdin")
        hub.host.output(f"wg.real set {INTERFACE} peer {guest.public_key} preshared-key /dev/null")
        printed += json.dumps(hub.apply("--check")) + json.dumps(hub.apply()) + json.dumps(hub.show())
        printed += hub.host.output("groundwork-wireguard rotate begin; groundwork-wireguard rotate abort")
        printed += hub.host.output("groundwork-wireguard rotate-preshared secretive")
        secrets += hub.secrets()
    assert any("addconf" in line for line in arguments)
    printed += hub.host.output("journalctl --no-pager --boot")
    printed += hub.host.output(
        f"cat /etc/groundwork/wireguard/{INTERFACE}.json /var/lib/groundwork-wireguard/*.json"
    )
    printed += "\n".join(arguments)
    assert len(set(secrets)) > 5
    assert [secret for secret in secrets if secret in printed] == []


def test_files_of_keys_are_for_root_alone(hub: Hub) -> None:
    listed = hub.host.output(f"stat -c '%a %U:%G %n' {KEYS} {KEYS}/*").splitlines()
    assert listed[0] == f"700 root:root {KEYS}"
    assert {line.rsplit(" ", 1)[0] for line in listed[1:]} == {"600 root:root"}


def test_a_lost_file_comes_back_from_the_running_interface(hub: Hub) -> None:
    file = f"{KEYS}/{INTERFACE}.a.key"
    private = hub.private_key()
    hub.host.output(f"rm {file}")
    hub.apply()
    assert hub.host.output(f"cat {file}").strip() == private == hub.private_key()


def test_a_damaged_file_stops_everything_and_the_live_key_stays(hub: Hub) -> None:
    file = f"{KEYS}/{INTERFACE}.a.key"
    private = hub.private_key()
    hub.host.output(f"cp -p {file} /root/kept && echo nonsense > {file}")
    try:
        refused = hub.host.run("groundwork-wireguard apply")
        assert (refused.returncode, "is no private key. Restore it from a backup" in refused.stderr) == (
            1,
            True,
        )
        assert hub.private_key() == private
    finally:
        hub.host.output(f"cp -p /root/kept {file}")


def test_a_hub_without_a_key_makes_none_by_itself(hub: Hub) -> None:
    """All peers would need a new configuration; that is nothing for a timer to decide."""
    file = f"{KEYS}/{INTERFACE}.a.key"
    hub.host.output(
        f"cp -p {file} /root/kept && rm {file} && systemctl stop groundwork-wireguard-go@{INTERFACE}"
    )
    try:
        refused = hub.host.run("groundwork-wireguard apply")
        assert (refused.returncode, "is missing. Restore it from a backup" in refused.stderr) == (1, True)
    finally:
        hub.host.output(f"cp -p /root/kept {file}")
    assert hub.apply()["changed"]


def test_another_preshared_key_counts_at_once(world: World, hub: Hub, new_peer: NewPeer) -> None:
    guest = new_peer("guest", 81)
    hub.admit(guest)
    hub.change()
    before = hub.preshared("guest")
    others = hub.live()
    hub.host.output("groundwork-wireguard rotate-preshared guest")
    after = hub.preshared("guest")
    assert after != before
    assert [line for line in hub.live() if guest.public_key not in line] == [
        line for line in others if guest.public_key not in line
    ]
    # The tunnel is made with the new one: it works only when the hub has it.
    guest.connect(hub)
    assert guest.gets_to("tcp", SERVER[4], 443)


def test_a_bundle_works_and_the_hub_has_forgotten_it(world: World, hub: Hub, new_peer: NewPeer) -> None:
    """Made in one call, before the hub knows the peer; only its reader can open it."""
    identity = world.peers.output(
        "command -v age-keygen >/dev/null || apt-get install -y -qq age >/dev/null 2>&1; "
        "age-keygen 2>/dev/null"
    )
    recipient = next(line.split(": ")[1] for line in identity.splitlines() if "public key" in line)
    addresses = [f"10.202.1.{82}", "fd42:202::1:52"]
    template = (
        "[Interface]\n# PrivateKey = PRIVATE_KEY\n\n[Peer]\nPublicKey = "
        + hub.show()["public_key"]
        + "\nPresharedKey = PRESHARED_KEY\nAllowedIPs = 0.0.0.0/0, ::/0\nPersistentKeepalive = 1\n"
        + f"Endpoint = {hub.host.address}:51820\n"
    )
    request = {
        "name": "bundled",
        "addresses": addresses,
        "recipient": recipient,
        "files": {"test-hub12.conf": template, "instructions.md": "# Hello\n"},
    }
    done = hub.host.run("groundwork-wireguard bundle --json", stdin=json.dumps(request))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    world.peers.output("cat > /root/identity <<'EOF'\n" + identity + "EOF")
    world.peers.run("base64 -d > /root/bundle.age", stdin=made["bundle"])
    opened = world.peers.output("age -d -i /root/identity /root/bundle.age | base64")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(opened))) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}  # type: ignore[union-attr]
    assert set(content) == {
        f"bundled/{name}"
        for name in ("test-hub12.conf", "test-hub12.png", "test-hub12.qr.txt", "instructions.md")
    }
    assert content["bundled/test-hub12.png"].startswith(b"\x89PNG")
    text = content["bundled/test-hub12.conf"].decode()
    private = next(line.split(" = ")[1] for line in text.splitlines() if line.startswith("PrivateKey"))
    guest = new_peer("bundled", 82, private_key=private)
    assert guest.public_key == made["public_key"]
    asked = json.dumps([{"name": "bundled", "addresses": addresses}])
    told = json.loads(hub.host.run("groundwork-wireguard preshared", stdin=asked).stdout)
    assert f"PresharedKey = {told['bundled']}" in text
    left = hub.host.run(f"grep -rlF -- '{private}' /etc /var /run /tmp /root 2>/dev/null")
    assert left.stdout == ""
    hub.admit(guest)
    hub.change()
    guest.connect(hub)
    assert guest.gets_to("tcp", SERVER[4], 443)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipient": "age1short"}, "recipient is 'age1short': must be"),
        ({"recipient": "-o/root/x"}, "recipient is '-o/root/x': must be"),
        ({"files": {"../x.conf": "# PrivateKey = PRIVATE_KEY"}}, "files must hold"),
        ({"files": {"x.conf": "[Interface]"}}, "no file has the line"),
        ({"name": "Anna"}, "name is 'Anna'"),
    ],
)
def test_a_bundle_for_nobody_is_refused(hub: Hub, change: dict[str, object], said: str) -> None:
    request = {
        "name": "x",
        "addresses": ["10.202.1.9"],
        "recipient": "age1" + "q" * 58,
        "files": {},
        **change,
    }
    done = hub.host.run("groundwork-wireguard bundle", stdin=json.dumps(request))
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_key_goes_from_hub_to_hub_unreadable_on_its_way(world: World) -> None:
    """On names of their own, so that the running hubs keep theirs."""
    there, here = world.hub12.host, world.hub13.host
    options = "--json --interface wg-shared"
    try:
        made = json.loads(there.output(f"groundwork-wireguard key {options} --port 5000"))
        recipient = json.loads(here.output(f"groundwork-wireguard share-key recipient {options}"))[
            "recipient"
        ]
        exported = json.loads(
            there.output(f"groundwork-wireguard share-key export --recipient {recipient} {options}")
        )
        assert there.output(f"cat {KEYS}/wg-shared.a.key").strip() not in exported["ciphertext"]
        taken = here.run(f"groundwork-wireguard share-key import {options}", stdin=exported["ciphertext"])
        assert json.loads(taken.stdout)["changed"] is True
        again = here.run(f"groundwork-wireguard share-key import {options}", stdin=exported["ciphertext"])
        assert json.loads(again.stdout)["changed"] is False
        found = json.loads(here.output(f"groundwork-wireguard key {options} --port 5000"))
        assert (found["public_key"], found["changed"]) == (made["public_key"], False)
        assert here.output(f"cat {KEYS}/wg-shared.preshared.json") == there.output(
            f"cat {KEYS}/wg-shared.preshared.json"
        )
    finally:
        for host in (there, here):
            host.output(f"rm -f {KEYS}/wg-shared.* /var/lib/groundwork-wireguard/wg-shared.json")
