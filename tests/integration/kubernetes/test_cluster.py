"""The cluster itself: brought up once, left alone when nothing changed, back after a reboot, and removed."""

from __future__ import annotations

import stat

from lab import paths
from lab.kubernetes import client, node
from lab.topology import Topology
from tests.integration.support import RealHost

from .clusters import Cluster, deployment, eventually, service


def test_a_second_time_nothing_is_done(topology: Topology, whole_cluster: Cluster) -> None:
    assert topology.cluster is not None
    assert node.up(topology.cluster) is False


def test_keys_are_private(topology: Topology, whole_cluster: Cluster, node_host: RealHost) -> None:
    keys = paths.cache() / "kubernetes" / "certificates" / topology.hosts[0].container
    private = [*keys.iterdir(), whole_cluster.kubeconfig]
    assert len(private) > 20
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    modes = node_host.output(
        "find /etc/kubernetes/certificates /var/lib/kubernetes/*.kubeconfig -type f -printf '%m\\n'"
    )
    assert set(modes.split()) == {"600"}


def test_nobody_without_a_certificate_reads_anything(whole_cluster: Cluster, node_host: RealHost) -> None:
    for url in ("https://127.0.0.1:6443/api/v1/secrets", "https://127.0.0.1:10250/pods"):
        # Debian's minimal host has no curl, and Python is there for Ansible.
        ask = (
            "import ssl, urllib.request as u, urllib.error as e\n"
            "try:\n"
            f"    print(u.urlopen({url!r}, context=ssl._create_unverified_context()).status)\n"
            "except e.HTTPError as error:\n"
            "    print(error.code)\n"
        )
        assert node_host.run("python3 -", stdin=ask).stdout.strip() in {"401", "403"}, url


def test_etcd_has_no_port(whole_cluster: Cluster, node_host: RealHost) -> None:
    listening = node_host.output("ss --listening --tcp --processes --no-header")
    assert '"kube-apiserver"' in listening
    assert '"etcd"' not in listening


def test_it_comes_back_after_a_reboot(cluster: Cluster, node_host: RealHost) -> None:
    cluster.apply(deployment("before"), service("before"))
    cluster.settled("deployment", "before")
    (before,) = cluster.pods("before")
    booted = node_host.output("stat -c %Y /proc/1")
    node_host.run("systemctl reboot")

    def back() -> bool:
        done = node_host.run("stat -c %Y /proc/1")
        return done.returncode == 0 and done.stdout != booted and client.is_ready(cluster.kubeconfig)

    assert eventually(back)

    def answers() -> bool:
        done = cluster.inside("before", "get", "http://before/")
        return done.returncode == 0 and before["metadata"]["name"] in done.stdout

    assert eventually(answers)
    (after,) = cluster.pods("before")
    assert after["status"]["containerStatuses"][0]["restartCount"] > 0
