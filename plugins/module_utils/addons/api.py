# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one seam to the Kubernetes API: raw paths, counted; authentication is the field's own client's."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode

from ..plan import Meter
from .model import AddonError, Json
from .objects import MANAGER, Ref

MISSING: Optional[str] = None
try:
    import urllib3
    from kubernetes import client as kubernetes_client  # type: ignore[import-not-found, unused-ignore]
    from kubernetes import config as kubernetes_config

    # What was sent may have been done; what the API has put off (429) was not: it says when to come again.
    _RETRIES = urllib3.Retry(
        connect=1,
        read=0,
        redirect=0,
        status=3,
        other=0,
        backoff_factor=0.2,
        allowed_methods=None,
        raise_on_status=False,
    )
except ImportError as missing:
    MISSING = str(missing)

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# Seconds to connect, and for an answer; webhooks may take up to 30 themselves.
TIMEOUT = (10.0, 60.0)
# How long the cluster's kinds are not asked for again, in seconds, when one is not among them.
FRESH = 1.0
# Answers of an API server, or of what it asks, that is starting or has too much to do.
BUSY = (429, 500, 502, 503, 504)


class ApiError(Exception):
    """The API answered, and not with what was asked for."""

    def __init__(self, status: int, reason: str, message: str, what: str) -> None:
        super().__init__(f"{what}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class UnreachableError(AddonError):
    """There was no answer at all."""


def passing(error: Exception) -> bool:
    """Whether the same may well be answered a moment later."""
    return isinstance(error, UnreachableError) or (isinstance(error, ApiError) and error.status in BUSY)


class Api:
    """A connection to one cluster; threads share it. context: the one of the kubeconfig that it is by."""

    def __init__(self, configuration: Any, pool: Any, meter: Meter, name: str, context: str) -> None:
        self.context = context
        self._login = threading.Lock()
        self._configuration = configuration
        self._pool = pool
        self._meter = meter
        self._name = name
        self._version = ""

    def request(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        query: Optional[Mapping[str, str]] = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """The parsed answer. ApiError for one that is no success, AddonError where there is none."""
        self._meter.count()
        url = self._configuration.host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=self._headers(content_type, accept),
                timeout=urllib3.Timeout(connect=TIMEOUT[0], read=TIMEOUT[1]),
                retries=_RETRIES,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                [f"{self._name} does not answer at {self._configuration.host}: {error}"]
            ) from error
        if answer.status >= 400:
            raise self._error(answer, f"{method} {path}")
        if "json" not in answer.headers.get("Content-Type", ""):
            return answer.data.decode(errors="replace")
        return json.loads(answer.data)

    def _headers(self, content_type: str, accept: str) -> Dict[str, str]:
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": "groundwork.platform"}
        # Asks an exec plugin again when its token is over: one thread does, and the others wait for it.
        with self._login:
            settings = self._configuration.auth_settings()
        for setting in settings.values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        if self._configuration.username:
            headers.setdefault("authorization", self._configuration.get_basic_auth_token())
        return headers

    def _error(self, answer: Any, what: str) -> Exception:
        try:
            status = json.loads(answer.data)
            reason, message = status.get("reason") or "", status.get("message") or ""
        except (ValueError, AttributeError):
            reason, message = answer.reason or "", answer.data[:200].decode(errors="replace")
        if answer.status == 401:
            return AddonError(
                [
                    f"{self._name} refuses the login of the kubeconfig (401): it has expired, "
                    "or is of another cluster"
                ]
            )
        return ApiError(answer.status, reason, message, what)

    def version(self) -> str:
        """What the cluster is, such as ``v1.36.3``; asked once."""
        if not self._version:
            self._version = self.request("GET", "/version")["gitVersion"]
        return self._version

    def get(self, path: str, **query: str) -> Any:
        """What is at the path; ``None`` where nothing is."""
        try:
            return self.request("GET", path, query=query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(self, path: str, thing: Mapping[str, Any], dry_run: bool = False) -> Json:
        """Server-side apply as the owner of the fields; what the object is then, or would be."""
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        answer: Json = self.request("PATCH", path, thing, query, APPLY)
        return answer

    def delete(self, path: str, version: str = "") -> bool:
        """Whether there was something to delete. version: ApiError 409 where it is at another one."""
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if version:
            options["preconditions"] = {"resourceVersion": version}
        try:
            self.request("DELETE", path, options)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True


def connect(
    kubeconfig: str, context: str, meter: Meter, name: str, variable: str = "k8s_addons_kubeconfig"
) -> Api:
    """A connection as a kubeconfig describes it. AddonError says what is wrong with it.

    kubeconfig: a path; empty for what KUBECONFIG or ~/.kube/config name. context: empty for the current one.
    variable: which one the kubeconfig is of, for the error.
    """
    if MISSING is not None:
        raise AddonError([f"the Python package kubernetes is missing on the controller: {MISSING}"])
    where = f"{variable} is {kubeconfig or os.environ.get('KUBECONFIG') or '~/.kube/config'}"
    said = _Said()
    logging.getLogger().addHandler(said)
    configuration: Any = kubernetes_client.Configuration()
    try:
        # Named from here on: somebody may switch the current context of the file while a run goes on.
        contexts: Any = kubernetes_config.list_kube_config_contexts
        context = context or contexts(kubeconfig or None)[1]["name"]
        load: Any = kubernetes_config.load_kube_config
        # The client writes keys into files, and a worker of Ansible ends without taking them away.
        with tempfile.TemporaryDirectory() as folder:
            load(kubeconfig or None, context, configuration, temp_file_path=folder)
            pool = _pool(configuration)
    except Exception as error:  # pylint: disable=broad-except  # every kind of bad file has an error of its own
        raise AddonError([f"{where}: {' '.join(str(error).split())}"]) from error
    finally:
        logging.getLogger().removeHandler(said)
    if said.lines and not (configuration.api_key or configuration.cert_file):
        raise AddonError([f"{where}: its login of the context {context} fails: {' '.join(said.lines)}"])
    return Api(configuration, pool, meter, name, context)


def _pool(configuration: Any) -> Any:
    """Connections as the client makes them, with all that is read from files read now."""
    configuration.connection_pool_maxsize = 32
    pool: Any = kubernetes_client.rest.RESTClientObject(configuration).pool_manager
    settings = pool.connection_pool_kw
    if not configuration.host.startswith("https"):
        return pool
    tls = urllib3.util.ssl_.create_urllib3_context(cert_reqs=settings["cert_reqs"])
    authority, certificate, key = (settings.pop(name, None) for name in ("ca_certs", "cert_file", "key_file"))
    if authority:
        tls.load_verify_locations(authority)
    elif configuration.verify_ssl:
        tls.load_default_certs()
    if certificate:
        tls.load_cert_chain(certificate, key)
    settings["ssl_context"] = tls
    return pool


class _Said(logging.Handler):
    """What the client logs while it reads a kubeconfig: it goes on without a login when a plugin fails."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))


class Kinds:
    """Where objects of each kind are found, asked of the API once, and only when something is to change."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._found: Dict[Tuple[str, str], Tuple[str, bool]] = {}
        self._asking = threading.Lock()
        self._asked = float("-inf")

    def path(self, ref: Ref) -> str:
        """The object's own path. ApiError 404 where the cluster does not know the kind."""
        plural, namespaced = self.resource(ref.api_version, ref.kind)
        within = f"/namespaces/{quote(ref.namespace or 'default')}" if namespaced else ""
        return f"{self.root(ref.api_version)}{within}/{plural}/{quote(ref.name, safe='')}"

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether the cluster serves the kind."""
        try:
            self.resource(api_version, kind)
        except ApiError:
            return False
        return True

    def resource(self, api_version: str, kind: str) -> Tuple[str, bool]:
        """Its name in paths, and whether it has a namespace."""
        found = self._found.get((api_version, kind))
        if found is None:
            self._read_again()
            found = self._found.get((api_version, kind))
        if found is None:
            raise ApiError(404, "NotFound", "the cluster does not know this kind", f"{api_version} {kind}")
        return found

    def api_versions(self) -> Tuple[str, ...]:
        """All ``group/version`` and ``group/version/Kind`` that charts may ask for."""
        self._read_again(at_all=True)
        return tuple(sorted({item for key in self._found for item in (key[0], "/".join(key))}))

    def learn(self, definition: Mapping[str, Any]) -> None:
        """A definition of custom resources that was just established: no need to ask again."""
        spec = definition["spec"]
        for version in spec["versions"]:
            if version.get("served"):
                self._found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = (
                    spec["names"]["plural"],
                    spec["scope"] == "Namespaced",
                )

    @staticmethod
    def root(api_version: str) -> str:
        """The path of a group and version."""
        return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"

    def _read_again(self, at_all: bool = False) -> None:
        """Once for all threads that ask at the same time. at_all: only where they were never read."""
        with self._asking:
            if time.monotonic() - self._asked < (float("inf") if at_all else FRESH):
                return
            self._read()
            self._asked = time.monotonic()

    def _read(self) -> None:
        found: Dict[Tuple[str, str], Tuple[str, bool]] = {}
        for path in ("/api", "/apis"):
            for group in self._api.request("GET", path, accept=DISCOVERY)["items"]:
                name = (group.get("metadata") or {}).get("name") or ""
                for version in group.get("versions", ()):
                    api_version = f"{name}/{version['version']}" if name else version["version"]
                    for resource in version.get("resources", ()):
                        kind = (resource.get("responseKind") or {}).get("kind")
                        if kind:
                            found[api_version, kind] = (
                                resource["resource"],
                                resource.get("scope") == "Namespaced",
                            )
        # One that was learned in the meantime may not be served everywhere yet.
        self._found = {**self._found, **found}
