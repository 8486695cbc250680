"""The script that people run on their own machines, under each shell that is `sh` somewhere."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from wireguard_fakes import Machine, ago, configuration, key, make, public_of

# dash on Debian, bash on Fedora and (3.2, as sh) on macOS, busybox on Alpine.
SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
}


@pytest.fixture(params=[name for name, (program, *_) in SHELLS.items() if shutil.which(program)])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    program, *words = SHELLS[request.param]
    return make(tmp_path, (str(shutil.which(program)), *words))


@pytest.fixture
def mac(tmp_path: Path) -> Machine:
    return make(tmp_path, (str(shutil.which("bash")), "--posix"), "Darwin")


@pytest.fixture
def onboarded(machine: Machine) -> Machine:
    machine.does("key")
    machine.does("install", str(machine.given()))
    return machine


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- keys


def test_the_key_is_made_once_and_for_its_owner_alone(machine: Machine) -> None:
    public = machine.does("key")
    private = (machine.own / "key").read_text()
    assert public == public_of(private)
    assert (mode(machine.own), mode(machine.own / "key")) == (0o700, 0o600)
    assert machine.does("key") == public
    assert [path.name for path in machine.own.iterdir() if path.is_file()] == ["key"]


def test_the_private_key_is_never_said(machine: Machine) -> None:
    first = machine.run("key")
    private = (machine.own / "key").read_text().strip()
    done = machine.run("install", str(machine.given()))
    assert private not in "".join((first.stdout, first.stderr, done.stdout, done.stderr))
    # What was run as root, with all arguments.
    assert private not in (machine.state / "sudo").read_text()


def test_a_key_that_others_could_read_is_told_about(machine: Machine) -> None:
    machine.does("key")
    (machine.own / "key").chmod(0o644)
    done = machine.run("key")
    assert "was readable by others" in done.stderr
    assert mode(machine.own / "key") == 0o600


def test_what_is_no_key_is_no_key(machine: Machine) -> None:
    machine.does("key")
    (machine.own / "key").write_text("nonsense\n")
    assert "holds no WireGuard key" in machine.refuses("key")


# --- configurations


def test_the_configuration_gets_the_private_key(machine: Machine) -> None:
    machine.does("key")
    done = machine.run("install", str(machine.given()))
    private = (machine.own / "key").read_text().strip()
    lines = machine.tunnel("dev-gate").read_text().splitlines()
    assert lines[1:3] == ["[Interface]", f"PrivateKey = {private}"]
    assert "PRIVATE_KEY" not in "\n".join(lines)
    assert lines[3:] == configuration().splitlines()[3:]
    assert mode(machine.tunnel("dev-gate")) == 0o600
    assert "Connect: groundwork-vpn up dev-gate" in done.stderr
    assert not list(machine.own.glob(".*"))


def test_what_a_mail_program_did_to_it_does_not_matter(machine: Machine) -> None:
    machine.does("key")
    path = machine.given()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    machine.does("install", str(path))
    assert b"\r" not in machine.tunnel("dev-gate").read_bytes()


def test_a_bundle_brings_its_own_key(machine: Machine) -> None:
    machine.does("install", str(machine.given(comment=f"PrivateKey = {key('bundle')}")))
    assert machine.tunnel("dev-gate").read_text().count(f"PrivateKey = {key('bundle')}") == 1
    assert (machine.own / "tunnels/dev-gate").read_text().strip() == public_of(key("bundle"))


def test_a_bundle_brings_its_own_key_for_later_configurations_too(machine: Machine) -> None:
    machine.does("install", str(machine.given(comment=f"PrivateKey = {key('bundle')}")))
    comment = f"# PrivateKey = PRIVATE_KEY\n# PublicKey = {public_of(key('bundle'))}"
    machine.does("install", str(machine.given(comment=comment, interface="ListenPort = 51999")))
    installed = machine.tunnel("dev-gate").read_text()
    assert "ListenPort = 51999" in installed
    assert installed.count(f"PrivateKey = {key('bundle')}") == 1
    other = machine.given(comment=f"# PrivateKey = PRIVATE_KEY\n# PublicKey = {key('somebody')}")
    assert "there is no key on this device yet" in machine.refuses("install", str(other))


def test_a_configuration_for_another_key_is_refused(machine: Machine) -> None:
    public = machine.does("key")
    other = machine.given(comment=f"# PublicKey = {key('other')}")
    said = machine.refuses("install", str(other))
    assert f"was made for the public key {key('other')}, and this device's is {public}" in said
    assert not machine.tunnel("dev-gate").exists()
    machine.does("install", str(machine.given(comment=f"# PublicKey = {public}")))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("MTU = 1420", "PostUp = id > /root/seen"), "line 6: postup would run a command as root"),
        (("MTU = 1420", "predown=id"), "line 6: predown would run a command as root"),
        (("MTU = 1420", "SaveConfig = true"), "line 6: saveconfig is not known in [interface]"),
        (("MTU = 1420", "Endpoint = x:1"), "line 6: endpoint is not known in [interface]"),
        (("MTU = 1420", "<p>Sign in</p>"), "line 6: this is no WireGuard configuration"),
        (("[Interface]", "[Server]"), "line 2: [server] is no part of a WireGuard configuration"),
        (("[Interface]", ""), "line 4: this is no WireGuard configuration"),
        (("[Peer]", "[Interface]"), "line 9: publickey is not known in [interface]"),
        (
            (f"PresharedKey = {key('presharedgate')}", "PresharedKey = short"),
            "line 10: presharedkey is no key of 44",
        ),
        ((f"PublicKey = {key('gate')}", ""), "a hub in it has no PublicKey"),
        (("Address = 10.80.0.17/32, fd42:80::11/128", ""), "it has no Address"),
        (("AllowedIPs", "# AllowedIPs"), "a hub in it has no AllowedIPs"),
    ],
)
def test_what_is_no_configuration_of_ours_is_refused(
    machine: Machine, change: tuple[str, str], says: str
) -> None:
    machine.does("key")
    path = machine.given()
    path.write_text(path.read_text().replace(*change))
    said = machine.refuses("install", str(path))
    assert says in said
    assert key("presharedgate") not in said
    assert not machine.tunnel("dev-gate").exists()


def test_a_part_of_a_configuration_is_refused(machine: Machine) -> None:
    machine.does("key")
    path = machine.given()
    path.write_text(path.read_text().split("[Peer]")[0])
    assert "it has no part [Peer]" in machine.refuses("install", str(path))
    path.write_text("")
    assert "it needs one part [Interface]" in machine.refuses("install", str(path))


def test_install_without_a_key_says_what_comes_first(machine: Machine) -> None:
    assert "Run: groundwork-vpn key" in machine.refuses("install", str(machine.given()))
    assert "can't be read" in machine.refuses("install", "nowhere.conf")
    assert "needs the file" in machine.refuses("install")


def test_a_name_that_no_interface_can_have(machine: Machine) -> None:
    machine.does("key")
    long = machine.given("development-gate.prod.conf")
    assert "at most 15 letters" in machine.refuses("install", str(long))
    machine.does("install", "--as", "dev", str(long))
    assert machine.tunnel("dev").exists()
    assert "names the tunnel of one file" in machine.refuses("install", "--as", "dev")


# --- tunnels


def test_up_status_and_down(onboarded: Machine) -> None:
    assert "dev-gate is up, and the hub answers" in onboarded.run("up").stderr
    assert "10.80.0.17/32 fd42:80::11/128; the hub answered" in onboarded.does("status")
    assert "1.5 MB in, 0.2 MB out" in onboarded.does("status")
    assert "is up already" in onboarded.run("up", "dev-gate").stderr
    assert "dev-gate is down" in onboarded.run("down").stderr
    assert onboarded.run("status").stdout.split() == ["dev-gate", "down"]
    assert onboarded.run("status").returncode == 1
    assert onboarded.quick() == ["up dev-gate", "down dev-gate"]


def test_a_hub_that_does_not_answer(onboarded: Machine) -> None:
    (onboarded.state / "silent-dev-gate").touch()
    (onboarded.folder / "bin/sleep").unlink()
    (onboarded.folder / "bin/sleep").symlink_to("/bin/true")
    said = onboarded.refuses("up")
    assert "gate.example.com:51820 did not answer within 10 seconds, so dev-gate is down again" in said
    assert "UDP" in said
    assert "revoked" in said
    assert onboarded.quick() == ["up dev-gate", "down dev-gate"]


def test_up_goes_to_the_hub_that_answers(onboarded: Machine) -> None:
    onboarded.does("install", str(onboarded.given("dev-gate2.conf", hub="gate2")))
    (onboarded.state / "silent-dev-gate").touch()
    (onboarded.folder / "bin/sleep").unlink()
    (onboarded.folder / "bin/sleep").symlink_to("/bin/true")
    assert "dev-gate2 is up" in onboarded.run("up").stderr
    assert onboarded.quick() == ["up dev-gate", "down dev-gate", "up dev-gate2"]
    (onboarded.state / "silent-dev-gate").unlink()
    assert "dev-gate2 has the same addresses, and goes down first" in onboarded.run("up", "dev-gate").stderr
    assert onboarded.quick() == ["down dev-gate2", "up dev-gate"]
    # One hub of each network is enough.
    onboarded.does("up")
    assert onboarded.quick() == []


def test_two_networks_are_up_at_once(onboarded: Machine) -> None:
    other = onboarded.given("stage-gate.conf", hub="stage", addresses="10.81.0.9/32")
    onboarded.does("install", str(other))
    onboarded.does("up")
    assert onboarded.quick() == ["up dev-gate", "up stage-gate"]
    (onboarded.state / "answered").write_text(ago(1000))
    assert onboarded.run("status").returncode == 1
    # A tunnel through which nobody has answered for long is no tunnel.
    onboarded.does("up", "dev-gate")
    assert onboarded.quick() == ["down dev-gate", "up dev-gate"]


def test_what_wg_quick_says_is_shown(onboarded: Machine) -> None:
    (onboarded.state / "broken").touch()
    said = onboarded.refuses("up")
    assert "Name or service not known" in said
    assert "dev-gate did not come up" in said


def test_a_tunnel_that_speaks_when_spoken_to_is_not_waited_for(machine: Machine) -> None:
    machine.does("key")
    machine.does("install", str(machine.given(keepalive="")))
    (machine.state / "silent-dev-gate").touch()
    assert "says nothing before there is something to say" in machine.run("up").stderr


def test_a_changed_hub_is_changed_in_the_running_tunnel(onboarded: Machine) -> None:
    onboarded.does("up")
    onboarded.quick()
    done = onboarded.run("install", str(onboarded.given(hub="next")))
    assert "changed without being cut" in done.stderr
    synced = (onboarded.state / "synced-dev-gate").read_text()
    assert f"PublicKey = {key('next')}" in synced
    assert f"PrivateKey = {(onboarded.own / 'key').read_text().strip()}" in synced
    # What wg would take away otherwise: the hub sends to that port.
    assert synced.startswith("[Interface]\nListenPort = 47011\nFwMark = 0xca6c\n")
    assert onboarded.quick() == ["strip dev-gate"]


def test_changed_routes_take_a_new_start(onboarded: Machine) -> None:
    onboarded.does("up")
    onboarded.quick()
    onboarded.does("install", str(onboarded.given(allowed="10.80.0.0/23")))
    assert onboarded.quick() == ["down dev-gate", "up dev-gate"]


def test_rotation_keeps_the_old_key_until_all_tunnels_have_the_new_one(onboarded: Machine) -> None:
    onboarded.does("install", str(onboarded.given("dev-gate2.conf", hub="gate2")))
    old = onboarded.does("key")
    new = onboarded.does("rotate")
    assert onboarded.does("rotate") == new != old
    assert onboarded.does("key") == old
    comment = f"# PublicKey = {new}"
    done = onboarded.run("install", str(onboarded.given(comment=comment)))
    assert "still in use: dev-gate2." in done.stderr
    done = onboarded.run("install", str(onboarded.given("dev-gate2.conf", hub="gate2", comment=comment)))
    assert "The old key is gone" in done.stderr
    assert onboarded.does("key") == new
    assert not (onboarded.own / "key.next").exists()


def test_rotate_needs_a_key(machine: Machine) -> None:
    assert "there is no key to replace yet" in machine.refuses("rotate")


def test_remove(onboarded: Machine) -> None:
    onboarded.does("up")
    onboarded.does("remove", "dev-gate")
    assert not onboarded.tunnel("dev-gate").exists()
    assert (onboarded.own / "key").exists()
    assert onboarded.quick() == ["up dev-gate", "down dev-gate"]
    onboarded.does("remove", "--all")
    assert not onboarded.own.exists()


def test_a_qr_code_is_of_the_whole_configuration(onboarded: Machine) -> None:
    assert "qrencode is missing" in onboarded.refuses("qr", "dev-gate")
    fake = onboarded.folder / "bin/qrencode"
    fake.write_text('#!/bin/sh\n[ "$4" != - ] || exec cat\ncat >"$4"\n')
    fake.chmod(0o755)
    private = (onboarded.own / "key").read_text().strip()
    assert f"PrivateKey = {private}" in onboarded.does("qr", "dev-gate")
    onboarded.does("qr", "dev-gate", "code.png")
    assert mode(onboarded.folder / "code.png") == 0o600
    assert "must end in .png" in onboarded.refuses("qr", "dev-gate", "code.jpg")


# --- machines that lack something


def test_missing_tools_are_named_with_what_installs_them(machine: Machine) -> None:
    machine.without("wg")
    assert "wg is missing: install the package wireguard-tools" in machine.refuses("key")
    (machine.folder / "bin/dnf").symlink_to("/bin/true")
    assert "wg is missing. Install it: sudo dnf install wireguard-tools" in machine.refuses("key")


def test_without_a_kernel_module_wireguard_go_is_needed(onboarded: Machine) -> None:
    onboarded.without("wireguard-go")
    said = onboarded.refuses("up")
    assert "This kernel has no WireGuard" in said
    assert "wireguard-go is missing" in said
    (onboarded.state / "kernel").touch()
    onboarded.does("up")


def test_names_need_a_resolver(onboarded: Machine) -> None:
    onboarded.without("resolvconf")
    assert "there is no program resolvconf" in onboarded.refuses("up")
    assert onboarded.quick() == []


def test_all_traffic_needs_a_packet_filter(machine: Machine) -> None:
    machine.does("key")
    machine.does("install", str(machine.given(allowed="0.0.0.0/0, ::/0")))
    if not shutil.which("nft", path="/usr/sbin:/sbin") and not shutil.which(
        "iptables", path="/usr/sbin:/sbin"
    ):
        assert "takes nftables or iptables" in machine.refuses("up")
    (machine.folder / "bin/nft").symlink_to("/bin/true")
    machine.does("up")


def test_run_it_as_yourself(machine: Machine) -> None:
    said = machine.refuses("key", SUDO_COMMAND="/home/anna/groundwork-vpn key")
    assert "run it without sudo" in said
    machine.does("key", FAKE_ID="0")
    assert not (machine.state / "sudo").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fly",), "can't do: fly"),
        (("key", "dev"), "can't do: key dev"),
        (("remove",), "can't do: remove"),
        (("up",), "there is no tunnel yet"),
        (("status",), "there is no tunnel yet"),
        (("down", "dev"), "there is no tunnel dev"),
        (("remove", "dev"), "there is no tunnel dev"),
    ],
)
def test_what_can_not_be_done_is_said(machine: Machine, words: tuple[str, ...], says: str) -> None:
    assert says in machine.refuses(*words)


def test_help(machine: Machine) -> None:
    assert "groundwork-vpn key" in machine.does()
    assert machine.does("--help") == machine.does("help")


def test_a_mac_numbers_its_interfaces(mac: Machine) -> None:
    mac.does("key")
    mac.does("install", str(mac.given()))
    assert "dev-gate is up, and the hub answers" in mac.run("up").stderr
    assert "up by wireguard-go" in mac.does("status")
    assert "changed without being cut" in mac.run("install", str(mac.given(hub="next"))).stderr
    assert (mac.state / "synced-utun7").exists()
    mac.does("down")
    assert mac.quick() == ["up dev-gate", "strip dev-gate", "down dev-gate"]
    mac.without("wireguard-go")
    assert "wireguard-go is missing" in mac.refuses("up")
