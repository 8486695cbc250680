"""Keys, state and the command, in a folder of the test's own."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_world import DOCUMENT, document, key
from wireguard import apply, bundle, cli, conntrack, keys, paths, sharing, state, system, tool
from wireguard.conntrack import Connection
from wireguard.errors import HubError, UsageError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    yield tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Every program that would be run, as one line, with its standard input."""
    seen: list[tuple[str, str | None]] = []

    def run(argv: list[str], stdin: str | None = None, missing: bool = False) -> str:
        seen.append((" ".join(argv), stdin))
        return key("made") + "\n" if argv[:2] == ["wg", "genkey"] else ""

    monkeypatch.setattr(system, "run", run)
    return seen


def lay(root: Path, **changes: object) -> None:
    file = root / "etc/groundwork/wireguard/wg-dev.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document(**changes)))


def test_keys_are_for_root_alone_and_made_once(root: Path, commands: list[tuple[str, str | None]]) -> None:
    os.umask(0o077)
    try:
        assert keys.make("wg-dev", "a") == key("made") == keys.make("wg-dev", "a")
    finally:
        os.umask(0o022)
    assert [line for line, _stdin in commands] == ["wg genkey"]
    file = root / "etc/groundwork/wireguard/keys/wg-dev.a.key"
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert oct(file.parent.stat().st_mode & 0o777) == "0o700"
    # Other roles have their files there too.
    assert oct((root / "etc/groundwork").stat().st_mode & 0o777) == "0o755"


def test_a_damaged_key_is_never_replaced(root: Path, commands: list[tuple[str, str | None]]) -> None:
    keys.make("wg-dev", "a")
    keys.path("wg-dev", "a").write_text("")
    with pytest.raises(HubError, match="is no private key"):
        keys.make("wg-dev", "a")
    keys.preshared_path("wg-dev").write_text("{}")
    with pytest.raises(HubError, match="holds no secret"):
        keys.make_preshared("wg-dev")


def test_secrets_go_by_standard_input(commands: list[tuple[str, str | None]]) -> None:
    tool.configure("wg-dev", key("private"), 51820)
    tool.add(
        "wg-dev", {key("anna"): tool.WantedPeer("anna", frozenset(["10.0.0.1/32"]), key("psk"), 0, "[::1]:5")}
    )
    keys.public(key("private"))
    lines = [line for line, _stdin in commands]
    assert lines == [
        "wg set wg-dev listen-port 51820 fwmark 0 private-key /dev/stdin",
        "wg addconf wg-dev /dev/stdin",
        "wg pubkey",
    ]
    given = "".join(str(stdin) for _line, stdin in commands)
    assert key("private") in given
    assert f"PresharedKey = {key('psk')}" in given


def test_a_peer_without_a_preshared_key_loses_what_it_had(commands: list[tuple[str, str | None]]) -> None:
    tool.add("wg-dev", {key("anna"): tool.WantedPeer("anna", frozenset())})
    assert f"PresharedKey = {'A' * 43}=\nPersistentKeepalive = off\n" in str(commands[0][1])


def test_many_are_removed_in_few_calls(commands: list[tuple[str, str | None]]) -> None:
    tool.remove("wg-dev", [key(str(at)) for at in range(1001)])
    assert len(commands) == 3


def test_a_backup_of_the_other_slot_counts(root: Path, commands: list[tuple[str, str | None]]) -> None:
    assert keys.active_slot("wg-dev", "a") == "a"
    keys.make("wg-dev", "b")
    assert keys.active_slot("wg-dev", "a") == "b"
    keys.make("wg-dev", "a")
    assert keys.active_slot("wg-dev", "a") == "a"


def test_state_is_written_when_it_differs(root: Path) -> None:
    found = state.load("wg-dev")
    assert (found.active, found.revision) == ("a", 0)
    found.revision = 3
    state.save(found)
    file = state.path("wg-dev")
    os.utime(file, (1, 1))
    state.save(state.load("wg-dev"))
    assert file.stat().st_mtime == 1
    assert state.load("wg-dev").revision == 3
    (file.parent / "wg-dev.endpoints.json").write_text("{}")
    assert state.others("wg-dev") == []
    assert state.others("wg-new") == ["wg-dev"]


def test_a_hub_keeps_its_interface(root: Path) -> None:
    state.save(state.State("wg-old"))
    lay(root)
    with pytest.raises(HubError, match="interface is wg-dev: must be wg-old"):
        apply.load()


def test_a_hub_without_a_key_is_told_what_to_do(
    root: Path, commands: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(root)
    monkeypatch.setattr(system, "run_json", lambda *_arguments, **_options: [])
    with pytest.raises(HubError, match="Restore it from a backup"):
        apply.load()
    assert not (root / "etc/groundwork/wireguard/keys").exists()


def test_older_settings_are_refused_before_anything_is_read(root: Path) -> None:
    state.save(state.State("wg-dev", revision=99))
    lay(root)
    with pytest.raises(HubError, match="revision is 12: must not be older than 99"):
        apply.load()


@pytest.mark.parametrize("hubs", [0, 2])
def test_a_host_is_one_hub(root: Path, hubs: int) -> None:
    folder = root / "etc/groundwork/wireguard"
    folder.mkdir(parents=True)
    for at in range(hubs):
        (folder / f"wg-{at}.json").write_text(json.dumps(DOCUMENT))
    with pytest.raises(HubError, match="must hold the settings of one hub"):
        apply.load()


def test_exit_codes(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli.main(["check-settings"]) == 1
    lay(root, mtu=1)
    assert cli.main(["check-settings"]) == 1
    assert "mtu is 1: must be from 1280 to 9000" in capsys.readouterr().err
    lay(root)
    assert cli.main(["check-settings"]) == 0
    assert cli.main(["preshared", "nobody"]) == 2
    assert cli.main(["rotate-preshared", "nobody"]) == 2
    with pytest.raises(SystemExit) as left:
        cli.main(["rotate", "sideways"])
    assert left.value.code == 2
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["check-settings"]) == 2


@pytest.mark.parametrize(
    "recipient", ["", "age1", "ssh-dss AAAA", "age1" + "q" * 58 + "\nage1x", "--identity"]
)
def test_bundles_are_for_somebody(recipient: str) -> None:
    request = {"name": "x", "addresses": ["10.0.0.1"], "files": {"a.conf": "# PrivateKey = PRIVATE_KEY"}}
    with pytest.raises(UsageError, match="recipient is"):
        bundle.make("wg-dev", {**request, "recipient": recipient})


def test_a_key_is_shared_with_a_hub_only(root: Path) -> None:
    with pytest.raises(UsageError, match="recipient is"):
        sharing.export("wg-dev", "ssh-ed25519 AAAA")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def test_a_tracked_connection_is_read_as_the_kernel_tells_it() -> None:
    """A translated connection: the real ends are who began it, and who answers."""

    def ends(source: bytes, destination: bytes, first: int, second: int) -> bytes:
        addresses = attribute(0x8001, attribute(1, source) + attribute(2, destination))
        protocol = (
            attribute(1, b"\x06")
            + attribute(2, struct.pack("!H", first))
            + attribute(3, struct.pack("!H", second))
        )
        return addresses + attribute(0x8002, protocol)

    original = ends(bytes([10, 80, 0, 17]), bytes([192, 0, 2, 1]), 40000, 443)
    reply = ends(bytes([192, 0, 2, 5]), bytes([192, 0, 2, 9]), 8443, 40000)
    body = (
        struct.pack("=BBH", 2, 0, 0)
        + attribute(0x8001, original)
        + attribute(0x8002, reply)
        + attribute(12, b"abcd")
    )
    found = conntrack._parse(body, 2)
    assert found == Connection(
        "10.80.0.17", "192.0.2.5", 6, 8443, 2, attribute(0x8001, original) + attribute(12, b"abcd")
    )
