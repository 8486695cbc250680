"""What each component of a cluster is started with: pure functions, the same for processes and for a host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

# Pods and services of the lab; the machine's own networks must not overlap with them.
PODS = "10.245.0.0/16"
NODE_PODS = "10.245.0.0/24"
SERVICES = "10.246.0.0/16"
API_SERVICE = "10.246.0.1"
DNS_SERVICE = "10.246.0.10"
DOMAIN = "cluster.local"
# Sockets in the cluster's private folder, where all components are started: nobody else on the machine can
# talk to etcd, and it takes no port. etcd wants a name in the form of an address.
ETCD = "unix://etcd:1"
ETCD_PEER = "unix://etcd:2"
ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"

API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{DOMAIN}",
    "localhost",
    "127.0.0.1",
    "::1",
    API_SERVICE,
)


@dataclass(frozen=True)
class Cluster:
    """Where one cluster lives: its API's address and port, and the folders of programs, keys and data."""

    name: str
    address: str
    port: int
    programs: PurePosixPath
    certificates: PurePosixPath
    data: PurePosixPath

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.port}"


@dataclass(frozen=True)
class Component:
    """A long-running program: its name, and its arguments after the program's own path."""

    name: str
    arguments: tuple[str, ...]


def control_plane(cluster: Cluster) -> tuple[Component, ...]:
    """In the order of their start: the later ones need the API server."""
    return (_etcd(cluster), _apiserver(cluster), _controller_manager(cluster), _scheduler(cluster))


def kwok(cluster: Cluster) -> Component:
    """The player of capacity nodes: only of those that carry its annotation."""
    return Component(
        "kwok",
        (
            f"--kubeconfig={cluster.data}/kwok.kubeconfig",
            f"--config={cluster.programs}/stages.yaml",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
            "--cidr=10.245.128.0/17",
            "--node-ip=10.245.127.1",
        ),
    )


def _etcd(cluster: Cluster) -> Component:
    return Component(
        "etcd",
        (
            "--name=lab",
            f"--data-dir={cluster.data}/etcd",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            f"--listen-peer-urls={ETCD_PEER}",
            f"--initial-advertise-peer-urls={ETCD_PEER}",
            f"--initial-cluster=lab={ETCD_PEER}",
            # The lab's data is worth a rebuild, not the disk's time.
            "--unsafe-no-fsync",
            "--auto-compaction-retention=5m",
            "--log-level=warn",
        ),
    )


def _apiserver(cluster: Cluster) -> Component:
    keys = cluster.certificates
    loopback = cluster.address.startswith("127.")
    return Component(
        "kube-apiserver",
        (
            f"--advertise-address={cluster.address}",
            f"--bind-address={cluster.address if loopback else '::'}",
            f"--secure-port={cluster.port}",
            f"--etcd-servers={ETCD}",
            f"--client-ca-file={keys}/ca.crt",
            f"--tls-cert-file={keys}/apiserver.crt",
            f"--tls-private-key-file={keys}/apiserver.key",
            f"--kubelet-certificate-authority={keys}/ca.crt",
            f"--kubelet-client-certificate={keys}/apiserver-kubelet.crt",
            f"--kubelet-client-key={keys}/apiserver-kubelet.key",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={keys}/service-accounts.pub",
            f"--service-account-signing-key-file={keys}/service-accounts.key",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--enable-aggregator-routing=true",
            f"--proxy-client-cert-file={keys}/front-proxy.crt",
            f"--proxy-client-key-file={keys}/front-proxy.key",
            f"--requestheader-client-ca-file={keys}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--profiling=false",
            # An address of this machine alone is none that pods could reach.
            *(("--endpoint-reconciler-type=none",) if loopback else ()),
        ),
    )


def _controller_manager(cluster: Cluster) -> Component:
    keys = cluster.certificates
    return Component(
        "kube-controller-manager",
        (
            f"--kubeconfig={cluster.data}/controller-manager.kubeconfig",
            f"--root-ca-file={keys}/ca.crt",
            f"--service-account-private-key-file={keys}/service-accounts.key",
            f"--cluster-signing-cert-file={keys}/ca.crt",
            f"--cluster-signing-key-file={keys}/ca.key",
            "--use-service-account-credentials=true",
            # There is one of each, and nobody scrapes it: no election, no port.
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
        ),
    )


def _scheduler(cluster: Cluster) -> Component:
    return Component(
        "kube-scheduler",
        (
            f"--kubeconfig={cluster.data}/scheduler.kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
        ),
    )
