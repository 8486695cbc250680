"""Logs: they arrive, late if need be, over TLS from known hosts only, and each in the file of its host."""

from __future__ import annotations

import os
import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from attack import Target, find, probe_from_here
from testinfra.host import Host

PORT = 6514
RECEIVED = "/var/log/hosts"
CERTIFICATES = (
    Path(os.environ.get("GROUNDWORK_CACHE", "~/.cache/groundwork")).expanduser() / "molecule-certificates"
)
# Each host is the other's receiver.
OTHER = {"debian12": "debian13", "debian13": "debian12"}


@pytest.fixture(scope="module")
def receiver(request: pytest.FixtureRequest, target: Target) -> Target:
    return find(request.config.option.ansible_inventory, OTHER[target.name])


@pytest.fixture(scope="module")
def outsider(request: pytest.FixtureRequest) -> Target:
    return find(request.config.option.ansible_inventory, "outsider")


def marker() -> str:
    return f"marker-{uuid.uuid4().hex}"


def files_with(host: Target, text: str, seconds: float = 0) -> list[str]:
    """Received files that hold a text; waits for the first of them."""
    deadline = time.monotonic() + seconds
    while True:
        found = host.ssh(command=f"grep -rlF -- '{text}' {RECEIVED}").stdout.split()
        if found or time.monotonic() > deadline:
            return sorted(found)
        time.sleep(0.5)


def send(host: Target, message: str, *, certificate: str | None, claim: str = "tester") -> bool:
    """Hand a message to a receiver, from here; whether it kept the connection open."""
    frame = f"<13>1 2026-01-01T00:00:00Z {claim} test - - - {message}".encode()
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    if certificate:
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / f"{certificate}.key")
    try:
        plain = socket.create_connection((host.address, PORT), timeout=5)
        # The receiver's own certificate is verified here too, by its name.
        with plain, context.wrap_socket(plain, server_hostname=host.name) as tls:
            tls.sendall(b"%d %s" % (len(frame), frame))
            tls.settimeout(2)
            # TLS 1.3 refuses a client's certificate only after the handshake.
            return tls.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_the_journal_survives_a_reboot_within_bounds(host: Host) -> None:
    shown = host.check_output("systemd-analyze cat-config systemd/journald.conf").splitlines()
    for line in ("Storage=persistent", "SystemMaxUse=256M", "MaxRetentionSec=90d", "RateLimitBurst=10000"):
        assert line in shown
    files = host.check_output("journalctl --header | grep '^File path'").splitlines()
    assert files
    assert all(path.split()[-1].startswith("/var/log/journal/") for path in files)


def test_log_files_are_for_root_and_adm_only(target: Target) -> None:
    names = "auth.log syslog kern.log user.log cron.log mail.log"
    listed = target.output(f"cd /var/log && stat --format '%U:%G %a' $(ls -d {names} 2>/dev/null)")
    assert set(listed.splitlines()) == {"root:adm 640"}


def test_the_key_is_for_root_only_and_never_shown(target: Target, tmp_path: Path) -> None:
    assert target.output("stat --format '%U:%G %a' /etc/rsyslog-tls/key.pem") == "root:root 600"
    variables = tmp_path / "key.yml"
    key = (CERTIFICATES / "not-permitted.key").read_text()
    certificate = (CERTIFICATES / "not-permitted.pem").read_text()
    variables.write_text(
        yaml.safe_dump({"host_logging_tls_key": key, "host_logging_tls_certificate": certificate})
    )
    done = target.play(["host_logging"], variables, "--check", "--diff", "-vvv")
    assert done.returncode == 0, done.stdout
    assert "/etc/rsyslog-tls/key.pem" in done.stdout
    assert "PRIVATE KEY" not in done.stdout
    assert key.splitlines()[1] not in done.stdout


def test_a_message_arrives_in_the_file_of_its_host(target: Target, receiver: Target) -> None:
    text = marker()
    target.output(f"logger -t test {text}")
    path = f"{RECEIVED}/{target.name}/{target.address}.log"
    assert files_with(receiver, text, 20) == [path]
    assert receiver.output(f"stat --format '%U:%G %a' {path} {RECEIVED}/{target.name}").splitlines() == [
        "root:adm 640",
        "root:adm 750",
    ]


def test_what_was_received_is_not_sent_on(target: Target, receiver: Target) -> None:
    text = marker()
    target.output(f"logger -t test {text}")
    assert files_with(receiver, text, 20)
    assert files_with(target, text) == []
    assert receiver.ssh(command=f"grep -F {text} /var/log/syslog").returncode == 1


def test_nothing_of_a_message_is_readable_on_the_wire(target: Target) -> None:
    shown = target.output("cat /etc/rsyslog.d/30-groundwork-forward.conf")
    assert shown.count('type="omfwd"') == shown.count('StreamDriverMode="1"') == 1
    assert shown.count('StreamDriverAuthMode="x509/name"') == 1


def test_a_known_client_is_heard(target: Target) -> None:
    text = marker()
    assert send(target, text, certificate=OTHER[target.name])
    assert [Path(path).parent.name for path in files_with(target, text, 10)] == ["tester"]


@pytest.mark.parametrize("certificate", [None, "stranger", "not-permitted"])
def test_a_client_with_a_wrong_certificate_is_refused(target: Target, certificate: str | None) -> None:
    text = marker()
    name = f"{OTHER[target.name]}.stranger" if certificate == "stranger" else certificate
    assert not send(target, text, certificate=name)
    assert files_with(target, text, 3) == []


def test_plain_tcp_is_refused(target: Target) -> None:
    text = marker()
    with socket.create_connection((target.address, PORT), timeout=5) as plain:
        plain.sendall(f"<13>1 2026-01-01T00:00:00Z tester test - - - {text}\n".encode())
        plain.settimeout(3)
        try:
            answer = plain.recv(100)
        except OSError:
            answer = b""
    assert text.encode() not in answer
    assert files_with(target, text, 3) == []


def test_old_tls_is_refused(target: Target) -> None:
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection((target.address, PORT), timeout=5)
    # The receiver hangs up. Another reason would be this machine's own refusal to speak it.
    with plain, pytest.raises(ssl.SSLError, match=r"EOF|alert|protocol version"):
        context.wrap_socket(plain, server_hostname=target.name)


@pytest.mark.parametrize(
    "claim",
    [
        "../../../etc/cron.d/evil",
        "..",
        ".",
        "a/b",
        "/etc/evil",
        "a..b",
        ".hidden",
        "-rf",
        "_invalid",
        "a" * 300,
    ],
)
def test_a_hostile_host_name_never_leaves_the_folder(target: Target, claim: str) -> None:
    text = marker()
    assert send(target, text, certificate=OTHER[target.name], claim=claim)
    found = files_with(target, text, 10)
    assert [Path(path).parent for path in found] == [Path(f"{RECEIVED}/_invalid")]
    assert target.ssh(command=f"grep -rlF {text} /etc /var/spool/cron /root /tmp").stdout == ""


def test_a_host_that_claims_anothers_name_does_not_get_into_its_file(target: Target) -> None:
    text = marker()
    victim = OTHER[target.name]
    assert send(target, text, certificate=victim, claim=victim)
    (found,) = files_with(target, text, 10)
    true_file = find(target.inventory, victim).address
    assert Path(found).parent.name == victim
    assert Path(found).name != f"{true_file}.log"


def test_only_allowed_networks_reach_the_port(target: Target, outsider: Target) -> None:
    assert outsider.probe(target, PORT) == ["silent", "silent"]
    assert probe_from_here(target, PORT) == ["open", "open"]


def test_messages_wait_on_disk_over_a_restart_until_the_receiver_is_back(
    target: Target, receiver: Target
) -> None:
    text = marker()
    receiver.output("systemctl stop syslog.socket rsyslog.service")
    try:
        target.output(f"for n in $(seq 200); do echo {text}-$n-; done | logger -t test")
        target.output("sleep 2; systemctl restart rsyslog.service")
        assert target.output("ls /var/spool/rsyslog | grep -c '^groundwork_'") != "0"
        target.output(
            "systemctl kill --signal=KILL rsyslog.service; sleep 3; systemctl start rsyslog.service"
        )
    finally:
        receiver.output("systemctl start rsyslog.service")
    assert files_with(receiver, f"{text}-200-", 60)
    arrived = receiver.output(f"grep -rhoE '{text}-[0-9]+-' {RECEIVED}/{target.name} | sort -u | wc -l")
    assert arrived == "200"


@pytest.fixture
def misnamed(target: Target, tmp_path: Path) -> Iterator[None]:
    """The host expects another name of its receiver, as if somebody else had taken the address."""
    receiver = find(target.inventory, OTHER[target.name])
    variables = tmp_path / "misnamed.yml"
    wrong = [{"address": receiver.address, "names": ["someone.else"]}]
    variables.write_text(yaml.safe_dump({"host_logging_forward_targets": wrong}))
    changed = target.play(["host_logging"], variables)
    assert changed.returncode == 0, changed.stdout
    yield
    variables.write_text("{}")
    restored = target.play(["host_logging"], variables)
    assert restored.returncode == 0, restored.stdout


@pytest.mark.usefixtures("misnamed")
def test_a_receiver_of_another_name_gets_nothing(target: Target, receiver: Target) -> None:
    text = marker()
    target.output(f"logger -t test {text}")
    assert files_with(receiver, text, 8) == []


def test_logs_are_rotated_every_day_and_go_on(target: Target, receiver: Target) -> None:
    assert target.output("systemctl is-active logrotate.timer") == "active"
    assert "daily" in target.output("cat /etc/logrotate.conf").splitlines()
    folder = f"{RECEIVED}/{receiver.name}"
    before = marker()
    receiver.output(f"logger -t test {before}")
    assert files_with(target, before, 20)
    target.output("logrotate --force /etc/logrotate.d/groundwork-hosts")
    after = marker()
    receiver.output(f"logger -t test {after}")
    assert files_with(target, after, 20) == [f"{folder}/{receiver.address}.log"]
    assert len(target.output(f"ls {folder}/{receiver.address}.log*").split()) >= 2


def test_a_configuration_that_rsyslog_does_not_understand_changes_nothing(
    target: Target, tmp_path: Path
) -> None:
    sums = "cd /etc && find rsyslog.d rsyslog-tls -type f -exec sha256sum {} + | sort"
    before = target.output(sums)
    variables = tmp_path / "selector.yml"
    variables.write_text(yaml.safe_dump({"host_logging_forward_selector": "nonsense.info"}))
    done = target.play(["host_logging"], variables)
    assert done.returncode != 0
    assert "rsyslogd -N1" in done.stdout
    assert target.output(sums) == before


def test_a_key_of_another_certificate_never_lands(target: Target, tmp_path: Path) -> None:
    before = target.output("sha256sum /etc/rsyslog-tls/*")
    variables = tmp_path / "key.yml"
    variables.write_text(
        yaml.safe_dump({"host_logging_tls_key": (CERTIFICATES / "not-permitted.key").read_text()})
    )
    done = target.play(["host_logging"], variables)
    assert done.returncode != 0
    assert (
        "/etc/rsyslog-tls/certificate.pem with the key /etc/rsyslog-tls/key.pem can't be used" in done.stdout
    )
    assert target.output("sha256sum /etc/rsyslog-tls/*") == before


def test_a_certificate_that_is_missing_on_the_host_is_named(target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "reference.yml"
    variables.write_text(
        yaml.safe_dump({"host_logging_tls_ca": "", "host_logging_tls_ca_file": "/etc/ssl/certs/nowhere.pem"})
    )
    done = target.play(["host_logging"], variables)
    assert done.returncode != 0
    assert "the authority /etc/ssl/certs/nowhere.pem can't be used: " in done.stdout
