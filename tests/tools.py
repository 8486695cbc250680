"""``promtool`` and ``amtool`` for tests of rules and routes: Debian's own, unpacked, no service installed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import paths
from lab.process import CommandError, run
from lab.progress import say, step

# Which of Debian's packages has which program.
PACKAGES = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}


def folder() -> Path:
    """Where those are that the machine itself does not have."""
    return paths.cache() / "tools"


def find(program: str) -> str | None:
    """The program's path, on PATH or in our folder; ``None`` where it is in neither."""
    return shutil.which(program, path=search_path())


def search_path() -> str:
    """PATH with our folder at its end: what the machine has comes first."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(folder())])


def ensure() -> dict[str, str]:
    """Bring what is missing; why a program could not be had, by its name. Tests that need it skip then."""
    return {program: why for program in PACKAGES if find(program) is None and (why := _bring(program))}


def _bring(program: str) -> str:
    """Unpack one program; the reason where that can't be done."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return f"{program} is not on PATH, and there is no apt-get that could bring it"
    package = PACKAGES[program]
    try:
        with step(f"bringing {program} of Debian's {package}"), TemporaryDirectory() as scratch:
            archive = _download(package, Path(scratch))
            run("dpkg-deb", "--extract", str(archive), f"{scratch}/root")
            _keep(Path(scratch) / "root" / "usr" / "bin" / program)
    except (CommandError, OSError) as error:
        return f"{program}: {' '.join(str(error).split())}"
    return ""


def _download(package: str, scratch: Path) -> Path:
    command = ("env", f"--chdir={scratch}", "apt-get", "-qq", "download", package)
    try:
        run(*command)
    except CommandError:
        # A machine that was never asked for packages has no lists of them.
        if os.geteuid() != 0:
            raise
        run("apt-get", "-qq", "update", check=False)
        run(*command)
    (archive,) = scratch.glob(f"{package}_*.deb")
    return archive


def _keep(program: Path) -> None:
    """Put it where tests look, at once: runs side by side never see a half of it."""
    folder().mkdir(mode=0o700, exist_ok=True)
    part = folder() / f".{program.name}.{os.getpid()}"
    shutil.copyfile(program, part)
    part.chmod(0o755)
    part.replace(folder() / program.name)


def main() -> int:
    """``python -m tests.tools``: bring them, and say where they are."""
    missing = ensure()
    for program in PACKAGES:
        print(missing.get(program) or f"{program}: {find(program)}")
    if missing:
        say("tests that need what is missing are skipped")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
