"""The lab's own way to a cluster's API: kubectl for objects, a plain request for its readiness."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.kubernetes import build
from lab.process import CommandError, run

READY_SECONDS = 120.0


def kubectl(
    kubeconfig: Path, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 120
) -> str:
    """What kubectl prints."""
    command = [str(build.program("kubectl")), f"--kubeconfig={kubeconfig}", *arguments]
    return run(*command, stdin=stdin, check=check, timeout=timeout).stdout


def apply(kubeconfig: Path, objects: Sequence[Mapping[str, Any]]) -> None:
    """Bring objects to what is given, and leave alone what others set on them."""
    apply_file(kubeconfig, json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def apply_file(kubeconfig: Path, text: str) -> None:
    """The same for a manifest as text."""
    kubectl(
        kubeconfig,
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=groundwork-lab",
        "--filename=-",
        stdin=text,
    )


def is_ready(kubeconfig: Path) -> bool:
    """Whether the API server answers that it is ready."""
    try:
        server, context = _open(kubeconfig)
        with urllib.request.urlopen(f"{server}/readyz", context=context, timeout=2) as answer:  # noqa: S310  # https
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def wait_until_ready(kubeconfig: Path, ended: Callable[[], str | None]) -> None:
    """Wait for the API; ``ended`` tells what went wrong as soon as a component has ended."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(kubeconfig):
        reason = ended()
        if reason is None and time.monotonic() > deadline:
            reason = f"the API of {kubeconfig} is not ready after {READY_SECONDS:.0f} s"
        if reason is not None:
            raise CommandError(reason)
        time.sleep(0.1)


def _open(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    document = json.loads(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    # The library reads a certificate and its key from a file only; this one is private and gone at once.
    with tempfile.NamedTemporaryFile() as pair:
        for key in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[key]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return cluster["server"], context
