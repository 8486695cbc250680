"""Charts from a registry: what a controller without the internet has in place of upstream."""

from __future__ import annotations

import hashlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.addons.world import World

CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry(http.server.ThreadingHTTPServer):
    """The part of an OCI registry that pulling a chart takes. contents: type and bytes by path."""

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.contents: dict[str, tuple[str, bytes]] = {"/v2/": ("application/json", b"{}")}
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)

    def get_request(self) -> tuple[socket.socket, object]:
        """Helm 3.17 speaks without TLS to the machine itself, later ones never do."""
        connection, address = super().get_request()
        if connection.recv(1, socket.MSG_PEEK) == b"\x16":
            connection = self._tls.wrap_socket(connection, server_side=True)
        return connection, address

    def publish(self, name: str, version: str, chart: bytes) -> None:
        config = json.dumps({"name": name, "version": version, "apiVersion": "v2"}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(name, CONFIG, config),
            "layers": [self._blob(name, CHART, chart)],
        }
        content = json.dumps(manifest).encode()
        for tag in (version, digest(content)):
            self.contents[f"/v2/charts/{name}/manifests/{tag}"] = (MANIFEST, content)

    def _blob(self, name: str, kind: str, content: bytes) -> dict[str, object]:
        self.contents[f"/v2/charts/{name}/blobs/{digest(content)}"] = ("application/octet-stream", content)
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}


class Answers(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        kind, content = self.server.contents.get(self.path, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Docker-Content-Digest", digest(content))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815  # named by http.server

    def log_message(self, *_arguments: object) -> None:
        return


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    certificate, key = tmp_path / "registry.crt", tmp_path / "registry.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Registry(certificate, key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_a_chart_comes_from_a_registry_and_has_the_digest_of_its_file(
    world: World, registry: Registry
) -> None:
    world.catalog.addon("one")
    chart = (world.catalog.mirror / "one-1.0.0.tgz").read_bytes()
    world.catalog.lock("one", digest=digest(chart))
    registry.publish("one", "1.0.0", chart)
    mirror = f"oci://127.0.0.1:{registry.server_port}/charts"
    result = world.run("one", charts_mirror=mirror)
    assert not result.get("failed"), result
    assert world.colour("one") == "red"


def test_a_registry_that_lacks_a_chart_is_named(world: World, registry: Registry) -> None:
    world.catalog.addon("one")
    mirror = f"oci://127.0.0.1:{registry.server_port}/charts"
    said = world.refused("one", charts_mirror=mirror)
    assert f"one 1.0.0 has no source: the mirror {mirror}:" in said
    assert "or to an oci:// prefix with one:1.0.0" in said
