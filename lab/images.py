"""Host images: a minimal Debian that boots systemd and answers SSH, built by mmdebstrap in half a minute."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.process import podman, run
from lab.progress import step

REPOSITORY = "localhost/groundwork-host"

RELEASES = {"debian12": "bookworm", "debian13": "trixie"}

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "iproute2",
    "sudo",
    "ca-certificates",
    "procps",
    "openssh-server",
)

# Host keys belong to a host, not to an image: they are made at its first boot.
# systemd-modules-load fails where there is no /lib/modules and would leave the host "degraded".
CUSTOMISE = """\
set -eu
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id "$1"/etc/hostname
touch "$1"/etc/machine-id
mkdir -p "$1"/etc/systemd/system/ssh.service.d
printf '[Service]\\nExecStartPre=\\nExecStartPre=/usr/bin/ssh-keygen -A\\nExecStartPre=/usr/sbin/sshd -t\\n' \
  > "$1"/etc/systemd/system/ssh.service.d/lab-host-keys.conf
ln -sf /dev/null "$1"/etc/systemd/system/systemd-modules-load.service
ln -sf /dev/null "$1"/etc/systemd/system/systemd-networkd-wait-online.service
"""


def reference(image: str) -> str:
    """The image's full name; its tag follows the recipe, so that a changed recipe builds anew."""
    if image not in RELEASES:
        raise ValueError(f"lab_image is {image}: must be one of {', '.join(RELEASES)}")
    recipe = hashlib.sha256("\n".join((RELEASES[image], *PACKAGES, CUSTOMISE)).encode()).hexdigest()
    return f"{REPOSITORY}:{image}-{recipe[:12]}"


def build(images: Iterable[str]) -> None:
    """Build those that are missing, side by side."""
    missing = [image for image in sorted(set(images)) if not exists(image)]
    if not missing:
        return
    with step(f"building host images {', '.join(missing)}"), ThreadPoolExecutor() as pool:
        list(pool.map(_build, missing))


def exists(image: str) -> bool:
    return podman("image", "exists", reference(image), check=False).returncode == 0


def remove_all() -> None:
    """Remove every image that the lab ever built."""
    found = podman("image", "ls", "--quiet", "--filter", f"reference={REPOSITORY}").stdout.split()
    if found:
        podman("image", "rm", "--force", *sorted(set(found)))


def _build(image: str) -> None:
    with tempfile.TemporaryDirectory(prefix="groundwork-image-") as scratch:
        archive = Path(scratch) / "rootfs.tar"
        hook = Path(scratch) / "customise"
        hook.write_text(CUSTOMISE)
        run(
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            f'--customize-hook=sh {hook} "$1"',
            RELEASES[image],
            str(archive),
        )
        podman("import", "--quiet", str(archive), reference(image))
