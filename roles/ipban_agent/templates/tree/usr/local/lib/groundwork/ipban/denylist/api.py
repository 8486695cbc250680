"""The Kubernetes API as a pod reaches it: by the address, token and authority that every pod is given."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ipban.model import AgentError

MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MANAGER = "groundwork-ipban"
_TIMEOUT = 30.0


class ApiError(AgentError):
    """The API server is away, or refuses; the message says what it said."""


class Changed(ApiError):  # noqa: N818  # because it is an answer, not a fault
    """Somebody else has changed the object since it was read."""


class Api:
    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        mounted: Path = MOUNTED,
    ) -> None:
        environment = os.environ if environment is None else environment
        self._host = environment.get("KUBERNETES_SERVICE_HOST", "")
        self._port = int(environment.get("KUBERNETES_SERVICE_PORT", "443"))
        self._mounted = mounted
        if not self._host:
            raise ApiError("KUBERNETES_SERVICE_HOST is not set: this runs in a pod with a service account")

    def get(self, path: str) -> dict[str, Any] | None:
        """The object; None where there is none."""
        return self._ask("GET", path)

    def apply(self, path: str, document: Mapping[str, Any], *, force: bool) -> None:
        """Server-side: what the document says, and no longer what it said before. Raises :exc:`Changed`.

        ``force`` takes fields over that somebody else has set.
        """
        query = f"?fieldManager={MANAGER}&force={'true' if force else 'false'}"
        # Every JSON is YAML.
        if self._ask("PATCH", path + query, document, "application/apply-patch+yaml") is None:
            raise ApiError(f"PATCH {path}: 404, there is no such kind or namespace")

    def delete(self, path: str) -> None:
        """Whether or not it is there."""
        self._ask("DELETE", path)

    def _ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, kind: str = ""
    ) -> dict[str, Any] | None:
        try:
            context = ssl.create_default_context(cafile=str(self._mounted / "ca.crt"))
            # Authorities of clusters are made without all that RFC 5280 wants; Python 3.13 began to mind.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            # Read each time: the kubelet puts a new one there before the old one ends.
            token = (self._mounted / "token").read_text(encoding="ascii").strip()
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            body = None
            if document is not None:
                headers["Content-Type"] = kind
                body = json.dumps(document).encode()
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT, context=context
            )
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{method} {path.partition('?')[0]}: {error}") from error
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            said = f"{method} {path.partition('?')[0]}: {answer.status}, {_message(text)}"
            # A field that belongs to somebody else is a conflict too, and one that stays.
            stale = answer.status == http.HTTPStatus.CONFLICT and "has been modified" in said
            raise (Changed if stale else ApiError)(said)
        found: dict[str, Any] = json.loads(text or b"{}")
        return found


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])[:400]
    except (ValueError, KeyError, TypeError):
        return text.decode("utf-8", "replace")[:200]
