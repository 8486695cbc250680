"""Each fault ends in a clear error, a host that is reachable, and a converge that finishes when run again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.support import ROOT, Played, RealHost, play

PLAYBOOK = ROOT / "playbooks" / "hosts.yml"
TINY = "/etc/ssh/sshd_config.d"
IN_FORCE = f"cat {TINY}/*.conf | sha256sum; nft list table inet groundwork | sha256sum"


def converge(host: RealHost, **variables: object) -> Played:
    extra = " ".join(f"{name}={value}" for name, value in variables.items())
    return play(PLAYBOOK, "--limit", host.name, "--extra-vars", extra)


def wait_until_reachable(host: RealHost) -> None:
    for _ in range(60):
        if host.run("true").returncode == 0:
            return
        time.sleep(1)
    pytest.fail(f"{host.name} did not come back")


@pytest.fixture
def converged(one_host: RealHost) -> Iterator[RealHost]:
    """A host in its desired state before the fault, and seen to reach it again after."""
    first = converge(one_host)
    assert first.returncode == 0, first.output
    yield one_host
    repaired = converge(one_host)
    assert repaired.returncode == 0, repaired.output
    settled = converge(one_host)
    assert settled.stats[one_host.name]["changed"] == 0


def test_a_reboot_in_the_middle_of_a_converge(converged: RealHost) -> None:
    written_first, written_later = (
        "/etc/apt/apt.conf.d/52-groundwork",
        "/etc/ssh/sshd_config.d/10-host-ssh.conf",
    )
    converged.output(f"rm -f {written_first} {written_later}")
    converged.output(f"systemd-run --path-property=PathExists={written_first} systemctl reboot --force")
    booted = converged.output("stat -c %Y /proc/1")
    interrupted = converge(converged)
    assert interrupted.returncode != 0
    assert interrupted.stats[converged.name]["unreachable"] == 1, interrupted.output
    wait_until_reachable(converged)
    assert converged.output("stat -c %Y /proc/1") != booted
    assert converged.run(f"test -e {written_later}").returncode != 0


def test_a_full_disk(converged: RealHost) -> None:
    converged.output(
        f"cp -a {TINY} /run/kept && mount -t tmpfs -o size=16k,mode=0755 tmpfs {TINY}"
        f" && cp -a /run/kept/. {TINY} && dd if=/dev/zero of={TINY}/filler bs=4096 2>/dev/null; true"
    )
    try:
        before = converged.output(IN_FORCE)
        played = converge(converged, host_ssh_max_auth_tries=5, host_ssh_client_alive_interval=77)
        assert played.returncode != 0
        assert "No space left on device" in played.output
        assert converged.run("sshd -t").returncode == 0
        assert converged.output(IN_FORCE) == before
    finally:
        converged.output(f"umount {TINY}; rm -rf /run/kept")


def test_a_mirror_that_is_away(converged: RealHost) -> None:
    sources = "cat /etc/apt/sources.list.d/*.sources /etc/apt/apt.conf.d/*groundwork* | sha256sum"
    before = converged.output(sources)
    # Nothing listens on the discard port: the mirror refuses at once.
    played = converge(converged, host_packages_mirror="http://127.0.0.1:9/debian")
    assert played.returncode != 0
    assert "127.0.0.1:9" in played.output
    assert converged.output(sources) == before
