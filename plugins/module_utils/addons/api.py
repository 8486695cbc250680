# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one seam to the Kubernetes API: raw paths, counted; authentication is the field's own client's."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode

from ..plan import Meter
from .model import AddonError, Json
from .objects import MANAGER, Ref

MISSING: Optional[str] = None
try:
    import urllib3
    from kubernetes import client as kubernetes_client  # type: ignore[import-not-found, unused-ignore]
    from kubernetes import config as kubernetes_config
except ImportError as missing:
    MISSING = str(missing)

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# Seconds to connect, and for an answer; webhooks may take up to 30 themselves.
TIMEOUT = (10.0, 60.0)


class ApiError(Exception):
    """The API answered, and not with what was asked for."""

    def __init__(self, status: int, reason: str, message: str, what: str) -> None:
        super().__init__(f"{what}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Api:
    """A connection to one cluster; threads share it."""

    def __init__(self, client: Any, meter: Meter, name: str) -> None:
        self._configuration = client.configuration
        self._pool = client.rest_client.pool_manager
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
                # What was sent may have been done.
                retries=urllib3.Retry(connect=1, read=0, redirect=0, status=0, other=0, backoff_factor=0.2),
            )
        except urllib3.exceptions.HTTPError as error:
            raise AddonError(
                [f"{self._name} does not answer at {self._configuration.host}: {error}"]
            ) from error
        if answer.status >= 400:
            raise self._error(answer, f"{method} {path}")
        if "json" not in answer.headers.get("Content-Type", ""):
            return answer.data.decode(errors="replace")
        return json.loads(answer.data)

    def _headers(self, content_type: str, accept: str) -> Dict[str, str]:
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": "groundwork.platform"}
        # Asks an exec plugin again when its token is over.
        for setting in self._configuration.auth_settings().values():
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

    def delete(self, path: str, propagation: str = "Background") -> bool:
        """Whether there was something to delete."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        try:
            self.request("DELETE", path, options)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True


def connect(kubeconfig: str, context: str, meter: Meter, name: str) -> Api:
    """A connection as a kubeconfig describes it. AddonError says what is wrong with it.

    kubeconfig: a path; empty for what KUBECONFIG or ~/.kube/config name. context: empty for the current one.
    """
    if MISSING is not None:
        raise AddonError([f"the Python package kubernetes is missing on the controller: {MISSING}"])
    try:
        load: Any = kubernetes_config.new_client_from_config
        client = load(config_file=kubeconfig or None, context=context or None)
    except Exception as error:  # pylint: disable=broad-except  # every kind of bad file has an error of its own
        where = kubeconfig or "KUBECONFIG or ~/.kube/config"
        raise AddonError([f"k8s_addons_kubeconfig is {where}: {' '.join(str(error).split())}"]) from error
    client.configuration.connection_pool_maxsize = 32
    client.rest_client = kubernetes_client.rest.RESTClientObject(client.configuration)
    return Api(client, meter, name)


class Kinds:
    """Where objects of each kind are found, asked of the API once, and only when something is to change."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._found: Dict[Tuple[str, str], Tuple[str, bool]] = {}

    def path(self, ref: Ref) -> str:
        """The object's own path. ApiError 404 where the cluster does not know the kind."""
        plural, namespaced = self.resource(ref.api_version, ref.kind)
        within = f"/namespaces/{quote(ref.namespace or 'default')}" if namespaced else ""
        return f"{self.root(ref.api_version)}{within}/{plural}/{quote(ref.name)}"

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
            self._read()
            found = self._found.get((api_version, kind))
        if found is None:
            raise ApiError(404, "NotFound", "the cluster does not know this kind", f"{api_version} {kind}")
        return found

    def api_versions(self) -> Tuple[str, ...]:
        """All ``group/version`` and ``group/version/Kind`` that charts may ask for."""
        if not self._found:
            self._read()
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

    def _read(self) -> None:
        found = dict(self._found)
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
        self._found = found
