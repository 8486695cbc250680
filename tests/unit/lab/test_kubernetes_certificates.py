"""The keys of a lab cluster: private, made once, and made anew when names or authority change."""

from __future__ import annotations

import datetime
import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from lab.kubernetes import certificates
from lab.kubernetes.certificates import Subject

SERVER = Subject("apiserver", "kube-apiserver", serves=("localhost", "127.0.0.1"))
ADMIN = Subject("admin", "lab-admin", ("system:masters",))
FRONT = Subject("front-proxy", "front-proxy-client", authority="front-proxy-ca")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_all_are_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert certificates.ensure(tmp_path / "keys", [SERVER, ADMIN, FRONT])
    files = sorted((tmp_path / "keys").iterdir())
    names = ("admin", "apiserver", "ca", "front-proxy", "front-proxy-ca")
    expected = [f"{name}.{kind}" for name in names for kind in ("crt", "key")]
    assert [file.name for file in files] == sorted(
        [*expected, "service-accounts.key", "service-accounts.pub"]
    )
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, [SERVER, ADMIN, FRONT])
    before = contents(tmp_path)
    assert not certificates.ensure(tmp_path, [SERVER, ADMIN, FRONT])
    assert contents(tmp_path) == before


def test_another_name_makes_only_that_certificate_anew(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, [SERVER, ADMIN])
    before = contents(tmp_path)
    assert certificates.ensure(
        tmp_path, [Subject("apiserver", "kube-apiserver", serves=("10.0.0.1",)), ADMIN]
    )
    changed = {name for name, content in contents(tmp_path).items() if before[name] != content}
    assert changed == {"apiserver.crt", "apiserver.key"}


def test_a_new_authority_makes_all_anew_that_it_signed(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, [SERVER, ADMIN, FRONT])
    before = contents(tmp_path)
    (tmp_path / "ca.crt").unlink()
    certificates.ensure(tmp_path, [SERVER, ADMIN, FRONT])
    same = {name for name, content in contents(tmp_path).items() if before.get(name) == content}
    assert same == {
        *(f"{name}.{kind}" for name in ("front-proxy", "front-proxy-ca") for kind in ("crt", "key")),
        "service-accounts.key",
        "service-accounts.pub",
    }


def test_one_that_is_near_its_end_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates.ensure(tmp_path, [ADMIN])
    monkeypatch.setattr(certificates, "RENEW", certificates.VALID - datetime.timedelta(minutes=1))
    assert not certificates.ensure(tmp_path, [ADMIN])
    monkeypatch.setattr(certificates, "RENEW", certificates.VALID + datetime.timedelta(minutes=1))
    assert certificates.ensure(tmp_path, [ADMIN])


def test_who_they_say_they_are(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, [ADMIN, SERVER])
    admin = x509.load_pem_x509_certificate((tmp_path / "admin.crt").read_bytes())
    assert admin.subject.rfc4514_string() == "CN=lab-admin,O=system:masters"
    usage = admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    server = x509.load_pem_x509_certificate((tmp_path / "apiserver.crt").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    # What a client of the API server does with it.
    ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))


def test_a_kubeconfig_holds_all_that_it_takes(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, [ADMIN])
    document = json.loads(certificates.kubeconfig(tmp_path, "admin", "https://127.0.0.1:6443", "lab"))
    assert document["current-context"] == "lab"
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert set(document["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
