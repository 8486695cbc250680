"""The certificates of one cluster: its authorities, and a certificate for everybody who talks in it."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=825)
RENEW = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Subject:
    """Whom a certificate is for: file name, common name, organisations, and the names it serves under."""

    file: str
    common_name: str
    organisations: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    authority: str = "ca"


def clients(node: str) -> tuple[Subject, ...]:
    """Everybody who logs in to the API of a cluster with the node ``node``."""
    return (
        Subject("admin", "lab-admin", ("system:masters",)),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("scheduler", "system:kube-scheduler"),
        Subject("kube-proxy", "system:kube-proxy"),
        Subject("kwok", "lab-kwok", ("system:masters",)),
        Subject("kubelet", f"system:node:{node}", ("system:nodes",)),
        # The API server itself, towards kubelets and towards API servers that are added to it.
        Subject("apiserver-kubelet", "kube-apiserver-kubelet-client", ("system:masters",)),
        Subject("front-proxy", "front-proxy-client", authority="front-proxy-ca"),
    )


def servers(api: Sequence[str], node: Sequence[str]) -> tuple[Subject, ...]:
    """Those that are called: under which names and addresses the API and the node's kubelet answer."""
    return (
        Subject("apiserver", "kube-apiserver", serves=tuple(api)),
        Subject("kubelet-server", "kubelet", serves=tuple(node)),
    )


def ensure(folder: Path, subjects: Sequence[Subject]) -> bool:
    """Make what is missing, near its end or for other names; whether anything was made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [name for name in ("ca", "front-proxy-ca") if _ensure_authority(folder, name)]
    if not (folder / "service-accounts.key").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder / "service-accounts.key", _pem(key))
        _write(folder / "service-accounts.pub", _public_pem(key))
    for subject in subjects:
        if subject.authority in made or not _still_good(folder, subject):
            _issue(folder, subject)
            made.append(subject.file)
    return bool(made)


def kubeconfig(folder: Path, subject: str, server: str, name: str) -> str:
    """A kubeconfig that holds the certificate of ``subject`` itself; JSON, which is YAML too."""
    encoded = {
        key: base64.b64encode((folder / file).read_bytes()).decode()
        for key, file in (("ca", "ca.crt"), ("certificate", f"{subject}.crt"), ("key", f"{subject}.key"))
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": encoded["ca"]}}
        ],
        "users": [
            {
                "name": subject,
                "user": {
                    "client-certificate-data": encoded["certificate"],
                    "client-key-data": encoded["key"],
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": subject}}],
        "current-context": name,
    }
    return json.dumps(document, indent=2) + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, never for a moment."""
    _write(path, text.encode())


def _ensure_authority(folder: Path, name: str) -> bool:
    if _still_good(folder, Subject(name, name, authority=name)):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"groundwork lab {name}")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / f"{name}.key", _pem(key))
    _write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    return True


def _issue(folder: Path, subject: Subject) -> None:
    authority = _read(folder, subject.authority)
    signer = serialization.load_pem_private_key((folder / f"{subject.authority}.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101  # we made it
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in subject.organisations),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name),
        ]
    )
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if subject.serves else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(name, authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True
        )
    )
    if subject.serves:
        alternatives = x509.SubjectAlternativeName(map(_general_name, subject.serves))
        builder = builder.add_extension(alternatives, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    _write(folder / f"{subject.file}.key", _pem(key))
    _write(folder / f"{subject.file}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _still_good(folder: Path, subject: Subject) -> bool:
    if not (folder / f"{subject.file}.crt").exists() or not (folder / f"{subject.file}.key").exists():
        return False
    certificate = _read(folder, subject.file)
    if certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc) < RENEW:
        return False
    if not subject.serves:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return subject.file == subject.authority or names[0].value == subject.common_name
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(extension.value) == set(map(_general_name, subject.serves))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of containers and of machines that just woke up differ a little.
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + VALID)
    )


def _general_name(value: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(value))
    except ValueError:
        return x509.DNSName(value)


def _read(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)
