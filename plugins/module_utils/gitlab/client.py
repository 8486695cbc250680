# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one seam to a GitLab: a bounded pool of kept connections, retries that change nothing twice, a count.

Requests go through the `http_request` of python-gitlab, which builds addresses, bodies and errors. What is
sent again is decided here: after a 429 always (GitLab did nothing), after a 502 to 504 and a lost connection
only where that cannot do it twice.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, TypeVar
from urllib.parse import quote

from ..plan import Meter

try:
    import requests
    import requests.adapters
    import requests.utils

    import gitlab

    MISSING = ""
except ImportError as error:
    MISSING = str(error)

Item = TypeVar("Item")
Result = TypeVar("Result")

PER_PAGE = 100
TIMEOUT = 60.0
ATTEMPTS = 6
# A server that wants a longer pause than this is not going to be waited for within one run.
LONGEST_PAUSE = 300.0
TRANSIENT = (502, 503, 504)
_LOGIN = re.compile(r"://[^/@\s]+@")
# PATCH is left out: arrays of access levels in it are instructions (add, remove), not a state.
REPEATABLE = ("get", "put", "delete")


class ApiError(Exception):
    """A request that GitLab refused, or that it could not be asked.

    status: the HTTP status, 0 where there was no answer. message: GitLab's words, without secrets of ours.
    """

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        answer = f"{status} " if status else ""
        super().__init__(f"{method.upper()} {path}: {answer}{message}")
        self.method = method
        self.path = path
        self.status = status
        self.message = message


def quoted(full_path: object) -> str:
    """An id or a full path such as ``group/project`` as one part of a request's path."""
    return quote(str(full_path), safe="")


class Client:
    """Requests to one GitLab, safe to be used by several threads.

    ``reads`` and ``writes`` count requests as they are sent, repeated ones each time; ``meter`` counts both.
    """

    def __init__(
        self,
        url: str,
        token: str,
        ca_file: Optional[str] = None,
        workers: int = 8,
        timeout: float = TIMEOUT,
        meter: Optional[Meter] = None,
    ) -> None:
        if MISSING:
            raise ApiError("get", url, 0, f"python-gitlab is needed on the controller ({MISSING})")
        self.url = url.rstrip("/")
        self.workers = workers
        self.meter = meter or Meter()
        self.reads = 0
        self.writes = 0
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self._thread = threading.local()
        self._pool: Optional[ThreadPoolExecutor] = None
        self._metadata: Optional[Dict[str, Any]] = None
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(
            pool_connections=1, pool_maxsize=workers + 1, pool_block=True, max_retries=0
        )
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # Looked up once: with trust_env requests reads the environment and ~/.netrc for each single request.
        self._session.proxies.update(requests.utils.get_environ_proxies(self.url))
        self._session.trust_env = False
        self._session.hooks["response"].append(self._remember)
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._gitlab = gitlab.Gitlab(
            self.url,
            private_token=token,
            ssl_verify=ca_file or bundle or True,
            timeout=timeout,
            session=self._session,
            keep_base_url=True,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the pool and the connections."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
        self._session.close()

    # -- reading

    def get(self, path: str, /, **query: Any) -> Any:
        """One object; ``path`` is below ``/api/v4``, for example ``/projects/5/hooks/7``."""
        return self._request("get", path, query=query).json()

    def find(self, path: str, /, **query: Any) -> Any:
        """One object, or None where GitLab has none (404)."""
        try:
            return self.get(path, **query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def pages(self, path: str, /, **query: Any) -> List[Any]:
        """All elements of a list; pages after the first are read side by side where GitLab counts them."""
        query = {"per_page": PER_PAGE, **query}
        answer = self._request("get", path, query=query)
        found = list(answer.json())
        total = answer.headers.get("X-Total-Pages", "")
        if total.isdigit() and query.get("pagination") != "keyset":
            rest = range(2, int(total) + 1)
            for page in self.map(
                lambda number: self._request("get", path, query={**query, "page": number}).json(), rest
            ):
                found.extend(page)
            return found
        while "next" in answer.links:
            answer = self._request("get", answer.links["next"]["url"])
            found.extend(answer.json())
        return found

    def metadata(self) -> Dict[str, Any]:
        """``{"version": "18.5.1", "enterprise": bool, ...}``, asked for once."""
        if self._metadata is None:
            self._metadata = dict(self.get("/metadata"))
        return self._metadata

    @property
    def enterprise(self) -> bool:
        """Whether this is the Enterprise Edition."""
        return bool(self.metadata().get("enterprise"))

    # -- writing

    def post(
        self, path: str, data: Optional[Mapping[str, Any]] = None, files: Optional[Mapping[str, Any]] = None
    ) -> Any:
        """Create something; never sent twice unless GitLab said that it did nothing."""
        return self._answer(self._request("post", path, data=data, files=files))

    def put(
        self,
        path: str,
        /,
        data: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Any]] = None,
        **query: Any,
    ) -> Any:
        """Change something in place."""
        return self._answer(self._request("put", path, data=data, files=files, query=query))

    def patch(self, path: str, data: Optional[Mapping[str, Any]] = None) -> Any:
        """Change something in place by instructions."""
        return self._answer(self._request("patch", path, data=data))

    def delete(self, path: str, /, **query: Any) -> None:
        """Remove something; what is not there any more is no error."""
        try:
            self._request("delete", path, query=query)
        except ApiError as error:
            if error.status != 404:
                raise

    # -- working side by side

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> List[Result]:
        """``function`` of each item, at most ``workers`` at once, results in the items' order.

        Inside of a worker it goes one by one: a worker that waited for workers could wait for itself.
        """
        todo = list(items)
        if len(todo) < 2 or self.workers < 2 or getattr(self._thread, "worker", False):
            return [function(item) for item in todo]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    max_workers=self.workers, thread_name_prefix="gitlab", initializer=self._enter_worker
                )
        return list(self._pool.map(function, todo))

    def _enter_worker(self) -> None:
        self._thread.worker = True

    # -- one request

    def _request(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        data: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Any]] = None,
    ) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            self._wait()
            self._count(method)
            status, retry_after = 0, ""
            try:
                # Files are consumed as they are sent, so each attempt gets a mapping of its own.
                return self._gitlab.http_request(
                    method,
                    path,
                    query_data=_parameters(query or {}),
                    post_data=None if data is None else dict(data),
                    files=None if files is None else dict(files),
                    obey_rate_limit=False,
                    retry_transient_errors=False,
                )
            except (gitlab.GitlabHttpError, gitlab.GitlabAuthenticationError) as error:
                status = int(error.response_code or 0)
                reason = _words(error.error_message)
                retry_after = str(getattr(self._thread, "retry_after", ""))
                known = status == 429 or (status in TRANSIENT and method in REPEATABLE)
            except requests.exceptions.SSLError as error:
                raise ApiError(method, path, 0, f"TLS: {_cause(error)}") from None
            except requests.exceptions.RequestException as error:
                reason = _cause(error)
                known = method in REPEATABLE
            except gitlab.GitlabError as error:
                raise ApiError(method, path, 0, _words(error.error_message)) from None
            if not known or attempt == ATTEMPTS:
                raise ApiError(method, path, status, reason)
            self._pause(attempt, status, retry_after, ApiError(method, path, status, reason))
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, status: int, retry_after: str, error: ApiError) -> None:
        """Note when the next request may go; a rate limit holds for all threads, as it does for the token."""
        seconds = min(0.2 * 2 ** (attempt - 1), 10.0) * random.uniform(0.5, 1.0)  # noqa: S311  # because it only spreads load
        if retry_after.replace(".", "", 1).isdigit():
            seconds = float(retry_after)
        if seconds > LONGEST_PAUSE:
            raise error
        if status == 429:
            with self._lock:
                self._resume_at = max(self._resume_at, time.monotonic() + seconds)
        else:
            time.sleep(seconds)

    def _wait(self) -> None:
        with self._lock:
            seconds = self._resume_at - time.monotonic()
        if seconds > 0:
            time.sleep(seconds)

    def _count(self, method: str) -> None:
        with self._lock:
            self.meter.count()
            if method == "get":
                self.reads += 1
            else:
                self.writes += 1

    def _remember(self, response: Any, **_options: Any) -> None:
        # python-gitlab's errors don't carry the headers of the answer.
        self._thread.retry_after = response.headers.get("Retry-After", "")

    @staticmethod
    def _answer(response: Any) -> Any:
        return response.json() if response.content else None


def _parameters(query: Mapping[str, Any]) -> Dict[str, Any]:
    """Query parameters; truth values the way that every version of GitLab reads them."""
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}


def _words(message: Any) -> str:
    """GitLab's message as one line; it comes as text, bytes, a list or a mapping from fields to reasons."""
    if isinstance(message, bytes):
        message = message.decode(errors="replace")
    if isinstance(message, Mapping):
        return "; ".join(f"{key}: {_words(value)}" for key, value in message.items())
    if isinstance(message, (list, tuple)):
        return ", ".join(_words(item) for item in message)
    # An address in an answer may carry the login that it was sent with.
    return _LOGIN.sub("://", " ".join(str(message).split()))[:500]


def _cause(error: BaseException) -> str:
    """The innermost reason of a failed connection, in one line."""
    reason: Any = error.args[0] if error.args else error
    reason = getattr(reason, "reason", reason)
    return " ".join(str(reason).split())[:300] or type(error).__name__
