"""What the collection's Jinja tests accept and refuse."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils import inputs


def public_key(kind: str, *fields: bytes, claimed: str | None = None) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{claimed or kind} {base64.b64encode(blob).decode()} someone@example.com"


ED25519 = public_key("ssh-ed25519", bytes(32))


@pytest.mark.parametrize("value", [1, 22, 65535, "443"])
def test_port(value: Any) -> None:
    assert inputs.is_port(value)


@pytest.mark.parametrize("value", [0, -1, 65536, "0", "022", "ssh", "", True, None, 22.0, [22], "99999"])
def test_no_port(value: Any) -> None:
    assert not inputs.is_port(value)


@pytest.mark.parametrize(
    "value", ["192.0.2.0/24", "192.0.2.1/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "fd42::1/128"]
)
def test_cidr(value: str) -> None:
    assert inputs.is_cidr(value)
    assert inputs.is_cidr(value, 6 if ":" in value else 4)
    assert not inputs.is_cidr(value, 4 if ":" in value else 6)


@pytest.mark.parametrize(
    "value",
    [
        "192.0.2.1/24",
        "192.0.2.0",
        "192.0.2.0/33",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/024",
        "192.0.2.0/24 ",
        "192.0.2.0/24\n",
        "2001:db8::1/32",
        "fe80::%eth0/64",
        "example.com/24",
        "/24",
        "",
        24,
        None,
    ],
)
def test_no_cidr(value: Any) -> None:
    assert not inputs.is_cidr(value)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("192.0.2.1", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", False),
        ("192.0.2.0/24", False),
        ("192.0.2.256", False),
        ("192.0.2.01", False),
        (3221225985, False),
        (None, False),
    ],
)
def test_ip_address(value: Any, valid: bool) -> None:
    assert inputs.is_ip_address(value) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("alice", True),
        ("_apt", True),
        ("systemd-network", True),
        ("a" * 32, True),
        ("a" * 33, False),
        ("Alice", False),
        ("-alice", False),
        ("0alice", False),
        ("alice\n", False),
        ("alice:x", False),
        ("", False),
        (1000, False),
    ],
)
def test_user_name(value: Any, valid: bool) -> None:
    assert inputs.is_user_name(value) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("gate", True),
        ("gate.example.com", True),
        ("3com.example", True),
        ("GATE", True),
        ("a" * 63, True),
        ("a" * 64, False),
        (".".join(["a" * 49] * 6), False),
        ("gate.", False),
        ("-gate", False),
        ("gate-", False),
        ("gate..example", False),
        ("192.0.2.1", False),
        ("ga_te", False),
        ("", False),
        (None, False),
    ],
)
def test_hostname(value: Any, valid: bool) -> None:
    assert inputs.is_hostname(value) is valid


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("45s", True),
        ("1h30m", True),
        ("1w2d3h4m5s", True),
        ("30m1h", False),
        ("0s", False),
        ("45", False),
        ("1.5h", False),
        ("-1s", False),
        ("", False),
        (45, False),
    ],
)
def test_duration(value: Any, valid: bool) -> None:
    assert inputs.is_duration(value) is valid


@pytest.mark.parametrize(
    "value",
    [
        ED25519,
        ED25519.rsplit(" ", 1)[0],
        f"{ED25519} with words",
        public_key("ssh-rsa", b"\1\0\1", bytes(256)),
        public_key("ecdsa-sha2-nistp256", b"nistp256", bytes(65)),
        public_key("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
    ],
)
def test_ssh_public_key(value: str) -> None:
    assert inputs.is_ssh_public_key(value)


@pytest.mark.parametrize(
    "value",
    [
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 not*base64",
        ED25519.replace(" ", " A", 1),
        ED25519[:60],
        f"{ED25519}\n{ED25519}",
        f'command="true" {ED25519}',
        public_key("ssh-ed25519", bytes(31)),
        public_key("ssh-ed25519", bytes(32), b"more"),
        public_key("ssh-rsa", b"\1\0\1", bytes(256), claimed="ssh-ed25519"),
        public_key("ssh-dss", b"p", b"q", b"g", b"y"),
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "",
        None,
    ],
)
def test_no_ssh_public_key(value: Any) -> None:
    assert not inputs.is_ssh_public_key(value)


def test_shown_values_are_short_and_secrets_masked() -> None:
    assert inputs.shown(70000) == "70000"
    assert inputs.shown("70000") == '"70000"'
    assert inputs.shown("x", secret=True) == "(secret)"
    long = inputs.shown("x" * 1000)
    assert len(long) == inputs.SHOWN_LENGTH
    assert long.endswith("…")
    user = {"name": "alice", "password": "clear", "keys": [{"private_key": "PEM", "size": 1}]}
    assert inputs.shown(user) == (
        '{"name": "alice", "password": "(secret)", "keys": [{"private_key": "(secret)", "size": 1}]}'
    )
