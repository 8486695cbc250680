# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secret in a cluster that holds the config.toml of its runners, and so their tokens."""

from __future__ import annotations

import base64
from typing import Any, Dict, Optional

from .kubernetes import MANAGER_NAMESPACE, SECRET

try:
    import kubernetes

    MISSING = ""
except ImportError as error:
    MISSING = str(error)

FILE = "config.toml"
# The chart registers one runner with it before the whole configuration takes its place.
TOKEN = "runner-token"  # noqa: S105  # because it is the name of a key, not what is in it


class ClusterError(Exception):
    """The cluster can't be asked, or refuses."""


class Cluster:
    """One cluster, by its kubeconfig."""

    def __init__(self, kubeconfig: str, context: str = "") -> None:
        if MISSING:
            raise ClusterError(f"the Python package kubernetes is needed on the controller ({MISSING})")
        try:
            load: Any = kubernetes.config.new_client_from_config
            client = load(kubeconfig or None, context or None)
        except Exception as error:
            raise ClusterError(f"the kubeconfig {kubeconfig or 'of the environment'}: {error}") from error
        # Its types know no mappings, which it takes all the same.
        self._api: Any = kubernetes.client.CoreV1Api(client)
        self._present: Optional[Any] = None

    def read(self) -> str:
        """The config.toml that is there, empty when there is none."""
        try:
            self._present = self._api.read_namespaced_secret(SECRET, MANAGER_NAMESPACE)
        except kubernetes.client.ApiException as error:
            if error.status != 404:
                raise ClusterError(_words(error)) from error
            self._present = None
        data = (self._present.data if self._present else None) or {}
        return base64.b64decode(data.get(FILE, "")).decode()

    def write(self, text: str, token: str) -> None:
        """Put a config.toml in its place, unless somebody has changed it since it was read."""
        data: Dict[str, str] = {FILE: text, TOKEN: token, "runner-registration-token": ""}
        metadata: Dict[str, Any] = {"name": SECRET, "namespace": MANAGER_NAMESPACE}
        body = {"metadata": metadata, "type": "Opaque", "stringData": data}
        try:
            if self._present is not None:
                metadata["resourceVersion"] = self._present.metadata.resource_version
                self._api.replace_namespaced_secret(SECRET, MANAGER_NAMESPACE, body)
                return
            self._ensure_namespace()
            self._api.create_namespaced_secret(MANAGER_NAMESPACE, body)
        except kubernetes.client.ApiException as error:
            raise ClusterError(_words(error)) from error

    def _ensure_namespace(self) -> None:
        """The addon makes it too, but the Secret has to be there before its pods."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        try:
            self._api.create_namespace({"metadata": {"name": MANAGER_NAMESPACE, "labels": labels}})
        except kubernetes.client.ApiException as error:
            if error.status != 409:
                raise


def _words(error: Any) -> str:
    return f"the cluster answers {error.status} {error.reason}"
