"""A stateful double of GitLab's REST API, for tests, benchmarks and the lab. It is NOT GitLab.

It answers ``/api/v4`` as GitLab does, as far as configuration as code needs it: who may do what, pagination,
rate limits, what is refused and in which words. It has no user interface, no git over the network, and runs
no jobs. ``/api/v4/metadata`` says so: its version ends in ``-double``.

In a test::

    with Server() as server:
        gitlab.Gitlab(server.url, private_token=server.root_token)
        server.requests.count(method="POST")
        server.faults.add(Fault(status=429, retry_after=1, times=2))
"""

from __future__ import annotations

from lab.doubles.gitlab.faults import Fault, Faults
from lab.doubles.gitlab.server import Recorded, Requests, Server

__all__ = ["Fault", "Faults", "Recorded", "Requests", "Server"]
