"""A configuration for those who can't make a key themselves: encrypted to them, and forgotten here."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from collections.abc import Mapping
from typing import Any

from wireguard import keys, system
from wireguard.errors import UsageError

_RECIPIENT = re.compile(r"age1[0-9a-z]{58,}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]+( .*)?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_PRIVATE = re.compile(r"^# PrivateKey = PRIVATE_KEY$", re.MULTILINE)
_PRESHARED = re.compile(r"^PresharedKey = PRESHARED_KEY$", re.MULTILINE)


def make(interface: str, request: Any) -> dict[str, Any]:
    """``{"public_key", "bundle"}``, the bundle a tar encrypted by age, as base64.

    ``request``: ``name`` and ``addresses`` of the peer, ``recipient``, and ``files`` by name, where
    ``*.conf`` are configurations with placeholders. What is a configuration comes with QR codes.
    """
    name, addresses, recipient, files = _checked(request)
    private = system.run(["wg", "genkey"]).strip()
    preshared = keys.make_preshared(interface).of(name, addresses)
    content: dict[str, bytes] = {}
    for file, template in sorted(files.items()):
        text = _PRIVATE.sub(f"PrivateKey = {private}", template)
        text = _PRESHARED.sub(f"PresharedKey = {preshared}", text)
        content[file] = text.encode()
        if file.endswith(".conf"):
            stem = file[: -len(".conf")]
            content[f"{stem}.png"] = system.run_bytes(["qrencode", "-t", "PNG", "-o", "-"], text.encode())
            content[f"{stem}.qr.txt"] = system.run_bytes(["qrencode", "-t", "UTF8", "-o", "-"], text.encode())
    encrypted = system.run_bytes(["age", "--encrypt", "--recipient", recipient], _tar(name, content))
    return {
        "changed": True,
        "public_key": keys.public(private),
        "bundle": base64.b64encode(encrypted).decode("ascii"),
    }


def _tar(folder: str, content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file, data in content.items():
            entry = tarfile.TarInfo(f"{folder}/{file}")
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _checked(request: Any) -> tuple[str, list[str], str, dict[str, str]]:
    if not isinstance(request, dict):
        raise UsageError("the request must be a JSON object with name, addresses, recipient and files")
    name, recipient = str(request.get("name", "")), str(request.get("recipient", "")).strip()
    files, addresses = request.get("files"), request.get("addresses")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise UsageError(f"name is {name!r}: must be a peer's name")
    if not isinstance(addresses, list) or not addresses:
        raise UsageError("addresses must hold the peer's addresses")
    if not _RECIPIENT.fullmatch(recipient):
        raise UsageError(
            f"recipient is {recipient!r}: must be age1... or a public key of SSH (ed25519 or RSA)"
        )
    if not isinstance(files, dict) or not all(_FILE.fullmatch(str(file)) for file in files):
        raise UsageError("files must hold texts by the names of files")
    if not any(_PRIVATE.search(str(text)) for text in files.values()):
        raise UsageError("no file has the line # PrivateKey = PRIVATE_KEY")
    return (
        name,
        [str(one) for one in addresses],
        recipient,
        {str(key): str(text) for key, text in files.items()},
    )
