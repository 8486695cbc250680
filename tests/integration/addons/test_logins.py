"""Kubeconfigs as people have them: a login by a program, logins that are over, contexts that are switched."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.addons.world import World

EXEC = "client.authentication.k8s.io/v1"


def with_user(world: World, folder: Path, user: dict[str, Any]) -> str:
    """A kubeconfig of the engine's cluster with another login."""
    config = yaml.safe_load(world.kubeconfig.read_text())
    config["users"][0]["user"] = user
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return str(path)


def token(world: World) -> str:
    return str(yaml.safe_load(world.kubeconfig.read_text())["users"][0]["user"]["token"])


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def plugin(folder: Path, text: str) -> dict[str, Any]:
    """A login by a program; it notes in ``asked`` how often it was asked."""
    command = program(folder / "login", f"echo >>{folder}/asked\n{text}")
    return {"exec": {"apiVersion": EXEC, "command": command, "interactiveMode": "Never"}}


def credential(given: str, expires: str = "2099-01-01T00:00:00Z") -> str:
    status = {"token": given, "expirationTimestamp": expires}
    return json.dumps({"apiVersion": EXEC, "kind": "ExecCredential", "status": status})


def test_a_login_by_a_program_serves_the_engine_and_helm(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    user = plugin(tmp_path, f"echo '{credential(token(world))}'")
    result = world.run("one", kubeconfig=with_user(world, tmp_path, user))
    assert not result.get("failed"), result
    assert world.colour("one") == "red"
    asked = tmp_path / "asked"
    asked.write_text("")
    again = world.run("one", kubeconfig=with_user(world, tmp_path, user))
    assert (again["stats"]["calls"], again["stats"]["processes"]) == (2, 0)
    assert len(asked.read_text().splitlines()) == 1


def test_a_login_that_ends_while_a_run_goes_on_is_asked_for_again(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    over = credential("over", "2026-01-01T00:00:00Z")
    user = plugin(
        tmp_path,
        f"[ $(wc -l <{tmp_path}/asked) = 1 ] && echo '{over}' || echo '{credential(token(world))}'",
    )
    result = world.run("one", kubeconfig=with_user(world, tmp_path, user))
    assert not result.get("failed"), result
    assert world.colour("one") == "red"


@pytest.mark.parametrize("text", ["echo 'the session is over: log in again' >&2; exit 1", "echo nothing"])
def test_a_program_that_gives_no_login_is_named_with_its_words(
    world: World, tmp_path: Path, text: str
) -> None:
    world.catalog.addon("one")
    said = world.refused("one", kubeconfig=with_user(world, tmp_path, plugin(tmp_path, text)))
    assert f"k8s_addons_kubeconfig is {tmp_path}/kubeconfig: its login of the context" in said
    assert ("log in again" if "exit 1" in text else "failed to decode process output") in said


def test_a_client_certificate_that_has_expired(world: World, tmp_path: Path) -> None:
    """Signed by the cluster's own authority, for somebody who may everything, until yesterday."""
    world.catalog.addon("one")
    folder = world.admin.parent / "certificates"
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [(NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "late")]
    now = datetime.datetime.now(datetime.timezone.utc)

    def login(ends: datetime.datetime) -> dict[str, str]:
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(kind, value) for kind, value in names]))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(ends)
            .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "client-certificate-data": base64.b64encode(
                certificate.public_bytes(serialization.Encoding.PEM)
            ).decode(),
            "client-key-data": base64.b64encode(pem).decode(),
        }

    day = datetime.timedelta(days=1)
    said = world.refused("one", kubeconfig=with_user(world, tmp_path, login(now - day)))
    assert "engine refuses the login of the kubeconfig (401): it has expired" in said
    assert not world.run("one", kubeconfig=with_user(world, tmp_path, login(now + day))).get("failed")


def test_all_goes_to_the_cluster_that_the_run_began_with(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current context is switched under the run, and the environment names another one for Helm."""
    world.catalog.addon("one")
    config = yaml.safe_load(world.kubeconfig.read_text())
    away = {"name": "away", "cluster": {**config["clusters"][0]["cluster"], "server": "https://127.0.0.1:9"}}
    user = config["users"][0]["name"]
    config["clusters"].append(away)
    config["contexts"].append({"name": "away", "context": {"cluster": "away", "user": user}})
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    (tmp_path / "switched").write_text(yaml.safe_dump({**config, "current-context": "away"}))
    helm = program(tmp_path / "helm", f'cp {tmp_path}/switched {path}\nexec "{world.helm}" "$@"')
    for key, value in (("CONTEXT", "away"), ("TOKEN", "none"), ("APISERVER", "https://127.0.0.1:9")):
        monkeypatch.setenv(f"HELM_KUBE{key}", value)
    monkeypatch.setenv("HELM_DRIVER", "configmap")
    monkeypatch.setenv("HELM_NAMESPACE", "default")
    result = world.run("one", kubeconfig=str(path), helm=helm)
    assert not result.get("failed"), result
    assert (world.colour("one"), world.revisions("one")) == ("red", [(1, "deployed")])
