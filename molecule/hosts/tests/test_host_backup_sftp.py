"""A repository on another host: the way there is an account that can do nothing but SFTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from attack import Target, find

ACCOUNT = "backup-of-a-host"
FOLDER = f"/srv/{ACCOUNT}"
JOB = "site-data"
PREPARE = f"""
useradd --home-dir {FOLDER} --create-home {ACCOUNT}
install -d -m 0700 -o {ACCOUNT} {FOLDER}/.ssh
printf 'restrict,command="internal-sftp" ' > {FOLDER}/.ssh/authorized_keys
cat >> {FOLDER}/.ssh/authorized_keys
chown {ACCOUNT} {FOLDER}/.ssh/authorized_keys
"""


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Target:
    return find(request.config.option.ansible_inventory, "outsider")


@pytest.fixture
def variables(server: Target, target: Target, tmp_path: Path) -> Iterator[Path]:
    """Input that names the server; afterwards the host and the server are as they were."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    server.output(PREPARE, stdin=key.with_suffix(".pub").read_text())
    host_key = " ".join(server.output("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    path, plain = tmp_path / "sftp.yml", tmp_path / "plain.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "host_backup_repository": f"sftp:{ACCOUNT}@{server.address}:{FOLDER}/repository",
                "host_backup_ssh_private_key": key.read_text(),
                "host_backup_ssh_known_hosts": [f"{server.address} {host_key}"],
            }
        )
    )
    plain.write_text("{}\n")
    target.output("mkdir -p /srv/data '/srv/more data' && echo precious > /srv/data/file")
    yield path
    assert target.play(["host_backup"], plain).returncode == 0
    target.output("rm -rf /srv/data '/srv/more data' /srv/out-sftp")
    server.output(f"userdel --remove {ACCOUNT}")


def test_data_comes_back_from_another_host(target: Target, server: Target, variables: Path) -> None:
    played = target.play(["host_backup"], variables, "--diff")
    assert played.returncode == 0, played.stdout
    assert "PRIVATE KEY" not in played.stdout
    target.output("systemctl start groundwork-backup@backup.service")
    target.output("rm -r /srv/data")
    target.output(f"groundwork-restore restore {JOB} --target /srv/out-sftp")
    assert target.output("cat /srv/out-sftp/srv/data/file") == "precious"
    assert server.output(f"stat -c %U {FOLDER}/repository/config") == ACCOUNT


def test_a_server_with_another_host_key_gets_nothing(target: Target, server: Target, variables: Path) -> None:
    given = yaml.safe_load(variables.read_text())
    other = target.output("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    given["host_backup_ssh_known_hosts"] = [f"{server.address} {' '.join(other)}"]
    variables.write_text(yaml.safe_dump(given))
    assert target.play(["host_backup"], variables).returncode == 0
    done = target.ssh(command="groundwork-backup backup")
    assert done.returncode != 0
    assert "the repository can't be reached" in done.stdout
    assert server.ssh(command=f"test -e {FOLDER}/repository").returncode != 0
