"""A person's machine on which WireGuard's tools are played: what they were told, and what they answer."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "roles/wireguard/files/groundwork-vpn"

# Everything that the script may use of a bare system; what is not here and not played is missing.
SYSTEM = (
    "sh env awk sed grep tr sort head cat ls ln mv rm chmod mkdir mktemp basename date sleep base64 touch"
)

FAKES = {
    "wg": """
case $1 in
  genkey) head -c 32 /dev/urandom | base64 ;;
  pubkey) python3 -c '
import base64, hashlib, sys
key = sys.stdin.read().strip()
if len(base64.b64decode(key)) != 32: sys.exit(1)
print(base64.b64encode(hashlib.sha256(key.encode()).digest()).decode())' ;;
  show)
    [ -e "$STATE/up/$2" ] || exit 1
    case $3 in
      latest-handshakes) echo "peer $(cat "$STATE/answered" 2>/dev/null || echo 0)" ;;
      transfer) echo "peer 1500000 250000" ;;
      listen-port) echo 47011 ;;
      fwmark) echo 0xca6c ;;
    esac ;;
  syncconf) cat "$3" >"$STATE/synced-$2" ;;
esac""",
    "wg-quick": """
name=${2##*/}; name=${name%.conf}
echo "$1 $name" >>"$STATE/quick"
case $1 in
  up)
    [ ! -e "$STATE/broken" ] || { echo "Name or service not known"; exit 1; }
    [ -z "$UTUN" ] || echo "$UTUN" >"$STATE/$name.name"
    touch "$STATE/up/${UTUN:-$name}"
    [ ! -e "$STATE/silent-$name" ] || : >"$STATE/answered"
    [ -e "$STATE/silent-$name" ] || date +%s >"$STATE/answered" ;;
  down) rm "$STATE/up/${UTUN:-$name}"; rm -f "$STATE/$name.name" ;;
  strip) grep -Ev '^(Address|DNS|MTU)' "$2" ;;
esac""",
    "ip": """
case "$1 $2" in
  "link show") [ -e "$STATE/up/$4" ] ;;
  "link add") [ -e "$STATE/kernel" ] ;;
esac""",
    "id": "echo ${FAKE_ID:-1000}",
    "uname": "echo $FAKE_SYSTEM",
    # Where macOS keeps the names of interfaces is nobody's to move, but root's to read.
    "sudo": """
echo "$@" >>"$STATE/sudo"
case "$2 $3" in "cat /var/run/wireguard/"*) exec cat "$STATE/${3##*/}" ;; *) exec "$@" ;; esac""",
    "resolvconf": "true",
    "wireguard-go": "true",
}


@dataclass(frozen=True)
class Machine:
    """A home, a folder for tunnels, and tools; ``shell`` runs the script."""

    folder: Path
    shell: tuple[str, ...]
    system: str = "Linux"

    @property
    def own(self) -> Path:
        return self.folder / "home/.config/groundwork-vpn"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def tunnel(self, name: str) -> Path:
        return self.folder / "etc/wireguard" / f"{name}.conf"

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The script with these words, and a umask that would let everybody read."""
        return subprocess.run(
            [*self.shell, str(SCRIPT), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            umask=0o022,
            env={
                "PATH": str(self.folder / "bin"),
                "HOME": str(self.folder / "home"),
                "STATE": str(self.state),
                "UTUN": "utun7" if self.system == "Darwin" else "",
                "FAKE_SYSTEM": self.system,
                "GROUNDWORK_VPN_TUNNELS": str(self.folder / "etc/wireguard"),
                **environment,
            },
        )

    def does(self, *words: str, **environment: str) -> str:
        """What it prints for programs; fails the test when it fails."""
        done = self.run(*words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def refuses(self, *words: str, **environment: str) -> str:
        """What it says when it does not do something."""
        done = self.run(*words, **environment)
        assert done.returncode != 0, done.stdout + done.stderr
        return done.stderr

    def without(self, *programs: str) -> None:
        for program in programs:
            (self.folder / "bin" / program).unlink()

    def given(self, name: str = "dev-gate.conf", **parts: str) -> Path:
        """A configuration as it comes back; parts take the place of what is usually in it."""
        path = self.folder / name
        path.write_text(configuration(**parts))
        return path

    def quick(self) -> list[str]:
        """What wg-quick was told since the last time."""
        path = self.state / "quick"
        told = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return told


def make(folder: Path, shell: tuple[str, ...], system: str = "Linux") -> Machine:
    """A machine with all tools."""
    for name in ("bin", "home", "state/up", "etc"):
        (folder / name).mkdir(parents=True)
    for program in (*SYSTEM.split(), "python3"):
        for place in os.environ["PATH"].split(":"):
            if (found := Path(place) / program).exists():
                (folder / "bin" / program).symlink_to(found.resolve() if program != "python3" else found)
                break
    for program, body in FAKES.items():
        path = folder / "bin" / program
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return Machine(folder, shell, system)


def public_of(private: str) -> str:
    return base64.b64encode(hashlib.sha256(private.strip().encode()).digest()).decode()


def key(seed: str) -> str:
    """A key that is always the same for a word."""
    return base64.b64encode(hashlib.sha256(seed.encode()).digest()).decode()


def configuration(
    hub: str = "gate",
    comment: str = "# PrivateKey = PRIVATE_KEY",
    interface: str = "",
    allowed: str = "10.80.0.0/23, 192.0.2.0/24",
    keepalive: str = "PersistentKeepalive = 25",
    addresses: str = "10.80.0.17/32, fd42:80::11/128",
) -> str:
    return f"""# anna-laptop (anna): the VPN into dev through the hub {hub}
[Interface]
{comment}
Address = {addresses}
DNS = 10.80.0.1, dev.example.com
MTU = 1420
{interface}
[Peer]
PublicKey = {key(hub)}
PresharedKey = {key("preshared" + hub)}
Endpoint = {hub}.example.com:51820
AllowedIPs = {allowed}
{keepalive}
"""


def ago(seconds: int) -> str:
    return str(int(time.time()) - seconds)
