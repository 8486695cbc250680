"""The image of the ban list: a bare Debian with Python, and the program as the role `ipban_agent` ships it.

The system below is built once into the cache by what :data:`PACKAGES` says; the program is a small layer of
its own above it, so that a change of it costs nothing.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lab import paths
from lab.kubernetes.images import Image, archive
from lab.process import run
from lab.progress import step

ROLES = paths.REPOSITORY / "roles"
TREE = ROLES / "ipban_agent" / "templates" / "tree"
LIBRARY = Path("usr/local/lib/groundwork")
CHART = ROLES / "k8s_addons" / "files" / "charts" / "ipban" / "Chart.yaml"
RELEASE = "trixie"
# The database's driver finds its library by asking ldconfig.
PACKAGES = ("base-files", "libc-bin", "python3", "python3-psycopg")
LIBRARIES = 'chroot "$1" /usr/sbin/ldconfig'
# What a program in a container has no use for; a trailing slash stands for a folder.
LEFT_OUT = (
    "dev/",
    "usr/share/",
    "usr/include/",
    "usr/lib/python3.13/test/",
    "usr/lib/python3.13/idlelib/",
    "usr/lib/python3.13/pydoc_data/",
    "usr/lib/python3.13/ensurepip/",
    "var/lib/dpkg/",
    "var/cache/apt/",
    "var/log/",
)
COMMAND = Path("usr/local/sbin/ipban")
# The role's own command is for a shell, which the image has none of.
SCRIPT = f"""\
#!/usr/bin/python3 -EsB
import sys

sys.path.insert(0, "/{LIBRARY}")
from ipban.cli import run_as_program

sys.exit(run_as_program())
"""
# Names for the numbers that pods run as; libpq and tools ask for them.
NAMES = {
    "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nipban:x:65532:65532:ipban:/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nipban:x:65532:\n",
}


@dataclass(frozen=True)
class ProgramImage(Image):
    """A system, and above it a layer with a program; by default it runs as nobody."""

    system: bytes

    @cached_property
    def layers(self) -> tuple[bytes, ...]:
        return (self.system, self.program)

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "Entrypoint": [f"/{COMMAND}"]}


def image() -> Image:
    """The image, its tag the version of the program that the chart asks for."""
    version = str(yaml.safe_load(CHART.read_text())["appVersion"])
    return ProgramImage("ipban", version, _layer(_program()), _system())


def digest() -> str:
    """The hash of all that the image is made from."""
    hashed = hashlib.sha256(_recipe().encode() + CHART.read_bytes())
    for name, (content, mode) in sorted(_program().items()):
        hashed.update(f"{name} {mode} {len(content)}\n".encode() + content)
    return hashed.hexdigest()


def _recipe() -> str:
    return hashlib.sha256("\n".join((RELEASE, *PACKAGES, LIBRARIES, *LEFT_OUT)).encode()).hexdigest()[:12]


def _program() -> dict[str, tuple[bytes, int]]:
    """Content and mode of the program's files by their path."""
    found = {
        str(path.relative_to(TREE)): (path.read_bytes(), 0o644)
        for path in (TREE / LIBRARY / "ipban").rglob("*.py")
    }
    found[str(COMMAND)] = (SCRIPT.encode(), 0o755)
    return {**found, **{name: (text.encode(), 0o644) for name, text in NAMES.items()}}


def _layer(files: dict[str, tuple[bytes, int]]) -> bytes:
    """The same bytes for the same content, so that the layer keeps its digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _system() -> bytes:
    kept = paths.cache() / "kubernetes" / f"ipban-system-{_recipe()}.tar"
    if not kept.exists():
        with (
            step("building the system of the ban list's image"),
            tempfile.TemporaryDirectory(prefix="groundwork-image-") as scratch,
        ):
            whole = Path(scratch) / "rootfs.tar"
            # Unpacked only: nothing in it has to be configured for a single program.
            run(
                "mmdebstrap",
                "--variant=extract",
                f"--include={','.join(PACKAGES)}",
                f"--extract-hook={LIBRARIES}",
                RELEASE,
                str(whole),
            )
            slim = kept.with_suffix(".new")
            _slim(whole, slim)
            slim.replace(kept)
        for other in kept.parent.glob("ipban-system-*"):
            if other != kept:
                other.unlink()
    return kept.read_bytes()


def _slim(whole: Path, target: Path) -> None:
    with tarfile.open(whole) as given, tarfile.open(target, "w") as taken:
        for member in given:
            name = member.name.removeprefix("./")
            if not any(f"{name}/".startswith(left) for left in LEFT_OUT):
                taken.addfile(member, given.extractfile(member) if member.isreg() else None)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(archive(image()))
