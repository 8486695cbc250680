"""Make, start and remove the hosts of a topology. ``./run lab`` and molecule both come through here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import resource
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import images, paths
from lab.process import podman, run
from lab.progress import step
from lab.topology import Host, Network, Topology

LABEL = "groundwork.digest"

# The default of 128 is for one machine: each booted host takes ten, and each tunnel in user space one.
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 1024

# One process for all that a fresh host needs before SSH: wait for the boot, let the lab's key in,
# and hand out the host key over a channel that nobody can stand in the middle of.
AUTHORISE = """\
for attempt in $(seq 300); do
  case $(systemctl is-system-running --wait 2>/dev/null) in running|degraded) break ;; esac
  sleep 0.1
done
install -d -m 0700 /root/.ssh
cat > /root/.ssh/authorized_keys
chmod 0600 /root/.ssh/authorized_keys
cat /etc/ssh/ssh_host_ed25519_key.pub
"""

# Where control groups are hybrid, podman lays the machine's own tree for systemd over that of the container.
# All hosts would write into it, and each one that stops would clear away what the others are found by.
INIT = "umount --recursive /sys/fs/cgroup/systemd 2>/dev/null; exec /sbin/init"


@dataclass(frozen=True)
class State:
    """What podman knows of one container: the digest it was made from, and whether it runs."""

    digest: str
    running: bool


def create(topology: Topology) -> list[str]:
    """Bring every host of the topology up; the names of those that had to be made or started."""
    with _alone("create"):
        images.build(host.image for host in topology.hosts)
        _ensure_key()
        for network in topology.networks:
            _ensure_network(network)
    actual = states()
    known = {line.split(" ", 1)[0] for line in _known_hosts_lines()}
    for network in topology.networks:
        _write_ssh_config(network, topology)
    stale = [
        host
        for host in topology.hosts
        if actual.get(host.container) != State(host.digest, True) or host.address not in known
    ]
    if stale:
        _let_hosts_watch_files()
        with step(f"booting {', '.join(host.name for host in stale)}"), ThreadPoolExecutor() as pool:
            keys = list(pool.map(lambda host: _boot(host, actual.get(host.container)), stale))
        _remember(stale, keys)
        _forget_facts(stale)
    return [host.name for host in stale]


def _let_hosts_watch_files() -> None:
    """Until the machine's next boot. Where that is not allowed, a few hosts still fit."""
    with contextlib.suppress(OSError):
        if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
            INOTIFY.write_text(f"{INOTIFY_INSTANCES}\n")


def destroy(topology: Topology) -> None:
    """Remove the topology's hosts with their volumes, and its networks."""
    actual = states()
    doomed = [host.container for host in topology.hosts if host.container in actual]
    if doomed:
        with step(f"removing {', '.join(doomed)}"):
            podman("rm", "--force", "--volumes", "--time", "1", *doomed)
    for network in topology.networks:
        podman("network", "rm", "--force", network.name, check=False)
        paths.ssh_config(network.name).unlink(missing_ok=True)
    _forget(topology.hosts)


def states() -> dict[str, State]:
    """All lab containers by name."""
    listed = json.loads(
        podman("ps", "--all", "--filter", f"label={LABEL}", "--format", "json").stdout or "[]"
    )
    return {entry["Names"][0]: State(entry["Labels"][LABEL], entry["State"] == "running") for entry in listed}


def ssh_command(host: Host) -> list[str]:
    """The command line that opens a session on ``host``."""
    return ["ssh", "-F", str(paths.ssh_config(host.network.name)), host.name]


def _boot(host: Host, state: State | None) -> str:
    if state is not None and state.digest == host.digest:
        podman("start", host.container)
    else:
        if state is not None:
            podman("rm", "--force", "--volumes", "--time", "1", host.container)
        _run(host)
    public_key = paths.private_key().with_suffix(".pub").read_text()
    return podman("exec", "--interactive", host.container, "sh", "-c", AUTHORISE, stdin=public_key).stdout


def _run(host: Host) -> None:
    # Podman's own default ulimits lie above what an unprivileged kernel lets it set.
    _, nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
    podman(
        "run",
        "--detach",
        "--name",
        host.container,
        "--hostname",
        host.name,
        "--label",
        f"{LABEL}={host.digest}",
        "--systemd=always",
        "--cgroupns=private",
        "--privileged",
        # A reboot from inside the host stops the container: this turns it into a real reboot.
        "--restart=always",
        f"--ulimit=nofile={nofile}:{nofile}",
        "--ulimit=nproc=4096:4096",
        f"--network={host.network.name}",
        f"--ip={host.address}",
        f"--ip6={host.address6}",
        *(f"--volume={volume}" for volume in host.volumes),
        images.reference(host.image),
        "/bin/sh",
        "-c",
        INIT,
    )


def _ensure_network(network: Network) -> None:
    if podman("network", "exists", network.name, check=False).returncode != 0:
        podman(
            "network",
            "create",
            "--ipv6",
            "--subnet",
            network.subnet,
            "--subnet",
            network.subnet6,
            network.name,
        )


def _write_ssh_config(network: Network, topology: Topology) -> None:
    entries = [
        f"Host {host.name}\n  HostName {host.address}\n" for host in topology.hosts if host.network == network
    ]
    shared = (
        "Host *\n  User root\n"
        f"  IdentityFile {paths.private_key()}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {paths.known_hosts()}\n  StrictHostKeyChecking yes\n"
        "  ServerAliveInterval 5\n  ServerAliveCountMax 3\n  ConnectTimeout 5\n"
    )
    paths.ssh_config(network.name).write_text("\n".join([*entries, shared]))


def _ensure_key() -> None:
    key = paths.private_key()
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "groundwork lab", "-f", str(key))


def _remember(hosts: Iterable[Host], keys: Iterable[str]) -> None:
    fresh = {}
    for host, key in zip(hosts, keys):
        kind, value, *_ = key.split()
        fresh.update(dict.fromkeys((host.address, host.address6), f"{kind} {value}"))
    _edit_known_hosts(fresh, set(fresh))


def _forget(hosts: Iterable[Host]) -> None:
    _edit_known_hosts({}, {address for host in hosts for address in (host.address, host.address6)})


def _edit_known_hosts(add: dict[str, str], drop: set[str]) -> None:
    path = paths.known_hosts()
    with _alone("known_hosts"):
        kept = [line for line in _known_hosts_lines() if line.split(" ", 1)[0] not in drop]
        path.write_text("".join(f"{line}\n" for line in [*kept, *(f"{a} {k}" for a, k in add.items())]))


@contextlib.contextmanager
def _alone(what: str) -> Iterator[None]:
    """Two topologies may come up at the same time: tests run side by side."""
    with (paths.cache() / f"lab_{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _known_hosts_lines() -> list[str]:
    path = paths.known_hosts()
    return path.read_text().splitlines() if path.exists() else []


def _forget_facts(hosts: Iterable[Host]) -> None:
    # A host that was made anew may be of another release than the one whose facts are in the cache.
    for host in hosts:
        for cached in paths.facts().glob(f"*{host.name}"):
            cached.unlink()
