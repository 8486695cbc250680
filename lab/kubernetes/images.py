"""Images of one static program each: an archive for a node's own store, or pushed to a registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

from lab.kubernetes import build
from lab.kubernetes.node_files import REGISTRY
from lab.process import CommandError

# Nobody's: an image of ours never runs as root unless a pod asks for it.
USER = 65532
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# What the chart of the web application that this project writes asks for.
WEB = "1.0.0"


@dataclass(frozen=True)
class Image:
    """An image ``name:tag`` whose only file is ``/name``, the program that it starts."""

    name: str
    tag: str
    program: bytes

    @property
    def reference(self) -> str:
        """What pods call it."""
        return f"{REGISTRY}/{self.name}:{self.tag}"

    @cached_property
    def layers(self) -> tuple[bytes, ...]:
        return (tar({self.name: self.program}),)

    @property
    def settings(self) -> dict[str, Any]:
        """How a container of it is started."""
        return {"Entrypoint": [f"/{self.name}"], "User": f"{USER}:{USER}", "WorkingDir": "/"}

    @cached_property
    def configuration(self) -> bytes:
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": self.settings,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in self.layers]},
            "history": [
                {"created": "1970-01-01T00:00:00Z", "created_by": "groundwork lab"} for _layer in self.layers
            ],
        }
        return json.dumps(document).encode()


def of_cluster() -> dict[str, Image]:
    """What a cluster needs before it has a registry; a tag follows what is in its image."""
    found = {}
    for name in ("coredns", "pause"):
        program = build.program(name).read_bytes()
        found[name] = Image(name, hashlib.sha256(program).hexdigest()[:12], program)
    return found


def of_registry() -> tuple[Image, ...]:
    """What pods pull."""
    return (Image("web", WEB, build.program("web").read_bytes()),)


def archive(image: Image) -> bytes:
    """The image as a file that ``podman load`` and ``ctr images import`` read."""
    name = f"{hashlib.sha256(image.configuration).hexdigest()}.json"
    layers = {f"layer{index or ''}.tar": layer for index, layer in enumerate(image.layers)}
    manifest = [{"Config": name, "RepoTags": [image.reference], "Layers": list(layers)}]
    files = {"manifest.json": json.dumps(manifest).encode(), name: image.configuration}
    return tar({**files, **layers})


def push(image: Image, registry: str) -> None:
    """Put the image into the registry at ``registry`` (a URL); what it has already is not sent again."""
    base = f"{registry}/v2/{image.name}"
    described = []
    for kind, content in ((CONFIGURATION, image.configuration), *((LAYER, layer) for layer in image.layers)):
        digest = _digest(content)
        described.append({"mediaType": kind, "size": len(content), "digest": digest})
        if _request("HEAD", f"{base}/blobs/{digest}", missing=True)[0] == HTTPStatus.NOT_FOUND:
            _, location = _request("POST", f"{base}/blobs/uploads/")
            joint = "&" if "?" in location else "?"
            _request("PUT", f"{location}{joint}digest={digest}", content, "application/octet-stream")
    configuration, *layers = described
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": layers}
    _request("PUT", f"{base}/manifests/{image.tag}", json.dumps(manifest).encode(), MANIFEST)


def _request(
    method: str, url: str, content: bytes | None = None, kind: str = "", missing: bool = False
) -> tuple[int, str]:
    """The status, and where the answer points to."""
    headers = {"Content-Type": kind} if kind else {}
    asked = urllib.request.Request(url, content, headers, method=method)  # noqa: S310  # because it is the lab's own registry
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310  # because it is the request above
            return answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        if missing and error.code == HTTPStatus.NOT_FOUND:
            return error.code, ""
        raise CommandError(
            f"{method} {url}: {error.code} {error.read(200).decode(errors='replace')}"
        ) from error
    except OSError as error:
        raise CommandError(f"{method} {url}: {error}") from error


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same content, so that an image keeps its digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
