"""SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677), made here so that no password reaches the server's log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re

ITERATIONS = 4096
_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>[0-9]+):(?P<salt>[A-Za-z0-9+/=]+)\$(?P<stored>[A-Za-z0-9+/=]+):(?P<server>[A-Za-z0-9+/=]+)"
)


def is_verifier(text: str) -> bool:
    return _VERIFIER.fullmatch(text) is not None


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """What PostgreSQL stores of a password. Printable ASCII only: for others SASLprep would be needed."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def belongs(stored: str, given: str) -> bool:
    """Whether the stored verifier is the given one, or that of the given password."""
    if is_verifier(given):
        return hmac.compare_digest(stored, given)
    found = _VERIFIER.fullmatch(stored)
    if not found:
        return False
    return hmac.compare_digest(
        stored, verifier(given, base64.b64decode(found["salt"]), int(found["iterations"]))
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
