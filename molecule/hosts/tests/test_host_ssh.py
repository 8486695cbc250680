"""SSH: what it refuses, what it lets in, and that nobody can lock themselves out of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from attack import Target, probe_from_here
from testinfra.host import Host

DROP_IN = "/etc/ssh/sshd_config.d/10-host-ssh.conf"
# Older ones take today's algorithms for unknown, and warn.
OLDEST_SSH_AUDIT = (3, 3)


@pytest.mark.parametrize(
    "line",
    [
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitrootlogin without-password",
        "permitemptypasswords no",
        "permituserenvironment no",
        "x11forwarding no",
        "allowtcpforwarding no",
        "allowagentforwarding no",
        "maxauthtries 3",
        "loglevel VERBOSE",
        "banner /etc/issue.net",
        "requiredrsasize 3072",
    ],
)
def test_what_sshd_does_is_what_the_role_says(host: Host, line: str) -> None:
    effective = host.check_output("sshd -T -C user=root,host=x,addr=192.0.2.1,laddr=192.0.2.2,lport=22")
    assert line in effective.splitlines()


def test_sshd_listens_on_its_port_only_and_without_a_socket_unit(host: Host) -> None:
    listening = host.check_output("ss -H -tlnp").splitlines()
    ports = {line.split()[3].rpartition(":")[2] for line in listening if '"sshd"' in line}
    assert ports == {"22"}
    assert host.run("systemctl is-enabled ssh.socket").stdout.strip() == "disabled"


def test_the_drop_in_is_for_root_only(host: Host) -> None:
    assert host.file(DROP_IN).mode == 0o600


def test_a_password_login_is_refused(target: Target) -> None:
    done = target.ssh(
        *("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive")
    )
    assert done.returncode == 255
    assert "Permission denied (publickey)." in done.stderr


@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "KexAlgorithms=diffie-hellman-group-exchange-sha256",
        "KexAlgorithms=ecdh-sha2-nistp256",
        "KexAlgorithms=curve25519-sha256",
        "Ciphers=aes128-cbc",
        "Ciphers=3des-cbc",
        "Ciphers=chacha20-poly1305@openssh.com",
        "HostKeyAlgorithms=ssh-rsa",
        "HostKeyAlgorithms=ecdsa-sha2-nistp256",
    ],
)
def test_a_weak_algorithm_is_refused(target: Target, option: str) -> None:
    done = target.ssh("-o", option)
    assert done.returncode == 255
    assert re.search("no matching (key exchange method|cipher|host key type) found", done.stderr), done.stderr


@pytest.mark.parametrize("mac", ["hmac-sha1", "hmac-sha2-256", "umac-64@openssh.com"])
def test_a_weak_mac_is_refused(target: Target, mac: str) -> None:
    # AES-GCM brings a MAC of its own, so the cipher has to be one that needs one.
    done = target.ssh("-o", f"MACs={mac}", "-o", "Ciphers=aes256-ctr")
    assert done.returncode == 255
    assert "no matching MAC found" in done.stderr


def test_the_host_has_an_ed25519_key_and_a_long_rsa_key_only(target: Target) -> None:
    scanned = subprocess.run(
        ["ssh-keyscan", target.address], capture_output=True, text=True, check=False, timeout=30
    )
    assert {line.split()[1] for line in scanned.stdout.splitlines()} <= {"ssh-ed25519", "ssh-rsa"}
    bits = target.output("ssh-keygen -l -f /etc/ssh/ssh_host_rsa_key").split()[0]
    assert int(bits) >= 3072


def test_ssh_audit_finds_no_failure_and_no_warning(target: Target) -> None:
    audit = shutil.which("ssh-audit")
    if audit is None:
        pytest.skip("ssh-audit is not on the PATH")
    banner = subprocess.run([audit, "--help"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"v(\d+)\.(\d+)", banner)
    if version and tuple(map(int, version.groups())) < OLDEST_SSH_AUDIT:
        pytest.skip(f"ssh-audit {version[0]} knows no post-quantum key exchange")
    # The rate test counts connections from here, and the management networks are exempt from penalties.
    done = subprocess.run(
        [audit, "--skip-rate-test", "--json", target.address],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    report = json.loads(done.stdout)
    found = [
        f"{entry['algorithm']}: {notes}"
        for kind in ("kex", "key", "enc", "mac")
        for entry in report[kind]
        for level, notes in entry["notes"].items()
        if level in ("fail", "warn")
    ]
    assert found == []
    assert not report["cves"]
    assert done.returncode == 0


def test_ports_are_not_forwarded(target: Target) -> None:
    done = target.ssh("-W", "127.0.0.1:22", command="")
    assert done.returncode != 0
    assert "administratively prohibited" in done.stderr


def test_the_banner_is_shown(target: Target) -> None:
    assert "Authorised access only" in target.ssh().stderr


def test_the_client_uses_the_same_algorithms(host: Host) -> None:
    used = dict(line.split(" ", 1) for line in host.check_output("ssh -G example.com").splitlines())
    served = dict(line.split(" ", 1) for line in host.check_output("sshd -T -C user=x").splitlines())
    assert used["ciphers"] == served["ciphers"]
    assert used["macs"] == served["macs"]
    assert used["kexalgorithms"].startswith(served["kexalgorithms"])


def test_missing_and_short_host_keys_are_made_anew(target: Target) -> None:
    rsa = "/etc/ssh/ssh_host_rsa_key"
    script = f"""
        set -e
        mkdir -m 0700 /run/kept
        trap 'mv /run/kept/* /etc/ssh/; rmdir /run/kept' EXIT
        mv {rsa} {rsa}.pub /run/kept/
        ssh-keygen -q -t rsa -b 2048 -N '' -f {rsa}
        systemctl start groundwork-ssh-host-keys.service
        ssh-keygen -l -f {rsa} | cut -d' ' -f1
        rm {rsa} {rsa}.pub
        systemctl start groundwork-ssh-host-keys.service
        stat -c %a {rsa} {rsa}.pub
    """
    assert target.output(script).split() == ["4096", "600", "644"]


def test_a_main_configuration_without_the_include_is_refused(target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "changed.yml"
    variables.write_text("host_ssh_max_auth_tries: 4\n")
    target.output("sed -i.kept 's/^Include/#Include/' /etc/ssh/sshd_config")
    try:
        played = target.play(["host_ssh"], variables, "--check")
    finally:
        target.output("mv /etc/ssh/sshd_config.kept /etc/ssh/sshd_config")
    assert played.returncode != 0
    assert "Include /etc/ssh/sshd_config.d/*.conf" in played.stdout


def test_a_change_that_locks_out_is_rolled_back(target: Target, tmp_path: Path) -> None:
    before = target.output(f"sha256sum {DROP_IN}")
    variables = tmp_path / "lockout.yml"
    variables.write_text(
        yaml.safe_dump({"host_ssh_allow_users": ["nobody"], "host_ssh_rollback_seconds": 15})
    )
    played = target.play(["host_ssh"], variables)
    assert played.returncode != 0
    assert "put back at" in played.stdout, played.stdout
    assert target.wait_until_reachable(30)
    assert target.output(f"sha256sum {DROP_IN}") == before
    assert "allowusers" not in target.output("sshd -T -C user=x,host=x,addr=192.0.2.1")


@dataclass(frozen=True)
class Keys:
    """A certificate authority, and keys that no ``authorized_keys`` knows."""

    folder: Path

    def make(self, name: str) -> str:
        key = self.folder / name
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key], check=True)
        return str(key)

    def public(self, name: str) -> str:
        return Path(f"{self.make(name)}.pub").read_text().strip()

    def certified(self, name: str, principal: str) -> str:
        key, authority = self.make(name), self.make("authority")
        subprocess.run(
            [*("ssh-keygen", "-q", "-s", authority, "-I", name, "-n", principal, "-V", "+10m"), f"{key}.pub"],
            check=True,
        )
        return key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def site(target: Target, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One converge with an authority, a revoked key, an SFTP group and a second port, undone at the end."""
    folder = tmp_path_factory.mktemp("input")
    changed, plain = folder / "changed.yml", folder / "plain.yml"
    plain.write_text("{}\n")
    changed.write_text(
        yaml.safe_dump(
            {
                "host_ssh_ports": [22, 2222],
                "host_ssh_allow_groups": ["root"],
                "host_ssh_user_ca_keys": [keys.public("authority")],
                "host_ssh_user_ca_principals": [
                    {"user": "root", "principals": ["operators"]},
                    {"user": "uploader", "principals": ["uploads"]},
                    {"user": "stranger", "principals": ["operators"]},
                ],
                "host_ssh_revoked_keys": [keys.public("lost")],
                "host_ssh_sftp_groups": [{"name": "sftponly", "chroot": "/srv/sftp"}],
            }
        )
    )
    target.output(
        "groupadd -f sftponly; useradd -m -G sftponly -s /bin/bash uploader;"
        " useradd -m -s /bin/bash stranger; install -d /srv/sftp; install -d -o uploader /srv/sftp/incoming"
    )
    try:
        played = target.play(["host_ssh"], changed)
        assert played.returncode == 0, played.stdout
        yield target
    finally:
        restored = target.play(["host_ssh"], plain)
        target.output(
            "userdel -r uploader; userdel -r stranger; groupdel sftponly; rm -r /srv/sftp", stdin=""
        )
    assert restored.returncode == 0, restored.stdout
    left = target.output("ls /etc/ssh /etc/ssh/auth_principals 2>/dev/null || true").split()
    assert not {"user_ca_keys", "revoked_keys", "auth_principals", "root"} & set(left)


def test_the_second_port_is_served_beside_the_first(site: Target) -> None:
    assert probe_from_here(site, 22, 2222) == ["open"] * 4
    assert site.ssh("-p", "2222").returncode == 0


def test_a_certificate_with_the_principal_lets_in(site: Target, keys: Keys) -> None:
    assert site.ssh(key=keys.certified("operator", "operators")).returncode == 0


def test_a_certificate_with_another_principal_does_not(site: Target, keys: Keys) -> None:
    assert site.ssh(key=keys.certified("visitor", "root")).returncode == 255


def test_a_key_without_a_certificate_does_not(site: Target, keys: Keys) -> None:
    assert site.ssh(key=keys.make("unknown")).returncode == 255


def test_a_revoked_key_is_refused_in_spite_of_its_certificate(site: Target, keys: Keys) -> None:
    assert site.ssh(key=keys.certified("lost", "operators")).returncode == 255


def test_who_is_in_no_allowed_group_is_refused(site: Target, keys: Keys) -> None:
    done = site.ssh(user="stranger", key=keys.certified("operator", "operators"))
    assert done.returncode == 255


def test_an_sftp_user_gets_files_below_the_chroot(site: Target, keys: Keys) -> None:
    key = keys.certified("upload", "uploads")
    command = [
        *("sftp", "-F", "none", *site.arguments, "-o", "BatchMode=yes", "-o", "ControlPath=none"),
        *("-o", "IdentitiesOnly=yes", "-i", key, "-b", "-", f"uploader@{site.address}"),
    ]
    done = subprocess.run(
        command, input="pwd\nls /\n", capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "Remote working directory: /" in done.stdout
    assert "incoming" in done.stdout


def test_an_sftp_user_gets_no_shell(site: Target, keys: Keys) -> None:
    done = site.ssh(user="uploader", key=keys.certified("upload", "uploads"), command="id")
    assert "uid=" not in done.stdout
