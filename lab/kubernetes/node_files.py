"""The files of the real node: units of the components, and the configuration of what Debian brings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lab.kubernetes import certificates, components
from lab.kubernetes.components import Cluster, Component

PROGRAMS = PurePosixPath("/usr/local/lib/kubernetes")
CONFIGURATION = PurePosixPath("/etc/kubernetes")
DATA = PurePosixPath("/var/lib/kubernetes")
# What images of the lab are called. The name is answered by the node's own registry and by nothing else.
REGISTRY = "registry.lab"
REGISTRY_PORT = 5000
API_PORT = 6443
PACKAGES = (
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "iptables",
    "nftables",
    "runc",
)
KUBECONFIGS = ("controller-manager", "scheduler", "kwok", "kubelet", "kube-proxy")


@dataclass(frozen=True)
class File:
    """A file of the host: what is in it, and who may read it."""

    content: bytes
    mode: int = 0o644


def cluster(name: str, address: str) -> Cluster:
    """The cluster whose API is served by the host ``name`` itself."""
    return Cluster(name, address, API_PORT, PROGRAMS, CONFIGURATION / "certificates", DATA)


def subjects(name: str, address: str, address6: str) -> tuple[certificates.Subject, ...]:
    """Everybody who needs a certificate in that cluster."""
    api = (*components.API_NAMES, name, address, address6)
    return (*certificates.clients(name), *certificates.servers(api, (name, address, address6)))


def files(name: str, address: str, keys: Path, pause: str) -> dict[PurePosixPath, File]:
    """All files by their path on the host, made from the certificates in ``keys``."""
    described = cluster(name, address)
    units = (
        *components.control_plane(described),
        components.kwok(described),
        Component(
            "kubelet",
            (
                f"--config={CONFIGURATION}/kubelet.json",
                f"--kubeconfig={DATA}/kubelet.kubeconfig",
                f"--hostname-override={name}",
                f"--node-ip={address}",
            ),
        ),
        Component("kube-proxy", (f"--config={CONFIGURATION}/kube-proxy.json", f"--hostname-override={name}")),
    )
    made = {PurePosixPath(f"/etc/systemd/system/{unit.name}.service"): _unit(unit) for unit in units}
    for key in sorted(keys.iterdir()):
        made[described.certificates / key.name] = File(key.read_bytes(), 0o600)
    for subject in KUBECONFIGS:
        text = certificates.kubeconfig(keys, subject, f"https://127.0.0.1:{API_PORT}", described.name)
        made[DATA / f"{subject}.kubeconfig"] = File(text.encode(), 0o600)
    made[CONFIGURATION / "kubelet.json"] = _json(_kubelet(described))
    made[CONFIGURATION / "kube-proxy.json"] = _json(_proxy())
    made[PurePosixPath("/etc/cni/net.d/10-pods.conflist")] = _json(_network())
    made[PurePosixPath("/etc/containerd/config.toml")] = File(_containerd(pause).encode())
    made[PurePosixPath(f"/etc/containerd/certs.d/{REGISTRY}/hosts.toml")] = File(_mirror().encode())
    made[PurePosixPath("/etc/docker/registry/config.yml")] = _json(_registry())
    made[PurePosixPath("/etc/nftables.d/60-kubernetes.nft")] = File(_firewall().encode())
    return made


def services() -> tuple[str, ...]:
    """The units in the order of their start."""
    return (
        "containerd",
        "docker-registry",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
        "kube-proxy",
        "kubelet",
    )


def _unit(component: Component) -> File:
    # With one argument a line a difference between two versions of a unit can be read.
    command = " \\\n  ".join((str(PROGRAMS / component.name), *component.arguments))
    after = {"kube-apiserver": "etcd.service", "kubelet": "containerd.service kube-apiserver.service"}
    order = after.get(
        component.name, "network.target" if component.name == "etcd" else "kube-apiserver.service"
    )
    return File(
        f"""\
[Unit]
Description=Kubernetes of the lab: {component.name}
After={order}
StartLimitIntervalSec=0

[Service]
WorkingDirectory={DATA}
ExecStart={command}
Restart=always
RestartSec=1
# Watches are not worth the minute for which the API server drains them.
TimeoutStopSec=5
LimitNOFILE=infinity

[Install]
WantedBy=multi-user.target
""".encode()
    )


def _kubelet(described: Cluster) -> dict[str, Any]:
    keys = described.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{keys}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{keys}/kubelet-server.key",
        "clusterDNS": [components.DNS_SERVICE],
        "clusterDomain": components.DOMAIN,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        # The node is a container: it shares its kernel's control groups, and may not do all to them.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        # It shares its disk with everything else on the machine, which says nothing about this node.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1Gi",
            "imagefs.available": "1Gi",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
    }


def _proxy() -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": components.PODS,
        "clientConnection": {"kubeconfig": f"{DATA}/kube-proxy.kubeconfig"},
        # The size of the table of connections belongs to the machine's kernel.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "oomScoreAdj": 0,
    }


def _network() -> dict[str, Any]:
    """A routed link per pod: no bridge, so that the host's rules and services hold between pods as well."""
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": components.NODE_PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _containerd(pause: str) -> str:
    return f"""\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # A container may not make its processes less likely to be killed than itself.
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"""


def _mirror() -> str:
    address = f"http://127.0.0.1:{REGISTRY_PORT}"
    return f'server = "{address}"\n\n[host."{address}"]\n  capabilities = ["pull", "resolve"]\n'


def _registry() -> dict[str, Any]:
    return {
        "version": 0.1,
        "storage": {
            "filesystem": {"rootdirectory": "/var/lib/docker-registry"},
            "delete": {"enabled": True},
        },
        "http": {"addr": f":{REGISTRY_PORT}"},
    }


def _firewall() -> str:
    """What a host firewall that drops must let through; it does nothing where there is none."""
    ports = f'tcp dport {{ {REGISTRY_PORT}, {API_PORT}, 10250, 30000-32767 }} accept comment "kubernetes"'
    return f"""\
add rule inet groundwork input_services ip saddr {components.NODE_PODS} accept comment "kubernetes pods"
add rule inet groundwork input_services ip saddr @management_ipv4 {ports}
add rule inet groundwork input_services ip6 saddr @management_ipv6 {ports}
add rule inet groundwork forward_services ip saddr {components.NODE_PODS} accept comment "kubernetes pods"
add rule inet groundwork forward_services ip saddr @management_ipv4 ip daddr {components.NODE_PODS} accept
"""


def _json(document: dict[str, Any]) -> File:
    return File(f"{json.dumps(document, indent=2)}\n".encode())
