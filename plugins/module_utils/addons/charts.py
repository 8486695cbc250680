# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts and manifests as files: from a mirror or upstream into a cache by digest, and what they hold."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
import threading
import zlib
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ansible.module_utils.urls import open_url

from . import documents
from .digest import of_bytes, of_file
from .helm import Helm, HelmError
from .known import ChartKeys
from .model import AddonError, Entry

# How long a source that did not answer is not asked again, in seconds.
AWAY = 900
_WRITING = threading.Lock()


class NoSourceError(AddonError):
    """Neither the mirror nor upstream has it."""


class Store:
    """Files by their digest below a folder of the controller: charts as .tgz, manifests as .yml."""

    def __init__(self, cache: str, mirror: str, helm: Helm) -> None:
        self._cache = cache
        self._folder = os.path.join(cache, "charts")
        self._mirror = mirror.rstrip("/")
        self._helm = helm

    def fetch_unless_away(self, entry: Entry, now: float) -> str:
        """The same as :meth:`fetch`, but what had no source lately is not looked for again.

        A run that leaves such entries out would wait for upstream each time. A folder is always looked into.
        """
        if self._mirror and not self._mirror.startswith("oci://"):
            return self.fetch(entry)
        path = os.path.join(self._folder, "away.json")
        key = f"{entry.id} {entry.source()} {entry.version()} {self._mirror}"
        try:
            with open(path, encoding="utf-8") as opened:
                away: Dict[str, Any] = json.load(opened)
        except (OSError, ValueError):
            away = {}
        since, why = away.get(key) or (0.0, "")
        if now - since < AWAY:
            raise NoSourceError([why])
        try:
            return self.fetch(entry)
        except NoSourceError as error:
            with _WRITING:
                _note(path, key, [now, str(error)])
            raise

    def path(self, entry: Entry, digest: str) -> str:
        """Where the file with this digest is, whether it is there or not."""
        suffix = "tgz" if entry.chart is not None else "yml"
        return os.path.join(self._folder, f"{digest.partition(':')[2]}.{suffix}")

    def has(self, entry: Entry, digest: str) -> bool:
        """Whether it is there, and what its name says."""
        path = self.path(entry, digest)
        return bool(digest) and os.path.isfile(path) and of_file(path) == digest

    def fetch(self, entry: Entry) -> str:
        """Bring the entry's file into the cache; its digest. NoSourceError says what to set."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                found = self._bring(entry, folder)
                digest = of_file(found)
                os.replace(found, self.path(entry, digest))
        except OSError as error:
            raise AddonError([f"k8s_addons_cache is {self._cache}: {error}"]) from error
        return digest

    def _bring(self, entry: Entry, folder: str) -> str:
        if entry.chart is not None and entry.chart.path:
            target = os.path.join(folder, "chart.tgz")
            with open(target, "wb") as opened:
                opened.write(packed(entry.chart.path, entry.chart.name))
            return target
        tried: List[str] = []
        if self._mirror:
            try:
                return self._from_mirror(entry, folder)
            except (HelmError, OSError) as error:
                tried.append(f"the mirror {self._mirror}: {error}")
        else:
            try:
                return self._from_upstream(entry, folder)
            except (HelmError, OSError) as error:
                tried.append(f"{entry.source()}: {_cause(error)}")
        name = entry.chart.name if entry.chart is not None else entry.id
        raise NoSourceError(
            [
                f"{entry.id} {entry.version()} has no source: {'; '.join(tried)}. "
                f"Set k8s_addons_charts_mirror "
                f"(GROUNDWORK_CHART_MIRROR in the lab) to a folder with {name}-{entry.version()}"
                f"{'.tgz' if entry.chart is not None else '.yml'}"
                + (
                    f", or to an oci:// prefix with {name}:{entry.version()}"
                    if entry.chart is not None
                    else ""
                )
            ]
        )

    def _from_mirror(self, entry: Entry, folder: str) -> str:
        name, suffix = (entry.chart.name, "tgz") if entry.chart is not None else (entry.id, "yml")
        if self._mirror.startswith("oci://"):
            if entry.chart is None:
                raise HelmError("a registry of charts has no plain manifests")
            self._helm.pull(f"{self._mirror}/{name}", entry.version(), folder)
            return _only_file(folder)
        target = os.path.join(folder, f"file.{suffix}")
        shutil.copyfile(os.path.join(self._mirror, f"{name}-{entry.version()}.{suffix}"), target)
        return target

    def _from_upstream(self, entry: Entry, folder: str) -> str:
        if entry.chart is not None:
            oci = entry.chart.repository.startswith("oci://")
            reference = (
                entry.chart.repository if oci else f"{entry.chart.repository.rstrip('/')}#{entry.chart.name}"
            )
            self._helm.pull(reference, entry.version(), folder)
            return _only_file(folder)
        target = os.path.join(folder, "file.yml")
        try:
            with open_url(entry.source(), timeout=60) as answer, open(target, "wb") as opened:
                shutil.copyfileobj(answer, opened)
        except Exception as error:  # pylint: disable=broad-except  # TLS and proxies have errors of their own
            raise OSError(str(error)) from error
        return target


def _note(path: str, key: str, what: List[Any]) -> None:
    try:
        with open(path, encoding="utf-8") as opened:
            known = json.load(opened)
    except (OSError, ValueError):
        known = {}
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="utf-8") as opened:
        json.dump({**known, key: what}, opened)
    os.replace(part, path)


def _only_file(folder: str) -> str:
    names = [name for name in os.listdir(folder) if name.endswith(".tgz")]
    if len(names) != 1:
        raise HelmError(f"helm pull left {len(names)} charts")
    return os.path.join(folder, names[0])


def packed(folder: str, name: str) -> bytes:
    """A chart's folder as .tgz, the same bytes wherever it was checked out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_files(folder)):
            with open(path, "rb") as opened:
                content = opened.read()
            member = tarfile.TarInfo(f"{name}/{os.path.relpath(path, folder)}")
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _files(folder: str) -> Iterator[str]:
    for root, _folders, names in os.walk(folder):
        for name in names:
            yield os.path.join(root, name)


def packed_digest(entry: Entry) -> str:
    """The digest of a chart that the collection ships."""
    if entry.chart is None or not entry.chart.path:
        raise AddonError([f"{entry.id} has no chart of the collection's own"])
    if not os.path.isfile(os.path.join(entry.chart.path, "Chart.yaml")):
        raise AddonError([f"{entry.id}: chart.path is {entry.chart.path}: must be a folder with a chart"])
    return of_bytes(packed(entry.chart.path, entry.chart.name))


def check_metadata(path: str, entry: Entry) -> None:
    """That the file is the chart and the version that it is taken for. AddonError where it is another."""
    files = _read(path)
    metadata = _yaml(files, "", "Chart.yaml")
    wanted = (entry.chart.name, entry.chart.version) if entry.chart is not None else ("", "")
    found = (str(metadata.get("name")), str(metadata.get("version")))
    if found != wanted:
        raise AddonError([f"{entry.id}: {path} is the chart {' '.join(found)}, not {' '.join(wanted)}"])


def keys(path: str) -> ChartKeys:
    """What the chart in a .tgz, and the charts in it, say of their values."""
    return _keys(_read(path), "")


def _keys(files: Mapping[str, bytes], prefix: str) -> ChartKeys:
    names: Dict[str, str] = {}
    for dependency in _yaml(files, prefix, "Chart.yaml").get("dependencies") or ():
        names.setdefault(str(dependency["name"]), str(dependency.get("alias") or dependency["name"]))
    subcharts = {}
    for path in files:
        if path.startswith(f"{prefix}charts/") and path.endswith("/Chart.yaml"):
            folder = path[: -len("Chart.yaml")]
            if folder.count("/") == prefix.count("/") + 2:
                name = str(_yaml(files, folder, "Chart.yaml").get("name"))
                subcharts[names.get(name, name)] = _keys(files, folder)
    name = f"{prefix}values.schema.json"
    try:
        schema = json.loads(files.get(name) or b"{}")
    except ValueError as error:
        raise AddonError([f"{name} is no JSON: {error}"]) from error
    return ChartKeys(_yaml(files, prefix, "values.yaml"), schema, subcharts)


def _yaml(files: Mapping[str, bytes], prefix: str, name: str) -> Dict[str, Any]:
    return documents.load(files.get(prefix + name, b""), prefix + name) or {}


def _read(path: str) -> Dict[str, bytes]:
    """Small files of a chart that say what it is, without the folder at the top; charts in it too."""
    try:
        with open(path, "rb") as opened:
            return dict(_members(opened.read()))
    except (EOFError, OSError, tarfile.TarError, zlib.error) as error:
        raise AddonError([f"{path} is no chart: {error}"]) from error


def _members(content: bytes) -> Iterator[Tuple[str, bytes]]:
    wanted = ("Chart.yaml", "values.yaml", "values.schema.json")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if not member.isfile() or not (name.endswith(".tgz") or os.path.basename(name) in wanted):
                continue
            opened = archive.extractfile(member)
            inner = opened.read() if opened is not None else b""
            if name.endswith(".tgz"):
                stem = name[: -len(".tgz")]
                for below, text in _members(inner):
                    yield f"{stem}/{below}", text
            elif "/templates/" not in name:
                yield name, inner


def _cause(error: Exception) -> str:
    """The end of what Helm says: what comes before names each step that led there."""
    return ": ".join(str(error).rsplit(": ", 2)[-2:])
