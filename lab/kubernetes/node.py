"""The real node: a lab host that runs the control plane, containerd, a kubelet, kube-proxy and a registry."""

from __future__ import annotations

import base64
import hashlib
import io
import shlex
import string
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lab import hosts, paths
from lab.kubernetes import (
    build,
    capacity,
    certificates,
    client,
    components,
    images,
    ipban_image,
    node_files,
)
from lab.kubernetes.images import Image
from lab.kubernetes.node_files import DATA, PROGRAMS, File
from lab.process import CommandError, run
from lab.progress import step
from lab.topology import Cluster, Host

MANIFESTS = Path(__file__).parent / "manifests"
SCRIPTS = Path(__file__).parent / "scripts"
MARK = DATA / "made-from"


def up(cluster: Cluster) -> bool:
    """Bring the cluster to what this checkout describes; whether anything had to be done."""
    build.build()
    host = cluster.host
    kubeconfig = paths.kubeconfig(host.network.name)
    keys = _keys(host)
    files = _describe(host, keys)
    digest = _digest(files)
    if _ask(host) == [digest, "active"] and kubeconfig.exists() and client.is_ready(kubeconfig):
        return False
    with step(f"installing what Kubernetes needs on {host.name}"):
        _script(host, "install.sh", *node_files.PACKAGES)
    with step(f"starting Kubernetes on {host.name}"):
        _bring_programs(host)
        _script(host, "lay_down.sh", *node_files.services(), stdin=_packed(files))
        text = certificates.kubeconfig(
            keys, "admin", node_files.cluster(host.name, host.address).server, "lab"
        )
        kubeconfig.parent.mkdir(mode=0o700, exist_ok=True)
        certificates.write_private(kubeconfig, text)
        client.wait_until_ready(kubeconfig, lambda: None)
    with step("bringing the cluster's images"):
        for image in images.of_cluster().values():
            _import(host, image)
        for image in (*images.of_registry(), ipban_image.image()):
            images.push(image, f"http://{host.address}:{node_files.REGISTRY_PORT}")
    with step("waiting for the nodes and the cluster's DNS"):
        _apply_manifests(kubeconfig)
        capacity.ensure(kubeconfig, cluster.capacity_nodes, tainted=True)
        client.kubectl(kubeconfig, "wait", f"node/{host.name}", "--for=condition=Ready", "--timeout=90s")
        client.kubectl(
            kubeconfig, "rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=90s"
        )
    _shell(host, 'printf "%s\\n" "$1" > "$2"', digest, str(MARK))
    return True


def down(cluster: Cluster) -> None:
    """Remove the cluster from its host, with everything that it held."""
    host = cluster.host
    with step(f"removing Kubernetes from {host.name}"):
        own = (".service", ".nft", ".conflist")
        doomed = [path for path in _describe(host, _keys(host)) if path.suffix in own]
        _script(host, "remove.sh", *map(str, (*doomed, DATA, node_files.CONFIGURATION, PROGRAMS)))
    forget(cluster)


def forget(cluster: Cluster) -> None:
    """Remove what lies on this machine for a cluster that is gone with its host."""
    paths.kubeconfig(cluster.host.network.name).unlink(missing_ok=True)


def _import(host: Host, image: Image) -> None:
    """Put an image into the node's own store, where a pod finds it without a registry."""
    with tempfile.NamedTemporaryFile(dir=paths.cache(), suffix=".tar") as packed:
        packed.write(images.archive(image))
        packed.flush()
        target = PurePosixPath("/var/lib/containerd", Path(packed.name).name)
        _copy(host, Path(packed.name), target)
        _shell(host, 'ctr --namespace k8s.io images import "$1" && rm "$1"', str(target))


def describe(cluster: Cluster) -> str:
    """What stands, as the API tells it."""
    kubeconfig = paths.kubeconfig(cluster.host.network.name)
    if not kubeconfig.exists() or not client.is_ready(kubeconfig):
        return "Kubernetes: not up, or its API does not answer"
    ready = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    nodes = client.kubectl(kubeconfig, "get", "nodes", f"--output=jsonpath={ready}").split()
    pods = client.kubectl(
        kubeconfig, "get", "pods", "--all-namespaces", "--output=jsonpath={.items[*].status.phase}"
    ).split()
    return (
        f"Kubernetes {build.version()}: {nodes.count('True')} of {len(nodes)} nodes ready, "
        f"{pods.count('Running')} of {len(pods)} pods running, network policies not enforced"
    )


def _keys(host: Host) -> Path:
    keys = paths.cache() / "kubernetes" / "certificates" / host.container
    certificates.ensure(keys, node_files.subjects(host.name, host.address, host.address6))
    return keys


def _describe(host: Host, keys: Path) -> dict[PurePosixPath, File]:
    pause = images.of_cluster()["pause"].reference
    described = node_files.files(host.name, host.address, keys, pause)
    described[PROGRAMS / "stages.yaml"] = File(build.program("stages.yaml").read_bytes())
    return described


def _digest(files: Mapping[PurePosixPath, File]) -> str:
    hashed = hashlib.sha256((build.digest() + ipban_image.digest()).encode())
    for path, file in sorted(files.items()):
        hashed.update(f"{path} {file.mode} {len(file.content)}\n".encode() + file.content)
    for manifest in sorted(MANIFESTS.iterdir()):
        hashed.update(manifest.read_bytes())
    return hashed.hexdigest()


def _ask(host: Host) -> list[str]:
    return _script(host, "ask.sh", str(MARK), *node_files.services()).split()


def _bring_programs(host: Host) -> None:
    """The components are one file; what runs from it keeps the old one until it is started anew."""
    wanted = build.folder().resolve().name
    mark = PROGRAMS / ".made-from"
    if _shell(host, 'cat "$1" 2>/dev/null || true', str(mark)).strip() == wanted:
        return
    _shell(host, 'mkdir -p "$1" && rm -f "$1/kubernetes"', str(PROGRAMS))
    _copy(host, build.program("kubernetes"), PROGRAMS / "kubernetes")
    _script(host, "link.sh", str(PROGRAMS), wanted, *build.COMPONENTS)


def _packed(files: Mapping[PurePosixPath, File]) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(str(path.relative_to("/")))
            entry.size, entry.mode = len(file.content), file.mode
            tar.addfile(entry, io.BytesIO(file.content))
    return base64.b64encode(packed.getvalue()).decode()


def _apply_manifests(kubeconfig: Path) -> None:
    values = {
        "domain": components.DOMAIN,
        "image": images.of_cluster()["coredns"].reference,
        "address": components.DNS_SERVICE,
        "registry": node_files.REGISTRY,
    }
    for manifest in sorted(MANIFESTS.iterdir()):
        client.apply_file(kubeconfig, string.Template(manifest.read_text()).substitute(values))


def _script(host: Host, name: str, *arguments: str, stdin: str | None = None) -> str:
    """Run one of our scripts on the host; keys go through its standard input, never through arguments."""
    return _shell(host, (SCRIPTS / name).read_text(), *arguments, stdin=stdin)


def _shell(host: Host, script: str, *arguments: str, stdin: str | None = None) -> str:
    # Not through podman: where control groups are hybrid it finds no way into a container any more as soon
    # as another one has been stopped.
    command = (*hosts.ssh_command(host), shlex.join(("sh", "-c", script, "sh", *arguments)))
    try:
        return run(*command, stdin=stdin).stdout
    except CommandError as error:
        said = str(error).rpartition("exit code")[2]
        raise CommandError(f"{host.name}: a step of bringing up Kubernetes failed, exit code{said}") from None


def _copy(host: Host, file: Path, target: PurePosixPath) -> None:
    config = str(paths.ssh_config(host.network.name))
    run("scp", "-q", "-F", config, str(file), f"{host.name}:{target}")
